"""A report that is cancelled after results were told of it (OBR-25 `X`, HL7 v2.5.1 table 0123: no results available).

The laboratory says that there is nothing to be read: a result or a file of that report which its message does not name
itself must not go on standing there as final. They are cancelled with the report, and what they said stays in their
versions; results that the laboratory tells again count again.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from canonical.problem import Problem
from hub.records.drafts.marks import mark_time, told_at
from hub.records.drafts.who.identify import Places
from hub.records.drafts.who.lookup import Place, stored
from hub.records.index import key_of
from hub.records.write import Write
from hub.store.database import Transaction

Body = dict[str, Any]
_OFF = frozenset(("cancelled", "entered-in-error"))
_WITHDRAWN = "entered-in-error"
_FILES = (
    "SELECT r.id FROM idx_reference x JOIN resource r ON r.tenant_id = $1 AND r.rid = x.rid AND NOT r.deleted "
    "WHERE x.tenant_id = $1 AND x.key = $2 AND x.target_type = 'DiagnosticReport' AND x.target_id = $3"
)


async def follow(
    tx: Transaction, known: Mapping[Place, Body | None], places: Places, writes: list[Write]
) -> list[Problem]:
    """Add to `writes` the results and files of reports that they cancel; returns what is to be told of them."""
    named = {(write.type, write.id) for write in writes}
    problems: list[Problem] = []
    for report in [write for write in writes if write.type == "DiagnosticReport" and _ends(write, known)]:
        parts = await stored(tx, await _parts(tx, report) - named)
        taken = [_taken(place, body, report) for place, body in parts.items() if body and _counts(body, report)]
        writes += taken
        named |= parts.keys()
        if taken:
            local = next((local for local, place in places.items() if place == (report.type, report.id)), "")
            problems.append(Problem("semantic.results-withdrawn", local))
    return problems


def _ends(write: Write, known: Mapping[Place, Body | None]) -> bool:
    """Whether this write cancels a report that was not cancelled before."""
    before = known.get((write.type, write.id))
    return bool(before) and (write.body or {}).get("status") in _OFF and (before or {}).get("status") not in _OFF


async def _parts(tx: Transaction, report: Write) -> set[Place]:
    """The results a report names, and the documents that speak of it."""
    named = [str(item.get("reference", "")) for item in (report.body or {}).get("result", ())]
    results = {("Observation", one.partition("/")[2]) for one in named if one.startswith("Observation/")}
    files = await tx.rows(_FILES, key_of("DocumentReference", "related"), report.id)
    return results | {("DocumentReference", row["id"]) for row in files}


def _counts(body: Body, report: Write) -> bool:
    """Whether a result is still valid and not newer than the cancellation; of documents, those of this report alone."""
    told, ended = told_at(body), told_at(report.body or {})
    if body.get("status") in _OFF or (told is not None and ended is not None and told > ended):
        return False
    related = body.get("context", {}).get("related", ()) if body["resourceType"] == "DocumentReference" else ()
    return "masterIdentifier" not in body and all(item.get("reference", "").endswith(report.id) for item in related)


def _taken(place: Place, body: Body, report: Write) -> Write:
    """The write of a result or file that goes with its report."""
    kept = {name: value for name, value in body.items() if name not in ("_status", "_docStatus")}
    if place[0] == "DocumentReference":  # its codes have no `cancelled`
        kept.update(status=_WITHDRAWN, docStatus=_WITHDRAWN)
    else:
        kept["status"] = (report.body or {})["status"]
    if (ended := told_at(report.body or {})) is not None:
        mark_time(kept, max(ended, told_at(body) or datetime.datetime.min.replace(tzinfo=datetime.UTC)))
    return Write(type=place[0], id=place[1], body=kept, skip_unchanged=True, message_id=report.message_id)
