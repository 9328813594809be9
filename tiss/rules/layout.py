"""Where everything the rules ask about stands: sections (`sections.csv`) and, in each, roles (`roles.csv`).

A section is a part of a message that can repeat: a guide, an item, a professional of its team, a protocol of a
statement. A role is one text of a section, such as `date` or `total`. A Unit is one section of one message.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tiss.wire import transactions
from tiss.wire.versions import NAMESPACE

FOLDER = Path(__file__).resolve().parent
ITSELF = "."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Section:
    """One kind of part: its word for people, its roles by path and back, and the sections inside it by path."""

    name: str
    label: str
    roles: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    children: dict[str, Section] = field(default_factory=dict)


class Unit:
    """One section of a message: texts by role, the units inside it, and its place.

    `skipped` counts the units inside it that were read before, when a message comes in pieces, and is None when it does
    not; `passed` tells that a screen found nothing to look at, and nothing but a few texts was kept.
    """

    __slots__ = ("parent", "passed", "path", "rows", "section", "skipped", "texts")

    def __init__(self, section: Section, parent: Unit | None, path: str, texts: dict[str, str]) -> None:
        self.section = section
        self.parent = parent
        self.path = path
        self.texts = texts
        self.rows: list[Unit] = []
        self.skipped: int | None = None
        self.passed = False

    @property
    def position(self) -> int:
        """Its number among its equals, from 1."""
        above = self.parent
        if above is None:
            return 1
        return 1 + (above.skipped or 0) + [row for row in above.rows if row.path == self.path].index(self)

    @property
    def kind(self) -> str:
        """The section's name."""
        return self.section.name

    @property
    def place(self) -> str:
        """The path from the root, with the position where there are several."""
        above = self.parent
        if above is None:
            return self.path
        inner = f"/{self.path}" if self.path else ""
        twins = above.skipped is not None or sum(row.path == self.path for row in above.rows) > 1
        return f"{above.place}{inner}[{self.position}]" if twins else f"{above.place}{inner}"

    @property
    def label(self) -> str:
        """How a person finds it: `Guia 2, item 3`."""
        own = f"{self.section.label} {self.number}"
        above = self.parent
        return own if above is None or above.parent is None else f"{above.label}, {own}"

    @property
    def number(self) -> str:
        """Its sequencialItem where it has a sound one, else its position among its equals."""
        text = self.texts.get("sequence", "").strip()
        return text if text.isascii() and text.isdigit() and len(text) <= 4 else str(self.position)

    def at(self, role: str) -> str:
        """The place of a role, present or not; or of a path below, which begins with a slash."""
        if role[:1] == "/":
            return self.place + role
        path = self.section.paths.get(role, "")
        return f"{self.place}/{path}" if path else self.place

    def every(self, *sections: str) -> Iterator[Unit]:
        """The units of these sections directly inside."""
        return (row for row in self.rows if row.section.name in sections)

    def below(self) -> Iterator[Unit]:
        """All units inside, at any depth, in document order."""
        for row in self.rows:
            yield row
            yield from row.below()


@cache
def sections() -> dict[str, Section]:
    """All sections by name, joined to those inside them."""
    found: dict[str, Section] = {}
    rows = _read("sections.csv")
    for row in rows:
        found.setdefault(row["section"], Section(name=row["section"], label=row["label"]))
    for row in rows:
        if row["parent"] in found:
            found[row["parent"]].children[row["path"]] = found[row["section"]]
    for row in _read("roles.csv"):
        path = "" if row["path"] == ITSELF else row["path"]
        for name in row["sections"].split():
            found[name].roles[path] = row["role"]
            found[name].paths[row["role"]] = path
    return found


@cache
def top(root: str) -> Section:
    """The section a whole message with this root element is: its children are the outermost sections by path."""
    whole = Section(name="", label="")
    for row in _read("sections.csv"):
        section = sections()[row["section"]]
        for body in transactions.table().values():
            if body.body == row["parent"]:
                inner = "" if row["path"] == ITSELF else f"/{row['path']}"
                before = f"{body.wrapper}/{body.body}" if root == "mensagemTISS" else body.child
                if root in ("mensagemTISS", body.root):
                    whole.children[before + inner] = section
    return whole


@cache
def outermost(root: str) -> dict[tuple[str, ...], frozenset[str]]:
    """By the path, in tags, of each outermost section: the names of elements that begin it or a section inside it."""
    return {
        tuple(f"{{{NAMESPACE}}}{step}" for step in path.split("/")): frozenset((path.rpartition("/")[2],))
        | _inside(section)
        for path, section in top(root).children.items()
    }


def _inside(section: Section) -> frozenset[str]:
    names = frozenset(path.rpartition("/")[2] for path in section.children)
    return names.union(*(_inside(child) for child in section.children.values()))


def _read(name: str) -> tuple[dict[str, str], ...]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def repeated(units: list[Unit], role: str) -> Counter[str]:
    """How often each text of a role occurs among units; blanks are left out."""
    return Counter(text for unit in units if (text := unit.texts.get(role, "").strip()))
