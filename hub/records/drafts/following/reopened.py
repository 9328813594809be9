"""A visit that goes on after its discharge (A13, HL7 v2.5.1 §3.3.13) while another one of the same patient has a bed.

Which of both is right only the sender knows: both stay as they are told, and that the patient has two beds is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canonical.problem import Problem
from hub.records.drafts.visit.stays import is_temporary
from hub.records.drafts.who.identify import Places
from hub.records.drafts.who.lookup import Place, stored
from hub.records.write import Write
from hub.store.database import Transaction

Body = dict[str, Any]
TYPE = "Encounter"
_OTHERS = (
    "SELECT id FROM encounter WHERE tenant_id = $1 AND patient_id = $2 AND id <> $3 "
    "AND status IN ('in-progress', 'onleave') ORDER BY id LIMIT 20"
)


async def tell(
    tx: Transaction, known: Mapping[Place, Body | None], places: Places, writes: Sequence[Write]
) -> list[Problem]:
    """Findings for visits that were over and have a bed again, where another visit of the patient has one too."""
    own = {write.id: write.body for write in writes if write.type == TYPE}
    again = [
        (identity, body)
        for identity, body in own.items()
        if body is not None and _in_bed(body) and (known.get((TYPE, identity)) or {}).get("status") == "finished"
    ]
    problems = []
    for identity, body in again:
        patient = str(body.get("subject", {}).get("reference", "")).partition("/")[2]
        rows = await tx.rows(_OTHERS, patient, identity) if patient else []
        others = await stored(tx, {(TYPE, row["id"]) for row in rows}, lock=False)
        if any(_in_bed(own.get(one, other) or {}) for (_, one), other in others.items()):
            local = next((local for local, place in places.items() if place == (TYPE, identity)), "")
            problems.append(Problem("semantic.two-beds", local))
    return problems


def _in_bed(body: Body) -> bool:
    """Whether a visit has a bed in use; a place beside the bed is none."""
    return any(entry.get("status") == "active" and not is_temporary(entry) for entry in body.get("location", ()))
