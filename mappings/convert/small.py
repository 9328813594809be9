"""Conversions that serve one or two rows each: what the standard puts in an unusual place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from canonical import codes as systems
from canonical import identifiers
from canonical.records import DRAFT, Key
from mappings.convert.datatypes import cwe
from mappings.convert.keys import ei, ei_key, visit_key
from mappings.convert.misplaced.moments import early_moments
from mappings.convert.misplaced.plausible import is_house, misplaced_if, no_code, no_moment, no_name, no_place
from mappings.convert.misplaced.results import late_holder, no_material
from mappings.convert.people import name_text, organization_number, payor, xcn
from mappings.convert.periods import moment_or_period
from mappings.convert.published import coding_of
from mappings.convert.registry import Context, Value, conversion, inside, rescue
from mappings.convert.text import boolean, coding_from, ended, listed, moment_text, number, parse_dtm
from mappings.tables.table import Source, codes

_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_CLASS = "http://terminology.hl7.org/CodeSystem/coverage-class"
_NAME = re.compile(r"[^\W\d_]{3}.*\s\S")  # words
_FILLER = 2  # EIP: the number of who fills the order


@conversion("deceased")
def deceased(value: Value, context: Context, argument: str) -> Any:
    """PID-30, only when PID-29 gives no date: R4 takes one of the two. Words for it are read (`OBITO`, `VIVO`)."""
    if value.other(29):
        return None
    word = listed(context.codes("deceased-words"), value.whole())
    return boolean(value, context, argument) if word is None else word == "true"


@conversion("place")
def place(value: Value, context: Context, argument: str) -> Any:
    """A coded place (PV1-37) as logical reference; a moment behind it (DLD-2) is none of its names. The house of PV1-3
    is no place where its patients go; told."""
    if misplaced_if(is_house(value), value, context):
        return None
    name, beside = value.text(1), value.text(2)
    dated = beside.isdigit() and parse_dtm(beside, context.zone) is not None
    label = value.text(1, 2) or ("" if dated else beside) or name
    if _NAME.match(name) and not dated and beside:  # a name with its number behind it: both are said
        label = f"{name} / {beside}"
    return {"type": "Location", "display": label} if label and not no_place(value, context) else None


@conversion("days")
def days(value: Value, context: Context, argument: str) -> Any:
    """A number of days as Duration."""
    found = number(value.whole())
    return {"value": found, "unit": "d", "system": systems.UCUM, "code": "d"} if found is not None else None


@conversion("text-concept")
def text_concept(value: Value, context: Context, argument: str) -> Any:
    """A description as CodeableConcept with text only."""
    text = value.whole()
    return {"text": text} if text else None


@conversion("with")
def with_field(value: Value, context: Context, argument: str) -> Any:
    """The text, when field `argument` of the segment has a value too."""
    return value.whole() or None if value.other(int(argument)) else None


@conversion("plan-of-company")
def plan_of_company(value: Value, context: Context, argument: str) -> Any:
    """IN1-35, the payer's own code of the plan (table 0042), as a Coverage.class."""
    code, name = value.text(1), value.text(2)
    if not code:
        return None
    coding = {"system": _CLASS, "code": "plan"}
    return {"type": {"coding": [coding]}, "value": code, **({"name": name} if name else {})}


def _card(value: Value) -> str:
    """The number of a card without the blanks between its digits; other text as it is."""
    text = value.text(1)
    bare = "".join(text.split())
    return bare if bare.replace("-", "").replace(".", "").isdigit() else text


@conversion("card-identifier")
def card_identifier(value: Value, context: Context, argument: str) -> Any:
    """A health plan card number (IN1-36, IN1-49) as member number, in the namespace of the payer it belongs to.

    Without the blanks it is printed with: one card is one number. `subscriberId` says it as sent.
    """
    found = _card(value)
    if not found:
        return None
    payer = value.other(3) if value.other(3).strip("0") else value.other(4) or context.sender
    kind = {"coding": [{"system": systems.V2_0203, "code": "MB"}]}
    return {"type": kind, "system": systems.local_system(payer, "MB"), "value": found}


@conversion("cpf-identifier")
def cpf_identifier(value: Value, context: Context, argument: str) -> Any:
    """A CPF where HL7 has only a national number without a type (IN2-2); a number of another country is left out."""
    found = identifiers.compact(value.text(1))
    return {"system": systems.CPF, "value": found} if identifiers.is_cpf(found) else None


@conversion("member-identifier")
def member_identifier(value: Value, context: Context, argument: str) -> Any:
    """CX of a member number (IN2-61, IN2-1…) as Identifier of type MB."""
    found = _card(value)
    if not found:
        return None
    kind = {"coding": [{"system": systems.V2_0203, "code": "MB"}]}
    authority = value.text(4) or value.text(4, 2) or context.sender
    return {"type": kind, "system": systems.local_system(authority, "MB"), "value": found}


@conversion("episode")
def episode(value: Value, context: Context, argument: str) -> Any:
    """PV1-54 with PV1-53: the episode of care by its number."""
    key = visit_key(value, context, "EPISODE")
    if key is None:
        return None
    label = value.other(53)
    reference = {"type": "EpisodeOfCare", "identifier": {"system": key.system, "value": key.value}}
    return {**reference, **({"display": label} if label else {})}


@conversion("positive")
def positive(value: Value, context: Context, argument: str) -> Any:
    """A whole number above zero (IN1-22); anything else is none: a moment, a code with its text (`01^Self`); told."""
    coded = misplaced_if(bool(value.text(2)), value, context)
    found = None if coded or no_moment(value, context) else number(value.whole())
    return found if isinstance(found, int) and 0 < found < 2**31 else None


@conversion("payor-name")
def payor_name(value: Value, context: Context, argument: str) -> Any:
    """IN1-4 where IN1-3 is silent: the payer by its name, or by the number XON-10 has."""
    label = value.text(1)
    told = organization_number(value)
    if not told:
        return {"type": "Organization", "display": label} if label else None
    number_value = Value(told, Source("IN1", 4), value.segment)
    return payor(number_value, context, "")


@conversion("named-person")
def named_person(value: Value, context: Context, argument: str) -> Any:
    """An XPN as a reference by display (the subscriber, who may be no patient here), a field late or not."""
    value = value.sibling(17) if late_holder(value.segment) else value
    text = name_text(value, context, argument)
    return {"display": text} if text and not no_name(value, context) else None


@conversion("site")
def site(value: Value, context: Context, argument: str) -> Any:
    """A body site: a CE, or the CE in the subcomponents of SPS-4 (OBR-15.4); none where OBR-15 is a person."""
    component = value.source.component
    if not component:
        return cwe(value, context, argument)
    if value.raw and no_material(value.segment):  # who reads the orderer tells it
        return None
    code, text, system = (value.text(component, n) for n in (1, 2, 3))
    if not code and not text:
        return None
    coding = [coding_of("0163", code, name=system)] if code else []
    return {**({"coding": coding} if coding else {}), **({"text": text} if text else {})}


@conversion("annotation")
def annotation(value: Value, context: Context, argument: str) -> Any:
    """A text or CE as Annotation; a moment alone is none."""
    if no_code(value, context):
        return None
    words = "" if value.text(1) else value.text(3)  # `^^text`: a name put a part late
    text = value.text(2) or words or value.full()
    return {"text": text} if text.strip(value.delimiters.component + value.delimiters.sub) else None


@conversion("sub-id")
def sub_id(value: Value, context: Context, argument: str) -> Any:
    """OBX-4 (OG from 2.8.2 on), which groups related observations, as the published extension."""
    texts = [(url, value.text(n)) for n, url in ((1, "original-sub-identifier"), (4, "identifier"))]
    inner: list[dict[str, Any]] = [{"url": url, "valueString": text} for url, text in texts if text]
    for component, url in ((2, "group"), (3, "sequence")):
        if text := value.text(component):
            found = number(text)
            if found is None:
                context.problems.append(value.problem("field.number", component))
            else:
                inner.append({"url": url, "valueDecimal": found})
    return (
        {"url": "http://hl7.org/fhir/StructureDefinition/observation-v2-subid", "extension": inner} if inner else None
    )


@conversion("absent-reason")
def absent_reason(value: Value, context: Context, argument: str) -> Any:
    """OBX-11 `N`: the observation was not asked for; a value beside it says otherwise (R4 obs-6)."""
    if value.text(1) != "N" or value.other(5):
        return None
    return {"coding": [{"system": _ABSENT, "code": "not-asked", "display": "Not Asked"}]}


@conversion("device")
def device(value: Value, context: Context, argument: str) -> Any:
    """EI of an equipment (OBX-18) as logical reference; several numbers of it (model, serial, module, as analyzers of
    IHE LAW send them) make it a Device inside the record."""
    label, field = value.text(1), value.source.field
    if not label:
        return None
    name = f"device {value.segment.index}-{field}"
    whole, display = context.once(name, lambda: _numbered(value.siblings(field), context))
    if not whole:
        return {"type": "Device", "display": label}
    return {"reference": context.hold(whole), "type": "Device", "display": display}


def _numbered(repetitions: Iterable[Value], context: Context) -> tuple[dict[str, Any], str]:
    """The equipment that several repetitions give its numbers, and how it is named; empty where it has one at most."""
    named = [one for one in repetitions if one.text(1)]
    if len(named) < 2:
        return {}, ""
    numbers = [ei(one, context, "DEV") for one in named]
    return inside("Device", {"identifier": numbers}), " / ".join(one.text(1) for one in named)


@conversion("taking-device")
def taking_device(value: Value, context: Context, argument: str) -> Any:
    """PRT-10, or PRT-16 where that is empty, as the device of a participation; its UDI, lot, serial number and dates
    (PRT-16 to 22) make it a Device inside the record."""
    if ended(value, context) or (value.source.field != 10 and value.other(10)):
        return None
    more: dict[str, Any] = {}
    if udi := value.other(16):
        more["udiCarrier"] = [{"carrierHRF": udi}]
    for name, field in (("manufactureDate", 17), ("expirationDate", 18)):
        if moment := moment_text(value.other(field), value, context):
            more[name] = moment
    for name, field in (("lotNumber", 19), ("serialNumber", 20), ("distinctIdentifier", 21)):
        if text := value.other(field):
            more[name] = text
    if kind := cwe(value.sibling(22), context, ""):
        more["type"] = kind
    number = value.other(10)
    if not more:
        return device(value, context, "") if number else None
    label = number or value.other(22, 2) or udi
    body = {**({"identifier": [{"value": number}]} if number else {}), **more}
    return {"reference": context.contain("Device", body), "type": "Device", **({"display": label} if label else {})}


@conversion("ndl")
def ndl(value: Value, context: Context, argument: str) -> Any:
    """NDL (OBR-32): its first component is a CNN, number and name of a professional in subcomponents."""
    delimiters = value.delimiters
    parts = value.raw.split(delimiters.component)[0].split(delimiters.sub)
    if len(parts) == 1:
        return xcn(value, context, "")
    authority = parts[8:9] or parts[7:8] or [""]
    raw = delimiters.component.join([*parts[:7], "", authority[0]])
    return xcn(Value(raw, value.source, value.segment), context, "")


@conversion("collected")
def collected(value: Value, context: Context, argument: str) -> Any:
    """DR (SPM-17) as dateTime, or as Period when start and end differ."""
    return moment_or_period(value, context, value.text(1), value.text(2))


@conversion("cq")
def cq(value: Value, context: Context, argument: str) -> Any:
    """CQ as Quantity; a unit of UCUM (CQ-2.3) with its code."""
    found = number(value.text(1))
    if found is None:
        return None
    unit, code = value.text(2, 2) or value.text(2), value.text(2)
    coded = {"system": systems.UCUM, "code": code} if code and value.text(2, 3).upper() == "UCUM" else {}
    return {"value": found, **({"unit": unit} if unit else {}), **coded}


@conversion("several")
def several(value: Value, context: Context, argument: str) -> Any:
    """The quantity of a TQ (ORC-7, OBR-27) where it is more than one: one of what is asked for goes without saying.

    The unit is in the quantity's own parts (2.5.1 §2.A.81 TQ-1, a CQ); the second component is how often.
    """
    found = number(value.text(1))
    if found is None or float(found) <= 1 or early_moments(value)[0] == value.text(1):
        return None
    unit = value.text(1, 3) or value.text(1, 2)
    return {"value": found, **({"unit": unit} if unit else {})}


@conversion("specimen-key")
def specimen_key(value: Value, context: Context, argument: str) -> Any:
    """One EI in the subcomponents of SPM-2 (EIP) as key.

    As an EI, `7^LAB`, its second part is who gave the number: as a number, it would be that of all specimens.
    """
    component = value.source.component
    text, giver = value.text(component), _giver(value, context)
    if not text or (giver and component == _FILLER):
        return None
    authority = giver or value.text(component, 2) or value.text(component, 3) or context.sender
    return Key(systems.local_system(authority, "SPM"), text)


def _giver(value: Value, context: Context) -> str:
    """The second part of SPM-2 where it is no number: it has no digit, or is who sends the message."""
    second, header = value.text(_FILLER), context.message.header
    alone = bool(value.text(1)) and not value.text(1, 2) and not value.text(_FILLER, 2)
    sends = second in (header.text(3), header.text(4))
    return second if alone and (sends or not any(c.isdigit() for c in second)) else ""


@conversion("specimen-identifier")
def specimen_identifier(value: Value, context: Context, argument: str) -> Any:
    """The same as Identifier."""
    key = specimen_key(value, context, argument)
    return {"system": key.system, "value": key.value} if key else None


@conversion("order-reference")
def order_reference(value: Value, context: Context, argument: str) -> Any:
    """SCH-26, SCH-27: the order an appointment is for, by its number; a word without a digit (`Booked`) is none."""
    if value.raw.isalpha():
        context.problems.append(value.problem("field.misplaced"))
        return None
    key = ei_key(value, context, argument)
    return {"type": "ServiceRequest", "identifier": {"system": key.system, "value": key.value}} if key else None


@conversion("specimen-parent")
def specimen_parent(value: Value, context: Context, argument: str) -> Any:
    """SPM-3 (EIP): the specimen this one was taken from, linked when it is known."""
    key = specimen_key(value, context, argument)
    if not isinstance(key, Key):
        return None
    identifier = {"system": key.system, "value": key.value}
    return {"reference": DRAFT + context.mention("Specimen", key), "type": "Specimen", "identifier": identifier}


@conversion("file-identifier")
def file_identifier(value: Value, context: Context, argument: str) -> Any:
    """TXA-16, the unique file name, as Identifier within its sender."""
    text = value.text(1)
    if text in context.codes("hl70271"):  # the document's status, a field early
        context.problems.append(value.problem("field.misplaced"))
        return None
    return {"system": systems.local_system(context.sender, "file"), "value": text} if text else None


@conversion("other-content")
def other_content(value: Value, context: Context, argument: str) -> Any:
    """`true` where a coded field holds what no code is, a day, a person or an address; it is told."""
    return "true" if no_code(value, context) else None


@rescue("early-status")
def early_status(value: Value, context: Context, argument: str) -> Any:
    """The status of a document (TXA-17) in the field before it, through the table `argument`."""
    return context.codes(argument).get(value.text(1))


@conversion("labelled-text")
def labelled_text(value: Value, context: Context, argument: str) -> Any:
    """A CE by its words: text, or code; none, and told, where a status (AIS-10, table 0278) stands, a field late."""
    late = (
        value.source.segment == "AIS" and not value.other(10) and value.raw.upper() in map(str.upper, codes("hl70278"))
    )
    if misplaced_if(late, value, context):
        return None
    return value.text(2) or value.text(1) or None


@conversion("route")
def route(value: Value, context: Context, argument: str) -> Any:
    """RXR-1 as CodeableConcept of table 0162; a route in Portuguese (`EV`, `VO`, `via oral`) has its code first.

    None is added where code and words mean different routes. What was sent stays as text and as a coding of its own.
    """
    found: dict[str, Any] | None = cwe(value, context, "HL70162")
    words = context.codes("hl70162-words")
    meant = {target for number in (1, 2, 5, 9) if (target := listed(words, value.text(number)))}
    if found is None or len(meant) != 1:
        return found
    coded, sent = coding_from(meant.pop()), found.get("coding", [])
    if any(one["code"] == coded["code"] for one in sent):
        return found
    return {**found, "coding": [coded, *sent], "text": found.get("text") or value.text(1)}
