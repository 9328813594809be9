"""The second factor of an account: begun, proved, taken away, and used when signing in."""

from __future__ import annotations

import datetime

from canonical.errors import NotFound, Refused
from hub.guard import audit, secrets
from hub.store.database import Transaction
from hub.users import codes
from hub.users.accounts import ACTOR
from hub.world import Tenant, World


def purpose_of(login: str) -> str:
    """What a person's secret is sealed for."""
    return f"user/{login}/totp"


async def enrol(world: World, tenant: Tenant, login: str, secret: str, given: str) -> list[str]:
    """Keep a secret whose code was given; returns the recovery codes, shown only now. Raises Refused, NotFound."""
    step = codes.matched(secret, given, world.now(), 0)
    if step is None:
        raise Refused("the code does not fit the secret", code="user.code")
    paper = codes.recovery()
    async with world.transaction(tenant) as tx:
        tag = await tx.run(
            "UPDATE user_account SET totp = $3, totp_step = $4, recovery = $5, changed_at = now() "
            "WHERE tenant_id = $1 AND login = $2 AND active",
            login,
            secrets.seal(world.settings, secret.encode(), purpose_of(login)),
            step,
            " ".join(codes.digest(each) for each in paper),
        )
        if tag.endswith(" 0"):
            raise NotFound("there is no such account", code="user.unknown")
        await audit.note(tx, ACTOR + login, "user-second-factor", f"user/{login}", detail={"on": True})
    return paper


async def forget(world: World, tenant: Tenant, login: str) -> None:
    """Take the second factor away."""
    async with world.transaction(tenant) as tx:
        await tx.run(
            "UPDATE user_account SET totp = NULL, recovery = '', changed_at = now() "
            "WHERE tenant_id = $1 AND login = $2",
            login,
        )
        await audit.note(tx, ACTOR + login, "user-second-factor", f"user/{login}", detail={"on": False})


async def used(world: World, tx: Transaction, login: str, given: str, now: datetime.datetime) -> str:
    """How a code proved the person: `code` or `recovery`, which is spent by it; empty when it proves nothing."""
    row = await tx.row(
        "SELECT totp, totp_step, recovery FROM user_account WHERE tenant_id = $1 AND login = $2 AND active FOR UPDATE",
        login,
    )
    if row is None or row["totp"] is None:
        return ""
    secret = secrets.unseal(world.settings, bytes(row["totp"]), purpose_of(login)).decode()
    step = codes.matched(secret, given, now, row["totp_step"])
    if step is not None:
        await tx.run("UPDATE user_account SET totp_step = $3 WHERE tenant_id = $1 AND login = $2", login, step)
        return "code"
    left = codes.without(row["recovery"].split(), given)
    if left is None:
        return ""
    await tx.run("UPDATE user_account SET recovery = $3 WHERE tenant_id = $1 AND login = $2", login, " ".join(left))
    return "recovery"
