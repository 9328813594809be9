"""What stands where an order names the one it is a part of (ORC-8) and cannot be its number."""

from __future__ import annotations

from hl7.er7 import Segment
from mappings.convert.misplaced.plausible import (
    BARE_DAY,
    MOMENT,
    NAMES,
    are_of_timing,
    is_person,
    urgency_for_number,
)
from mappings.convert.registry import Value
from mappings.tables.table import Source

_LOCAL = frozenset("LMN")  # table 0301: a house's own kinds of universal identifiers


def no_parent(order: Segment) -> bool:
    """Whether ORC-8, the number of the order this is a part of, holds a moment, a day, a TQ, the order's urgency, or a
    person."""
    return urgency_for_number(order, 8) or moment_for_number(order) or _person_for_number(order)


def _person_for_number(order: Segment) -> bool:
    """Whether ORC-8 is a number with names behind it: a name in EI-3, where an OID, a UUID or a domain belongs, or an
    XCN with its title."""
    value = Value(order.raw_field(8), Source("ORC", 8), order)
    if order.delimiters.sub in value.raw or not any(map(str.isdigit, value.text(1))):
        return False
    typed = value.text(4) in _LOCAL  # of EI-4, which may be a middle letter too
    named = all(NAMES.match(value.text(n)) for n in (2, 3)) and len(value.text(4)) <= 1 and not typed
    return named or is_person(value)


def moment_for_number(order: Segment) -> bool:
    """Whether ORC-8, the parent's number, is the moment or day of ORC-9, which is empty or has the person of ORC-10, or
    the TQ of ORC-7."""
    time = MOMENT.match(order.ask(8)) or BARE_DAY.match(order.raw_field(8))
    if time and (not order.raw_field(9) or order.ask(9, 2)):
        return True
    return are_of_timing(order.ask(8), order.ask(8, 2), order.ask(8, 4))
