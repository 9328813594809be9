"""Why the schema does not take an element where it stands: told by its name, its brothers and the other versions.

libxml2 names the first element that does not fit and what it waited for; a person wants to know whether the tag is
misspelt, in the wrong order, there twice, of another version, or stands where another one is missing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from lxml import etree

from tiss.wire import shapes, versions
from tiss.wire.shapes import Part, Shape

Args = tuple[tuple[str, str], ...]
SEALS = frozenset(("epilogo", "hash"))
VERSION = "Padrao"
_FEW = 2
_OUTER = 2  # the root and prestadorParaOperadora or operadoraParaPrestador: inside, names are of many places
_LETTERS = re.compile(r"[^a-z0-9]")


def why(node: etree._Element, path: Sequence[str], version: str, *, service: bool) -> tuple[str, Args]:
    """The more exact kind of an unexpected element and what its words name; `path` are the local names to its parent.

    Kinds: `case`, `mixed`, `twice`, `choice`, `order`, `before`, `version`, `renamed`, `elsewhere`, `unknown`;
    empty where none is sure.
    """
    parent = node.getparent()
    shape = shapes.at(shapes.of(version, service=service), path)
    if parent is None or shape is None or not shape.parts:
        return "", ()
    name = etree.QName(node).localname
    names = [part.name for part in shape.parts]
    if name in names:
        return _known(node, parent, shape, names)
    alike = [own for own in names if _plain(own) == _plain(name)]
    if len(alike) == 1:
        return "case", (("right", alike[0]),)
    others = _elsewhere(name, tuple(path), version, service)
    if others:
        return "version", (("versions", ", ".join(others)), ("stated", version))
    if right := next((own for own in _former().get(name, ()) if own in names), ""):
        return "renamed", (("right", right), ("stated", version))
    parents = _parents(name, path[0], version, service) if len(path) <= _OUTER else ()
    if parents:
        return "elsewhere", (("parents", " / ".join(parents)), ("stated", version))
    return "unknown", (("stated", version),)


def _known(node: etree._Element, parent: etree._Element, shape: Shape, names: list[str]) -> tuple[str, Args]:
    name = etree.QName(node).localname
    if path_end(parent) == "guiasTISS":
        return "mixed", ()
    part = shape.parts[names.index(name)]
    earlier, later = _names(node.itersiblings(preceding=True)), _names(node.itersiblings())
    if part.maximum is not None and earlier.count(name) >= part.maximum:
        return "twice", (("most", str(part.maximum)),)
    rivals = [other.name for other in shape.parts if part.choice and other.choice == part.choice and other is not part]
    if rival := next((own for own in rivals if own in earlier or own in later), ""):
        return "choice", (("other", rival),)
    place = names.index(name)
    missing = [before.name for before in shape.parts[:place] if _owed(before, earlier)]
    passed = any(own in names and names.index(own) > place for own in earlier)
    if passed or any(own in later for own in missing):
        return "order", (("order", _around(names, place)),)
    return ("before", (("missing", ", ".join(missing)),)) if missing else ("", ())


def owed(parent: etree._Element, shape: Shape | None) -> list[str]:
    """The names of all elements that `parent` must have and has not; empty where its shape does not say.

    Seal and version are named only where they alone are missing: rules tell of them anyway.
    """
    there = _names(parent)
    missing = [part.name for part in shape.parts if _owed(part, there)] if shape is not None else []
    return [name for name in missing if name not in SEALS and name != VERSION] or missing


def _owed(part: Part, earlier: list[str]) -> bool:
    return part.minimum > 0 and not part.name.startswith("{") and part.name not in earlier


def _around(names: list[str], place: int) -> str:
    """An element among its neighbours, as the standard orders them."""
    return ", ".join(name for name in names[max(place - 1, 0) : place + 2] if not name.startswith("{"))


def _names(nodes: Iterable[etree._Element]) -> list[str]:
    return [etree.QName(node).localname for node in nodes if isinstance(node.tag, str)]


def path_end(node: etree._Element) -> str:
    """The local name of an element."""
    return etree.QName(node).localname


def _plain(name: str) -> str:
    return _LETTERS.sub("", name.lower())


@cache
def _elsewhere(name: str, path: tuple[str, ...], version: str, service: bool) -> tuple[str, ...]:
    """The other versions here whose element at `path` takes a child of this name, newest first."""
    return tuple(other for other in versions.installed() if other != version and _has(name, path, other, service))


@cache
def _former() -> dict[str, tuple[str, ...]]:
    """What an element of another version, or of another place, is called here (`former.csv`)."""
    found: dict[str, tuple[str, ...]] = {}
    with Path(__file__).with_name("former.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["found"]] = (*found.get(row["found"], ()), row["right"])
    return found


@cache
def _parents(name: str, root: str, version: str, service: bool) -> tuple[str, ...]:
    """The elements a group of this name stands in, within `root`; empty for a plain field, and where they are many."""
    table = shapes.of(version, service=service)
    types = _within(table, root)
    holders = {
        key for key in types for part in table.types[key].parts if part.name == name and table.types[part.type].parts
    }
    found = sorted({part.name for key in types for part in table.types[key].parts if part.type in holders})
    return tuple(found) if len(found) <= _FEW else ()


def _within(table: shapes.Shapes, root: str) -> set[str]:
    """The types of all elements that can stand in a root element, and its own."""
    found: set[str] = set()
    waiting = [table.roots[root]]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += [part.type for part in table.types[key].parts if part.type in table.types]
    return found


def _has(name: str, path: tuple[str, ...], version: str, service: bool) -> bool:
    shape = shapes.at(shapes.of(version, service=service), path)
    return shape is not None and any(part.name == name for part in shape.parts)


def ordered(parent: etree._Element, shape: Shape) -> bool:
    """Put the children of `parent` into the schema's order; False where one is unknown, or nothing moves."""
    place = {part.name: number for number, part in enumerate(shape.parts)}
    children = list(parent)
    names = [etree.QName(child).localname if isinstance(child.tag, str) else "" for child in children]
    if not all(name in place for name in names) or _torn(names):
        return False
    right = sorted(children, key=lambda child: place[etree.QName(child).localname])
    if right == children:
        return False
    parent[:] = right
    return True


def _torn(names: list[str]) -> bool:
    """Whether one name stands apart from itself: a repeated group, whose pairs must not be parted."""
    runs = [name for number, name in enumerate(names) if not number or names[number - 1] != name]
    return len(runs) != len(set(runs))
