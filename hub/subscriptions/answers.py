"""What the answer to a handshake does: the subscription becomes active, and is told of what changes from now on."""

from __future__ import annotations

import json

from fhir import jsontext
from hub.exchange.handlers import Reply, on_reply
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.store.database import Transaction
from hub.subscriptions.events import HANDSHAKE
from hub.world import Tenant, World


@on_reply(HANDSHAKE)
async def shaken(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """The endpoint said yes."""
    if not reply.accepted:
        return
    row = await tx.row(
        "SELECT body, deleted FROM resource WHERE tenant_id = $1 AND type = 'Subscription' AND id = $2 FOR UPDATE",
        reply.partner.code,
    )
    body = jsontext.stored(row["body"]) if row is not None and not row["deleted"] else {}
    if body.get("status") != "requested":
        return
    settings = await tx.value(
        "SELECT settings FROM partner WHERE tenant_id = $1 AND id = $2 FOR UPDATE", reply.partner.id
    )
    known = json.loads(settings)
    known["subscription"]["awaits"] = False
    await tx.run(
        "UPDATE partner SET settings = $3 WHERE tenant_id = $1 AND id = $2", reply.partner.id, json.dumps(known)
    )
    origin = Origin(actor="subscriptions", now=world.now(), zone=tenant.zone)
    await save(tx, [Write(type="Subscription", id=reply.partner.code, body={**body, "status": "active"})], origin)
