"""Every row of HL7's v2-to-FHIR segment maps goes to the same element here, or its difference is explained.

`guide_differences.csv` says where a field goes instead: the target of a row of ours, `with FIELD` for what is read
together with another field, `left` for what `ignored.csv` declares, `none` where no record is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from mappings.tables.serving import plans
from mappings.tables.table import HERE, read_rows, table
from tests.mappings.guide.guide import Difference, differences, maps

_CHOICES = re.compile(
    r"(value|deceased|multipleBirth|onset|performed|occurrence|effective|abatement|asNeeded|medication|reported|collected)"
    r"[A-Z].*"
)
_TABLES = sorted(path.stem for path in (HERE / "hl7").glob("*.csv") if path.stem != "ignored")


class Place(NamedTuple):
    """A row of a map: which map, which field (or the segment itself), which element of which resource."""

    map: str
    field: str
    resource: str
    element: str

    @property
    def row(self) -> str:
        return f"{self.field}.{self.element}"


def element_of(path: str) -> str:
    """The first element of a path, without its type where it is a choice: `value[x]` and `valueQuantity` alike."""
    name = re.sub(r"\[[^\]]*\]|\(.*", "", path.partition("=")[0].strip('"')).split(".")[0].lstrip("_")
    return _CHOICES.sub(r"\1", name)


def official() -> Iterator[Place]:
    for name, rows in maps("segments"):
        segment, _, resource = name.rstrip("]").partition("[")
        for row in rows:
            if row[9]:
                yield Place(name, row[1] or segment, resource.split("-")[0].split(".")[0], element_of(row[9]))


@cache
def ours() -> dict[str, set[str]]:
    """The targets of each field (`PID-5`), and of what no field says, by the segment's name or ``."""
    found: dict[str, set[str]] = {}
    for name in _TABLES:
        for row in table(f"hl7/{name}"):
            field = f"{row.source.segment}-{row.source.field}" if row.source else ""
            found.setdefault(field, set()).add(row.target)
    return found


@cache
def left() -> set[str]:
    """The fields and segments that are knowingly left in the message."""
    rows = {f"{row['segment']}-{row['field']}" for _, row in read_rows(HERE / "hl7" / "ignored.csv", _LEFT)}
    return rows | {segment for plan in plans().values() for segment in plan.ignored}


_LEFT = ["segment", "field", "reason", "spec"]


def elements(field: str) -> set[tuple[str, str]]:
    targets = (target.partition(".") for target in ours().get(field, ()))
    return {(resource, element_of(path)) for resource, _, path in targets}


def is_same(place: Place) -> bool:
    wanted = (place.resource, place.element)
    return wanted in elements(place.field if "-" in place.field else "")


def holds(known: Difference, place: Place) -> bool:
    """Whether our tables do what an explanation says of a field."""
    if known.ours == "none":
        return True
    if known.ours == "left":
        return place.field in left() or place.field.partition("-")[0] in left()
    if known.ours.startswith("with "):
        return known.ours[5:] in ours()
    return any(target.startswith(known.ours) for target in ours().get(place.field, ours()[""]))


def test_every_row_of_the_segment_maps() -> None:
    explained, used = differences("segments"), set[Difference]()
    unlike, untrue, counted = [], [], 0
    for place in official():
        counted += 1
        if is_same(place):
            continue
        known = [one for one in explained if one.covers(place.map, place.row)]
        used.update(known)
        if not known:
            unlike.append(place)
        untrue += [(place, one.ours) for one in known if not holds(one, place)]
    assert (unlike, untrue) == ([], []) and counted > 1000
    assert set(explained) == used, "an explanation without a difference is out of date"
