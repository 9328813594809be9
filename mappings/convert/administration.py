"""Conversions of patient administration: what PID, PD1, PV1, PV2, ROL, PRT, ARV and PDA say in places of their own."""

from __future__ import annotations

import datetime
import re
from html import escape
from typing import Any

from canonical import codes as systems
from canonical import identifiers
from canonical.councils import STATES
from canonical.extensions import EXTENSIONS
from canonical.records import DRAFT
from mappings.convert.addresses import CITY_SYSTEM, of_birth
from mappings.convert.datatypes import coding, cwe, xad, xtn
from mappings.convert.keys import printed_cpf
from mappings.convert.misplaced.plausible import misplaced_if, no_language, no_licence, no_religion
from mappings.convert.misplaced.results import late_holder
from mappings.convert.misplaced.visits import late_admission, no_discharge
from mappings.convert.participations import performs
from mappings.convert.people import practitioner_reference, xpn
from mappings.convert.periods import period
from mappings.convert.published import alone
from mappings.convert.registry import Context, Value, conversion, place
from mappings.convert.text import (
    boolean,
    coding_from,
    date_time,
    ended,
    listed,
    meant,
    moment_text,
    number,
    parse_dtm,
)

_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_TABLES = {"religion": "HL70006", "disability": "HL70295", "citizenship": "HL70171", "nationality": "HL70212"}
_ROLE_PLACES = {"ROL": (2, 3, 5, 6), "PRT": (2, 4, 11, 12)}
_FUNCTIONS = {"anesthetist": ("88189002", "Anesthesiologist"), "surgeon": ("304292004", "Surgeon")}
_CARD = re.compile(r"(?:RG:?\s*)?([0-9][0-9.\-]{3,14}[0-9X])\s*(?:[-/ ]+\s*([A-Z].*))?\Z")
_PRINTED_CARD = re.compile(r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}(?:-?[0-9X])?\Z")
_ISSUER = re.compile(r"([A-Z]{2,7})(?:\s*[-/ ]\s*([A-Z]{2}))?\Z")
_BRAZIL = ("", "BR", "BRA", "076", "BRASIL")  # MSH-17
_LICENCE_DIGITS = 11
_RACE, _INDIGENOUS = 10, "05"
_PEOPLE = re.compile(r"(?:0[0-9]|X[0-9])[0-9]{2}\Z")  # BREtniaIndigena
_HUMAN = frozenset(("337915000", "HUMAN", "HUMANO", "HUMANA", "HOMO SAPIENS", "HOMO SAPIENS (ORGANISM)"))  # SNOMED CT
_SHORT_WORD = 3
_SELF = frozenset(("SEL", "SELF", "SE", "18", "01", "S", "TITULAR", "PROPRIO", "PRÓPRIO"))


@conversion("extension-concept")
def extension_concept(value: Value, context: Context, argument: str) -> Any:
    """CWE as the extension `argument` with a CodeableConcept."""
    if argument == "religion" and no_religion(value, context):
        return None
    concept = cwe(value, context, _TABLES.get(argument, ""))
    return {"url": EXTENSIONS[argument], "valueCodeableConcept": concept} if concept else None


@conversion("discharge")
def discharge(value: Value, context: Context, argument: str) -> Any:
    """PV1-45 as dateTime, unless it is the admission a field late; that is told."""
    if late_admission(value, context) or no_discharge(value, context):
        context.problems.append(value.problem("field.misplaced"))
        return None
    return date_time(value, context, "")


@conversion("late-admission")
def admission(value: Value, context: Context, argument: str) -> Any:
    """PV1-45 as the admission, where it is that."""
    return date_time(value, context, "") if late_admission(value, context) else None


@conversion("language")
def language(value: Value, context: Context, argument: str) -> Any:
    """PID-15 (table `argument`) as CodeableConcept; one letter alone is no language, but what stands a field on."""
    return None if no_language(value, context) else cwe(value, context, argument)


@conversion("extension-coded")
def extension_coded(value: Value, context: Context, argument: str) -> Any:
    """CWE as the extension `argument` that holds its concept in a part called `code` (citizenship, nationality)."""
    concept = cwe(value, context, _TABLES.get(argument, ""))
    inner = {"url": "code", "valueCodeableConcept": concept}
    return {"url": EXTENSIONS[argument], "extension": [inner]} if concept else None


@conversion("extension-text")
def extension_text(value: Value, context: Context, argument: str) -> Any:
    """The text as the extension `argument`."""
    text = value.text(1) or value.text(2)
    return {"url": EXTENSIONS[argument], "valueString": text} if text else None


@conversion("extension-moment")
def extension_moment(value: Value, context: Context, argument: str) -> Any:
    """DTM as the extension `argument` with a dateTime."""
    text = moment_text(value.text(1), value, context)
    return {"url": EXTENSIONS[argument], "valueDateTime": text} if text else None


@conversion("mode-of-arrival")
def mode_of_arrival(value: Value, context: Context, argument: str) -> Any:
    """PV2-38 as the extension of R4, a Coding of table 0430; a code of the sender's own stays as it is."""
    code = " ".join(value.text(1).split())
    if not code:
        return None
    display = value.text(2) or context.codes("hl70430").get(code, "")
    return {"url": EXTENSIONS[argument], "valueCoding": alone("0430", code, display, value.text(3))}


@conversion("animal")
def animal(value: Value, context: Context, argument: str) -> Any:
    """PID-35 and PID-36 (species, breed) as the extension of R4 for a patient that is an animal.

    None where PID-35 is a yes or no (table 0136) of a field near by, or up to three letters alone (a state, a country):
    they name no species, and would make an animal of a person; nor does a number without its system. It is told.
    None too where the species is the human one, which some laboratories send of everybody.
    """
    if _HUMAN.intersection(value.text(part).upper() for part in (1, 2, 4, 5)):
        return None
    short = value.raw.isalpha() and value.raw.isascii() and len(value.raw) <= _SHORT_WORD
    if misplaced_if(short or value.raw.isdecimal(), value, context):
        return None
    parts = []
    for url, concept in (("species", cwe(value, context, "")), ("breed", cwe(value.sibling(36), context, ""))):
        if concept:
            parts.append({"url": url, "valueCodeableConcept": concept})
    return {"url": EXTENSIONS["animal"], "extension": parts} if parts else None


@conversion("race")
def race(value: Value, context: Context, argument: str) -> Any:
    """PID-10 as raça/cor of the IBGE (BR Core extension raca-br-ips); other countries' races are not guessed, nor is a
    bare letter: B is Branca here and Black elsewhere, and the overlay of a sender knows which. `4`, Amarela here, is
    told where MSH-17, or the patient's address, names another country."""
    text = value.text(1)
    if not text:
        return None
    lives = {country for address in value.siblings(11) if (country := address.text(6).upper()).isalpha()} - set(STATES)
    abroad = context.message.header.text(17).upper() not in _BRAZIL or (bool(lives) and lives.isdisjoint(_BRAZIL))
    target = None if abroad else meant(context.codes("br-raca"), value)
    if target is None:
        context.problems.append(value.problem("code.unmapped", table="br-raca", code=text[:20]))
    if not target:
        return None
    return {"url": systems.RACE_EXTENSION, "valueCodeableConcept": {"coding": [coding_from(target)]}}


@conversion("people-of")
def people_of(value: Value, context: Context, argument: str) -> Any:
    """PID-22 as the people of a person whom PID-10 names Indígena (BR Core extension povo-indigena-br-ips): by its code
    in the national list, or in words. An ethnic group of anybody else is no such people, and another country's list."""
    told = value.sibling(_RACE)
    target = meant(context.codes("br-raca"), told) if told.raw else None
    if (
        not target
        or coding_from(target)["code"] != _INDIGENOUS
        or context.message.header.text(17).upper() not in _BRAZIL
    ):
        return None
    concept = cwe(value, context, "")
    for first in concept.get("coding", ())[:1] if concept else ():
        if _PEOPLE.match(first["code"]) and "system" not in first:
            first["system"] = systems.PEOPLES
    return {"url": EXTENSIONS[argument], "valueCodeableConcept": concept} if concept else None


@conversion("birth-place")
def birth_place(value: Value, context: Context, argument: str) -> Any:
    """PID-23, naturalidade: a municipality of the IBGE by its code, else the text; an identifier with authority and
    type (CX, of a field near by) is no place and told."""
    text = value.text(1)
    if not text or misplaced_if(bool(value.text(4) and value.text(5)), value, context):
        return None
    born = next((found for one in _addresses(value) if (found := _birth_address(one, context))), {})
    if len(text) == 7 and identifiers.is_ibge_city(text) and context.message.header.text(17) in _BRAZIL:
        coded = {"url": EXTENSIONS["city-code"], "valueCoding": {"system": CITY_SYSTEM, "code": text}}
        return {"url": EXTENSIONS[argument], "valueAddress": {**born, "_city": {"extension": [coded]}}}
    if (state := value.text(2).upper()) in STATES:
        born = {**born, "city": text, "state": state}
        text = f"{text}/{state}"
    return {"url": EXTENSIONS[argument], "valueAddress": {**born, "text": text}}


@conversion("birth-address")
def birth_address(value: Value, context: Context, argument: str) -> Any:
    """PID-11 of the type of a birth (table 0190: BDL, N) as the birth place, where PID-23 says none."""
    found = None if value.other(23) else _birth_address(value, context)
    return {"url": EXTENSIONS["birth-place"], "valueAddress": found} if found else None


def _addresses(value: Value) -> list[Value]:
    return [Value(raw, place("PID", 11), value.segment) for raw in value.segment.repetitions(11)]


def _birth_address(value: Value, context: Context) -> dict[str, Any] | None:
    found = xad(value, context, "") if of_birth(value) else None
    return found if isinstance(found, dict) else None


@conversion("dln")
def dln(value: Value, context: Context, argument: str) -> Any:
    """DLN (PID-20) as Identifier of type DL, in the namespace of the state that issued it.

    Brazilian senders put the identity card (RG) there: a number as it is printed, or with who issued it (`SSP/PR`).
    """
    text = value.text(1)
    if cpf := printed_cpf(value, context, argument):
        context.problems.append(value.problem("field.out-of-place"))
        return {"system": cpf.system, "value": cpf.value}
    if not text or no_licence(value, context):
        return None
    if card := _identity_card(value, context):
        return card
    kind = {"coding": [{"system": systems.V2_0203, "code": "DL"}]}
    identifier: dict[str, Any] = {
        "type": kind,
        "system": systems.local_system(value.text(2) or context.sender, "DL"),
        "value": text,
    }
    if end := moment_text(value.text(3), value, context):
        identifier["period"] = {"end": end}
    return identifier


def _identity_card(value: Value, context: Context) -> dict[str, Any] | None:
    """An RG as Identifier, in the namespace of who issued it where that is said; None for a licence (eleven digits)."""
    match = _CARD.match(value.text(1).upper())
    if match is None or sum(map(str.isdigit, match[1])) == _LICENCE_DIGITS:
        return None
    behind = _ISSUER.match(match[2] or value.text(2).upper())
    issued = behind is not None and behind[1] in context.codes("rg-orgao") and (not behind[2] or behind[2] in STATES)
    if not issued and (match[2] or not _PRINTED_CARD.match(match[1])):
        return None
    authority = "-".join(part for part in behind.groups() if part) if issued and behind else context.sender
    kind = {"coding": [{"code": "RG"}]}
    return {"type": kind, "system": systems.local_system(authority, "RG"), "value": match[1]}


@conversion("confidential")
def confidential(value: Value, context: Context, argument: str) -> Any:
    """A protection indicator (PD1-12, PV2-22): Y is the security label `restricted`."""
    if not boolean(value, context, argument):
        return None
    return {"system": _CONFIDENTIALITY, "code": "R", "display": "restricted"}


@conversion("secrecy")
def secrecy(value: Value, context: Context, argument: str) -> Any:
    """PV1-16 as security label, where it says that the visit is secret (`SIGILO`)."""
    words = (listed(context.codes("secrecy"), value.text(part)) for part in (1, 2))
    return next((coding_from(target) for target in words if target), None)


@conversion("courtesy")
def courtesy(value: Value, context: Context, argument: str) -> Any:
    """PV1-16 as CodeableConcept; that a visit is secret is no courtesy."""
    return None if secrecy(value, context, "") else cwe(value, context, argument)


@conversion("restriction")
def restriction(value: Value, context: Context, argument: str) -> Any:
    """ARV-3 as security label through table 0717, unless ARV-2 takes the restriction away."""
    if value.other(2) in ("D", "X"):
        return None
    return coding(value, context, argument)


@conversion("narrative")
def narrative(value: Value, context: Context, argument: str) -> Any:
    """A description as XHTML narrative."""
    text = value.full()
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{escape(text, quote=False)}</div>'
    return {"status": "additional", "div": div} if text else None


@conversion("role-participant")
def role_participant(value: Value, context: Context, argument: str) -> Any:
    """ROL-4 or PRT-5 beside a visit as Encounter.participant: role by table 0443 or 0912, and its period."""
    action, role, start, end = _ROLE_PLACES[value.source.segment]
    individual = practitioner_reference(value, context)
    if individual is None or ended(value, context, action):
        return None
    entry: dict[str, Any] = {}
    if (kind := _role(value.sibling(role), context, argument)) is not None:
        entry["type"] = [kind]
    if span := period(value, context, value.other(start), value.other(end)):
        entry["period"] = span
    return {**entry, "individual": individual}


@conversion("role-general-practitioner")
def role_general_practitioner(value: Value, context: Context, argument: str) -> Any:
    """ROL-4 or PRT-5 beside a patient: the primary care provider; another role there has no place in R4 Patient."""
    action, role, _, _ = _ROLE_PLACES[value.source.segment]
    if ended(value, context, action):
        return None
    if value.other(role) not in ("PP", "FHCP", "PCP"):
        context.problems.append(
            value.problem("code.unmapped", table="general-practitioner", code=value.other(role)[:20])
        )
        return None
    return practitioner_reference(value, context)


@conversion("role-performer")
def role_performer(value: Value, context: Context, argument: str) -> Any:
    """ROL-4 or PRT-5 beside a procedure as its performer, with the role and a six-digit XCN-7 (CBO) as function."""
    action, role, _, _ = _ROLE_PLACES[value.source.segment]
    if value.source.segment == "PRT" and not performs(value, context, "procedure"):
        return None
    actor = practitioner_reference(value, context)
    if actor is None or ended(value, context, action):
        return None
    function = _role(value.sibling(role), context, argument) or {}
    if identifiers.is_cbo(value.text(7)):
        function["coding"] = [*function.get("coding", ()), {"system": systems.CBO, "code": value.text(7)}]
    return {**({"function": function} if function else {}), "actor": actor}


@conversion("performer-of")
def performer_of(value: Value, context: Context, argument: str) -> Any:
    """PR1-8 and PR1-11 as performer with the SNOMED CT function of the guide: anesthetist or surgeon."""
    actor = practitioner_reference(value, context)
    if actor is None:
        return None
    code, display = _FUNCTIONS[argument]
    function: dict[str, Any] = {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": display}]}
    if identifiers.is_cbo(value.text(7)):
        function["coding"].append({"system": systems.CBO, "code": value.text(7)})
    return {"function": function, "actor": actor}


@conversion("performed")
def performed(value: Value, context: Context, argument: str) -> Any:
    """PR1-5, as Period when PR1-7 tells how many minutes it took and PR1-5 has a time of day."""
    start = moment_text(value.text(1), value, context)
    if start is None:
        return None
    minutes, begun = number(value.other(7)), parse_dtm(value.text(1), context.zone)
    if not isinstance(minutes, int) or not 0 < minutes < 100_000 or not isinstance(begun, datetime.datetime):
        return ("DateTime", start)
    return ("Period", {"start": start, "end": (begun + datetime.timedelta(minutes=minutes)).isoformat()})


def oneself(value: Value) -> bool:
    """Whether a relationship (table 0063) is the patient's to himself: SEL, written out (in Portuguese and Spanish,
    too), or X12's 18."""
    return value.text(1).upper() in _SELF


@conversion("contact-person")
def contact_person(value: Value, context: Context, argument: str) -> Any:
    """NK1-30, whom to ask for at an organization (NK1-13) that is a contact, unless NK1-2 names somebody."""
    return None if value.other(2) or value.other(2, 2) else xpn(value, context, "")


@conversion("contact-telephone")
def contact_telephone(value: Value, context: Context, argument: str) -> Any:
    """NK1-31, the telephone of that person, unless NK1-2 names another."""
    return None if value.other(2) or value.other(2, 2) else xtn(value, context, "work")


@conversion("contact-address")
def contact_address(value: Value, context: Context, argument: str) -> Any:
    """NK1-32, the address of that person, unless NK1-2 names another or NK1-4 says one."""
    return None if value.other(2) or value.other(2, 2) or value.other(4) else xad(value, context, "")


@conversion("self-or-name")
def self_or_name(value: Value, context: Context, argument: str) -> Any:
    """IN1-16 of a card holder who is the patient (IN1-17): a reference to the patient of the message."""
    said = value.sibling(18 if late_holder(value.segment) else 17)
    if not oneself(said) or sum(1 for _ in context.message.named("PID")) != 1:
        return None
    return {"reference": f"{DRAFT}{context.prefix}patient", "type": "Patient"}


def _role(value: Value, context: Context, table: str) -> dict[str, Any] | None:
    found = context.codes(table).get(value.text(1))
    if found:
        return {"coding": [coding_from(found)]}
    concept = cwe(value, context, table.split("-", maxsplit=1)[0].upper())
    return concept if isinstance(concept, dict) else None
