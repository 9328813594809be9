"""Snapshots: where a channel agreed that a set of segments replaces the old set, what left the set is withdrawn.

Only records that the same channel told of are touched, and none that tells of a later event than the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.records import Draft
from fhir import jsontext
from hub.records.combine import told_at
from hub.records.index import key_of
from hub.records.settle import Settled
from hub.records.write import Write
from hub.store.database import Transaction
from mappings.site import Site
from mappings.snapshots import Snapshot, snapshots

_STORED = (
    "SELECT r.id, r.body FROM idx_reference x JOIN resource r ON r.tenant_id = $1 AND r.rid = x.rid AND NOT r.deleted "
    "WHERE x.tenant_id = $1 AND x.key = $2 AND x.target_type = $3 AND x.target_id = $4 AND EXISTS ("
    " SELECT 1 FROM resource_version v JOIN message m ON m.tenant_id = $1 AND m.id = v.message_id "
    " WHERE v.tenant_id = $1 AND v.type = r.type AND v.id = r.id AND m.channel_id = $5) "
    "ORDER BY r.id FOR UPDATE OF r"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What one message states: its drafts, the channel it came by and what that channel agreed on."""

    drafts: Sequence[Draft]
    channel: UUID
    site: Site
    message: UUID


async def withdrawn(tx: Transaction, messages: Sequence[Stated], settled: Settled) -> list[Write]:
    """The writes that withdraw what is no longer in a set; none for records the messages themselves write."""
    writes: dict[tuple[str, str], Write] = {}
    own = {(write.type, write.id): write for write in settled.writes}
    for stated in messages:
        for segment, mode in stated.site.modes:
            wanted = snapshots().get(segment)
            if mode == "snapshot" and wanted is not None:
                for write in await _gone(tx, stated, wanted, settled, own):
                    writes.setdefault((write.type, write.id), write)
    return list(writes.values())


async def _gone(
    tx: Transaction,
    stated: Stated,
    wanted: Snapshot,
    settled: Settled,
    own: dict[tuple[str, str], Write],
) -> list[Write]:
    here = [draft for draft in stated.drafts if draft.type == wanted.type and draft.local in settled.places]
    named = [draft for draft in here if any(source.startswith(f"{wanted.segment}#") for source in draft.sources)]
    writes: list[Write] = []
    seen: set[tuple[str, str]] = set()
    for draft in named:
        write = own.get(settled.places[draft.local])
        element, target = _bound(write.body or {}, wanted) if write else ("", "")
        if not target or (element, target) in seen:
            continue
        seen.add((element, target))
        kind, _, identity = target.partition("/")
        rows = await tx.rows(_STORED, key_of(wanted.type, element), kind, identity, stated.channel)
        for row in rows:
            body = jsontext.parse(row["body"].encode())
            if not isinstance(body, dict) or (wanted.type, row["id"]) in own:
                continue
            if _bound(body, wanted) == (element, target) and _may(body, draft, wanted):
                writes.append(_withdrawal(wanted, row["id"], body, stated.message))
    return writes


def _withdrawal(wanted: Snapshot, identity: str, body: dict[str, Any], message: UUID) -> Write:
    changed = {**body, **wanted.gone}
    return Write(type=wanted.type, id=identity, body=changed, skip_unchanged=True, message_id=message)


def _bound(body: dict[str, Any], wanted: Snapshot) -> tuple[str, str]:
    """The reference that bounds the set a record is in: the first of `within` that it states."""
    for element in wanted.within:
        reference = body.get(element, {}).get("reference") if isinstance(body.get(element), dict) else None
        if reference:
            return element, str(reference)
    return "", ""


def _may(body: dict[str, Any], draft: Draft, wanted: Snapshot) -> bool:
    """Not what was entered in error already, nor what tells of a later event."""
    codes = [c.get("code") for c in body.get("verificationStatus", {}).get("coding", ())] + [body.get("status")]
    told = told_at(body)
    late = draft.event_at is not None and told is not None and draft.event_at < told
    return "entered-in-error" not in codes and not late
