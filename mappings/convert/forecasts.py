"""A vaccination forecast: the OBX below an RXA whose vaccine is none (CVX 998), as recommendations (CDC guide 2.5.1).

Each vaccine type (30956-7, 30979-9, 38890-0) begins a recommendation; what follows says when, why and how many.
"""

from __future__ import annotations

from typing import Any

from canonical import codes as systems
from mappings.convert.datatypes import cwe
from mappings.convert.registry import Context, Value, conversion, gatherer
from mappings.convert.text import coding_from, moment_text, number

_VACCINE = frozenset(("30956-7", "30979-9", "38890-0"))
_DATES = frozenset(("30980-7", "30981-5", "59777-3", "59778-1"))
_DOSE, _DOSES, _SERIES, _STATUS, _SCHEDULE = "30973-2", "59782-3", "59780-7", "59783-1", "59779-9"
_REASON = "30982-3"
_DUE = "due"


@gatherer("forecast")
def forecast(values: list[Value], context: Context, argument: str) -> Any:
    """`ImmunizationRecommendation.recommendation`, one for each vaccine; `argument` is the table of its status."""
    found: list[dict[str, Any]] = []
    for value in values:
        code = value.other(3)
        if code in _VACCINE:
            concept = cwe(value, context, "")
            found += [{"vaccineCode": [concept]}] if concept else []
        elif found and (code in _DATES or code in _PARTS):
            _add(found[-1], code, value, context, argument)
    for entry in found:
        if "forecastStatus" not in entry:
            entry["forecastStatus"] = _status("", context, argument)
    return [("recommendation", entry) for entry in found] or None


@conversion("no-forecast")
def no_forecast(value: Value, context: Context, argument: str) -> Any:
    """`true` where no OBX below this RXA names a vaccine that is to come: they tell something else, an immunity."""
    value.other(6)  # the amount of nothing says nothing
    for segment in context.message.segments:
        if segment.index > value.segment.index:
            if segment.name == "RXA":
                break
            if segment.name == "OBX" and segment.text(3) in _VACCINE and segment.text(5):
                return None
    return "true"


def _add(entry: dict[str, Any], code: str, value: Value, context: Context, table: str) -> None:
    if code in _DATES:
        moment = moment_text(value.text(1), value, context)
        label = {"coding": [{"system": systems.LOINC, "code": code, "display": value.other(3, 2)}]}
        entry.setdefault("dateCriterion", []).extend([{"code": label, "value": moment}] if moment else [])
        return
    text = value.text(2) or value.text(1)
    if not text:
        return
    if code == _STATUS:
        entry["forecastStatus"] = _status(value.text(1), context, table, cwe(value, context, ""))
    elif code == _REASON:
        entry.setdefault("forecastReason", []).append(cwe(value, context, "") if value.text(2) else {"text": text})
    elif code in (_DOSE, _DOSES):
        entry.update(_count(entry, "doseNumber" if code == _DOSE else "seriesDoses", value.text(1)))
    else:
        entry.setdefault("series" if code == _SERIES else "description", text)


_PARTS = frozenset((_DOSE, _DOSES, _SERIES, _STATUS, _SCHEDULE, _REASON))


def _count(known: dict[str, Any], name: str, text: str) -> dict[str, Any]:
    found = number(text)
    if f"{name}PositiveInt" in known or f"{name}String" in known:  # a choice has one value; the first was said of it
        return {}
    whole = isinstance(found, int) and found > 0
    return {f"{name}PositiveInt": found} if whole else {f"{name}String": text}


def _status(code: str, context: Context, table: str, own: Any = None) -> dict[str, Any]:
    """The status as R4's example value set has it, with the sender's code behind it; `due` when none is sent."""
    named = context.codes(table).get(code) or ("" if own else context.codes(table).get(_DUE, ""))
    coding = [coding_from(named)] if named else []
    found: dict[str, Any] = dict(own or {})
    return {**found, "coding": [*coding, *found.get("coding", ())]} if coding else found
