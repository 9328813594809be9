"""Codes and results outward: CE, and OBX and SPM of an Observation and a Specimen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from canonical import codes as systems
from canonical.extensions import EXTENSIONS
from mappings.outward.people import local
from mappings.outward.values import Repetition, components, datetime_text, filled, filled_list
from mappings.tables.table import codes


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


def ce_by(value: Any, argument: str) -> list[Repetition]:
    """A CodeableConcept as CE by the code table `argument`; what has no row there goes as it is."""
    table = codes(argument)
    for coding in value.get("coding", ()):
        if table.get(str(coding.get("code", ""))):
            name = str(value.get("text", "") or coding.get("display", ""))
            return components(table[str(coding["code"])], name)
    return ce(value, "")


def code_of(value: Any, argument: str) -> list[Repetition]:
    """A CodeableConcept as IS: its first code (by the table `argument`, if any), else its text."""
    table = codes(argument) if argument else {}
    found = [str(coding["code"]) for coding in value.get("coding", ()) if coding.get("code")]
    return components(table.get(found[0], found[0]) if found else str(value.get("text", "")))


def kin(value: Any, argument: str) -> list[Repetition]:
    """Of the relationships of a contact the first that is its `role` (table 0131), or what it is to the patient."""
    for concept in value:
        is_role = any(str(coding.get("system", "")).endswith("v2-0131") for coding in concept.get("coding", ()))
        if is_role == (argument == "role"):
            return ce_by(concept, "out-kinship")
    return []


def extension(value: Any, argument: str) -> list[Repetition]:
    """The value of an Extension, when it is the one `argument` names; a nested one says its code."""
    if value.get("url") != EXTENSIONS[argument]:
        return []
    nested = [one for one in value.get("extension", ()) if one.get("url") == "code"]
    said = nested[0] if nested else value
    address = said.get("valueAddress", {})
    if address:
        return components(str(address.get("text", "") or address.get("city", "")))
    if "valueDateTime" in said:
        return datetime_text(said["valueDateTime"], "")
    return ce(
        said.get("valueCodeableConcept") or {"coding": [said["valueCoding"]] if "valueCoding" in said else []}, ""
    )


def restricted(value: Any, argument: str) -> list[Repetition]:
    """`Y` where one of a record's labels says that it is not for everybody (PV2-22)."""
    return components("Y" if any(label.get("code") in systems.RESTRICTED for label in value) else "")


def words(value: Any, argument: str) -> list[Repetition]:
    """A CodeableConcept as ST: its text, else what its first coding is called."""
    shown = [str(coding["display"]) for coding in value.get("coding", ()) if coding.get("display")]
    return components(str(value.get("text", "")) or "".join(shown[:1]))


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
