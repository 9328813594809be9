"""Conversions of medicines and vaccines: RXO, RXE, RXD, RXG, RXA, RXC (2.5.1 §4.13, §4.14), the OBX of a vaccine."""

from __future__ import annotations

import re
from typing import Any

from canonical import codes as systems
from canonical.records import DRAFT, Key
from hl7.er7 import Segment
from mappings.convert.datatypes import cwe, xad
from mappings.convert.doses import quantity
from mappings.convert.keys import ei_key
from mappings.convert.misplaced.pharmacy import (
    counted_medicine,
    dose_for_medicine,
    giver_for_note,
    medicine_for_dose,
    no_prescription,
)
from mappings.convert.misplaced.plausible import NAMES, is_person, misplaced_if, no_moment, stray_completion
from mappings.convert.misplaced.results import named_document
from mappings.convert.orders import charge_code
from mappings.convert.people import actor, xcn
from mappings.convert.periods import moment_or_period
from mappings.convert.published import coding_of
from mappings.convert.registry import Context, Value, conversion, gatherer
from mappings.convert.text import coding_from, component_code, integer, listed, moment_text
from mappings.tables.table import Source

_FUNCTION = "http://terminology.hl7.org/CodeSystem/v2-0443"
_ORIGIN = "http://terminology.hl7.org/CodeSystem/immunization-origin"
_NOTES = 9  # RXA-9
_MAKER = "Fabricante"  # RXA-17, RXD-20
_SOURCES = re.compile(r"(NIP0*1)?\Z")  # NIP001, also with a zero too many
_WORDS = re.compile(r"(?=.*[^\W\d_]{4})\S+ .*\S\Z")  # `Dipirona 500 mg`: several, one of them of four letters or more
_LINE = 2  # digits of the count of a segment
_MEDICINE = {"RXE": 2, "RXO": 1}
# LOINC codes of the observations that a vaccination message puts below RXA, and the element they are (CDC guide 2.5.1).
_VIS_TYPE, _VIS_DATE, _VIS_GIVEN = ("30956-7", "69764-9"), "29768-9", "29769-7"


@conversion("medication")
def medication(value: Value, context: Context, argument: str) -> Any:
    """The code of a medicine as `medication[x]`; words alone are text; a dose (RXD-2) is none: the prescribed one."""
    if counted_medicine(value, context):
        return None
    prescribed = dose_for_medicine(value, context)
    if prescribed is not None:
        context.problems.append(value.problem("field.misplaced"))
        value = Value("", value.source, prescribed).sibling(_MEDICINE[prescribed.name])
    words = value.delimiters.component not in value.raw and _WORDS.match(value.text(1))
    concept = {"text": value.text(1)} if words else charge_code(value, context, "")
    return ("CodeableConcept", concept) if concept else None


@gatherer("mixture")
def mixture(values: list[Value], context: Context, argument: str) -> Any:
    """RXC components as a contained Medication with ingredients; `argument` is the place of the mixture's own code.

    Where components stand above that place too (asked for, behind RXO) and below it (encoded, behind RXE), those below
    are the mixture; others among those above are told.
    """
    segment, _, number = argument.partition("-")
    head = _head(values[0], segment, context)
    own = [value for value in values if head is None or value.segment.index > head.index] or values
    ingredients = [found for value in own if (found := _ingredient(value, context))]
    if not ingredients:
        return None
    for value in values:
        if value not in own and _ingredient(value, context) not in ingredients:
            context.problems.append(value.problem("field.differs", other=f"{segment}/RXC-2"))
    medicine: dict[str, Any] = {"resourceType": "Medication", "id": "mixture"}
    if head is not None and head.raw_field(int(number)):
        head.ask(int(number))
        found = charge_code(Value(head.repetitions(int(number))[0], Source(segment, int(number)), head), context, "")
        medicine.update({"code": found} if found else {})
    medicine["ingredient"] = ingredients
    strengths = [("note", {"text": text}) for value in own if (text := _strength_of(value))]
    return [("contained", medicine), ("medicationReference", {"reference": "#mixture"}), *strengths]


def _strength_of(value: Value) -> str:
    """The strength of a component in words (RXC-5 and 6, in the volume of RXC-8 and 9); empty where none is said."""
    parts = [value.other(field, 2) or value.other(field) for field in (5, 6, 8, 9)]
    said, volume = (" ".join(part for part in pair if part) for pair in (parts[:2], parts[2:]))
    name = value.text(2) or value.text(1)
    return f"Concentração de {name}: {said}{f' em {volume}' if volume else ''}" if parts[0] else ""


def _head(value: Value, name: str, context: Context) -> Segment | None:
    """The segment of that name which a component belongs to, within its own order: the one above it, else the next."""
    index = value.segment.index
    order = context.above("ORC", value.segment)
    mine = [one for one in context.message.named(name) if context.above("ORC", one) is order]
    above = [one for one in mine if one.index < index]
    return above[-1] if above else next(iter(mine), None)


def _ingredient(value: Value, context: Context) -> dict[str, Any] | None:
    concept = charge_code(value, context, "")
    if concept is None:
        return None
    found: dict[str, Any] = {"itemCodeableConcept": concept}
    if kind := component_code(value.sibling(1), context, "hl70166", 1):
        found["isActive"] = kind == "additive"
    amount = quantity(value.other(3), value, 4, context)
    if amount is not None:
        found["strength"] = {"numerator": amount, "denominator": {"value": 1}}
    return found


@conversion("asked-medicine")
def asked_medicine(value: Value, context: Context, argument: str) -> Any:
    """RXO-1 in words, as Annotation, where the pharmacy's RXE-2 below it names another medicine (2.5.1 §4.14.4): no
    code in common, nor words that all stand in the other. `argument` is what stands before the words. The count of a
    segment before the medicine (`RXO|1|`) names none; told."""
    if misplaced_if(value.raw.isdigit() and len(value.raw) <= _LINE, value, context):
        return None
    order = context.above("ORC", value.segment)
    below = [one for one in context.message.named("RXE") if one.index > value.segment.index]
    encoded = next((one for one in below if context.above("ORC", one) is order), None)
    if encoded is None:
        return None
    other = Value("", value.source, encoded).sibling(_MEDICINE["RXE"])
    if {value.text(1), value.text(4)} & {other.text(1), other.text(4)} - {""}:
        return None
    asked, told = (one.text(2) or one.text(1) for one in (value, other))
    words, others = set(asked.casefold().split()), set(told.casefold().split())
    return None if words <= others or others <= words else {"text": f"{argument}: {asked}"}


@conversion("labelled")
def labelled(value: Value, context: Context, argument: str) -> Any:
    """A field R4 has no place for, as Annotation in words: `argument`, then its value (a CE by its text)."""
    if (value.source.segment == "SPM" or argument == _MAKER) and no_moment(value, context):
        return None
    text = value.text(2) or value.text(1) or value.text(5)
    return {"text": f"{argument}: {text}"} if text else None


@conversion("labelled-date")
def labelled_date(value: Value, context: Context, argument: str) -> Any:
    """The same of a day (RXD-19, RXA-16: until when the lot may be used); one that cannot be read is told, and said as
    it was sent."""
    text = value.whole()
    day = (moment_text(text, value, context) or text)[: len("2026-12-31")] if text else ""
    return {"text": f"{argument}: {day}"} if day else None


@conversion("substitution")
def substitution(value: Value, context: Context, argument: str) -> Any:
    """RXO-9, RXE-9 (table 0161) as `allowed[x]`: a code tells more than yes or no."""
    code = value.text(1)
    if not code:
        return None
    display = {"N": "Substitutions are NOT authorized.", "G": "Allow generic substitutions.",
               "T": "Allow therapeutic substitutions"}.get(code, "")  # fmt: skip
    return ("CodeableConcept", {"coding": [coding_of("0161", code, display)]})


@conversion("order-named")
def order_named(value: Value, context: Context, argument: str) -> Any:
    """An EI (ORC-2, ORC-3) as reference to an order told before; `argument` is `Type:PLAC` or `Type:FILL`."""
    kind, _, number_type = argument.partition(":")
    if value.source.segment == "TXA" and value.text(1).upper() in context.codes("hl70271"):  # the status, too early
        context.problems.append(value.problem("field.misplaced"))
        return None
    if misplaced_if(_person_for_number(value), value, context) or named_document(value):
        return None
    key = ei_key(value, context, number_type)
    if key is None:
        return None
    local = context.mention(kind, key)
    return {"reference": DRAFT + local, "type": kind, "identifier": {"system": key.system, "value": key.value}}


def _person_for_number(value: Value) -> bool:
    """Whether a person (number, surname, given name) stands where the number of an order does: an EI with a universal
    id has its type behind it (2.5.1 §2.A.28), and an id of letters alone is none."""
    return is_person(value) or (not value.text(4) and all(NAMES.match(value.text(n)) for n in (2, 3)))


@conversion("immunization-key")
def immunization_key(value: Value, context: Context, argument: str) -> Any:
    """ORC-3 of a vaccination as key; 9999 says that there is no order (CDC guide, history and refusal)."""
    key = ei_key(value, context, argument)
    return None if key is None or key.value == "9999" else key


@conversion("immunization-identifier")
def immunization_identifier(value: Value, context: Context, argument: str) -> Any:
    """The same as Identifier."""
    key = immunization_key(value, context, argument)
    if not isinstance(key, Key):
        return None
    kind = {"coding": [{"system": systems.V2_0203, "code": argument}]}
    return {"type": kind, "system": key.system, "value": key.value}


@conversion("vaccinator")
def vaccinator(value: Value, context: Context, argument: str) -> Any:
    """XCN as performer of a vaccination with the function `argument` of table 0443 (AP gave it, OP ordered it); RXA-9
    only where it is who gave it, a field early, and then it is told."""
    if value.source.field == _NOTES and not misplaced_if(giver_for_note(value), value, context):
        return None
    found = xcn(value, context, "")
    if found is None:
        return None
    return {"function": {"coding": [{"system": _FUNCTION, "code": argument}]}, "actor": found}


@conversion("primary-source")
def primary_source(value: Value, context: Context, argument: str) -> Any:
    """RXA-9 of NIP001: 00 is a new record of who gave it, 01 to 08 tell history."""
    code = value.text(1)
    return None if not code.isdigit() or not _SOURCES.match(value.text(3)) else code == "00"


@conversion("unknown-if-unmapped")
def unknown_if_unmapped(value: Value, context: Context, argument: str) -> Any:
    """`unknown` for a code that `codes/<argument>.csv` lacks: a completion (RXA-20) may say that nothing was given, an
    order control (ORC-1) that the order was taken back."""
    text = value.whole()
    return "unknown" if text and listed(context.codes(argument), text) is None else None


@conversion("not-done-reason")
def not_done_reason(value: Value, context: Context, argument: str) -> Any:
    """Why a dose was not given, where RXA-20 itself says it (`argument`): R4 has one `not-done` for all of them.

    A word of the sender stays as text.
    """
    code = value.text(1)
    target = listed(context.codes(argument), code) if code else None
    if target is None:
        return None
    coded = {"coding": [coding_from(target)]} if target else {}
    return {**coded, **({"text": code} if len(code) > len("RE") else {})}


@conversion("indication")
def indication(value: Value, context: Context, argument: str) -> Any:
    """RXA-19 as CodeableConcept; a completion status that stands in it is none."""
    return None if stray_completion(value, context) else cwe(value, context, "")


@conversion("stray-completion")
def completion_astray(value: Value, context: Context, argument: str) -> Any:
    """The completion status that stands one field too early (RXA-19): a refused dose must not count as given."""
    return context.codes(argument).get(value.raw) if stray_completion(value, context) else None


@conversion("stray-action")
def action_astray(value: Value, context: Context, argument: str) -> Any:
    """The action (table 0206) that stands in RXA-20 beside the completion in RXA-19: what is deleted was not given."""
    code = context.codes(argument).get(value.text(1))
    return code if code and stray_completion(value.sibling(19), context) else None


@conversion("report-origin")
def report_origin(value: Value, context: Context, argument: str) -> Any:
    """RXA-9 of a historical record as reportOrigin."""
    return None if primary_source(value, context, "") in (True, None) else cwe(value, context, "NIP001")


@conversion("early-giver")
def early_giver(value: Value, context: Context, argument: str) -> Any:
    """RXA-9 as the `actor` of a performer, where it is who gave the dose, a field early; it is told."""
    return actor(value, context, argument) if misplaced_if(giver_for_note(value), value, context) else None


@conversion("administration-note")
def administration_note(value: Value, context: Context, argument: str) -> Any:
    """RXA-9 as note, when it is a text and neither a code of NIP001 nor who gave the dose, a field early."""
    if giver_for_note(value):
        return None
    text = value.text(2) if not value.text(1) else value.text(1) if not value.text(1).isdigit() else ""
    return {"text": text} if text else None


@conversion("place-of-care")
def place_of_care(value: Value, context: Context, argument: str) -> Any:
    """LA2 or PL (RXA-11, RXA-27, RXD-13) as logical reference to a Location: facility, point of care, room, bed.

    With an address (`argument`, RXA-28) the place goes inside the record.
    """
    parts = [value.text(n) for n in (4, 1, 2, 3)]
    if value.text(3) and _SOURCES.match(value.text(3)):  # who told of a dose (RXA-9), two fields late
        context.problems.append(value.problem("field.misplaced"))
        return None
    label = " / ".join(part for part in parts if part)
    address = xad(value.sibling(int(argument)), context, "") if label and argument else None
    if address:
        reference = context.contain("Location", {"name": label, "address": address})
        return {"reference": reference, "type": "Location", "display": label}
    return {"type": "Location", "display": label} if label else None


@conversion("subpotent")
def subpotent(value: Value, context: Context, argument: str) -> Any:
    """RXA-20 PA, partially administered: a dose that does not count in full."""
    return True if value.text(1) == "PA" else None


@conversion("given")
def given(value: Value, context: Context, argument: str) -> Any:
    """RXA-3 with RXA-4 as `effective[x]`: a moment, or a period when they differ."""
    return moment_or_period(value, context, value.whole(), value.other(4))


@gatherer("vis")
def vis(values: list[Value], context: Context, argument: str) -> Any:
    """Vaccine information statements: type, date of publication and of presentation of each OBX-4 group."""
    groups: dict[str, dict[str, Any]] = {}
    for value in values:
        code, group = value.other(3), value.other(4)
        if code in _VIS_TYPE:
            text = value.text(2) or value.text(1)
            groups.setdefault(group, {}).update({"documentType": text} if text else {})
        elif code in (_VIS_DATE, _VIS_GIVEN):
            name = "publicationDate" if code == _VIS_DATE else "presentationDate"
            moment = moment_text(value.text(1), value, context)
            groups.setdefault(group, {}).update({name: moment} if moment else {})
    told = [found for found in groups.values() if found]
    nameless = [found for found in told if "documentType" not in found]  # R4 imm-1: a leaflet is told by what it is
    if nameless:
        context.problems.append(values[0].problem("structure.part", target="Immunization.education.documentType"))
    return [("education", found) for found in told if found not in nameless] or None


@gatherer("vaccine-fact")
def vaccine_fact(values: list[Value], context: Context, argument: str) -> Any:
    """The coded values of those OBX whose OBX-3 is `argument`, as CodeableConcepts."""
    found = [cwe(value, context, "") for value in values if value.other(3) == argument]
    return [("programEligibility" if argument == "64994-7" else "fundingSource", c) for c in found if c][:1] or None


@conversion("prescription-number")
def prescription_number(value: Value, context: Context, argument: str) -> Any:
    """RXE-15, RXD-7: the number of the prescription, in the namespace of its sender."""
    text = "" if no_prescription(value, context) else value.text(1)
    return {"system": systems.local_system(context.sender, "RX"), "value": text} if text else None


@conversion("repeats")
def repeats(value: Value, context: Context, argument: str) -> Any:
    """RXE-12, RXO-13 as a whole number; none where the medicine stands a field late, and with it, maybe, what is behind
    it (RXE-11, RXO-12); told."""
    return None if misplaced_if(medicine_for_dose(value.segment), value, context) else integer(value, context, "")


@conversion("substituted")
def substituted(value: Value, context: Context, argument: str) -> Any:
    """RXD-11 as substitution, where `codes/<argument>.csv` says whether there was one; R4 asks for that."""
    code = value.text(1)
    was = {"true": True, "false": False}.get(context.codes(argument).get(code, ""))
    if was is None:
        if code and code not in context.codes(argument):
            context.problems.append(value.problem("code.unmapped", table=argument, code=code[:20]))
        return None
    return {"wasSubstituted": was, "type": cwe(value, context, "HL70167")}
