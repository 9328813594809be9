"""A conditional create or update over FHIR and an HL7 message that name the same new person at once make one."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from hl7_feed import msh, outcome, records, work_all

from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.exchange.work import inbound
from hub.records.requests import bundle, conditional
from hub.records.requests.acting import Actor
from hub.records.requests.entry import Entry
from hub.world import Tenant, World

RNDS_CPF = "http://rnds.saude.gov.br/fhir/r4/NamingSystem/cpf"
CPF = "https://saude.gov.br/fhir/sid/cpf"
NUMBER = "52998224725"
BLOCKED = "SELECT count(*) FROM pg_locks WHERE NOT granted AND $1::uuid IS NOT NULL"


def entry(method: str, system: str) -> Entry:
    body = {
        "resourceType": "Patient",
        "identifier": [{"system": system, "value": NUMBER}],
        "name": [{"family": "Prado", "given": ["Lia"]}],
        "birthDate": "1991-03-04",
        "gender": "female",
    }
    query = f"identifier={quote(f'{system}|{NUMBER}')}"
    named = {"if_none_exist": query} if method == "POST" else {"query": query}
    return Entry(method=method, type_name="Patient", resource=body, alone=True, **named)


async def told(world: World, tenant: Tenant) -> Any:
    pid = f"PID|1||M7^^^HOSP^MR~{NUMBER}^^^RFB^CPF||Prado^Lia||19910304|F"
    message = "\r".join((msh("ADT^A28^ADT_A05", "20261122100001"), "EVN|A28|20261122100001-0300", pid, ""))
    channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
    return (await receive(Keeper(world.database), channel, message.encode())).message_id


async def until_done_or_waiting(world: World, tenant: Tenant, other: asyncio.Task[Any]) -> None:
    async with asyncio.timeout(30):
        while not other.done():
            async with world.transaction(tenant) as tx:
                if await tx.value(BLOCKED):
                    return
            await asyncio.sleep(0.02)


async def state(world: World, tenant: Tenant, message: Any) -> list[str]:
    assert (await outcome(world, tenant, message))["status"] == "TRANSFORMED"
    (patient,) = await records(world, tenant, "Patient")
    return sorted(item["value"] for item in patient["identifier"])


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("system", [CPF, RNDS_CPF])
async def test_the_message_comes_while_the_client_decides(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, method: str, system: str
) -> None:
    plain, others = conditional.resolve, []
    message = await told(world, tenant)

    async def resolve(*given: Any) -> Any:
        found = await plain(*given)
        if not others:
            others.append(asyncio.create_task(inbound.work(world, tenant)))
            await until_done_or_waiting(world, tenant, others[0])
        return found

    monkeypatch.setattr(conditional, "resolve", resolve)
    actor = Actor(tenant=tenant, subject="test", permits=lambda *_: True)
    await bundle.transact(world, actor, [entry(method, system)])
    await others[0]
    await work_all(world, tenant)
    assert "M7" in await state(world, tenant, message)


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_the_client_comes_while_the_message_is_worked(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    plain, others = inbound.save, []
    message = await told(world, tenant)
    actor = Actor(tenant=tenant, subject="test", permits=lambda *_: True)

    async def save(*given: Any) -> Any:
        if not others:
            others.append(asyncio.create_task(bundle.transact(world, actor, [entry(method, CPF)])))
            await until_done_or_waiting(world, tenant, others[0])
        return await plain(*given)

    monkeypatch.setattr(inbound, "save", save)
    await work_all(world, tenant)
    await others[0]
    assert NUMBER in await state(world, tenant, message)
