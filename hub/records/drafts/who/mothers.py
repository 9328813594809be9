"""The mother whom one message names in PID-21, another in NK1: one RelatedPerson of the patient, whichever came first.

Each segment gives her a place of its own; where that is still empty, a stored mother of the same patient is looked for.
Two messages that are worked together, or at once, meet each other likewise.
She is the same where all words of her name are, two at least, and no number speaks against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canonical.names import words
from canonical.records import Draft
from fhir import jsontext
from hub.records.drafts.who import meanwhile
from hub.records.drafts.who.identify import Places
from hub.records.drafts.who.known import Known
from hub.records.index import key_of
from hub.store.database import Transaction
from mappings.reading.mentions import KIN, is_mother

Body = Mapping[str, Any]
_ENOUGH = 2
_OF_PATIENTS = (
    "SELECT x.patient, r.id, r.body FROM unnest($3::text[]) AS x(patient) "
    "CROSS JOIN LATERAL (SELECT rid FROM idx_reference WHERE tenant_id = (SELECT $1::uuid) AND key = $2 "
    "AND target_id = x.patient AND (target_type || '') = 'Patient' OFFSET 0) t "
    "CROSS JOIN LATERAL (SELECT id, body FROM resource WHERE tenant_id = (SELECT $1::uuid) AND rid = t.rid "
    "AND NOT deleted OFFSET 0) r ORDER BY t.rid"
)


async def place(tx: Transaction, drafts: Sequence[Draft], known: Known, places: Places) -> None:
    """Give a mother who is told of under a new place the one that she has already, in `places` and `known`."""
    fresh: dict[str, str] = {}
    for draft in drafts:
        if draft.type == KIN and draft.local in places and draft.under and is_mother(draft.body):
            patient = places.get(draft.under[0], ("", ""))
            if patient[0] == "Patient" and known.rows.get(places[draft.local]) is None:
                fresh[draft.local] = patient[1]
    if not fresh:
        return
    await meanwhile.hold_kin(tx, sorted(set(fresh.values())))
    rows = await tx.rows(_OF_PATIENTS, key_of(KIN, "patient"), sorted(set(fresh.values())))
    kin = [(row["patient"], row["id"], jsontext.stored(row["body"])) for row in rows]
    told: list[Draft] = []
    for draft in (draft for draft in drafts if draft.local in fresh):
        same = {
            identity: body
            for patient, identity, body in kin
            if patient == fresh[draft.local] and is_mother(body) and _agree(draft.body, body)
        }
        if len(same) == 1:
            ((identity, body),) = same.items()
            places[draft.local] = (KIN, identity)
            known.rows[KIN, identity] = body
            continue
        twin = [one for one in told if fresh[one.local] == fresh[draft.local] and _agree(draft.body, one.body)]
        if not same and len({places[one.local] for one in twin}) == 1:
            places[draft.local] = places[twin[0].local]  # a message of this wave tells of her too
        told.append(draft)


def _agree(one: Body, other: Body) -> bool:
    """Whether two bodies are of one person: by all words of a name, unless one register gave each another number."""
    names = [{words(name) for name in body.get("name", ())} for body in (one, other)]
    alike = any(len(name) >= _ENOUGH for name in names[0] & names[1])
    return alike and not _contradict(one, other)


def _contradict(one: Body, other: Body) -> bool:
    ours, theirs = ({(i.get("system"), i.get("value")) for i in body.get("identifier", ())} for body in (one, other))
    registers = {system for system, _ in ours} & {system for system, _ in theirs}
    return any(not {n for n in ours if n[0] == each} & {n for n in theirs if n[0] == each} for each in registers)
