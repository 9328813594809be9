"""Signing in by the house's own service: what the house says of it, the way there and back, and who comes of it.

The way's secrets (state, nonce, verifier) travel sealed in a cookie of the browser that began, so that another browser
cannot end it. An account is made at the first coming; its roles are those that the service's groups mean each time.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.transports import documents
from canonical.errors import Misconfigured, PonteError, Refused
from hub.guard import audit, policies, vault
from hub.guard.keys import Published
from hub.store.database import Transaction
from hub.users import accounts, entering, provider, roles
from hub.users.accounts import ACTOR
from hub.users.entering import Attempt
from hub.users.provider import Asker, Distrusted, Places
from hub.users.rules import PART
from hub.users.sessions import FEDERATED, Begun
from hub.world import Tenant, World

BACK = "/console/login/oidc/back"
KEY = "oidc"
MINUTES = 10
_PURPOSE = "console/oidc"
_CLAIM = re.compile(r"[A-Za-z0-9_:./\-]{1,120}\Z")
_MOST_GROUPS = 200
_LONGEST_GROUP = 200
_TEXTS = {"title": 80, "issuer": 300, "client_id": 200, "credential": 100, "scopes": 300}
_CLAIMS = ("login_claim", "name_claim", "groups_claim")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A house's service: how the page calls it, its issuer, our id there and where the vault keeps our secret, what is
    asked for, which claims say login, name and groups, and the role each group means."""

    title: str
    issuer: str
    client_id: str
    credential: str = ""
    scopes: str = "openid profile email"
    login_claim: str = "preferred_username"
    name_claim: str = "name"
    groups_claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {name: getattr(self, name) for name in self.__slots__} | {"roles": dict(self.roles)}


def service_of(tenant: Tenant) -> Service | None:
    """The house's service; None where it has none."""
    said = policies.part_of(tenant.settings, PART).get(KEY)
    return Service(**said) if isinstance(said, dict) else None


def checked(world: World, said: Mapping[str, Any]) -> Service:
    """A service as it may be kept; raises Refused."""
    if not said.keys() <= set(Service.__slots__) or not {"title", "issuer", "client_id", "roles"} <= said.keys():
        raise Refused("title, issuer, client_id and roles are needed, and nothing unknown", code="user.oidc")
    texts = [str(said[name]) for name in _TEXTS if name in said]
    longest = [most for name, most in _TEXTS.items() if name in said]
    if any(len(text) > most or not text.isprintable() for text, most in zip(texts, longest, strict=True)):
        raise Refused("a text is too long or not printable", code="user.oidc")
    if not all(_CLAIM.match(str(said[name])) for name in _CLAIMS if name in said):
        raise Refused("a claim is named by letters, digits and _ : . / -", code="user.oidc")
    wanted = said["roles"]
    if not isinstance(wanted, Mapping) or not 0 < len(wanted) <= _MOST_GROUPS:
        raise Refused("roles say which role each group means", code="user.oidc")
    if not all(0 < len(str(group)) <= _LONGEST_GROUP and str(group).isprintable() for group in wanted):
        raise Refused("a group is named by 1 to 200 printable characters", code="user.oidc")
    roles.chosen([str(role) for role in wanted.values()])
    if "openid" not in str(said.get("scopes", "openid")).split():
        raise Refused("the scopes have openid among them", code="user.oidc")
    try:
        documents.address(str(said["issuer"]), allow_private=world.settings.allow_private_targets)
    except Misconfigured as error:
        raise Refused(error.text, code=error.code) from None
    texts_of = {name: str(value) for name, value in said.items() if name != "roles"}
    return Service(**texts_of, roles={str(group): str(role) for group, role in wanted.items()})


async def decide(world: World, tenant: Tenant, service: Service | None, *, actor: str) -> None:
    """Set the house's service, or take it away. Raises Refused for a credential of the vault that is there and was
    not given by this service: it would be sent to it."""
    async with world.transaction(tenant) as tx:
        if service is not None and service.credential:
            named = await tx.value("SELECT true FROM credential WHERE tenant_id = $1 AND name = $2", service.credential)
            if named and await secret_of(tx, world, service) is None:
                raise Refused("the entry of the vault is not this service's secret", code="user.oidc-credential")
        settings = await policies.settings_of(tx)
        part = policies.part_of(settings, PART)
        part.pop(KEY, None)
        settings[PART] = part | ({KEY: service.as_json()} if service is not None else {})
        await tx.run("UPDATE tenant SET settings = $2 WHERE id = $1", json.dumps(settings))
        await audit.note(tx, actor, "policy-change", f"tenant/{tenant.slug}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """The way to a service: the address to go to, and what the browser keeps until it comes back."""

    address: str
    kept: str


async def begin(world: World, house: str, to: str) -> Begin | None:
    """The way to the service of a house; None where there is no house or no service. Raises Distrusted, PonteError."""
    tenant = await entering.house(world, house)
    service = service_of(tenant) if tenant is not None else None
    if tenant is None or service is None:
        return None
    where = await provider.places(service.issuer, allow_private=world.settings.allow_private_targets)
    secret = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    said = {
        **secret,
        "house": tenant.slug,
        "to": to,
        "issuer": service.issuer,
        "token": where.token,
        "keys": where.keys,
    }
    until = world.now().timestamp() + MINUTES * 60
    asker = Asker(client_id=service.client_id, secret="", back=back(world))
    return Begin(
        address=provider.question(where, asker, service.scopes, secret),
        kept=entering.sealed(world, {**said, "until": until}, _PURPOSE),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """Who came back: a session, the house, and the page that was wanted."""

    begun: Begun
    house: str
    to: str


async def finish(world: World, published: Published, kept: str, answer: Mapping[str, str], attempt: Attempt) -> Came:
    """The session of who came back with `answer`; raises Distrusted, Refused and the failures of a call, each audited
    where the house is known."""
    said = entering.unsealed(world, kept, _PURPOSE)
    tenant = await entering.house(world, said["house"]) if said is not None else None
    service = service_of(tenant) if tenant is not None else None
    if said is None or tenant is None or service is None or service.issuer != said["issuer"]:
        raise Distrusted("over")
    try:
        claims = await _claims(world, published, (tenant, service), said, answer)
        begun = await _enter(world, tenant, service, claims, attempt)
    except (Distrusted, PonteError) as error:
        reason = error.reason if isinstance(error, Distrusted) else error.code
        async with world.transaction(tenant) as tx:
            detail = {"means": FEDERATED, "reason": reason}
            await audit.note(tx, "console", "console-login", "console", "failure", detail=detail)
        raise
    return Came(begun=begun, house=tenant.slug, to=said["to"])


async def _claims(
    world: World,
    published: Published,
    owner: tuple[Tenant, Service],
    said: Mapping[str, Any],
    answer: Mapping[str, str],
) -> dict[str, Any]:
    tenant, service = owner
    if not hmac.compare_digest(answer.get("state", "").encode(), said["state"].encode()):
        raise Distrusted("state")
    if answer.get("iss", service.issuer) != service.issuer:
        raise Distrusted("issuer")
    if not answer.get("code"):
        raise Distrusted("refused")
    private = world.settings.allow_private_targets
    secret = await _secret(world, tenant, service)
    asker = Asker(client_id=service.client_id, secret=secret, back=back(world))
    where = Places(authorization="", token=said["token"], keys=said["keys"])
    token = await provider.redeemed(where, asker, answer["code"], said["verifier"], allow_private=private)
    expected = {"issuer": service.issuer, "client_id": service.client_id, "nonce": said["nonce"]}
    return await provider.judged(published, where, token, expected, world.now(), allow_private=private)


async def _secret(world: World, tenant: Tenant, service: Service) -> str:
    if not service.credential:
        return ""
    async with world.transaction(tenant) as tx:
        found = await secret_of(tx, world, service)
    if found is None:
        raise Misconfigured("the vault has no secret of this name for the sign-in service", code="user.oidc-secret")
    return found


async def secret_of(tx: Transaction, world: World, service: Service) -> str | None:
    """The secret that the vault keeps for this service: given by its issuer for our id there, else None."""
    found = await vault.reveal(tx, world.settings, service.credential, kind=vault.SIGN_IN)
    if found is None or (found["issuer"], found["login"]) != (service.issuer, service.client_id):
        return None
    return found["password"]


async def _enter(world: World, tenant: Tenant, service: Service, claims: Mapping[str, Any], attempt: Attempt) -> Begun:
    """The session of the account that is the subject's, made or brought to what the service says today."""
    given = _groups(claims, service)
    wanted = sorted({role for group, role in service.roles.items() if group in given})
    if not wanted:
        raise Refused("none of the person's groups means a role", code="user.oidc-role")
    login = str(claims.get(service.login_claim, "")).strip().casefold()
    person = accounts.checked(login, str(claims.get(service.name_claim) or login)[: accounts.LONGEST_NAME], wanted)
    subject = f"{service.issuer} {claims['sub']}"
    async with world.transaction(tenant) as tx:
        row = await tx.row(
            "SELECT login, name, roles, active FROM user_account WHERE tenant_id = $1 AND subject = $2 FOR UPDATE",
            subject,
        )
        if row is not None and not row["active"]:
            raise Refused("the account is closed", code="user.oidc-closed")
        if row is None:
            await _made(tx, person, subject)
        elif (row["name"], tuple(row["roles"].split())) != (person.name, person.roles):
            await _brought(tx, row["login"], person)
            await tx.run(accounts.END_TOKENS, row["login"])
        known = row["login"] if row is not None else person.login
        return await entering.entered(world, tx, tenant, known, attempt, FEDERATED)


async def _made(tx: Transaction, person: accounts.Person, subject: str) -> None:
    """An account at its first coming. One with a password that has this login stays whose it is."""
    tag = await tx.run(
        "INSERT INTO user_account (tenant_id, login, name, roles, subject) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (tenant_id, login) DO NOTHING",
        person.login,
        person.name,
        " ".join(person.roles),
        subject,
    )
    if tag.endswith(" 0"):
        raise Refused("the login is another account's", code="user.oidc-taken")
    detail = {"roles": list(person.roles), "means": FEDERATED}
    await audit.note(tx, ACTOR + person.login, "user-create", f"user/{person.login}", detail=detail)


async def _brought(tx: Transaction, login: str, person: accounts.Person) -> None:
    await tx.run(
        "UPDATE user_account SET name = $3, roles = $4, changed_at = now() WHERE tenant_id = $1 AND login = $2",
        login,
        person.name,
        " ".join(person.roles),
    )
    detail = {"roles": list(person.roles), "means": FEDERATED}
    await audit.note(tx, ACTOR + login, "user-change", f"user/{login}", detail=detail)


def _groups(claims: Mapping[str, Any], service: Service) -> frozenset[str]:
    """The person's groups: a list or one text, also within objects (`realm_access.roles`)."""
    found: Any = claims.get(service.groups_claim)
    if found is None:
        found = claims
        for part in service.groups_claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    listed = found if isinstance(found, list) else [found]
    return frozenset(each for each in listed if isinstance(each, str))


def back(world: World) -> str:
    """Where a service sends people back to, as it is registered there."""
    return f"{world.settings.base_url}{BACK}"
