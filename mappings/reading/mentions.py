"""What a message mentions twice and is one: a professional by a bare number and by the same in a register, and a record
that is merged twice.

`77^Lima^Rui` and `77^Lima^Rui^^^^^^CRM-SP` are one person: the number and the surname are the same. A number alone
would not do, since a house counts its people from one, as a council does. So is `77^Lima^Rui^^^^^^CRM` beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from canonical.codes import LOCAL, council_of
from canonical.names import words
from canonical.records import DRAFT, Draft
from mappings.reading.nested import forget

_PERSON = "Practitioner"
KIN = "RelatedPerson"
MOTHER = "mother"
_MOTHER_CODE = ("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "MTH")


def one_person(named: Sequence[Draft], drafts: Iterable[Draft]) -> list[tuple[str, str]]:
    """Let the records in `drafts` name the better known of two mentions; the names that went, each with its heir."""
    known: dict[tuple[str, str], list[Draft]] = {}
    for draft in named:
        if draft.type == _PERSON and draft.keys and _surname(draft):
            known.setdefault((draft.keys[0].value, _surname(draft)), []).append(draft)
    gone: dict[str, Draft] = {}
    for alike in known.values():
        for draft in alike if len(alike) > 1 else ():
            found = _better_known(draft, alike)
            gone.update({draft.local: found[0]} if len(found) == 1 else {})
    if gone:
        for draft in drafts:
            draft.body, draft.initial = _renamed(draft.body, gone), _renamed(draft.initial, gone)
    return [(went, heir.local) for went, heir in gone.items()]


def _better_known(draft: Draft, alike: Sequence[Draft]) -> list[Draft]:
    """Those who may be this mention with a better number: for one of the house, any register's; for one of a council
    without its state, the same council's with a state and a name that agrees. Of both, the latter are the better."""
    own = draft.keys[0].system
    told = council_of(own)
    if told and not told[1]:
        return [one for one in alike if one.keys[0].system.startswith(f"{own}-") and _agree(draft, one)]
    if not own.startswith(LOCAL):
        return []
    others = [one for one in alike if not one.keys[0].system.startswith(LOCAL)]
    return [one for one in others if len(_better_known(one, others)) != 1]


def _agree(one: Draft, other: Draft) -> bool:
    """Whether one of two names of one surname has all the words of the other: `Nora Lima` is not `Rui Lima`."""
    first, second = words(one.initial["name"][0]), words(other.initial["name"][0])
    return first <= second or second <= first


def one_mother(drafts: list[Draft]) -> list[tuple[str, str]]:
    """Let the mother whom PID names (PID-21, PID-6) and NK1 tells of once more be one, with the fuller data; the names
    that went, each with its heir. She is the same by a number, or by all the words of her name, two at least."""
    mothers = {draft.under[:1]: draft for draft in drafts if draft.type == KIN and draft.part == MOTHER}
    gone: dict[str, Draft] = {}
    for draft in [each for each in drafts if each.type == KIN and each.part != MOTHER and is_mother(each.body)]:
        heir = mothers.get(draft.under[:1])
        if heir is not None and _same_mother(heir, draft):
            _add(heir, draft)
            drafts.remove(draft)
            gone[draft.local] = heir
    for draft in drafts if gone else ():
        draft.body, draft.initial = _renamed(draft.body, gone), _renamed(draft.initial, gone)
    return [(went, heir.local) for went, heir in gone.items()]


def is_mother(body: Mapping[str, Any]) -> bool:
    """Whether a RelatedPerson is the patient's mother, by its codes."""
    codings = (c for concept in body.get("relationship", ()) for c in concept.get("coding", ()))
    return any((c.get("system"), c.get("code")) == _MOTHER_CODE for c in codings)


def _same_mother(one: Draft, other: Draft) -> bool:
    first, second = (
        {(i.get("system"), i.get("value")) for i in draft.body.get("identifier", ())} for draft in (one, other)
    )
    names = [[words(name) for name in draft.body.get("name", ())] for draft in (one, other)]
    alike = any(a == b and len(a) > 1 for a in names[0] for b in names[1])
    return bool(first & second) or alike


def _add(heir: Draft, draft: Draft) -> None:
    """What `draft` says beyond its heir; of two names the one of more words."""
    known = {(i.get("system"), i.get("value")) for i in heir.body.get("identifier", ())}
    added = [i for i in draft.body.get("identifier", ()) if (i.get("system"), i.get("value")) not in known]
    names = max((heir.body.get("name", []), draft.body.get("name", [])), key=_fullness)
    both = {"identifier": [*heir.body.get("identifier", ()), *added], "name": names}
    heir.body = {**draft.body, **heir.body, **{name: value for name, value in both.items() if value}}
    heir.initial = {**draft.initial, **heir.initial}
    heir.cleared = tuple(dict.fromkeys((*heir.cleared, *draft.cleared)))
    heir.sources += draft.sources


def _fullness(names: list[Any]) -> int:
    return max((len(words(name)) for name in names), default=0)


def merged_once(drafts: list[Draft]) -> list[tuple[str, str]]:
    """Let a record that is merged twice into the same one (MRG repeated) be merged once, by all numbers it was told by;
    the names that went, each with its heir."""
    kept: list[Draft] = []
    gone: list[tuple[str, str]] = []
    for draft in [each for each in drafts if each.action == "merge" and each.merge_into]:
        heir = next((each for each in kept if _is_one(each, draft)), None)
        if heir is None:
            kept.append(draft)
            continue
        heir.keys = tuple(dict.fromkeys((*heir.keys, *draft.keys)))
        heir.sources += draft.sources
        drafts.remove(draft)
        gone.append((draft.local, heir.local))
    if gone:
        forget(drafts, {went for went, _ in gone})
    return gone


def _is_one(one: Draft, other: Draft) -> bool:
    same = (one.type, one.merge_into) == (other.type, other.merge_into)
    return same and not set(one.keys).isdisjoint(other.keys)


def _surname(draft: Draft) -> str:
    names: list[dict[str, Any]] = draft.initial.get("name", [])
    return str(names[0].get("family", "")).casefold() if names else ""


def _renamed(value: Any, gone: dict[str, Draft]) -> Any:
    """`value` with references to a mention that went leading to its heir, by local name and by number."""
    if isinstance(value, list):
        return [_renamed(item, gone) for item in value]
    if not isinstance(value, dict):
        return value
    heir = gone.get(str(value.get("reference", "")).removeprefix(DRAFT))
    made = {name: _renamed(item, gone) for name, item in value.items()}
    if heir is not None:
        made["reference"] = DRAFT + heir.local
        if "identifier" in made:
            made["identifier"] = {"system": heir.keys[0].system, "value": heir.keys[0].value}
    return made
