"""How a draft changes a stored body: what is stated replaces, what is silent stays, what is nulled goes.

A repeating element is replaced whole, except identifiers and extensions, which different senders add to. A draft
older than what the record tells only fills gaps.
"""

from __future__ import annotations

import datetime
from typing import Any

from canonical.records import Draft

EVENT_TIME = "urn:ponte:event-time"
_UNITED = ("identifier", "extension", "link")


def combine(present: dict[str, Any] | None, draft: Draft, *, stale: bool) -> dict[str, Any]:
    """The new body (with resourceType, without id); `present` is not changed."""
    body: dict[str, Any] = dict(present) if present else {"resourceType": draft.type}
    if not stale:
        for name in draft.cleared:
            body.pop(name, None)
    for name, value in draft.body.items():
        if name in _UNITED and isinstance(value, list):
            body[name] = _united(body.get(name, []), value)
        elif isinstance(value, dict) and isinstance(body.get(name), dict) and name in ("period", "meta"):
            body[name] = {**value, **body[name]} if stale else {**body[name], **value}
        elif not (stale and name in body):
            _drop_other_choices(body, name)
            body[name] = value
    if draft.event_at is not None and not stale:
        _mark(body, draft.event_at)
    return body


def _united(present: list[Any], stated: list[Any]) -> list[Any]:
    """Both lists; an entry with the same identity (system and value, or url) is replaced in place."""
    merged = {_identity(item): item for item in present}
    merged.update({_identity(item): item for item in stated})
    return list(merged.values())


def _identity(item: Any) -> tuple[str, ...]:
    if "url" in item:
        return (item["url"],)
    if "other" in item:
        return (item["other"].get("reference", ""), item.get("type", ""))
    return (item.get("system", ""), item.get("value", ""))


_CHOICES = ("value", "effective", "deceased", "multipleBirth", "occurrence", "onset", "performed", "medication")


def _drop_other_choices(body: dict[str, Any], name: str) -> None:
    """A new `valueQuantity` ends an old `valueString`."""
    for choice in _CHOICES:
        if name.startswith(choice) and name[len(choice) : len(choice) + 1].isupper():
            for other in [k for k in body if k.startswith(choice) and k[len(choice) : len(choice) + 1].isupper()]:
                del body[other]


def _mark(body: dict[str, Any], moment: datetime.datetime) -> None:
    """Remember the time of the latest event in meta, so that an older message cannot undo it."""
    meta = dict(body.get("meta") or {})
    others = [e for e in meta.get("extension", ()) if e.get("url") != EVENT_TIME]
    meta["extension"] = [*others, {"url": EVENT_TIME, "valueInstant": moment.isoformat()}]
    body["meta"] = meta
