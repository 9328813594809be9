"""A subscription that could not be told for about a day is switched off and says so (R4 §2.46, `status` and `error`).

What waits for it and what happens meanwhile stays in its lane. Storing it again as `requested` or `active`, or sending
the dead notification again, lets it go on in order; once one is taken, the record says `active` again.

One whose `end` has come is turned off (R4 `Subscription.end`); what happened before is still told.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from canonical.problem import Problem
from fhir import jsontext
from hub.exchange.handlers import Reply, on_giving_up, on_reply
from hub.exchange.out import outbox
from hub.exchange.partners import Partner
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.store.database import Transaction
from hub.subscriptions.events import OPERATION
from hub.world import Tenant, World

_SERVED = ("active", "requested")
_GONE = "transport.http-410"


@on_giving_up("webhook")
async def given_up(world: World, tenant: Tenant, tx: Transaction, partner: Partner, code: str) -> None:
    """A notification is dead after all attempts, or the subscriber says that it is gone: the record tells why."""
    told = Problem(code)
    await _stands(world, tenant, tx, partner, error=f"{told.text('pt')} {told.text('en')} ({code})")
    if code == _GONE:  # nothing more is queued; what is queued waits
        await tx.run("UPDATE partner SET active = false WHERE tenant_id = $1 AND id = $2", partner.id)


@on_reply(OPERATION)
async def taken(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """A notification was taken: one that had failed is served again."""
    if reply.accepted and (reply.partner.settings.get("subscription") or {}).get("failed"):
        await _stands(world, tenant, tx, reply.partner, error="")


async def ended(world: World, tenant: Tenant, tx: Transaction, partner: Partner) -> None:
    """Turn a subscription off whose `end` has come; its subscriber is no longer looked at once nothing waits for it."""
    body = await _record(tx, partner)
    if not has_ended(await _settings(tx, partner), world.now()):  # it was given another end meanwhile
        return
    if body is not None and body.get("status") in _SERVED:
        origin = Origin(actor="subscriptions", now=world.now(), zone=tenant.zone)
        await save(tx, [Write(type="Subscription", id=partner.code, body={**body, "status": "off"})], origin)
    await tx.run(
        "UPDATE partner SET active = false WHERE tenant_id = $1 AND id = $2 AND NOT EXISTS ("
        "SELECT 1 FROM delivery d WHERE d.tenant_id = $1 AND d.lane_id = $3 AND d.status = 'QUEUED')",
        partner.id,
        outbox.lane_of(partner),
    )


def has_ended(settings: dict[str, Any], now: datetime.datetime) -> bool:
    """Whether the time to turn a subscriber off has come."""
    end = (settings.get("subscription") or {}).get("end")
    return isinstance(end, str) and end != "" and datetime.datetime.fromisoformat(end) <= now


async def _record(tx: Transaction, partner: Partner) -> dict[str, Any] | None:
    """The Subscription of a subscriber, locked; None when it is deleted."""
    row = await tx.row(
        "SELECT body, deleted FROM resource WHERE tenant_id = $1 AND type = 'Subscription' AND id = $2 FOR UPDATE",
        partner.code,
    )
    return jsontext.stored(row["body"]) if row is not None and not row["deleted"] else None


async def _settings(tx: Transaction, partner: Partner) -> dict[str, Any]:
    """The settings of a subscriber, locked."""
    settings = await tx.value("SELECT settings FROM partner WHERE tenant_id = $1 AND id = $2 FOR UPDATE", partner.id)
    return dict(json.loads(settings))


async def _stands(world: World, tenant: Tenant, tx: Transaction, partner: Partner, *, error: str) -> None:
    """Bring record and subscriber to what is so, in the order of locks that a client's own write takes."""
    body = await _record(tx, partner)
    if body is None or body.get("status") not in (_SERVED if error else ("error",)):
        return
    known = await _settings(tx, partner)
    known["subscription"]["failed"] = bool(error)
    await tx.run("UPDATE partner SET settings = $3 WHERE tenant_id = $1 AND id = $2", partner.id, json.dumps(known))
    said = {name: value for name, value in body.items() if name != "error"}
    said |= {"status": "error", "error": error} if error else {"status": "active"}
    origin = Origin(actor="subscriptions", now=world.now(), zone=tenant.zone)
    await save(tx, [Write(type="Subscription", id=partner.code, body=said)], origin)
