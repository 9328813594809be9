"""Conversions of PL: where a patient is, was or will be (2.5.1 §2.A.53), as Location records of their own."""

from __future__ import annotations

import datetime
from typing import Any

from canonical import codes as systems
from canonical import places
from canonical.extensions import EXTENSIONS
from canonical.records import DRAFT, Key
from mappings.convert.datatypes import cwe, xad, xtn
from mappings.convert.misplaced.plausible import PHONES, USES, is_house, misplaced_if, no_place
from mappings.convert.misplaced.visits import late_admission, person_for_place
from mappings.convert.participations import performs
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import ended, parse_dtm

_PHYSICAL = "http://terminology.hl7.org/CodeSystem/location-physical-type"
_KINDS = (
    (3, "bd", "Bed"),
    (2, "ro", "Room"),
    (1, "wa", "Ward"),
    (8, "lvl", "Level"),
    (7, "bu", "Building"),
    (4, "si", "Site"),
)
_STATUS = {"assigned": "active", "prior": "completed", "temporary": "active", "prior-temporary": "completed"}
_SHORTEST_PHONE = 4  # digits
_CLASSIFICATION = "http://hl7.org/fhir/ValueSet/subject-location"
_NEXT = ("reserved", "temporary", "prior-temporary")


@conversion("location")
def location(value: Value, context: Context, argument: str) -> Any:
    """PL as Encounter.location entry; `argument`: assigned, prior, temporary, prior-temporary, reserved or planned.

    The assigned place of a visit that is only announced (PV1-2 P, or an event that plans it) is planned. PV1-42 is the
    state of the account, and no place, where the admission stands a field late, too (PV1-45); PV1-6 and 11 are none
    where who is named elsewhere stands there, PV1-11, 42 and 43 where the house of PV1-3 does (PV1-39).
    """
    if _further_place(value):
        context.problems.append(value.problem("structure.repetition-lost", target="Encounter.location"))
        return None
    late = argument == "reserved" and bool(value.other(45)) and late_admission(value.sibling(45), context)
    if misplaced_if(late, value, context):
        return None
    if argument in ("prior", "temporary") and person_for_place(value, context):
        return None
    if argument in _NEXT and misplaced_if(is_house(value), value, context):
        return None
    place = location_reference(value, context, "")
    if place is None:
        return None
    entry: dict[str, Any] = {"location": place, "status": _STATUS.get(argument, argument)}
    if argument == "assigned" and _announced(value, context):
        entry["status"] = "planned"
    if argument.endswith("temporary"):
        concept = {"coding": [{"system": _CLASSIFICATION, "code": "temporary"}]}
        entry["extension"] = [{"url": EXTENSIONS["temporary-location"], "valueCodeableConcept": concept}]
    return entry


@conversion("why-admitted")
def why_admitted(value: Value, context: Context, argument: str) -> Any:
    """PV2-3 as CodeableConcept; none where it is a place (PV2-1, some fields off): its fourth component is the house
    of PV1-3; told."""
    visit = context.above("PV1", value.segment)
    house = visit.text(3, 4) if visit is not None else ""
    placed = bool(house) and value.text(4) == house and not value.text(5)
    return None if misplaced_if(placed, value, context) else cwe(value, context, argument)


def _further_place(value: Value) -> bool:
    """Whether a place of PV1 stands behind another in its field, which does not repeat (2.5.1 §3.4.3): a visit has one
    bed, and the first was always taken."""
    if value.source.segment != "PV1":
        return False
    whole, mark = value.segment.raw_field(value.source.field), value.delimiters.repetition
    end = whole.find(mark)  # not taken apart, since each of many repetitions asks
    if end >= 0 and not whole[:end].strip(" "):
        return value.raw != next((filled for raw in whole.split(mark) if (filled := raw.strip(" "))), "")
    return end >= 0 and value.raw != whole[:end].strip(" ")


@conversion("booked-visit")
def booked_visit(value: Value, context: Context, argument: str) -> Any:
    """What an event of a schedule says of a visit first met in it (`codes/<argument>.csv`), by PV1-2.

    A patient who is in the house (I, E), or whose admission in PV1-44 is past, has a visit already.
    """
    told = context.codes(argument).get(context.event)
    if not told or value.whole() in ("I", "E"):
        return None
    began, sent = (parse_dtm(text, context.zone) for text in (value.other(44), context.message.header.text(7)))
    both = isinstance(began, datetime.datetime) and isinstance(sent, datetime.datetime)
    return None if told == "planned" and both and began <= sent else told  # type: ignore[operator]


@conversion("location-reference")
def location_reference(value: Value, context: Context, argument: str) -> Any:
    """PL as reference to a Location, found again by facility, building, floor, point of care, room and bed."""
    label = location_label(value)
    if not label or no_place(value, context):
        return None
    key = location_key(value, context, argument)
    local = context.emit("Location", key, location_body(value, key, label))
    return {
        "reference": DRAFT + local,
        "type": "Location",
        "identifier": {"system": key.system, "value": key.value},
        "display": label,
    }


@conversion("provider-place")
def provider_place(value: Value, context: Context, argument: str) -> Any:
    """PRD-4, where a provider works, as reference; none where the address (PRD-3) stands there, a field late; told."""
    late = misplaced_if(_late_provider(value), value, context)
    return None if late else location_reference(value, context, argument)


@conversion("late-contact")
def late_contact(value: Value, context: Context, argument: str) -> Any:
    """PRD-4 as Address, or PRD-6 as telephones, where they stand a field late."""
    if not _late_provider(value):
        return None
    return xad(value, context, "") if argument == "address" else xtn(value, context, "")


def _late_provider(value: Value) -> bool:
    """Whether a PRD is a field late from PRD-3 on: that is empty, and PRD-6, a code, holds a telephone of PRD-5."""
    phone = value.sibling(6)
    known = {phone.text(2).upper(), phone.text(3).upper()} & (USES | PHONES)
    return not value.other(3) and bool(known) and sum(c.isdigit() for c in phone.raw) > _SHORTEST_PHONE


@conversion("place-as-subject")
def place_as_subject(value: Value, context: Context, argument: str) -> Any:
    """PV1-3 as what a diet is for in a message without PID (2.5.1 §4.8.1: that of a ward); that is told.

    An examination without PID has lost it.
    """
    of_place = context.message.first("PID") is None and context.message.first("ODS") is not None
    place = location_reference(value, context, "") if of_place else None
    context.problems += [value.problem("semantic.order-of-place")] if place else []
    return place


@conversion("taking-place")
def taking_place(value: Value, context: Context, argument: str) -> Any:
    """PRT-9, the place of a participation, unless the segment ends it; PRT-14 is its address where no other is named.

    `argument` is the kind of record in which the role must perform something, and, after a comma, the extension that
    holds the place where R4 has no element for it.
    """
    kind, _, extension = argument.partition(",")
    here = not ended(value, context) and performs(value, context, kind)
    place = location_reference(value, context, "") if here else None
    if place is None:
        return None
    if not value.segment.raw_field(5) and not value.segment.raw_field(8) and value.segment.raw_field(14):
        draft = context.emitted["Location", Key(place["identifier"]["system"], place["identifier"]["value"])]
        address = xad(value.sibling(14), context, "")
        draft.initial = {**({"address": address} if address else {}), **draft.initial}
    return {"url": EXTENSIONS[extension], "valueReference": place} if extension else place


@conversion("related-place")
def related_place(value: Value, context: Context, argument: str) -> Any:
    """LRL-4 PAR: the place this one is part of (LRL-6). Other relations, and one that is deleted, are told (§8.9.3)."""
    place, over = value.sibling(6), ended(value, context)
    if value.text(1) != "PAR" or over or not place.raw:
        context.problems.append(value.problem("semantic.place-relation", code=value.text(1)[:20]))
        return None
    return location_reference(place, context, "")


@conversion("location-key")
def location_key(value: Value, context: Context, argument: str) -> Any:
    """The key of a PL: its parts in order, scoped by authority (PL-11), facility (PL-4) or sender."""
    label = location_label(value)
    authority = value.text(11) or value.text(4) or context.sender
    return Key(systems.local_system(authority, "PL"), label) if label else None


@conversion("location-name")
def location_name(value: Value, context: Context, argument: str) -> Any:
    """PL as the text people read."""
    return location_label(value) or None


@conversion("location-type")
def location_type(value: Value, context: Context, argument: str) -> Any:
    """What the most detailed part of a PL is: bed, room, ward, level, building or site."""
    return _physical(value)


@conversion("location-identifier")
def location_identifier(value: Value, context: Context, argument: str) -> Any:
    """The key of a PL as Identifier."""
    key = location_key(value, context, argument)
    return {"system": key.system, "value": key.value} if key else None


@conversion("location-parts")
def location_parts(value: Value, context: Context, argument: str) -> Any:
    """Which parts of a PL its label joins, as extension, where the label does not read as them."""
    key = location_key(value, context, argument)
    return places.unusual(_parts(value), _kind(value), key.system) if key else None


def _parts(value: Value) -> dict[int, str]:
    """The parts of a PL. Monitors send ward and bed as subcomponents of the bed (`^^UTI&Leito5&0&0`), with no ward and
    room before them; those of an HD (2.7 on) name the kind of its universal identifier."""
    parts = {number: value.text(number) for number in places.ORDER}
    bed, kind = value.text(places.BED, 2), value.text(places.BED, 3)
    if bed and not kind.isalpha() and not parts[places.WARD] and not parts[places.ROOM]:
        return {**parts, places.WARD: parts[places.BED], places.BED: bed}
    return parts


def _kind(value: Value) -> str:
    concept = _physical(value)
    return str(concept["coding"][0]["code"]) if concept else ""


def location_label(value: Value) -> str:
    """Facility, building, floor, point of care, room, bed; else the description of PL-9 or the identifier of PL-10."""
    return places.label(_parts(value)) or value.text(9) or value.text(10)


def location_body(value: Value, key: Key, label: str) -> dict[str, Any]:
    """The gaps of a Location that a PL can fill."""
    body: dict[str, Any] = {
        "identifier": [{"system": key.system, "value": key.value}],
        "name": label,
        "mode": "instance",
    }
    if (number := _number(value)) is not None:
        body["identifier"].append(number)
    if (kind := _physical(value)) is not None:
        body["physicalType"] = kind
    if (parts := places.unusual(_parts(value), _kind(value), key.system)) is not None:
        body["extension"] = [parts]
    if (text := value.text(9)) and text != label:
        body["description"] = text
    return body


def _number(value: Value) -> dict[str, Any] | None:
    """PL-10, the house's own number of the place, beside its parts; in the namespace it says or of PL-11 or 4."""
    if not value.text(10) or value.text(10) == location_label(value):
        return None
    authority = value.text(10, 2) or value.text(10, 3) or value.text(11) or value.text(4)
    return {"system": systems.local_system(authority, "PLN"), "value": value.text(10)} if authority else None


def _physical(value: Value) -> dict[str, Any] | None:
    for number, code, display in _KINDS:
        if value.text(number):
            return {"coding": [{"system": _PHYSICAL, "code": code, "display": display}]}
    return None


def _announced(value: Value, context: Context) -> bool:
    if value.other(2) == "P" or context.codes("adt-event-status").get(context.event) == "planned":
        return True
    return bool(booked_visit(value.sibling(2), context, "schedule-visit-status") == "planned")
