"""Answers that are owed after the commit: application acknowledgements, and answers that wait for the processing.

In enhanced mode (2.5.1 §2.9.3) the receiver says AA, AE or AR when the message has been worked, as a message of its
own: on the connection it came by while that is open, else through the outbox to the channel's `return_to` partner,
else it waits to be picked up. An acknowledgement is never itself acknowledged, unless it asks for that (MSH-15).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from canonical.errors import PonteError
from canonical.identity import bytes_number, moment_of, new_id
from hl7 import ack, er7
from hl7.er7 import Message
from hub.exchange import partners
from hub.exchange.answer import answers, order_answers
from hub.exchange.channels import Channel, channels_at
from hub.exchange.door.keep import AFTERWARDS
from hub.exchange.door.receive import Answer
from hub.exchange.out import outbox
from hub.exchange.out.outbox import Outgoing
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

log = logging.getLogger("ponte.owed")
LOOK_SECONDS = 0.05
SWEEP_SECONDS = 5.0
GRACE = "15 seconds"
Say = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """An answer owed to an open connection. After `until` (loop time) `instead` is said, and the debt is paid."""

    tenant: Tenant
    say: Say
    until: float | None = None
    instead: bytes = b""
    resent: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A finding as it was kept with the message: its words are fixed."""

    code: str
    severity: str
    where: str
    words: Mapping[str, str]

    def text(self, language: str = "pt") -> str:
        """What is wrong."""
        return self.words.get("text", "")

    def remedy(self, language: str = "pt") -> str:
        """How to repair it."""
        return self.words.get("remedy", "")


class Debts:
    """What one process owes to the connections it holds, and what nobody holds a connection for any more."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._owed: dict[UUID, list[Debt]] = {}
        self._some = asyncio.Event()

    def follow(self, message: UUID, debt: Debt) -> None:
        """Pay `debt` as soon as the message has been worked; who sends it again meanwhile is owed the same."""
        self._owed.setdefault(message, []).append(debt)
        self._some.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Pay until `stop`."""
        loop = asyncio.get_running_loop()
        swept = 0.0
        while not stop.is_set():
            try:
                if self._owed:
                    await self.pay()
                if loop.time() - swept > SWEEP_SECONDS:
                    swept = loop.time()
                    await sweep(self._world, self._owed.keys())
            except PonteError as error:
                log.warning("cannot pay what is owed: %s", error.code)
            await self._wait(stop, LOOK_SECONDS if self._owed else SWEEP_SECONDS)

    async def pay(self) -> None:
        """One look at everything owed: what has been worked is said, what took too long is said otherwise."""
        now = asyncio.get_running_loop().time()
        by_tenant: dict[UUID, list[UUID]] = {}
        for message, debts in self._owed.items():
            by_tenant.setdefault(debts[0].tenant.id, []).append(message)
        for messages in by_tenant.values():
            tenant = self._owed[messages[0]][0].tenant
            said = await settle(self._world, tenant, messages)
            said |= await self._again(tenant, [message for message in messages if message not in said])
            for message, payload in said.items():
                await self._say(tenant, message, payload)
            for message in messages:
                late = [d for d in self._owed.get(message, ()) if d.until is not None and d.until <= now]
                if late:
                    await self._say(tenant, message, await give_up(self._world, tenant, message, late[0].instead))

    async def _again(self, tenant: Tenant, messages: Collection[UUID]) -> dict[UUID, bytes]:
        """What was said before of those that came again: one who asked while it was being said missed it."""
        resent = [message for message in messages if any(debt.resent for debt in self._owed[message])]
        whole = {message for message in resent if any(debt.instead for debt in self._owed[message])}
        said = await replies(self._world, tenant, whole)
        return said | await said_before(self._world, tenant, [message for message in resent if message not in whole])

    async def _say(self, tenant: Tenant, message: UUID, payload: bytes) -> None:
        """Say it on every connection that waits for it; it is undelivered when none of them is left."""
        said = [debt.say(payload) for debt in self._owed.pop(message, ()) if payload]
        if payload and not any(said):
            await _undelivered(self._world, tenant, message)

    async def _wait(self, stop: asyncio.Event, seconds: float) -> None:
        self._some.clear()
        tasks = [asyncio.ensure_future(self._some.wait()), asyncio.ensure_future(stop.wait())]
        waiting = tasks if not self._owed else tasks[1:]
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def wait(world: World, tenant: Tenant, said: Answer, seconds: float) -> bytes:
    """The answer of a message that is answered when it has been worked, or `said.instead` after `seconds`."""
    message = said.message_id
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        found = await settle(world, tenant, [message]) or await replies(world, tenant, [message] * said.resent)
        if message in found:
            return found[message]
        await asyncio.sleep(LOOK_SECONDS)
    return await give_up(world, tenant, message, said.instead)


async def settle(world: World, tenant: Tenant, messages: Collection[UUID]) -> dict[UUID, bytes]:
    """The answers now due for those of `messages` that have been worked; empty bytes where none is to be given.

    Each is recorded as given in the same transaction.
    """
    async with world.transaction(tenant) as tx:
        rows = await _worked(tx, "id = ANY($2::uuid[])", list(messages))
        return {row["id"]: await _pay(tx, row) for row in rows}


async def said_before(world: World, tenant: Tenant, messages: Collection[UUID]) -> dict[UUID, bytes]:
    """The application acknowledgements that were given before, for messages that came again."""
    if not messages:
        return {}
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT answers, content FROM message WHERE tenant_id = $1 AND answers = ANY($2::uuid[])", list(messages)
        )
        finished = await tx.rows(
            "SELECT id FROM message WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND owes = ''", list(messages)
        )
    return {row["id"]: b"" for row in finished} | {row["answers"]: bytes(row["content"]) for row in rows}


async def replies(world: World, tenant: Tenant, messages: Collection[UUID]) -> dict[UUID, bytes]:
    """The answers that were given after the processing, of those messages that have one."""
    if not messages:
        return {}
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT id, reply FROM message WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND owes = '' "
            "AND reply IS NOT NULL",
            list(messages),
        )
    return {row["id"]: bytes(row["reply"]) for row in rows}


async def give_up(world: World, tenant: Tenant, message: UUID, instead: bytes) -> bytes:
    """Record that `instead` was answered because the processing took too long; a resend gets the same."""
    async with world.transaction(tenant) as tx:
        row = await tx.row(
            "UPDATE message SET owes = '', reply = $3 WHERE tenant_id = $1 AND id = $2 AND owes <> '' RETURNING id",
            message,
            instead,
        )
        if row is None:
            return await tx.value("SELECT reply FROM message WHERE tenant_id = $1 AND id = $2", message) or instead
    return instead


async def sweep(world: World, held: Collection[UUID]) -> int:
    """Send or lay out what is owed to connections that are gone; returns how many."""
    count = 0
    for tenant in await world.tenants():
        async with world.transaction(tenant) as tx:
            rows = await _worked(tx, "finished_at < now() - $2::text::interval", GRACE)
            rows = [row for row in rows if row["id"] not in held]
            for row in rows:
                await _pay(tx, row)
        if rows:
            channels = await channels_at(world, tenant, {(row["channel_id"], row["channel_version"]) for row in rows})
            for row in rows:
                channel = channels.get((row["channel_id"], row["channel_version"]))
                await _redirect(world, tenant, row["id"], channel)
        count += len(rows)
    return count


async def pick_up(world: World, channel: Channel) -> tuple[UUID, bytes] | None:
    """The oldest answer that waits to be picked up, with its id, now marked as sent; None when there is none."""
    async with world.transaction(channel.tenant) as tx:
        row = await tx.row(
            "UPDATE message SET status = 'SENT', finished_at = now() WHERE tenant_id = $1 AND id = ("
            " SELECT id FROM message WHERE tenant_id = $1 AND answers IS NOT NULL AND channel_id = $2"
            " AND status = 'PENDING' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, content",
            channel.id,
        )
    return (row["id"], bytes(row["content"])) if row is not None else None


async def _worked(tx: Transaction, condition: str, value: object) -> list[Row]:
    return await tx.rows(
        "SELECT id, channel_id, channel_version, type, charset, content, status, problems, owes, control_key "
        f"FROM message WHERE tenant_id = $1 AND {condition} AND owes <> '' AND status <> 'RECEIVED' ORDER BY id "
        "FOR UPDATE SKIP LOCKED",
        value,
    )


async def _pay(tx: Transaction, row: Row) -> bytes:
    """The answer of one worked message, kept: as its reply, or as a message of its own."""
    good = row["status"] != "ERROR"
    afterwards = row["owes"] == AFTERWARDS
    if not afterwards and not ack.due(row["owes"], good):
        await tx.run("UPDATE message SET owes = '' WHERE tenant_id = $1 AND id = $2", row["id"])
        return b""
    made = row["id"] if afterwards else new_id()
    last = await _completed_by(tx, row) if afterwards and row["control_key"] is None else None
    payload = await _built(tx, row, made, asks=False, to=last["content"] if last is not None else None)
    await tx.run(
        "UPDATE message SET owes = '', reply = coalesce($3, reply) WHERE tenant_id = $1 AND id = $2",
        row["id"],
        payload if afterwards else None,
    )
    if last is not None:
        await tx.run("UPDATE message SET reply = $3 WHERE tenant_id = $1 AND id = $2", last["id"], payload)
    if not afterwards:
        await tx.run(
            "INSERT INTO message (tenant_id, id, direction, format, type, channel_id, status, control_id, payload_key, "
            "charset, content, answers, finished_at) "
            "VALUES ($1, $2, 'out', 'hl7', 'ACK', $3, 'SENT', $4, $5, $6, $7, $8, now())",
            made,
            row["channel_id"],
            made.hex[:20],
            bytes_number(payload),
            row["charset"],
            payload,
            row["id"],
        )
    return payload


async def _completed_by(tx: Transaction, row: Row) -> Row | None:
    """The part that completed a message which came in parts: its sender waits. None for other messages."""
    return await tx.row(
        "SELECT m.id, m.content FROM fragment f JOIN message m ON m.tenant_id = $1 AND m.id = f.message_id "
        "WHERE f.tenant_id = $1 AND f.whole_id = $2 ORDER BY m.seq DESC LIMIT 1",
        row["id"],
    )


async def _built(tx: Transaction, row: Row, made: UUID, *, asks: bool, to: bytes | None = None) -> bytes:
    """The answer: an acknowledgement, or to an order that was worked the answer orders have (ORR, ORL…).

    It names the control id of the message, or of the part `to` which completed it.
    """
    good = row["status"] != "ERROR"
    message = er7.read(bytes(row["content"]), fixed_charset=row["charset"])
    if to is not None and isinstance(message, Message):
        header = er7.read(to, fixed_charset=row["charset"])
        if isinstance(header, Message):
            message = message.with_segments([header.header, *message.segments[1:]])
    if good and isinstance(message, Message) and answers.more_than_acknowledged(message.type):
        return await answers.build(tx, message, ack.Stamp(control_id=made.hex[:20], now=moment_of(made), asks=asks))
    kind, more = await order_answers.answer(tx, message) if good and isinstance(message, Message) else ("", [])
    envelope = ack.envelope(message) if isinstance(message, Message) else ack.salvage(bytes(row["content"]))
    stamp = ack.Stamp(control_id=made.hex[:20], now=moment_of(made), asks=asks, kind=kind, more=tuple(more))
    return ack.build(envelope, "AA" if good else "AE", list(_told(row["problems"])), stamp)


def _told(problems: str) -> Iterable[Told]:
    for item in json.loads(problems):
        yield Told(item.get("code", ""), item.get("severity", "error"), item.get("where", ""), item)


async def _undelivered(world: World, tenant: Tenant, message: UUID) -> None:
    """The connection ended between the record and the sending."""
    async with world.transaction(tenant) as tx:
        row = await tx.row("SELECT channel_id, channel_version FROM message WHERE tenant_id = $1 AND id = $2", message)
    if row is None:
        return
    under = (row["channel_id"], row["channel_version"])
    await _redirect(world, tenant, message, (await channels_at(world, tenant, {under})).get(under))


async def _redirect(world: World, tenant: Tenant, message: UUID, channel: Channel | None) -> None:
    """An application acknowledgement without a connection: to the partner of `return_to`, else it waits."""
    name = channel.document.acknowledge.return_to if channel is not None else ""
    async with world.transaction(tenant) as tx:
        row = await tx.row(
            "UPDATE message SET status = 'PENDING', finished_at = NULL "
            "WHERE tenant_id = $1 AND answers = $2 AND status = 'SENT' RETURNING id",
            message,
        )
        found = await partners.partners_called(tx, [name]) if row is not None and name else {}
        if row is None or name not in found:
            return
        origin = await tx.row(
            "SELECT id, channel_id, type, charset, content, status, problems FROM message "
            "WHERE tenant_id = $1 AND id = $2",
            message,
        )
        if origin is None:
            return
        made = new_id()
        content = await _built(tx, origin, made, asks=True)
        outgoing = Outgoing(
            operation="acknowledge",
            format="hl7",
            type="ACK",
            content=content,
            control_id=made.hex[:20],
            charset=origin["charset"],
        )
        delivery = await outbox.enqueue(tx, found[name], outgoing)
        await tx.run("DELETE FROM message WHERE tenant_id = $1 AND id = $2", row["id"])
        await tx.run(
            "UPDATE message SET answers = $3 FROM delivery d WHERE message.tenant_id = $1 AND d.tenant_id = $1 "
            "AND d.id = $2 AND message.id = d.message_id",
            delivery,
            message,
        )
