"""Whether one record meets conditions, judged by its own content: what `hub.find.conditions` asks of the index.

Only conditions whose values are fixed and that lie in the record itself: tokens, strings, dates, references, URIs,
`_id`, compartments. A test compares the answers with those of the index over all official examples.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from fhir.definitions.table import Parameter
from fhir.search.composites import stored_as
from fhir.search.conditions import Clause, Condition, Either, Inside, Without
from fhir.search.entries import extracted, further
from fhir.search.values import OPEN, Link, Media, Moment, Target, Text, Token, Value

KINDS = frozenset(("token", "string", "date", "reference", "uri", "id"))
Columns = Sequence[Any]
_Entries = Mapping[tuple[str, str], Sequence[Columns]]


def is_fixed(condition: Condition) -> bool:
    """Whether `meets` can judge a condition."""
    if isinstance(condition, Inside):
        return True
    if isinstance(condition, Without):
        return is_fixed(condition.condition)
    if isinstance(condition, Either):
        return all(is_fixed(each) for conditions in condition.alternatives for each in conditions)
    if not isinstance(condition, Clause) or condition.kind not in KINDS:
        return False
    return not any(isinstance(value, OPEN) for value in condition.values)


def meets(
    record: Mapping[str, Any],
    alternatives: Iterable[Sequence[Condition]],
    zone: ZoneInfo,
    own: Iterable[Parameter] = (),
) -> bool:
    """Whether `record` meets all conditions of one of `alternatives`; `own` are a tenant's parameters of its type."""
    found: dict[tuple[str, str], list[Columns]] = defaultdict(list)
    body = dict(record)
    for code, kind, columns in [*extracted(body, zone), *further(body, zone, own)]:
        found[code, kind].append(columns)
    return any(all(_holds(body, found, condition) for condition in conditions) for conditions in alternatives)


def _holds(body: Mapping[str, Any], found: _Entries, condition: Condition) -> bool:
    match condition:
        case Inside():
            place = (condition.compartment, condition.id)
            codes = condition.codes
            return any(place == tuple(columns) for code in codes for columns in found.get((code, "reference"), ()))
        case Without():
            return not _holds(body, found, condition.condition)
        case Either():
            return any(all(_holds(body, found, each) for each in conditions) for conditions in condition.alternatives)
        case Clause() if is_fixed(condition):
            return _meets(body, found, condition)
        case _:
            raise LookupError("a condition that only the index can judge")


def _meets(body: Mapping[str, Any], found: _Entries, condition: Clause) -> bool:
    if condition.type_name != body.get("resourceType"):
        return False
    if condition.kind == "id":
        return any(isinstance(value, Target) and value.id == body.get("id") for value in condition.values)
    codes = [code + condition.suffix for code in stored_as(condition.code)]
    entries = [columns for code in codes for columns in found.get((code, condition.kind), ())]
    match condition.form:
        case "missing":
            return not entries
        case "present":
            return bool(entries)
        case "not":
            return not _any(condition.values, entries)
        case "other":
            return any(not _any(condition.values, [columns]) for columns in entries)
        case _:
            return _any(condition.values, entries)


def _any(values: Iterable[Value], entries: Sequence[Columns]) -> bool:
    return any(_equals(value, columns) for value in values for columns in entries)


def _equals(value: Value, columns: Columns) -> bool:
    match value:
        case Token(systems, code, spellings):
            system, found = columns
            return (code is None or found in (code, *spellings)) and (systems is None or system in systems)
        case Media(name):
            return bool(columns[1] == name or columns[1].startswith((f"{name}/", f"{name};")))
        case Text():
            return _says(value, *columns)
        case Moment(prefix, low, high):
            return _MOMENTS[prefix](columns[0], columns[1], low, high)
        case Target(types, identity):
            return columns[0] in types and columns[1] == identity
        case Link(uri, below, above):
            return _is_link(columns[0], uri, below, above)
        case _:
            raise LookupError("a value that only the index can judge")


def _says(value: Text, found: str, written: str) -> bool:
    if value.exact is not None:
        return found == value.folded and written == value.exact
    if value.inside:
        return value.folded in found
    match value.way:
        case "whole":
            return found == value.folded
        case "end":
            return found.endswith(value.folded)
        case _:
            return found.startswith(value.folded)


def _is_link(found: str, uri: str, below: bool, above: Sequence[str]) -> bool:
    if above:
        return found in above
    return found == uri or (below and found.startswith(uri.rstrip("/") + "/"))


_Test = Callable[[datetime.datetime, datetime.datetime, datetime.datetime, datetime.datetime], bool]
# R4 §3.1.1.4.5, as in hub.find.conditions.criteria: the record's span [a, b) beside the value's [low, high).
_MOMENTS: dict[str, _Test] = {
    "eq": lambda a, b, low, high: low <= a < high and b <= high,
    "ne": lambda a, b, low, high: a < low or b > high,
    "gt": lambda a, b, low, high: b > high,
    "lt": lambda a, b, low, high: a < low,
    "ge": lambda a, b, low, high: a >= low or b > high,
    "le": lambda a, b, low, high: a < low or b <= high,
    "sa": lambda a, b, low, high: a >= high,
    "eb": lambda a, b, low, high: b <= low,
    "ap": lambda a, b, low, high: a < high and b > low,
}
