"""Who acts on records: the tenant, the subject for the audit trail, and what the token permits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from fhir.query import Setting
from hub.records.refusal import refused
from hub.records.write import Origin
from hub.world import Tenant, World

Action = Literal["c", "r", "u", "d", "s"]  # the letters of SMART v2 scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The caller as the records see it."""

    tenant: Tenant
    subject: str
    permits: Callable[[str, Action], bool]

    def require(self, type_name: str, action: Action) -> None:
        """Raise a Refusal that names the scope needed, unless it was granted."""
        if not self.permits(type_name, action):
            raise refused("forbidden", "failure.denied.scope", scope=f"system/{type_name}.{action}")

    def origin(self, world: World) -> Origin:
        """What the write path wants to know."""
        return Origin(actor=self.subject, now=world.now(), zone=self.tenant.zone)

    def setting(self, world: World) -> Setting:
        """What search values may depend on."""
        return Setting(zone=ZoneInfo(self.tenant.zone), now=world.now(), base=f"{world.settings.base_url}/fhir")
