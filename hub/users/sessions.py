"""Sessions: a row and a secret only its holder has. Judged anew at each look, so that what ends one ends it at once.

The holder's word is `<house>.<session>.<secret>`: the first two say where to look, as a client's id does, and only the
secret is believed. A program or a token may have a session too; its rights are those it came with.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canonical.errors import NotFound
from hub.guard import audit
from hub.store.database import Row, Transaction
from hub.users import accounts
from hub.users.roles import scopes_of
from hub.users.rules import house_of, rules
from hub.world import Tenant, World, tenant_from

ADMIN = "console/admin"  # held by sessions only: whoever holds admin/*
MINUTE = datetime.timedelta(minutes=1)
_LONGEST = 200
_LONGEST_AGENT = 200
MUST_PASSWORD, MUST_FACTOR = "password", "second-factor"
FEDERATED = "oidc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comer:
    """Who comes in: named by `actor`; a person's `login`, or a program's `client_id`, with the scopes of those who are
    no persons. `means` is how it was proved, `address` and `agent` from where."""

    actor: str
    login: str = ""
    client_id: str = ""
    scopes: frozenset[str] = frozenset()
    means: str
    address: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session that holds: whose, what it may, and what must be done first (`must`), if anything."""

    id: str
    tenant: Tenant
    subject: str
    login: str
    name: str
    roles: tuple[str, ...]
    scopes: frozenset[str]
    means: str
    must: str
    second_factor: bool
    password: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A new session: the word for its holder, and how long it lives at most."""

    word: str
    lifetime: datetime.timedelta


async def begin(
    world: World, tx: Transaction, tenant: Tenant, comer: Comer, *, most: datetime.timedelta | None = None
) -> Begun:
    """Begin a session; `most` shortens its life. The oldest of very many of one person's ends."""
    now, identity, secret = world.now(), uuid.uuid4(), secrets.token_urlsafe(32)
    hours = house_of(tenant).hours if comer.login else rules()["session"]["client_hours"]
    lifetime = min(datetime.timedelta(hours=hours), most or datetime.timedelta(hours=hours))
    await tx.run(
        "INSERT INTO console_session (tenant_id, id, digest, actor, login, client_id, scopes, means, created_at, "
        "seen_at, ends_at, address, agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11, $12)",
        identity,
        _digest(secret),
        comer.actor,
        comer.login,
        comer.client_id,
        " ".join(sorted(comer.scopes)),
        comer.means,
        now,
        now + lifetime,
        comer.address,
        "".join(char if char.isprintable() else "?" for char in comer.agent)[:_LONGEST_AGENT],
    )
    if comer.login:
        await tx.run(
            "DELETE FROM console_session WHERE tenant_id = $1 AND id IN (SELECT id FROM console_session "
            "WHERE tenant_id = $1 AND login = $2 ORDER BY created_at DESC OFFSET $3)",
            comer.login,
            rules()["session"]["most_of_one"],
        )
    await audit.note(tx, comer.actor, "console-login", "console", detail={"means": comer.means})
    return Begun(word=f"{tenant.id.hex}.{identity.hex}.{secret}", lifetime=lifetime)


_FIND = """
SELECT t.id, t.slug, t.name, t.zone, t.active, t.settings, s.id AS session, s.digest, s.actor, s.login, s.client_id,
       s.scopes, s.means, s.seen_at, s.ends_at, u.name AS person, u.roles, u.must_change, u.password_at,
       u.totp IS NOT NULL AS second_factor, u.password_hash IS NOT NULL AS password,
       coalesce(u.active, s.login = '') AND coalesce(k.active, s.client_id = '') AS standing
FROM tenant t JOIN console_session s ON s.tenant_id = c.tenant
LEFT JOIN user_account u ON u.tenant_id = c.tenant AND u.login = s.login
LEFT JOIN client k ON k.tenant_id = c.tenant AND k.client_id = s.client_id
WHERE t.id = c.tenant AND t.active AND s.id = $2 LIMIT 1
"""


async def find(world: World, word: str, *, looked: bool = True) -> Session | None:
    """The session of a word; None when there is none that holds. `looked`: a person did, so it is not idle."""
    house, _, rest = word.partition(".")
    named, _, secret = rest.partition(".")
    try:
        tenant_id, identity = uuid.UUID(hex=house), uuid.UUID(hex=named)
    except ValueError:
        return None
    if len(word) > _LONGEST or not secret:
        return None
    rows = await world.database.ask(tenant_id, _FIND, identity)
    row = rows[0] if rows else None
    if row is None or not hmac.compare_digest(row["digest"], _digest(secret)):
        return None
    tenant, now = tenant_from(row), world.now()
    if not row["standing"] or row["ends_at"] <= now or _is_idle(tenant, row, now):
        return None
    if looked and abs(now - row["seen_at"]) >= MINUTE:  # also when the clock was set back since
        async with world.transaction(tenant) as tx:
            await tx.run("UPDATE console_session SET seen_at = $3 WHERE tenant_id = $1 AND id = $2", identity, now)
    return _session(tenant, row, now)


async def end(world: World, session: Session) -> None:
    """Sign out."""
    async with world.transaction(session.tenant) as tx:
        await tx.run("DELETE FROM console_session WHERE tenant_id = $1 AND id = $2", uuid.UUID(session.id))
        await audit.note(tx, session.subject, "console-logout", "console")


async def own(tx: Transaction, session: Session) -> list[Mapping[str, Any]]:
    """A person's sessions that have not reached their end, newest first; `own` is the one that asks."""
    rows = await tx.rows(
        "SELECT id, means, created_at, seen_at, ends_at, address, agent FROM console_session "
        "WHERE tenant_id = $1 AND login = $2 AND login <> '' ORDER BY created_at DESC",
        session.login,
    )
    return [{**dict(row), "id": str(row["id"]), "own": str(row["id"]) == session.id} for row in rows]


async def end_one(world: World, session: Session, which: str) -> None:
    """End one session of the person's, from another of theirs; raises NotFound."""
    try:
        identity = uuid.UUID(which)
    except ValueError:
        raise NotFound("there is no such session", code="user.no-session") from None
    async with world.transaction(session.tenant) as tx:
        tag = await tx.run(
            "DELETE FROM console_session WHERE tenant_id = $1 AND id = $2 AND login = $3 AND login <> ''",
            identity,
            session.login,
        )
        if tag.endswith(" 0"):
            raise NotFound("there is no such session", code="user.no-session")
        await audit.note(tx, session.subject, "session-end", f"user/{session.login}")


def _is_idle(tenant: Tenant, row: Row, now: datetime.datetime) -> bool:
    return bool(row["login"]) and row["seen_at"] + datetime.timedelta(minutes=house_of(tenant).idle_minutes) <= now


def _session(tenant: Tenant, row: Row, now: datetime.datetime) -> Session:
    roles = tuple((row["roles"] or "").split())
    scopes = scopes_of(roles) if row["login"] else frozenset(row["scopes"].split())
    return Session(
        id=str(row["session"]),
        tenant=tenant,
        subject=row["actor"],
        login=row["login"],
        name=row["person"] or row["actor"],
        roles=roles,
        scopes=scopes | {ADMIN} if "admin/*" in scopes else scopes,
        means=row["means"],
        must=_must(tenant, row, now) if row["login"] else "",
        second_factor=bool(row["second_factor"]),
        password=bool(row["password"]),
    )


def _must(tenant: Tenant, row: Row, now: datetime.datetime) -> str:
    """What a person must do before anything else; the house's own sign-in service answers for those it sent."""
    if row["means"] == FEDERATED:
        return ""
    if row["must_change"] or accounts.is_over(row["password_at"], now):
        return MUST_PASSWORD
    return MUST_FACTOR if house_of(tenant).second_factor and not row["second_factor"] else ""


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
