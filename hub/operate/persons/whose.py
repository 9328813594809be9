"""The messages of one person: those that made a record of theirs, and those in their lanes.

A person is named by a number (CPF, CNS, the house's own) or a record. What failed, waits or changed nothing made no
record; it is found by the lane of its channel, which is the patient's number as the sender writes it (PID-3): what
failed or waits whenever it came, the rest among the newest MOST_LOOKED messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from canonical.errors import NotFound
from hub.channels.matching import PATIENT, lane_number
from hub.exchange.channels import known_channels
from hub.guard import audit
from hub.operate.persons import subject
from hub.store.database import Transaction
from hub.world import Tenant, World

MOST = 5000
MOST_LOOKED = 200_000
_AT_ONCE = 500
_MADE = (
    "SELECT DISTINCT v.message_id AS id FROM unnest($2::text[], $3::text[]) AS k(type, id) JOIN resource_version v "
    "ON v.tenant_id = $1 AND v.type = k.type AND v.id = k.id WHERE v.message_id IS NOT NULL ORDER BY 1 DESC LIMIT $4"
)
_IN_LANES = (
    "SELECT id FROM message WHERE tenant_id = $1 AND status = 'RECEIVED' AND lane_id = ANY($2::bigint[]) UNION ALL "
    "SELECT id FROM message WHERE tenant_id = $1 AND status = 'ERROR' AND lane_id = ANY($2::bigint[]) UNION ALL "
    "SELECT id FROM (SELECT id, lane_id FROM message WHERE tenant_id = $1 ORDER BY id DESC LIMIT $3) m "
    "WHERE m.lane_id = ANY($2::bigint[])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """The ids of a person's messages, newest MOST of each kind; `known`: whether a record of the person is here."""

    ids: tuple[UUID, ...]
    known: bool


async def messages_of(world: World, tenant: Tenant, named: str, actor: str) -> Theirs:
    """A person's messages; that somebody looked for them is audited."""
    channels = await known_channels(world, tenant)
    async with world.transaction(tenant) as tx:
        try:
            patients = await subject.patients_of(tx, named)
        except NotFound:
            patients = []
        numbers = {named, *await _numbers(tx, patients)}
        lanes = [
            lane_number(str(channel.id), number)
            for channel in channels
            for number in numbers
            if channel.document.lane == PATIENT
        ]
        found = {row["id"] for row in await tx.rows(_IN_LANES, lanes, MOST_LOOKED)} if lanes else set()
        if patients:
            found |= await _made(tx, await subject.records_of(tx, patients))
        for patient in patients:
            await audit.note(tx, actor, "message-search", f"Patient/{patient}", detail={"messages": len(found)})
    return Theirs(ids=tuple(sorted(found)), known=bool(patients))


async def _numbers(tx: Transaction, patients: Sequence[str]) -> list[str]:
    rows = await tx.rows(
        "SELECT DISTINCT value FROM patient_identifier WHERE tenant_id = $1 AND patient_id = ANY($2::text[])",
        list(patients),
    )
    return [row["value"] for row in rows]


async def _made(tx: Transaction, records: Sequence[tuple[str, str]]) -> set[UUID]:
    found: set[UUID] = set()
    for start in range(0, len(records), _AT_ONCE):
        piece = records[start : start + _AT_ONCE]
        rows = await tx.rows(_MADE, [kind for kind, _ in piece], [identity for _, identity in piece], MOST)
        found |= {row["id"] for row in rows}
    return found
