"""Signing in: by login and password, then by a code where the account has a second factor; by a client or a token.

Whatever is wrong (house, login, password, code, a closed account) is answered alike, in the same time, and counted
alike. Attempts are audited: of accounts by their login, of others without what was typed.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import uuid
from dataclasses import dataclass
from typing import Any

from canonical.errors import Denied, Misconfigured, NotFound
from hub.guard import audit, secrets
from hub.guard.clients import Client
from hub.guard.tokens import Identity
from hub.store.database import Row, Transaction
from hub.users import factors, guessing, passwords, sessions
from hub.users.accounts import ACTOR
from hub.users.rules import rules
from hub.users.sessions import Begun, Comer, Session
from hub.world import Tenant, World

ENTRY = frozenset(("console/read", "admin/*"))
_NOWHERE = uuid.UUID(int=0)  # whose rows count the attempts at houses that do not exist
_STEP = "console/halfway"
_LONGEST = 200
_ACCOUNT = (
    "SELECT login, password_hash, password_at, active, totp FROM user_account WHERE tenant_id = $1 AND login = $2"
)


class Wrong(Exception):
    """Nobody is known by what was given; what of it was wrong is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What was typed, and from where. An empty `house` means the only one there is."""

    house: str
    login: str
    password: str
    address: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halfway:
    """The password was right and a code is needed: `ticket` says so to the next step, for some minutes."""

    ticket: str


async def by_password(world: World, attempt: Attempt) -> Begun | Halfway:
    """A session, or halfway to one; raises Wrong, and Locked while nothing is looked at."""
    tenant = await house(world, attempt.house)
    login = attempt.login.strip().casefold()
    keys = guessing.keys_of(login if tenant else f"{attempt.house}/{login}", attempt.address)
    async with world.database.transaction(tenant.id if tenant else _NOWHERE) as tx:
        await guessing.count(tx, keys, world.now())
        row = await tx.row(_ACCOUNT, login) if "\0" not in login and len(login) < _LONGEST else None
    right = await passwords.verified(row["password_hash"] if row else None, attempt.password)
    if tenant is None:
        raise Wrong
    if row is None or not right or not row["active"]:
        await _failed(world, tenant, row["login"] if row else "")
        raise Wrong
    fresh = await passwords.hashed(attempt.password) if passwords.is_outdated(row["password_hash"]) else ""
    async with world.transaction(tenant) as tx:
        if fresh:
            await tx.run(
                "UPDATE user_account SET password_hash = $3 WHERE tenant_id = $1 AND login = $2 AND password_hash = $4",
                login,
                fresh,
                row["password_hash"],
            )
        if row["totp"] is not None:
            await guessing.undo(tx, keys, world.now())
            return Halfway(ticket=_ticket(world, tenant, row))
        await guessing.forgive(tx, keys, world.now())
        return await entered(world, tx, tenant, login, attempt, "password")


async def by_code(world: World, ticket: str, given: str, attempt: Attempt) -> Begun:
    """A session for who was halfway and gives a code; raises Wrong, Locked."""
    tenant, login, password_at = await _halfway(world, ticket)
    keys = guessing.keys_of(login, attempt.address)
    async with world.transaction(tenant) as tx:
        await guessing.count(tx, keys, world.now())
    async with world.transaction(tenant) as tx:
        row = await tx.row(_ACCOUNT, login)
        same = row is not None and row["active"] and str(row["password_at"]) == password_at
        means = await factors.used(world, tx, login, given, world.now()) if same else ""
        if means:
            await guessing.forgive(tx, keys, world.now())
            return await entered(world, tx, tenant, login, attempt, f"password+{means}")
    await _failed(world, tenant, login)
    raise Wrong


async def is_known(world: World, session: Session, password: str, address: str) -> bool:
    """Whether who has a session gives its owner's password, counted like an attempt to sign in; raises Locked."""
    keys = guessing.keys_of(session.login, address)
    async with world.transaction(session.tenant) as tx:
        await guessing.count(tx, keys, world.now())
        row = await tx.row(_ACCOUNT, session.login)
    right = await passwords.verified(row["password_hash"] if row else None, password)
    if right:
        async with world.transaction(session.tenant) as tx:
            await guessing.undo(tx, keys, world.now())
    return right


async def entered(world: World, tx: Transaction, tenant: Tenant, login: str, attempt: Attempt, means: str) -> Begun:
    """The session of a person who has proved who it is."""
    await tx.run("UPDATE user_account SET entered_at = $3 WHERE tenant_id = $1 AND login = $2", login, world.now())
    comer = Comer(actor=ACTOR + login, login=login, means=means, address=attempt.address, agent=attempt.agent)
    return await sessions.begin(world, tx, tenant, comer)


async def by_client(world: World, client: Client, attempt: Attempt) -> Begun:
    """A session for a program that has proved who it is; raises Denied without a scope for the console."""
    comer = Comer(
        actor=client.client_id,
        client_id=client.client_id,
        scopes=frozenset(client.scopes),
        means="client",
        address=attempt.address,
        agent=attempt.agent,
    )
    return await _foreign(world, client.tenant, comer, None)


async def by_token(world: World, identity: Identity, tenant: Tenant, attempt: Attempt) -> Begun:
    """A session for a valid token, that ends with it; raises Denied without a scope for the console, and for a token a
    person has made: people have sessions of their own."""
    if identity.login:
        raise Denied("a person's token opens no pages")
    comer = Comer(
        actor=identity.subject,
        client_id=identity.client_id,
        scopes=identity.scopes,
        means="token",
        address=attempt.address,
        agent=attempt.agent,
    )
    return await _foreign(world, tenant, comer, identity.expires_at - world.now())


async def house(world: World, slug: str) -> Tenant | None:
    """The active house meant; without a name the only one there is."""
    stated = slug.strip().casefold()
    if not stated:
        found = await world.tenants()
        return found[0] if len(found) == 1 else None
    try:
        return await world.tenant(stated) if "\0" not in stated else None
    except NotFound:
        return None


async def _foreign(world: World, tenant: Tenant, comer: Comer, most: datetime.timedelta | None) -> Begun:
    if not comer.scopes & ENTRY:
        raise Denied("the token lacks the scope for the console")
    async with world.transaction(tenant) as tx:
        return await sessions.begin(world, tx, tenant, comer, most=most)


async def _failed(world: World, tenant: Tenant, login: str) -> None:
    who = ACTOR + login if login else "console"
    async with world.transaction(tenant) as tx:
        await audit.note(tx, who, "console-login", f"user/{login}" if login else "console", "failure")


def _ticket(world: World, tenant: Tenant, row: Row) -> str:
    said = {
        "house": tenant.slug,
        "login": row["login"],
        "password_at": str(row["password_at"]),
        "until": (world.now() + datetime.timedelta(minutes=rules()["code"]["halfway_minutes"])).timestamp(),
    }
    return sealed(world, said, _STEP)


async def _halfway(world: World, ticket: str) -> tuple[Tenant, str, str]:
    said = unsealed(world, ticket, _STEP)
    if said is None:
        raise Wrong
    tenant = await house(world, said["house"])
    if tenant is None:
        raise Wrong
    return tenant, said["login"], said["password_at"]


def is_halfway(world: World, ticket: str) -> bool:
    """Whether a ticket still means something."""
    return unsealed(world, ticket, _STEP) is not None


def sealed(world: World, said: dict[str, Any], purpose: str) -> str:
    """What a page carries for us and cannot read; `until` in it is when it means nothing any more (a Unix time)."""
    return base64.urlsafe_b64encode(secrets.seal(world.settings, json.dumps(said).encode(), purpose)).decode()


def unsealed(world: World, text: str, purpose: str) -> dict[str, Any] | None:
    """What a page carried; None for what is not ours, or is over."""
    try:
        found = json.loads(secrets.unseal(world.settings, base64.urlsafe_b64decode(text), purpose))
    except (Misconfigured, ValueError, binascii.Error):
        return None
    return dict(found) if found["until"] > world.now().timestamp() else None
