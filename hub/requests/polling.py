"""Asks payers where open requests stand, each payer by itself; what was in doubt goes out again, the same bytes."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from canonical.errors import Misconfigured
from hub.billing import writing
from hub.billing.polling import due
from hub.billing.profiles import PayerProfile, payer, payers
from hub.requests import annexes, authorisation, decision, replacing, sending, statements
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

log = logging.getLogger("ponte.requests")
_OPEN = """
SELECT r.* FROM payer_request r WHERE r.tenant_id = $1 AND r.payer_id = $2 AND NOT r.settled
AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.tenant_id = $1 AND d.id = r.delivery_id
    AND d.status IN ('QUEUED', 'DEAD'))
ORDER BY r.polled_at NULLS FIRST, r.id LIMIT 500 FOR UPDATE OF r SKIP LOCKED
"""
# the transport said no (an HTTP 400, say), so no reply handler was called
_TURNED_AWAY = """
UPDATE payer_request SET status = $3, reason = d.last_error, settled = true, updated_at = now() FROM delivery d
WHERE payer_request.tenant_id = $1 AND payer_request.payer_id = $2 AND NOT payer_request.settled
AND d.tenant_id = $1 AND d.id = payer_request.delivery_id AND d.status = 'ERROR'
AND payer_request.status IN ('enviando', 'incerto')
"""
# files that were written before a written file was followed up at once (`on_written`): nobody answers their deliveries
_LEFT = """
UPDATE payer_request SET status = $3, updated_at = now() FROM delivery d
WHERE payer_request.tenant_id = $1 AND payer_request.payer_id = $2 AND payer_request.status = 'enviando'
AND d.tenant_id = $1 AND d.id = payer_request.delivery_id AND d.status = 'SENT'
"""


@dataclass(slots=True, kw_only=True)
class Polled:
    """What a poll did: requests asked about, requests sent again, payers that are set up wrongly."""

    asked: int = 0
    resent: int = 0
    broken: int = 0


async def poll(world: World, tenant: Tenant) -> Polled:
    """Go round the payers; one that is set up wrongly delays no other."""
    done = Polled()
    async with world.transaction(tenant) as tx:
        wanted = [profile.partner.id for profile in await payers(tx)]
    for payer_id in wanted:
        found = Polled()
        try:
            async with world.transaction(tenant) as tx:
                profile = await payer(tx, payer_id)
                await tx.run(_TURNED_AWAY, payer_id, sending.REFUSED)
                if profile.by_file:
                    await tx.run(_LEFT, payer_id, sending.SENT)
                await replacing.look_back(tx, payer_id, writing.origin(world, tenant))
                for row in await tx.rows(_OPEN, payer_id):
                    if not profile.by_file and due(world, row["polled_at"], profile):
                        await _one(world, tenant, tx, profile, row, found)
        except Misconfigured as error:
            log.warning("payer %s cannot be asked: %s", payer_id, error.code)
            done.broken += 1
            continue
        done.asked += found.asked
        done.resent += found.resent
    return done


async def _one(world: World, tenant: Tenant, tx: Transaction, profile: PayerProfile, row: Row, done: Polled) -> None:
    await tx.run("UPDATE payer_request SET polled_at = $3 WHERE tenant_id = $1 AND id = $2", row["id"], world.now())
    if row["status"] == sending.UNKNOWN:
        if profile.resend == "same-bytes":
            await sending.again(tx, profile, row)
            done.resent += 1
    elif row["kind"] == statements.KIND and row["status"] == statements.NOT_READY:
        await statements.ask_again(world, tenant, tx, profile, row)
        done.asked += 1
    elif row["kind"] == authorisation.KIND and row["status"] in decision.WAITING:
        await decision.ask_status(world, tenant, tx, row["id"])
        done.asked += 1
    elif row["kind"] == annexes.KIND and row["status"] == annexes.RECEIVED:
        await annexes.ask_status(world, tenant, tx, row["id"])
        done.asked += 1
