"""The versions of a channel: every change is a new one with who, when and why; one of them is active.

Doors and workers hear of a change over the bell and look by themselves now and then, so nothing is restarted.
"""

from __future__ import annotations

import datetime
import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

from canonical.errors import Conflict, NotFound
from hub.channels.document import Document, as_json
from hub.channels.reading import Faulty, fault, stored
from hub.guard import audit
from hub.store.database import Row, Transaction
from hub.world import Tenant
from mappings.reading import overlay_check
from mappings.tables.serving import plan_for
from mappings.tables.site import Site
from mappings.tables.table import TableError

MOST_VERSIONS = 500
_FINGERPRINT = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a channel; `active` is True for the one that serves now."""

    channel: str
    version: int
    door: str
    note: str
    actor: str
    at: datetime.datetime
    active: bool
    document: Document

    def as_json(self) -> dict[str, Any]:
        """One JSON object; the document says only what differs from the defaults."""
        return {
            "channel": self.channel,
            "version": self.version,
            "active": self.active,
            "at": self.at.isoformat(timespec="seconds"),
            "actor": self.actor,
            "note": self.note,
            "document": as_json(self.document),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key that differs between two versions; None where it is not said."""

    key: str
    old: Any
    new: Any


async def put(tx: Transaction, tenant: Tenant, document: Document, *, actor: str, note: str = "") -> Version:
    """Store a new version and activate it; the first version makes the channel. Raises Faulty, Conflict.

    A document equal to the active version makes no new one.
    """
    refuse_unusable(document)
    _refuse_fingerprints(document)
    await _refuse_taken_port(tx, document)
    settings = settings_of(document)
    row = await tx.row(
        "SELECT id, version, door, settings, active FROM channel WHERE tenant_id = $1 AND name = $2 FOR UPDATE",
        document.name,
    )
    if row is None:
        identity = uuid.uuid5(tenant.id, document.name)
        await tx.run(
            "INSERT INTO channel (tenant_id, id, name, door, settings, version) VALUES ($1, $2, $3, $4, $5, 1)",
            identity,
            document.name,
            document.door,
            settings,
        )
        return await _add(tx, identity, 1, document, actor, note)
    if row["active"] and (row["door"], row["settings"]) == (document.door, settings):
        return await version(tx, document.name, row["version"])
    last = await tx.value(
        "SELECT max(version) FROM channel_version WHERE tenant_id = $1 AND channel_id = $2", row["id"]
    )
    number = (last or row["version"]) + 1
    await _activate(tx, row["id"], number, document.door, settings)
    return await _add(tx, row["id"], number, document, actor, note)


async def activate(tx: Transaction, name: str, number: int, *, actor: str, note: str = "") -> Version:
    """Make an earlier version the active one again (rollback), or switch a channel on. Raises NotFound, Faulty."""
    found = await version(tx, name, number)
    refuse_unusable(found.document)
    await _refuse_taken_port(tx, found.document)
    row = await _channel(tx, name)
    await _activate(tx, row["id"], number, found.door, settings_of(found.document))
    await audit.note(tx, actor, "channel-activate", f"channel/{name}/{number}")
    return await version(tx, name, number)


async def deactivate(tx: Transaction, name: str, *, actor: str) -> None:
    """Close a channel's door; what was received is still worked. Raises NotFound."""
    row = await _channel(tx, name)
    await tx.run("UPDATE channel SET active = false WHERE tenant_id = $1 AND id = $2", row["id"])
    await audit.note(tx, actor, "channel-deactivate", f"channel/{name}")
    tx.rearranged = True


async def version(tx: Transaction, name: str, number: int | None = None) -> Version:
    """One version of a channel (None: the one that is or was last active); raises NotFound."""
    row = await _channel(tx, name)
    found = await tx.row(
        "SELECT version, door, settings, note, actor, created_at FROM channel_version "
        "WHERE tenant_id = $1 AND channel_id = $2 AND version = $3",
        row["id"],
        row["version"] if number is None else number,
    )
    if found is None:
        raise NotFound("the channel has no such version")
    return _version(name, found, row)


async def versions(tx: Transaction, name: str) -> list[Version]:
    """The versions of a channel, newest first; raises NotFound."""
    row = await _channel(tx, name)
    rows = await tx.rows(
        "SELECT version, door, settings, note, actor, created_at FROM channel_version "
        "WHERE tenant_id = $1 AND channel_id = $2 ORDER BY version DESC LIMIT $3",
        row["id"],
        MOST_VERSIONS,
    )
    return [_version(name, found, row) for found in rows]


async def listed(tx: Transaction) -> list[Version]:
    """Every channel in its active (or last active) version, by name."""
    rows = await tx.rows(
        "SELECT c.name, c.active, v.version, v.door, v.settings, v.note, v.actor, v.created_at FROM channel c "
        "JOIN channel_version v ON v.tenant_id = $1 AND v.channel_id = c.id AND v.version = c.version "
        "WHERE c.tenant_id = $1 ORDER BY c.name"
    )
    return [_version(row["name"], row, row) for row in rows]


def difference(old: Document, new: Document) -> list[Change]:
    """What changed, key by key (`filters[1].action`), in order of the keys."""
    before, after = _flat(as_json(old)), _flat(as_json(new))
    return [
        Change(key=key, old=before.get(key), new=after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def settings_of(document: Document) -> str:
    """The text stored for a document: what it says beyond its name and door, keys sorted."""
    said = {key: value for key, value in as_json(document).items() if key not in ("name", "door")}
    return json.dumps(said, ensure_ascii=False, sort_keys=True)


def refuse_unusable(document: Document) -> None:
    """Raise Faulty when the overlay or a plan that the document names is not there or cannot work."""
    faults = []
    try:
        if document.overlay:
            overlay_check.check(document.overlay)
    except TableError as error:
        faults.append(fault("overlay", "overlay", reason=str(error)))
    for message, name in document.plans.items():
        try:
            plan_for(message, Site(overlay="" if faults else document.overlay, plans=((message, name),)))
        except TableError as error:
            faults.append(fault(f"plans.{message}", "overlay", reason=str(error)))
    if faults:
        raise Faulty(faults)


def _refuse_fingerprints(document: Document) -> None:
    """Raise Faulty for a fingerprint that can be nobody's; a version that is kept with one serves on."""
    faults = [
        fault(f"sender.certificates[{number}]", "fingerprint")
        for number, said in enumerate(document.sender.certificates, start=1)
        if said.lower().startswith("sha256:") and not _FINGERPRINT.fullmatch(said[7:].replace(":", ""))
    ]
    if faults:
        raise Faulty(faults)


async def _refuse_taken_port(tx: Transaction, document: Document) -> None:
    """Two MLLP channels of a tenant cannot share a port; `hub.exchange.ports` looks at those of other tenants."""
    if document.door != "mllp" or not document.port:
        return
    rows = await tx.rows(
        "SELECT name, settings FROM channel WHERE tenant_id = $1 AND door = 'mllp' AND active AND name <> $2",
        document.name,
    )
    for row in rows:
        other = stored(row["name"], "mllp", row["settings"])
        if (other.port, other.host) == (document.port, document.host):
            raise Conflict(f"the port is taken by channel {row['name']}", code="channel.port")


async def _add(tx: Transaction, identity: uuid.UUID, number: int, document: Document, actor: str, note: str) -> Version:
    await tx.run(
        "INSERT INTO channel_version (tenant_id, channel_id, version, door, settings, note, actor) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        identity,
        number,
        document.door,
        settings_of(document),
        note,
        actor,
    )
    await audit.note(tx, actor, "channel-put", f"channel/{document.name}/{number}")
    tx.rearranged = True
    return await version(tx, document.name, number)


async def _activate(tx: Transaction, identity: uuid.UUID, number: int, door: str, settings: str) -> None:
    await tx.run(
        "UPDATE channel SET version = $3, door = $4, settings = $5, active = true, placed_at = CASE WHEN active "
        f"AND door = $4 AND {_same('port')} AND {_same('host')} THEN placed_at ELSE now() END "
        "WHERE tenant_id = $1 AND id = $2",
        identity,
        number,
        door,
        settings,
    )
    tx.rearranged = True


def _same(key: str) -> str:
    """SQL that holds while a key of the stored settings stays as it is."""
    return f"(settings::jsonb -> '{key}') IS NOT DISTINCT FROM ($5::text::jsonb -> '{key}')"


async def _channel(tx: Transaction, name: str) -> Row:
    row = await tx.row("SELECT id, version, active FROM channel WHERE tenant_id = $1 AND name = $2", name)
    if row is None:
        raise NotFound("there is no such channel")
    return row


def _version(name: str, row: Row, channel: Row) -> Version:
    return Version(
        channel=name,
        version=row["version"],
        door=row["door"],
        note=row["note"],
        actor=row["actor"],
        at=row["created_at"],
        active=bool(channel["active"]) and row["version"] == channel["version"],
        document=stored(name, row["door"], row["settings"]),
    )


def _flat(value: Any, place: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {
            key: said
            for name, inner in value.items()
            for key, said in _flat(inner, f"{place}.{name}" if place else name).items()
        }
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return {k: v for n, item in enumerate(value, start=1) for k, v in _flat(item, f"{place}[{n}]").items()}
    return {place: value}
