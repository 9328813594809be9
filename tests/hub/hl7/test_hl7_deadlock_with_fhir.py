"""A transaction of FHIR with a condition, and a wave of messages, each of which holds what the other waits for."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from hl7_feed import feed, msh, outcome, records, work_all

from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.exchange.work import inbound
from hub.records.requests import bundle, conditional
from hub.records.requests.acting import Actor
from hub.records.requests.entry import Entry
from hub.world import Tenant, World
from tests.hub.hl7.test_hl7_beside_fhir import BLOCKED, CPF, NUMBER, entry


def person(at: int, number: str, name: str, *more: str) -> str:
    numbers = "~".join((f"{number}^^^HOSP^MR", *(f"{one}^^^RFB^CPF" for one in more)))
    pid = f"PID|1||{numbers}||{name}||19910304|F"
    stamp = f"202611221000{at:02d}"
    return "\r".join((msh("ADT^A28^ADT_A05", stamp), f"EVN|A28|{stamp}-0300", pid, ""))


def entries(known: dict[str, Any]) -> list[Entry]:
    """A new person unless the number is known, and another one who is stored already."""
    changed = {**known, "maritalStatus": {"text": "Casada"}}
    return [
        dataclasses.replace(entry("POST", CPF), alone=False, position=0),
        Entry(method="PUT", type_name="Patient", id=known["id"], resource=changed, position=1),
    ]


async def until_done_or_waiting(world: World, tenant: Tenant, other: asyncio.Task[Any]) -> None:
    async with asyncio.timeout(30):
        while not other.done():
            async with world.transaction(tenant) as tx:
                if await tx.value(BLOCKED):
                    return
            await asyncio.sleep(0.02)


async def test_both_are_done_in_the_end(world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wave holds the known person and waits for the new one's number, which the client holds, who then wants the
    known one: the server ends one of both, which is tried again."""
    await feed(world, tenant, person(1, "K1", "Reis^Nora"))
    (known,) = await records(world, tenant, "Patient")
    channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
    keeper = Keeper(world.database)
    sent = [person(2, "K1", "Reis^Nora^Alves"), person(3, "M7", "Prado^Lia", NUMBER)]
    kept = [await receive(keeper, channel, one.encode()) for one in sent]
    plain, settled, others, tries = conditional.resolve, inbound.settle, [], []

    async def settle(*given: Any) -> Any:
        tries.append("wave")
        return await settled(*given)

    async def resolve(*given: Any) -> Any:
        found = await plain(*given)
        tries.append("client")
        if not others:
            others.append(asyncio.create_task(inbound.work(world, tenant)))
            await until_done_or_waiting(world, tenant, others[0])
            assert not others[0].done(), "the wave waits"
        return found

    monkeypatch.setattr(conditional, "resolve", resolve)
    monkeypatch.setattr(inbound, "settle", settle)
    actor = Actor(tenant=tenant, subject="test", permits=lambda *_: True)
    done = await bundle.transact(world, actor, entries(known))
    await others[0]
    await work_all(world, tenant)
    assert len(done) == 2
    assert [(await outcome(world, tenant, one.message_id))["status"] for one in kept] == ["TRANSFORMED"] * 2
    people = await records(world, tenant, "Patient")
    assert sorted(sorted(i["value"] for i in one["identifier"]) for one in people) == [["52998224725", "M7"], ["K1"]]
    nora = next(one for one in people if one["id"] == known["id"])
    assert nora["maritalStatus"] == {"text": "Casada"}
    assert len(tries) > 2, "one of both was tried again"
