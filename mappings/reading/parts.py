"""Why parts of fields that are read stay in the message: the declarations of `parts.csv` beside it.

A row names fields and the `parts` of them that have no place in a record: `4` is a component with its subcomponents,
`4.2` one of them, `2-6` several. `@CWE` stands for all fields that have this type in the newest version (CNE too, they
have the same parts), where no other row speaks of the part. Tests try every part of every field that is read.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from hl7.er7 import NULL, Segment
from hl7.versions.table import NEWEST, version_named
from mappings.reading.account import Declared
from mappings.tables.table import HERE, TableError, read_rows, shown

FILE = HERE / "parts.csv"
_COLUMNS = ["fields", "parts", "reason", "spec"]
_PARTS = re.compile(r"([0-9]+)(?:-([0-9]+)|(\.[0-9]+))?\Z", re.ASCII)


@cache
def declared_parts() -> dict[str, dict[str, Declared]]:
    """The declarations by field (`NK1-3`) and part (`4`, `4.2`); raises TableError."""
    found: dict[str, dict[str, Declared]] = {}
    general: list[tuple[str, list[str], Declared]] = []
    for line, values in read_rows(FILE, _COLUMNS):
        place = f"{shown(FILE)}:{line}"
        if not values["fields"] or not values["reason"] or not values["spec"]:
            raise TableError(f"{place}: fields, a reason and a source are needed")
        declared = Declared(reason=values["reason"], spec=values["spec"], place=place)
        parts = _each(values["parts"], place)
        for word in values["fields"].split():
            if word.startswith("@"):
                general.append((word[1:], parts, declared))
                continue
            known = found.setdefault(word, {})
            for part in parts:
                if part in known:
                    raise TableError(f"{place}: {word} has part {part} twice")
                known[part] = declared
    for kind, parts, declared in general:
        for field in _fields_of(kind):
            known = found.setdefault(field, {})
            for part in parts:
                known.setdefault(part, declared)
    return found


def _fields_of(kind: str) -> list[str]:
    """The fields of a data type in the newest version; raises TableError where there is none."""
    version = version_named(NEWEST)
    kinds = ("CWE", "CNE") if kind == "CWE" else (kind,)
    segments = version.segments if version is not None else {}
    found = [f"{s}-{n}" for s, fields in segments.items() for n, item in fields.items() if item.type in kinds]
    if not found:
        raise TableError(f"{shown(FILE)}: no field has the type {kind}")
    return found


def _each(text: str, place: str) -> list[str]:
    """`1 3-5 4.2` as single parts."""
    found = []
    for word in text.split():
        match = _PARTS.match(word)
        if match is None:
            raise TableError(f"{place}: part {word!r}")
        first, last, sub = match.groups()
        found += [f"{n}" for n in range(int(first), int(last) + 1)] if last else [f"{first}{sub or ''}"]
    if not found:
        raise TableError(f"{place}: no part is named")
    return found


def reason_for(field: str, component: int, sub: int = 1) -> Declared | None:
    """Why a part of `field` is left in the message; None where nothing says so."""
    known = declared_parts().get(field, {})
    return known.get(f"{component}.{sub}") or known.get(f"{component}")


def left(segment: Segment, number: int) -> list[dict[str, Any]]:
    """The parts of a field that say something and have no place in a record, each with the reason and its row."""
    field = f"{segment.name}-{number}"
    if field not in declared_parts():
        return []
    found: dict[tuple[int, int], Declared] = {}
    for raw in segment.repetitions(number):
        for component, text in enumerate(raw.split(segment.delimiters.component), start=1):
            for sub, one in enumerate(text.split(segment.delimiters.sub), start=1):
                if one and one != NULL and (why := reason_for(field, component, sub)):
                    found.setdefault((component, sub), why)
    return [
        {"part": f"{component}.{sub}" if sub > 1 else f"{component}", "reason": why.reason, "row": why.place}
        for (component, sub), why in sorted(found.items(), key=lambda entry: entry[0])
    ]
