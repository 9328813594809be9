"""Which texts the simple types of a schema surely take, a column of texts at a time.

Only a yes counts. Where a type has a facet that is not understood here, or a text is unusual though perhaps right, the
answer is no and libxml2 is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from lxml import etree

from tiss.wire import shapes, versions
from tiss.wire.versions import NAMESPACE

Taker = Callable[[Sequence[str]], bool]
_XS = "{http://www.w3.org/2001/XMLSchema}"
_FACETS = frozenset(
    ("enumeration", "pattern", "length", "minLength", "maxLength", "totalDigits", "fractionDigits", "minInclusive")
)
# what a schema may be made of so that equal elements that follow each other are bounded by their own maxOccurs alone
_BUILT_OF = _FACETS | {
    "schema", "include", "import", "annotation", "documentation", "appinfo", "element", "complexType", "simpleType",
    "sequence", "choice", "restriction", "complexContent", "simpleContent", "extension", "attribute",
}  # fmt: skip
_OF_ELEMENTS = frozenset(("name", "type", "ref", "minOccurs", "maxOccurs"))
_GROUPS = frozenset(("sequence", "choice"))
_END = "\x00"  # stands in no XML document
_ATOM = r"(?:\[[A-Za-z0-9-]+\]|[A-Za-z0-9])(?:\{[0-9]+(?:,[0-9]+)?\}|\+)?"
_PLAIN = re.compile(rf"(?:{_ATOM})+(?:\|(?:{_ATOM})+)*")  # patterns that mean the same to Python
_DAY = (
    r"(?:19|20)[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_EARLIEST = "1900-01-01"
_HOUR = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_MOST_DIGITS = 18
_MOST_PLACES = 8192


@dataclass(slots=True)
class _Type:
    """A simple type: the built-in one it comes from, and its facets level by level."""

    root: str
    levels: list[list[tuple[str, str]]] = field(default_factory=list)

    def numbers(self, name: str) -> list[int]:
        """What the facets of this name say."""
        return [int(value) for level in self.levels for facet, value in level if facet == name]

    def texts(self, name: str) -> Iterator[list[str]]:
        """The values of the facets of this name, level by level: each level must take a text."""
        for level in self.levels:
            if values := [value for facet, value in level if facet == name]:
                yield values


@lru_cache(maxsize=_MOST_PLACES)
def at(version: str, service: bool, place: str) -> Taker | None:
    """What judges texts of the element at a place (local names from the root, each after a slash); None where the
    schema has no such place, or its type is not understood.
    """
    shape = shapes.at(shapes.of(version, service=service), place[1:].split("/"))
    return (takers(version) or {}).get(shape.name) if shape is not None else None


@lru_cache(maxsize=_MOST_PLACES)
def most(version: str, service: bool, place: str) -> int:
    """How many of the element at a place may follow each other, at most; 0 where that cannot be told."""
    *above, name = place[1:].split("/")
    shape = shapes.at(shapes.of(version, service=service), above)
    own = [part for part in shape.parts if part.name == name] if shape is not None else []
    if len(own) != 1 or takers(version) is None:
        return 0
    return own[0].maximum if own[0].maximum is not None else 10**9


@cache
def takers(version: str) -> dict[str, Taker] | None:
    """What judges texts of each simple type of a version; None for a schema built of more than is understood."""
    found: dict[str, etree._Element] = {}
    for path in sorted(versions.at(version).folder.glob("*.xsd")):
        root = _parsed(path)
        if root.get("targetNamespace") != NAMESPACE:
            continue
        if not all(map(_understood, root.iter(etree.Element))):
            return None
        found |= {node.get("name", ""): node for node in root.iterchildren(f"{_XS}simpleType")}
    judged = {name: _taker(_type(node, found)) for name, node in found.items()}
    judged |= {root: _taker(_Type(root)) for root in ("string", "date", "time") if root not in found}
    return {name: taker for name, taker in judged.items() if taker is not None}


def _parsed(path: Path) -> etree._Element:
    parser = etree.XMLParser(load_dtd=False, no_network=True, resolve_entities=False, remove_comments=True)
    return etree.parse(str(path), parser).getroot()


def _understood(node: etree._Element) -> bool:
    """Whether a part of a schema is one of those that are understood."""
    kind = node.tag.removeprefix(_XS)
    if kind not in _BUILT_OF:
        return etree.QName(node).namespace != _XS[1:-1]  # what stands in an annotation says nothing
    if kind in _GROUPS:
        return node.get("maxOccurs", "1") == "1"
    return kind != "element" or (
        _OF_ELEMENTS.issuperset(map(str, node.keys())) and node.get("minOccurs", "0") in ("0", "1")
    )


def _type(node: etree._Element | None, known: dict[str, etree._Element]) -> _Type | None:
    """A simple type with the facets of those it is derived from; None when it is no restriction of a named one."""
    inner = node.find(f"{_XS}restriction") if node is not None else None
    if inner is None or inner.get("base") is None:
        return None
    prefix, _, name = inner.get("base", "").rpartition(":")
    space = inner.nsmap.get(prefix or None)
    found = _Type(name) if f"{{{space}}}" == _XS else _type(known.get(name), known) if space == NAMESPACE else None
    if found is not None:
        facets = [child for child in inner.iterchildren(etree.Element) if child.tag != f"{_XS}annotation"]
        found.levels.append([(child.tag.removeprefix(_XS), child.get("value", "")) for child in facets])
    return found


def _taker(kind: _Type | None) -> Taker | None:
    """What judges texts of a type; None when there is more to it than is understood."""
    if kind is None or kind.root not in _ROOTS:
        return None
    if not {facet for level in kind.levels for facet, _ in level} <= _ROOTS[kind.root]:
        return None
    if kind.root == "string":
        return _of_strings(kind)
    if kind.root == "date":
        early = all(first <= _EARLIEST for each in kind.texts("minInclusive") for first in each)
        return _matching(_DAY) if early else None
    return _matching(_HOUR) if kind.root == "time" else _of_numbers(kind)


_ROOTS = {
    "string": frozenset(("enumeration", "pattern", "length", "minLength", "maxLength")),
    "date": frozenset(("minInclusive",)),
    "time": frozenset[str](),
    "integer": frozenset(("totalDigits",)),
    "decimal": frozenset(("totalDigits", "fractionDigits")),
}


def _of_numbers(kind: _Type) -> Taker | None:
    total = min(kind.numbers("totalDigits"), default=_MOST_DIGITS)
    fraction = min(kind.numbers("fractionDigits"), default=0) if kind.root == "decimal" else 0
    if total <= fraction:
        return None
    return _matching(f"[0-9]{{1,{total - fraction}}}" + (rf"(?:\.[0-9]{{1,{fraction}}})?" if fraction else ""))


def _of_strings(kind: _Type) -> Taker | None:
    lengths = kind.numbers("length")
    shortest = max(kind.numbers("minLength") + lengths, default=0)
    longest = min(kind.numbers("maxLength") + lengths, default=-1)
    tests: list[Taker] = [frozenset(codes).issuperset for codes in kind.texts("enumeration")]
    for choice in kind.texts("pattern"):
        if not all(map(_PLAIN.fullmatch, choice)):
            return None
        tests.append(_matching("|".join(choice)))
    if shortest or longest >= 0:
        tests.append(_sized(shortest, longest))
    return tests[0] if len(tests) == 1 else lambda column: all(test(column) for test in tests)


def _sized(shortest: int, longest: int) -> Taker:
    def sized(column: Sequence[str]) -> bool:
        sizes = list(map(len, column))
        return min(sizes) >= shortest and (longest < 0 or max(sizes) <= longest)

    return sized


def _matching(pattern: str) -> Taker:
    """Whether each text of a column, which is not empty, matches: they are looked at as one text."""
    match = re.compile(f"(?:(?:{pattern}){_END})+", re.ASCII).fullmatch
    return lambda column: match(_END.join(column) + _END) is not None
