"""The whole cycle on 3.05.00, the oldest version payers still take: names of people, no regime, older codes."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import payer_server as simulated
import pytest
from billing_day import (
    CONSULTATION,
    EXAM,
    GLUCOSE,
    IPE,
    Visit,
    happen,
    many,
    order,
    partner_row,
    put_records,
    register,
    rows,
)
from payer_server import Server, payer_server, settle
from shared_files import standards

from api.simulators import payer
from canonical.errors import Refused
from hub.billing import jobs
from hub.billing.appeal import appeals
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.billing.returns import reconciliation
from hub.billing.writing import origin
from hub.requests import authorisation, cancellation, documents
from hub.requests.authorisation import Wish
from hub.requests.matter import Named
from hub.world import Tenant, World
from schemas_xsd import catalogue, importer
from tests.hub.billing.test_billing_dental import treated
from tiss.schema import check
from tiss.wire import message, soap

OLD = "3.05.00"


@pytest.fixture
def old_schema(tmp_path: Path) -> Iterator[None]:
    """The official set of 3.05.00 beside those installed."""
    source = standards("tiss") / OLD
    folder = tmp_path / "schemas"
    shutil.copytree(catalogue.installed_root(), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PONTE_SCHEMAS", str(folder))
        assert all(outcome.good for outcome in importer.import_from(source))
        yield


@pytest.fixture
def old_payers(monkeypatch: pytest.MonkeyPatch, old_schema: None) -> None:
    """The simulated payers on 3.05.00."""
    known = simulated.sides

    def sides(**changed: Any) -> tuple[payer.Side, ...]:
        return tuple(dataclasses.replace(side, version=OLD, signed=False) for side in known(**changed))

    monkeypatch.setattr(simulated, "sides", sides)


async def billed(world: World, tenant: Tenant, server: Server, visits: list[Visit]) -> None:
    settings = {"speaks": f"tiss {OLD}", "signature": ""}
    await register(world, tenant, [partner_row(IPE, server.url(IPE), **settings)])
    await happen(world, tenant, visits)
    await guides.build_guides(world, tenant)
    told = await rows(world, tenant, "SELECT status, problems FROM guide WHERE tenant_id = $1")
    assert {row["status"] for row in told} == {"pronta"}, [row["problems"] for row in told]
    await batches.close_batches(world, tenant)
    await settle(world, tenant)


async def ask(world: World, tenant: Tenant) -> None:
    await jobs.poll_protocols(world, tenant, {})
    await settle(world, tenant)


async def every_reply_is_valid(world: World, tenant: Tenant) -> None:
    kept = await rows(world, tenant, "SELECT content, problems FROM message WHERE tenant_id = $1 AND direction = 'in'")
    for row in kept:
        body = soap.read(row["content"])
        assert isinstance(body, soap.Body)
        found = message.read(body.content)
        assert isinstance(found, message.Tiss)
        assert check.schema_problems(found, OLD) == [] and json.loads(row["problems"]) == []


async def no_documents(world: World, tenant: Tenant) -> None:
    """That version has no sending of documents, which is said before anything is made."""
    guide = (await rows(world, tenant, "SELECT id FROM guide WHERE tenant_id = $1"))[0]
    paper = documents.Wish(kind="02", content=b"%PDF-1.4 x", content_type="application/pdf", guide=guide["id"])
    with pytest.raises(Refused) as refused:
        async with world.transaction(tenant) as tx:
            await documents.send(world, tenant, tx, paper, "test")
    assert refused.value.code == "request.no-transaction"


async def test_from_guide_to_appeal(world: World, tenant: Tenant, old_payers: None) -> None:
    visits = [Visit(payer=IPE, charges=(CONSULTATION,)), Visit(payer=IPE, charges=(EXAM, GLUCOSE))]
    visits += [Visit(payer=IPE, charges=(CONSULTATION, EXAM), kind="EMER")]
    async with payer_server(deny_every=2) as server:
        await billed(world, tenant, server, visits)
        kinds = {
            json.loads(row["tree"])["dadosAtendimento"].get("tipoAtendimento")
            for row in await rows(world, tenant, "SELECT tree FROM guide WHERE tenant_id = $1")
        }
        assert kinds == {None, "05", "11"}
        await ask(world, tenant)
        denied = await rows(world, tenant, "SELECT status FROM denial WHERE tenant_id = $1")
        assert denied and {row["status"] for row in denied} == {"aberta"}
        by = origin(world, tenant, "test")
        (partner,) = await rows(world, tenant, "SELECT id FROM partner WHERE tenant_id = $1")
        denied_in = await rows(
            world,
            tenant,
            "SELECT DISTINCT l.protocol FROM denial d JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id "
            "WHERE d.tenant_id = $1",
        )
        for row in denied_in:
            async with world.transaction(tenant) as tx:
                wish = appeals.Wish(payer_id=partner["id"], protocol=row["protocol"])
                appeal = await appeals.draft(tx, wish, by)
                assert await appeals.send(world, tenant, tx, appeal, "test") == "enviando"
        await settle(world, tenant)
        await no_documents(world, tenant)
        await ask(world, tenant)
        answered = await rows(world, tenant, "SELECT status, granted_cents, problems FROM appeal WHERE tenant_id = $1")
        book = (await server.received())[IPE]
    assert [(row["status"], row["problems"]) for row in answered] == [("respondido", "[]")] * len(denied_in)
    assert sum(row["granted_cents"] for row in answered) == sum(one["granted_cents"] for one in book["appeals"])
    assert book["refused"] == {}
    await every_reply_is_valid(world, tenant)


async def test_a_protocol_denied_as_a_whole_is_granted_as_a_whole(
    world: World, tenant: Tenant, old_payers: None
) -> None:
    async with payer_server() as server:
        await billed(world, tenant, server, many(Visit(payer=IPE, charges=(EXAM,)), 2))
        (submission,) = await rows(world, tenant, "SELECT id, payer_id, protocol FROM submission WHERE tenant_id = $1")
        await server.control(ans=IPE, reject=submission["protocol"], glosa="1101")
        await ask(world, tenant)
        (denial,) = await rows(
            world, tenant, "SELECT status, amount_cents, glosa_code FROM denial WHERE tenant_id = $1"
        )
        assert (denial["status"], denial["amount_cents"], denial["glosa_code"]) == ("aberta", 5080, "1101")
        async with world.transaction(tenant) as tx:
            wish = appeals.Wish(payer_id=submission["payer_id"], protocol=submission["protocol"])
            appeal = await appeals.draft(tx, wish, origin(world, tenant, "test"))
            assert await appeals.send(world, tenant, tx, appeal, "test") == "enviando"
        await settle(world, tenant)
        await ask(world, tenant)
    (denial,) = await rows(world, tenant, "SELECT status, granted_cents FROM denial WHERE tenant_id = $1")
    (told,) = await rows(world, tenant, "SELECT status, granted_cents, problems FROM appeal WHERE tenant_id = $1")
    assert (denial["status"], denial["granted_cents"]) == ("revertida", 5080)
    assert (told["status"], told["granted_cents"], told["problems"]) == ("respondido", 5080, "[]")
    async with world.transaction(tenant) as tx:
        figures = await reconciliation.of_protocol(tx, submission["protocol"], submission["payer_id"])
    assert (figures["billed"], figures["open"]) == (5080, 0)
    await every_reply_is_valid(world, tenant)


async def test_dental_appeals_requests_and_cancellations(world: World, tenant: Tenant, old_payers: None) -> None:
    settings = {"speaks": f"tiss {OLD}", "signature": ""}
    async with payer_server(deny_every=1) as server:
        patient = await treated(world, tenant, IPE, server.url(IPE))
        (partner,) = await rows(world, tenant, "SELECT id, settings FROM partner WHERE tenant_id = $1")
        async with world.transaction(tenant) as tx:
            changed = {**json.loads(partner["settings"]), **settings}
            await tx.run("UPDATE partner SET settings = $2 WHERE tenant_id = $1", json.dumps(changed))
        await guides.build_guides(world, tenant)
        await batches.close_batches(world, tenant)
        await settle(world, tenant)
        await ask(world, tenant)
        (submission,) = await rows(world, tenant, "SELECT payer_id, protocol FROM submission WHERE tenant_id = $1")
        async with world.transaction(tenant) as tx:
            wish = appeals.Wish(payer_id=submission["payer_id"], protocol=submission["protocol"])
            appeal = await appeals.draft(tx, wish, origin(world, tenant, "test"))
            assert await appeals.send(world, tenant, tx, appeal, "test") == "enviando"
        (request,) = await put_records(world, tenant, order(patient, EXAM[1]))
        async with world.transaction(tenant) as tx:
            asked = await authorisation.ask(
                world, tenant, tx, Wish(named=Named(patient=patient, payer=IPE), orders=(request,)), "test"
            )
        assert asked.problems == ()
        await settle(world, tenant)
        await ask(world, tenant)
    async with payer_server(delay_s=1000.0) as server:  # what is analysed still can be taken back
        async with world.transaction(tenant) as tx:
            changed["transport"]["url"] = server.url(IPE)
            await tx.run("UPDATE partner SET settings = $2 WHERE tenant_id = $1", json.dumps(changed))
        await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM,)), 2))
        await guides.build_guides(world, tenant)
        (closed,) = await batches.close_batches(world, tenant)
        await settle(world, tenant)
        async with world.transaction(tenant) as tx:
            await cancellation.ask(world, tenant, tx, cancellation.Wish(batch=closed.id), "test")
        await settle(world, tenant)
    (ended,) = await rows(world, tenant, "SELECT status FROM batch WHERE tenant_id = $1 AND id = $2", closed.id)
    assert ended["status"] == "encerrado"
    (told,) = await rows(world, tenant, "SELECT status, problems FROM appeal WHERE tenant_id = $1")
    assert (told["status"], told["problems"]) == ("respondido", "[]")
    await every_reply_is_valid(world, tenant)
