"""Drafts meet stored records: which record each draft is, what it becomes, and which id references get.

Matching is by business key, never by name alone (a council number without state asks for the name too); a key of a
merged patient leads to the survivor. A draft without keys is a part of another one (a result of a report) and takes its
identity from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from canonical.errors import Conflict
from canonical.problem import Problem, Severity
from canonical.records import Draft, Key
from fhir.tags import ALL, Tags
from hub.records.drafts import backward
from hub.records.drafts.coherence import contradiction
from hub.records.drafts.combine import ORDERS, combine, late_version
from hub.records.drafts.following import cancelled, kindred, onward, reopened, replaced, reports, reversals, withdrawals
from hub.records.drafts.following.reversals import is_credit
from hub.records.drafts.marks import told_at
from hub.records.drafts.visit import movements
from hub.records.drafts.who import bearers, meanwhile, memberships, mothers, moved, professionals, several, visited
from hub.records.drafts.who.identify import (
    Places,
    agrees,
    apart,
    known_under,
    met_under,
    new_id,
    numbers,
    part_id,
    parts_in_order,
    resolved,
    same_subject,
    subject_of,
)
from hub.records.drafts.who.known import Known
from hub.records.drafts.who.lookup import Place, lookup, stored, survivors_of
from hub.records.write import Write
from hub.store.database import Transaction

_ENDED = frozenset(("completed", "revoked", "stopped", "cancelled", "entered-in-error"))
_GOING_ON = frozenset(("draft", "active", "on-hold"))
_REFILL = "refill"


@dataclass(slots=True)
class Settled:
    """The writes that follow from drafts, where each draft landed, and what could not be settled.

    `unknown` are those about records that are not there, each with the id such a record would have.
    """

    writes: list[Write]
    problems: list[Problem]
    places: Places = field(default_factory=dict)
    unknown: list[tuple[Draft, str]] = field(default_factory=list)


async def settle(tx: Transaction, drafts: Sequence[Draft], places: Places | None = None) -> Settled:
    """The writes of `drafts`, merged with what is stored; drafts of one record become one write.

    `places` are drafts that were settled elsewhere: losers of patient merges are left to `hub.records.merges`.
    Raises Conflict when a patient was merged while we waited for its lock, or a record made that we were to make.
    """
    own = [draft for draft in drafts if not draft.merge_into]
    candidates = await lookup(tx, own)
    survivors = await survivors_of(tx, sorted({i for (t, _), ids in candidates.items() if t == "Patient" for i in ids}))
    known = Known(candidates, survivors, await _met(tx, own, candidates, survivors), careful=places is None)
    settled = Settled([], [], dict(places or {}))
    bearers.note_visits(own, known)
    await _place(tx, own, known, settled)
    onward.other_numbers_only(own, settled.places)
    settled.problems += await visited.tell(tx, own, known, settled.places)
    await mothers.place(tx, own, known, settled.places)
    await meanwhile.hold(tx, own, known, settled.places)
    known.rows.update(await kindred.place(tx, own, candidates, settled.places))
    if any(is_credit(draft) for draft in own):
        await reversals.place(tx, own, settled.places, known.rows)
        fresh = {settled.places[d.local] for d in own if is_credit(d) and d.local in settled.places}
        known.rows.update(await stored(tx, fresh - known.rows.keys()))
    patients = sorted({identity for kind, identity in settled.places.values() if kind == "Patient"})
    if await survivors_of(tx, [identity for identity in patients if identity not in survivors and not places]):
        raise Conflict("a patient was merged in between")
    _write(own, known, settled)
    await bearers.close(tx, own, known, settled.places, settled.writes)
    await kindred.meet(tx, own, settled.places, settled.writes)
    await _take_back(tx, known, settled)
    return settled


async def _take_back(tx: Transaction, known: Known, settled: Settled) -> None:
    """What follows, for other records too, from orders called off, reports cancelled, documents replaced
    and visits whose new number is taken back."""
    settled.problems += await withdrawals.follow(tx, known.rows, settled.places, settled.writes)
    settled.problems += await cancelled.follow(tx, known.rows, settled.places, settled.writes)
    settled.problems += await replaced.follow(tx, settled.places, settled.writes)
    settled.problems += await onward.follow(tx, known.rows, settled.places, settled.writes)
    settled.problems += await reopened.tell(tx, known.rows, settled.places, settled.writes)


def _named(draft: Draft) -> bool:
    """Whether a draft only names a record that many messages name (a professional, a payer), and states nothing."""
    return not draft.body and not draft.cleared and not draft.partial and not draft.must_exist


async def _met(
    tx: Transaction, drafts: Sequence[Draft], candidates: dict[tuple[str, Key], list[str]], survivors: dict[str, str]
) -> dict[Place, dict[str, Any] | None]:
    """The records found by key. Those that are only named are not locked: every worker names the same ones."""
    stating = {(draft.type, key) for draft in drafts if not _named(draft) for key in draft.keys}
    told: set[Place] = set()
    named: set[Place] = set()
    for wish, ids in candidates.items():
        (told if wish in stating else named).update((wish[0], survivors.get(i, i)) for i in ids)
    return {**await stored(tx, told), **await stored(tx, named - told, lock=False)}


async def _place(tx: Transaction, drafts: Sequence[Draft], known: Known, settled: Settled) -> None:
    """Give every draft its record: by key first, then parts of what was placed, level by level."""
    waiting: list[Draft] = []
    for draft in drafts:
        if professionals.has_council(draft):
            if identity := _professional(draft, known, settled):
                settled.places[draft.local] = (draft.type, identity)
        elif draft.keys:
            identity = _by_key(draft, drafts, known, settled)
            settled.problems += several.own(draft, identity, known)
            settled.places[draft.local] = (draft.type, identity)
        elif draft.part and draft.under:
            waiting.append(draft)
        elif not draft.beside:
            settled.problems.append(_no_key(draft))
    fresh = {place for place in settled.places.values() if place not in known.rows}
    parts = []
    for draft, parent in parts_in_order(waiting, settled.places):
        settled.places[draft.local] = (draft.type, part_id(draft, parent))
        fresh.add(settled.places[draft.local])
        parts.append((draft, parent))
    known.rows.update(await stored(tx, fresh))
    known.rows.update(await memberships.as_sent(tx, parts, settled.places, known.rows))
    known.rows.update(await memberships.by_card(tx, parts, settled.places, known.rows))
    settled.problems += [_no_key(draft) for draft in waiting if draft.local not in settled.places]


def _no_key(draft: Draft) -> Problem:
    """A record nothing identifies is not stored; for a patient that stops the message."""
    level: Severity = "error" if draft.type == "Patient" else "warning"
    return Problem("semantic.no-key", draft.local, args=(("type", draft.type),), level=level)


def _by_key(draft: Draft, drafts: Sequence[Draft], known: Known, settled: Settled) -> str:
    """The id of the record a draft names by its keys; the first usable key makes the id of a new one."""
    if draft.type == bearers.TYPE:
        return _patient(draft, known, settled)
    subject = subject_of(draft, settled.places)
    foreign = False
    for key in draft.keys:
        for identity in known.candidates.get((draft.type, key), ()):
            body = known.rows.get((draft.type, identity)) or {}
            if not same_subject(subject, body) and moved.is_before(body, subject, draft):
                moved.hand_over(drafts, draft, body)
                return identity
            if not same_subject(subject, body):
                foreign = True
                visited.note(draft, subject, body, known)
            elif agrees(draft, body):
                return identity
    return _new(draft, draft.keys, known, subject, foreign=foreign)


def _patient(draft: Draft, known: Known, settled: Settled) -> str:
    """The id of the patient whom a draft means."""
    choice = bearers.choose(draft, known)
    settled.problems += choice.problems
    return choice.identity or _new(draft, choice.usable or [apart(draft)], known, "", foreign=False)


def _professional(draft: Draft, known: Known, settled: Settled) -> str:
    """The id of the professional whom a council number names; empty where nobody can tell whom (which is told)."""
    ids = {identity for key in draft.keys for identity in known.candidates.get((draft.type, key), ())}
    people = {identity: body for identity in sorted(ids) if (body := known.rows.get((draft.type, identity)))}
    for key in draft.keys:
        people |= known.people.get(key.value, {})
    identity = professionals.meant(draft, people)
    if not identity and professionals.is_doubtful(draft, people):
        settled.problems.append(Problem("semantic.council-without-state", draft.local))
    if not identity:
        sure = [key for key in draft.keys if not professionals.is_stateless(key)]
        identity = _new(draft, sure, known, "", foreign=False) if sure else professionals.own_id(draft, people)
    settled.problems += several.own(draft, identity, known)
    if identity and not professionals.adds_nothing(draft, known.rows.get((draft.type, identity))):
        grown = professionals.grown(people.get(identity, {}), draft)
        for key in draft.keys:
            known.people.setdefault(key.value, {})[identity] = grown
    return identity


def _new(draft: Draft, keys: Sequence[Key], known: Known, subject: str, *, foreign: bool) -> str:
    """The id of a new record; drafts of one batch that share a usable key are the same new record.

    `foreign`: the number is another patient's order already; numbers without authority meet by chance.
    """
    told = [key for key in keys if key in numbers(draft)] or keys
    for key in told:
        for name in met_under(draft):
            met = known.new.get((draft.type, key, name))
            if met is not None and (not subject or met[1] in ("", subject)):
                return met[0]
            if met is not None:
                foreign = True
                visited.note(draft, subject, {"subject": {"reference": met[1]}}, known)
    first = Key(f"{keys[0].system}#{subject}", keys[0].value) if foreign else keys[0]
    identity = new_id(draft, first)
    for key in told:
        for name in known_under(draft):
            known.new.setdefault((draft.type, key, name), (identity, subject))
    return identity


def _write(drafts: Sequence[Draft], known: Known, settled: Settled) -> None:
    bodies: dict[Place, dict[str, Any]] = {}
    sources: dict[Place, UUID | None] = {}
    earlier: dict[Place, list[dict[str, Any]]] = {}
    _refuse_unknown(drafts, known, settled)
    whole = all(draft.local in settled.places for draft in drafts)
    for draft in drafts:
        place = settled.places.get(draft.local)
        if place is None or bearers.is_doubtful(draft, known):
            continue
        present = bodies.get(place) or known.rows.get(place)
        if is_credit(draft):
            _credit(draft, present, settled.problems)
        body = resolved(draft.type, draft.body, settled.places, whole=whole)
        initial = resolved(draft.type, draft.initial, settled.places, whole=whole)
        meant = _with(draft, body, initial)
        bodies[place] = _combined(present, meant, settled)
        sources[place] = draft.message_id
        stored = known.rows.get(place)
        if stored is not None and not draft.partial and backward.lags(stored, meant, stale=_stale(draft, stored)):
            earlier.setdefault(place, []).append(late_version(stored, meant))
    settled.problems = backward.once(settled.problems)
    for draft in drafts:
        if (place := settled.places.get(draft.local)) in bodies and place is not None:
            reports.follow_results(draft, place, bodies, known.rows)
    stating = {settled.places.get(draft.local) for draft in drafts if not _named(draft)}
    for place, body in bodies.items():
        known_as = known.rows.get(place)
        if place not in stating and body == known_as:
            continue  # only named, and known: nothing to write, nothing to lock
        settled.writes.append(_of(place, body, known_as, sources[place], earlier.get(place, ()), place in stating))


def _of(
    place: Place,
    body: dict[str, Any],
    known_as: dict[str, Any] | None,
    message_id: UUID | None,
    earlier: Sequence[dict[str, Any]],
    stated: bool,
) -> Write:
    """The write of one record: `known_as` is what the store holds, `stated` whether anything is said of it."""
    return Write(
        type=place[0],
        id=place[1],
        body=body,
        skip_unchanged=True,
        message_id=message_id,
        earlier=tuple(earlier),
        expected=None if stated else _version(known_as),
        # what another message has made meanwhile, and merged perhaps, is met anew: this body knows nothing of it
        unless=ALL if known_as is None else None,
    )


def _combined(present: dict[str, Any] | None, draft: Draft, settled: Settled) -> dict[str, Any]:
    """The record with what the draft states; what contradicts its newer part is left out, and told."""
    gone: list[str] = []
    body = combine(present, draft, stale=_stale(draft, present), gone=gone)
    if draft.type in ORDERS and _is_again(present, body, draft):
        settled.problems.append(Problem("semantic.order-active-again", draft.local))
    settled.problems += [*backward.told(present, draft), *(contradiction(draft, path) for path in gone)]
    if draft.type == bearers.TYPE and (present or {}).get("active") is False and body.get("active"):
        settled.problems.append(Problem("semantic.person-active-again", draft.local))
    if movements.unknown(present, draft.movement):
        settled.problems.append(Problem("semantic.unknown-movement", draft.local))
    elif movements.unplaced(body, draft.movement):
        settled.problems.append(Problem("semantic.movement-unplaced", draft.local))
    return body


def _is_again(present: dict[str, Any] | None, body: dict[str, Any], draft: Draft) -> bool:
    """Whether an order that had ended goes on: its number came again, or its sender says so; also where the word that
    it ended is older and comes behind. Not where a refill is approved of what was dispensed whole (ORC-1 `AF`)."""
    was, now = (present or {}).get("status"), body.get("status")
    ended = was if was in _ENDED else draft.body.get("status")
    refilled = draft.action == _REFILL and ended == "completed"
    return ended in _ENDED and present is not None and now in _GOING_ON and not refilled


def _version(body: dict[str, Any] | None) -> Tags | None:
    """The version a stored body says it is: what was read without a lock must still stand when it is written."""
    return Tags(frozenset((int(body["meta"]["versionId"]),))) if body is not None else None


def _refuse_unknown(drafts: Sequence[Draft], known: Known, settled: Settled) -> None:
    """The cancellation of something unknown is reported; nothing its message names is created. Nor is a record made
    of what only a known one can take, unless another draft of the same record makes it."""
    missing = set()
    makers = (draft for draft in drafts if not (draft.partial or draft.known_only or draft.must_exist))
    made = {settled.places.get(draft.local) for draft in makers}
    for draft in drafts:
        place = settled.places.get(draft.local)
        bound = draft.must_exist or draft.partial or draft.known_only
        if place is None or known.rows.get(place) is not None or not bound:
            continue
        if place in made and not draft.must_exist:
            continue
        if draft.must_exist or draft.body:  # a record only named (an order's parent) may be unknown
            settled.problems.append(Problem("semantic.unknown-record", draft.local, args=(("type", draft.type),)))
            settled.unknown.append((draft, place[1]))
        if draft.must_exist:
            missing.add(_message(draft))
        else:
            del settled.places[draft.local]
    for draft in drafts if missing else ():
        place = settled.places.get(draft.local)
        if place is not None and _message(draft) in missing and known.rows.get(place) is None:
            del settled.places[draft.local]


def _message(draft: Draft) -> str:
    """The part of a draft's name that tells its message among those settled together."""
    return draft.local.partition(":")[0] if ":" in draft.local else ""


def _credit(draft: Draft, present: dict[str, Any] | None, problems: list[Problem]) -> None:
    """A credit takes back the charge of its number, whose own figures stay; without that charge it is reported."""
    if present is None:
        problems.append(Problem("semantic.credit-unmatched", draft.local))
        return
    draft.body = {name: value for name, value in draft.body.items() if name in ("status", "note", "identifier")}
    draft.cleared = ()


def _with(draft: Draft, body: dict[str, Any], initial: dict[str, Any]) -> Draft:
    return Draft(
        local=draft.local,
        type=draft.type,
        body=body,
        initial=initial,
        cleared=draft.cleared,
        event_at=draft.event_at,
        occurred_at=draft.occurred_at,
        action=draft.action,
        movement=draft.movement,
        sources=draft.sources,
        under=draft.under,
    )


def _stale(draft: Draft, present: dict[str, Any] | None) -> bool:
    """Whether the record already tells of a later event than this draft."""
    if present is None or draft.event_at is None:
        return False
    told = told_at(present)
    return told is not None and draft.event_at < told
