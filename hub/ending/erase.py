"""Erases a closed tenant, every row and every folder, in small transactions, and looks that nothing is left.

It is done as the tables' owner, whom row-level security holds to this one tenant. What is kept is one sealed line:
that it happened, when, by whom, how many rows, and the last seal of the trail that went with it.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import Any

from canonical.errors import Conflict, Refused
from hub import tenants
from hub.ending.tables import tenant_tables
from hub.guard import audit
from hub.guard.policies import settings_of
from hub.retention import holds
from hub.store.database import Row, Transaction
from hub.store.owned import Owner
from hub.world import Tenant, World

WAIT = datetime.timedelta(days=30)
"""How long a tenant stands closed before it may be erased without saying so."""
AT_ONCE = 5000
_LOOK = """
SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'm') AND $1::uuid IS NOT NULL ORDER BY 1
"""
_LAST_ACT = "SELECT max(at) FROM audit_event WHERE tenant_id = $1 AND action = $2 AND outcome = 'success'"
_FIELDS = ("number", "tenant", "slug", "actor", "counts", "last_seal", "erased_at", "previous_hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """One erasure as it is kept: the tenant, by whom, when, rows by table, the trail's last seal, and its hash."""

    number: int
    tenant: str
    slug: str
    actor: str
    counts: dict[str, int]
    last_seal: str
    erased_at: datetime.datetime
    hash: str

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return {**told, "erased_at": self.erased_at.isoformat(timespec="seconds")}


async def erase(world: World, owner: Owner, slug: str, *, at_once: bool, unexported: bool, actor: str) -> Erased:
    """Erase a closed tenant. One that was interrupted goes on where it stopped.

    Raises NotFound; Conflict for one that is open, under a legal hold, closed for less than WAIT (unless `at_once`), or
    not exported since it was closed (unless `unexported`); Refused when something was left after all.
    """
    tenant = await tenants.any_tenant(world, slug)
    async with owner.transaction(tenant.id) as tx:
        await _begin(tx, tenant, world.now(), at_once=at_once, unexported=unexported)
    for table in tenant_tables():
        await _emptied(owner, tenant, table.name)
    files = await asyncio.to_thread(_files_of, world, tenant)
    async with owner.transaction(tenant.id) as tx:
        counts = await _counted(tx)
        await _count(tx, "files", max(files - counts.get("files", 0), 0))
    await asyncio.to_thread(_folders_removed, world, tenant)
    async with owner.transaction(tenant.id) as tx:
        return await _ended(tx, world, tenant, await _counted(tx), actor)


async def erasures(world: World) -> tuple[list[Erased], bool]:
    """All erasures of this hub, oldest first, and whether their chain holds."""
    rows = await world.database.global_rows("SELECT * FROM erasure ORDER BY number")
    previous, holds_ = "", True
    for expected, row in enumerate(rows, 1):
        holds_ &= row["number"] == expected and row["previous_hash"] == previous and row["hash"] == _hash(row)
        previous = row["hash"]
    return [_erased(row) for row in rows], holds_


async def _begin(tx: Transaction, tenant: Tenant, now: datetime.datetime, *, at_once: bool, unexported: bool) -> None:
    """What must hold before the first row goes; the trail is sealed once more, and the tenant opens no more."""
    settings = await settings_of(tx)
    if await tx.value("SELECT active FROM tenant WHERE id = $1"):
        raise Conflict("it is open; ./ponte tenant close it first", code="tenant.open")
    if tenants.ERASING in settings:
        return
    if await holds.mark(tx):
        raise Conflict("a legal hold stands; ./ponte retention holds shows it", code="tenant.held")
    closed = await tx.value(_LAST_ACT, "tenant-close")
    exported = await tx.value(_LAST_ACT, "tenant-export")
    if not at_once and (closed is None or closed > now - WAIT):
        raise Conflict(
            f"a tenant is erased {WAIT.days} days after it was closed; --now says at once", code="tenant.wait"
        )
    if not unexported and (exported is None or closed is None or exported < closed):
        raise Conflict("export it first, now that it is closed; or say --without-export", code="tenant.unexported")
    await audit.seal(tx)
    last = await tx.value("SELECT hash FROM audit_seal WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1")
    settings[tenants.ERASING] = {"since": now.isoformat(), "last_seal": last or "", "counts": {}}
    await tx.run("UPDATE tenant SET settings = $2 WHERE id = $1", json.dumps(settings))


async def _emptied(owner: Owner, tenant: Tenant, table: str) -> None:
    """Remove all rows of one table, some at a time, and count them where an interrupted erasure finds the number."""
    statement = (
        f"WITH gone AS (DELETE FROM {table} WHERE tenant_id = $1 AND ctid = ANY (ARRAY(SELECT ctid FROM {table} "
        f"WHERE tenant_id = $1 LIMIT {AT_ONCE})) RETURNING 1) SELECT count(*) FROM gone"
    )
    count = 1
    while count:
        async with owner.transaction(tenant.id) as tx:
            count = int(await tx.value(statement))
            await _count(tx, table, count)


async def _count(tx: Transaction, name: str, more: int) -> None:
    """Add to what was removed so far."""
    if more:
        settings = await settings_of(tx)
        counts = settings[tenants.ERASING].setdefault("counts", {})
        counts[name] = counts.get(name, 0) + more
        await tx.run("UPDATE tenant SET settings = $2 WHERE id = $1", json.dumps(settings))


async def _counted(tx: Transaction) -> dict[str, int]:
    """What was removed since the erasure began, by table; files of the tenant's folder as `files`."""
    return dict((await settings_of(tx))[tenants.ERASING].get("counts", {}))


def _files_of(world: World, tenant: Tenant) -> int:
    """How many files of exchange the tenant's folder still holds."""
    return sum(1 for path in (world.settings.folders / tenant.slug).rglob("*") if path.is_file())


def _folders_removed(world: World, tenant: Tenant) -> None:
    """Remove the tenant's folder of exchanged files."""
    folder = world.settings.folders / tenant.slug
    if folder.is_dir():
        shutil.rmtree(folder)


async def _left(tx: Transaction, world: World, tenant: Tenant) -> list[str]:
    """Tables of the database itself (not of our list) that still hold a row of the tenant, and folders."""
    found = []
    for row in await tx.rows(_LOOK):
        if await tx.value(f'SELECT EXISTS (SELECT 1 FROM "{row["name"]}" WHERE tenant_id = $1)'):
            found.append(row["name"])
    return found + (["files"] if (world.settings.folders / tenant.slug).exists() else [])


async def _ended(tx: Transaction, world: World, tenant: Tenant, counts: dict[str, int], actor: str) -> Erased:
    """Look that nothing is left, remove the tenant's row, and keep the sealed line."""
    if left := await _left(tx, world, tenant):
        raise Refused(f"something is left in {', '.join(left)}; run it again", code="tenant.left")
    mark = (await settings_of(tx))[tenants.ERASING]
    await tx.run("DELETE FROM tenant WHERE id = $1")
    await tx.connection.execute("LOCK TABLE erasure IN EXCLUSIVE MODE")
    last = await tx.row("SELECT number, hash FROM erasure WHERE $1::uuid IS NOT NULL ORDER BY number DESC LIMIT 1")
    row = {
        "number": (last["number"] if last is not None else 0) + 1,
        "tenant": tenant.id,
        "slug": tenant.slug,
        "actor": actor,
        "counts": json.dumps(counts),
        "last_seal": mark["last_seal"],
        "erased_at": world.now(),
        "previous_hash": last["hash"] if last is not None else "",
    }
    row["hash"] = _hash(row)
    columns = [name for name in row if name != "tenant"]
    places = ", ".join(f"${n}" for n in range(2, len(columns) + 2))
    await tx.run(
        f"INSERT INTO erasure (tenant, {', '.join(columns)}) VALUES ($1, {places})", *(row[name] for name in columns)
    )
    return _erased(row)


def _hash(row: Row) -> str:
    words = [row["erased_at"].isoformat() if name == "erased_at" else str(row[name]) for name in _FIELDS]
    return hashlib.sha256(json.dumps(words, ensure_ascii=False).encode()).hexdigest()


def _erased(row: Row) -> Erased:
    told = {name: row[name] for name in ("number", "slug", "actor", "last_seal", "erased_at", "hash")}
    return Erased(tenant=str(row["tenant"]), counts=json.loads(row["counts"]), **told)
