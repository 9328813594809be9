"""Whose a record was when it came: what the message that brought it said in PID."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from hl7 import er7
from hl7.er7 import Message
from hub.channels.document import Document
from hub.exchange.channels import documents_at, site_of
from hub.store.database import Transaction
from mappings.reading.engine import translate

Place = tuple[str, str]
Name = tuple[str, str]

_FIRST = (
    "SELECT v.* FROM unnest($2::text[], $3::text[]) AS x(type, id) CROSS JOIN LATERAL ("
    "SELECT type, id, updated_at, message_id FROM resource_version "
    "WHERE tenant_id = $1 AND type = x.type AND id = x.id AND version = 1 AND message_id IS NOT NULL OFFSET 0) v"
)
_CONTENTS = (
    "SELECT id, content, channel_id, channel_version FROM message "
    "WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND format = 'hl7'"
)
_PLAIN = Document(name="none", door="mllp")


async def named_in_messages(
    tx: Transaction, places: Iterable[Place], *, wanted: set[Name], besides: set[Name], since: Any = None
) -> set[Place]:
    """Those of `places` whose first message names a patient by a number of `wanted` and by none of `besides`.

    `since` leaves out records made before that moment. A record no HL7 message made cannot be told.
    """
    unique = sorted(places)
    rows = await tx.rows(_FIRST, [kind for kind, _ in unique], [identity for _, identity in unique])
    made = {(r["type"], r["id"]): r["message_id"] for r in rows if since is None or r["updated_at"] >= since}
    told = await _patients_of(tx, sorted(set(made.values()), key=str))
    return {
        place
        for place, message in made.items()
        if told.get(message, frozenset()) & wanted and not told.get(message, frozenset()) & besides
    }


async def _patients_of(tx: Transaction, messages: list[UUID]) -> dict[UUID, frozenset[Name]]:
    """The numbers by which each message names patients, read as the channel it came by said then."""
    found: dict[UUID, frozenset[Name]] = {}
    rows = await tx.rows(_CONTENTS, messages) if messages else []
    documents = await documents_at(tx, {(row["channel_id"], row["channel_version"]) for row in rows})
    for row in rows:
        said = documents.get((row["channel_id"], row["channel_version"]), _PLAIN)
        message = er7.read(bytes(row["content"]), fixed_charset=said.charset, fallback_charset=said.fallback)
        if isinstance(message, Message):
            drafts = translate(message, zone="UTC", site=site_of(said)).drafts
            keys = (key for draft in drafts if draft.type == "Patient" for key in draft.keys)
            found[row["id"]] = frozenset((key.system, key.value) for key in keys)
    return found
