"""Search parameters (R4 §3.1.1): which a type has, and the index entries of a resource for each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from canonical.identity import fold
from fhir import ranges
from fhir.definitions.table import Parameter, parameters, resource_types, type_named
from fhir.paths import Path, Typed, UnsupportedExpression, compile_for, follow

INDEXED = ("token", "string", "date", "number", "quantity", "reference", "uri")
IDENTIFIER = ":identifier"  # the token entries of a reference's identifier stand under `code:identifier`
_LONGEST = 240  # characters of an indexed value: with its fold it must fit a b-tree entry at four bytes each
_TYPE_TEST = re.compile(r"resolve\(\) is (\w+)")
_PLAIN_PATH = re.compile(r"\w+(?:\.\w+)+\Z")


class Entry(NamedTuple):
    """One index entry: the parameter's code, its type, and the values of that type's index columns.

    A tuple and no dataclass: a busy feed makes tens of thousands a second.
    """

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


@cache
def reference_types(type_name: str, code: str) -> tuple[str, ...]:
    """The types a reference parameter may point to; `patient` points to Patient only."""
    parameter = parameters_of(type_name)[code]
    own = [part for part in parameter.expression.split("|") if part.strip(" (").startswith(type_name + ".")]
    tests = [_TYPE_TEST.search(part) for part in own]
    if own and all(tests):
        return tuple(dict.fromkeys(test[1] for test in tests if test))
    targets = parameter.targets or resource_types()
    return resource_types() if "Resource" in targets else targets


@cache
def has_bare_codes(type_name: str, code: str) -> bool:
    """Whether a token parameter's elements are primitives, so that its entries never have a system."""
    for part in parameters_of(type_name)[code].expression.split("|"):
        path = part.strip()
        if path.startswith(type_name + ".") and not _ends_primitive(path):
            return False
        if not path.startswith(type_name + ".") and path.partition(".")[0] in ("Resource", "DomainResource"):
            return False
    return True


def _ends_primitive(path: str) -> bool:
    if _PLAIN_PATH.match(path) is None:
        return False
    names = path.split(".")
    current = type_named(names[0])
    for name in names[1:]:
        element = current.elements.get(name) if current else None
        if element is None or element.choice:
            return False
        current = type_named(element.types[0])
    return current is not None and current.kind == "primitive"


def entries(resource: dict[str, Any], zone: ZoneInfo) -> list[Entry]:
    """All index entries of `resource`; `zone` is where dates without a zone lie."""
    type_name = resource["resourceType"]
    found: dict[Entry, None] = {}
    for code, kind, paths in _plan(type_name):
        for path in paths:
            if path.keys and path.keys.isdisjoint(resource):
                continue
            for typed in follow(path, type_name, resource):
                for entry in _entries_of(code, kind, typed, zone):
                    found[entry] = None
    return list(found)


@cache
def _plan(type_name: str) -> tuple[tuple[str, str, tuple[Path, ...]], ...]:
    """What to evaluate; `_id`, `_lastUpdated` are columns of their own and need no entry."""
    return tuple(
        (code, p.type, compile_for(p.expression, type_name))
        for code, p in parameters_of(type_name).items()
        if code not in ("_id", "_lastUpdated")
    )


def _entries_of(code: str, kind: str, typed: Typed, zone: ZoneInfo) -> Iterator[Entry]:
    if kind == "date":
        for span in _dates(*typed, zone):
            yield Entry(code, kind, span)
        return
    for values in _READERS[kind](*typed):
        yield Entry(code, kind, values)
    if kind == "reference" and isinstance(typed[1], dict) and (identifier := typed[1].get("identifier")):
        for values in _tokens("Identifier", identifier):
            yield Entry(code + IDENTIFIER, "token", values)


def bounded(text: str) -> str:
    """`text` as it is indexed and looked up: a long one is cut and told apart from others by its hash."""
    if len(text) <= _LONGEST:
        return text
    return text[:_LONGEST] + "#" + blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _tokens(type_name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool):
        yield "", "true" if value else "false"
    elif isinstance(value, str):
        yield "", bounded(value)
    elif isinstance(value, dict):
        codings = value.get("coding", ()) if type_name == "CodeableConcept" else (value,)
        number = "value" if type_name in ("Identifier", "ContactPoint") else "code"
        for coding in codings:
            system, code = coding.get("system", ""), coding.get(number, "")
            if system or code:
                yield bounded(system), bounded(code)


def _strings(type_name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every text within the value: a HumanName or Address is searched by any of its parts."""
    if isinstance(value, str):
        yield folded(value), value[:_LONGEST]
    elif isinstance(value, list):
        for item in value:
            yield from _strings(type_name, item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in ("use", "period", "extension", "type", "id") and not key.startswith("_"):
                yield from _strings(type_name, item)


def folded(text: str) -> str:
    """`text` without accents and case, as long as is indexed."""
    return fold(text[:_LONGEST])[:_LONGEST]


def _dates(type_name: str, value: Any, zone: ZoneInfo) -> Iterator[tuple[Any, ...]]:
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
        bounds = value.get("repeat", {}).get("boundsPeriod")
        if moments:
            yield min(m[0] for m in moments), max(m[1] for m in moments)
        elif bounds:
            yield from _dates("Period", bounds, zone)


def _references(type_name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Literal references as type and id; canonical and absolute ones as written, under no type."""
    if isinstance(value, dict) and "resourceType" in value:  # Bundle.composition: the resource itself stands there
        if isinstance(value.get("id"), str):
            yield value["resourceType"], bounded(value["id"])
        return
    literal = value if isinstance(value, str) else value.get("reference") if isinstance(value, dict) else None
    if isinstance(literal, str) and not literal.startswith("#"):
        yield split_reference(literal)


def split_reference(literal: str) -> tuple[str, str]:
    """`Patient/1` as type and id; anything else under the empty type, without version."""
    parts = literal.split("/_history/", maxsplit=1)[0].split("/")
    if len(parts) == 2 and parts[0] in _types():
        return parts[0], bounded(parts[1])
    return "", bounded(literal.partition("|")[0])


@cache
def _types() -> frozenset[str]:
    return frozenset(resource_types())


def _uris(type_name: str, value: Any) -> Iterator[tuple[str]]:
    if isinstance(value, str):
        yield (bounded(value.partition("|")[0] if type_name == "canonical" else value),)


def _numbers(type_name: str, value: Any) -> Iterator[tuple[float, float]]:
    """A number as the point it is (R4 §3.1.1.4.6: precision counts on the side of the search)."""
    if type_name == "Range" and isinstance(value, dict):
        yield _ends(value)
    elif not isinstance(value, (bool, str, dict)) and (point := ranges.point(str(value))) is not None:
        yield point, point


def _ends(value: dict[str, Any]) -> tuple[float, float]:
    low = ranges.point(str(value.get("low", {}).get("value")))
    high = ranges.point(str(value.get("high", {}).get("value")))
    return float("-inf") if low is None else low, float("inf") if high is None else high


def _quantities(type_name: str, value: Any) -> Iterator[tuple[float, float, str, str]]:
    if not isinstance(value, dict):
        return
    if type_name == "Range":
        some = value.get("low") or value.get("high") or {}
        units, (low, high) = _units(some), _ends(value)
    else:
        point = ranges.point(str(value.get("value")))
        if point is None:
            return
        units, (low, high) = _units(value), _compared(point, value.get("comparator", ""))
    for system, unit in units:
        yield low, high, system, unit


def _units(value: dict[str, Any]) -> dict[tuple[str, str], None]:
    """The coded unit, and the printed one where it differs: `5||mg` may mean either."""
    code, unit = value.get("code") or value.get("currency") or "", value.get("unit") or ""
    found = {(bounded(value.get("system", "")), bounded(code or unit)): None}
    if code and unit and unit != code:
        found["", bounded(unit)] = None
    return found


def _compared(point: float, comparator: str) -> tuple[float, float]:
    if comparator in ("<", "<="):
        return float("-inf"), point
    return (point, float("inf")) if comparator in (">", ">=") else (point, point)


_READERS = {
    "token": _tokens,
    "string": _strings,
    "reference": _references,
    "uri": _uris,
    "number": _numbers,
    "quantity": _quantities,
}
