"""A final report whose results change is a changed report (R4 diagnostic-report-status: `amended`, `corrected`).

Laboratories send OBR-25 `F` with a result that differs from the one they called final, or that OBX-11 corrects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canonical.records import Draft
from hub.records.drafts.who.lookup import Place

_DONE = frozenset(("final", "amended", "corrected"))
_CHANGED = ("corrected", "amended")
Body = dict[str, Any]


def follow_results(
    draft: Draft, place: Place, bodies: Mapping[Place, Body], known: Mapping[Place, Body | None]
) -> None:
    """Give a report that is called final again, and was, the status of what became of its final results."""
    before = known.get(place)
    if draft.type != "DiagnosticReport" or draft.body.get("status") != "final" or before is None:
        return
    if before.get("status") not in _DONE or bodies[place].get("status") not in _DONE:
        return
    told = {_became(reference.get("reference", ""), bodies, known) for reference in bodies[place].get("result", ())}
    status = next((status for status in _CHANGED if status in told), "")
    if status:
        bodies[place]["status"] = status


def _became(reference: str, bodies: Mapping[Place, Body], known: Mapping[Place, Body | None]) -> str:
    """The status of a result that was final and is told otherwise now; empty for any other."""
    kind, _, identity = reference.partition("/")
    now, before = bodies.get((kind, identity)), known.get((kind, identity))
    if now is None or before is None or before.get("status") not in _DONE or now == before:
        return ""
    return str(now.get("status", ""))
