"""Numbers, names, addresses and telephones outward: CX, EI, XPN, XAD, XTN, XCN, PLN and XON."""

from __future__ import annotations

from typing import Any

from canonical import codes as systems
from canonical.names import stated
from canonical.places import parts_of
from mappings.outward.values import Repetition, components, filled, filled_list
from mappings.tables.table import codes

# Table 0203 types and the authority names by which the same number is recognised when it comes back.
_REGISTERS = {systems.CPF: ("CPF", "TAX"), systems.CNS: ("CNS", "HC"), systems.CNPJ: ("CNPJ", "TAX")}


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
        return [{(1, 1): number, (4, 2): oid, (4, 3): "ISO", (5, 1): type_of(value) or "PI"}]
    authority, kind = local(system)
    return [filled({(1, 1): number, (4, 1): authority, (5, 1): (kind or type_of(value) or "PI").upper()})]


def nth_cx(value: Any, argument: str) -> list[Repetition]:
    """The nth of all Identifiers as CX, for fields that have one number each (PV1-19, PV1-50)."""
    place = int(argument) - 1
    return cx(value[place], "") if place < len(value) else []


def ei(value: Any, argument: str) -> list[Repetition]:
    """An Identifier as EI; with `argument`, only one of that type (PLAC, FILL), or one without any type."""
    number, system = str(value.get("value", "")), str(value.get("system", ""))
    kind = type_of(value)
    if not number or (argument and kind not in ("", argument)):
        return []
    authority, own = local(system)
    if own or not system:
        return [filled({(1, 1): number, (2, 1): authority})]
    return [filled({(1, 1): number, (3, 1): system, (4, 1): "URI"})]


def xpn(value: Any, argument: str) -> list[Repetition]:
    """A HumanName as XPN with its type (table 0200); a name that is not used any more is left out."""
    if value.get("use") == "old":
        return []
    given = stated(value, "given")
    family = str(value.get("family", "")) or (str(value.get("text", "")) if not given else "")
    kind = codes("out-name-use").get(str(value.get("use", "")), "")
    found = (family, given[0] if given else "", " ".join(given[1:]))
    return components(*found, _joined(value, "suffix"), _joined(value, "prefix"), "", kind) if any(found) else []


def _joined(value: Any, name: str) -> str:
    return " ".join(stated(value, name))


def pl(value: Any, argument: str) -> list[Repetition]:
    """A place (a Reference, with its Location as `record` where that is known) as PL: by its parts, else as text."""
    found = parts_of(value.get("record", {}))
    if not found:
        return [{(9, 1): text}] if (text := str(value.get("display", ""))) else []
    return [{(number, 1): text for number, text in found.items()}]


def mother(value: Any, argument: str) -> list[Repetition]:
    """The mother's name, when the extension is that one."""
    return components(str(value.get("valueString", ""))) if value.get("url") == systems.MOTHER_EXTENSION else []


def xad(value: Any, argument: str) -> list[Repetition]:
    """An Address as XAD, its quarter as XAD-8, its IBGE municipality as XAD-9; one of former times is left out."""
    if value.get("use") == "old":
        return []
    lines = stated(value, "line")
    places = [str(value.get(name, "")) for name in ("city", "state", "postalCode", "country")]
    kind = "M" if value.get("type") == "postal" else codes("out-address-use").get(str(value.get("use", "")), "")
    codings = [e["valueCoding"] for e in value.get("_city", {}).get("extension", ()) if "valueCoding" in e]
    city = [coding["code"] for coding in codings if coding.get("code")]
    more = (str(value.get("district", "")), str(city[0]) if city else "")
    found = (lines[0] if lines else "", " ".join(lines[1:]), *places)
    return components(*found, kind, *more) if any((*found, *more)) else []


def xtn(value: Any, argument: str) -> list[Repetition]:
    """A ContactPoint as XTN with its use (table 0201) and kind (0202); one that is not used any more is left out."""
    known = {"phone": ("PRN", "PH"), "fax": ("PRN", "FX"), "email": ("NET", "Internet")}
    use, kind = known.get(str(value.get("system", "")), ("", ""))
    contact, told = str(value.get("value", "")), str(value.get("use", ""))
    if not contact or not use or told == "old":
        return []
    if use == "PRN":
        use = "WPN" if told == "work" else use
        kind = "CP" if told == "mobile" and kind == "PH" else kind
    if kind == "Internet":
        return [{(2, 1): use, (3, 1): kind, (4, 1): contact}]
    return [{(1, 1): contact, (2, 1): use, (3, 1): kind}]


def xcn(value: Any, argument: str) -> list[Repetition]:
    """A Reference to a practitioner as XCN: number, name, and council as authority (`crm-sp`).

    `name`, where it was put beside the reference, is the person's HumanName; else the words of the reference are taken
    apart at their last blank.
    """
    identifier, name = value.get("identifier", {}), value.get("name", {})
    number, system = str(identifier.get("value", "")), str(identifier.get("system", ""))
    first, _, last = str(value.get("display", "")).rpartition(" ")
    repetition = {(1, 1): number, (2, 1): last, (3, 1): first}
    if name.get("family") or name.get("given"):
        given = stated(name, "given")
        repetition |= {(2, 1): str(name.get("family", "")), (3, 1): given[0] if given else ""}
        repetition |= {(4, 1): " ".join(given[1:]), (5, 1): _joined(name, "suffix"), (6, 1): _joined(name, "prefix")}
        repetition |= {(10, 1): codes("out-name-use").get(str(name.get("use", "")), "")}
    if number and system:
        repetition[(9, 1)] = systems.short_name(system).upper() if "/sid/" in system else local(system)[0]
    return filled_list(repetition)


def participant(value: Any, argument: str) -> list[Repetition]:
    """Who takes part in a visit as `argument` (ATND), as XCN."""
    kinds = {coding.get("code") for kind in value.get("type", ()) for coding in kind.get("coding", ())}
    return xcn(value.get("individual", {}), "") if argument in kinds else []


def xon(value: Any, argument: str) -> list[Repetition]:
    """A Reference to an organization as XON: name, number and its authority."""
    identifier = value.get("identifier", {})
    number, system = str(identifier.get("value", "")), str(identifier.get("system", ""))
    repetition = {(1, 1): str(value.get("display", "")), (10, 1): number}
    if number and system:
        repetition[(6, 1)] = systems.short_name(system).upper() if "/sid/" in system else local(system)[0]
    return filled_list(repetition)


def payor(value: Any, argument: str) -> list[Repetition]:
    """A Reference to an operadora as IN1-3: its registro ANS alone, another number with its authority."""
    identifier = value.get("identifier", {})
    number, system = str(identifier.get("value", "")), str(identifier.get("system", ""))
    return filled_list({(1, 1): number, (4, 1): "" if system == systems.ANS else local(system)[0]}) if number else []


def pln(value: Any, argument: str) -> list[Repetition]:
    """An Identifier of a council as PLN: number, council, state (`88123^CRM^SP`)."""
    number, system = str(value.get("value", "")), str(value.get("system", ""))
    if not number or "/sid/" not in system:
        return []
    council, _, state = systems.short_name(system).upper().partition("-")
    return components(number, council, state)


def local(system: str) -> tuple[str, str]:
    """Authority and kind of a system that `canonical.codes.local_system` made; otherwise the system itself."""
    prefix = f"{systems.LOCAL}:"
    if not system.startswith(prefix):
        return system, ""
    authority, _, kind = system.removeprefix(prefix).rpartition(":")
    return authority.upper(), kind


def type_of(identifier: Any) -> str:
    """The type of an Identifier (table 0203); empty without one."""
    return next((str(c["code"]) for c in identifier.get("type", {}).get("coding", ()) if c.get("code")), "")
