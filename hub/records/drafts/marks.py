"""What a stored record remembers of its events in `meta`: when they happened, by the address of what is noted."""

from __future__ import annotations

import datetime
from typing import Any

from canonical import local

EVENT_TIME = "urn:ponte:event-time"
STATUS_TIME = "urn:ponte:status-time"
NULLED = "urn:ponte:nulled"
BEFORE_ALL = datetime.datetime(1900, 1, 1, tzinfo=datetime.UTC)  # of a status that no event told


def told_at(body: dict[str, Any], url: str = EVENT_TIME) -> datetime.datetime | None:
    """The time of the latest event a stored record tells of (a meta extension), or None.

    Whoever may write the record may have put something else under that address; then it tells no time.
    """
    for extension in body.get("meta", {}).get("extension", ()):
        if extension.get("url") == url:
            return local.instant(extension.get("valueInstant"))
    return None


def mark_time(body: dict[str, Any], moment: datetime.datetime, url: str = EVENT_TIME) -> None:
    """Note in meta the time of the latest event the record tells of."""
    mark(body, url, {"valueInstant": moment.isoformat()})


def mark(body: dict[str, Any], url: str, value: dict[str, str]) -> None:
    """Note a value in meta, in the place of what was noted under that address."""
    meta = dict(body.get("meta") or {})
    others = [e for e in meta.get("extension", ()) if e.get("url") != url]
    meta["extension"] = [*others, {"url": url, **value}]
    body["meta"] = meta


def unmark(body: dict[str, Any], url: str) -> None:
    """Take out of meta what was noted under that address."""
    meta = {key: value for key, value in (body.get("meta") or {}).items() if key != "extension"}
    others = [e for e in (body.get("meta") or {}).get("extension", ()) if e.get("url") != url]
    found = {**meta, **({"extension": others} if others else {})}
    if found:
        body["meta"] = found
    else:
        body.pop("meta", None)


def nulled(body: dict[str, Any]) -> dict[str, datetime.datetime]:
    """The elements a sender set to null, as `Draft.cleared` names them, each with the time of that event."""
    found = {}
    for extension in body.get("meta", {}).get("extension", ()):
        if extension.get("url") == NULLED:
            parts = {part["url"]: part for part in extension["extension"]}
            found[str(parts["path"]["valueString"])] = datetime.datetime.fromisoformat(parts["at"]["valueInstant"])
    return found


def mark_nulled(body: dict[str, Any], told: dict[str, datetime.datetime]) -> None:
    """Note which elements were set to null, in the place of what was noted before."""
    if told == nulled(body):
        return
    unmark(body, NULLED)
    notes = [
        {
            "url": NULLED,
            "extension": [{"url": "path", "valueString": path}, {"url": "at", "valueInstant": at.isoformat()}],
        }
        for path, at in sorted(told.items())
    ]
    if notes:
        meta = dict(body.get("meta") or {})
        body["meta"] = {**meta, "extension": [*meta.get("extension", ()), *notes]}
