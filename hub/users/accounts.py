"""Accounts of people: made, listed, changed, closed, opened again, passwords reset and changed, second factors.

An account belongs to one house. Its login never changes and is never given to another, since the audit trail names it
(`user:<login>`). Whatever takes a right away ends the sessions, and the tokens a person has made, in the same
transaction.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from canonical.errors import Conflict, NotFound, Refused
from hub.guard import audit
from hub.store.database import Row, Transaction
from hub.users import guessing, passwords
from hub.users.roles import chosen
from hub.users.rules import rules
from hub.world import Tenant, World

ACTOR = "user:"
"""How the audit trail names a person: this and the login."""
LONGEST_NAME = 120
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+\-]{1,98}[a-z0-9]\Z", re.ASCII)
_COLUMNS = (
    "login, name, roles, active, password_hash IS NOT NULL AS password, must_change, "
    "totp IS NOT NULL AS second_factor, subject <> '' AS federated, created_at, changed_at, entered_at"
)
END_TOKENS = "DELETE FROM user_token WHERE tenant_id = $1 AND login = $2"
"""Ends the tokens a person has made: their rights were those of that moment."""
_END_ALL = "DELETE FROM console_session WHERE tenant_id = $1 AND login = $2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What may be shown of an account. `password`: whether it has one; `federated`: whether the house's own sign-in
    service knows it; `entered_at`: when the person last came in."""

    login: str
    name: str
    roles: tuple[str, ...]
    active: bool
    password: bool
    must_change: bool
    second_factor: bool
    federated: bool
    created_at: datetime.datetime
    changed_at: datetime.datetime
    entered_at: datetime.datetime | None

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        found = dataclasses.asdict(self) | {"roles": list(self.roles)}
        dates = ("created_at", "changed_at", "entered_at")
        return found | {name: value.isoformat() if (value := found[name]) else None for name in dates}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is to have an account."""

    login: str
    name: str
    roles: tuple[str, ...]


def checked(login: str, name: str, roles: Sequence[str]) -> Person:
    """The person as it is kept; raises Refused."""
    if not _LOGIN.match(login):
        raise Refused("a login is 3 to 100 of a-z, 0-9 and . _ @ + -", code="user.login")
    return Person(login=login, name=named(name), roles=chosen(roles))


def named(name: str) -> str:
    """A person's name as it is kept; raises Refused."""
    said = " ".join(name.split())
    if not said or len(said) > LONGEST_NAME or not said.isprintable():
        raise Refused(f"a name is 1 to {LONGEST_NAME} printable characters", code="user.name")
    return said


async def add(world: World, tenant: Tenant, person: Person, *, actor: str, password: str = "") -> str:
    """Make an account; returns its first password, which is shown only now and must be changed when it is used.

    `password`: one that stays (of trials). Raises Conflict when the login is or was somebody's.
    """
    first = password or passwords.made()
    kept = await passwords.hashed(first)
    async with world.transaction(tenant) as tx:
        tag = await tx.run(
            "INSERT INTO user_account (tenant_id, login, name, roles, password_hash, password_at, must_change) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, login) DO NOTHING",
            person.login,
            person.name,
            " ".join(person.roles),
            kept,
            world.now(),
            not password,
        )
        if tag.endswith(" 0"):
            raise Conflict("the login is taken", code="user.exists")
        await _note(tx, actor, "user-create", person.login, roles=list(person.roles))
    return first


async def listed(tx: Transaction) -> list[Account]:
    """All accounts, closed ones last."""
    rows = await tx.rows(f"SELECT {_COLUMNS} FROM user_account WHERE tenant_id = $1 ORDER BY active DESC, login")
    return [_account(row) for row in rows]


async def read(tx: Transaction, login: str) -> Account:
    """One account; raises NotFound."""
    row = None
    if _LOGIN.match(login):
        row = await tx.row(f"SELECT {_COLUMNS} FROM user_account WHERE tenant_id = $1 AND login = $2", login)
    if row is None:
        raise NotFound("there is no such account", code="user.unknown")
    return _account(row)


async def change(
    world: World, tenant: Tenant, login: str, *, name: str = "", roles: Sequence[str] = (), actor: str
) -> None:
    """Another name or other roles, which hold at the next click. Raises NotFound, Refused, and Conflict for one's own
    administration: somebody must be left who can give it back."""
    async with world.transaction(tenant) as tx:
        before = await _locked(tx, login)
        wanted = chosen(roles) if roles else before.roles
        if actor == ACTOR + login and set(before.roles) - set(wanted):
            raise Conflict("nobody takes roles from themselves", code="user.self")
        await tx.run(
            "UPDATE user_account SET name = $3, roles = $4, changed_at = now() WHERE tenant_id = $1 AND login = $2",
            login,
            named(name) if name else before.name,
            " ".join(wanted),
        )
        if wanted != before.roles:
            await tx.run(END_TOKENS, login)
        await _note(tx, actor, "user-change", login, roles=list(wanted), before=list(before.roles))


async def close(world: World, tenant: Tenant, login: str, *, actor: str) -> None:
    """Refuse the person and end their sessions at once; the account stays listed. Raises NotFound, Conflict."""
    if actor == ACTOR + login:
        raise Conflict("nobody closes their own account", code="user.self")
    await _switch(world, tenant, login, (actor, "user-close"), active=False)


async def reopen(world: World, tenant: Tenant, login: str, *, actor: str) -> None:
    """Let the person in again, with the password of before. Raises NotFound."""
    await _switch(world, tenant, login, (actor, "user-open"), active=True)


async def reset(world: World, tenant: Tenant, login: str, *, second_factor: bool = False, actor: str) -> str:
    """A new first password, shown only now and to be changed; ends the sessions, and a wait after wrong guesses.

    `second_factor`: forget that too, when the telephone is lost. Raises NotFound, Refused.
    """
    first = passwords.made()
    kept = await passwords.hashed(first)
    async with world.transaction(tenant) as tx:
        if (await _locked(tx, login)).federated:
            raise Refused("the house's own sign-in service knows the person", code="user.federated")
        await tx.run(
            "UPDATE user_account SET password_hash = $3, password_at = $4, must_change = true, changed_at = now() "
            "WHERE tenant_id = $1 AND login = $2",
            login,
            kept,
            world.now(),
        )
        if second_factor:
            await tx.run(
                "UPDATE user_account SET totp = NULL, recovery = '' WHERE tenant_id = $1 AND login = $2", login
            )
        await tx.run(_END_ALL, login)
        await tx.run(END_TOKENS, login)
        await guessing.clear(tx, login)
        await _note(tx, actor, "user-reset", login, second_factor=second_factor)
    return first


async def choose(world: World, tenant: Tenant, login: str, password: str, *, keep: str = "") -> None:
    """A person's own new password; ends all their sessions but the one called `keep`. Raises Refused, NotFound."""
    async with world.transaction(tenant) as tx:
        row = await tx.row("SELECT name, password_hash FROM user_account WHERE tenant_id = $1 AND login = $2", login)
    if row is None:
        raise NotFound("there is no such account", code="user.unknown")
    passwords.check(password, login, row["name"], tenant.slug)
    if await passwords.verified(row["password_hash"], password):
        raise Refused("the new password is the old one", code="user.password-same")
    kept = await passwords.hashed(password)
    async with world.transaction(tenant) as tx:
        await tx.run(
            "UPDATE user_account SET password_hash = $3, password_at = $4, must_change = false, changed_at = now() "
            "WHERE tenant_id = $1 AND login = $2",
            login,
            kept,
            world.now(),
        )
        await tx.run(f"{_END_ALL} AND id::text <> $3", login, keep)
        await tx.run(END_TOKENS, login)
        await _note(tx, ACTOR + login, "user-password", login)


def is_over(password_at: datetime.datetime | None, now: datetime.datetime) -> bool:
    """Whether a password is older than it may be."""
    return password_at is not None and password_at + datetime.timedelta(days=rules()["password"]["days"]) < now


async def _switch(world: World, tenant: Tenant, login: str, act: tuple[str, str], *, active: bool) -> None:
    async with world.transaction(tenant) as tx:
        await _locked(tx, login)
        await tx.run(
            "UPDATE user_account SET active = $3, changed_at = now() WHERE tenant_id = $1 AND login = $2", login, active
        )
        await tx.run(_END_ALL, login)
        await tx.run(END_TOKENS, login)
        await _note(tx, *act, login)


async def _locked(tx: Transaction, login: str) -> Account:
    found = await read(tx, login)
    await tx.run("SELECT 1 FROM user_account WHERE tenant_id = $1 AND login = $2 FOR UPDATE", login)
    return await read(tx, found.login)


async def _note(tx: Transaction, actor: str, action: str, login: str, **detail: Any) -> None:
    await audit.note(tx, actor, action, f"user/{login}", detail=detail)


def _account(row: Row) -> Account:
    return Account(**{**dict(row), "roles": tuple(row["roles"].split())})
