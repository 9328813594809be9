"""Who writes and what became of a write: what the write path hands to those that index, audit and tell of records."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who writes and when: the actor for the audit trail, and the message all writes came in, when it is one."""

    actor: str
    now: datetime.datetime
    zone: str
    message_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What became of a write; `text` is the exact stored body. `changed` is False for a write without effect."""

    type: str
    id: str
    version: int
    updated_at: datetime.datetime
    text: str
    body: dict[str, Any] | None
    created: bool
    changed: bool
    message_id: UUID | None = None
    earlier: tuple[dict[str, Any], ...] = ()
    fresh: bool = False
