"""Search parameters (R4 §3.1.1): which a type has, and the index entries of a resource for each of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from canonical.identity import fold
from fhir import ranges
from fhir.definitions.table import Parameter, parameters, resource_types
from fhir.paths import Typed, UnsupportedExpression, compile_for, evaluate

INDEXED = ("token", "string", "date", "number", "quantity", "reference", "uri")
_LONGEST_STRING = 1000  # characters of a string value that are indexed; a b-tree entry must fit a page


@dataclass(frozen=True, slots=True)
class Entry:
    """One index entry: the parameter's code, its type, and the values of that type's index columns."""

    code: str
    type: str
    values: tuple[Any, ...]


@cache
def parameters_of(type_name: str) -> dict[str, Parameter]:
    """The parameters of a resource type by code that this hub can index, those of all resources included."""
    found: dict[str, Parameter] = {}
    for parameter in parameters():
        if not {type_name, "Resource", "DomainResource"} & set(parameter.bases) or not parameter.expression:
            continue
        if parameter.type in INDEXED and _supported(parameter.expression, type_name):
            found[parameter.code] = parameter
    return found


def _supported(expression: str, type_name: str) -> bool:
    try:
        return bool(compile_for(expression, type_name))
    except UnsupportedExpression:
        return False


def entries(resource: dict[str, Any], zone: ZoneInfo) -> list[Entry]:
    """All index entries of `resource`; `zone` is where dates without a zone lie."""
    type_name = resource["resourceType"]
    found: dict[Entry, None] = {}
    for code, kind, expression in _plan(type_name):
        for typed in evaluate(expression, type_name, resource):
            for values in _values(kind, typed, zone):
                found[Entry(code, kind, values)] = None
    return list(found)


@cache
def _plan(type_name: str) -> tuple[tuple[str, str, str], ...]:
    """What to evaluate; `_id`, `_lastUpdated` are columns of their own and need no entry."""
    return tuple(
        (code, p.type, p.expression)
        for code, p in parameters_of(type_name).items()
        if code not in ("_id", "_lastUpdated")
    )


def _values(kind: str, typed: Typed, zone: ZoneInfo) -> Iterator[tuple[Any, ...]]:
    match kind:
        case "token":
            yield from _tokens(*typed)
        case "string":
            yield from _strings(typed[1])
        case "date":
            yield from _dates(*typed, zone)
        case "reference":
            yield from _references(*typed)
        case "uri":
            if isinstance(typed[1], str):
                yield (typed[1][:_LONGEST_STRING],)
        case "number":
            yield from _numbers(*typed)
        case "quantity":
            yield from _quantities(*typed)


def _tokens(type_name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool):
        yield "", "true" if value else "false"
    elif isinstance(value, str):
        yield "", value
    elif isinstance(value, dict):
        if type_name == "CodeableConcept":
            for coding in value.get("coding", ()):
                yield coding.get("system", ""), coding.get("code", "")
        elif type_name == "ContactPoint":
            yield value.get("system", ""), value.get("value", "")
        elif type_name in ("Identifier", "Coding"):
            number = value.get("value") if type_name == "Identifier" else value.get("code")
            yield value.get("system", ""), number or ""


def _strings(value: Any) -> Iterator[tuple[str, str]]:
    """Every text within the value: a HumanName or Address is searched by any of its parts."""
    if isinstance(value, str):
        text = value[:_LONGEST_STRING]
        yield fold(text), text
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in ("use", "period", "extension", "type", "id") and not key.startswith("_"):
                yield from _strings(item)


def _dates(type_name: str, value: Any, zone: ZoneInfo) -> Iterator[tuple[datetime.datetime, datetime.datetime]]:
    if isinstance(value, str):
        if found := ranges.date_range(value, zone):
            yield found
    elif isinstance(value, dict) and type_name == "Period":
        low = ranges.date_range(value["start"], zone) if isinstance(value.get("start"), str) else None
        high = ranges.date_range(value["end"], zone) if isinstance(value.get("end"), str) else None
        if low or high:
            yield low[0] if low else ranges.EARLIEST, high[1] if high else ranges.LATEST
    elif isinstance(value, dict) and type_name == "Timing":
        moments = [r for event in value.get("event", ()) if (r := ranges.date_range(str(event), zone))]
        if moments:
            yield min(m[0] for m in moments), max(m[1] for m in moments)


def _references(type_name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Literal references as type and id; anything else under the pseudo-type of its form."""
    literal = value if isinstance(value, str) else value.get("reference") if isinstance(value, dict) else None
    if isinstance(literal, str) and not literal.startswith("#"):
        parts = literal.split("/_history/")[0].rsplit("/", 2)
        relative = len(parts) == 2 and parts[0] in resource_types()
        yield (parts[0], parts[1]) if relative else ("", literal.partition("|")[0][:_LONGEST_STRING])


def _numbers(type_name: str, value: Any) -> Iterator[tuple[float, float]]:
    if not isinstance(value, (bool, str, dict)):
        yield ranges.number_range(str(value))


def _quantities(type_name: str, value: Any) -> Iterator[tuple[float, float, str, str]]:
    if not isinstance(value, dict) or value.get("value") is None:
        return
    low, high = ranges.number_range(str(value["value"]))
    comparator = value.get("comparator", "")
    if comparator in ("<", "<="):
        low = float("-inf")
    elif comparator in (">", ">="):
        high = float("inf")
    unit = value.get("code") or value.get("currency") or value.get("unit") or ""
    yield low, high, value.get("system", ""), unit
