"""Charges (FT1) whose fields stand off, and numbers that are not those of one charge."""

from __future__ import annotations

import re

from canonical.identifiers import compact, is_sigtap, is_tuss
from hl7.er7 import Segment
from mappings.convert.misplaced.plausible import DAY, misplaced_if
from mappings.convert.registry import Context, Value
from mappings.convert.text import listed
from mappings.tables.table import codes

_DATE = re.compile(DAY + r"\Z")
_SUM = re.compile(r"[0-9]{3,}(?:[.,][0-9]{1,4})?\Z|[0-9]+[.,][0-9]{1,4}\Z")
_PROCEDURE = 25
_CREDIT = "not-billable"  # codes/hl70017.csv


def shifted_charge(charge: Segment) -> bool:
    """Whether FT1 is a field short or long: its day (FT1-4) is none, nor its kind (FT1-6, table 0017) or service."""
    day, kind, service = charge.ask(4), charge.ask(6), charge.ask(7)
    if _DATE.match(charge.ask(2)) and _DATE.match(charge.ask(3)[:8]):  # two days where number and batch belong
        return True
    return bool(day) and not _DATE.match(day[:8]) and (kind not in codes("hl70017") or not service)


def far_off(charge: Segment) -> bool:
    """Whether FT1 is so far off that its code and count cannot be known: the kind (FT1-6, table 0017) is an amount, or
    neither it nor the day (FT1-4) is one."""
    day, kind = charge.ask(4), charge.ask(6)
    if not kind or kind in codes("hl70017"):
        return False
    return bool(_SUM.match(kind)) or (bool(day) and not _DATE.match(day[:8]))


def nothing_charged(value: Value) -> bool:
    """Whether FT1-7 or 25 says no service, as that of a charge `far_off` does not; one of TUSS or SIGTAP says so by
    its check digit."""
    code = value.text(1)
    return far_off(value.segment) and not is_tuss(code) and not is_sigtap(compact(code))


def shared_transaction(value: Value, context: Context) -> bool:
    """Whether FT1-2, a transaction's number, stands in this message with another service (FT1-7, 25, 8) too, or is
    charged on another day (FT1-4). A credit of it may have its own day."""

    def shared() -> set[str]:
        services: dict[str, set[str]] = {}
        days: dict[str, set[str]] = {}
        for one in context.message.named("FT1"):
            services.setdefault(one.ask(2), set()).add(one.ask(7) or one.ask(25) or one.ask(8))
            if listed(context.codes("hl70017"), one.ask(6)) != _CREDIT:
                days.setdefault(one.ask(2), set()).add(one.ask(4)[:8])
        return {number for found in (services, days) for number, each in found.items() if len(each) > 1}

    return value.text(1).strip() in context.once("shared FT1-2", shared)


def order_for_procedure(value: Value, context: Context) -> bool:
    """Whether FT1-25, the code of a procedure, is the number of an order of this message (ORC-2, 3, OBR-2, 3), which
    FT1-23 has; told. Not where it is of TUSS or SIGTAP, as its check digit says, or the code of what is ordered."""
    code = value.text(1)
    if value.source.field != _PROCEDURE or not code or is_tuss(code) or is_sigtap(compact(code)):
        return False

    def numbers() -> set[str]:
        orders = [one for name in ("ORC", "OBR") for one in context.message.named(name)]
        named = {one.ask(4) for one in orders if one.name == "OBR"}
        return {number for one in orders for field in (2, 3) if (number := one.ask(field))} - named

    bare = not value.text(3)
    return misplaced_if(bare and code in context.once("order numbers", numbers), value, context)
