"""Conversions of HL7 data types to FHIR data types: CX, XPN, XAD, XTN, CWE, XCN, PL."""

from __future__ import annotations

from typing import Any

from canonical import codes as systems
from canonical import identifiers
from mappings.convert.registry import Context, Value, conversion
from mappings.table import codes


@conversion("cx")
def cx(value: Value, context: Context, argument: str) -> Any:
    """CX as Identifier; CPF, CNS and other Brazilian registers get their official system (2.5.1 §2.A.14)."""
    number = value.text(1)
    if not number:
        return None
    kind = value.text(5).upper()
    system, compact = systems.identifier_system(kind, value.text(4), value.text(4, 2), number)
    if system in _CHECKS and not _CHECKS[system](compact):
        context.problems.append(value.problem("identifier." + systems.short_name(system)))
    identifier: dict[str, Any] = {"system": system, "value": compact}
    if kind:
        identifier["type"] = {"coding": [{"system": systems.V2_0203, "code": systems.type_code(kind)}]}
    return identifier


_CHECKS = {
    systems.CPF: identifiers.is_cpf,
    systems.CNS: identifiers.is_cns,
    systems.CNPJ: identifiers.is_cnpj,
    systems.CNES: identifiers.is_cnes,
}


@conversion("xpn")
def xpn(value: Value, context: Context, argument: str) -> Any:
    """XPN as HumanName; the use comes from XPN-7 (table 0200)."""
    given = [name for name in (value.text(2), *value.text(3).split()) if name]
    name: dict[str, Any] = {}
    if use := codes("hl70200").get(value.text(7) or "L"):
        name["use"] = use
    if family := value.text(1):
        name["family"] = family
    if given:
        name["given"] = given
    if prefix := value.text(5):
        name["prefix"] = [prefix]
    if suffix := value.text(4):
        name["suffix"] = [suffix]
    full = " ".join([*given, *([name["family"]] if "family" in name else [])])
    if not full:
        return None
    name["text"] = full
    return name


@conversion("xad")
def xad(value: Value, context: Context, argument: str) -> Any:
    """XAD as Address."""
    parts = {
        "city": value.text(3),
        "state": value.text(4),
        "postalCode": value.text(5),
        "country": value.text(6),
        "district": value.text(9),
    }
    address: dict[str, Any] = {key: text for key, text in parts.items() if text}
    lines = [line for line in (value.text(1), value.text(1, 2), value.text(1, 3), value.text(2)) if line]
    if lines:
        address["line"] = lines
    if use := codes("hl70190").get(value.text(7)):
        address["use"] = use
    return address or None


@conversion("xtn")
def xtn(value: Value, context: Context, argument: str) -> Any:
    """XTN as ContactPoint: the number of XTN-1, or built from country, area and local number; XTN-4 is an e-mail."""
    if mail := value.text(4):
        return {"system": "email", "value": mail}
    built = " ".join(part for part in (value.text(5), value.text(6), value.text(7)) if part)
    number = value.text(1) or value.text(12) or built
    if not number:
        return None
    point: dict[str, Any] = {"system": codes("hl70202").get(value.text(3)) or "phone", "value": number}
    if use := codes("hl70201").get(value.text(2)):
        point["use"] = use
    return point


@conversion("cwe")
def cwe(value: Value, context: Context, argument: str) -> Any:
    """CE, CWE, CNE, CF or IS as CodeableConcept with both codings; `argument` names the table of a local code."""
    codings = []
    for first in (1, 4):
        code, display = value.text(first), value.text(first + 1)
        if not code:
            continue
        coding = {"code": code}
        if system := systems.coding_system(value.text(first + 2) or argument):
            coding["system"] = system
        if display:
            coding["display"] = display
        codings.append(coding)
    concept: dict[str, Any] = {"coding": codings} if codings else {}
    if text := value.text(9) or value.text(2) or ("" if codings else value.text(5)):
        concept["text"] = text
    return concept or None


@conversion("coding")
def coding(value: Value, context: Context, argument: str) -> Any:
    """A single code through `codes/<argument>.csv` as Coding; `to` is `system|code|display`."""
    text = value.whole()
    if not text:
        return None
    target = codes(argument).get(text)
    if not target:
        if target is None:
            context.problems.append(value.problem("code.unmapped", table=argument, code=text[:20]))
        return None
    system, code, display = ([*target.split("|"), "", ""])[:3]
    return {"system": system, "code": code, **({"display": display} if display else {})}


@conversion("concept")
def concept(value: Value, context: Context, argument: str) -> Any:
    """Like `coding`, wrapped as CodeableConcept."""
    found = coding(value, context, argument)
    return {"coding": [found]} if found else None


@conversion("pl")
def pl(value: Value, context: Context, argument: str) -> Any:
    """PL as a logical reference to a Location: point of care, room, bed in the display."""
    parts = [value.text(n) for n in (4, 7, 1, 2, 3)]
    label = " / ".join(part for part in parts if part)
    return {"display": label} if label else None


@conversion("xcn")
def xcn(value: Value, context: Context, argument: str) -> Any:
    """XCN as a logical reference to a Practitioner: council number or CPF, and the name to show."""
    number = value.text(1)
    name = " ".join(part for part in (value.text(6), value.text(3), value.text(4), value.text(2)) if part)
    reference: dict[str, Any] = {}
    if number:
        system, compact = systems.professional_system(value.text(13), value.text(9), value.text(22), number)
        reference["identifier"] = {"system": system, "value": compact}
    if name:
        reference["display"] = name
    return {"type": "Practitioner", **reference} if reference else None
