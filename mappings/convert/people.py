"""Conversions of people and organizations: XPN, XCN, XON, and the roles they play."""

from __future__ import annotations

from typing import Any

from canonical import codes as systems
from canonical import identifiers
from canonical.extensions import EXTENSIONS
from canonical.identity import unaccented
from canonical.records import DRAFT, Key
from mappings.convert.councils import further, numbered, qualifications, tell_wrong
from mappings.convert.datatypes import period_of, xad, xtn
from mappings.convert.keys import registro_beside
from mappings.convert.misplaced.plausible import misplaced, misplaced_if, no_actor, no_department, no_name
from mappings.convert.misplaced.results import early_address
from mappings.convert.misplaced.services import no_professional
from mappings.convert.misplaced.visits import is_patient, stray_visit
from mappings.convert.one_professional import add, told_before
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import component_code, spread
from mappings.convert.titles import TITLES, named, parted, social, surname, surname_parts, title_of, untitled

_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PERFORMED = ("TXA", 22)
_SHORTEST = 3  # letters of a surname
_SURNAME_FIRST = ("IDE", "SYL")
_ROLES = {
    "ATND": "attender",
    "REF": "referrer",
    "CON": "consultant",
    "ADM": "admitter",
    "PART": "Participation",
}


@conversion("xpn")
def xpn(value: Value, context: Context, argument: str) -> Any:
    """XPN as HumanName; the use comes from XPN-7 (table 0200), `argument` is the use when none is sent."""
    called_so = social(value)
    if no_name(value, context) or misplaced_if(called_so is not None and _is_mothers(value), value, context):
        return None
    return _xpn(called_so, context, "usual") if called_so else _xpn(value, context, argument)


def _is_mothers(value: Value) -> bool:
    return (value.source.segment, value.source.field) == ("PID", 6)


def _xpn(value: Value, context: Context, argument: str) -> Any:
    title, first = parted(value.text(2), context)
    before, family = parted(surname(value, 1), context)
    given = [name for name in (first, *value.text(3).split()) if name]
    use = component_code(value, context, "hl70200", 7) if value.text(7) else argument or "official"
    name: dict[str, Any] = {"use": use} if use else {}
    if family:
        name.update({"family": family, **surname_parts(value, 1)})
    if given:
        name["given"] = given
    if text := value.text(5) or before or title:
        name["prefix"] = [text]
    if suffixes := [text for n in (4, 6, 14) if (text := value.text(n))]:
        name["suffix"] = suffixes
    if period := period_of(value, context, (12, 13), 10):
        name["period"] = period
    written = component_code(value, context, "hl70465", 8)
    full = _in_order(given, family, component_code(value, context, "hl70444", 11), written)
    if not full:
        return None
    name["text"] = full
    if written:  # the same name in ideograms and as it is spoken
        name["extension"] = [{"url": EXTENSIONS["name-representation"], "valueCode": written}]
    if called := value.text(15):
        return [name, {"use": "nickname", "given": [called], "text": called}]
    return name


def _in_order(given: list[str], family: str, order: str, written: str) -> str:
    """Given names and surname as they are said: the surname first where the assembly order is F (table 0444).

    So, where none is sent, are names in ideograms and the same as they are spoken (table 0465: I, P).
    """
    first = order == "family" or (not order and written in _SURNAME_FIRST)
    return " ".join(part for part in ((family, *given) if first else (*given, family)) if part)


def name_text(value: Value, context: Context, argument: str) -> Any:
    """XPN as one text, in the order it is said."""
    parts = (value.text(5), value.text(2), value.text(3), value.text(1), value.text(4))
    return " ".join(part for part in parts if part) or None


@conversion("mother")
def mother(value: Value, context: Context, argument: str) -> Any:
    """PID-6, in Brazil the mother's full name, as extension; none where it is the patient's own again; told."""
    if misplaced_if(social(value) is not None or _own_name(value), value, context):
        return None
    text = name_text(value, context, argument)
    return {"url": systems.MOTHER_EXTENSION, "valueString": text} if text else None


@conversion("mother-name")
def mother_name(value: Value, context: Context, argument: str) -> Any:
    """The same as HumanName of who is known by PID-21."""
    return None if _own_name(value) else _xpn(value, context, "")


def _own_name(value: Value) -> bool:
    """Whether PID-6 is the name of the patient (PID-5) once more, as senders fill it who know no mother."""
    return bool(value.text(2)) and all(value.text(n) == value.other(5, n) for n in (1, 2, 3))


@conversion("social-name")
def social_name(value: Value, context: Context, argument: str) -> Any:
    """PID-6 as a name of the patient, where it is the social name by its type or by these words."""
    own = social(value)
    return None if own is None else _xpn(own, context, "usual")


@conversion("xcn")
def xcn(value: Value, context: Context, argument: str) -> Any:
    """XCN as reference to a Practitioner: a record of its own when numbered, with number and name shown here too.

    Letters alone, by no named authority, are no number: senders put a family name there, and two people of that name
    would become one. Nor are words in place of a number, or one digit without name and authority. They stay in the
    reference, as an identifier of no register. A further number of whom an earlier repetition told is that one's.
    """
    if no_actor(value, context) or is_patient(value, context) or _nobody(value):
        return None
    sent, value = value, named(spread(value), context)
    if label := no_person(value, context):
        context.problems.append(value.problem("semantic.not-a-person"))
        return {"display": label}
    key = numbered(value, context)
    name = _professional_name(value, context)
    reference: dict[str, Any] = {}
    if key is not None:
        tell_wrong(value, context, key)
        if _is_numbered(value, key):
            if told_before(value, context, key, name):
                context.heard.setdefault((sent.segment.index, sent.source.field), set()).add(sent.raw)
                return None
            reference["reference"] = DRAFT + context.emit("Practitioner", key, _practitioner(value, context, key, name))
            reference["identifier"] = {"system": key.system, "value": key.value}
            if own := further(value, context):
                add(context, key, own)
        else:
            reference["identifier"] = {"value": key.value}
            name = _named_early(value, context) or name
    if label := name or ("" if "reference" in reference else value.text(1)):
        reference["display"] = label
    return {**reference, "type": "Practitioner"} if reference else None


def _nobody(value: Value) -> bool:
    """Whether signs and zeros alone stand for a person, or a number of zeros without a name (`0^^^^^^^^^^^^SZ`)."""
    unnamed = value.raw[:1] == "0" and not value.text(1).strip("0") and not value.text(2) and not value.text(3)
    return unnamed or not any(c.isalnum() and c != "0" for c in value.raw)


def no_person(value: Value, context: Context) -> str:
    """What a device, a program or a counter is called that stands where a person belongs (`TOTEM 02`); else empty."""
    if value.text(3):
        return ""
    known = context.codes("no-person")
    firsts = (unaccented(value.text(part).upper()).partition(" ")[0] for part in (1, 2))
    return value.text(2) or value.text(1) if any(first in known for first in firsts) else ""


def _is_numbered(value: Value, key: Key) -> bool:
    """Whether the number of a professional is one that nobody else has."""
    if not any(c.isdigit() for c in key.value):
        return bool(value.text(9)) and " " not in key.value.strip()
    named = any(map(str.isalpha, value.text(2) + value.text(3)))  # `1^1` is a place in a rack
    return len(key.value) > 1 or named or bool(value.text(9))


def _named_early(value: Value, context: Context) -> str:
    """What a professional is called whose name begins where the number belongs (`LIMA^ANA`, `Dr. Rui Lima^Dr.`), unless
    it is a login made of the name behind it (`ALIMA^LIMA`); else empty."""
    first, second = value.text(1), value.text(2)
    digits = any(map(str.isdigit, first + second))
    if digits or not second or " " in second or len(first) < _SHORTEST or any(value.text(n) for n in (3, 4, 5, 9)):
        return ""
    titled = second.upper().rstrip(".") in context.codes(TITLES)
    if not titled and (second.casefold() in first.casefold() or first.casefold() in second.casefold()):
        return ""
    moved = value.delimiters.component.join(("", first, "" if titled else second))
    return _professional_name(Value(moved, value.source, value.segment), context)


def practitioner_reference(value: Value, context: Context) -> dict[str, Any] | None:
    """XCN as reference, for other conversions."""
    found = xcn(value, context, "")
    return found if isinstance(found, dict) else None


@conversion("participant")
def participant(value: Value, context: Context, argument: str) -> Any:
    """XCN as Encounter.participant with the role `argument` (v3 ParticipationType); not for a visit's number."""
    if stray_visit(value) or no_professional(value, context):
        return None
    individual = xcn(value, context, "")
    if individual is None:
        return None
    coding = {"system": _PARTICIPATION, "code": argument, "display": _ROLES[argument]}
    return {"type": [{"coding": [coding]}], "individual": individual}


@conversion("actor")
def actor(value: Value, context: Context, argument: str) -> Any:
    """XCN as the `actor` of a performer; a six-digit XCN-7 is its CBO occupation."""
    found = xcn(value, context, "")
    if found is None:
        return None
    occupation = value.text(7)
    if not identifiers.is_cbo(occupation):
        return {"actor": found}
    return {"function": {"coding": [{"system": systems.CBO, "code": occupation}]}, "actor": found}


def organization_number(value: Value) -> str:
    """The number of an organization: XON-10, or XON-3, a number by its type (NM).

    Letters there without authority and type are a city, and an authority with parts (`CLIA&1.2.3&ISO`, as XON-6 is)
    no number at all: all organizations of that city, or of that authority, would be one.
    """
    older = "" if value.text(3, 2) or value.text(3, 3) else value.text(3)
    named = any(c.isdigit() for c in older) or value.text(6) or value.text(7)
    return value.text(10) or (older if named else "")


@conversion("xon")
def xon(value: Value, context: Context, argument: str) -> Any:
    """XON (or a CE that names an organization) as logical reference; CNES and CNPJ get their official system."""
    name, number = value.said(1), organization_number(value)
    reference: dict[str, Any] = {"type": "Organization"}
    misplaced_if(bool(value.text(3, 2) or value.text(3, 3)), value, context)
    if number:
        kind = value.text(7).upper()
        system, compact = systems.identifier_system(kind, value.text(6) or context.sender, value.text(6, 2), number)
        reference["identifier"] = {"system": system, "value": compact}
    if name:
        reference["display"] = name
    return reference if len(reference) > 1 else None


def reachable(value: Value, context: Context, found: dict[str, Any] | None, fields: str) -> dict[str, Any] | None:
    """The reference `found` to a person or organization, with the contacts of `fields` where it leads."""
    more = contacts(value, context, fields) if found and "type" in found else {}
    if not found or not more:
        return found
    kind, number = found["type"], found.get("identifier", {})
    organization = kind == "Organization"
    more = of_a_house(more) if organization else more
    name: Any = found.get("display")
    if "system" not in number:
        told = name if organization else [_human_name(value, context, name or "")]
        return {"reference": context.contain(kind, {**({"name": told} if name else {}), **more}), **found}
    key = Key(number["system"], number["value"])
    if organization:
        initial = {"identifier": [number], **({"name": name} if name else {})}
        found = {"reference": DRAFT + context.emit(kind, key, initial), **found}
    draft = context.emitted[kind, key]
    draft.initial = {**more, **draft.initial}
    return found


def contacts(value: Value, context: Context, argument: str) -> dict[str, Any]:
    """The address and the telephones of the fields that `argument` names, in this order."""
    found: dict[str, Any] = {}
    for name, function, field in zip(("address", "telecom"), (xad, xtn), argument.split(","), strict=False):
        if not field or not value.segment.raw_field(int(field)):
            continue
        made = [function(one, context, "") for one in value.siblings(int(field))]
        items = [item for one in made if one for item in (one if isinstance(one, list) else [one])]
        found.update({name: items} if items else {})
    return found


def of_a_house(contacts: dict[str, Any]) -> dict[str, Any]:
    """Contacts of an organization, which has no home (org-2, org-3): H and PRN mean the house itself."""
    return {
        name: [{**item, "use": "work"} if item.get("use") == "home" else item for item in items]
        for name, items in contacts.items()
    }


@conversion("facility")
def facility(value: Value, context: Context, argument: str) -> Any:
    """PV1-39, the servicing facility, as Organization; seven digits are its CNES."""
    text = value.text(1)
    if not text or misplaced(value, context):
        return None
    system = systems.CNES if identifiers.is_cnes(text) else systems.local_system(context.sender, "FI")
    reference = {"type": "Organization", "identifier": {"system": system, "value": text}}
    return {**reference, "display": value.text(2) or text}


@conversion("organization-name")
def organization_name(value: Value, context: Context, argument: str) -> Any:
    """XON where R4 wants a HumanName (an organization as guarantor): its name as text."""
    text = value.said(1)
    return {"text": text} if text else None


@conversion("producer")
def producer(value: Value, context: Context, argument: str) -> Any:
    """A laboratory's or department's code (CE) as logical reference to an Organization; a CNES or CNPJ as such.

    `argument` is a field that says the same better (OBX-23): with it, this one says nothing.
    """
    code, name = value.text(1), value.text(2)
    if (argument and value.other(int(argument))) or no_department(value, context):
        return None
    reference: dict[str, Any] = {"type": "Organization"}
    if code:
        kind = value.text(3).upper()
        system = systems.coding_system(kind)
        if not system or system.startswith(systems.LOCAL):
            system = systems.local_system(value.text(3) or context.sender, "XX")
        if kind in ("CNES", "CNPJ"):
            system, code = systems.identifier_system(kind, kind, "", code)
        reference["identifier"] = {"system": system, "value": code}
    if name or code:
        reference["display"] = name or code
    return reference if len(reference) > 1 else None


@conversion("payor")
def payor(value: Value, context: Context, argument: str) -> Any:
    """IN1-3 with the name of IN1-4: the payer as Organization, by its registro ANS where that was sent."""
    number, kind, authority, name = value.text(1), value.text(5).upper(), value.text(4), value.other(4)
    if misplaced_if(early_address(value.sibling(4)), value.sibling(4), context):
        name = ""
    if not number.strip("0"):  # `0` is no payer: a house's SUS and its private patients have it both
        return {"type": "Organization", "display": name} if name else None
    system, compact = systems.identifier_system(kind, authority or context.sender, value.text(4, 2), number)
    if system == systems.ANS and not identifiers.is_registro_ans(compact):
        context.problems.append(value.problem("identifier.ans-registro-operadora"))
    elif kind in ("", "NIIP", "XX", "PI") and identifiers.is_registro_ans(identifiers.compact(number)):
        system, compact = systems.ANS, identifiers.compact(number)
    if systems.is_wrong(system, compact):  # two payers mistyped alike are not one: a number of the sender's
        context.problems.append(value.problem("identifier." + systems.short_name(system)))
        system = systems.local_system(context.sender, systems.short_name(system))
    sent = {"system": system, "value": compact}
    system, compact = registro_beside(value, system) or (system, compact)
    identifier = {"system": system, "value": compact}
    initial = {"identifier": [identifier, *([sent] if sent != identifier else [])], **({"name": name} if name else {})}
    payer = context.emit("Organization", Key(system, compact), initial)
    reference = {"reference": DRAFT + payer, "type": "Organization"}
    return {**reference, "identifier": identifier, **({"display": name} if name else {})}


def _professional_name(value: Value, context: Context) -> str:
    surname_alone, given = untitled(value, context)
    order = component_code(value, context, "hl70444", 18 + _later(value))
    written = component_code(value, context, "hl70465", 15 + _later(value))
    name = _in_order(given, surname_alone, order, written)
    return " ".join(part for part in (title_of(value, context), name) if part)


def _later(value: Value) -> int:
    """How much later the last parts of a name stand than in an XCN: a PPN has a moment before them."""
    return int((value.source.segment, value.source.field) == _PERFORMED)


def _human_name(value: Value, context: Context, text: str) -> dict[str, Any]:
    """The name of an XCN, which is said as `text`, in its parts, with its kind and when it holds."""
    family, given = untitled(value, context)
    late = _later(value)
    name: dict[str, Any] = {"text": text}
    if use := component_code(value, context, "hl70200", 10):
        name["use"] = use
    if title := title_of(value, context):
        name["prefix"] = [title]
    if suffixes := [part for n in (5, 21 + late) if (part := value.text(n))]:
        name["suffix"] = suffixes
    if family:
        name.update({"family": family, **surname_parts(value, 2)})
    if span := period_of(value, context, (19 + late, 20 + late), 17 + late):
        name["period"] = span
    return {**name, **({"given": given} if given else {})}


def human_name(value: Value, context: Context) -> dict[str, Any]:
    """The name of an XCN as HumanName, for other conversions."""
    return _human_name(value, context, _professional_name(value, context))


def _practitioner(value: Value, context: Context, key: Key, text: str) -> dict[str, Any]:
    initial: dict[str, Any] = {"identifier": [{"system": key.system, "value": key.value}]}
    if text:
        initial["name"] = [_human_name(value, context, text)]
    if known := qualifications(value, context, key):
        initial["qualification"] = known
    return initial
