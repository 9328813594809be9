"""Which ADT event tells a change of a record: by status before and after, class and place (tables `out-adt-…`)."""

from __future__ import annotations

from typing import Any

from canonical.extensions import EXTENSIONS
from mappings.tables.table import codes

EVENTS, STRUCTURES = "out-adt-event", "out-adt-structure"
_INPATIENT = ("IMP", "ACUTE", "NONAC")
_OVER = ("finished", "cancelled", "entered-in-error")
_TEMPORARY = EXTENSIONS["temporary-location"]


def visit_event(before: dict[str, Any] | None, after: dict[str, Any]) -> str:
    """The event of a changed Encounter; `before` is None for a new one. A08 where nothing more is to be told."""
    table = codes(EVENTS)
    old, new = (before or {}).get("status", ""), after.get("status", "")
    kind = after.get("class", {}).get("code", "")
    if before is None or old != new:
        return table.get(f"{old}.{new}.{kind}") or table.get(f"{old}.{new}") or "A08"
    was = before.get("class", {}).get("code", "")
    if was and kind and (was in _INPATIENT) != (kind in _INPATIENT):
        return table["class.IMP" if kind in _INPATIENT else "class.other"]
    return table["moved"] if place(before) != place(after) and place(after) else "A08"


def person_event(before: dict[str, Any] | None, after: dict[str, Any]) -> str:
    """The event of a changed Patient."""
    table = codes(EVENTS)
    if before is None:
        return table["person.new"]
    merged = survivor(after) and not survivor(before)
    return table["person.merged" if merged else "person.changed"]


def survivor(body: dict[str, Any]) -> str:
    """The reference of the patient that replaces this one; empty when none does."""
    links = (link for link in body.get("link", ()) if link.get("type") == "replaced-by")
    return next((str(link.get("other", {}).get("reference", "")) for link in links), "")


def place(body: dict[str, Any]) -> dict[str, Any]:
    """Where the patient is: the last location that is not a past one."""
    found = [one for one in body.get("location", ()) if one.get("status") in ("active", None)]
    return dict(found[-1].get("location", {})) if found else {}


def left(body: dict[str, Any]) -> dict[str, Any]:
    """The place a visit that is over was in last; a temporary place beside the bed only where it had no bed."""
    if body.get("status") not in _OVER:
        return {}
    stays = [one for one in body.get("location", ()) if one.get("status") == "completed"]
    beds = [one for one in stays if not any(e.get("url") == _TEMPORARY for e in one.get("extension", ()))]
    found = beds or stays
    return dict(found[-1].get("location", {})) if found else {}


def message_type(event: str) -> str:
    """MSH-9 of an event: `ADT^A04^ADT_A01`."""
    return f"ADT^{event}^{codes(STRUCTURES)[event]}"
