"""Releases brought in by the tables' owner, whole or not at all, for a tenant or the house; listed and removed."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canonical.errors import NotFound, Refused
from fhir.terminology.releases.rows import Broken, Release
from hub.guard import audit
from hub.store.database import Transaction
from hub.store.owned import Owner
from hub.terms.releases import packages
from hub.terms.releases.staging import Staging
from hub.world import Tenant

_TABLES = ("term_concept", "term_map", "term_relation", "term_name", "term_member")
_RELEASE = """
INSERT INTO term_release AS r (system, version, name, house, counts, taken_at) VALUES ($1, $2, $3, $4, '{}', $5)
ON CONFLICT (system, version) DO UPDATE SET taken_at = excluded.taken_at, house = r.house OR excluded.house
RETURNING id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A release that is here: what of it was read, in rows by kind, and what was not and why."""

    id: int
    system: str
    version: str
    name: str
    house: bool
    counts: dict[str, int]
    not_read: dict[str, int]
    taken_at: datetime.datetime

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return {**told, "taken_at": self.taken_at.isoformat(timespec="seconds")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to bring in: packages in order, what they do not say themselves, and whether all tenants may use it."""

    paths: Sequence[Path]
    version: str = ""
    edition: str = ""
    house: bool = False


async def take_in(owner: Owner, tenant: Tenant, wish: Wish, now: datetime.datetime, actor: str) -> Taken:
    """Bring in a release for a tenant (or the house); the same version again replaces it.

    Raises Refused for a package that is no release, or breaks off: what was here before stays as it was.
    """
    with packages.opened(wish.paths, version=wish.version, edition=wish.edition) as found:
        async with owner.transaction(tenant.id) as tx:
            try:
                taken = await _within(tx, found, wish, now)
            except Broken as error:
                text = f"{error.name}, line {error.line}: {error.why}; nothing was changed"
                raise Refused(text) from None
            await audit.note(tx, actor, "terms.import", f"{taken.system}|{taken.version}", "success")
        for table in _TABLES:
            await tx.connection.execute(f"VACUUM (ANALYZE) {table}")
    return taken


async def _within(tx: Transaction, found: Release, wish: Wish, now: datetime.datetime) -> Taken:
    await tx.connection.execute("LOCK TABLE term_release IN SHARE ROW EXCLUSIVE MODE")
    release = await tx.connection.fetchval(_RELEASE, found.system, found.version, found.name, wish.house, now)
    for table in _TABLES:
        await tx.connection.execute(f"DELETE FROM {table} WHERE release = $1", release)
    base = await tx.connection.fetchval("SELECT coalesce(max(number), 0) + 1 FROM term_concept")
    staging = Staging(tx, release, base)
    await staging.take(found)
    if not staging.counts.get("concept"):
        raise Refused("the package holds no concept")
    told = json.dumps({"read": dict(staging.counts), "not_read": found.not_read}, sort_keys=True)
    change = "UPDATE term_release SET counts = $2, depth = $3 WHERE id = $1"
    await tx.connection.execute(change, release, told, found.depth)
    if not wish.house:
        await tx.run(
            "INSERT INTO term_use (tenant_id, release, since) VALUES ($1, $2, $3) "
            "ON CONFLICT (tenant_id, release) DO UPDATE SET since = excluded.since",
            release,
            now,
        )
    return _taken(await tx.connection.fetchrow("SELECT * FROM term_release WHERE id = $1", release))


async def listed(owner: Owner, tenant: Tenant) -> list[Taken]:
    """The releases a tenant uses, those of the house among them, the newest first."""
    async with owner.transaction(tenant.id) as tx:
        rows = await tx.rows(
            "SELECT r.* FROM term_release r LEFT JOIN term_use u ON u.tenant_id = $1 AND u.release = r.id "
            "WHERE r.house OR u.release IS NOT NULL ORDER BY r.taken_at DESC, r.id DESC"
        )
    return [_taken(row) for row in rows]


async def removed(owner: Owner, tenant: Tenant, release: int, actor: str) -> bool:
    """Take a release from a tenant; True when nobody used it any more and it is gone. Raises NotFound.

    One of the house is taken from the house: it stays for tenants that have it by themselves.
    """
    async with owner.transaction(tenant.id) as tx:
        row = await tx.row(
            "SELECT r.*, u.release AS used FROM term_release r LEFT JOIN term_use u ON u.tenant_id = $1 "
            "AND u.release = r.id WHERE r.id = $2 AND (r.house OR u.release IS NOT NULL)",
            release,
        )
        if row is None:
            raise NotFound("the tenant has no such release; ./ponte fhir terms list shows them")
        if row["used"] is not None:
            await tx.run("DELETE FROM term_use WHERE tenant_id = $1 AND release = $2", release)
        else:
            await tx.connection.execute("UPDATE term_release SET house = false WHERE id = $1", release)
        await audit.note(tx, actor, "terms.remove", f"{row['system']}|{row['version']}", "success")
        house = row["house"] and row["used"] is not None
        return not house and await _gone(tx, release)


async def _gone(tx: Transaction, release: int) -> bool:
    """Whether a release without users is removed; the walls hide who else has it, the foreign key does not."""
    import asyncpg

    try:
        async with tx.connection.transaction():  # what was done before it stands, whoever else has it
            await tx.connection.execute("DELETE FROM term_release WHERE id = $1 AND NOT house", release)
    except asyncpg.ForeignKeyViolationError:
        return False
    return True


def _taken(row: Any) -> Taken:
    counts = json.loads(row["counts"])
    return Taken(
        id=row["id"],
        system=row["system"],
        version=row["version"],
        name=row["name"],
        house=row["house"],
        counts=counts.get("read", {}),
        not_read=counts.get("not_read", {}),
        taken_at=row["taken_at"],
    )
