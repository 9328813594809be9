"""The form of a house's own sign-in service (OpenID Connect) on the page of people: kept, tried, taken away.

The secret the service gave goes into the vault and is never shown again; an empty field leaves the one that is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.console.visit import Visit
from canonical.errors import NotFound, PonteError, Refused
from hub.guard import audit, vault
from hub.users import federation, provider
from hub.users.federation import Service
from hub.users.provider import Distrusted
from hub.world import Tenant

CREDENTIAL = "sign-in-service"
"""Under which name the vault keeps a secret that was typed here."""
TEXTS = ("title", "issuer", "client_id", "scopes", "login_claim", "name_claim", "groups_claim")
_LONGEST_SECRET = 500


@dataclass(frozen=True, slots=True)
class Told:
    """What a change has to say: a text of the page, or a problem; whose account, and the password shown only now."""

    key: str = ""
    problem: str = ""
    login: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent: single fields, and the roles that were ticked."""

    fields: Mapping[str, str]
    roles: Sequence[str]

    def text(self, name: str) -> str:
        """A field without blanks around it; empty when it was not sent."""
        return self.fields.get(name, "").strip()


def shown(tenant: Tenant) -> Service:
    """The service as the form shows it; an empty one where the house has none."""
    return federation.service_of(tenant) or Service(title="", issuer="", client_id="")


async def keep(visit: Visit, form: Form, login: str) -> Told:
    """Set the service; raises Denied, Refused."""
    visit.require("admin/*")
    world, tenant = visit.state.world, await visit.state.world.tenant(visit.tenant.slug)
    before, secret = federation.service_of(tenant), form.fields.get("secret", "")
    said: dict[str, object] = {name: form.text(name) for name in TEXTS if form.text(name)}
    said["roles"] = _groups(form.fields.get("groups", ""))
    said["credential"] = CREDENTIAL if secret else "" if "public" in form.fields else _kept(before, form)
    service = federation.checked(world, said)
    if secret and service.credential:
        await _seal(visit, service, secret)
    await federation.decide(world, tenant, service, actor=visit.actor)
    return Told("users.service-kept")


async def try_out(visit: Visit, form: Form, login: str) -> Told:
    """Ask the kept service for its discovery document, and look whether the vault has the secret; raises Refused."""
    visit.require("admin/*")
    world = visit.state.world
    tenant = await world.tenant(visit.tenant.slug)
    service = federation.service_of(tenant)
    if service is None:
        raise NotFound("the house has no service")
    if service.credential:
        async with world.transaction(tenant) as tx:
            if await federation.secret_of(tx, world, service) is None:
                raise Refused("the vault has no such secret", code="user.oidc-secret")
    try:
        await provider.places(service.issuer, allow_private=world.settings.allow_private_targets)
    except (Distrusted, PonteError):
        raise Refused("the service does not answer as this issuer", code="user.oidc-unreached") from None
    return Told("users.service-answers")


async def take_away(visit: Visit, form: Form, login: str) -> Told:
    """Take the service away; sessions it began go on until they end."""
    visit.require("admin/*")
    await federation.decide(visit.state.world, visit.tenant, None, actor=visit.actor)
    return Told("users.service-gone")


def _kept(before: Service | None, form: Form) -> str:
    """The name of the secret that stays; raises Refused where it would go to another service than it was given by."""
    if before is None or not before.credential:
        return ""
    if (before.issuer, before.client_id) != (form.text("issuer"), form.text("client_id")):
        raise Refused("the secret is another service's", code="user.oidc-again")
    return before.credential


async def _seal(visit: Visit, service: Service, secret: str) -> None:
    if len(secret) > _LONGEST_SECRET or not secret.isprintable():
        raise Refused("a secret is at most 500 printable characters", code="user.oidc")
    whose = (service.issuer, service.client_id)
    async with visit.state.world.transaction(visit.tenant) as tx:
        await vault.put_sign_in(tx, visit.state.world.settings, service.credential, whose, secret)
        await audit.note(tx, visit.actor, "secret-put", f"secret/{service.credential}")


def _groups(text: str) -> dict[str, str]:
    """The role each group means, from lines `group = role`; raises Refused for a line that is none."""
    found = {}
    for line in (each.strip() for each in text.splitlines()):
        group, mark, role = line.rpartition("=")
        if line and not (mark and group.strip() and role.strip()):
            raise Refused("a line says which role a group means: group = role", code="user.oidc-groups")
        if line:
            found[group.strip()] = role.strip()
    return found
