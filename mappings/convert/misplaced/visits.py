"""Numbers and times of a visit that stand beside their own field of PV1."""

from __future__ import annotations

import re

from canonical.identity import fold
from mappings.convert.misplaced.plausible import BARE_DAY, DAY, MOMENT, SERVICES, misplaced_if
from mappings.convert.registry import Context, Value

_COMING = frozenset(("ADT^A01", "ADT^A02", "ADT^A04", "ADT^A06", "ADT^A07"))
_NUMBERED_LONG = re.compile(r"[A-Za-z]{0,3}[0-9]{4,}\Z")
_LONGER = re.compile(r"[A-Za-z]{0,5}[0-9]{8,}\Z|[A-Za-z][A-Za-z0-9]{3,11}[0-9]{8,}\Z")  # no financial class is so long
_FIVE_DIGITS = re.compile(r"[0-9]{5,}\Z")
_CASE = re.compile(r"[A-Za-z]{1,8}[-_]?[0-9]{4,}\Z")
_BARE_VISIT = re.compile(r"V[0-9]{5,}\Z")
_OTHER_LETTER = re.compile(r"[A-UW-Za-uw-z][0-9]{3,}\Z|[0-9]{4,}\Z")
_ARRIVING = frozenset(("ADT^A01", "ADT^A04"))
_STATE = 41
_PRICE = 21
_COUNT = 2  # digits
_OTHER_NUMBERS = frozenset((("PV1", 50), ("MRG", 6)))
_AMOUNTS = range(46, 50)  # balance, charges, adjustments, payments
_VISIT = re.compile(
    r"(?:(?:VN|VIS|VISIT|ENC|ADM|ATD|ATEND)[-_]?|V[-_])[0-9][0-9_-]{4,}\Z"
    r"|[A-Z]{1,8}[-_]?" + DAY + r"[-_]?[0-9]{2,8}\Z"  # a day and a count, as no professional's has
)


def late_admission(value: Value, context: Context) -> bool:
    """Whether PV1-45, the discharge, is the admission for which PV1-44 is empty: the patient comes or is here now, or
    the visit's number is a field late too, or early and no event is told, or the discharge stands behind it."""
    if value.other(44):
        return False
    if among_amounts(value.sibling(45)):
        return True
    alone = context.message.first("EVN") is None and stray_visit(value.sibling(18))
    return context.message.type in _COMING or late_visit(value) or alone


def among_amounts(value: Value) -> tuple[int, int] | None:
    """The fields of PV1-45 to 49 that hold admission and discharge, some fields late: PV1-44 is empty, and of these,
    most of them amounts, two are moments, the earlier first. None where it is not so."""
    if value.source.segment != "PV1" or value.other(44):
        return None
    found = [number for number in (45, *_AMOUNTS) if MOMENT.match(value.other(number))]
    if len(found) != 2 or value.other(found[0])[:12] >= value.other(found[1])[:12]:
        return None
    return found[0], found[1]


def no_discharge(value: Value, context: Context) -> bool:
    """Whether PV1-45 says no discharge: the number of the visit stands in PV1-18, a field early, PV1-44 is empty and
    the message tells none (A03); what was meant cannot be known."""
    return not value.other(44) and context.message.type != "ADT^A03" and stray_visit(value.sibling(18))


def is_patient(value: Value, context: Context) -> bool:
    """Whether a professional (XCN) is the patient: the bare number of PID-3 with the surname of PID-5. As a record it
    would be one of who ordered, under a number of the patient; it is told."""
    if value.text(9) or value.text(13) or not value.text(1) or not value.text(2):
        return False

    def patients() -> set[tuple[str, str]]:
        found = context.message.named("PID")
        return {(pid.text(3, 1, 1, n), pid.ask(5).casefold()) for pid in found for n in range(len(pid.repetitions(3)))}

    return misplaced_if(
        (value.text(1), value.text(2).casefold()) in context.once("numbers of PID-3 with PID-5", patients),
        value,
        context,
    )


_PEOPLE = {"PV1": (7, 8, 9, 17), "ORC": (12,), "OBR": (16,), "TXA": (5, 9, 10)}  # who is named by number and name
_SHORTEST = 4  # characters of a number that says whose it is


def person_for_place(value: Value, context: Context) -> bool:
    """Whether an earlier or a temporary place (PV1-6, 11) is a person whom the message names elsewhere: by number and
    both names, or by the number alone; or behind letters of the names. The number is no place's; it is told."""

    def named() -> set[tuple[str, str, str]]:
        found = [(s, n) for kind, fields in _PEOPLE.items() for s in context.message.named(kind) for n in fields]
        return {(s.text(n), s.text(n, 2), s.text(n, 3)) for s, n in found if s.text(n) and s.text(n, 2)}

    here = (value.text(1), value.text(2), value.text(3))
    people = context.once("people by number and names", named)
    alone = value.raw == here[0] and len(here[0]) >= _SHORTEST and here[0] in {person[0] for person in people}
    return misplaced_if(here in people or alone or _called_by_name(*here), value, context)


def _called_by_name(code: str, surname: str, given: str) -> bool:
    """Whether letters before two names are made of these, as sign-on names are: both initials, or an initial with the
    surname (`LC`, `lcosta`, `costal`). No ward is called by its room and bed."""
    letters, names = fold(code).casefold(), [fold(name).casefold() for name in (surname, given)]
    if not code.isalpha() or not all(len(name) > 1 and name.replace(" ", "").isalpha() for name in names):
        return False
    last, first = (name.replace(" ", "") for name in names)
    return letters in {first[0] + last[0], last[0] + first[0], first[0] + last, last + first[0], first + last}


def late_visit(value: Value) -> bool:
    """Whether the number of the visit (PV1-19) stands bare in PV1-20, the financial class, a field late, as the rest of
    the segment does: PV1-44 is empty, and PV1-19 a class or a service (`OP`), or empty beside a long number, or it, or
    letters alone (`EN`), beside one of letters and digits where a moment shows that the times are late, too; or called
    one by its type (VN), wherever the times are."""
    before, here = value.other(19).upper(), value.other(20)
    if value.source.segment == "PV1" and not before and value.other(20, 5) == "VN":
        return True
    if value.source.segment != "PV1" or value.other(44):
        return False
    if before in SERVICES:
        return bool(_NUMBERED_LONG.match(here))
    late = bool(_CASE.match(here)) and any(MOMENT.match(value.segment.raw_field(n)) for n in (45, *_AMOUNTS))
    return late and before.isalpha() if before else late or bool(_LONGER.match(here))


def counted_visit(value: Value) -> bool:
    """Whether PV1-50, another number of the visit, is the bare count of the patient's visits (`1`, `12`), as some
    senders have it: the first visits of all patients would be one."""
    bare = value.raw == value.text(1) and value.raw.isdigit() and len(value.raw) <= _COUNT
    return bare and (value.source.segment, value.source.field) in _OTHER_NUMBERS


def stray_visit(value: Value) -> bool:
    """Whether PV1-17, who admitted, or PV1-18, the type of patient, is the number of the visit, a field or two early:
    called one by its type (VN), its letters (`VN`, `ADM`), or `V` and digits, or made of letters, a day and a count,
    and PV1-19 is empty; or PV1-21, a field of plain codes, two fields late, by its type alone.

    A `V` may begin a professional's number, unless those of the house begin with another letter or have none (PV1-7).
    """
    field = value.source.field
    if value.source.segment != "PV1" or field not in (17, 18, _PRICE) or value.other(19):
        return False
    if value.text(5) == "VN" or field == _PRICE:
        return value.text(5) == "VN" and bool(value.text(1)) and not value.text(2) and not value.text(3)
    number = value.raw.upper()
    lettered = field == 18 or bool(_OTHER_LETTER.match(value.other(7)))
    return bool(_VISIT.match(number)) or (lettered and bool(_BARE_VISIT.match(number)))


def lost_visit(value: Value) -> bool:
    """Whether PV1-18, the type of patient, is a bare number of five digits and more, for which PV1-19 is empty: it may
    be the visit's, and a type with a long code as well. It is told."""
    return value.source.field == 18 and bool(_FIVE_DIGITS.match(value.raw)) and not value.other(19)


def early_admission(value: Value, context: Context) -> bool:
    """Whether PV1-40 or PV1-41, the states of bed and account, PV1-42 or PV1-43, places, is the admission, up to four
    fields early: a moment, with PV1-44 empty (or, of PV1-41, the discharge there, later) and PV1-45 empty.

    A place is it only where the patient comes, or no event is told: else it may be the time of the event; or in a
    discharge (A03), where PV1-44 is a later moment.
    """
    start, then = value.raw, value.other(44)
    day = value.source.field <= _STATE and bool(BARE_DAY.match(start))  # a place may be called by eight digits
    if not (day or MOMENT.match(start)) or value.other(45):
        return False
    if value.source.field > _STATE and then:
        left = context.message.type == "ADT^A03" and bool(MOMENT.match(then))
        return left and then[:12] > start[:12]
    if value.source.field > _STATE:
        return not then and (context.message.type in _ARRIVING or context.message.first("EVN") is None)
    return not then or bool(value.source.field == _STATE and MOMENT.match(then) and then[:12] > start[:12])
