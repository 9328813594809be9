"""What the steps of the demonstration share, and what a step is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from api.demo.screen import Screen
from api.demo.step import Step
from api.demo.wire import Message
from api.demo.writer import Day
from hub.world import Tenant, World

if TYPE_CHECKING:
    from api.supervisor import Hub


@dataclass(slots=True, kw_only=True)
class Trial:
    """What the steps share: the running hub, its demo tenant, the day and its faulty messages, an HTTP client."""

    hub: Hub
    world: World
    tenant: Tenant
    client: httpx.AsyncClient
    screen: Screen
    day: Day
    faults: list[Message]
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def mllp(self) -> tuple[str, int]:
        """Where the MLLP door listens."""
        return self.hub.settings.host, self.hub.settings.mllp_port


StepFunction = Callable[[Trial, Step], Awaitable[None]]
