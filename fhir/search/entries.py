"""The index entries of a resource: its search parameters compiled once for each type, then one look at each element.

Parameters that read the same place share one probe. A probe starts at one JSON key of the resource, so the many
parameters whose element is absent cost nothing. Paths that are more than steps and filters are followed as FHIRPath.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from fhir.definitions.table import Parameter, choice_key, type_named
from fhir.search import composites, contained, leading
from fhir.search.composites import stored_as
from fhir.search.parameters import IDENTIFIER, SHAPE, parameters_of
from fhir.search.paths import Path, compile_for, follow, is_a, keeps
from fhir.search.readings import BESIDE, READINGS, Reading, tokens
from fhir.search.shapes import shape

Found = tuple[str, str, tuple[Any, ...]]
Hop = str | Callable[[Any], bool]
_NARROW = re.compile(r"(?:ofType|as)\((\w+)\)\Z")
_NAME = re.compile(r"\w+\Z")


class Entry(NamedTuple):
    """One index entry: the parameter's code, its type, and the values of that type's index columns."""

    code: str
    type: str
    values: tuple[Any, ...]


class Straight(NamedTuple):
    """A path of JSON keys and filters that ends at elements of one type."""

    hops: tuple[Hop, ...]
    type: str


class Probe(NamedTuple):
    """Hops below the first key, the type they end at, how it is read, and the parameters that want it."""

    hops: tuple[Hop, ...]
    type: str
    kind: str
    reading: Reading
    codes: tuple[str, ...]
    beside: tuple[tuple[str, str, Reading], ...] = ()


class _Plan(NamedTuple):
    by_key: dict[str, tuple[Probe, ...]]
    followed: tuple[tuple[str, str, Path], ...]


def entries(resource: dict[str, Any], zone: ZoneInfo) -> list[Entry]:
    """All index entries of `resource`; `zone` is where dates without a zone lie."""
    return [Entry(*found) for found in extracted(resource, zone)]


def extracted(resource: dict[str, Any], zone: ZoneInfo) -> Iterable[Found]:
    """The same as plain tuples (code, type, columns), each once: a busy feed makes tens of thousands a second."""
    type_name = resource["resourceType"]
    held = contained.local(resource) if "contained" in resource else {}
    found = _stated(type_name, contained.typed(resource, held) if held else resource, zone)
    for entry in composites.entries(resource, zone, READINGS):
        found[entry] = None
    if held:
        contained.moved(type_name, found, held, zone, extracted)
    found[SHAPE, "token", ("", shape(type_name, (code for code, _, _ in found)))] = None
    if type_name == "Bundle":
        found.update(dict.fromkeys(leading.entries(resource, zone, extracted)))
    return found


def _stated(type_name: str, resource: dict[str, Any], zone: ZoneInfo) -> dict[Found, None]:
    """The entries of all parameters but composites."""
    plan = _plan(type_name)
    found: dict[Found, None] = {}
    by_key = plan.by_key
    for key, content in resource.items():
        for probe in by_key.get(key, ()):
            _probe(probe, content, zone, found)
    for code, kind, path in plan.followed:
        for typed in follow(path, type_name, resource):
            for values in READINGS[kind](*typed, zone):
                found[code, kind, values] = None
            if kind == "reference":
                _identified((code,), typed[1], zone, found)
    return found


def further(resource: dict[str, Any], zone: ZoneInfo, parameters: Iterable[Parameter]) -> Iterator[Found]:
    """The entries of parameters that are not published: a tenant's own, modifiers and units included."""
    type_name = resource["resourceType"]
    for parameter in parameters:
        for path in compile_for(parameter.expression, type_name):
            for kind, value in follow(path, type_name, resource):
                yield from _told(parameter, kind, value, zone)


def _told(parameter: Parameter, kind: str, value: Any, zone: ZoneInfo) -> Iterator[Found]:
    """What one value says to a parameter, and besides."""
    readings = (("", parameter.type, READINGS[parameter.type]), *BESIDE.get((parameter.type, kind), ()))
    for suffix, table, reading in readings:
        for columns in reading(kind, value, zone):
            yield parameter.code + suffix, table, columns
    if parameter.type == "reference":
        found: dict[Found, None] = {}
        _identified((parameter.code,), value, zone, found)
        yield from found


def _probe(probe: Probe, content: Any, zone: ZoneInfo, found: dict[Found, None]) -> None:
    hops, type_name, kind, reading, codes, beside = probe
    values = content if type(content) is list else (content,)
    for hop in hops:
        values = _hop(hop, values)
    for value in values:
        if value is None:
            continue
        for columns in reading(type_name, value, zone):
            for code in codes:
                found[code, kind, columns] = None
        if beside and (type(value) is dict or "|" in value):
            _beside(probe, value, zone, found)
        elif kind == "reference" and type(value) is dict and "identifier" in value:
            _identified(codes, value, zone, found)


def _beside(probe: Probe, value: dict[str, Any] | str, zone: ZoneInfo, found: dict[Found, None]) -> None:
    """What the element says besides: to modifiers, and in base units."""
    for suffix, kind, reading in probe.beside:
        for columns in reading(probe.type, value, zone):
            for code in probe.codes:
                found[code + suffix, kind, columns] = None


def _hop(hop: Hop, values: Sequence[Any]) -> list[Any]:
    if not isinstance(hop, str):
        return [value for value in values if hop(value)]
    below: list[Any] = []
    for value in values:
        content = value.get(hop) if type(value) is dict else None
        if type(content) is list:
            below += content
        elif content is not None:
            below.append(content)
    return below


def _identified(codes: Sequence[str], value: Any, zone: ZoneInfo, found: dict[Found, None]) -> None:
    """The identifier of a reference, under `code:identifier`."""
    if isinstance(value, dict) and (identifier := value.get("identifier")):
        for columns in tokens("Identifier", identifier, zone):
            for code in codes:
                found[code + IDENTIFIER, "token", columns] = None


@cache
def _plan(type_name: str) -> _Plan:
    """What to evaluate; `_id`, `_lastUpdated` are columns of their own and need no entry."""
    shared: dict[tuple[tuple[Hop, ...], str, str], list[str]] = {}
    followed: list[tuple[str, str, Path]] = []
    for code, parameter in parameters_of(type_name).items():
        if code in ("_id", "_lastUpdated") or stored_as(code) != (code,):
            continue
        for path in compile_for(parameter.expression, type_name):
            lines = straight(path, type_name)
            if lines is None:
                followed.append((code, parameter.type, path))
            for line in lines or ():
                shared.setdefault((line.hops, line.type, parameter.type), []).append(code)
    by_key: dict[str, list[Probe]] = {}
    for (hops, ends, kind), codes in shared.items():
        beside = BESIDE.get((kind, ends), ()) if hops[0] != "meta" or kind == "uri" else ()
        probe = Probe(hops[1:], ends, kind, READINGS[kind], tuple(dict.fromkeys(codes)), beside)
        by_key.setdefault(str(hops[0]), []).append(probe)
    return _Plan({key: tuple(probes) for key, probes in by_key.items()}, tuple(followed))


@cache
def canonical_codes(type_name: str) -> frozenset[str]:
    """The reference parameters of a type that read canonicals."""
    probes = [probe for each in _plan(type_name).by_key.values() for probe in each]
    found = [probe.codes for probe in probes if (probe.kind, probe.type) == ("reference", "canonical")]
    return frozenset(code for codes in found for code in codes)


def straight(path: Path, base: str) -> list[Straight] | None:
    """The path as keys and filters, one line for each type of a choice; None when it must be followed as FHIRPath."""
    lines = [Straight((), base)]
    for token in path.tokens:
        stepped = _stepped(lines, token)
        if stepped is None:
            return None
        lines = stepped
    whole = path.tokens and all(line.hops and line.type != "Resource" for line in lines)
    return lines if whole and all(isinstance(line.hops[0], str) for line in lines) else None


def _stepped(lines: list[Straight], token: str) -> list[Straight] | None:
    if narrowed := _NARROW.match(token):
        return [line for line in lines if is_a(line.type, narrowed[1])]
    if _NAME.match(token):
        return [below for line in lines for below in _below(line, token)]
    if token.startswith("extension("):
        return [Straight((*line.hops, "extension", keep), "Extension") for line in lines if (keep := keeps(token))]
    keep = keeps(token)
    if keep is None:
        return None
    free = "canonical" if "resolve()" in token else ""
    return [line if line.type == free else Straight((*line.hops, keep), line.type) for line in lines]


def _below(line: Straight, name: str) -> list[Straight]:
    definition = type_named(line.type)
    element = definition.elements.get(name) if definition else None
    if element is None:
        return []
    if element.choice:
        return [Straight((*line.hops, choice_key(element, t)), t) for t in element.types]
    return [Straight((*line.hops, name), element.types[0])]
