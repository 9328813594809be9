"""The closed list of conversions outward: a FHIR value as repetitions of an HL7 field.

A repetition is its texts by (component, subcomponent); none means there is nothing to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from canonical import codes as systems
from mappings.table import codes

Repetition = dict[tuple[int, int], str]
Conversion = Callable[[Any, str], list[Repetition]]
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?\Z")
# Table 0203 types and the authority names by which the same number is recognised when it comes back.
_REGISTERS = {systems.CPF: ("CPF", "TAX"), systems.CNS: ("CNS", "HC"), systems.CNPJ: ("CNPJ", "TAX")}
_CODING_NAMES = {systems.LOINC: "LN", systems.CID10: "I10", "http://snomed.info/sct": "SCT"}


def _components(*texts: str) -> list[Repetition]:
    repetition = {(n, 1): text for n, text in enumerate(texts, start=1) if text}
    return [repetition] if repetition else []


def text(value: Any, argument: str) -> list[Repetition]:
    """A string as it is."""
    return _components(str(value))


def parts(value: Any, argument: str) -> list[Repetition]:
    """`OML^O21^OML_O21` as its components."""
    return _components(*str(value).split("^"))


def text_of(value: Any, argument: str) -> list[Repetition]:
    """The text of an Annotation or CodeableConcept."""
    return _components(str(value.get("text", "")))


def datetime_text(value: Any, argument: str) -> list[Repetition]:
    """A FHIR date, dateTime or instant as DTM of the same precision, with its offset."""
    match = _DATE.match(str(value))
    if match is None:
        return []
    zone = (match[7] or "").replace(":", "").replace("Z", "+0000")
    return _components("".join(part or "" for part in match.groups()[:6]) + zone)


def code(value: Any, argument: str) -> list[Repetition]:
    """A code by the table `argument`; one without a row is left out."""
    return _components(codes(argument).get(str(value), ""))


def cx(value: Any, argument: str) -> list[Repetition]:
    """An Identifier as CX; authority and type such that the same identifier is understood when it comes back."""
    number, system = str(value.get("value", "")), str(value.get("system", ""))
    if not number:
        return []
    if system in _REGISTERS:
        authority, kind = _REGISTERS[system]
        return [{(1, 1): number, (4, 1): authority, (5, 1): kind}]
    if system.startswith("urn:oid:"):
        oid = system.removeprefix("urn:oid:")
        return [{(1, 1): number, (4, 2): oid, (4, 3): "ISO", (5, 1): _type(value) or "PI"}]
    authority, kind = _local(system)
    return [_filled({(1, 1): number, (4, 1): authority, (5, 1): (kind or _type(value) or "PI").upper()})]


def ei(value: Any, argument: str) -> list[Repetition]:
    """An Identifier as EI; with `argument`, only one of that type (PLAC, FILL), or one without any type."""
    number, system = str(value.get("value", "")), str(value.get("system", ""))
    kind = _type(value)
    if not number or (argument and kind not in ("", argument)):
        return []
    authority, own = _local(system)
    if own or not system:
        return [_filled({(1, 1): number, (2, 1): authority})]
    return [_filled({(1, 1): number, (3, 1): system, (4, 1): "URI"})]


def xpn(value: Any, argument: str) -> list[Repetition]:
    """A HumanName as XPN."""
    given = [str(name) for name in value.get("given", ())]
    family = str(value.get("family", "")) or (str(value.get("text", "")) if not given else "")
    return _components(family, given[0] if given else "", " ".join(given[1:]))


def mother(value: Any, argument: str) -> list[Repetition]:
    """The mother's name, when the extension is that one."""
    return _components(str(value.get("valueString", ""))) if value.get("url") == systems.MOTHER_EXTENSION else []


def xad(value: Any, argument: str) -> list[Repetition]:
    """An Address as XAD."""
    lines = [str(line) for line in value.get("line", ())]
    places = [str(value.get(name, "")) for name in ("city", "state", "postalCode", "country")]
    return _components(lines[0] if lines else "", " ".join(lines[1:]), *places)


def xtn(value: Any, argument: str) -> list[Repetition]:
    """A ContactPoint as XTN."""
    known = {"phone": ("PRN", "PH"), "email": ("NET", "Internet")}
    use, kind = known.get(str(value.get("system", "")), ("", ""))
    contact = str(value.get("value", ""))
    if not contact or not use:
        return []
    if kind == "Internet":
        return [{(2, 1): use, (3, 1): kind, (4, 1): contact}]
    return [{(1, 1): contact, (2, 1): use, (3, 1): kind}]


def xcn(value: Any, argument: str) -> list[Repetition]:
    """A Reference to a practitioner as XCN: number, name, and council as authority (`crm-sp`)."""
    identifier = value.get("identifier", {})
    number, system = str(identifier.get("value", "")), str(identifier.get("system", ""))
    name = str(value.get("display", ""))
    first, _, last = name.rpartition(" ")
    repetition = {(1, 1): number, (2, 1): last, (3, 1): first}
    if number and system:
        repetition[(9, 1)] = systems.short_name(system).upper() if "/sid/" in system else _local(system)[0]
    return [_filled(repetition)] if number or name else []


def pln(value: Any, argument: str) -> list[Repetition]:
    """An Identifier of a council as PLN: number, council, state (`88123^CRM^SP`)."""
    number, system = str(value.get("value", "")), str(value.get("system", ""))
    if not number or "/sid/" not in system:
        return []
    council, _, state = systems.short_name(system).upper().partition("-")
    return _components(number, council, state)


def ce(value: Any, argument: str) -> list[Repetition]:
    """A CodeableConcept as CE: its first two codings, or its text."""
    codings = value.get("coding", ())[:2]
    if not codings:
        return _filled_list({(2, 1): str(value.get("text", ""))})
    repetition: Repetition = {}
    for start, coding in zip((1, 4), codings, strict=False):
        repetition[(start, 1)] = str(coding.get("code", ""))
        repetition[(start + 1, 1)] = str(coding.get("display", "") or value.get("text", ""))
        repetition[(start + 2, 1)] = coding_name(str(coding.get("system", "")))
    return _filled_list(repetition)


def coding_name(system: str) -> str:
    """The name of a coding system as HL7 senders write it, understood again by `canonical.codes.coding_system`."""
    if system in _CODING_NAMES:
        return _CODING_NAMES[system]
    if system.startswith(systems.TUSS):
        return "TUSS" + system.removeprefix(systems.TUSS)
    return system.removeprefix(f"{systems.LOCAL}:codes:")


def _local(system: str) -> tuple[str, str]:
    """Authority and kind of a system that `canonical.codes.local_system` made; otherwise the system itself."""
    prefix = f"{systems.LOCAL}:"
    if not system.startswith(prefix):
        return system, ""
    authority, _, kind = system.removeprefix(prefix).rpartition(":")
    return authority, kind


def _type(identifier: Any) -> str:
    return next((str(c["code"]) for c in identifier.get("type", {}).get("coding", ()) if c.get("code")), "")


def _filled(repetition: Repetition) -> Repetition:
    return {place: shown for place, shown in repetition.items() if shown}


def _filled_list(repetition: Repetition) -> list[Repetition]:
    filled = _filled(repetition)
    return [filled] if filled else []


CONVERSIONS: dict[str, Conversion] = {
    "text": text,
    "parts": parts,
    "text-of": text_of,
    "datetime": datetime_text,
    "code": code,
    "cx": cx,
    "ei": ei,
    "xpn": xpn,
    "mother": mother,
    "xad": xad,
    "xtn": xtn,
    "xcn": xcn,
    "pln": pln,
    "ce": ce,
}
