"""A visit that went over to another patient (A45, 2.5.1 §3.3.45): noted on it with the time of the event.

What happened before that, and comes late, names the former patient under the number of the visit. It belongs to this
visit, and so to the patient who has it now, as all else that was recorded in it.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from canonical import local
from canonical.records import DRAFT, Draft
from hub.records.drafts.who.identify import reference_of
from hub.records.drafts.who.visited import TYPE

FROM = "urn:ponte:moved-from"
Body = dict[str, Any]


def noted(body: Body, source: str, at: datetime.datetime | None) -> Body:
    """The visit `body` with the note that it was that of `source` (`Patient/id`) until `at`."""
    if body.get("resourceType") != TYPE or at is None:
        return body
    meta = dict(body.get("meta") or {})
    parts = [{"url": "from", "valueReference": {"reference": source}}, {"url": "at", "valueInstant": at.isoformat()}]
    kept = [item for item in meta.get("extension", ()) if not _of(item, source)]
    return {**body, "meta": {**meta, "extension": [*kept, {"url": FROM, "extension": parts}]}}


def is_before(body: Body, subject: str, draft: Draft) -> bool:
    """Whether a draft tells of the stored visit `body` at a time when it was still that of `subject`."""
    when = draft.event_at
    notes = [item for item in body.get("meta", {}).get("extension", ()) if _of(item, subject)]
    return when is not None and any((at := _at(item)) is not None and when < at for item in notes)


def hand_over(drafts: Sequence[Draft], visit: Draft, body: Body) -> None:
    """Make the patient of the stored visit `body` that of the draft `visit`, and of what is told in it."""
    former, owner = reference_of(visit), str(body.get("subject", {}).get("reference", ""))
    here = {"reference": f"{DRAFT}{visit.local}"}
    for draft in drafts:
        if draft is visit or _names(draft.body, here) or _names(draft.initial, here):
            draft.body, draft.initial = (moved(each, former, owner) for each in (draft.body, draft.initial))


def moved(node: Any, old: str, new: str) -> Any:
    """`node` with every reference to `old` (`Patient/id`) made one to `new`."""
    if isinstance(node, dict):
        return {
            key: new if key == "reference" and value == old else moved(value, old, new) for key, value in node.items()
        }
    if isinstance(node, list):
        return [moved(item, old, new) for item in node]
    return node


def _names(node: Any, reference: Body) -> bool:
    if isinstance(node, dict):
        return node.items() >= reference.items() or any(_names(value, reference) for value in node.values())
    return isinstance(node, list) and any(_names(item, reference) for item in node)


def _of(item: Body, source: str) -> bool:
    parts = item.get("extension", ()) if item.get("url") == FROM else ()
    return any(part.get("valueReference", {}).get("reference") == source for part in parts)


def _at(item: Body) -> datetime.datetime | None:
    return next((at for part in item["extension"] if (at := local.instant(part.get("valueInstant")))), None)
