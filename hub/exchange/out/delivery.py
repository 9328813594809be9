"""Delivery: sends what waits in outbound lanes, in order, outside any transaction, and records the outcome once.

Delivery is at least once: a worker that dies after sending leaves its delivery in doubt, and the next one sends the
same bytes under the same key, after asking the partner where the operation knows how (`handlers.RECONCILE`).
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from adapters.transports import Answer, Call, Unsent
from adapters.transports.acknowledging import Acknowledging, judge
from adapters.transports.mllp import MllpTransport
from canonical.errors import Conflict, Misconfigured, NotFound, PonteError, Refused
from canonical.identity import new_id
from hub.exchange import handlers, partners
from hub.exchange.answer import late
from hub.exchange.handlers import Doubt
from hub.exchange.out import replies
from hub.exchange.out.connections import Connections
from hub.exchange.out.item import Item
from hub.exchange.partners import Partner
from hub.exchange.work import lanes
from hub.exchange.work.lanes import Lease, LeaseLost, Shift
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

log = logging.getLogger("ponte.delivery")
PER_LEASE = 50
LANES_AT_ONCE = 64
LANES_PER_PARTNER = 4

# Three plain statements, each by one index: joined in one, stale statistics made it read the whole backlog.
_FIRST = (
    "SELECT id, message_id, partner_id, operation, purpose, attempt, in_doubt FROM delivery "
    "WHERE tenant_id = $1 AND lane_id = $2 AND status = 'QUEUED' ORDER BY seq LIMIT $3"
)
_MARK = "UPDATE delivery SET attempt = attempt + 1, in_doubt = true WHERE tenant_id = $1 AND id = $2"
_CONTENT = "SELECT content, control_id FROM message WHERE tenant_id = $1 AND id = $2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a partner's failures are met: how often to try, how long to wait, and what the lane does then."""

    attempts: int = 60
    first_s: float = 1.0
    most_s: float = 1800.0
    then: str = "pause"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Policy:
        """The policy in a partner's `settings["retry"]`; what it does not say is the default (a day of trying)."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in (settings.get("retry") or {}).items() if key in known})


async def work(world: World, tenant: Tenant, *, limit: int = LANES_AT_ONCE) -> int:
    """Deliver what is due of a tenant and wait for it; returns the number of deliveries that ended."""
    async with world.transaction(tenant) as tx:
        leases = await lanes.lease_spread(tx, "outbound", limit, {}, LANES_PER_PARTNER)
    courier = Courier(world)
    try:
        return sum(await asyncio.gather(*(courier.run(tenant, held) for held, _ in leases)))
    finally:
        await courier.close()


async def requeue(tx: Transaction, delivery_id: UUID, *, sent: bool = False) -> None:
    """Send a dead or refused delivery again, same bytes and key, and resume its lane; raises NotFound, Conflict.

    `sent`: also one the partner has taken, which says that it has lost it.
    """
    row = await tx.row("SELECT lane_id, message_id, status FROM delivery WHERE tenant_id = $1 AND id = $2", delivery_id)
    if row is None:
        raise NotFound("there is no such delivery")
    name = await tx.value(
        "SELECT p.code FROM delivery d JOIN partner p ON p.tenant_id = $1 AND p.id = d.partner_id "
        "WHERE d.tenant_id = $1 AND d.id = $2",
        delivery_id,
    )
    await lanes.touch(tx, "outbound", [(row["lane_id"], name, 1)])
    changed = await tx.row(
        "UPDATE delivery SET status = 'QUEUED', attempt = 0, finished_at = NULL, last_error = NULL, application = '' "
        "WHERE tenant_id = $1 AND id = $2 AND (status IN ('DEAD', 'ERROR') OR $3 AND status = 'SENT') RETURNING id",
        delivery_id,
        sent,
    )
    if changed is None:
        raise Conflict("only a delivery that is over can be sent again")
    await tx.run("UPDATE message SET status = 'QUEUED' WHERE tenant_id = $1 AND id = $2", row["message_id"])
    await lanes.resume(tx, row["lane_id"])


class Courier:
    """Works leased outbound lanes; keeps the connection of a lane open from one delivery to the next."""

    def __init__(self, world: World, shift: Shift | None = None) -> None:
        self._world = world
        self._shift = shift or Shift()
        self._connections = Connections(world)

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    async def run(self, tenant: Tenant, held: Lease) -> int:
        """Deliver in order until the lane is empty, a delivery must wait, or it is another lane's or worker's turn."""
        done = 0
        known: dict[UUID, Partner] = {}
        try:
            while done < PER_LEASE and not self._shift.over:
                items = await self._next(tenant, held, known)
                one = len(items) == 1
                if not items or not await (
                    self._deliver(tenant, held, items[0]) if one else self._deliver_batch(tenant, held, items)
                ):
                    break
                held = dataclasses.replace(held, attempt=0)
                done += len(items)
            async with self._world.transaction(tenant) as tx:
                await lanes.release_working(tx, held)
        except LeaseLost:
            log.warning("lane %s: the lease was lost; another worker goes on", held.lane_id)
        except PonteError as error:
            log.warning("lane %s: delivery stopped: %s", held.lane_id, error.code)
        return done

    async def _next(self, tenant: Tenant, held: Lease, known: dict[UUID, Partner]) -> list[Item]:
        """The lane's first delivery, marked as in doubt before anything is sent; raises LeaseLost.

        For a partner that takes batches, as many as its batch holds; one in doubt always goes alone.
        """
        most = max((_batch_of(one) for one in known.values()), default=1)
        async with self._world.transaction(tenant) as tx:
            await lanes.extend(tx, held)
            rows = await tx.rows(_FIRST, held.lane_id, most)
            if not rows:
                await lanes.recount(tx, held, "delivery")
            sound = [row for row in rows if not row["in_doubt"]] if rows and not rows[0]["in_doubt"] else rows[:1]
            return [await self._marked(tx, held, row, known) for row in sound]

    async def _marked(self, tx: Transaction, held: Lease, row: Row, known: dict[UUID, Partner]) -> Item:
        if row["partner_id"] not in known:
            known[row["partner_id"]] = await partners.partner(tx, row["partner_id"])
        await tx.run(_MARK, row["id"])
        message = await tx.row(_CONTENT, row["message_id"])
        if message is None:
            raise NotFound("the delivery's message is gone")
        return Item(
            id=row["id"],
            message_id=row["message_id"],
            lane_id=held.lane_id,
            partner=known[row["partner_id"]],
            operation=row["operation"],
            content=bytes(message["content"]),
            control_id=message["control_id"],
            purpose=json.loads(row["purpose"]),
            attempt=row["attempt"] + 1,
            doubtful=row["in_doubt"],
        )

    async def _deliver(self, tenant: Tenant, held: Lease, item: Item) -> bool:
        """Send one delivery and record what became of it; True when the lane may go on."""
        try:
            answer, reconciled = await lanes.keep(self._world, tenant, held, self._exchange(tenant, item))
        except Refused as error:
            await self._end(tenant, held, item, ("ERROR", error.code), said=error.said)
            return True
        except LeaseLost:
            raise
        except PonteError as error:
            unsent = isinstance(error, Unsent | Misconfigured)
            await self._keep(tenant, item, error.said)
            return await self._put_off(tenant, held, item, error.code, in_doubt=item.doubtful or not unsent)
        except Exception as error:  # a defect of ours or of an adapter: this lane waits, the others go on
            log.error("partner %s: %s at %s", item.partner.code, type(error).__name__, lanes.place_of(error))
            return await self._put_off(tenant, held, item, "delivery.failed", in_doubt=True)
        return await self._take(tenant, held, item, replies.Outcome(answer=answer, reconciled=reconciled))

    async def _deliver_batch(self, tenant: Tenant, held: Lease, items: list[Item]) -> bool:
        """Send deliveries as one batch: each is recorded by its own answer, the first without makes the lane wait."""
        try:
            transport = await self._connections.transport(tenant, items[0].partner, items[0].lane_id)
            if not isinstance(transport, MllpTransport):
                raise Misconfigured("only MLLP partners take batches", code="transport.settings")
            calls = [_call(item, item.content, str(item.id), "") for item in items]
            sending = transport.send_batch(calls, new_id().hex[:20].upper())
            answers = await lanes.keep(self._world, tenant, held, sending)
        except PonteError as error:
            unsent = isinstance(error, Unsent | Misconfigured)
            if unsent:
                await self._undoubt(tenant, items)
            return await self._put_off(tenant, held, items[0], error.code, in_doubt=not unsent)
        waiting = [item for item in items if item.control_id not in answers]
        for item in items:
            answer = answers.get(item.control_id)
            if answer is not None and answer.verdict == "later":
                waiting.append(item)
            elif answer is not None:
                await self._take(tenant, held, item, replies.Outcome(answer=answer))
        if not waiting:
            return True
        first = min(waiting, key=items.index)
        return await self._put_off(tenant, held, first, "transport.timeout", in_doubt=first.control_id not in answers)

    async def _undoubt(self, tenant: Tenant, items: list[Item]) -> None:
        """Nothing was handed over: none of these is in doubt."""
        async with self._world.transaction(tenant) as tx:
            await tx.run(
                "UPDATE delivery SET in_doubt = false WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
                [item.id for item in items],
            )

    async def _take(self, tenant: Tenant, held: Lease, item: Item, outcome: replies.Outcome) -> bool:
        """Record an answer; True when the lane may go on."""
        answer = outcome.answer
        if answer.verdict == "later":
            async with self._world.transaction(tenant) as tx:
                await replies.keep(tx, item.partner.id, answer, "TRANSFORMED")
            return await self._put_off(tenant, held, item, answer.code, in_doubt=answer.doubt)
        await replies.record(self._world, tenant, held, item, outcome)
        return True

    async def _keep(self, tenant: Tenant, item: Item, said: object) -> None:
        """Keep what a partner said that is no answer, such as a page: the first time, and the last."""
        if isinstance(said, Answer) and item.attempt in (1, Policy.of(item.partner.settings).attempts):
            async with self._world.transaction(tenant) as tx:
                await replies.keep(tx, item.partner.id, said, "TRANSFORMED")

    async def _exchange(self, tenant: Tenant, item: Item) -> tuple[Answer, bool]:
        """The partner's answer, and whether it came from asking instead of sending."""
        if not item.partner.active:
            raise Misconfigured("the partner is switched off", code="partner.inactive")
        kind = {"mllp": "hl7", "rnds": "http"}.get(item.partner.settings.get("transport", {}).get("kind", ""), "soap")
        if item.doubtful and kind == "hl7" and (told := await self._late(tenant, item)) is not None:
            return told, True
        transport = await self._connections.transport(tenant, item.partner, item.lane_id)
        ask = handlers.RECONCILE.get(handlers.topic(item.operation, item.purpose))
        if item.doubtful and ask is not None:

            async def question(content: bytes, action: str = "", operation: str = "") -> bytes:
                call = _call(item, content, f"{item.id}-ask", action)
                return (await transport.send(dataclasses.replace(call, operation=operation or call.operation))).content

            known = await ask(
                self._world,
                tenant,
                Doubt(
                    content=item.content,
                    delivery_id=item.id,
                    partner=item.partner,
                    operation=item.operation,
                    purpose=item.purpose,
                    ask=question,
                ),
            )
            if known is not None:
                return Answer(content=known, format=kind), True
        return await transport.send(_call(item, item.content, str(item.id), item.purpose.get("action", ""))), False

    async def _late(self, tenant: Tenant, item: Item) -> Answer | None:
        """The acknowledgement that came after its deadline, by another way."""
        async with self._world.transaction(tenant) as tx:
            content = await late.answered(tx, item.id)
        how = Acknowledging.of(item.partner.settings.get("acknowledge") or {})
        return judge(content, item.control_id, how) if content is not None else None

    async def _put_off(self, tenant: Tenant, held: Lease, item: Item, code: str, *, in_doubt: bool) -> bool:
        """Wait and try again, or give the delivery up; True when the lane may go on."""
        policy = Policy.of(item.partner.settings)
        if item.attempt >= policy.attempts:
            await self._end(tenant, held, item, ("DEAD", code), pause=policy.then != "continue")
            return policy.then == "continue"
        async with self._world.transaction(tenant) as tx:
            wait = lanes.delay(item.attempt, first=policy.first_s, most=policy.most_s)
            await lanes.back_off(tx, held, code, wait)
            await tx.run(
                "UPDATE delivery SET last_error = $3, in_doubt = $4 WHERE tenant_id = $1 AND id = $2",
                item.id,
                code,
                in_doubt,
            )
        log.info(
            "partner %s: %s; attempt %s, next in %.1f s", item.partner.code, code, item.attempt, wait.total_seconds()
        )
        return False

    async def _end(
        self, tenant: Tenant, held: Lease, item: Item, why: tuple[str, str], *, pause: bool = False, said: object = None
    ) -> None:
        """Close a delivery that will not be tried again by itself, with what the partner said; raises LeaseLost."""
        status, code = why
        async with self._world.transaction(tenant) as tx:
            await lanes.acknowledge(tx, [(held, 1)])
            reply_id = (
                await replies.keep(tx, item.partner.id, said, "TRANSFORMED") if isinstance(said, Answer) else None
            )
            await replies.close(tx, item.id, item.message_id, status, code, reply_id)
            if pause:
                await lanes.pause(tx, held, code)
            await replies.given_up(self._world, tenant, tx, item.partner, code)
        log.warning("partner %s: delivery %s is %s: %s", item.partner.code, item.id, status, code)


def _batch_of(partner: Partner) -> int:
    """How many messages a partner takes in one batch; 1 when it takes none."""
    most = partner.settings.get("batch", {}).get("most", 1) if isinstance(partner.settings.get("batch"), dict) else 1
    enhanced = (partner.settings.get("acknowledge") or {}).get("mode") == "enhanced"
    return 1 if enhanced or isinstance(most, bool) or not isinstance(most, int) else max(1, min(most, PER_LEASE))


def _call(item: Item, content: bytes, key: str, action: str) -> Call:
    return Call(
        content=content,
        key=key,
        operation=item.operation,
        control_id=item.control_id,
        action=action,
        name=item.purpose.get("file", ""),
        professional=item.purpose.get("professional", ""),
        repeated=item.doubtful,
    )
