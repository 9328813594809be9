"""Which record a draft is, as far as the draft itself says: pure rules shared by the store and by offline reading."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

from canonical.codes import NATIONAL, is_wrong
from canonical.extensions import EXTENSIONS
from canonical.identity import fold, record_id
from canonical.names import stated
from canonical.records import DRAFT, FILLER, Draft, Key
from fhir.definitions.table import type_named
from mappings.reading.nested import without_lost

_CODED = ("code", "medicationCodeableConcept", "vaccineCode")
Places = dict[str, tuple[str, str]]


def new_id(draft: Draft, key: Key) -> str:
    """The id of a record first met under `key`; records that share a number are told apart by their code."""
    value = f"{key.value}|{draft.distinct}" if draft.distinct else key.value
    return record_id(draft.type, Key(key.system, value))


def known_under(draft: Draft) -> tuple[str, str]:
    """The names by which later drafts with the same number meet this one: its code, and that it has or lacks one."""
    return draft.distinct, "*coded" if draft.distinct else "*uncoded"


def met_under(draft: Draft) -> tuple[str, str]:
    """The names by which this draft meets earlier ones: its code, or one of the two that is silent about the code."""
    return draft.distinct, "*uncoded" if draft.distinct else "*coded"


def part_id(draft: Draft, parent: tuple[str, str]) -> str:
    """The id of a record that is a part of another one and has no number of its own."""
    return record_id(draft.type, Key("/".join(parent), draft.part or draft.type))


def parts_in_order(waiting: Sequence[Draft], places: Places) -> Iterator[tuple[Draft, tuple[str, str]]]:
    """Each part with its parent's place, parents first; the caller notes each part's own place before the next.

    A part whose nearest parent has no identity belongs to the next one of `under`.
    """
    rest = list(waiting)
    while rest:
        open_locals = {draft.local for draft in rest}
        later = []
        for draft in rest:
            known = [local for local in draft.under if local in places or local in open_locals]
            if known and known[0] in places:
                yield draft, places[known[0]]
            else:
                later.append(draft)
        if len(later) == len(rest):
            return
        rest = later


def resolved(kind: str, body: dict[str, Any], places: Places, *, whole: bool) -> dict[str, Any]:
    """The body of a record of type `kind` as `linked` makes it; unless `whole` (every draft was settled), also without
    those elements that need a reference which leads nowhere."""

    def lost(reference: dict[str, Any]) -> bool:
        value = reference.get("reference")
        named = isinstance(value, str) and value.startswith(DRAFT) and value[len(DRAFT) :] not in places
        return named and not reference.keys() - {"reference", "type"}

    return linked(body if whole else without_lost(body, type_named(kind), lost), places) or {}


def linked(node: dict[str, Any], places: Places) -> dict[str, Any] | None:
    """`node` with `draft:` references replaced; a reference to a draft that was not settled is dropped.

    None when nothing is left of it. What holds no such reference is returned itself, not as a copy.
    """
    reference = node.get("reference")
    if type(reference) is str and reference.startswith(DRAFT):
        target = places.get(reference[len(DRAFT) :])
        rest = {key: value for key, value in node.items() if key != "reference"}
        rest = (linked(rest, places) or {}) if "extension" in rest else rest  # it may name a record too
        whole = {"reference": f"{target[0]}/{target[1]}", **rest} if target else rest
        return whole if whole.keys() - {"type"} else None
    changed: dict[str, Any] = {}
    for key, value in node.items():
        kind = type(value)
        if kind is str:  # most of what there is
            continue
        if kind is dict:
            kept: Any = linked(value, places)
        elif kind is list:
            kept = _linked_list(value, places) or None
        elif value is None:
            changed[key] = None
            continue
        else:
            continue
        if kept is not value:
            changed[key] = kept
    if not changed:
        return node or None
    return {k: v for k, v in {**node, **changed}.items() if v is not None} or None


def _linked_list(items: list[Any], places: Places) -> list[Any]:
    """The list itself when nothing in it changed."""
    found = [linked(item, places) if type(item) is dict else item for item in items]
    if all(map(operator.is_, found, items)) and None not in found:
        return items
    return [item for item in found if item is not None]


def agrees(draft: Draft, stored: dict[str, Any]) -> bool:
    """Whether a record found by a shared number is this draft's: one code in common, or one side has none.

    Two reports of one order stay two where their filler numbers differ (the susceptibilities of two isolates), and
    where one examines a result of the other's accession (OBR-26).
    """
    fillers = {(key.system, key.value) for key in numbers(draft) if key.system.endswith(FILLER)}
    if draft.type == "DiagnosticReport" and fillers:
        theirs = {(i.get("system", ""), i.get("value")) for i in stored.get("identifier", ())}
        told = {system for system, _ in theirs}
        if not fillers & theirs and any(system in told for system, _ in fillers):
            return False
    if not draft.distinct:
        return True
    if (examined := _examined(stored)) and not draft.distinct.endswith(f"|{examined}"):
        return False
    coded = _codes_of(stored)
    return not coded or draft.distinct in coded


def _examined(stored: dict[str, Any]) -> str:
    """The result of its own accession that a stored report examines further (`kinship`); empty for others."""
    held = stored.get("extension", ())
    told = [str(item.get("valueString", "")) for item in held if item.get("url") == EXTENSIONS["examined-result"]]
    return told[0] if told else ""


def numbers(draft: Draft) -> tuple[Key, ...]:
    """The keys by which drafts of one message are one record: a report is told by its filler number, if it has one."""
    fillers = tuple(key for key in draft.keys if key.system.endswith(FILLER))
    return fillers if fillers and draft.type == "DiagnosticReport" else draft.keys


def _codes_of(stored: dict[str, Any]) -> set[str]:
    """The codes and texts that say what an order, a report, a prescription or a vaccination is of."""
    concepts = [stored[name] for name in _CODED if name in stored]
    concepts += [held.get("code", {}) for held in stored.get("contained", ())]
    found = {str(coding["code"]) for concept in concepts for coding in concept.get("coding", ()) if "code" in coding}
    return found | {str(concept["text"]) for concept in concepts if "text" in concept}


def subject_of(draft: Draft, places: Places) -> str:
    """The patient a draft speaks of, as `Patient/id`; empty when that is not settled or not said."""
    reference = reference_of(draft)
    target = places.get(reference[len(DRAFT) :]) if reference.startswith(DRAFT) else None
    return "/".join(target) if target else ""


def reference_of(draft: Draft) -> str:
    """How a draft names the patient it speaks of; empty when it names none."""
    return _reference(draft.body.get("subject") or draft.initial.get("subject"))


def _reference(subject: Any) -> str:
    """The reference of a subject; the first one where R4 allows several (Account)."""
    first = subject[0] if isinstance(subject, list) and subject else subject
    return str(first.get("reference", "")) if isinstance(first, dict) else ""


def same_subject(subject: str, stored: dict[str, Any]) -> bool:
    """Whether a record found by number is of the same patient; unsaid on either side is no contradiction."""
    theirs = _reference(stored.get("subject"))
    return not subject or not theirs or subject == theirs


def same_person(draft: Draft, key: Key, stored: dict[str, Any], *, merged: bool = False, shared: bool = False) -> bool:
    """Whether a patient found by a number can be the one meant (a newborn often carries the mother's CPF).

    A number the hospital itself gave needs no second look, unless it is one it took back (`old`) and may have given to
    somebody else since. A national one joins only where birth date and sex agree, or are not known. Of children born
    together that is not enough, who are sent with one number of their mother: the given names must not disagree where
    the number is `shared` (somebody else has it too), where the hospital numbers both otherwise, and where a birth date
    is not known. One with wrong check digits is nobody's: it joins only where name, birth date and sex are
    said and agree. `merged`: the number leads here by a merge, where the names decide, and eleven years between the
    births are too much.
    """
    national = key.system in NATIONAL
    if not national and (merged or not _given_up(key, stored)):
        return True
    stated = {**draft.initial, **draft.body}
    born, other = str(stated.get("birthDate", ""))[:10], str(stored.get("birthDate", ""))[:10]
    same_sex = _same_sex(stated, stored)
    named_alike = same_given(stated, stored)
    if is_wrong(key.system, key.value):
        return named_alike and same_sex and bool(born) and born == other and bool(_given_names(stated))
    if national and not named_alike and (shared or not (born and other) or _numbered_otherwise(draft, stored)):
        return False
    if not born or not other:
        return same_sex or named_alike
    if born == other[: len(born)] or other == born[: len(other)]:
        return same_sex or (not national and named_alike)
    if (national and not merged) or abs(int(born[:4]) - int(other[:4])) >= 11:
        return False
    return named_alike


def _same_sex(stated: dict[str, Any], stored: dict[str, Any]) -> bool:
    """Whether the sexes agree; one that is not known does not disagree."""
    ours, theirs = stated.get("gender"), stored.get("gender")
    return ours == theirs or ours in (None, "unknown") or theirs in (None, "unknown")


def as_stored(draft: Draft) -> dict[str, Any]:
    """What a draft of a new record says of it, with the numbers that are its keys, as another one is compared with."""
    numbers = [{"system": key.system, "value": key.value} for key in draft.keys]
    return {**draft.initial, **draft.body, "identifier": numbers}


def apart(draft: Draft) -> Key:
    """The key that makes the id of a patient whose every number is somebody else's: with what tells them apart, since
    the next one under that number (the other twin) is a third person."""
    said = as_stored(draft)
    told = [str(said.get("birthDate", "")), str(said.get("gender", "")), *sorted(map(" ".join, _given_names(said)))]
    first = draft.keys[0]
    return Key(f"{first.system}#{draft.type}", "|".join((first.value, *told)))


def _numbered_otherwise(draft: Draft, stored: dict[str, Any]) -> bool:
    """Whether who gave a draft its own number has given this person another one, which is in use."""
    ours = {key.system: key.value for key in draft.keys if key.system not in NATIONAL}
    held = [(i.get("system"), i.get("value")) for i in stored.get("identifier", ()) if i.get("use") != "old"]
    return any(ours.get(str(system), value) != value for system, value in held)


def _given_up(key: Key, stored: dict[str, Any]) -> bool:
    return any(
        item.get("use") == "old" and item.get("value") == key.value and item.get("system") == key.system
        for item in stored.get("identifier", ())
    )


def same_given(stated: dict[str, Any], stored: dict[str, Any]) -> bool:
    """Whether given names agree: all of the shorter begin the longer (`Ana` and `Ana M.`, not `Ana Maria` and `Ana
    Paula`, who may be sisters); unnamed sides do not disagree."""
    ours, theirs = (_given_names(body) for body in (stated, stored))
    return not ours or not theirs or any(_begin(one, other) for one in ours for other in theirs)


def _begin(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return all(a == b or _is_initial(min(a, b, key=len), max(a, b, key=len)) for a, b in zip(one, other, strict=False))


def _is_initial(short: str, long: str) -> bool:
    """`M` of `Maria`; `I` beside `II` counts the children of one birth."""
    return len(short) == 1 and long.startswith(short) and not set(long) <= set("iv")


def _given_names(body: dict[str, Any]) -> set[tuple[str, ...]]:
    """The given names of each name, in words."""
    found = (tuple(fold(" ".join(stated(name, "given")).replace(".", " ")).split()) for name in body.get("name", ()))
    return {words for words in found if words}
