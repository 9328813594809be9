"""Codes and results outward: CE, and OBX and SPM of an Observation and a Specimen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from canonical import codes as systems
from mappings.outward.people import local
from mappings.outward.values import Repetition, components, datetime_text, filled, filled_list


def ce(value: Any, argument: str) -> list[Repetition]:
    """A CodeableConcept as CE: its first two codings, or its text."""
    codings = value.get("coding", ())[:2]
    if not codings:
        return filled_list({(2, 1): str(value.get("text", ""))})
    repetition: Repetition = {}
    for start, coding in zip((1, 4), codings, strict=False):
        repetition[(start, 1)] = str(coding.get("code", ""))
        repetition[(start + 1, 1)] = str(coding.get("display", "") or value.get("text", ""))
        repetition[(start + 2, 1)] = systems.coding_name(str(coding.get("system", "")))
    return filled_list(repetition)


def value_type(value: Any, argument: str) -> list[Repetition]:
    """OBX-2 for the value of an Observation; none for values that have no place in OBX-5 here."""
    return components(_typed(value)[0])


def value_of(value: Any, argument: str) -> list[Repetition]:
    """OBX-5: the value of an Observation by the type that `value_type` names."""
    return _typed(value)[1]


def unit(value: Any, argument: str) -> list[Repetition]:
    """OBX-6: the unit of a Quantity, in UCUM where it says so."""
    code = str(value.get("code", "")) if value.get("system") == systems.UCUM else ""
    words = str(value.get("unit", ""))
    if not code:
        return filled_list({(1, 1): words})
    return filled_list({(1, 1): code, (2, 1): words if words != code else "", (3, 1): "UCUM"})


def span(value: Any, argument: str) -> list[Repetition]:
    """SPM-17: the moment or Period of a collection as DR."""
    bounds = ("collectedDateTime",) if "collectedDateTime" in value else ()
    period = value.get("collectedPeriod", {})
    texts = [value[name] for name in bounds] or [period.get("start", ""), period.get("end", "")]
    found = [next((one[1, 1] for one in datetime_text(text, "")), "") for text in texts]
    return components(*found)


def placed(value: Any, argument: str) -> list[Repetition]:
    """SPM-2: an Identifier as the placer's part of an EIP."""
    number, authority = str(value.get("value", "")), local(str(value.get("system", "")))[0]
    return [filled({(1, 1): number, (1, 2): authority})] if number else []


def _typed(observation: Any) -> tuple[str, list[Repetition]]:
    kind, said = next((make(observation[name]) for name, make in _VALUES.items() if name in observation), ("", []))
    return (kind, said) if said else ("", [])


def _quantity(value: Any) -> tuple[str, list[Repetition]]:
    comparator, number = str(value.get("comparator", "")), str(value.get("value", ""))
    if not number:
        return "", []
    return ("SN", [{(1, 1): comparator, (2, 1): number}]) if comparator else ("NM", components(number))


def _between(mark: str, first: str, second: str) -> Callable[[Any], tuple[str, list[Repetition]]]:
    """A pair of quantities as SN: `^1^:^128`."""

    def made(value: Any) -> tuple[str, list[Repetition]]:
        one, two = (str(value.get(name, {}).get("value", "")) for name in (first, second))
        return ("SN", [{(2, 1): one, (3, 1): mark, (4, 1): two}]) if one and two else ("", [])

    return made


_VALUES: Mapping[str, Callable[[Any], tuple[str, list[Repetition]]]] = {
    "valueQuantity": _quantity,
    "valueInteger": lambda value: ("NM", components(str(value))),
    "valueRange": _between("-", "low", "high"),
    "valueRatio": _between(":", "numerator", "denominator"),
    "valueCodeableConcept": lambda value: ("CE", ce(value, "")),
    "valueBoolean": lambda value: ("CE", [{(1, 1): "Y" if value else "N", (3, 1): "HL70136"}]),
    "valueDateTime": lambda value: ("TS", datetime_text(value, "")),
    "valueTime": lambda value: ("TM", components(str(value).partition(".")[0].replace(":", ""))),
    "valueString": lambda value: ("ST", components(str(value))),
}
