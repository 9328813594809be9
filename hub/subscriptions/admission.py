"""Subscriptions of clients, when they are written: refused with the reason, or made ready to be told of changes.

The subscriber becomes a partner of kind `webhook`, so its notifications go through outbox, lane and retries like all
that leaves the hub, and can be found and sent again. Header values and signing key go to the vault.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from adapters.transports.targets import literally_private
from canonical.identity import new_id
from canonical.problem import Problem
from hub.exchange.out import outbox
from hub.exchange.partners import Partner, save_partner
from hub.exchange.work import lanes
from hub.guard import vault
from hub.records.requests.acting import Actor
from hub.records.requests.refusal import Refusal
from hub.records.saved import Saved
from hub.records.write import Write
from hub.store.database import Transaction
from hub.subscriptions import events
from hub.subscriptions.declared import CONTENTS, Declared, declared, with_heartbeat, withheld
from hub.world import World

KIND = "webhook"
DAY = {"attempts": 60, "first_s": 1.0, "most_s": 1800.0, "then": "pause"}
"""Tried for about a day; then the subscription is switched off (`hub.subscriptions.standing`)."""
_ASKED = (
    "requested",
    "active",
)  # "off" and "error" are kept as written: whoever wants to be told again asks (R4 Subscription)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A write of a Subscription that may be, and what it asks for; None when it asks for nothing (any more).

    `reach` are the grants (patient, query) of a token that may read some records only; None: all of the type.
    """

    write: Write
    wanted: Declared | None
    reach: tuple[tuple[str, str], ...] | None = None


class Unfit(Exception):
    """The write at `position` cannot be: why."""

    def __init__(self, position: int, refusal: Refusal) -> None:
        super().__init__("unfit")
        self.position = position
        self.refusal = refusal


async def prepared(
    tx: Transaction, world: World, actor: Actor, writes: Sequence[Write]
) -> tuple[list[Write], list[Admitted]]:
    """`writes` as they will be stored, and what was admitted among them; raises Unfit."""
    ready, admitted = list(writes), []
    for position, write in enumerate(writes):
        if write.type == "Subscription":
            try:
                admitted.append(await judged(tx, world, actor, write))
            except Refusal as refusal:
                raise Unfit(position, refusal) from None
            ready[position] = admitted[-1].write
    return ready, admitted


async def judged(tx: Transaction, world: World, actor: Actor, write: Write) -> Admitted:
    """The write as it will be stored; raises Refusal."""
    if write.body is None or write.body.get("status") not in _ASKED:
        return Admitted(write=write if write.body is None else _without_values(write, write.body), wanted=None)
    kept = await vault.reveal(tx, world.settings, secret_of(write.id), owner=f"{KIND}/{write.id}") or {}
    found = declared(write.body, actor.setting(world), json.loads(kept.get("headers", "{}")) | _key(kept))
    if isinstance(found, list):
        raise Refusal("unprocessable", found)
    if not world.settings.allow_private_targets and literally_private(urlsplit(found.endpoint).hostname or ""):
        raise Refusal("unprocessable", [Problem("fhir.subscription.private", "Subscription.channel.endpoint")])
    if not actor.sight(found.type_name, "r"):
        problem = Problem("failure.denied.scope", args=(("scope", f"system/{found.type_name}.r"),))
        raise Refusal("forbidden", [problem])
    body = with_heartbeat({name: value for name, value in write.body.items() if name != "error"}, found.heartbeat)
    if found.end is not None and found.end <= world.now():  # the time to switch it off has come already (R4 `end`)
        return Admitted(write=_without_values(write, {**body, "status": "off"}), wanted=None)
    status = "requested" if found.content in CONTENTS else "active"  # the backport asks for a handshake first
    reach = None
    if not actor.permits(found.type_name, "r"):
        reach = actor.granted(found.type_name, "r") if actor.granted is not None else ()
    return Admitted(write=_without_values(write, {**body, "status": status}), wanted=found, reach=reach)


async def carried_out(tx: Transaction, world: World, admitted: Sequence[Admitted], saved: Sequence[Saved]) -> None:
    """What follows from stored Subscriptions, in their transaction: the subscriber, its secrets, the handshake."""
    by_id = {one.id: one for one in saved}
    for one in admitted:
        if one.wanted is None:
            await tx.run(
                "UPDATE partner SET active = false WHERE tenant_id = $1 AND kind = $2 AND code = $3", KIND, one.write.id
            )
            continue
        await _subscriber(tx, world, one.write.id, one.wanted, one.reach)
        if one.wanted.content in CONTENTS and by_id[one.write.id].changed:
            await events.handshake(tx, one.write.id, world.settings.base_url, world.now())


def secret_of(subscription: str) -> str:
    """The name of its secrets in the vault."""
    return f"subscription/{subscription}"


def _key(kept: dict[str, str]) -> dict[str, str]:
    return {"ponte-signing-key": kept["key"]} if kept.get("key") else {}


def _without_values(write: Write, body: dict[str, Any]) -> Write:
    return dataclasses.replace(write, body=withheld(body))


async def _subscriber(
    tx: Transaction, world: World, subscription: str, wanted: Declared, reach: tuple[tuple[str, str], ...] | None
) -> None:
    row = await tx.row(
        "SELECT id, settings FROM partner WHERE tenant_id = $1 AND kind = $2 AND code = $3", KIND, subscription
    )
    secret = {"headers": json.dumps(wanted.headers), "key": wanted.key}
    await vault.put(tx, world.settings, secret_of(subscription), secret, kind="webhook")
    settings = {
        "transport": {"kind": "webhook", "url": wanted.endpoint, "secret": secret_of(subscription)},
        "retry": DAY,
        "subscription": {
            "criteria": wanted.criteria,
            "begins": wanted.begins,
            "payload": wanted.payload,
            "content": wanted.content,
            "topic": wanted.topic,
            "end": wanted.end.isoformat() if wanted.end else "",
            "awaits": wanted.content in CONTENTS,
            "base": world.settings.base_url,
            "heartbeat": wanted.heartbeat,
            "reach": None if reach is None else [list(grant) for grant in reach],
        },
    }
    partner = Partner(
        id=row["id"] if row is not None else new_id(),
        kind=KIND,
        code=subscription,
        name=f"Subscription/{subscription}",
        adapter="",
        active=True,
        settings=settings,
    )
    await save_partner(tx, partner)
    if row is not None and (json.loads(row["settings"]).get("subscription") or {}).get("failed"):
        await lanes.resume(tx, outbox.lane_of(partner))  # it was switched off, and is asked for again
