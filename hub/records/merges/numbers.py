"""Numbers (identifiers) of a record that merges and changes of number make of those it had."""

from __future__ import annotations

from typing import Any

Identifiers = list[dict[str, Any]]


def as_old(prior: Identifiers, current: Identifiers) -> Identifiers:
    """Identifiers marked as no longer in use, those that are still current left out."""
    kept = {name(item) for item in current}
    return [{**item, "use": "old"} for item in prior if name(item) not in kept]


def united(present: Identifiers, said: Identifiers) -> Identifiers:
    """Both lists; what is said of an identifier replaces what was held of it."""
    told = {name(item) for item in said}
    return [*(item for item in present if name(item) not in told), *said]


def name(identifier: dict[str, Any]) -> tuple[str, str]:
    """What makes two identifiers the same: system and value."""
    return str(identifier.get("system", "")), str(identifier.get("value", ""))
