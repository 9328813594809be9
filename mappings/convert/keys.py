"""Conversions to business keys: what finds a record again (targets `@key` and `@from`)."""

from __future__ import annotations

from typing import Any

from canonical import codes as systems
from canonical.records import Key
from mappings.convert.registry import Context, Value, conversion


@conversion("cx-key")
def cx_key(value: Value, context: Context, argument: str) -> Any:
    """CX as key, compared with assigning authority and type, never bare."""
    number = value.text(1)
    if not number:
        return None
    system, compact = systems.identifier_system(value.text(5).upper(), value.text(4), value.text(4, 2), number)
    return Key(system, compact)


@conversion("visit-key")
def visit_key(value: Value, context: Context, argument: str) -> Any:
    """The visit number of PV1-19 (PV1-50) as key; the sending facility scopes one without authority."""
    number = value.text(1)
    if not number:
        return None
    authority = value.text(4) or context.message.header.text(4) or "local"
    return Key(systems.local_system(authority, "VN"), number)


@conversion("visit-identifier")
def visit_identifier(value: Value, context: Context, argument: str) -> Any:
    """The visit number as Identifier (type VN), in the system its key has."""
    key = visit_key(value, context, argument)
    if key is None:
        return None
    kind = {"coding": [{"system": systems.V2_0203, "code": "VN"}]}
    return {"type": kind, "system": key.system, "value": key.value}
