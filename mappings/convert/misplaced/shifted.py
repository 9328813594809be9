"""Orders, visits and medicines whose fields stand beside their own place, told by contents that no such field has.

What is moved is read where its own field is empty and nothing else could be meant. It is told either way.
"""

from __future__ import annotations

from typing import Any

from canonical import codes as systems
from canonical.records import Key
from mappings.convert.datatypes import cwe
from mappings.convert.doses import UNIT, quantity
from mappings.convert.keys import ei, ei_key
from mappings.convert.medication import labelled, medication
from mappings.convert.misplaced.pharmacy import medicine_for_dose
from mappings.convert.misplaced.plausible import (
    BARE_DAY,
    MOMENT,
    UNITS,
    URGENCIES,
    early_result,
    is_person,
    is_route,
    is_time,
    misplaced_if,
    no_reason,
    says_times,
    urgency_for_number,
)
from mappings.convert.misplaced.results import (
    early_order,
    early_specimen,
    late_document,
    late_result,
    section_for_reason,
    stray_orderer,
)
from mappings.convert.misplaced.visits import (
    among_amounts,
    early_admission,
    late_admission,
    late_visit,
    lost_visit,
    no_discharge,
    stray_visit,
)
from mappings.convert.people import xcn
from mappings.convert.registry import Context, Value, conversion, rescue
from mappings.convert.text import date_time, instant, number
from mappings.convert.timing import order_timing, start_or_period

_DIET = 38  # PV1-38


@rescue("early-report-status")
def early_report_status(value: Value, context: Context, argument: str) -> Any:
    """OBR-24 or 23 through `codes/<argument>.csv`, where it is the result's status, a field or two early; told."""
    if not early_result(value):
        return None
    context.problems.append(value.problem("field.misplaced"))
    return context.codes(argument).get(value.raw) or None


@conversion("section")
def section(value: Value, context: Context, argument: str) -> Any:
    """OBR-24, the diagnostic service section, as CodeableConcept; none where it is the status, a field early, or the
    quantity and timing of OBR-27, three fields early; that is told."""
    if says_times(value):
        context.problems.append(value.problem("field.misplaced"))
        return None
    return None if early_result(value) else cwe(value, context, argument)


@rescue("late-section")
def late_section(value: Value, context: Context, argument: str) -> Any:
    """OBR-31, the reason of the study, as the section, where it is that of OBR-24, empty then; it is told."""
    if not section_for_reason(value):
        return None
    context.problems.append(value.problem("field.misplaced"))
    return cwe(value, context, argument)


@conversion("study-reason")
def study_reason(value: Value, context: Context, argument: str) -> Any:
    """OBR-31 as CodeableConcept; none where the section stands there, some fields late, or a person; told."""
    wrong = section_for_reason(value) or misplaced_if(is_person(value), value, context)
    return None if wrong else cwe(value, context, argument)


@rescue("early-interpreter")
def early_interpreter(value: Value, context: Context, argument: str) -> Any:
    """OBR-31 as who interpreted (OBR-32), where a person stands there; what reads the reason tells it."""
    return xcn(value, context, argument) if is_person(value) else None


@rescue("early-times")
def early_times(value: Value, context: Context, argument: str) -> Any:
    """OBR-24 by the conversion `argument`, where it is the quantity and timing for which OBR-27 is empty."""
    early = says_times(value) and not value.segment.raw_field(27)
    return (
        {"order-timing": order_timing, "start-or-period": start_or_period}[argument](value, context, "")
        if early
        else None
    )


@rescue("early-priority")
def early_priority(value: Value, context: Context, argument: str) -> Any:
    """The priority in such an OBR-24, through `codes/<argument>.csv`."""
    early = says_times(value) and not value.segment.raw_field(27)
    return context.codes(argument).get(value.text(6)) or None if early else None


@rescue("stray-priority")
def stray_priority(value: Value, context: Context, argument: str) -> Any:
    """OBR-29 or ORC-4, the parent's or the group's number, by `codes/<argument>.csv`, where it is the urgency; told."""
    if not urgency_for_number(value.segment, value.source.field):
        return None
    context.problems.append(value.problem("field.misplaced"))
    letter = (value.text(1) or value.text(2)).upper()
    return context.codes(argument).get(URGENCIES.get(letter, letter)) or None


@rescue("early-orderer")
def orderer_early(value: Value, context: Context, argument: str) -> Any:
    """OBR-15, OBR-14 or OBR-17 as who ordered, where a person stands there and OBR-16 is empty; told."""
    if not stray_orderer(value):
        return None
    context.problems.append(value.problem("field.misplaced"))
    return xcn(value, context, argument)


@rescue("early-instant")
def early_instant(value: Value, context: Context, argument: str) -> Any:
    """OBR-21 or 20, where it is the time of the result (OBR-22), a field or two early as the status in OBR-24 or 23
    shows."""
    shows = early_result(value.sibling(value.source.field + 3)) and is_time(value.raw)
    return instant(value, context, "") if shows else None


@conversion("stray-visit-key")
def stray_visit_key(value: Value, context: Context, argument: str) -> Any:
    """PV1-17, 18 or 21, where it is the number of the visit, as key."""
    return _visit_key(value, context) if stray_visit(value) else None


@rescue("stray-visit-identifier")
def stray_visit_identifier(value: Value, context: Context, argument: str) -> Any:
    """PV1-17, 18 or 21, where it is the number of the visit, as Identifier; it is told."""
    stray = stray_visit(value)
    if stray or lost_visit(value):
        context.problems.append(value.problem("field.misplaced"))
    return _visit_identifier(value, context) if stray else None


@conversion("late-visit-key")
def late_visit_key(value: Value, context: Context, argument: str) -> Any:
    """PV1-20, where it is the number of the visit, a field late, as key."""
    return _visit_key(value, context) if late_visit(value) else None


@rescue("late-visit-identifier")
def late_visit_identifier(value: Value, context: Context, argument: str) -> Any:
    """PV1-20, where it is the number of the visit, a field late, as Identifier; told, where PV1-19 is not."""
    if not late_visit(value):
        return None
    context.problems += [] if value.other(19) else [value.problem("field.misplaced")]
    return _visit_identifier(value, context)


def _visit_key(value: Value, context: Context) -> Key:
    authority = value.text(4) or value.text(4, 2) or context.sender
    return Key(systems.local_system(authority, "VN"), value.text(1))


def _visit_identifier(value: Value, context: Context) -> dict[str, Any]:
    """The identifier equal to the key; a bare number is the sender's own."""
    key = _visit_key(value, context)
    kind = {"coding": [{"system": systems.V2_0203, "code": "VN"}]}
    return {"type": kind, "system": key.system, "value": key.value}


@conversion("finished")
def finished(value: Value, context: Context, argument: str) -> Any:
    """`argument`, when PV1-45 says that the visit has ended; not when it is the admission, a field late, unless the
    discharge stands behind it."""
    if among_amounts(value):
        return argument
    doubtful = late_admission(value, context) or no_discharge(value, context)
    return argument if value.whole() and not doubtful else None


@rescue("early-admission")
def admission_early(value: Value, context: Context, argument: str) -> Any:
    """PV1-40 to 43 as dateTime, where it is the admission, up to four fields early; it is told. In a discharge (A03)
    the time of the event is that of the discharge."""
    if not early_admission(value, context):
        return None
    if value.source.field in (40, 41):  # what reads the places tells the others
        context.problems.append(value.problem("field.misplaced"))
    if value.source.field == 40 and is_time(value.other(41)):  # the discharge, likewise
        context.problems.append(value.sibling(41).problem("field.misplaced"))
    events = {event.ask(number) for event in context.message.named("EVN") for number in (2, 6)}
    if context.message.type == "ADT^A03" and value.raw in events:
        return None
    return date_time(value, context, "")


@rescue("among-amounts")
def stands_among_amounts(value: Value, context: Context, argument: str) -> Any:
    """PV1-46 to 49, amounts, as dateTime, where the `start` or `end` of the visit stands there; it is told, and a bare
    day there in a discharge (A03) without a time, which an amount may be."""
    found = among_amounts(value)
    lost = found is None and context.message.type == "ADT^A03" and bool(BARE_DAY.match(value.raw))
    misplaced_if(lost, value, context)
    if found is None or value.source.field != found[argument == "end"]:
        return None
    context.problems.append(value.problem("field.misplaced"))
    return date_time(value, context, "")


@conversion("admission")
def admission(value: Value, context: Context, argument: str) -> Any:
    """PV1-44 as dateTime, unless it is the discharge, a field or more early as the admission in PV1-41 to 43 shows."""
    early = any(early_admission(value.sibling(number), context) for number in (41, 42, 43))
    return None if early else date_time(value, context, "")


@conversion("reason")
def reason(value: Value, context: Context, argument: str) -> Any:
    """SCH-6, SCH-7 as CodeableConcept; none where the time or the length of the appointment stands; told."""
    return None if no_reason(value, context) else cwe(value, context, argument)


@conversion("no-house")
def no_house(value: Value, context: Context, argument: str) -> Any:
    """A CE of the table `argument` (how a visit ended, a diet) as CodeableConcept.

    None where it is the hospital itself, named by PV1-3 or as sender or receiver: PV1-39 some fields early; and no diet
    where PV1-41 is the admission, three fields early, for PV1-38 is the state of the account then, or PV1-42 or 43 is,
    and PV1-39 is empty: PV1-38 is the hospital then. It is told.
    """
    header = context.message.header
    houses = {header.ask(4), header.ask(6), value.other(3, 4), value.other(3, 6)} - {""}
    places = () if value.other(39) else (42, 43)
    early = any(early_admission(value.sibling(number), context) for number in (41, *places))
    if (early and value.source.field == _DIET) or value.raw in houses:
        context.problems.append(value.problem("field.misplaced"))
        return None
    return cwe(value, context, argument)


@conversion("dosage-form")
def dosage_form(value: Value, context: Context, argument: str) -> Any:
    """The form of a medicine, or a word to the pharmacy, as Annotation.

    None where a unit or a route stands, named by its coding system; told.
    """
    if value.source.segment == "RXO" and not value.other(2) and not value.other(3) and _unit_of_dose(value):
        return None  # `late-dose` tells it
    if value.text(3).upper() in UNITS or is_route(value):
        context.problems.append(value.problem("field.misplaced"))
        return None
    return labelled(value, context, argument)


@rescue("late-dose")
def late_dose(value: Value, context: Context, argument: str) -> Any:
    """RXO-4, the unit, as `dose[x]` where it is the dose for which RXO-2 and 3 are empty, two fields late: a number
    alone, with its unit in RXO-6. It is told, also without that unit: then it is no dose."""
    if number(value.raw) is None or value.other(2) or value.other(3) or medicine_for_dose(value.segment):
        return None
    context.problems.append(value.problem("field.misplaced"))
    found = quantity(value.raw, value, 6, context) if _unit_of_dose(value.sibling(6)) else None
    return ("Quantity", found) if found else None


def _unit_of_dose(value: Value) -> bool:
    """Whether RXO-6, a word to the pharmacy, is the unit of the dose in RXO-4."""
    coded = not value.text(3) or value.text(3).upper() in UNITS
    return coded and bool(UNIT.match(value.text(1))) and number(value.other(4)) is not None


@rescue("stray-route")
def stray_route(value: Value, context: Context, argument: str) -> Any:
    """A route where another code belongs (RXE-6, 7, RXO-5 to 8); what else reads the field tells it, but RXO-8."""
    if not is_route(value):
        return None
    context.problems += [value.problem("field.misplaced")] if value.source.field == 8 else []
    return cwe(value, context, "HL70162")


@conversion("for-what")
def for_what(value: Value, context: Context, argument: str) -> Any:
    """RXE-27, RXO-20 as CodeableConcept; a yes or no (table 0136), which stands in fields near by, is none, nor is the
    unit of a strength that stands a field late, or any that its coding system calls one; told."""
    of_unit = value.text(3).upper() in UNITS
    if value.raw.upper() in ("Y", "N") or of_unit or _unit_of_late_strength(value):
        context.problems.append(value.problem("field.misplaced"))
        return None
    return cwe(value, context, argument)


@conversion("late-strength")
def late_strength(value: Value, context: Context, argument: str) -> Any:
    """RXO-19 and 20 as Annotation in words after `argument`, where they are the strength and its unit (RXO-18, 19)."""
    return {"text": f"{argument}: {value.other(19)} {value.text(1)}"} if _unit_of_late_strength(value) else None


def _unit_of_late_strength(value: Value) -> bool:
    """Whether RXO-20 is the unit of the number before it, with none in RXO-18: no indication then."""
    of_order = value.source.segment == "RXO" and not value.other(18)
    return of_order and number(value.other(19)) is not None and not any(c.isdigit() for c in value.text(1))


@conversion("late-report-status")
def late_report_status(value: Value, context: Context, argument: str) -> Any:
    """OBR-26 through `codes/<argument>.csv`, where it is the result's status, a field late; the kinship tells it."""
    return context.codes(argument).get(value.raw) or None if late_result(value.segment) else None


@conversion("late-instant")
def late_instant(value: Value, context: Context, argument: str) -> Any:
    """OBR-23, where it is the time of the result (OBR-22, empty), a field late as the status in OBR-26 shows."""
    late = late_result(value.segment) and not value.other(22) and MOMENT.match(value.raw)
    return instant(value, context, "") if late else None


@rescue("early-authored")
def early_authored(value: Value, context: Context, argument: str) -> Any:
    """ORC-8 as authoredOn of a new order, where it is the moment of ORC-9; the kinship tells it."""
    new = value.other(1) in ("NW", "") and is_time(value.raw) and (not value.other(9) or value.segment.ask(9, 2))
    return date_time(value, context, "") if new else None


@rescue("early-requester")
def early_requester(value: Value, context: Context, argument: str) -> Any:
    """ORC-11 as who orders (ORC-12), a field early as the moment in ORC-8 shows; it is told."""
    if not early_order(value.segment):
        return None
    context.problems.append(value.problem("field.misplaced"))
    return xcn(value, context, argument)


@conversion("late-document-key")
def late_document_key(value: Value, context: Context, argument: str) -> Any:
    """TXA-13 as key of the document, where it is its own number (TXA-12), a field late."""
    return ei_key(value, context, argument) if late_document(value.segment, context.event) else None


@rescue("late-document")
def late_document_number(value: Value, context: Context, argument: str) -> Any:
    """The same as Identifier; it is told."""
    if not late_document(value.segment, context.event):
        return None
    context.problems.append(value.problem("field.misplaced"))
    return ei(value, context, argument)


@rescue("late-status")
def late_status(value: Value, context: Context, argument: str) -> Any:
    """TXA-18 or 19 through `codes/<argument>.csv`, where it is the document's status (TXA-17), up to two fields late;
    told."""
    found = context.codes(argument).get(value.text(1)) if not value.other(17) else None
    context.problems += [value.problem("field.misplaced")] if found else []
    return found or None


@rescue("early-collected")
def early_collected(value: Value, context: Context, argument: str) -> Any:
    """SPM-16 as dateTime, where it is when the specimen was taken (SPM-17), a field early; what reads it tells."""
    return ("DateTime", date_time(value, context, "")) if early_specimen(value.segment) else None


@rescue("early-received")
def early_received(value: Value, context: Context, argument: str) -> Any:
    """SPM-17 as dateTime, where it is when the specimen came (SPM-18), as the moment in SPM-16 shows."""
    return date_time(value, context, "") if early_specimen(value.segment) else None


@rescue("late-medicine")
def late_medicine(value: Value, context: Context, argument: str) -> Any:
    """The medicine in RXE-3 or RXO-2, a field late, as `medication[x]`; it is told."""
    if not medicine_for_dose(value.segment):
        return None
    context.problems.append(value.problem("field.misplaced"))
    return medication(value, context, argument)
