"""Drafts: what a message states about records, before the hub decides which stored record each one is.

References between drafts are written `draft:<local>`; the hub replaces them by `Type/id`.
"""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass, field
from typing import Any

DRAFT = "draft:"


@dataclass(frozen=True, slots=True)
class Key:
    """A business identifier that finds a record again; `system` names the assigning authority or register."""

    system: str
    value: str


@dataclass(slots=True, kw_only=True)
class Draft:
    """What one message says of one record.

    `body` holds stated elements only; `cleared` names elements the sender set to null (`""`); `keys` are tried in
    order to find the stored record, and the first one makes the id of a new one. `event_at` is when it happened:
    an older event only fills gaps. `must_exist` forbids creating a record (a cancellation of something unknown).
    """

    local: str
    type: str
    body: dict[str, Any]
    keys: tuple[Key, ...] = ()
    cleared: tuple[str, ...] = ()
    event_at: datetime.datetime | None = None
    must_exist: bool = False
    merged_from: tuple[Key, ...] = ()
    sources: tuple[str, ...] = field(default=())
    message_id: uuid.UUID | None = None
