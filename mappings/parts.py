"""Why parts of fields that are read stay in the message: the declarations of `parts.csv` beside it.

A row names fields and the `parts` of them that have no place in a record: `4` is a component with its subcomponents,
`4.2` one of them, `2-6` several. The types are those of 2.5.1; a test tries every part of every field that is read.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from hl7.er7 import NULL, Segment
from mappings.account import Declared
from mappings.table import HERE, TableError, read_rows, shown

FILE = HERE / "parts.csv"
_COLUMNS = ["fields", "parts", "reason", "spec"]
_PARTS = re.compile(r"([0-9]+)(?:-([0-9]+)|(\.[0-9]+))?\Z", re.ASCII)


@cache
def declared_parts() -> dict[str, dict[str, Declared]]:
    """The declarations by field (`NK1-3`) and part (`4`, `4.2`); raises TableError."""
    found: dict[str, dict[str, Declared]] = {}
    for line, values in read_rows(FILE, _COLUMNS):
        place = f"{shown(FILE)}:{line}"
        if not values["fields"] or not values["reason"] or not values["spec"]:
            raise TableError(f"{place}: fields, a reason and a source are needed")
        declared = Declared(reason=values["reason"], spec=values["spec"], place=place)
        for field in values["fields"].split():
            known = found.setdefault(field, {})
            for part in _each(values["parts"], place):
                if part in known:
                    raise TableError(f"{place}: {field} has part {part} twice")
                known[part] = declared
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
