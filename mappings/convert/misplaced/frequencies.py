"""How often a medicine is taken, where another field of its prescription has it: read, and told (2.5.1 §4.5.4.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mappings.convert.datatypes import cwe
from mappings.convert.misplaced.pharmacy import medicine_for_dose
from mappings.convert.misplaced.plausible import is_route, is_timing, misplaced_if
from mappings.convert.published import coding_of
from mappings.convert.registry import Context, Value, conversion, rescue
from mappings.convert.small import cq
from mappings.convert.text import number
from mappings.convert.timing import (
    EVERY,
    IF_NEEDED,
    OFTEN,
    as_needed,
    bounds,
    doubtful_pattern,
    how_often,
    repeated,
    timing,
    timing_text,
    told,
)

_PARTS = ((1, 1), (1, 2), (2, 1), (2, 2))  # of a quantity: how much, behind `&`; its unit, behind `&`


@rescue("stray-frequency")
def stray_frequency(value: Value, context: Context, argument: str) -> Any:
    """RXO-7, RXE-8 and RXO-8, an instruction or where the medicine goes to, as Timing where it says how often; told.

    Start and end are those of the TQ in the field `argument`. A ward may be called by other codes of table 0335.
    """
    often = value.text(1).upper().strip()
    if not bare_frequency(value):
        return None
    misplaced = value.problem("field.misplaced")
    context.problems += [misplaced] if misplaced not in context.problems else []
    times = told(value.sibling(int(argument))) if argument else None
    limits = bounds(times, value, context) if times else {}
    found = {"coding": [coding_of("0335", value.text(1))], "text": value.text(2) or value.text(1)}
    return {"repeat": {**how_often(often, context), **limits}, "code": found}


def bare_frequency(value: Value) -> bool:
    """Whether a field says how often and no more: a code that cannot be another thing's, with its name or without."""
    often = value.text(1).upper().strip()
    return not value.text(4) and (often in OFTEN or bool(EVERY.match(often)))


@conversion("instruction")
def instruction(value: Value, context: Context, argument: str) -> Any:
    """RXO-7, RXE-7 as CodeableConcept; none where RXO-7 is a TQ, as senders of old versions have it, or says how often
    and no more, nor where it is a route, nor where the medicine stands a field late, as this then
    does; that is told."""
    if misplaced_if(medicine_for_dose(value.segment), value, context):
        return None
    timed = value.source.segment == "RXO" and (is_timing(value) or bare_frequency(value))
    if misplaced_if(timed or is_route(value), value, context):
        return None
    return cwe(value, context, argument)


@rescue("stray-timing")
def stray_timing(value: Value, context: Context, argument: str) -> Any:
    """A TQ in RXO-7 through the conversion `argument` (`timing`, `as-needed`, `timing-text`), or its priority."""
    if not is_timing(value):
        return None
    if argument == "priority":
        return context.codes("hl70485").get(value.text(6)) or None
    return {"timing": timing, "as-needed": as_needed, "timing-text": timing_text}[argument](value, context, "")


@rescue("frequency-for-quantity")
def frequency_for_quantity(value: Value, context: Context, argument: str) -> Any:
    """TQ1-2, a quantity, as Timing where it says how often (`Q6H`, `Q6H&a cada 6 horas`), a field early; it is told."""
    pattern, words = _frequency(value, context)
    if not pattern:
        return None
    context.problems.append(value.problem("field.misplaced"))
    return repeated(replace(told(value), pattern=pattern, pattern_text=words, pattern_system=""), value, context)


@conversion("quantity-each")
def quantity_each(value: Value, context: Context, argument: str) -> Any:
    """TQ1-2, the quantity at each time, as `dose[x]`; how often is no unit of it."""
    found = cq(value, context, argument)
    if found and "unit" in found and _frequency(value, context)[0]:
        found = {"value": found["value"]}
    return ("Quantity", found) if found else None


@conversion("quantity-in-words")
def quantity_in_words(value: Value, context: Context, argument: str) -> Any:
    """TQ1-2 that is no number and does not say how often, as Annotation: said, not lost."""
    text = value.whole()
    if not text or number(value.text(1)) is not None or _frequency(value, context)[0]:
        return None
    return {"text": f"{argument}: {text}"}


def _frequency(value: Value, context: Context) -> tuple[str, str]:
    """The pattern that stands in a quantity, and the words behind it; empty where it says none, where it is taken only
    when needed (a time nobody ordered is worse than none), or where the pattern has two meanings.

    A unit may be called by a code of table 0335 (`PC`), so one is a pattern only where it can be nothing else.
    """
    for component, sub in _PARTS:
        said = value.text(component, sub).strip()
        if len(said) < 2 or IF_NEEDED.search(said) or not how_often(said, context):
            continue
        listed = said.upper() in context.codes("hl70335") and said.upper() not in OFTEN
        if component == 1 or not listed:
            pattern = replace(told(value), pattern=said, pattern_text="", pattern_system="")
            words = value.text(component, 2) if sub == 1 else ""
            return ("", "") if doubtful_pattern(pattern, context) else (said, words)
    return "", ""
