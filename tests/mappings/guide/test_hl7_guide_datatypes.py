"""Every row of HL7's v2-to-FHIR data type maps goes to the same element here, or its difference is explained.

What a component becomes is seen, not looked up: a value of the type with all its components stands in a message
(`guide_datatypes.csv` says in which field, and in which element of the record), and is read again without the one.
What differs is what the component made. `guide_differences.csv` says where it goes instead: another element below the
same place, `left` where the value stands but nothing is made of the component, `none` where no field here has the map.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate
from tests.mappings.guide.guide import Difference, differences, maps, walk

_PROBES = Path(__file__).with_name("guide_datatypes.csv")
_HEAD = "MSH|^~\\&|LIS|LAB|B|C|20261122090000-0300||{}|1|P|2.8.2\r"

Leaves = Counter[tuple[str, str]]


class Probe(NamedTuple):
    """A row of `guide_datatypes.csv`: the maps, a message with the place of the value (`{}`, or `{&}` inside a
    component), the value, and the elements it is told in."""

    maps: str
    message: str
    value: str
    places: str


class Place(NamedTuple):
    """A row of a map: which map, which component (0: the value itself), which element below that of the value."""

    map: str
    component: int
    element: str

    @property
    def row(self) -> str:
        return f"{self.component}.{self.element}"


def element_of(path: str) -> str:
    """A target below the element of the value: without numbers, names of types, and what is below an extension. What a
    reference leads to is a record of its own."""
    path = re.sub(r".*\((?:Practi?tioner|Practioner|Location|DeviceDefinition)\.", "", path)
    path = re.sub(
        r"\[[^\]]*[\]}]?|:[\w-]+|\?+-\w+|#[^#]*#|\{|\}", "", path.strip('"').replace("(", ".").replace(")", "")
    )
    names = [name for name in path.split(".") if name and name[0] not in "$/ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    return ".".join(names[: names.index("extension") + 1] if "extension" in names else names)


def official() -> Iterator[Place]:
    for name, rows in maps("datatypes"):
        for row in rows:
            if row[9]:
                number = re.search(r"[.-](\d+)\Z", row[1])
                yield Place(name, int(number[1]) if number else 0, element_of(row[9]))


@cache
def probes() -> list[Probe]:
    with _PROBES.open(encoding="utf-8", newline="") as file:
        return [Probe(**row) for row in csv.DictReader(file)]


@cache
def leaves(probe: Probe, without: int | None) -> Leaves:
    """What the records say at the places of a probe, read without one component, or without the value (0)."""
    parts = probe.value.split("^")
    if without is not None:
        parts = [] if not without else [part if n != without else "" for n, part in enumerate(parts, 1)]
    text = probe.message.replace("{&}", "&".join(parts)).replace("{}", "^".join(parts))
    kind, *lines = text.split(" / ")
    message = er7.read("".join([_HEAD.format(kind), *(f"{line}\r" for line in lines)]).encode())
    assert isinstance(message, Message)
    found: Leaves = Counter()
    for draft in translate(message, zone="America/Sao_Paulo").drafts:
        for path, leaf in walk([draft.initial, draft.body], (draft.type,)):
            if not isinstance(leaf, dict):
                found[".".join(path).replace("._", "."), str(leaf)] += 1
    return found


def made_of(name: str, component: int) -> set[str]:
    """The elements, below the place of the value, that differ where the component is missing."""
    found = set()
    for probe in probes():
        if name in probe.maps.split():
            whole, rest = leaves(probe, None), leaves(probe, component)
            for path, _ in (whole - rest) | (rest - whole):
                found |= {path[len(place) :].lstrip(".") for place in probe.places.split() if below(path, place)}
    return found


def below(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}.") or not place


def is_made(element: str, made: set[str]) -> bool:
    return any(below(one, element) for one in made)


def holds(known: Difference, place: Place) -> bool:
    """Whether the records show what an explanation says of a component."""
    probed = any(place.map in probe.maps.split() for probe in probes())
    if known.ours in ("none", "left"):
        return probed == (known.ours == "left") and not made_of(place.map, place.component)
    return is_made(known.ours, made_of(place.map, place.component))


def test_every_row_of_the_data_type_maps() -> None:
    explained, used = differences("datatypes"), set[Difference]()
    unlike, untrue, counted = [], [], 0
    for place in official():
        counted += 1
        if is_made(place.element, made_of(place.map, place.component)):
            continue
        known = [one for one in explained if one.covers(place.map, place.row)]
        used.update(known)
        if not known:
            unlike.append((place, made_of(place.map, place.component)))
        untrue += [(place, one.ours) for one in known if not holds(one, place)]
    assert (unlike, untrue) == ([], []) and counted > 600
    assert set(explained) == used, "an explanation without a difference is out of date"


def test_every_probe_makes_something_of_its_value() -> None:
    empty = [probe for probe in probes() if leaves(probe, None) == leaves(probe, 0)]
    assert not empty
