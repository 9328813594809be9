"""Turning the master key: what lasts (credentials, the hub's token keys) is sealed anew; exports end by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canonical.errors import Conflict
from hub.guard import audit, secrets, tokens
from hub.store.database import Transaction
from hub.world import World

_TOKENS = "SELECT kid, sealed FROM signing_key ORDER BY kid"
_SEALED = (
    ("credential", ("name", "sealed"), "credential/{}"),
    ("user_account", ("login", "totp"), "user/{}/totp"),
)
"""Tables of a tenant with sealed columns: the key, the column, and what it is sealed for."""
_BULK = "SELECT count(*) FROM bulk_job WHERE tenant_id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeyed:
    """How many secrets were sealed anew, and how many had been already."""

    anew: int = 0
    already: int = 0


async def seal_anew(world: World, actor: str) -> Rekeyed:
    """Seal everything that lasts under the current key; doing it again changes nothing. Each tenant is audited."""
    anew, already = await _token_keys(world)
    for tenant in await world.everyone():
        async with world.transaction(tenant) as tx:
            done = [await _of_tenant(world, tx, *where) for where in _SEALED]
            if fresh := sum(count for count, _ in done):
                await audit.note(tx, actor, "secrets-rekey", "vault", detail={"secrets": fresh})
        anew, already = anew + fresh, already + sum(count for _, count in done)
    return Rekeyed(anew=anew, already=already)


async def finish(world: World, actor: str) -> None:
    """Forget the previous key; raises Conflict while a secret, or the file of an export, still needs it."""
    if (await seal_anew(world, actor)).anew:
        raise Conflict("some secrets were sealed anew only now; look that all processes have the new key, then finish")
    for tenant in await world.everyone():
        async with world.transaction(tenant) as tx:
            if await tx.value(_BULK):
                raise Conflict(f"tenant {tenant.slug} has exports or imports whose files may need the previous key")
    secrets.forget_previous(world.settings)


async def _of_tenant(
    world: World, tx: Transaction, table: str, columns: tuple[str, str], purpose: str
) -> tuple[int, int]:
    """How many secrets of one table were sealed anew, and how many had been already."""
    key, sealed = columns
    rows = await tx.rows(
        f"SELECT {key} AS name, {sealed} AS sealed FROM {table} WHERE tenant_id = $1 AND {sealed} IS NOT NULL "
        f"ORDER BY {key} FOR UPDATE"
    )
    todo = {row["name"]: fresh for row in rows if (fresh := _fresh(world, row, purpose.format(row["name"])))}
    for name, fresh in todo.items():
        await tx.run(f"UPDATE {table} SET {sealed} = $3 WHERE tenant_id = $1 AND {key} = $2", name, fresh)
    return len(todo), len(rows) - len(todo)


async def _token_keys(world: World) -> tuple[int, int]:
    rows = await world.database.global_rows(_TOKENS)
    todo = {row["kid"]: fresh for row in rows if (fresh := _fresh(world, row, tokens.PURPOSE))}
    for kid, sealed in todo.items():
        await world.database.global_rows("UPDATE signing_key SET sealed = $2 WHERE kid = $1", kid, sealed)
    return len(todo), len(rows) - len(todo)


def _fresh(world: World, row: Any, purpose: str) -> bytes | None:
    """The secret sealed anew; None when the current key sealed it already. Raises Misconfigured."""
    sealed = bytes(row["sealed"])
    if secrets.sealed_by_current(world.settings, sealed, purpose):
        return None
    return secrets.seal(world.settings, secrets.unseal(world.settings, sealed, purpose), purpose)
