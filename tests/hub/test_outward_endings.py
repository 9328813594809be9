"""What others are asked or told: ended at any commit and taken up again, each hears it as if nothing had happened."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import peers
import pytest
import rnds_records
from billing_day import EXAM, JACARANDA, Visit, happen, order, partner_row, put_records, register
from endings import at_every_commit
from payer_server import payer_server, settle
from rnds_server import rnds_server, store
from rnds_server import settle as settle_network

from api.simulators.payer_book import Book
from hub.billing.writing import origin, today
from hub.exchange.out import delivery
from hub.exchange.partners import Partner, save_partner
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.requests import authorisation, eligibility
from hub.requests.matter import Named
from hub.store.database import Transaction
from hub.watch import look, tell
from hub.world import Tenant, World

FAST = {"attempts": 50, "first_s": 0.01, "most_s": 0.02}


async def taken(number: int, raw: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def sent(world: World, tenant: Tenant) -> None:
    """Deliver until nothing waits."""
    async with asyncio.timeout(20):
        while True:
            await delivery.work(world, tenant)
            async with world.transaction(tenant) as tx:
                if not await tx.value("SELECT count(*) FROM delivery WHERE tenant_id = $1 AND status = 'QUEUED'"):
                    return
            await asyncio.sleep(0.01)


async def log_of(world: World, tenant: Tenant) -> list[Any]:
    """What the log says of the tenant's deliveries, in their order, and what its lanes count."""
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT operation, status FROM delivery WHERE tenant_id = $1 ORDER BY seq")
        waiting = await tx.value(
            "SELECT coalesce(sum(pending), 0)::int FROM lane WHERE tenant_id = $1 AND kind = 'outbound'"
        )
    return [[tuple(row) for row in rows], waiting]


def once_or_again(heard: list[int]) -> list[int]:
    """The numbers without what was told again; none is told before one that comes earlier for the first time."""
    first = list(dict.fromkeys(heard))
    assert first == sorted(first)
    return first


async def test_a_subscriber_hears_each_event_in_order(world: World) -> None:
    async with peers.http(taken) as peer:
        asked = {
            "criteria": "Patient?",
            "payload": "application/fhir+json",
            "content": "id-only",
            "base": "",
            "topic": "",
        }

        async def begin(tenant: Tenant) -> UUID:
            peer.received.clear()
            transport = {"kind": "webhook", "url": f"http://127.0.0.1:{peer.port}/", "timeout_s": 5}
            found = Partner(
                id=UUID(int=tenant.id.int ^ 1), kind="webhook", code="s1", name="s", adapter="", active=True,
                settings={"transport": transport, "retry": FAST, "allow_private": True, "subscription": asked},
            )  # fmt: skip
            async with world.transaction(tenant) as tx:
                await save_partner(tx, found)
            return found.id

        async def work(tenant: Tenant, _: UUID) -> None:
            for number in range(3):
                body = {"resourceType": "Patient", "active": True, "name": [{"text": f"n{number}"}]}
                async with world.transaction(tenant) as tx:
                    there = await tx.value(
                        "SELECT count(*) FROM resource WHERE tenant_id = $1 AND id = $2", f"p{number}"
                    )
                    if not there:
                        by = Origin(actor="test", now=world.now(), zone=tenant.zone)
                        await save(tx, [Write(type="Patient", id=f"p{number}", body=body)], by)
                await sent(world, tenant)

        async def state(tenant: Tenant, _: UUID) -> Any:
            told = [json.loads(body)["entry"][0]["resource"]["parameter"] for _, body in peer.received]
            numbers = [
                int(next(each["valueString"] for each in one if each["name"].startswith("events"))) for one in told
            ]
            return once_or_again(numbers), await log_of(world, tenant)

        assert await at_every_commit(world, begin, work, state) >= 10


async def test_an_alarm_is_told_once_as_it_begins(world: World) -> None:
    async with peers.http(taken) as peer:

        async def begin(tenant: Tenant) -> None:
            peer.received.clear()
            target = {
                "transport": {"kind": "webhook", "url": f"http://127.0.0.1:{peer.port}/"},
                "retry": FAST,
                "allow_private": True,
            }
            await tell.declare(world, tenant, "mesa", target, {}, actor="test")
            async with world.transaction(tenant) as tx:
                await tx.run(
                    "INSERT INTO lane (tenant_id, id, kind, name, pending, paused) VALUES ($1, 7, 'outbound', 'x', 1, true)"
                )

        async def work(tenant: Tenant, _: None) -> None:
            for _ in range(2):
                await look.judge(world, tenant)
                await sent(world, tenant)

        async def state(tenant: Tenant, _: None) -> Any:
            begun = [
                one["rule"]
                for _, body in peer.received
                for one in json.loads(body)["begun"]
                if one["rule"] == "lane.paused"
            ]
            assert 1 <= len(begun) <= 2, "told, and not without end"
            return (await log_of(world, tenant))[0]

        assert await at_every_commit(world, begin, work, state) >= 4


@pytest.mark.slow
async def test_a_document_of_the_national_network(world: World, tmp_path: Path) -> None:
    bodies = [rnds_records.PATIENT, rnds_records.PRACTITIONER, rnds_records.SPECIMEN, *rnds_records.RESULTS]
    report = {k: v for k, v in rnds_records.REPORT.items() if k != "encounter"}
    corrected = {**rnds_records.RESULTS[0], "status": "corrected", "valueQuantity": {"value": 101, "unit": "mg/dL"}}
    async with rnds_server(tmp_path) as server:

        async def begin(tenant: Tenant) -> None:
            await server.join(world, tenant)
            server.network.book = type(server.network.book)()

        async def work(tenant: Tenant, _: None) -> None:
            await store(world, tenant, *bodies, report)
            await settle_network(world, tenant)
            await store(world, tenant, corrected)
            await settle_network(world, tenant)

        async def state(tenant: Tenant, _: None) -> Any:
            there = server.network.book.documents
            found = await settle_network(world, tenant)
            newest = [one for one in there if not one.replaced_by and not one.deleted]
            assert [one.rnds_id for one in found] == [one.id for one in newest], "what is kept is what stands there"
            return [(one.kind, one.status, one.code, bool(one.replaced)) for one in found], len(newest)

        assert await at_every_commit(world, begin, work, state) > 10


async def test_requests_to_a_payer(world: World) -> None:
    async with payer_server() as server:

        async def begin(tenant: Tenant) -> tuple[str, ...]:
            server.payers.books[JACARANDA] = Book(server.book(JACARANDA).side)
            await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
            visit = Visit(payer=JACARANDA, charges=(EXAM,), on=today(origin(world, tenant)))
            (patient,) = await happen(world, tenant, [visit])
            return (patient, *await put_records(world, tenant, order(patient, EXAM[1])))

        async def ask(tenant: Tenant, tx: Transaction, kind: str, made: tuple[str, ...]) -> None:
            if kind == eligibility.KIND:
                await eligibility.ask(world, tenant, tx, eligibility.Wish(named=Named(patient=made[0])), "test")
            else:
                wish = authorisation.Wish(named=Named(), orders=made[1:])
                await authorisation.ask(world, tenant, tx, wish, "test")

        async def work(tenant: Tenant, made: tuple[str, ...]) -> None:
            for kind in (eligibility.KIND, authorisation.KIND):
                async with world.transaction(tenant) as tx:
                    asked = "SELECT count(*) FROM payer_request WHERE tenant_id = $1 AND kind = $2"
                    if not await tx.value(asked, kind):
                        await ask(tenant, tx, kind, made)
                await settle(world, tenant)

        async def state(tenant: Tenant, _: tuple[str, ...]) -> Any:
            async with world.transaction(tenant) as tx:
                rows = await tx.rows(
                    "SELECT kind, status, settled FROM payer_request WHERE tenant_id = $1 ORDER BY kind"
                )
            book = (await server.received())[JACARANDA]
            assert book["refused"] == {}
            return [tuple(row) for row in rows], len(book["authorisations"])

        assert await at_every_commit(world, begin, work, state) >= 8
