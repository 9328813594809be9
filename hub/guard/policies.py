"""What a tenant decides for itself about its doors: how writes are taken, which proofs of clients, how many requests.

They are keys of its settings (`fhir`, `oauth`, `limits`, `cors`); every change is one audit event. Others stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canonical.errors import NotFound, Refused
from hub.guard import assertions, audit, keys
from hub.guard.registration import MOST_RATE
from hub.records.requests.acting import MOST_DELETED, policy_of
from hub.store.database import Transaction
from hub.world import Tenant, World

MOST_ORIGINS = 50
_ORIGIN = re.compile(
    r"(\*|https://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:\d{1,5})?|http://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?)\Z"
)
LIMITS = ("requests_per_minute", "client_requests_per_minute", "token_requests_per_minute")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policies of a tenant; a limit of 0 is none (of tokens: the hub's own)."""

    update_create: bool
    delete_most: int
    enforce_profiles: bool
    require_match: bool
    algorithms: tuple[str, ...]
    limits: Mapping[str, int]
    origins: tuple[str, ...] = ()


def origins_of(tenant: Tenant) -> frozenset[str]:
    """The origins whose pages may call the FHIR door from a browser; `*` stands for any."""
    found = part_of(tenant.settings, "cors").get("origins")
    return frozenset(each for each in found if isinstance(each, str)) if isinstance(found, list) else frozenset()


def policies_of(tenant: Tenant) -> Policies:
    """The policies as they hold."""
    policy = policy_of(tenant)
    stated = tenant.settings.get("limits")
    given = stated if isinstance(stated, dict) else {}
    return Policies(
        update_create=policy.update_create,
        delete_most=policy.delete_most,
        enforce_profiles=policy.enforce_profiles,
        require_match=policy.require_match,
        algorithms=assertions.algorithms(tenant),
        limits={name: value if isinstance(value := given.get(name), int) else 0 for name in LIMITS},
        origins=tuple(sorted(origins_of(tenant))),
    )


async def change(world: World, tenant: Tenant, wanted: Policies, *, actor: str) -> Tenant:
    """Set the policies; returns the tenant as it is now. Raises Refused, NotFound."""
    _check(wanted)
    async with world.transaction(tenant) as tx:
        settings = await settings_of(tx)
        settings["fhir"] = part_of(settings, "fhir") | {
            "update_create": wanted.update_create,
            "delete_most": wanted.delete_most,
            "profiles": "enforce" if wanted.enforce_profiles else "off",
            "if_match": "required" if wanted.require_match else "optional",
        }
        settings["oauth"] = part_of(settings, "oauth") | {"algorithms": list(wanted.algorithms)}
        settings["limits"] = part_of(settings, "limits") | dict(wanted.limits)
        settings["cors"] = part_of(settings, "cors") | {"origins": list(wanted.origins)}
        await tx.run("UPDATE tenant SET settings = $2 WHERE id = $1", json.dumps(settings))
        await audit.note(tx, actor, "policy-change", f"tenant/{tenant.slug}")
    return await world.tenant(tenant.slug)


async def settings_of(tx: Transaction) -> dict[str, Any]:
    """The tenant's settings, locked until the transaction ends; raises NotFound."""
    text = await tx.value("SELECT settings FROM tenant WHERE id = $1 FOR UPDATE")
    if text is None:
        raise NotFound("there is no such tenant")
    found: dict[str, Any] = json.loads(text)
    return found


def part_of(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One part of a tenant's settings; what is no object is none."""
    found = settings.get(name)
    return dict(found) if isinstance(found, dict) else {}


def _check(wanted: Policies) -> None:
    if not 1 <= wanted.delete_most <= MOST_DELETED:
        raise Refused(f"a conditional delete removes 1 to {MOST_DELETED} records", code="policy.delete-most")
    if not wanted.algorithms or not set(wanted.algorithms) <= set(keys.KNOWN):
        raise Refused("at least one of the known algorithms is needed", code="policy.algorithms")
    if set(wanted.limits) != set(LIMITS) or not all(0 <= value <= MOST_RATE for value in wanted.limits.values()):
        raise Refused("a limit is a number of requests a minute, or 0", code="policy.limit")
    if len(wanted.origins) > MOST_ORIGINS or not all(_ORIGIN.match(each) for each in wanted.origins):
        raise Refused("an origin is a scheme and a host, without a path", code="policy.origin")
