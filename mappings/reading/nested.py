"""Nested elements that R4 requires something of: one that lacks it is left out, the rest of the record stays.

A field that is null or has no match can take from an entry the very element it cannot be without
(`Practitioner.qualification` without `code`), or all that one of R4's constraints asks one of (`_EITHER`). Left in, it
would make the whole record invalid. So would a period that ends before it begins (per-1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from canonical.records import DRAFT, Draft
from fhir.definitions.table import Type, type_named
from fhir.periods import reverses
from mappings.reading.program import program
from mappings.tables.body import element_type, required
from mappings.tables.plan import RecordPlan

Rule = tuple[tuple[tuple[str, ...], ...], frozenset[tuple[str, str, str]]]  # what is needed, what is always said

_NAME = re.compile(r"\w+")
_EITHER = {
    "Appointment.participant": ("actor", "type"),  # app-1
    "Immunization.education": ("documentType", "reference"),  # imm-1
    "MedicationAdministration.dosage": ("dose", "rateRatio", "rateQuantity"),  # mad-1
    "Patient.contact": ("name", "telecom", "address", "organization"),  # pat-1
}


@cache
def containers(plan: RecordPlan) -> tuple[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], ...]:
    """The places above what the rows write that require elements, deepest first: (path, alternatives of each)."""
    found: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {}
    for step in program(plan):
        for path, needed in _above(plan.type, step.path):
            found[path] = needed
    return tuple(sorted(found.items(), key=lambda item: -len(item[0])))


@cache
def constants(plan: RecordPlan) -> frozenset[tuple[str, str, str]]:
    """What the rows say of every message: the element, its part and the value."""
    found = set()
    for step in program(plan):
        names = [match[0] for part in step.path.split(".") if (match := _NAME.match(part))]
        if step.row.constant and len(names) > 1:
            found.add((names[-2], names[-1], step.row.constant))
    return frozenset(found)


def _above(type_name: str, path: str) -> Iterator[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]:
    if path.startswith("@"):
        return
    names = [match[0] for part in path.split(".") if (match := _NAME.match(part))]
    found: Type | None = type_named(type_name)
    for depth, name in enumerate(names[:-1], start=1):
        found = element_type(found, name) if found is not None else None
        if found is None:
            return
        needed = asked(found.name)
        if needed:
            yield tuple(names[:depth]), needed


def asked(type_name: str) -> tuple[tuple[str, ...], ...]:
    """What an element of that type cannot be without: R4's required elements, and one of those a constraint names."""
    either = _EITHER.get(type_name)
    return (*required(type_name), either) if either else required(type_name)


@cache
def periods(plan: RecordPlan) -> tuple[tuple[str, ...], ...]:
    """The places of those Periods whose two ends the rows write each by itself."""
    found = set()
    for step in program(plan):
        path, _, last = step.path.rpartition(".")
        if last in ("start", "end") and path and not path.startswith("@"):
            found.add(tuple(match[0] for part in path.split(".") if (match := _NAME.match(part))))
    return tuple(sorted(found))


def drop_reversed(body: dict[str, Any], plan: RecordPlan) -> list[str]:
    """Leave out of `body` the periods that end before they begin; returns their paths, without the type."""
    return [".".join(path) for path in periods(plan) if path[0] in body and _drop_reversed(body, path)]


def _drop_reversed(node: dict[str, Any], path: tuple[str, ...]) -> bool:
    name, rest = path[0], path[1:]
    value = node.get(name)
    if not rest:
        if not isinstance(value, dict) or not ("start" in value and "end" in value):
            return False
        if not reverses(value["start"], value["end"]):
            return False
        del node[name]
        return True
    entries = value if isinstance(value, list) else [value]
    return sum(_drop_reversed(entry, rest) for entry in entries if isinstance(entry, dict)) > 0


def drop_incomplete(body: dict[str, Any], initial: dict[str, Any], plan: RecordPlan) -> list[str]:
    """Leave out of `body` what lacks a required element; returns the paths of what is missing, without the type.

    An element that has a part in `initial` is complete only where both meet, and is left alone. One that holds nothing
    but what the table says of every message is not missed.
    """
    missing: list[str] = []
    for path, needed in containers(plan):
        if path[0] in body and path[0] not in initial:
            _drop(body, path, (needed, constants(plan)), missing)
    return missing


def without_lost(node: dict[str, Any], found: Type | None, lost: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """`node` without those nested elements that cannot be without a reference which is `lost`; itself when none is.

    A diagnosis whose condition could not be made is no diagnosis, and would make the whole visit invalid.
    """
    if found is None:
        return node
    changed: dict[str, Any] = {}
    for name, value in node.items():
        if not isinstance(value, dict | list):
            continue
        kind = element_type(found, name)
        entries = value if isinstance(value, list) else [value]
        kept = [_kept(entry, kind, lost) for entry in entries]
        whole = [entry for entry in kept if entry is not None]
        if len(whole) < len(entries) or any(new is not old for new, old in zip(kept, entries, strict=True)):
            changed[name] = (whole or None) if isinstance(value, list) else kept[0]
    return {k: v for k, v in {**node, **changed}.items() if v is not None or k not in changed} if changed else node


def forget(drafts: Sequence[Draft], lost: set[str]) -> None:
    """Leave out of `drafts` what cannot be without a record of this message that could not be made."""

    def names_lost(reference: dict[str, Any]) -> bool:
        value = reference.get("reference")
        return isinstance(value, str) and value.startswith(DRAFT) and value[len(DRAFT) :] in lost

    for draft in drafts:
        draft.body = without_lost(draft.body, type_named(draft.type), names_lost)
        draft.initial = without_lost(draft.initial, type_named(draft.type), names_lost)


def _kept(entry: Any, kind: Type | None, lost: Callable[[dict[str, Any]], bool]) -> Any:
    if not isinstance(entry, dict) or kind is None:
        return entry
    for names in required(kind.name):
        if any(isinstance(entry.get(name), dict) and lost(entry[name]) for name in names):
            return None
    return without_lost(entry, kind, lost)


def _drop(node: dict[str, Any], path: tuple[str, ...], rule: Rule, missing: list[str]) -> None:
    name, rest = path[0], path[1:]
    needed, always = rule
    value = node.get(name)
    entries = value if isinstance(value, list) else [value]
    kept = []
    for entry in entries:
        if not isinstance(entry, dict):
            kept.append(entry)
            continue
        if rest:
            _drop(entry, rest, rule, missing)
            if entry:
                kept.append(entry)
            continue
        lacking = [names[0] for names in needed if not any(other in entry for other in names)]
        stated = any(not isinstance(said, str) or (name, part, said) not in always for part, said in entry.items())
        missing += [f"{name}.{first}" for first in lacking if stated]
        if not lacking:
            kept.append(entry)
    if len(kept) == len(entries):
        return
    if isinstance(value, list) and kept:
        node[name] = kept
    else:
        node.pop(name, None)


def nodes(*bodies: Any) -> frozenset[str]:
    """All values in `bodies`, as they print."""
    found: set[str] = set()
    pending = [*bodies]
    while pending:
        node = pending.pop()
        found.add(repr(node))
        pending += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return frozenset(found)


def stands(value: Any, there: frozenset[str]) -> bool:
    """Whether what a row made is among `nodes`; None is no value of the body, and was not left out of it."""
    if isinstance(value, list):
        return any(stands(one, there) for one in value)
    return value is None or repr(value[1] if isinstance(value, tuple) else value) in there


def once(repetitions: list[str]) -> list[str]:
    """The repetitions of a field, one where it says the same twice: that adds nothing, and would make parts of a value
    or another record of it. More than two of the same may be a curve that is flat."""
    return repetitions[:1] if len(repetitions) == 2 and repetitions[0] == repetitions[1] else repetitions
