"""Conversions of PRT, a participation (HL7 v2.9 §7.3.4): who, in which role of table 0912, and where as a performer.

`codes/hl70912-performs.csv` says of each role in what kinds of records it performs something; where a role has no place
the field makes nothing, which is told. A role that the table does not list is the sender's own word for a performer.
"""

from __future__ import annotations

from typing import Any

from mappings.convert.people import reachable, xcn, xon
from mappings.convert.published import coding_of
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import ended, listed

_PERFORMS = "hl70912-performs"


@conversion("taking-part")
def taking_part(value: Value, context: Context, argument: str) -> Any:
    """PRT-5 as a person in the role `argument` of PRT-4 (table 0912)."""
    return _person(value, context) if value.other(4) == argument else None


@conversion("taking-part-performer")
def taking_part_performer(value: Value, context: Context, argument: str) -> Any:
    """PRT-5 as who performs a record of the kind `argument`, by the role of PRT-4."""
    return _person(value, context) if performs(value, context, argument) else None


@conversion("taking-part-actor")
def taking_part_actor(value: Value, context: Context, argument: str) -> Any:
    """PRT-5 as the `actor` of a performer of the kind `argument`, with its role of table 0912."""
    found = _person(value, context) if performs(value, context, argument) else None
    if found is None:
        return None
    role, text = value.other(4), value.other(4, 2)
    coding = [coding_of("0912", role, text, value.other(4, 3))] if role else []
    return {**({"function": {"coding": coding}} if coding else {}), "actor": found}


@conversion("taking-part-organization")
def taking_part_organization(value: Value, context: Context, argument: str) -> Any:
    """PRT-8 as an organization, unless the segment ends the participation; the contacts are a person's where one is."""
    if ended(value, context) or not performs(value, context, argument):
        return None
    return reachable(value, context, xon(value, context, ""), "" if value.segment.raw_field(5) else "14,15")


def performs(value: Value, context: Context, kind: str) -> bool:
    """Whether the role of this participation performs something in records of that kind: `order`, `result`, `dose` or
    `procedure`."""
    kinds = listed(context.codes(_PERFORMS), value.other(4)) if value.other(4) else None
    return kinds is None or kind in kinds.split()


def _person(value: Value, context: Context) -> dict[str, Any] | None:
    """PRT-5 as a person, unless the segment ends the participation."""
    return None if ended(value, context) else reachable(value, context, xcn(value, context, ""), "14,15")
