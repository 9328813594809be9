"""Snapshots: where a channel agreed that a set of segments replaces the old set, what left the set is withdrawn.

Only records that the same channel told of are touched, and none that tells of a later event than the message. What is
withdrawn tells of the event that withdrew it: a set that comes late, behind a newer one, brings nothing back.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.records import Draft
from fhir import jsontext
from hub.records.drafts.combine import told_by
from hub.records.drafts.marks import mark_time, told_at
from hub.records.drafts.settle import Settled
from hub.records.index import key_of
from hub.records.write import Write
from hub.store.database import Transaction
from mappings.tables.site import Site
from mappings.tables.snapshots import Snapshot, snapshots

Own = dict[tuple[str, str], Write]
Named = Sequence[tuple[Draft, Write]]
_STORED = (
    "SELECT r.id, r.body FROM idx_reference x JOIN resource r ON r.tenant_id = $1 AND r.rid = x.rid AND NOT r.deleted "
    "WHERE x.tenant_id = $1 AND x.key = $2 AND x.target_type = $3 AND x.target_id = $4 AND EXISTS ("
    " SELECT 1 FROM resource_version v JOIN message m ON m.tenant_id = $1 AND m.id = v.message_id "
    " WHERE v.tenant_id = $1 AND v.type = r.type AND v.id = r.id AND m.channel_id = $5) "
    "ORDER BY r.id FOR UPDATE OF r"
)

_THERE = "SELECT id FROM resource WHERE tenant_id = $1 AND type = $2 AND id = ANY($3::text[])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What one message states: its drafts, the channel it came by and what that channel agreed on."""

    drafts: Sequence[Draft]
    channel: UUID
    site: Site
    message: UUID


async def withdrawn(tx: Transaction, messages: Sequence[Stated], settled: Settled) -> list[Write]:
    """The writes that withdraw what is no longer in a set; those of `settled` are changed where a set decides them."""
    writes: dict[tuple[str, str], Write] = {}
    own = {(write.type, write.id): write for write in settled.writes}
    for stated in messages:
        for segment, mode in stated.site.modes:
            wanted = snapshots().get(segment)
            if mode == "snapshot" and wanted is not None:
                for write in await _gone(tx, stated, wanted, settled, own):
                    writes.setdefault((write.type, write.id), write)
    settled.writes[:] = [own[write.type, write.id] for write in settled.writes]
    return list(writes.values())


async def _gone(
    tx: Transaction,
    stated: Stated,
    wanted: Snapshot,
    settled: Settled,
    own: Own,
) -> list[Write]:
    writes: list[Write] = []
    for (element, target), named in _sets(stated, wanted, settled, own).items():
        kind, _, identity = target.partition("/")
        rows = await tx.rows(_STORED, key_of(wanted.type, element), kind, identity, stated.channel)
        bodies = {row["id"]: jsontext.stored(row["body"]) for row in rows}
        held = {name: body for name, body in bodies.items() if _in(body, wanted, target)}
        moment = named[0][0].event_at
        for name, body in held.items():
            if (wanted.type, name) not in own and _may(body, moment):
                writes.append(_withdrawal(wanted, name, body, named[0][0], stated.message))
        if any(_later(body, moment) for body in held.values()):
            await _withdraw_new(tx, wanted, named, held, own)
        else:
            _bring_back(wanted, named, own)
    return writes


def _sets(
    stated: Stated, wanted: Snapshot, settled: Settled, own: Own
) -> dict[tuple[str, str], list[tuple[Draft, Write]]]:
    """What a message states of a segment, by the reference that bounds each set."""
    found: dict[tuple[str, str], list[tuple[Draft, Write]]] = {}
    for draft in stated.drafts:
        if draft.type != wanted.type or draft.local not in settled.places:
            continue
        if any(source.startswith(f"{wanted.segment}#") for source in draft.sources):
            write = own.get(settled.places[draft.local])
            bound = _bound(write.body or {}, wanted) if write is not None else ("", "")
            if write is not None and bound[1]:
                found.setdefault(bound, []).append((draft, write))
    return found


def _in(body: dict[str, Any], wanted: Snapshot, target: str) -> bool:
    """Whether a stored record is of this set: of the same patient or visit, and told by that segment."""
    told = told_by(body)
    return _bound(body, wanted)[1] == target and (not told or wanted.segment in told)


async def _withdraw_new(
    tx: Transaction, wanted: Snapshot, named: Named, held: dict[str, dict[str, Any]], own: Own
) -> None:
    """A set that comes late, behind a newer one: what the newer one did not hold, and nobody told of, is gone."""
    news = {write.id: write for _, write in named if write.id not in held}
    rows = await tx.rows(_THERE, wanted.type, list(news)) if news else []
    for name in news.keys() - {row["id"] for row in rows}:
        own[wanted.type, name] = dataclasses.replace(news[name], body={**(news[name].body or {}), **wanted.gone})


def _bring_back(wanted: Snapshot, named: Named, own: Own) -> None:
    """What had left the set and is told again is as it was."""
    for draft, write in named:
        body = write.body or {}
        said = draft.body.keys() & wanted.gone.keys()
        if said or any(body.get(name) != value for name, value in wanted.gone.items()):
            continue
        kept = {name: value for name, value in body.items() if name not in wanted.gone}
        own[write.type, write.id] = dataclasses.replace(write, body={**kept, **wanted.back})


def _withdrawal(wanted: Snapshot, identity: str, body: dict[str, Any], draft: Draft, message: UUID) -> Write:
    """The record as it is gone since this set, which an older message can no longer undo."""
    changed = {**body, **wanted.gone}
    if draft.event_at is not None:
        mark_time(changed, draft.event_at)
    return Write(type=wanted.type, id=identity, body=changed, skip_unchanged=True, message_id=message)


def _bound(body: dict[str, Any], wanted: Snapshot) -> tuple[str, str]:
    """The reference that bounds the set a record is in: the first of `within` that it states."""
    for element in wanted.within:
        reference = body.get(element, {}).get("reference") if isinstance(body.get(element), dict) else None
        if reference:
            return element, str(reference)
    return "", ""


def _may(body: dict[str, Any], moment: datetime.datetime | None) -> bool:
    """Not what was entered in error already, nor what tells of a later event."""
    codes = [c.get("code") for c in body.get("verificationStatus", {}).get("coding", ())] + [body.get("status")]
    return "entered-in-error" not in codes and not _later(body, moment)


def _later(body: dict[str, Any], moment: datetime.datetime | None) -> bool:
    told = told_at(body)
    return moment is not None and told is not None and moment < told
