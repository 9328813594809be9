"""What stands beside its own field of RXA: completion, lot and manufacturer of a dose (2.5.1 §4.14.7)."""

from __future__ import annotations

import re
from typing import Any

from mappings.convert.datatypes import cwe
from mappings.convert.misplaced.plausible import DAY, misplaced_if
from mappings.convert.people import producer
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import code, date, number, plain

_COMPLETION = frozenset(("", "HL70322", "0322"))
_MAKERS = frozenset(("MVX", "HL70227", "0227"))  # the manufacturers of vaccines (RXA-17)
_ACTIONS = frozenset("ADUX")  # table 0206, of RXA-21
_GIVEN = "00"  # NIP001: a new record of who gave it
_UNSAID = (0, 999)  # amounts that say none (CDC 2.5.1 guide, RXA-6)
_LOT, _EARLY_EXPIRY = 15, 14
_DATE = re.compile(DAY + r"\Z")


def given_for_refusal(value: Value, context: Context) -> bool:
    """Whether RXA-18, why a dose was not given, is a completion (table 0322) that says it was."""
    bare = value.text(3).upper() in _COMPLETION
    return bare and context.codes("hl70322").get(value.text(1).upper()) == "completed"


def _is_maker(value: Value) -> bool:
    return value.text(3).upper() in _MAKERS


def _lot_early(value: Value) -> bool:
    """Whether lot and expiry (RXA-13, 14) stand two fields early, as the manufacturer in RXA-15 shows."""
    return _is_maker(value.sibling(_LOT)) and bool(_DATE.match(value.other(_EARLY_EXPIRY)))


@conversion("completion")
def completion(value: Value, context: Context, argument: str) -> Any:
    """RXA-20 through `codes/<argument>.csv`; told where the dose was not given by it and RXA-9 (00 of NIP001) has it as
    given, with an amount in RXA-6."""
    found = code(value, context, argument)
    amount = number(value.other(6))
    if found == "not-done" and value.other(9) == _GIVEN and amount is not None and float(amount) not in _UNSAID:
        context.problems.append(value.sibling(9).problem("field.differs", other=str(value.source)))
    return found


@conversion("refused")
def refused(value: Value, context: Context, argument: str) -> Any:
    """`not-done` where RXA-18 tells why a dose was not given; for a row behind those that read RXA-20."""
    told = (value.text(1) or value.text(2)) and not given_for_refusal(value, context)
    return "not-done" if told else None


@conversion("refusal")
def refusal(value: Value, context: Context, argument: str) -> Any:
    """RXA-18 as CodeableConcept; a completion that says the dose was given is no reason against it; told."""
    return None if misplaced_if(given_for_refusal(value, context), value, context) else cwe(value, context, argument)


@conversion("lot")
def lot(value: Value, context: Context, argument: str) -> Any:
    """RXA-15 as text; none where the manufacturer stands there, by its coding system, or the action (RXA-21); told."""
    wrong = _is_maker(value) or value.raw.strip() in _ACTIONS
    return None if misplaced_if(wrong, value, context) else plain(value, context, argument)


@conversion("early-lot")
def early_lot(value: Value, context: Context, argument: str) -> Any:
    """RXA-13 as the lot, where that stands there."""
    return plain(value, context, argument) if _lot_early(value) else None


@conversion("early-expiry")
def early_expiry(value: Value, context: Context, argument: str) -> Any:
    """RXA-14 as the expiry, where that stands there."""
    return date(value, context, argument) if _lot_early(value) else None


@conversion("early-producer")
def early_producer(value: Value, context: Context, argument: str) -> Any:
    """RXA-15 or 16 as the manufacturer, where it is that by its coding system; what else reads the field tells it."""
    return producer(value, context, argument) if _is_maker(value) else None
