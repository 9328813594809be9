"""Tokens a person makes for a program of their own: short-lived, of chosen scopes within the roles, listed, ended.

A token stands while its row does. The row goes with the account, its password or its roles (`hub.users.accounts`), so
a token never outlives what it was made from; its requests are the person's in the audit trail.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from canonical.errors import Conflict, Denied, NotFound, Refused
from hub.guard import audit, registration, scopes, tokens
from hub.store.database import Transaction
from hub.users.accounts import ACTOR
from hub.users.roles import may
from hub.users.rules import rules
from hub.world import Tenant, World

LONGEST_TITLE = 80
_PAGES = ("console/read", "blocked/read")  # a session's matter; and what looks past blocks is a client's, by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a token is for, what it may, and for how many minutes."""

    title: str
    scopes: tuple[str, ...]
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnToken:
    """What may be shown of a token."""

    id: str
    login: str
    title: str
    scopes: tuple[str, ...]
    created_at: datetime.datetime
    ends_at: datetime.datetime

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        found = {name: getattr(self, name) for name in self.__slots__}
        ends = {"created_at": self.created_at.isoformat(), "ends_at": self.ends_at.isoformat()}
        return {**found, "scopes": list(self.scopes), **ends}


def choices(held: frozenset[str]) -> list[str]:
    """The scopes a person may put into a token: those of the roles; an administrator also what `admin/*` stands for."""
    own = {scope for scope in registration.OWN_SCOPES if may(held, scope)}
    return sorted((own | {scope for scope in held if scopes.grant_of(scope)}).difference(_PAGES))


async def make(world: World, tenant: Tenant, login: str, held: frozenset[str], wish: Wish) -> str:
    """A token, shown only now; raises Refused, Denied for more than is held, Conflict beyond so many at a time."""
    title = " ".join(wish.title.split())
    if not title or len(title) > LONGEST_TITLE or not title.isprintable():
        raise Refused(f"a title is 1 to {LONGEST_TITLE} printable characters", code="user.token-title")
    if wish.minutes not in rules()["token"]["minutes"]:
        raise Refused("a token lives one of the spans that are offered", code="user.token-span")
    wanted = _wanted(world, tenant, held, wish.scopes)
    lifetime = datetime.timedelta(minutes=wish.minutes)
    said = tokens.claims(world, tenant, ACTOR + login, roles=(), scopes=wanted, lifetime=lifetime) | {"login": login}
    async with world.transaction(tenant) as tx:
        active = await tx.value("SELECT active FROM user_account WHERE tenant_id = $1 AND login = $2 FOR UPDATE", login)
        if not active:
            raise NotFound("there is no such account", code="user.unknown")
        if len(await listed(tx, login, world.now())) >= rules()["token"]["most_of_one"]:
            raise Conflict("too many tokens at a time", code="user.token-most")
        await tx.run(
            "INSERT INTO user_token (tenant_id, jti, login, title, scopes, created_at, ends_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            said["jti"],
            login,
            title,
            " ".join(wanted),
            world.now(),
            datetime.datetime.fromtimestamp(said["exp"], datetime.UTC),
        )
        detail = {"scopes": list(wanted), "minutes": wish.minutes}
        await audit.note(tx, ACTOR + login, "token-create", f"user/{login}", detail=detail)
    return await tokens.signed(world, said)


async def listed(tx: Transaction, login: str, now: datetime.datetime) -> list[OwnToken]:
    """A person's tokens that have not ended, newest first."""
    rows = await tx.rows(
        "SELECT jti AS id, login, title, scopes, created_at, ends_at FROM user_token "
        "WHERE tenant_id = $1 AND login = $2 AND ends_at > $3 ORDER BY created_at DESC",
        login,
        now,
    )
    return [OwnToken(**{**dict(row), "scopes": tuple(row["scopes"].split())}) for row in rows]


async def end(world: World, tenant: Tenant, login: str, token_id: str, *, actor: str) -> None:
    """Refuse a token from now on (within half a second in every process); raises NotFound."""
    async with world.transaction(tenant) as tx:
        tag = await tx.run("DELETE FROM user_token WHERE tenant_id = $1 AND jti = $2 AND login = $3", token_id, login)
        if tag.endswith(" 0"):
            raise NotFound("there is no such token", code="user.no-token")
        await audit.note(tx, actor, "token-end", f"user/{login}")


def _wanted(world: World, tenant: Tenant, held: frozenset[str], said: Iterable[str]) -> tuple[str, ...]:
    wanted = tuple(sorted(set(said)))
    if not wanted:
        raise Refused("a token is for something", code="user.token-scopes")
    registration.check_scopes(world, tenant, wanted)
    allowed = choices(held)
    if not all(scopes.covers(allowed, scope) for scope in wanted):
        raise Denied("a token may no more than its person", code="client.escalation")
    return wanted
