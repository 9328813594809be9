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


@conversion("doses")
def doses(values: Sequence[Any], argument: str, view: View) -> Sequence[int]:
    """How many doses a Timing.repeat means in all: as stated, or by duration and interval; nothing when it is open."""
    repeat = values[0]
    for name in ("countMax", "count"):
        if stated := _decimal(repeat.get(name)):
            return [int(stated)]
    hours, bounds = _interval(repeat), repeat.get("boundsDuration", {})
    length, unit_hours = _decimal(bounds.get("value")), _HOURS.get(str(bounds.get("code") or bounds.get("unit")))
    if not hours or not length or not unit_hours:
        return []
    total = length * unit_hours / hours
    return [int(total)] if 1 <= total <= _MOST_DOSES else []


@conversion("one-dose")
def one_dose(values: Sequence[Any], argument: str, view: View) -> Sequence[int]:
    """1, where the doses in all are known."""
    return [1] if doses(values, argument, view) else []


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
    if total := doses([repeat], "", view) if repeat else ():
        said.append(f"{total[0]} doses")
    events = [*repeat.get("when", ()), *repeat.get("dayOfWeek", ())]
    said += [words for code in events if (words := national(str(code), "quando", {}))]
    said += [f"às {str(moment)[:5]}" for moment in repeat.get("timeOfDay", ())]
    if dosage.get("asNeededBoolean") or dosage.get("asNeededCodeableConcept"):
        said.append("se necessário")
    said += [str(dosage[name]) for name in ("text", "patientInstruction") if dosage.get(name)]
    return ", ".join(said)


def _measure(value: Mapping[str, Any]) -> str:
    return f"{plain_number(value['value'])} {value.get('unit') or value.get('code') or ''}".strip()
