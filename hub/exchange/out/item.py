"""What is sent to a partner: one delivery, as the lanes hand it to whoever sends it and records the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hub.exchange.partners import Partner


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One delivery about to be sent; `doubtful` when an earlier sending ended without an answer."""

    id: UUID
    message_id: UUID
    lane_id: int
    partner: Partner
    operation: str
    content: bytes
    control_id: str
    purpose: dict[str, Any]
    attempt: int
    doubtful: bool
