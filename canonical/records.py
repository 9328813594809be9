"""Drafts: what a message states about records, before the hub decides which stored record each one is.

References between drafts are written `draft:<local>`; the hub replaces them by `Type/id`.
"""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass, field
from typing import Any

FILLER = ":fill"  # how the system of a filler's number ends
DRAFT = "draft:"


@dataclass(frozen=True, slots=True)
class Key:
    """A business identifier that finds a record again; `system` names the assigning authority or register.

    `loose`: the sender named no authority, so `system` is a guess (an order number that a laboratory sends back).
    """

    system: str
    value: str
    loose: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One movement of a visit as a sender numbers it (IHE PAM, segment ZBE), so that it can be corrected later.

    `act` is insert, update or cancel; `past`: later movements stand already; `ends` is an ISO moment or empty.
    `change` and `status` are what the event it tells of does to the places and to the status of a visit (`admit`,
    `transfer`; `finished`), empty for neither. `about` are extensions that describe it: who is responsible, its scope.
    """

    numbers: tuple[Key, ...] = ()
    act: str = "insert"
    past: bool = False
    ends: str = ""
    change: str = ""
    status: str = ""
    about: tuple[dict[str, Any], ...] = ()


@dataclass(slots=True, kw_only=True)
class Draft:
    """What one message says of one record.

    `body` holds stated elements only; `initial` holds elements that count only where the record has none yet;
    `cleared` names elements the sender set to null (`""`), as `period.end` or `extension:<url>`. `keys` are tried in
    order to find the stored record, and the first one makes the id of a new one; a key that several records share
    (one accession for three panels) is told apart by `distinct`, a code. Without keys the record is the `part` of
    the first draft of `under` that has an identity. `event_at` is when it happened: an older event only fills gaps.
    `occurred_at` is when it took effect, where that differs. `must_exist` forbids creating a record, and with it what
    its message names (a cancellation of something unknown); `partial` lacks elements R4 requires, so that it changes a
    known record and makes no new one; `known_only` has them, but says what only a known record can suffer (an order
    cancelled). `action` names what the event does beyond stating values (a transfer taken back, a merge of two records,
    an identifier changed); `merge_into` names the draft it is done to, the survivor of a merge. `beside` names a
    report: the record is the `part` of another report that shares its number, whichever holds it. `movement`: the
    movement of a visit that is told, where its sender numbers them.
    """

    local: str
    type: str
    body: dict[str, Any]
    initial: dict[str, Any] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    under: tuple[str, ...] = ()
    beside: str = ""
    part: str = ""
    distinct: str = ""
    cleared: tuple[str, ...] = ()
    event_at: datetime.datetime | None = None
    occurred_at: datetime.datetime | None = None
    must_exist: bool = False
    partial: bool = False
    known_only: bool = False
    action: str = ""
    merge_into: str = ""
    movement: Movement | None = None
    sources: tuple[str, ...] = ()
    message_id: uuid.UUID | None = None
