"""What repeats without end in a message (`levels.csv`): portions, such as a guide, and rings, which hold them.

A row names the levels below a body from the outside in: the last one is the portion, those before it are its rings. A
statement has two, the statement and its protocols; a batch of guides has none.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lxml import etree

from tiss.wire import transactions
from tiss.wire.versions import NAMESPACE

_NS = f"{{{NAMESPACE}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A level of one row: its tag, the tags from it outwards to the body's own, and its number, from 0 outside."""

    tag: str
    upwards: tuple[str, ...]
    number: int
    portion: bool

    @property
    def step(self) -> str:
        """The path of the level below the one around it, or below the body."""
        return self.path[-1]

    path: tuple[str, ...]


@cache
def levels() -> dict[str, tuple[Level, ...]]:
    """All levels by tag."""
    found: dict[str, tuple[Level, ...]] = {}
    with Path(__file__).with_name("levels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for level in _of(row["body"], tuple(row["levels"].split())):
                if level not in found.get(level.tag, ()):
                    found[level.tag] = (*found.get(level.tag, ()), level)
    return found


def _of(body: str, steps: tuple[str, ...]) -> list[Level]:
    bodies = {body, *(row.child for row in transactions.by_body(body))}
    made = []
    for number in range(len(steps)):
        names = "/".join(steps[: number + 1]).split("/")
        for around in sorted(bodies):
            upwards = tuple(_NS + name for name in reversed((around, *names)))
            last = number == len(steps) - 1
            level = Level(tag=upwards[0], upwards=upwards, number=number, portion=last, path=steps[: number + 1])
            made.append(level)
    return made


def tags() -> tuple[str, ...]:
    """The tags of all levels."""
    return tuple(levels())


def level_of(node: etree._Element) -> Level | None:
    """The level an element is of; None for one that has such a name in another place."""
    for level in levels().get(str(node.tag), ()):
        here: etree._Element | None = node
        for tag in level.upwards:
            if here is None or here.tag != tag:
                break
            here = here.getparent()
        else:
            return level
    return None
