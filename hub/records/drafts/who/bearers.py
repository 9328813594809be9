"""Which patient a draft means by its numbers, and what follows where a number has a new bearer.

A number the hospital gave is its bearer's until what is told contradicts that surely (`persons`): then it is somebody
else's, who is a patient of their own, and with whoever had it before it is marked old, with its end. From that moment
on it means the new bearer; what happened before, or is told of the former one, still goes to that one.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from canonical import local
from canonical.codes import NATIONAL, aliases
from canonical.problem import Problem
from canonical.records import DRAFT, Draft, Key
from hub.records.drafts.marks import told_at
from hub.records.drafts.who.identify import Places, as_stored, reference_of, same_person
from hub.records.drafts.who.known import Handed, Known
from hub.records.drafts.who.lookup import lookup, stored
from hub.records.drafts.who.persons import Verdict, verdict
from hub.records.write import Write
from hub.store.database import Transaction

Body = dict[str, Any]
TYPE = "Patient"


@dataclass(slots=True)
class Choice:
    """The patient a draft means (empty: a new one), the numbers that may make a new one's id, and what is told."""

    identity: str = ""
    usable: list[Key] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Candidate:
    found: str
    identity: str
    body: Body
    verdict: Verdict
    merged: bool


def choose(draft: Draft, known: Known) -> Choice:
    """The patient a draft means. The hospital's own numbers are asked first: a national one may be somebody else's."""
    choice = Choice()
    refused: set[Key] = set()
    handed: list[Handed] = []
    for key in sorted(draft.keys, key=_is_national):
        for one in _candidates(draft, key, known):
            if one.verdict is Verdict.OTHER:
                handed += [_handed(draft, key, one, known)]
                choice.problems += [Problem("semantic.number-reused", draft.local)] if key not in refused else []
                refused.add(key)
            elif not same_person(draft, key, one.body, merged=one.merged, shared=key in refused):
                refused.add(key)
                choice.problems.append(Problem("semantic.identity-review", draft.local))
            else:
                _take(draft, one, known, choice)
                known.handed += [each for each in handed if each.key != key]
                return choice
    known.handed += handed
    refused |= _refused_here(draft, refused, known, choice)
    choice.usable = [key for key in draft.keys if key not in refused]
    for key in choice.usable:
        known.patients.setdefault(key, as_stored(draft))
    return choice


def _take(draft: Draft, one: _Candidate, known: Known, choice: Choice) -> None:
    """Note that a draft means this patient."""
    choice.identity = one.identity
    if one.identity != one.found:
        choice.problems.append(Problem("semantic.merged-patient", draft.local))
    if one.verdict is Verdict.UNSURE and one.merged:
        known.doubtful.add(draft.local)
        choice.problems.append(Problem("semantic.number-doubtful", draft.local))
    choice.problems += _shared(draft, one.identity, known)


def is_doubtful(draft: Draft, known: Known) -> bool:
    """Whether a draft changes nothing: it is of a patient who may be another one, or of somebody close to them."""
    related = draft.type == "RelatedPerson" and not known.doubtful.isdisjoint(draft.under)
    return related or draft.local in known.doubtful


def _candidates(draft: Draft, key: Key, known: Known) -> list[_Candidate]:
    """Who has a number; of several who have the hospital's own, those whom nothing contradicts first, and of these who
    had it when it happened."""
    return sorted(_found(draft, key, known), key=lambda one: (one.verdict, not _holds(draft, key, one.body)))


def _found(draft: Draft, key: Key, known: Known) -> Iterator[_Candidate]:
    for found in known.candidates.get((TYPE, key), ()):
        identity = known.survivors.get(found, found)
        body = known.rows.get((TYPE, identity)) or {}
        national = _is_national(key)
        said = Verdict.SAME if national or not known.careful or draft.action else verdict(draft, body)
        if said is Verdict.OTHER and f"{TYPE}/{identity}" in known.visited.get(draft.local, ()):
            said = Verdict.UNSURE
        merged = identity != found or (not national and found in known.survivors.values())
        yield _Candidate(found, identity, body, said, merged)


def note_visits(drafts: Sequence[Draft], known: Known) -> None:
    """Note with each patient's draft whose the visits are that its message names by numbers known already: within their
    visit another name and birth date are a registration put right, not somebody else."""
    for draft in drafts:
        about = reference_of(draft) if draft.type == "Encounter" else ""
        for key in draft.keys if about.startswith(DRAFT) else ():
            for identity in known.candidates.get((draft.type, key), ()):
                whose = (known.rows.get((draft.type, identity)) or {}).get("subject", {}).get("reference", "")
                known.visited.setdefault(about[len(DRAFT) :], set()).add(whose)


def _holds(draft: Draft, key: Key, body: Body) -> bool:
    """Whether a number was this patient's at the moment of a draft: not after its end; before it, theirs alone."""
    end = ended(key, body)
    return _is_national(key) or (end is None) or (draft.event_at is not None and draft.event_at < end)


def ended(key: Key, body: Body) -> datetime.datetime | None:
    """When a number ceased to be this patient's since it became somebody else's; None where it did not."""
    systems = aliases(key.system)
    for item in body.get("identifier", ()):
        if item.get("use") == "old" and item.get("value") == key.value and item.get("system") in systems:
            return local.instant((item.get("period") or {}).get("end"))
    return None


def _is_national(key: Key) -> bool:
    return key.system in NATIONAL


def _shared(draft: Draft, identity: str, known: Known) -> list[Problem]:
    """A finding when a national number of this patient is also another one's: one person twice, or a wrong number."""
    bearers = {
        known.survivors.get(found, found)
        for key in draft.keys
        if _is_national(key)
        for found in known.candidates.get((TYPE, key), ())
    }
    return [Problem("semantic.identity-review", draft.local)] if bearers - {identity} else []


def _refused_here(draft: Draft, refused: set[Key], known: Known, choice: Choice) -> set[Key]:
    """The numbers of a new patient that are somebody else's among the drafts that are settled together."""
    found = set()
    for key in draft.keys:
        body = known.patients.get(key)
        if body is None or key in refused:
            continue
        if _is_national(key):
            code = "" if same_person(draft, key, body) else "semantic.identity-review"
        else:
            code = "semantic.number-reused" if known.careful and verdict(draft, body) is Verdict.OTHER else ""
        if code:
            found.add(key)
            choice.problems.append(Problem(code, draft.local))
    return found


def _handed(draft: Draft, key: Key, one: _Candidate, known: Known) -> Handed:
    through = {i for i in known.candidates.get((TYPE, key), ()) if known.survivors.get(i) == one.identity}
    return Handed(key=key, before=one.identity, through=tuple(sorted(through)), local=draft.local)


async def close(tx: Transaction, drafts: Sequence[Draft], known: Known, places: Places, writes: list[Write]) -> None:
    """Mark numbers that have a new bearer as old with those who had them; `writes` is changed and grows.

    Where the message is older than what is known of the present bearer, it is the one it tells of who had it before.
    """
    named = {draft.local: draft for draft in drafts}
    for one in dict.fromkeys(known.handed):
        draft = named[one.local]
        if draft.event_at is None or one.local not in places:
            continue
        present = known.rows.get((TYPE, one.before)) or {}
        since = told_at(present)
        if since is not None and draft.event_at < since:
            _mark(places[one.local][1], None, one.key, since, writes, draft)
            continue
        others = await stored(tx, {(TYPE, identity) for identity in one.through})
        for (_, identity), body in [((TYPE, one.before), present), *others.items()]:
            _mark(identity, body, one.key, draft.event_at, writes, draft)


def _mark(
    identity: str, body: Body | None, key: Key, end: datetime.datetime, writes: list[Write], draft: Draft
) -> None:
    """Give a patient's number its end, in the write there is of that patient or in one of its own."""
    at = next((n for n, write in enumerate(writes) if (write.type, write.id) == (TYPE, identity)), None)
    present = (writes[at].body if at is not None else body) or {}
    systems = aliases(key.system)
    numbers = [
        {**item, "use": "old", "period": {**item.get("period", {}), "end": end.isoformat()}}
        if item.get("value") == key.value and item.get("system") in systems and ended(key, present) is None
        else item
        for item in present.get("identifier", ())
    ]
    if not numbers or numbers == present.get("identifier"):
        return
    told = {**present, "identifier": numbers}
    if at is not None:
        writes[at] = dataclasses.replace(writes[at], body=told)
    else:
        writes.append(Write(type=TYPE, id=identity, body=told, skip_unchanged=True, message_id=draft.message_id))


async def bearers_of(tx: Transaction, drafts: Sequence[Draft]) -> dict[tuple[str, Key], list[str]]:
    """As `lookup`, but of several patients with one number those only who had it when the draft that names it
    happened."""
    found = await lookup(tx, drafts)
    several = {wish for wish, ids in found.items() if wish[0] == TYPE and len(ids) > 1}
    if not several:
        return found
    rows = await stored(tx, {(TYPE, identity) for wish in several for identity in found[wish]}, lock=False)
    for draft in drafts:
        for key in draft.keys:
            if (draft.type, key) in several:
                ids = found[draft.type, key]
                held = [i for i in ids if _holds(draft, key, rows[TYPE, i] or {})]
                past = [i for i in held if ended(key, rows[TYPE, i] or {}) is not None]
                found[draft.type, key] = past or held or ids
    return found
