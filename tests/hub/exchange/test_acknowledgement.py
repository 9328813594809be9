"""Original and enhanced mode over a real port: which answers come, when, and where they go when nobody listens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from channel_feed import channel, partner, put, queued
from hl7_feed import adt, msh, work_all

from api.doors.mllp import Listener
from hl7 import er7
from hl7.er7 import Message
from hl7.mllp import Framer, frame
from hub.exchange.answer import owed
from hub.exchange.answer.owed import Debts
from hub.exchange.channels import Channel
from hub.exchange.door.keep import Keeper
from hub.world import Tenant, World

AT = "20261122100001"
GOOD = adt("A01", "A", "V1", AT)
REFUSED = GOOD.replace("ADT^A01", "XYZ^Z99")


def asking(message: str, accept: str, application: str) -> bytes:
    lines = message.split("\r")
    fields = lines[0].split("|") + [""] * 10
    fields[14], fields[15] = accept, application
    fields[9] += f"{accept}{application}"
    return "\r".join(["|".join(fields[:18]), *lines[1:]]).encode()


class Caller:
    """A sender's connection that collects every answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.framer = reader, writer, Framer(10_000_000)
        self.answers: list[Message] = []

    async def hear(self, expected: int) -> list[str]:
        """The codes of all answers so far, once `expected` have come and a moment more has passed in silence."""
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(3 if len(self.answers) < expected else 0.06):
                    data = await self.reader.read(65536)
                if not data:
                    break
                for found in self.framer.feed(data):
                    message = er7.read(found.payload)
                    assert isinstance(message, Message)
                    self.answers.append(message)
        return [message.text("MSA", 1) for message in self.answers]

    def send(self, raw: bytes) -> None:
        self.writer.write(frame(raw))


@contextlib.asynccontextmanager
async def calling(world: World, to: Channel) -> AsyncIterator[tuple[Caller, Debts]]:
    debts = Debts(world)
    listener = Listener(to, Keeper(world.database), 10_000_000, debts)
    port = await listener.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Caller(reader, writer), debts
    finally:
        writer.close()
        await listener.stop()


async def his(world: World, tenant: Tenant, text: str = "") -> Channel:
    return await put(world, tenant, f'name = "his"\ndoor = "mllp"\n[acknowledge]\n{text}\n')


async def arrived(world: World, tenant: Tenant, count: int) -> None:
    """Wait until so many messages are kept: a silent answer does not tell."""
    async with asyncio.timeout(60):
        while True:
            async with world.transaction(tenant) as tx:
                if await tx.value("SELECT count(*) FROM message WHERE tenant_id = $1 AND direction = 'in'") >= count:
                    return
            await asyncio.sleep(0.02)


TABLE = [
    # MSH-15, MSH-16, answers to a good message at once, after the work; to a refused one
    ("", "", ["AA"], ["AA"], ["AR"]),
    ("NE", "NE", [], [], []),
    ("AL", "NE", ["CA"], ["CA"], ["CR"]),
    ("SU", "NE", ["CA"], ["CA"], []),
    ("SU", "AL", ["CA"], ["CA", "AA"], ["AR"]),
    ("SU", "ER", ["CA"], ["CA"], ["AR"]),
    ("SU", "SU", ["CA"], ["CA", "AA"], []),
    ("ER", "NE", [], [], ["CR"]),
    ("NE", "AL", ["AA"], ["AA"], ["AR"]),
    ("NE", "SU", [], ["AA"], []),
    ("NE", "ER", [], [], ["AR"]),
    ("AL", "AL", ["CA"], ["CA", "AA"], ["CR"]),
    ("AL", "ER", ["CA"], ["CA"], ["CR"]),
    ("ER", "SU", [], ["AA"], ["CR"]),
    ("AL", "XX", ["CA"], ["CA"], ["CR"]),
]


@pytest.mark.parametrize(("accept", "application", "at_once", "worked", "refused"), TABLE)
async def test_table_of_modes(
    world: World,
    tenant: Tenant,
    accept: str,
    application: str,
    at_once: list[str],
    worked: list[str],
    refused: list[str],
) -> None:
    async with calling(world, await his(world, tenant)) as (caller, debts):
        caller.send(asking(GOOD, accept, application))
        assert await caller.hear(len(at_once)) == at_once
        await arrived(world, tenant, 1)
        await work_all(world, tenant)
        await debts.pay()
        assert await caller.hear(len(worked)) == worked
        identities = [message.control_id for message in caller.answers]
        assert len(set(identities)) == len(identities), "each answer is a message of its own"
        caller.answers.clear()
        caller.send(asking(REFUSED, accept, application))
        assert await caller.hear(len(refused)) == refused


async def test_application_acknowledgement_tells_the_outcome(world: World, tenant: Tenant) -> None:
    async with calling(world, await his(world, tenant)) as (caller, debts):
        caller.send(asking(failing(), "AL", "ER"))
        assert await caller.hear(1) == ["CA"]
        await work_all(world, tenant)
        await debts.pay()
        assert await caller.hear(2) == ["CA", "AE"]
        said = caller.answers[1]
        assert said.first("ERR") is not None and said.text("ERR", 4) == "E"
        assert said.text("MSA", 2) == caller.answers[0].text("MSA", 2)


async def test_an_order_is_answered_as_orders_are(world: World, tenant: Tenant) -> None:
    lines = ("PID|1||A^^^HOSP^MR||Souza^Ana", "ORC|NW|P1", "OBR|1|P1||GLI^Glicose^L", "ORC|CA|P9", "OBR|2|P9||K^K^L")
    text = "\r".join((msh("ORM^O01", AT), *lines)) + "\r"
    async with calling(world, await his(world, tenant)) as (caller, debts):
        caller.send(asking(text, "AL", "AL"))
        assert await caller.hear(1) == ["CA"]
        await work_all(world, tenant)
        await debts.pay()
        assert await caller.hear(2) == ["CA", "AA"]
        said = caller.answers[1]
        assert said.type == "ORR^O02"
        assert [(orc.text(1), orc.text(2)) for orc in said.named("ORC")] == [("OK", "P1"), ("UC", "P9")]


def failing() -> str:
    """A message that is taken and then cannot be worked: it merges a patient into itself."""
    from hl7_feed import a40

    return a40(AT, ("M", "M"))


async def test_forced_modes(world: World, tenant: Tenant) -> None:
    for text, said in (('mode = "original"', ["AA"]), ('mode = "enhanced"', ["CA"]), ('mode = "none"', [])):
        async with calling(world, await his(world, tenant, text)) as (caller, _):
            caller.send(asking(adt("A01", "A", "V1", AT), "AL" if "original" in text else "", ""))
            assert await caller.hear(len(said)) == said, text


async def test_answer_after_the_processing(world: World, tenant: Tenant) -> None:
    to = await his(world, tenant, 'when = "processed"\nwait_s = 0.4')
    async with calling(world, to) as (caller, debts):
        caller.send(failing().encode())
        caller.send(GOOD.encode())
        assert await caller.hear(0) == []
        await arrived(world, tenant, 1)
        await work_all(world, tenant)
        await debts.pay()
        assert await caller.hear(1) == ["AE"], "one after the other"
        await arrived(world, tenant, 2)
        await asyncio.sleep(0.6)
        await debts.pay()
        assert await caller.hear(2) == ["AE", "AA"], "a bounded wait"
        caller.send(GOOD.encode())
        await caller.hear(3)
        assert caller.answers[2].segments[0].raw == caller.answers[1].segments[0].raw, "the same bytes again"


async def test_sent_again_while_it_is_worked(world: World, tenant: Tenant) -> None:
    """Whoever sends the same bytes before the answer gets the same answer: nobody waits for ever."""
    to = await his(world, tenant, 'when = "processed"')
    async with calling(world, to) as (first, debts):
        callers = [first, await again(first), await again(first)]
        for rounds, text in enumerate((GOOD, adt("A08", "A", "V1", AT)), start=1):
            for caller in callers:
                caller.send(text.encode())
            await received(world, tenant, 3 * rounds)
            await work_all(world, tenant)
            await debts.pay()
            assert [await caller.hear(rounds) for caller in callers] == [["AA"] * rounds] * 3
        assert len({caller.answers[0].segments[0].raw for caller in callers}) == 1
        for caller in callers[1:]:
            caller.writer.close()


async def again(caller: Caller) -> Caller:
    """Another connection to the same port."""
    return Caller(*await asyncio.open_connection(*caller.writer.get_extra_info("peername")))


async def test_sent_again_while_it_is_answered(world: World, tenant: Tenant) -> None:
    """The answer was given between the look at the kept message and the waiting for it."""
    heard: list[bytes] = []
    to = await his(world, tenant, 'when = "processed"')
    async with calling(world, to) as (caller, debts):
        caller.send(GOOD.encode())
        await received(world, tenant, 1)
        await work_all(world, tenant)
        await debts.pay()
        assert await caller.hear(1) == ["AA"]
        async with world.transaction(tenant) as tx:
            message = await tx.value("SELECT id FROM message WHERE tenant_id = $1")
        late = owed.Debt(tenant=tenant, say=lambda said: not heard.append(said), instead=b"kept", resent=True)
        debts.follow(message, late)
        await debts.pay()
    assert len(heard) == 1 and b"MSA|AA|" in heard[0]


async def received(world: World, tenant: Tenant, receipts: int) -> None:
    """Wait until so many receipts stand in the store."""
    async with asyncio.timeout(10):
        while True:
            async with world.transaction(tenant) as tx:
                if (await tx.value("SELECT coalesce(sum(receipts), 0) FROM message WHERE tenant_id = $1")) >= receipts:
                    return
            await asyncio.sleep(0.01)


async def test_nobody_listens_any_more(world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owed, "GRACE", "0 seconds")
    await partner(world, tenant, "his-back", 9)
    to = await his(world, tenant, 'return_to = "his-back"')
    async with calling(world, to) as (caller, _):
        caller.send(asking(GOOD, "AL", "AL"))
        assert await caller.hear(1) == ["CA"]
    await work_all(world, tenant)
    await owed.sweep(world, ())
    await owed.sweep(world, ())
    sent = await queued(world, tenant)
    assert [item["operation"] for item in sent] == ["acknowledge"]
    answer = er7.read(sent[0]["content"])
    assert isinstance(answer, Message) and answer.text("MSA", 1) == "AA"
    assert (answer.header.text(15), answer.header.text(16)) == ("AL", "NE"), "asks to be acknowledged, no further"


async def test_kept_for_pick_up(world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owed, "GRACE", "0 seconds")
    async with calling(world, await his(world, tenant)) as (caller, _):
        caller.send(asking(GOOD, "NE", "SU"))
        assert await caller.hear(0) == []
        await arrived(world, tenant, 1)
    await work_all(world, tenant)
    await owed.sweep(world, ())
    to = await channel(world, tenant, "his")
    found = await owed.pick_up(world, to)
    assert found is not None and b"MSA|AA|" in found[1]
    assert await owed.pick_up(world, to) is None
