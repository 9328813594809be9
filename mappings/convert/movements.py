"""Conversions of ZBE, the movement of a visit with a number of its own (IHE ITI TF-2 3.30.5.4).

With the number a sender corrects or cancels a movement that others have followed since.
"""

from __future__ import annotations

from typing import Any

from canonical import codes as systems
from canonical.records import Key
from mappings.convert.datatypes import cwe
from mappings.convert.keys import ei_key
from mappings.convert.people import xon
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import date_time, listed

_ACT, _PAST, _FORMER = 4, 5, 6  # ZBE: what to do with the movement, whether it is historical, the event it began with


@conversion("movement-number")
def movement_number(value: Value, context: Context, argument: str) -> Any:
    """ZBE-1, a number of the movement; some senders put its authority where a CX has it (`12^^^HIS`)."""
    key = ei_key(value, context, argument)
    if isinstance(key, Key) and key.loose and value.text(4):
        key = Key(systems.local_system(value.text(4), argument), key.value)
    return {"numbers": (key,)} if key is not None else None


@conversion("movement-act")
def movement_act(value: Value, context: Context, argument: str) -> Any:
    """ZBE-4 by `codes/<argument>.csv`, with what the event of the movement does to places and status.

    A correction or cancellation names that event in ZBE-6; without it, and for a new movement, it is the message's.
    """
    act = listed(context.codes(argument), value.whole())
    if act is None:
        context.problems.append(value.problem("code.unmapped", table=argument, code=value.whole()[:20]))
    event = (value.other(_FORMER) if act != "insert" else "") or context.event
    change, status = (context.codes(f"adt-event-{name}").get(event, "") for name in ("action", "status"))
    return {"act": act or "insert", "change": change, "status": status}


@conversion("movement-past")
def movement_past(value: Value, context: Context, argument: str) -> Any:
    """ZBE-5, whether later movements stand already."""
    return {"past": True} if value.whole().upper() == "Y" else None


@conversion("movement-end")
def movement_end(value: Value, context: Context, argument: str) -> Any:
    """ZBE-3, the end of the movement (withdrawn by IHE, sent in Germany)."""
    ends = date_time(value, context, "")
    return {"ends": ends} if ends and len(ends) > 10 else None  # a day alone is no moment


@conversion("movement-began")
def movement_began(value: Value, context: Context, argument: str) -> Any:
    """ZBE-2, when the movement took effect; a cancellation takes effect at its own time."""
    act = listed(context.codes("zbe-act"), value.other(_ACT))
    return None if act in ("cancel", "refer") else value.whole() or None


@conversion("movement-recorded")
def movement_recorded(value: Value, context: Context, argument: str) -> Any:
    """ZBE-2 as the time that orders a historical movement (ZBE-5 Y) among the others: what is newer stays.

    The cancellation of a whole visit stands above all its movements.
    """
    over = context.codes("adt-event-status").get(context.event) == "cancelled"
    return value.whole() if value.other(_PAST).upper() == "Y" and not over else None


@conversion("movement-ward")
def movement_ward(value: Value, context: Context, argument: str) -> Any:
    """ZBE-7 or ZBE-8, the ward responsible, as extension `argument` of the movement."""
    ward = xon(value, context, "")
    return {"about": ({"url": argument, "valueReference": ward},)} if ward else None


@conversion("movement-scope")
def movement_scope(value: Value, context: Context, argument: str) -> Any:
    """ZBE-9, what the movement changes (bed, ward, nursing), as extension `argument` of the movement."""
    scope = cwe(value, context, "")
    return {"about": ({"url": argument, "valueCodeableConcept": scope},)} if scope else None
