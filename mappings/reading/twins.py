"""Fields that should say the same (`twins.csv`): whether a later one differs from the one that was taken.

A field that fills gaps only is passed over where an earlier one spoke. Most such fields mean something else. Of these
the standard says that both carry one value, so a difference is a mistake somebody must hear of.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from canonical.records import Key
from hl7.er7 import Segment
from mappings.convert import Value
from mappings.convert.registry import Context
from mappings.reading.step import Step
from mappings.tables.table import HERE, read_rows

FILE = HERE / "twins.csv"
_COLUMNS = ["field", "same_as", "note", "spec"]
_BESIDE = frozenset(("reference", "display", "extension", "type", "system"))  # say less than the number or the code


@cache
def twins() -> dict[str, frozenset[str]]:
    """The fields each field should agree with; raises TableError."""
    return {values["field"]: frozenset(values["same_as"].split()) for _, values in read_rows(FILE, _COLUMNS)}


def place_of(value: Value) -> str:
    """The field a value is of: `ORC-12`."""
    return f"{value.segment.name}-{value.source.field}"


def differs(step: Step, segment: Segment, taken: tuple[Any, Value], context: Context) -> bool:
    """Whether the field of `step` says other than what was taken; what cannot be compared does not differ."""
    made, value = taken
    said = [raw.strip() for raw in segment.repetitions(step.number) if raw.strip()]
    if not said or value.raw in said:
        return False
    aside = context.once("aside", lambda: Context(context.message, context.zone, context.prefix, context.site))
    asked, found = segment.asked, []
    for raw in said:
        one = Value(raw, step.source, segment)
        read = step.gather([one], aside, step.argument) if step.gathers else step.function(one, aside, step.argument)
        found += read if isinstance(read, list) else [read]
    segment.asked = asked
    told = [one for one in found if one is not None]
    return bool(told) and not any(agree(one, made) for one in told)


def agree(one: Any, other: Any) -> bool:
    """Whether two values can be one statement: nothing that both say is different."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return agree(one[1], other[1]) if one[0] == other[0] else _same(_start(one[1]), _start(other[1]))
    if isinstance(one, Key) and isinstance(other, Key):
        return _same(one.value, other.value)
    if isinstance(one, dict) and isinstance(other, dict):
        return _agree(one, other)
    if isinstance(one, list) and isinstance(other, list):
        return any(agree(a, b) for a in one for b in other) or not one or not other
    return _same(one, other)


def _agree(one: dict[str, Any], other: dict[str, Any]) -> bool:
    for name in (
        "identifier",
        "coding",
        "code",
    ):  # a number or a code decides; words beside it may be longer or shorter
        if name in one and name in other:
            return agree(one[name], other[name])
    if "display" in one and "display" in other:
        words = [set(str(each["display"]).casefold().split()) for each in (one, other)]
        return words[0] <= words[1] or words[1] <= words[0]
    return all(agree(one[name], other[name]) for name in one.keys() & other.keys() - _BESIDE)


def _start(value: Any) -> Any:
    """When a moment, a period or a timing begins; None where it does not say."""
    if not isinstance(value, dict):
        return value
    if "repeat" in value:
        value = value["repeat"].get("boundsPeriod", {})
    return value.get("start") or next(iter(value.get("event", ())), None)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):  # a moment of less precision is the same moment
        first, second = one.casefold(), other.casefold()
        return first.startswith(second) or second.startswith(first)
    return one is None or other is None or bool(one == other)
