"""Who acts on records: the tenant, the subject for the audit trail, and what the token permits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from zoneinfo import ZoneInfo

from fhir.search.conditions import Setting
from fhir.search.matching import meets
from hub.find.sight import WHOLE, Alternatives, Sight
from hub.records import custom
from hub.records.requests.refusal import refused
from hub.records.saved import Origin
from hub.world import Tenant, World

MOST_DELETED = 1000
Action = Literal["c", "r", "u", "d", "s"]  # the letters of SMART v2 scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a tenant allows beyond the standard's least (`fhir` of its settings).

    `update_create`: PUT to an id not used before creates the record. `delete_most`: how many records one conditional
    delete may remove; more than one is R4's "multiple". `profiles`: `enforce` refuses what breaks a profile it names.
    `if_match`: `required` refuses to change a record by its id unless the version the caller saw is stated (428).
    `constraints`: `off` takes records that break a FHIRPath constraint of R4.
    """

    update_create: bool = True
    delete_most: int = 1
    enforce_profiles: bool = False
    require_match: bool = False
    enforce_constraints: bool = True


def policy_of(tenant: Tenant) -> Policy:
    """The policy of a tenant; what its settings do not say has its default."""
    stated = tenant.settings.get("fhir")
    stated = stated if isinstance(stated, dict) else {}
    most = stated.get("delete_most", 1)
    return Policy(
        update_create=stated.get("update_create") is not False,
        require_match=stated.get("if_match") == "required",
        enforce_profiles=stated.get("profiles") == "enforce",
        enforce_constraints=stated.get("constraints") != "off",
        delete_most=min(max(most, 1), MOST_DELETED) if isinstance(most, int) else 1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The caller as the records see it.

    `permits` tells what the token allows on all records of a type, `narrow` what it allows on some of them only, and
    `granted` the same as can be kept for later: each as a patient (or "") and a query (or "").
    """

    tenant: Tenant
    subject: str
    permits: Callable[[str, Action], bool]
    narrow: Sight | None = None
    granted: Callable[[str, Action], tuple[tuple[str, str], ...]] | None = None

    def sight(self, type_name: str, action: str) -> Alternatives:
        """The records of a type on which `action` is allowed: all, none, or those of some alternatives."""
        if self.permits(type_name, action):  # type: ignore[arg-type]  # one of the letters
            return WHOLE
        return self.narrow(type_name, action) if self.narrow is not None else ()

    def require(self, type_name: str, action: Action) -> None:
        """Raise a Refusal that names the scope needed, unless it was granted on all records of the type."""
        if not self.permits(type_name, action):
            raise refused("forbidden", "failure.denied.scope", scope=f"system/{type_name}.{action}")

    def reach(self, type_name: str, action: Action) -> Alternatives:
        """The records of a type on which `action` is allowed; raises a Refusal when there can be none."""
        found = self.sight(type_name, action)
        if not found:
            raise refused("forbidden", "failure.denied.scope", scope=f"system/{type_name}.{action}")
        return found

    def may(self, body: dict[str, Any], action: Action) -> bool:
        """Whether `action` is allowed on the record `body`."""
        type_name = str(body["resourceType"])
        found = self.sight(type_name, action)
        if not found or () in found:
            return bool(found)
        return self.meets(body, found)

    def meets(self, body: dict[str, Any], alternatives: Alternatives) -> bool:
        """Whether the record `body` meets all conditions of one of `alternatives`, in the tenant's zone."""
        own = custom.remembered(self.tenant.id).get(str(body["resourceType"]), {})
        return meets(body, alternatives, ZoneInfo(self.tenant.zone), own.values())

    def origin(self, world: World) -> Origin:
        """What the write path wants to know."""
        return Origin(actor=self.subject, now=world.now(), zone=self.tenant.zone)

    def setting(self, world: World) -> Setting:
        """What search values may depend on."""
        return setting_of(world, self.tenant)


def setting_of(world: World, tenant: Tenant) -> Setting:
    """What search values of a tenant may depend on."""
    return Setting(
        zone=ZoneInfo(tenant.zone),
        now=world.now(),
        base=f"{world.settings.base_url}/fhir",
        custom=custom.remembered(tenant.id),
        held=custom.held(tenant.id),
    )
