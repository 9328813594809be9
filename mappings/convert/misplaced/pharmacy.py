"""Medicines, doses and numbers of prescriptions whose content names itself as that of another field; it is told."""

from __future__ import annotations

import re

from hl7.er7 import Segment
from mappings.convert.misplaced.plausible import MOMENT, NAMES, is_person, misplaced_if
from mappings.convert.registry import Context, Value
from mappings.convert.text import number
from mappings.tables.table import Source

_NAMED = re.compile(r"[^\W\d_]{4}")
_DOSE = {"RXE": 3, "RXO": 2}  # the field behind that of the medicine


def counted_medicine(value: Value, context: Context) -> bool:
    """Whether a medicine's code is a segment's count, with the medicine in the field behind it; it is told."""
    following = value.segment.raw_field(value.source.field + 1)
    if len(value.raw) <= 2 and value.raw.isdigit() and value.delimiters.component in following:
        context.problems.append(value.problem("field.misplaced"))
        return True
    return False


def medicine_for_dose(segment: Segment) -> bool:
    """Whether the medicine stands where its dose belongs (RXE-3, RXO-2), a field late, its own field being empty.

    A code of a list, or one that is no number, with a name: `1^comprimido` is a dose. Which of the fields behind it is
    the dose cannot be known then.
    """
    field = _DOSE.get(segment.name, 0)
    if not field or segment.raw_field(field - 1) or segment.delimiters.component not in segment.raw_field(field):
        return False
    value = Value(segment.raw_field(field), Source(segment.name, field), segment)
    coded = bool(value.text(3)) or number(value.text(1)) is None
    return coded and bool(_NAMED.match(value.text(2)))


def dose_for_medicine(value: Value, context: Context) -> Segment | None:
    """The prescription that says the medicine where RXD-2 is a bare number, its dose: the RXE, else the RXO, below the
    same ORC, with a medicine of another code and that dose, or where RXD-2 has decimals, as no code has."""
    said = value.raw
    if value.source.segment != "RXD" or not said.replace(".", "", 1).isdigit():
        return None
    order = context.above("ORC", value.segment)
    for name, medicine, amount in (("RXE", 2, 3), ("RXO", 1, 2)):
        above = context.above(name, value.segment)
        if above is None or (order is not None and above.index < order.index) or not above.raw_field(medicine):
            continue
        if above.ask(medicine) != said and ("." in said or above.ask(amount) == said):
            return above
    return None


def no_prescription(value: Value, context: Context) -> bool:
    """Whether words, a moment or a professional (RXE-13) stand where a prescription's number belongs (RXE-15, RXD-7);
    all that say the same would share it. It is told."""
    words = bool(value.text(1)) and not any(c.isdigit() for c in value.raw)
    return misplaced_if(words or bool(MOMENT.match(value.raw)) or is_person(value), value, context)


def giver_for_note(value: Value) -> bool:
    """Whether RXA-9, a note, is who gave the dose (RXA-10, empty then), a field early: number and names with a title,
    or nothing but two names."""
    alone = not value.text(1) and NAMES.match(value.text(2)) and NAMES.match(value.text(3)) and not value.text(4)
    return not value.other(10) and (is_person(value) or bool(alone))
