"""What would happen to a message at a channel, without storing anything: the door's verdict, records, and routes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from canonical.problem import Problem, blocking
from hl7.er7 import Message
from hub.channels import matching
from hub.exchange.channels import Channel
from hub.exchange.door.receive import broken_table, judge, take
from hub.exchange.out import forward, orders
from hub.exchange.partners import Partner, partners_of
from hub.records.drafts import offline
from hub.store.database import Transaction
from mappings.reading.engine import translate
from mappings.tables.table import TableError

_NONE = {"total": 0, "mapped": 0, "ignored": 0, "unmapped": 0}


@dataclass(slots=True, kw_only=True)
class Trial:
    """The fate of one message: `status` as it would be kept (RECEIVED is then worked, FILTERED and ERROR are not)."""

    type: str = ""
    control_id: str = ""
    channel: str = ""
    version: int = 0
    status: str = "ERROR"
    acknowledgement: str = ""
    lane: str = ""
    bundle: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    segments: dict[str, int] = field(default_factory=lambda: dict(_NONE))
    deliveries: list[dict[str, str]] = field(default_factory=list)

    @property
    def records(self) -> dict[str, int]:
        """How many records of each type the message states."""
        kinds = (entry["resource"]["resourceType"] for entry in self.bundle.get("entry", ()))
        return dict(sorted(Counter(kinds).items()))

    @property
    def good(self) -> bool:
        """Whether the message would pass, or be left out as declared."""
        return self.status == "FILTERED" or not blocking(self.problems)

    def as_json(self) -> dict[str, Any]:
        """One JSON object; the bundle holds what the message says, before it meets stored records."""
        return {
            "type": self.type,
            "control_id": self.control_id,
            "channel": self.channel,
            "version": self.version,
            "status": self.status,
            "acknowledgement": self.acknowledgement,
            "lane": self.lane,
            "records": self.records,
            "segments": self.segments,
            "deliveries": self.deliveries,
            "problems": [problem.as_json() for problem in self.problems],
            "ok": self.good,
        }


async def labs_of(tx: Transaction) -> list[Partner]:
    """The laboratories that would hear of orders."""
    return await partners_of(tx, "lab")


def matched(channels: Sequence[Channel], raw: bytes) -> Channel | None:
    """The channel a message belongs to by its sender: one that names senders goes before one that takes all."""
    for named in (True, False):
        for channel in channels:
            sender = channel.document.sender
            if bool(sender.applications or sender.facilities) is not named:
                continue
            message, _ = judge(raw, channel)
            if not named or (message is not None and matching.stranger(channel.document, message) is None):
                return channel
    return None


def tried(raw: bytes, channel: Channel, labs: Sequence[Partner] = ()) -> Trial:
    """The fate of `raw` at `channel`."""
    message, problems = judge(raw, channel)
    taken, document = take(channel, raw), channel.document
    found = Trial(
        channel=channel.name,
        version=channel.version,
        status=taken.incoming.status,
        acknowledgement="" if taken.silent else taken.code,
        problems=problems,
    )
    if message is None:
        return found
    found.type, found.control_id, found.lane = message.type, message.control_id, document.lane
    if found.status != "RECEIVED":
        found.problems = list(taken.incoming.problems)
        return found
    if document.records:
        _map(found, message, channel)
    failed = bool(blocking(found.problems))
    found.deliveries = [
        {"destination": place.name, "partner": place.partner, "send": place.send}
        for place in forward.destinations(document, message, failed=failed)
        if place.partner.rpartition("/")[2] != document.partner
    ]
    if not failed:
        found.deliveries += _orders(found.bundle, labs, document.partner)
    return found


def _map(found: Trial, message: Message, channel: Channel) -> None:
    try:
        translation = translate(message, zone=channel.zone, site=channel.site)
    except TableError as error:
        found.problems.append(broken_table(error))
        return
    seed = "|".join((message.header.text(3), message.header.text(4), message.control_id))
    found.bundle, wrong = offline.bundle(translation.drafts, seed)
    known = {problem.code for problem in found.problems}
    found.problems += [p for p in translation.problems if p.code not in known or not p.code.startswith("type.")]
    found.problems += wrong
    found.segments = translation.account.counts()


def _orders(bundle: dict[str, Any], labs: Sequence[Partner], sender: str) -> list[dict[str, str]]:
    """The orders that laboratories would get, were the requests new."""
    return [
        {"destination": "", "partner": lab.code, "send": orders.ORDER}
        for entry in bundle.get("entry", ())
        if entry["resource"]["resourceType"] == "ServiceRequest" and entry["resource"].get("status") == "active"
        for lab in labs
        if lab.code != sender and orders.wants(lab, entry["resource"])
    ]
