"""Every operation meets every fault over a real socket: nothing is lost, nothing counts twice, all ends as without faults."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from billing_day import CONSULTATION, EXAM, JACARANDA, Visit, happen, order, partner_row, put_records, register, rows
from payer_server import Server, payer_server, settle

from hub.billing import jobs
from hub.billing.appeal import appeals
from hub.billing.batch import batches
from hub.billing.writing import origin, stored
from hub.exchange.out import delivery
from hub.records.write import Write
from hub.requests import annexes, authorisation, cancellation, documents, eligibility, sending, stays
from hub.requests import jobs as request_jobs
from hub.requests.matter import Named
from hub.store.database import Transaction
from hub.world import Tenant, World
from tiss.wire import transactions

ROOTS = {row.root for row in transactions.table().values() if row.requests}
OPME = {
    "kind": "opme",
    "justification": "Texto",
    "items": [{"table": "19", "code": "100587585", "option": "1", "quantity": "1"}],
}
_DENIED = """
SELECT d.payer_id, l.protocol FROM denial d JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id
WHERE d.tenant_id = $1 AND d.status = 'aberta' ORDER BY d.id LIMIT 1
"""
PASSING = (
    ("lost", "other"),
    pytest.param(("half", "503"), marks=pytest.mark.slow),
    pytest.param(("garbage", "html"), marks=pytest.mark.slow),
    pytest.param(("empty", "500"), marks=pytest.mark.slow),
    pytest.param(("fault", "lost"), marks=pytest.mark.slow),
    pytest.param(("401", "404"), marks=pytest.mark.slow),
    pytest.param(("twice",), marks=pytest.mark.slow),
    pytest.param(("wrong-hash",), marks=pytest.mark.slow),
    pytest.param(("wrong-version",), marks=pytest.mark.slow),
)
SAID_NO = (("refuse",), ("error",))


@dataclass
class Day:
    """What was asked of a payer in a day that uses all twelve operations."""

    world: World
    tenant: Tenant
    server: Server
    by_hand: bool
    asked: dict[str, UUID] = field(default_factory=dict)

    async def begin(self, faults: tuple[str, ...]) -> None:
        world, tenant = self.world, self.tenant
        await register(world, tenant, [partner_row(JACARANDA, self.server.url(JACARANDA))])
        charged = Visit(payer=JACARANDA, charges=(CONSULTATION, EXAM, EXAM), member="1" * 17)
        (out,) = await happen(world, tenant, [charged])
        (inside,) = await happen(world, tenant, [Visit(payer=JACARANDA, charges=(), kind="IMP")])
        (stay,) = await rows(world, tenant, "SELECT id FROM encounter WHERE tenant_id = $1 AND patient_id = $2", inside)
        async with world.transaction(tenant) as tx:
            body = (await stored(tx, "Encounter", [stay["id"]]))[stay["id"]]
        body |= {"status": "in-progress", "period": {"start": "2026-11-18T08:00:00-03:00"}}
        await put_records(world, tenant, Write(type="Encounter", id=stay["id"], body=body))
        (wanted,) = await put_records(world, tenant, order(out, EXAM[1]))
        (cut,) = await put_records(world, tenant, order(inside, "31309054", encounter=stay["id"]))
        await self.server.control(ans=JACARANDA, each=faults)
        await self.ask("eligibility", lambda tx: eligibility.ask(world, tenant, tx, eligibility.Wish(named=Named(patient=out)), "t"))  # fmt: skip
        await self.ask("order", lambda tx: authorisation.ask(world, tenant, tx, authorisation.Wish(named=Named(), orders=(wanted,)), "t"))  # fmt: skip
        surgery = authorisation.Wish(named=Named(encounter=stay["id"]), orders=(cut,))
        await self.ask("stay", lambda tx: authorisation.ask(world, tenant, tx, surgery, "t"))
        news = stays.Wish(named=Named(encounter=stay["id"]), event="I", stay_kind="2")
        await self.ask("news", lambda tx: stays.tell(world, tenant, tx, news, "t"))
        await jobs.close_batches(world, tenant, {})
        await self.until(self.quiet)

    async def follow(self) -> None:
        """What stands on the first answers: annex, document, cancellation; then everything is judged and appealed."""
        world, tenant = self.world, self.tenant
        annex = annexes.Wish(request=self.asked["stay"], annex=OPME, values={})
        await self.ask("annex", lambda tx: annexes.ask(world, tenant, tx, annex, "t"))
        (guide,) = await rows(world, tenant, "SELECT id FROM guide WHERE tenant_id = $1 AND kind = 'sp-sadt'")
        paper = documents.Wish(kind="02", content=b"%PDF-1.4 x", content_type="application/pdf", guide=guide["id"])
        await self.ask("document", lambda tx: documents.send(world, tenant, tx, paper, "t"))
        back = cancellation.Wish(requests=(self.asked["order"],))
        await self.ask("cancellation", lambda tx: cancellation.ask(world, tenant, tx, back, "t"))
        await self.until(self.quiet)
        ticks = itertools.count(10**9, 10**4)
        self.server.book(JACARANDA).clock = lambda: next(ticks)
        await self.until(self.judged)
        await self.appeal()
        await self.until(self.answered)

    async def appeal(self) -> None:
        async with self.world.transaction(self.tenant) as tx:
            row = await tx.row(_DENIED)
            if row is not None:
                wish = appeals.Wish(payer_id=row["payer_id"], protocol=row["protocol"])
                drafted = await appeals.draft(tx, wish, origin(self.world, self.tenant, "t"))
                await appeals.send(self.world, self.tenant, tx, drafted, "t")

    async def ask(self, name: str, how: Callable[[Transaction], Awaitable[sending.Put]]) -> None:
        async with self.world.transaction(self.tenant) as tx:
            put = await how(tx)
        assert put.status == "enviando", (name, put.problems)
        self.asked[name] = put.id

    async def until(self, done: Callable[[], Awaitable[bool]]) -> None:
        """Go on as schedules do (and, where a person must act, as a person does) until it is done."""
        for _ in range(12):
            await settle(self.world, self.tenant)
            if await done():
                return
            await self.mend()
            await jobs.poll_protocols(self.world, self.tenant, {})
            await request_jobs.poll_requests(self.world, self.tenant, {})
        raise AssertionError(await self.states())

    async def mend(self) -> None:
        """What a person does: release a lane whose partner was set up wrongly, send again what the payer refused."""
        async with self.world.transaction(self.tenant) as tx:
            for row in await tx.rows("SELECT id FROM delivery WHERE tenant_id = $1 AND status = 'DEAD'"):
                await delivery.requeue(tx, row["id"])
            if not self.by_hand:
                return
            for row in await tx.rows("SELECT id FROM payer_request WHERE tenant_id = $1 AND status = 'rejeitado'"):
                await sending.resend(tx, row["id"], "t")
            for row in await tx.rows("SELECT id FROM batch WHERE tenant_id = $1 AND status = 'rejeitado'"):
                await batches.resend(tx, row["id"], "t")
            refused = await tx.value("SELECT count(*) FROM appeal WHERE tenant_id = $1 AND status = 'rejeitado'")
        if refused and "recebido" not in (await self.states())["appeal"]:
            await self.appeal()

    async def states(self) -> dict[str, list[str]]:
        found = {}
        for table in ("payer_request", "submission", "batch", "appeal", "delivery", "denial"):
            found[table] = [
                str(row["status"]) for row in await rows(self.world, self.tenant, f"SELECT status FROM {table} WHERE tenant_id = $1")
            ]  # fmt: skip
        return found

    async def quiet(self) -> bool:
        """All that can be answered while the payer still analyses is answered."""
        found = await self.states()
        waiting = {"enviando", "incerto", "rejeitado"}
        return not waiting & {*found["payer_request"], *found["batch"]} and "incerto" not in found["submission"]

    async def judged(self) -> bool:
        found = await self.states()
        return await self.quiet() and bool(found["denial"]) and "em analise" not in found["payer_request"]

    async def answered(self) -> bool:
        return set((await self.states())["appeal"]) - {"rejeitado"} == {"respondido"}


@pytest.mark.parametrize("faults", PASSING, ids="+".join)
async def test_every_operation_gets_over_what_passes(world: World, tenant: Tenant, faults: tuple[str, ...]) -> None:
    async with payer_server(delay_s=1000.0, deny_every=2) as server:
        day = Day(world, tenant, server, by_hand=False)
        await day.begin(faults)
        await day.follow()
        await once(day, faults)


async def once(day: Day, faults: tuple[str, ...]) -> None:
    """Every operation met its faults, and each thing happened once at the payer and once here."""
    book: dict[str, Any] = (await day.server.received())[JACARANDA]
    lenient = {"twice", "wrong-hash", "wrong-version"} >= set(faults)
    assert {root for root, count in book["requests"].items() if count >= len(faults) + (not lenient)} == ROOTS
    assert [len(book[name]) for name in ("batches", "stays", "documents", "appeals")] == [2, 1, 1, 1]
    assert len(book["authorisations"]) == 3 and len(set(book["cancelled"])) == 1
    found = await day.states()
    assert sorted(found["payer_request"]) == sorted(
        ("aceito", "autorizado", "cancelado", "cancelado", "elegivel", "recebido", "recebido")
    )
    sent = await rows(day.world, day.tenant, "SELECT sum(total_cents)::bigint AS cents FROM batch WHERE tenant_id = $1")
    assert sent[0]["cents"] == book["billed_cents"]
    lines = await rows(
        day.world, day.tenant, "SELECT billed_cents FROM statement_line WHERE tenant_id = $1 AND NOT replaced"
    )
    assert sum(line["billed_cents"] for line in lines) == book["billed_cents"]


@pytest.mark.slow
@pytest.mark.parametrize("faults", SAID_NO, ids="+".join)
async def test_a_no_to_any_operation_is_kept_and_can_be_sent_again(
    world: World, tenant: Tenant, faults: tuple[str, ...]
) -> None:
    async with payer_server(delay_s=1000.0, deny_every=2) as server:
        day = Day(world, tenant, server, by_hand=True)
        await day.begin(faults)
        await day.follow()
        await once(day, faults)
