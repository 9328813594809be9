"""Partners: payers, labs and others a tenant exchanges with, as rows; how to reach each is in its settings.

A read partner's settings are those of its adapter profile with the tenant's own laid over them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from adapters import registry
from canonical.errors import Misconfigured, NotFound
from hub.store.database import Row, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """One partner. `code` is its registro ANS (payer) or short name; `settings` merge the profile and the tenant's own.

    `settings["transport"]` says how bytes get there: `{"kind": "soap" | "mllp", …}`.
    """

    id: UUID
    kind: str
    code: str
    name: str
    adapter: str
    active: bool
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """Whose secrets of the vault are its own (`hub.guard.vault.owner_of`)."""
        return f"{self.kind}/{self.code}"


_COLUMNS = "id, kind, code, name, adapter, active, settings"


async def partners_of(tx: Transaction, kind: str) -> list[Partner]:
    """The active partners of a kind (`payer`, `lab`), by code."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM partner WHERE tenant_id = $1 AND kind = $2 AND active ORDER BY code", kind
    )
    return [_partner(row) for row in rows]


BY_KINDS = f"SELECT {_COLUMNS} FROM partner WHERE tenant_id = $1 AND kind = ANY({{0}}::text[]) AND active ORDER BY code"


def by_kind(rows: Sequence[Row]) -> dict[str, list[Partner]]:
    """The partners of rows that BY_KINDS found, by kind."""
    found: dict[str, list[Partner]] = {}
    for row in rows:
        found.setdefault(row["kind"], []).append(_partner(row))
    return found


async def partners_called(tx: Transaction, names: Collection[str]) -> dict[str, Partner]:
    """Partners by the names destinations use: `kind/code`, or a code alone; of two kinds the first by name is meant.

    A partner that is switched off is among them: what goes to it waits.
    """
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM partner WHERE tenant_id = $1 AND code = ANY($2::text[]) ORDER BY kind DESC",
        [name.rpartition("/")[2] for name in names],
    )
    found = [_partner(row) for row in rows]
    return {name: one for name in names for one in found if name in (one.code, f"{one.kind}/{one.code}")}


async def partner(tx: Transaction, partner_id: UUID) -> Partner:
    """One partner by id; raises NotFound."""
    row = await tx.row(f"SELECT {_COLUMNS} FROM partner WHERE tenant_id = $1 AND id = $2", partner_id)
    if row is None:
        raise NotFound("there is no such partner")
    return _partner(row)


async def save_partner(tx: Transaction, found: Partner) -> None:
    """Create or replace a partner by kind and code; `settings` are its own, without the profile's."""
    await tx.run(
        "INSERT INTO partner (tenant_id, id, kind, code, name, adapter, settings, active) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, kind, code) DO UPDATE SET "
        "name = excluded.name, adapter = excluded.adapter, settings = excluded.settings, active = excluded.active",
        found.id,
        found.kind,
        found.code,
        found.name,
        found.adapter,
        json.dumps(found.settings),
        found.active,
    )


def merged(adapter: str, own: dict[str, Any]) -> dict[str, Any]:
    """A profile's settings with the tenant's own laid over them, tables key by key."""
    if not adapter:
        return own
    settings = registry.profile(adapter).settings()
    for key, value in own.items():
        below = settings.get(key)
        if key == "transport" and _another_way(below, value):
            below = None  # what the profile says of one kind of transport is nothing to another
        settings[key] = {**below, **value} if isinstance(below, dict) and isinstance(value, dict) else value
    return settings


def _another_way(profile: Any, own: Any) -> bool:
    """Whether the tenant reaches a partner by another kind of transport than its profile does."""
    if not isinstance(profile, dict) or not isinstance(own, dict):
        return False
    return bool(own.get("kind")) and own["kind"] != profile.get("kind")


def _partner(row: Row) -> Partner:
    own = json.loads(row["settings"])
    try:
        settings = merged(row["adapter"], own)
    except Misconfigured:  # the profile is gone: what would be sent to this partner fails, the others go on
        settings = own
    return Partner(
        id=row["id"],
        kind=row["kind"],
        code=row["code"],
        name=row["name"],
        adapter=row["adapter"],
        active=row["active"],
        settings=settings,
    )
