"""Conversions of prescriptions: prescriber, units of doses, how many doses there are in all, the whole in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from mappings.national.document_codes import national
from mappings.national.document_values import (
    CONVERSIONS,
    PROFILE,
    Lacking,
    View,
    coding,
    conversion,
    person,
    plain_number,
    wording,
)

__all__ = ["CONVERSIONS"]
_HOURS = {"h": 1, "d": 24, "wk": 168}
_UNITS = frozenset(("min", "h", "d", "wk", "mo", "a"))  # BRUnidadeTempo
_MOST_DOSES = 10_000


@conversion("professional")
def professional(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, str]]:
    """BRProfissional-1.0: the CNS of the first professional whose CNS is known; `optional`: or nothing."""
    cns = person(values, "cns", view)
    if not cns and argument == "optional":
        return []
    if not cns:
        raise Lacking("rnds.professional")
    return [{"system": f"{PROFILE}BRProfissional-1.0", "value": cns}]


@conversion("unit")
def unit(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, str]]:
    """The unit of the first Quantity that has a national one, as a coding of the list, by its code or in words."""
    concepts = [
        {"coding": [{"system": q.get("system", ""), "code": q.get("code", "")}], "text": q.get("unit", "")}
        for q in values
    ]
    return coding(concepts, argument, view)


@conversion("amount")
def amount(values: Sequence[Any], argument: str, view: View) -> Sequence[Any]:
    """The bare number of a Quantity."""
    return [_first_number(values)]


def _first_number(values: Sequence[Any]) -> Any:
    found = next((one["value"] for one in values if isinstance(one, Mapping) and "value" in one), None)
    if found is None:
        raise Lacking("rnds.value")
    return found


@conversion("interval")
def interval(values: Sequence[Any], argument: str, view: View) -> Sequence[int]:
    """Hours between uses, of a Timing.repeat, where they are whole; otherwise nothing."""
    hours = _interval(values[0])
    return [int(hours)] if hours is not None and hours >= 1 and hours == int(hours) else []


@conversion("dose-interval")
def dose_interval(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, Any]]:
    """BRIntervaloDoses of a Timing.repeat of several doses: their interval in its unit (ERR780); of one, nothing."""
    found = _between(values[0])
    if found is None or doses(values, argument, view) in ([], [1]):
        return []
    parts = [{"url": "periodUnit", "valueCode": found[1]}, {"url": "period", "valuePositiveInt": found[0]}]
    return [{"url": f"{PROFILE}BRIntervaloDoses", "extension": parts}]


def _between(repeat: Mapping[str, Any]) -> tuple[int, str] | None:
    """The whole interval between two uses and its unit; None when it is not told or not whole."""
    period, unit_code = _decimal(repeat.get("period")), str(repeat.get("periodUnit"))
    if (
        period is not None
        and _decimal(repeat.get("frequency", 1)) == 1
        and period == int(period)
        and unit_code in _UNITS
    ):
        return int(period), unit_code
    hours = _interval(repeat)
    return (int(hours), "h") if hours is not None and hours >= 1 and hours == int(hours) else None


@conversion("doses")
def doses(values: Sequence[Any], argument: str, view: View) -> Sequence[int]:
    """How many doses a Timing.repeat means in all: as stated, or by duration and interval.

    Nothing when it is open, or several without an interval that could be told (ERR780).
    """
    total = _total(values[0])
    return [total] if total == 1 or (total and _between(values[0])) else []


def _total(repeat: Mapping[str, Any]) -> int:
    for name in ("countMax", "count"):
        if stated := _decimal(repeat.get(name)):
            return int(stated)
    hours, bounds = _interval(repeat), repeat.get("boundsDuration", {})
    bounds = bounds if isinstance(bounds, Mapping) else {}
    length, unit_hours = _decimal(bounds.get("value")), _HOURS.get(str(bounds.get("code") or bounds.get("unit")))
    total = length * unit_hours / hours if hours and length and unit_hours else Decimal(0)
    return int(total) if total <= _MOST_DOSES else 0


@conversion("one-dose")
def one_dose(values: Sequence[Any], argument: str, view: View) -> Sequence[int]:
    """1, where the doses in all are known."""
    return [1] if doses(values, argument, view) else []


@conversion("needed")
def needed(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, str]]:
    """When to use what is to be used as needed (ERR782): the reason, else the dosage in words; otherwise nothing."""
    one = values[0]
    reason = one.get("asNeededCodeableConcept")
    if reason:
        return [{"text": wording([reason], "", view)[0]}]
    words = _taken(one, view) if one.get("asNeededBoolean") else ""
    return [{"text": words}] if words else []


@conversion("yes")
def yes(values: Sequence[Any], argument: str, view: View) -> Sequence[bool]:
    """True, because the source is there."""
    return [True]


def _interval(repeat: Mapping[str, Any]) -> Decimal | None:
    period, frequency = _decimal(repeat.get("period")), _decimal(repeat.get("frequency", 1))
    hours = _HOURS.get(str(repeat.get("periodUnit")))
    return period * hours / frequency if period and frequency and hours else None


def _decimal(value: Any) -> Decimal | None:
    try:
        found = Decimal(str(plain_number(value)))
    except InvalidOperation:
        return None
    return found if found.is_finite() and found > 0 else None


@conversion("prescription")
def prescription(values: Sequence[Any], argument: str, view: View) -> Sequence[str]:
    """A MedicationRequest in words: medicine, how it is taken, how much is given out."""
    request = values[0]
    medicine = (request.get("medicine") or {}).get("code")
    if not medicine:
        raise Lacking("rnds.missing")
    said = [wording([medicine], "", view)[0]]
    said += [words for one in request.get("dosageInstruction", ()) if (words := _taken(one, view))]
    given = (request.get("dispenseRequest") or {}).get("quantity")
    if given and "value" in given:
        said.append(f"quantidade {_measure(given)}")
    said += [str(one["text"]) for one in request.get("note", ()) if one.get("text")]
    return ["; ".join(" ".join(part.split()) for part in said)]


@conversion("dosage")
def dosage(values: Sequence[Any], argument: str, view: View) -> Sequence[str]:
    """One dosage instruction in words, where there are any."""
    words = _taken(values[0], view)
    return [words] if words else []


def _taken(dosage: Mapping[str, Any], view: View) -> str:
    """One dosage instruction in words."""
    said = [
        _measure(one["doseQuantity"]) for one in dosage.get("doseAndRate", ()) if "value" in one.get("doseQuantity", {})
    ]
    if dosage.get("route"):
        said.append(f"via {wording([dosage['route']], '', view)[0].lower()}")
    repeat = (dosage.get("timing") or {}).get("repeat") or {}
    if hours := interval([repeat], "", view) if repeat else ():
        said.append(f"a cada {hours[0]} h")
    if total := _total(repeat):
        said.append(f"{total} doses")
    events = [*repeat.get("when", ()), *repeat.get("dayOfWeek", ())]
    said += [words for code in events if (words := national(str(code), "quando", {}))]
    said += [f"às {str(moment)[:5]}" for moment in repeat.get("timeOfDay", ())]
    if dosage.get("asNeededBoolean") or dosage.get("asNeededCodeableConcept"):
        said.append("se necessário")
    said += [str(dosage[name]) for name in ("text", "patientInstruction") if dosage.get(name)]
    return ", ".join(said)


def _measure(value: Mapping[str, Any]) -> str:
    return f"{plain_number(value['value'])} {value.get('unit') or value.get('code') or ''}".strip()
