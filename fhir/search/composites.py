"""Composite parameters (R4 §3.1.1.4.11): pairs of values that stand in one place of a record.

The first part is written into the key of an entry and the last one is its value, so a pair costs one look into one
b-tree however common each half is. `combo-…` parameters are looked up as the two they combine and have no entries.
Where the place is the record itself a pair says no more than its halves together: its entries then leave out the system
of the first part and the printed unit of the last one, which the entries of the halves tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from fhir.definitions.table import Parameter, parameters
from fhir.search.parameters import LEAD
from fhir.search.paths import Path, Typed, compile_for, compile_within, follow, follow_from
from fhir.search.values import Token

COMBINED = "combo-"  # parameters of Observation that mean a parameter and its `component-` twin
_ROOT = "%resource."
_TYPOS = {"DateTime": "dateTime"}  # as the published expressions write it


class _Plan(NamedTuple):
    code: str
    kinds: tuple[str, ...]
    places: tuple[Path, ...]
    parts: tuple[tuple[bool, str], ...]
    keys: tuple[frozenset[str], ...]
    whole: bool


@cache
def _by_url() -> dict[str, Parameter]:
    return {parameter.url: parameter for parameter in parameters()}


@cache
def of(type_name: str) -> dict[str, Parameter]:
    """The composite parameters of a type by code."""
    return {p.code: p for p in parameters() if p.type == "composite" and type_name in p.bases}


@cache
def kinds_of(type_name: str, parameter: Parameter) -> tuple[str, ...]:
    """The types of a composite's parts, in order."""
    return tuple(kind for kind, _ in _parts(parameter))


def codes_of(parameter: Parameter) -> tuple[str, ...]:
    """The parameters that a composite's parts are by themselves."""
    return tuple(_by_url()[url].code for url, _ in parameter.components)


def _parts(parameter: Parameter) -> list[tuple[str, str]]:
    """Type and expression of each part. DocumentReference's are published with their expressions swapped."""
    kinds = [_by_url()[url].type for url, _ in parameter.components]
    expressions = [expression for _, expression in parameter.components]
    if parameter.code == "relationship":
        expressions.reverse()
    return list(zip(kinds, expressions, strict=True))


def stored_as(code: str) -> tuple[str, ...]:
    """The parameters whose entries answer for `code`."""
    if code.startswith(COMBINED):
        return code.removeprefix(COMBINED), "component-" + code.removeprefix(COMBINED)
    return (code,)


@cache
def is_whole(type_name: str, code: str) -> bool:
    """Whether the one place of a composite is the record itself, so that its parts could hold one by one as well."""
    parameter = of(type_name).get(code)
    return parameter is not None and parameter.expression.strip() == type_name


def halves_of(type_name: str, code: str) -> tuple[str, ...]:
    """The parameters that the parts of a published composite are by themselves."""
    return codes_of(of(type_name)[code])


def leads(token: Token, *, whole: bool = False) -> tuple[str, ...]:
    """How a first part is written into keys: `code` when any system will do, else `system|code` for each name.

    `whole`: as entries of composites are written whose place is the record itself: the code alone.
    """
    codes = [code for code in (token.code, *token.spellings) if code is not None]
    if token.systems is None or whole:
        return tuple(codes)
    return tuple(f"{system}|{code}" for system in token.systems for code in codes)


def entries(
    resource: dict[str, Any], zone: ZoneInfo, readings: Mapping[str, Any]
) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """The entries (code with its first part, type, values) of a resource; `readings` as in `fhir.search.readings`."""
    type_name = resource["resourceType"]
    for plan in _plans(type_name):
        if any(keys.isdisjoint(resource) for keys in plan.keys):
            continue
        for place in plan.places:
            for spot in follow(place, type_name, resource):
                yield from _of_spot(plan, spot, resource, zone, readings)


def _of_spot(plan: _Plan, spot: Typed, resource: dict[str, Any], zone: ZoneInfo, readings: Any) -> Iterator[Any]:
    found: list[list[tuple[Any, ...]]] = []
    root = (resource["resourceType"], resource)
    for kind, (whole, expression) in zip(plan.kinds, plan.parts, strict=True):
        start = root if whole else spot
        items = [item for path in compile_within(expression, start[0]) for item in follow_from(path, start)]
        most = 1 if plan.whole and kind == "quantity" else None  # the coded unit stands first
        found.append([values for item in items for values in readings[kind](*item, zone)[:most]])
        if not found[-1]:
            return
    for text in dict.fromkeys(text for first in found[0] for text in _texts(plan, first)):
        for last in _last(found[1:]):
            yield plan.code + LEAD + text, plan.kinds[-1], last


def _texts(plan: _Plan, first: tuple[Any, ...]) -> tuple[str, ...]:
    """How the first part stands in keys."""
    if plan.kinds[0] == "reference":
        return (f"{first[0]}/{first[1]}",)
    return (first[1],) if plan.whole else (f"{first[0]}|{first[1]}", first[1])


def _last(rest: list[list[tuple[Any, ...]]]) -> Iterator[tuple[Any, ...]]:
    """The values of the last part; of two numbers the first is the low and the second the high end."""
    if len(rest) == 1:
        yield from rest[0]
    else:
        yield from ((low[0], high[1]) for low in rest[0] for high in rest[1])


@cache
def _plans(type_name: str) -> tuple[_Plan, ...]:
    plans = []
    for code, parameter in of(type_name).items():
        if stored_as(code) != (code,):
            continue
        kinds = tuple(kind for kind, _ in _parts(parameter))
        places = compile_for(parameter.expression, type_name)
        parts = tuple((text.startswith(_ROOT), _mended(text.removeprefix(_ROOT))) for _, text in _parts(parameter))
        whole = is_whole(type_name, code)
        plans.append(_Plan(code, kinds, places, parts, _needed(type_name, places, parts), whole))
    return tuple(plans)


def _needed(
    type_name: str, places: tuple[Path, ...], parts: tuple[tuple[bool, str], ...]
) -> tuple[frozenset[str], ...]:
    """Sets of JSON keys of which a record has one each, or it has no such pair: most records are passed over so."""
    if all(place.keys for place in places):
        return (frozenset().union(*(place.keys for place in places)),)
    if any(place.tokens for place in places):
        return ()
    paths = [compile_within(expression, type_name) for _, expression in parts]
    return tuple(frozenset().union(*(path.keys for path in part)) for part in paths if all(path.keys for path in part))


def _mended(expression: str) -> str:
    for wrong, right in _TYPOS.items():
        expression = expression.replace(f"({wrong})", f"({right})")
    return expression
