"""Conversions of appointments: SCH, ARQ, and the resources AIS, AIG, AIL, AIP (2.5.1 §10.6)."""

from __future__ import annotations

import datetime
from typing import Any

from mappings.convert.datatypes import cwe
from mappings.convert.keys import ei_identifier, ei_key
from mappings.convert.misplaced.plausible import (
    MOMENT,
    counts_only,
    is_person,
    length_for_type,
    no_person,
    says_minutes,
    says_times,
    times_for_numbers,
)
from mappings.convert.people import xcn
from mappings.convert.periods import period
from mappings.convert.places import location_reference
from mappings.convert.registry import Context, Value, conversion, rescue
from mappings.convert.text import listed, number, parse_dtm

_MINUTES = frozenset(("MIN", "MINUTES", "MINUTE", "MINUTOS", "MINUTO", "M", "MN", "MINS", ""))
_HOURS = frozenset(("H", "HR", "HOUR", "HOURS", "HORA", "HORAS", "HRS"))
_SECONDS = frozenset(("S", "SEC", "SECOND", "SECONDS", "SEGUNDO", "SEGUNDOS"))
_LONGEST = 366 * 24 * 60  # more is a moment or a number that stands in the duration's field
_SHORTEST = 5  # minutes of an appointment, where no unit is said
_SCHEDULED = 11  # SCH: when
_ENDING = frozenset(("S15", "S16", "S17", "S26"))  # cancelled, discontinued, deleted, not come
_TO_COME = frozenset(("proposed", "pending", "booked", "arrived", "checked-in", "waitlist"))
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
# Where each resource segment has its start and duration (offset and units between and behind) and its filler status.
_TIMES = {"AIP": (6, 9, 12), "AIL": (6, 9, 12), "AIG": (8, 11, 14)}


@conversion("schedule-key")
def schedule_key(value: Value, context: Context, argument: str) -> Any:
    """SCH-1 or SCH-2 as key; a bare `1`, or two digits beside a number in SCH-2, count segments, and two moments are
    the times of the appointment: they would join everything."""
    return None if _no_number(value) else ei_key(value, context, argument)


@conversion("schedule-identifier")
def schedule_identifier(value: Value, context: Context, argument: str) -> Any:
    """SCH-1 or SCH-2 as Identifier, in the system its key has."""
    if _no_number(value):
        context.problems.append(value.problem("field.misplaced"))
        return None
    return ei_identifier(value, context, argument)


def _no_number(value: Value) -> bool:
    return times_for_numbers(value) if value.source.field == 2 else counts_only(value)


@conversion("minutes")
def minutes(value: Value, context: Context, argument: str) -> Any:
    """SCH-9 (or AIS-7) as minutes; the next field, or its own second component (`30^MIN`), must say the unit.

    Where the unit stands in SCH-9 itself, the length is a field early too, in SCH-8.
    """
    text, unit = value.whole(), value.text(2) or value.other(value.source.field + 1)
    if value.source.segment == "SCH" and says_minutes(text) and value.other(8).isdigit():
        text, unit = value.other(8), text
    found = _minutes(text, unit)
    if found is not None and found > 0 and (unit or found == _booked(value, context, found)):
        return found
    if text:
        context.problems.append(value.problem("field.duration"))
    return None


@conversion("start-instant")
def start_instant(value: Value, context: Context, argument: str) -> Any:
    """A start as instant; a bare date is not one."""
    moment = parse_dtm(value.whole(), context.zone)
    if isinstance(moment, datetime.datetime):
        return moment.isoformat()
    if value.whole():
        context.problems.append(value.problem("field.date"))
    return None


@conversion("timing-part")
def timing_part(value: Value, context: Context, argument: str) -> Any:
    """The `start` or `end` of a TQ (SCH-11) as instant: its fourth and fifth component, or where a separator too many
    stands before them (no start, a moment as priority) its fifth and sixth."""
    value = _two_late(value, context)
    shifted = not value.text(4) and isinstance(parse_dtm(value.text(6), context.zone), datetime.datetime)
    number_of = {"start": 4, "end": 5}[argument] + shifted
    moment = parse_dtm(value.text(number_of), context.zone)
    if isinstance(moment, datetime.datetime):
        return moment.isoformat()
    if value.text(number_of):
        context.problems.append(value.problem("field.date"))
    return None


@rescue("timing-early")
def timing_early(value: Value, context: Context, argument: str) -> Any:
    """The `start` or `end` of a TQ in SCH-10, the unit of the length, or SCH-8, the type, where SCH-11 says none."""
    if not says_times(value) or says_times(value.sibling(_SCHEDULED)):
        return None
    context.problems.append(value.problem("field.misplaced"))
    return timing_part(value, context, argument)


@rescue("timing-late")
def timing_late(value: Value, context: Context, argument: str) -> Any:
    """The `start` or `end` of a TQ in SCH-12, where SCH-11 is empty or the unit of the length, a field late too; a
    person there says no times."""
    before = value.other(_SCHEDULED)
    late = says_times(value) and (not before or says_minutes(before))
    return timing_part(value, context, argument) if late else None


@rescue("times-in-pair")
def times_in_pair(value: Value, context: Context, argument: str) -> Any:
    """SCH-16 and 17, a person and a telephone, as instants, where they are the start and the later end of the
    appointment, for which SCH-11 is empty; it is told."""
    start, end = value.other(16), value.other(17)
    if value.other(_SCHEDULED) or not (MOMENT.match(start) and MOMENT.match(end) and start[:12] < end[:12]):
        return None
    if argument == "end":  # what reads SCH-16 as a person tells the start
        context.problems.append(value.problem("field.misplaced"))
    return start_instant(value, context, "")


def _two_late(value: Value, context: Context) -> Value:
    """The times in SCH-13, where length and unit, which belong in SCH-9 and 10, stand in SCH-11 and 12."""
    late = (
        value.sibling(_SCHEDULED + 2)
        if value.source.segment == "SCH" and says_minutes(value.other(_SCHEDULED + 1))
        else None
    )
    if late is None or value.text(4) or not isinstance(parse_dtm(late.text(4), context.zone), datetime.datetime):
        return value
    context.problems.append(value.problem("field.misplaced"))
    return late


@conversion("end-instant")
def end_instant(value: Value, context: Context, argument: str) -> Any:
    """The end that follows from this start and the duration in field `argument` (unit in the field after it)."""
    moment = parse_dtm(value.whole(), context.zone)
    place = int(argument)
    length = _minutes(value.other(place), value.other(place, 2) or value.other(place + 1))
    if not isinstance(moment, datetime.datetime) or length is None:
        return None
    end = moment + datetime.timedelta(minutes=length)
    schedule = context.message.first("SCH") if value.source.segment == "AIS" else None
    begun = parse_dtm(schedule.text(_SCHEDULED, 4), context.zone) if schedule is not None else None
    if isinstance(begun, datetime.datetime) and end <= begun:  # of another start than SCH-11 says
        context.problems.append(value.problem("field.period"))
        return None
    return end.isoformat()


@conversion("timing-length")
def timing_length(value: Value, context: Context, argument: str) -> Any:
    """The minutes of a TQ's length (SCH-11: `20`, `M20`, `H1`) where nothing else says it; `end`: the end they give.

    A number without a letter is minutes, as it is in SCH-9; a few of them are rather hours or times.
    """
    text = value.text(3).upper()
    if not text or value.other(9) or value.text(5):
        return None
    unit = text[0] if text[0] in "SMH" else "MIN"
    length = _minutes(text.lstrip("SMH"), unit)
    if not length or length < 0 or (unit == "MIN" and length < _SHORTEST):
        return None
    if argument != "end":
        return length
    moment = parse_dtm(value.text(4), context.zone)
    if not isinstance(moment, datetime.datetime):
        return None
    return (moment + datetime.timedelta(minutes=length)).isoformat()


@conversion("end-of-schedule")
def end_of_schedule(value: Value, context: Context, argument: str) -> Any:
    """The start in TQ1-7 plus the duration in SCH-9 and SCH-10, where SCH-11 says no end."""
    schedule = context.message.first("SCH")
    moment = parse_dtm(value.whole(), context.zone)
    if schedule is None or schedule.ask(_SCHEDULED, 5) or not isinstance(moment, datetime.datetime):
        return None
    length = _minutes(schedule.ask(9), schedule.ask(9, 2) or schedule.ask(10))
    return None if length is None else (moment + datetime.timedelta(minutes=length)).isoformat()


def _booked(value: Value, context: Context, found: int) -> int:
    """The minutes between start and end in SCH-11, which know better than a number without unit; else `found`."""
    start, end = (parse_dtm(value.other(11, part), context.zone) for part in (4, 5))
    if (
        value.segment.name != "SCH"
        or not isinstance(start, datetime.datetime)
        or not isinstance(end, datetime.datetime)
    ):
        return found
    return int((end - start).total_seconds() // 60)


def _minutes(text: str, unit: str) -> int | None:
    """A length in minutes; None when it is no whole number of them, or its unit neither seconds, minutes nor hours."""
    length, unit = number(text), unit.upper()
    if not isinstance(length, int):
        return None
    if unit in _SECONDS:
        return length // 60 if length % 60 == 0 and length <= _LONGEST * 60 else None
    if length > _LONGEST or unit not in _MINUTES | _HOURS:
        return None
    return length * 60 if unit in _HOURS else length


@conversion("appointment-type")
def appointment_type(value: Value, context: Context, argument: str) -> Any:
    """SCH-8 or ARQ-8 (table 0277), unless the length or the times stand there, too early."""
    return None if says_times(value) or length_for_type(value, context) else cwe(value, context, "HL70277")


@conversion("ended-by-event")
def ended_by_event(value: Value, context: Context, argument: str) -> Any:
    """The status that S15, S16, S17 or S26 gives an appointment which SCH-25 still has as one to come.

    The event is what is told; the filler's status is often the one before it. A status that ends it, too, knows more.
    """
    schedule = context.message.first("SCH")
    told = listed(context.codes("hl70278"), schedule.ask(25)) if schedule is not None else None
    return context.codes(argument).get(value.whole()) if value.whole() in _ENDING and told in _TO_COME else None


@conversion("appointment-actor")
def appointment_actor(value: Value, context: Context, argument: str) -> Any:
    """XCN (AIP-3, SCH-12, SCH-16…) as participant of an appointment; `argument` is its role, beside AIP-4."""
    found = None if no_person(value, context) else xcn(value, context, "")
    if found is None:
        return None
    entry: dict[str, Any] = {"actor": found, **_state(value, context)}
    if argument:
        coding = {"system": _PARTICIPATION, "code": argument, "display": "primary performer"}
        kind = cwe(value.sibling(4), context, "HL70182")
        entry["type"] = [{"coding": [coding]}, *([kind] if kind else [])]
    return entry


@conversion("resource-actor")
def resource_actor(value: Value, context: Context, argument: str) -> Any:
    """AIG-3 as participant by its name, of the type AIG-4 says (a device, a team, a vehicle), or a person it names."""
    if is_person(value):
        return appointment_actor(value, context, "")
    label = " / ".join(part for part in (value.text(2), value.text(1)) if part)
    kind = cwe(value.sibling(4), context, "")
    entry = {"actor": {"type": argument, "display": label}, **_state(value, context)}
    return {**entry, **({"type": [kind]} if kind else {})} if label else None


@conversion("appointment-place")
def appointment_place(value: Value, context: Context, argument: str) -> Any:
    """AIL-3, the room, as participant: the Location the visit's PV1-3 would name, too."""
    place = location_reference(value, context, "")
    return {"actor": place, **_state(value, context)} if place else None


@conversion("period")
def asked_period(value: Value, context: Context, argument: str) -> Any:
    """A DR as Period."""
    return period(value, context, value.text(1), value.text(2)) or None


def _state(value: Value, context: Context) -> dict[str, Any]:
    """Status and period of a resource: `declined` when its segment is deleted (table 0206 D) or the filler says so."""
    places = _TIMES.get(value.segment.name)
    if places is None:
        return {"status": "accepted"}
    start_field, length_field, status_field = places
    told = value.other(status_field)
    status = listed(context.codes("hl70278-participant"), told) if told else "accepted"
    if told and status is None:
        context.problems.append(value.sibling(status_field).problem("code.unmapped", table="hl70278", code=told[:20]))
    state: dict[str, Any] = {"status": "declined" if value.other(2) == "D" else status or "accepted"}
    start = parse_dtm(value.other(start_field), context.zone)
    if isinstance(start, datetime.datetime):
        state["period"] = {"start": start.isoformat()}
        length = _minutes(value.other(length_field), value.other(length_field + 1))
        if length is not None:
            state["period"]["end"] = (start + datetime.timedelta(minutes=length)).isoformat()
    return state
