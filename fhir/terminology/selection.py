"""The trees (`nodes.py`) that value set filters say, and the codes of a system in memory that a tree means.

A code system in memory is walked; one that is kept elsewhere turns the tree into a question of its own.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any, Protocol, cast

from fhir.terminology import ecl
from fhir.terminology.nodes import (
    All,
    Chosen,
    Codes,
    Defined,
    Described,
    Dotted,
    Either,
    Every,
    Grouped,
    Has,
    Historic,
    Lineage,
    Listed,
    MemberOf,
    Node,
    Related,
    Stated,
    Tips,
    Without,
)
from fhir.terminology.systems import Concept, System, Unanswered, above, below

_OWN = frozenset(("concept", "code"))


Filters = Iterable[dict[str, Any]]


def of_filters(stated: Filters, *, lists: bool) -> tuple[Node, tuple[dict[str, Any], ...]]:
    """The tree of value set filters, and those of them that only a look at each concept tells (`regex`).

    `lists`: `concept in LIST` means the members of a list of the system, as SNOMED CT and LOINC have it.
    Raises Unanswered for an operator or an expression that is not understood.
    """
    parts: list[Node] = []
    rest: list[dict[str, Any]] = []
    for each in stated:
        operator, name, value = str(each.get("op")), str(each.get("property", "")), str(each.get("value", ""))
        if operator == "regex":
            rest.append(each)
        elif operator not in _MAKERS:
            raise Unanswered("unsupported", "fhir.terminology.filter", name=operator[:40])
        elif operator == "in" and name in _OWN and lists:
            parts.append(MemberOf(Codes(_listed(value))))
        else:
            parts.append(_MAKERS[operator](name, value))
    return (parts[0] if len(parts) == 1 else All(tuple(parts)) if parts else Every()), tuple(rest)


def _listed(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _lineage(*, down: bool, itself: bool) -> Any:
    return lambda name, value: Lineage(Codes((value,)), down, True, itself)


def _equals(name: str, value: str) -> Node:
    return _valued(name, (value,))


def _valued(name: str, values: tuple[str, ...]) -> Node:
    match name:
        case "concept" | "code":
            return Codes(values)
        case "parent":
            return Lineage(Codes(values), True, False, False)
        case "child":
            return Lineage(Codes(values), False, False, False)
        case "constraint":
            return ecl.parse(values[0] if len(values) == 1 else ",".join(values))
    return Has(name, values)


def _exists(name: str, value: str) -> Node:
    found: Node = Stated(name)
    return found if value != "false" else Without(Every(), found)


_MAKERS: dict[str, Any] = {
    "=": _equals,
    "is-a": _lineage(down=True, itself=True),
    "descendent-of": _lineage(down=True, itself=False),
    "is-not-a": lambda name, value: Without(Every(), Lineage(Codes((value,)), True, True, True)),
    "generalizes": _lineage(down=False, itself=True),
    "in": lambda name, value: _valued(name, _listed(value)),
    "not-in": lambda name, value: Without(Every(), _valued(name, _listed(value))),
    "exists": _exists,
}


def walked(system: System, node: Node) -> dict[str, None]:
    """The codes of a system in memory that a tree means; raises Unanswered for lists, which such a system has not."""
    match node:
        case Every():
            return dict.fromkeys(concept.code for concept in system.concepts())
        case Codes(codes):
            stated = (system.find(code) for code in codes)
            return {concept.code: None for concept in stated if concept is not None}
        case Lineage():
            return _lineage_of(system, node)
        case MemberOf():
            raise Unanswered("unsupported", "fhir.terminology.no-lists", name=system.url)
        case All() | Either() | Without():
            return _joined(system, node)
        case Has() | Stated():
            return _those(system, node)
        case Related() if node.plain:
            return _those(system, node)
        case Tips() | Dotted():
            return _reached(system, node)
        case Related() | Grouped() | Listed() | Described() | Defined() | Historic():
            raise Unanswered("unsupported", "fhir.terminology.no-release", name=system.url)


def _joined(system: System, node: All | Either | Without) -> dict[str, None]:
    if isinstance(node, Either):
        return {code: None for part in node.parts for code in walked(system, part)}
    if isinstance(node, Without):
        gone = walked(system, node.taken)
        return {code: None for code in walked(system, node.of) if code not in gone}
    first, *others = (walked(system, part) for part in node.parts)
    return {code: None for code in first if all(code in other for other in others)}


def _those(system: System, node: Has | Related | Stated) -> dict[str, None]:
    names = walked(system, node.name) if isinstance(node, Related) else {node.name: None}
    values: Container[str] | None = None
    if isinstance(node, Has):
        values = node.values
    elif isinstance(node, Related):
        values = walked(system, cast(Node, node.value))
    return {
        concept.code: None
        for concept in system.concepts()
        if any(p.code in names and (values is None or p.text in values) for p in concept.properties)
    }


def _reached(system: System, node: Tips | Dotted) -> dict[str, None]:
    start = walked(system, node.of)
    if isinstance(node, Tips):
        further = above if node.top else below
        return {c: None for c in start if all(each == c or each not in start for each in further(system, c))}
    names = walked(system, node.name)
    stated = (system.find(code) for code in start)
    values = (p.text for each in stated if each is not None for p in each.properties if p.code in names)
    return {value: None for value in values if system.find(value) is not None}


def _lineage_of(system: System, node: Lineage) -> dict[str, None]:
    start = walked(system, node.of)
    found: dict[str, None] = {}
    for code in start:
        if node.far:
            reached: Iterable[str] = (below if node.down else above)(system, code)
        else:
            reached = (code, *(system.children if node.down else system.parents)(code))
        found |= dict.fromkeys(each for each in reached if node.itself or each != code)
    return found


def choosing(system: System | None) -> Selecting | None:
    """The system as one that chooses by itself; None when its concepts are to be walked."""
    return cast(Selecting, system) if hasattr(system, "select") else None


class Selecting(System, Protocol):
    """A code system whose concepts are kept elsewhere and that chooses among them by itself."""

    def count(self, chosen: Chosen, most: int) -> int:
        """How many are chosen, counted up to `most`."""

    def select(self, chosen: Chosen, start: int = 0, count: int | None = None) -> Iterable[Concept]:
        """Those chosen in their order, from the place `start` on; the likeliest first where words are asked for."""

    def codes(self, node: Node, most: int) -> Sequence[str]:
        """The codes a tree means, up to `most` of them."""

    def holds(self, node: Node, code: str) -> bool:
        """Whether a tree means a code."""

    def bring(self, codes: Iterable[str]) -> None:
        """Have these concepts at hand, since each will be asked for."""

    def ancestors(self, code: str) -> dict[str, None]:
        """The code and all it stands under."""

    def descendants(self, code: str) -> dict[str, None]:
        """The code and all under it."""
