"""Filters of value sets (R4 §4.9.5 and the value set filter-operator): which concepts of a system they keep.

A regular expression is matched by an engine whose time grows with the text only, and must match the whole value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fhir.patterns import BadPattern, pattern
from fhir.terminology import ecl
from fhir.terminology.selection import walked
from fhir.terminology.systems import Concept, System, Unanswered, above, below

Test = Callable[[Concept], bool]
_OWN = frozenset(("concept", "code"))


def test_of(system: System, stated: dict[str, Any]) -> Test:
    """Whether a concept of `system` passes one filter; raises Unanswered for an operator that R4 does not have."""
    operator, value = str(stated.get("op")), str(stated.get("value", ""))
    if operator not in _MAKERS:
        raise Unanswered("unsupported", "fhir.terminology.filter", name=operator[:40])
    return _MAKERS[operator](system, str(stated.get("property", "")), value)


def start_of(system: System, stated: Iterable[dict[str, Any]]) -> Iterable[str] | None:
    """The codes of the first filter that names a part of the hierarchy, in its order; None when none does."""
    for each in stated:
        if each.get("op") in ("is-a", "descendent-of") and each.get("property") in _OWN:
            return below(system, str(each.get("value")))
    return None


def values_of(system: System, concept: Concept, name: str) -> list[str]:
    """The values of a property of a concept as filters compare them."""
    match name:
        case "concept" | "code":
            return [concept.code]
        case "display":
            return [concept.display]
        case "definition":
            return [concept.definition] if concept.definition else []
        case "designation":
            return [each.value for each in concept.designations]
        case "parent":
            return list(system.parents(concept.code))
        case "child":
            return list(system.children(concept.code))
    stated = [each.text for each in concept.properties if each.code == name]
    if not stated and name in ("inactive", "notSelectable", "abstract"):
        return [str(concept.inactive if name == "inactive" else concept.abstract).lower()]
    return stated


def _within(system: System, name: str, value: str, *, itself: bool) -> Test:
    codes = below(system, value)
    if system.find(value) is None:
        return lambda concept: False
    return lambda concept: concept.code in codes and (itself or concept.code != value)


def _outside(system: System, name: str, value: str) -> Test:
    codes = below(system, value)
    return lambda concept: concept.code not in codes


def _generalizes(system: System, name: str, value: str) -> Test:
    codes = above(system, value) if system.find(value) is not None else {}
    return lambda concept: concept.code in codes


def _equals(system: System, name: str, value: str) -> Test:
    if name == "constraint":
        codes = walked(system, ecl.parse(value))
        return lambda concept: concept.code in codes
    return lambda concept: value in values_of(system, concept, name)


def _among(system: System, name: str, value: str) -> Test:
    wanted = frozenset(part.strip() for part in value.split(","))
    return lambda concept: not wanted.isdisjoint(values_of(system, concept, name))


def _not_among(system: System, name: str, value: str) -> Test:
    inside = _among(system, name, value)
    return lambda concept: not inside(concept)


def _exists(system: System, name: str, value: str) -> Test:
    wanted = value != "false"
    return lambda concept: bool(values_of(system, concept, name)) is wanted


def _matches(system: System, name: str, value: str) -> Test:
    try:
        found = pattern(value, whole=True)
    except BadPattern:
        raise Unanswered("malformed", "fhir.terminology.pattern") from None
    return lambda concept: any(found(text) for text in values_of(system, concept, name))


_MAKERS: dict[str, Callable[[System, str, str], Test]] = {
    "=": _equals,
    "is-a": lambda system, name, value: _within(system, name, value, itself=True),
    "descendent-of": lambda system, name, value: _within(system, name, value, itself=False),
    "is-not-a": _outside,
    "generalizes": _generalizes,
    "regex": _matches,
    "in": _among,
    "not-in": _not_among,
    "exists": _exists,
}
