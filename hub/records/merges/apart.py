"""Patients an A37 told apart: noted on both with the time of the event, so that an older merge or link does nothing."""

from __future__ import annotations

import datetime
from typing import Any

from canonical import local
from canonical.records import Draft

APART = "urn:ponte:apart"
Body = dict[str, Any]


def noted(body: Body, other: str, draft: Draft) -> Body:
    """`body` with the note that it is not the patient `other`, since the event of `draft`."""
    if draft.event_at is None or _since(body, other, draft.event_at):
        return body
    meta = dict(body.get("meta") or {})
    kept = [item for item in meta.get("extension", ()) if not _of(item, other)]
    parts = [
        {"url": "from", "valueReference": {"reference": f"Patient/{other}"}},
        {"url": "at", "valueInstant": draft.event_at.isoformat()},
    ]
    return {**body, "meta": {**meta, "extension": [*kept, {"url": APART, "extension": parts}]}}


def are_apart(bodies: dict[tuple[str, str], Body | None], one: str, two: str, draft: Draft) -> bool:
    """Whether two stored patients were told apart by a later event than that of `draft`."""
    if draft.event_at is None:
        return False
    pairs = ((one, two), (two, one))
    return any(_since(bodies.get(("Patient", own)) or {}, other, draft.event_at) for own, other in pairs)


def _since(body: Body, other: str, moment: datetime.datetime) -> bool:
    notes = (item for item in body.get("meta", {}).get("extension", ()) if _of(item, other))
    return any((at := _at(item)) is not None and at > moment for item in notes)


def _of(item: Body, other: str) -> bool:
    parts = item.get("extension", ()) if item.get("url") == APART else ()
    return any(part.get("valueReference", {}).get("reference") == f"Patient/{other}" for part in parts)


def _at(item: Body) -> datetime.datetime | None:
    """When the two were told apart; None where a note that others have changed tells no time."""
    return next((at for part in item["extension"] if (at := local.instant(part.get("valueInstant")))), None)
