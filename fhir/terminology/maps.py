"""Concept maps (R4 §4.10): what a code becomes in another system, and, in reverse, what becomes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canonical.codes import aliases, spellings

DEEPEST = 10
_NO_MATCH = frozenset(("unmatched", "disjoint"))
_REVERSED = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}
Dependency = tuple[str, str]  # property, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an element becomes: an empty `code` states that nothing fits (`unmatched`)."""

    code: str
    display: str
    equivalence: str
    needs: tuple[Dependency, ...] = ()
    products: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Elements from one system into another; `unmapped` is what holds for the codes that are not listed."""

    source: str
    target: str
    elements: Mapping[str, tuple[Target, ...]]
    unmapped: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """A concept map as its record states it; `source` and `target` are the value sets (or systems) it is meant for."""

    url: str
    version: str
    name: str
    source: str
    target: str
    groups: tuple[Group, ...]

    @property
    def others(self) -> Iterable[str]:
        """The maps that stand in for codes this one does not list."""
        return (str(g.unmapped["url"]) for g in self.groups if g.unmapped.get("mode") == "other-map")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One translation and the map that gave it."""

    equivalence: str
    system: str
    code: str
    display: str
    source: str
    products: tuple[dict[str, Any], ...] = ()
    note: str = ""  # what a person is to know of it, in the map's own words

    @property
    def counts(self) -> bool:
        """Whether it is a translation at all, and not the statement that there is none."""
        return bool(self.code) and self.equivalence not in _NO_MATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be translated; empty texts: any. `needs` are the dependencies known to hold."""

    system: str
    code: str
    target_system: str = ""
    reverse: bool = False
    needs: tuple[Dependency, ...] = ()


def of_body(body: dict[str, Any]) -> Map:
    """The map of a ConceptMap record."""
    ends = {
        end: str(next((body[key] for key in (f"{end}Uri", f"{end}Canonical") if key in body), ""))
        for end in ("source", "target")
    }
    return Map(
        url=str(body.get("url", "")),
        version=str(body.get("version", "")),
        name=str(body.get("name", "")),
        source=ends["source"],
        target=ends["target"],
        groups=tuple(_group(group) for group in body.get("group", ())),
    )


def _group(group: dict[str, Any]) -> Group:
    elements: dict[str, tuple[Target, ...]] = {}
    for element in group.get("element", ()):
        code = str(element.get("code", ""))
        targets = tuple(_target(each) for each in element.get("target", ()))
        elements[code] = (*elements.get(code, ()), *targets)
    return Group(
        source=str(group.get("source", "")),
        target=str(group.get("target", "")),
        elements=elements,
        unmapped=group.get("unmapped") or {},
    )


def _target(stated: dict[str, Any]) -> Target:
    return Target(
        code=str(stated.get("code", "")),
        display=str(stated.get("display", "")),
        equivalence=str(stated.get("equivalence", "equivalent")),
        needs=tuple((str(d.get("property")), str(d.get("value"))) for d in stated.get("dependsOn", ())),
        products=tuple(stated.get("product", ())),
    )


def translated(found: Map, wanted: Wanted, named: Mapping[str, Map], depth: int = 0) -> list[Match]:
    """The translations of `wanted` by one map; `named` are the maps that may stand in, by address."""
    if depth > DEEPEST:
        return []
    if wanted.reverse:
        return list(_reversed(found, wanted))
    matches: list[Match] = []
    for group in found.groups:
        if _is(group.source, wanted.system) and _is(group.target, wanted.target_system):
            matches += _in_group(found, group, wanted, named, depth)
    return [match for place, match in enumerate(matches) if match not in matches[:place]]


def _in_group(found: Map, group: Group, wanted: Wanted, named: Mapping[str, Map], depth: int) -> list[Match]:
    for code in (wanted.code, *spellings(wanted.system, wanted.code)):
        if code in group.elements:
            fitting = [t for t in group.elements[code] if all(need in wanted.needs for need in t.needs)]
            return [_match(found, group, target) for target in fitting]
    match group.unmapped.get("mode"):
        case "provided":
            return [_match(found, group, Target(code=wanted.code, display="", equivalence="equivalent"))]
        case "fixed":
            stated = group.unmapped
            target = Target(
                code=str(stated.get("code", "")), display=str(stated.get("display", "")), equivalence="inexact"
            )
            return [_match(found, group, target)]
        case "other-map":
            other = named.get(str(group.unmapped.get("url", "")).partition("|")[0])
            return translated(other, wanted, named, depth + 1) if other is not None else []
    return []


def _match(found: Map, group: Group, target: Target) -> Match:
    return Match(
        equivalence=target.equivalence,
        system=group.target,
        code=target.code,
        display=target.display,
        source=f"{found.url}|{found.version}" if found.version and found.url else found.url,
        products=target.products,
    )


def _reversed(found: Map, wanted: Wanted) -> Iterator[Match]:
    codes: Sequence[str] = (wanted.code, *spellings(wanted.system, wanted.code))
    for group in found.groups:
        if not (_is(group.target, wanted.system) and _is(group.source, wanted.target_system)):
            continue
        for code, targets in group.elements.items():
            for target in targets:
                if target.code in codes and all(need in wanted.needs for need in target.needs):
                    source = f"{found.url}|{found.version}" if found.version and found.url else found.url
                    way = _REVERSED.get(target.equivalence, target.equivalence)
                    yield Match(equivalence=way, system=group.source, code=code, display="", source=source)


def _is(stated: str, wanted: str) -> bool:
    """Whether a group's system is the one asked for; what is not stated or not asked for is any."""
    return not wanted or not stated or stated.partition("|")[0] in aliases(wanted.partition("|")[0])
