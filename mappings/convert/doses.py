"""Conversions of how much: doses, rates and amounts of RXE, RXO, RXG, RXA, RXD, RXC (2.5.1 §4.14).

A wrong dose is worse than none: `1.500` may be one and a half or fifteen hundred, and is a number only where the other
numbers of the message show which; else it is said in words (`mappings.convert.decimals`).
"""

from __future__ import annotations

import re
from typing import Any

from jiter import LosslessFloat

from canonical import codes as systems
from mappings.convert.decimals import settled
from mappings.convert.durations import duration, unit_of_time
from mappings.convert.misplaced.pharmacy import medicine_for_dose
from mappings.convert.misplaced.plausible import misplaced_if
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import descends, number

UNIT = re.compile(r"[^\W\d_][^\W_]{0,9}(?:/[^\W_]{1,9}){0,3}\Z|%\Z")  # `mg/m2`, `UI`, `mL/kg/h`
_BETWEEN = re.compile(r"(\d[\d.,]*) ?(?:A|À|ATE|ATÉ|-) ?(\d[\d.,]*)\Z", re.IGNORECASE)  # `10 a 20`
_PER_TIME = re.compile(r"/\s?(?:h|hr|hora|min|minuto|d|dia)\.?\Z", re.IGNORECASE)
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_NO_UNITS = frozenset(f"{head}{table}" for head in ("HL7", "") for table in ("0162", "0163", "0335"))
_NOTHING_KNOWN = frozenset(("999", "0", ""))


@conversion("dose")
def dose(value: Value, context: Context, argument: str) -> Any:
    """Minimum, maximum and unit of a dose in three fields in a row (RXO-2, RXE-3, RXG-5) as `dose[x]`."""
    first = value.source.field
    if medicine_for_dose(value.segment):
        return None
    if (most_said := value.other(first + 1)) and number(most_said) is None:  # the unit, one field too early
        alone = not value.other(first + 2) and UNIT.match(most_said)
        early = quantity(value.whole(), value, first + 1, context) if alone else None
        unit = value.sibling(first + 1).problem("field.out-of-place")
        context.problems.append(unit if early else value.problem("field.misplaced"))
        return ("Quantity", early) if early else None
    if _numbered_unit(value, context, first + 2):
        return None
    low = quantity(value.whole(), value, first + 2, context)
    high = quantity(value.other(first + 1), value.sibling(first + 1), first + 2, context)
    _tell_no_number(value, context)
    if (value.whole() and not low) or (most_said and not high):  # half of what was said is another dose
        return None
    if low and high and descends(low, high):  # one of them is wrong, and a wrong dose is worse than none
        context.problems.append(value.problem("field.range"))
        return None
    if low and high and low != high:
        return ("Range", {"low": low, "high": high})
    return ("Quantity", low) if low else None


@conversion("most")
def most(value: Value, context: Context, argument: str) -> Any:
    """The maximum of a dose whose minimum was not said (RXO-3, RXE-4, RXG-6), unit in the next field, as `dose[x]`."""
    if medicine_for_dose(value.segment) or _numbered_unit(value, context, value.source.field + 1):
        return None
    high = quantity(value.whole(), value, value.source.field + 1, context)
    _tell_no_number(value, context)
    return ("Range", {"high": high}) if high else None


def _tell_no_number(value: Value, context: Context) -> None:
    if value.whole() and number(value.whole()) is None:
        context.problems.append(value.problem("field.number"))


def _numbered_unit(value: Value, context: Context, field: int) -> bool:
    """Whether a number alone stands where the unit of a dose belongs: a field too many or too few before it; told.

    Which of the numbers is the dose cannot be known, and a wrong dose is worse than none.
    """
    wrong = number(value.other(field)) is not None and not value.other(field, 2)
    context.problems += [value.sibling(field).problem("field.misplaced")] if wrong else []
    return wrong


@conversion("amount")
def amount(value: Value, context: Context, argument: str) -> Any:
    """A number with the unit of field `argument` as Quantity; 999 of RXA-6 says that the amount is not known."""
    if value.source.segment == "RXA" and value.whole() in _NOTHING_KNOWN:
        return None
    _tell_no_number(value, context)
    return quantity(value.whole(), value, int(argument), context)


@conversion("given-dose")
def given_dose(value: Value, context: Context, argument: str) -> Any:
    """RXA-6 with its unit as dose; how fast (`12,5 mL/h`) is none (`given-rate`)."""
    return None if _per_time(value) else amount(value, context, argument)


@conversion("given-rate")
def given_rate(value: Value, context: Context, argument: str) -> Any:
    """RXA-6 as `rate[x]` where its unit is one of an amount in a time (`mL/h`)."""
    found = amount(value, context, argument) if _per_time(value) else None
    return ("Quantity", found) if found else None


def _per_time(value: Value) -> bool:
    return bool(_PER_TIME.search(value.other(7, 2) or value.other(7)))


@conversion("unknown-amount")
def unknown_amount(value: Value, context: Context, argument: str) -> Any:
    """A dose that is not known, beside a route or a site that is (R4 mad-1: one of dose and rate)."""
    return {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]} if value.raw else None


@conversion("daily-dose")
def daily_dose(value: Value, context: Context, argument: str) -> Any:
    """RXE-19, the total daily dose (CQ), as Ratio per day."""
    found = counted(value.text(1), value, context)
    if found is None:
        return None
    unit = value.text(2, 2) or value.text(2) or value.other(5, 2) or value.other(5)
    day = {"value": 1, "unit": "d", "system": systems.UCUM, "code": "d"}
    return {"numerator": {"value": found, **({"unit": unit} if unit else {})}, "denominator": day}


@conversion("rate")
def rate(value: Value, context: Context, argument: str) -> Any:
    """A rate (RXE-23, RXG-15) with its unit in the next field as `rate[x]`, two (`10 a 20`) as what lies between.

    Anything else (`ACM`, `BIC`) is told, and said in words (`rate-in-words`).
    """
    found = _rate(value, context)
    if found is None:
        _tell_no_number(value, context)
    return found


def _rate(value: Value, context: Context) -> tuple[str, dict[str, Any]] | None:
    unit, text = value.source.field + 1, value.whole()
    if match := _BETWEEN.match(text):
        low, high = (quantity(end, value, unit, context) for end in match.groups())
        if low and high and not descends(low, high):
            return ("Range", {"low": low, "high": high})
    found = quantity(text, value, unit, context)
    return ("Quantity", found) if found else None


@conversion("rate-in-words")
def rate_in_words(value: Value, context: Context, argument: str) -> Any:
    """A rate that is no number nor two, or may be another a thousand times as large, as Annotation with its unit."""
    text = value.full()
    if not text or _rate(value, context) is not None:
        return None
    unit = value.other(value.source.field + 1, 2) or value.other(value.source.field + 1)
    return {"text": f"{argument}: {text} {unit}".strip()}


def counted(text: str, value: Value, context: Context) -> LosslessFloat | int | None:
    """A number of the field of `value`; None for one that may be another a thousand times as large, which is told."""
    plain = settled(text, value, context, doubtful=True)
    return None if plain is None else number(plain)


def quantity(text: str, value: Value, unit_field: int, context: Context) -> dict[str, Any] | None:
    """A number and the CE that names its unit; None when the text is no number, or may be two.

    A code that its sender calls one of a route, a site or a repeat pattern is no unit: it is told.
    """
    found = counted(text, value, context)
    if found is None:
        return None
    code, label, system = (value.other(unit_field, n) for n in (1, 2, 3))
    quantity: dict[str, Any] = {"value": found}
    if misplaced_if(system.upper() in _NO_UNITS, value.sibling(unit_field), context):
        return quantity
    if label or code:
        quantity["unit"] = label or code
    if code and system:
        quantity.update(system=systems.coding_system(system, code), code=" ".join(code.split()))
    return quantity


@conversion("strength")
def strength(value: Value, context: Context, argument: str) -> Any:
    """A strength with its unit in the next field, as Annotation in words (R4 has it only inside a Medication)."""
    text = value.whole()
    unit = value.other(value.source.field + 1, 2) or value.other(value.source.field + 1)
    return {"text": f"{argument}: {text} {unit}".strip()} if text else None


@conversion("dose-in-words")
def dose_in_words(value: Value, context: Context, argument: str) -> Any:
    """A dose that is no number (`875/125`, `1 a 2`) or may be two (`1.500`) as Annotation: said, not lost.

    Its unit stands one field on (RXA-7), or two, behind the maximum.
    """
    text, following = value.full(), value.source.field + 1
    most_said = "" if value.source.segment == "RXA" else value.other(following)
    open_end = number(most_said) is not None and counted(most_said, value.sibling(following), context) is None
    whole = counted(value.whole(), value, context) is not None and not open_end
    if not text or medicine_for_dose(value.segment) or whole:
        return None
    text = f"{text} a {most_said}" if open_end else text
    field = following if value.source.segment == "RXA" else following + 1
    unit = value.other(field, 2) or value.other(field)
    return {"text": f"{argument}: {text} {unit}".strip()}


@conversion("unit-alone")
def unit_alone(value: Value, context: Context, argument: str) -> Any:
    """A unit whose amount was not sent (RXO-4, RXE-5) as Annotation: said, not lost. `argument` names the fields of
    the amount and the words for it: `2,3:Unidade da dose`."""
    fields, _, words = argument.partition(":")
    unit = value.text(2) or value.text(1)
    if not unit or number(value.raw) is not None or any(value.other(int(field)) for field in fields.split(",")):
        return None
    return {"text": f"{words}: {unit}"}


@conversion("dispensed-dose")
def dispensed_dose(value: Value, context: Context, argument: str) -> Any:
    """RXD-12, the total daily dose (CQ), as dose of one day."""
    found = counted(value.text(1), value, context)
    unit = value.text(2, 2) or value.text(2)
    return ("Quantity", {"value": found, **({"unit": unit} if unit else {})}) if found is not None else None


@conversion("administered-rate")
def administered_rate(value: Value, context: Context, argument: str) -> Any:
    """RXA-12, administered per time (`H6`, `6 h`, `h`), with the dose of RXA-6 and RXA-7 as Ratio."""
    return _per(value, context, 6, 7)


@conversion("dose-per-time")
def dose_per_time(value: Value, context: Context, argument: str) -> Any:
    """RXE-22 and RXG-14, give per time (`H6`: the dose in six hours), with the dose as Ratio.

    `argument` names the fields of the dose and of its unit (`3:5`).
    """
    return _per(value, context, *(int(field) for field in argument.split(":")))


@conversion("time-in-words")
def time_in_words(value: Value, context: Context, argument: str) -> Any:
    """RXE-22, RXG-14 as Annotation where they make no rate: a rate stands beside them, or they name no time."""
    text = value.whole()
    rated = value.other(value.source.field + 1)
    if not text or (not rated and _time(text) is not None):
        return None
    return {"text": f"{argument}: {text}"}


def _per(value: Value, context: Context, dose_field: int, unit_field: int) -> tuple[str, dict[str, Any]] | None:
    time = _time(value.whole())
    amount_said = quantity(value.other(dose_field), value.sibling(dose_field), unit_field, context)
    return ("Ratio", {"numerator": amount_said, "denominator": time}) if amount_said and time else None


def _time(text: str) -> dict[str, Any] | None:
    """A number of units of time, one where only the unit is said; None for other text, and for none of them."""
    unit = unit_of_time(text)
    found = duration(f"1 {unit}" if unit else text)
    return found if found and found["value"] else None
