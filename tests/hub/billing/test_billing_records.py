"""Guides, answers, statements and appeals as FHIR records: one write path, one meaning, exact to the cent."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from billing_day import (
    CONSULTATION,
    DIPYRONE,
    EXAM,
    GLUCOSE,
    IPE,
    JACARANDA,
    Visit,
    happen,
    many,
    partner_row,
    register,
    rows,
)
from payer_server import again, judged, payer_server, settle

from fhir import jsontext
from fhir.validation.validator import validate
from hub.billing import jobs
from hub.billing.appeal import appeals
from hub.billing.batch import batches, responses
from hub.billing.guide import claims, guides
from hub.billing.returns import benefits, reconciliation
from hub.billing.writing import origin
from hub.operate import explain
from hub.world import Tenant, World


async def records(world: World, tenant: Tenant, type_name: str) -> dict[str, dict[str, Any]]:
    """The bodies of a type by id, each valid R4."""
    found = await rows(
        world, tenant, "SELECT id, body FROM resource WHERE tenant_id = $1 AND type = $2 AND NOT deleted", type_name
    )
    bodies = {row["id"]: jsontext.stored(row["body"]) for row in found}
    assert [problem for body in bodies.values() for problem in validate(body)] == []
    return bodies


async def agree(world: World, tenant: Tenant) -> None:
    """Every guide's row and items are what its Claim says, and every statement line what its record says."""
    bills = await records(world, tenant, "Claim")
    columns = ", ".join(("id", *claims.COLUMNS))
    for row in await rows(world, tenant, f"SELECT {columns} FROM guide WHERE tenant_id = $1"):
        body = bills[str(row["id"])]
        assert claims.columns_of(body) == tuple(row[name] for name in claims.COLUMNS)
        items = await rows(
            world,
            tenant,
            "SELECT * FROM guide_item WHERE tenant_id = $1 AND guide_id = $2 ORDER BY sequence",
            row["id"],
        )
        assert claims.items_of(body) == [tuple(item[name] for name in claims.ITEM_COLUMNS) for item in items]
    benefit = await records(world, tenant, benefits.TYPE)
    told = [line for body in benefit.values() if body["status"] == "active" for line in benefits.lines_of(body)]
    kept = await rows(world, tenant, "SELECT * FROM statement_line WHERE tenant_id = $1 AND NOT replaced")
    columns_of = ("guide_number", "sequence", "billed_cents", "processed_cents", "paid_cents", "denied_cents")
    assert sorted(tuple(row[name] for name in columns_of) for row in kept) == sorted(
        (line.guide_number, line.sequence, line.billed, line.processed, line.paid, line.denied) for line in told
    )


@pytest.mark.parametrize("payer", [IPE, JACARANDA])
async def test_a_guide_is_a_claim_from_its_building_to_its_sending(world: World, tenant: Tenant, payer: str) -> None:
    await register(world, tenant, [partner_row(payer)])
    (patient,) = await happen(world, tenant, [Visit(payer=payer, charges=(CONSULTATION, EXAM, DIPYRONE))])
    await guides.build_guides(world, tenant)
    await agree(world, tenant)
    by_kind = {claim["type"]["coding"][0]["code"]: claim for claim in (await records(world, tenant, "Claim")).values()}
    claim = by_kind["sp-sadt"]
    assert claim["patient"] == {"reference": f"Patient/{patient}"} and claim["status"] == "active"
    assert str(claim["total"]["value"]) == "29.90" and str(by_kind["consulta"]["total"]["value"]) == "180.00"
    assert [str(item["net"]["value"]) for item in claim["item"]] == ["25.40", "4.50"]
    assert str(claim["item"][0]["unitPrice"]["value"]) == "12.70" and str(claim["item"][0]["factor"]) == "1.00"
    assert claim["item"][0]["productOrService"]["coding"][0]["system"].endswith("tuss-22")
    assert claim["item"][1]["quantity"]["system"].endswith("tuss-60")
    batch = (await batches.close_batches(world, tenant))[0]
    await agree(world, tenant)
    bills = await records(world, tenant, "Claim")
    lote = [i["value"] for body in bills.values() for i in body["identifier"] if i["system"].endswith(":lote")]
    assert str(batch.number) in lote and len(lote) == 2
    async with world.transaction(tenant) as tx:
        causes = await explain.record(tx, "Claim", next(iter(bills)))
    assert [(cause.actor, cause.message_type) for cause in causes] == [("billing", ""), ("billing", "ENVIO_LOTE_GUIAS")]


async def test_a_guide_built_again_is_a_new_version_and_a_cancelled_one_stays(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,), member="")])
    await guides.build_guides(world, tenant)
    await agree(world, tenant)
    (draft,) = (await records(world, tenant, "Claim")).values()
    assert draft["status"] == "draft" and draft["meta"]["versionId"] == "1"
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE coverage SET member_number = '00123456789012345' WHERE tenant_id = $1")
    await guides.build_guides(world, tenant)
    await agree(world, tenant)
    (ready,) = (await records(world, tenant, "Claim")).values()
    assert (ready["status"], ready["meta"]["versionId"], ready["created"]) == ("active", "2", draft["created"])
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE charge SET status = 'aborted' WHERE tenant_id = $1")
    await guides.build_guides(world, tenant)
    (gone,) = (await records(world, tenant, "Claim")).values()
    assert gone["status"] == "cancelled"


async def test_protocol_and_statement_answer_the_claims(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        submission = await judged(world, tenant, server, charges=(EXAM, GLUCOSE, DIPYRONE))
        await agree(world, tenant)
        bills = await records(world, tenant, "Claim")
        answers_ = await records(world, tenant, responses.TYPE)
        assert {body["request"]["reference"] for body in answers_.values()} == {f"Claim/{i}" for i in bills}
        assert {i["value"] for body in answers_.values() for i in body["identifier"]} == {submission["protocol"]}
        benefit = await records(world, tenant, benefits.TYPE)
        assert {body["claim"]["reference"] for body in benefit.values()} == {f"Claim/{i}" for i in bills}
        assert {body["claimResponse"]["reference"] for body in benefit.values()} == {
            f"{responses.TYPE}/{i}" for i in answers_
        }
        book = (await server.received())[IPE]
        for code, name in (("submitted", "billed"), ("benefit", "paid"), ("glosa", "denied")):
            total = sum(
                Decimal(str(t["amount"]["value"]))
                for body in benefit.values()
                for t in body["total"]
                if t["category"]["coding"][0]["code"] == code
            )
            assert total * 100 == book[f"{name}_cents"]
        for body in benefit.values():
            claim = bills[body["claim"]["reference"].partition("/")[2]]
            assert body["patient"] == claim["patient"] and body["type"] == claim["type"]
            assert [item["sequence"] for item in body["item"]] == [item["sequence"] for item in claim["item"]]


async def test_the_same_statement_changes_nothing_and_a_replaced_one_is_a_version(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        submission = await judged(world, tenant, server, charges=(EXAM, GLUCOSE, DIPYRONE))
        before = await rows(world, tenant, "SELECT count(*) AS n FROM resource_version WHERE tenant_id = $1")
        await again(world, tenant)
        assert before == await rows(world, tenant, "SELECT count(*) AS n FROM resource_version WHERE tenant_id = $1")
        denied = [
            b
            for b in (await records(world, tenant, benefits.TYPE)).values()
            if "glosa" in json.dumps(b["item"], default=str)
        ]
        await server.control(ans=IPE, revise=submission["protocol"])
        await again(world, tenant)
        await agree(world, tenant)
        benefit = await records(world, tenant, benefits.TYPE)
        assert denied and all(benefit[body["id"]]["meta"]["versionId"] == "2" for body in denied)
        assert "glosa" not in [
            a["category"]["coding"][0]["code"] for b in benefit.values() for i in b["item"] for a in i["adjudication"]
        ]
        async with world.transaction(tenant) as tx:
            causes = await explain.record(tx, benefits.TYPE, denied[0]["id"])
        assert len(causes) == 2 and all(cause.message_id for cause in causes)


async def test_what_is_not_ours_and_what_is_cut_out_of_a_statement(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await server.control(ans=IPE, foreign=True, glosa="9876")
        await judged(world, tenant, server, charges=(EXAM, GLUCOSE, DIPYRONE))
        await agree(world, tenant)
        benefit = await records(world, tenant, benefits.TYPE)
        (stranger,) = [body for body in benefit.values() if "claim" not in body]
        assert "reference" not in stranger["patient"] and "GUIA-DE-OUTRO" in [
            i["value"] for i in stranger["identifier"]
        ]
        codes = {
            a["reason"]["coding"][0]["code"]
            for body in benefit.values() for item in body["item"] for a in item["adjudication"] if "reason" in a
        }  # fmt: skip
        assert codes == {"9876"}
        await server.control(ans=IPE, foreign=False, glosa="1705")
        await again(world, tenant)
        await agree(world, tenant)
        assert (await records(world, tenant, benefits.TYPE))[stranger["id"]]["status"] == "cancelled"


async def test_a_refused_batch_answers_every_guide_and_the_guides_come_back(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await server.control(ans=IPE, kind="refuse", times=1, root="loteGuiasWS")
        await register(world, tenant, [partner_row(IPE, server.url(IPE))])
        await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM,)), 2))
        await guides.build_guides(world, tenant)
        (closed,) = await batches.close_batches(world, tenant)
        await settle(world, tenant)
        found = (await records(world, tenant, responses.TYPE)).values()
        assert len(found) == 2 and {body["outcome"] for body in found} == {"error"}
        assert all(body["error"][0]["code"]["coding"][0]["code"] for body in found)
        async with world.transaction(tenant) as tx:
            await batches.reopen(tx, closed.id, origin(world, tenant, "test"))
        for claim in (await records(world, tenant, "Claim")).values():
            assert not [i for i in claim["identifier"] if i["system"].endswith(":lote")]
        await agree(world, tenant)


async def test_an_appeal_is_a_claim_related_to_the_guide_and_its_decision_answers_it(
    world: World, tenant: Tenant
) -> None:
    async with payer_server() as server:
        submission = await judged(world, tenant, server, charges=(EXAM, GLUCOSE, DIPYRONE))
        guide_ids = set(await records(world, tenant, "Claim"))
        by = origin(world, tenant, "test")
        async with world.transaction(tenant) as tx:
            wish = appeals.Wish(payer_id=submission["payer_id"], protocol=submission["protocol"])
            dropped = await appeals.draft(tx, wish, by)
            await appeals.discard(tx, dropped, by)
            appeal = await appeals.draft(tx, wish, by)
        drafts = {i: b for i, b in (await records(world, tenant, "Claim")).items() if i not in guide_ids}
        assert sorted({body["status"] for body in drafts.values()}) == ["cancelled", "draft"]
        async with world.transaction(tenant) as tx:
            await appeals.send(world, tenant, tx, appeal, "test")
        await settle(world, tenant)
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        sent = {
            i: b
            for i, b in (await records(world, tenant, "Claim")).items()
            if i not in guide_ids and b["status"] == "active"
        }
        (row,) = await rows(world, tenant, "SELECT * FROM appeal WHERE tenant_id = $1 AND id = $2", appeal)
        claimed = sum(Decimal(str(body["total"]["value"])) for body in sent.values())
        assert claimed * 100 == row["claimed_cents"]
        assert {body["related"][0]["claim"]["reference"] for body in sent.values()} <= {f"Claim/{i}" for i in guide_ids}
        assert all(body["supportingInfo"][0]["valueString"] for body in sent.values())
        decided = {
            b["request"]["reference"]: b
            for b in (await records(world, tenant, responses.TYPE)).values()
            if b.get("item")
        }
        assert set(decided) == {f"Claim/{i}" for i in sent}
        granted = sum(
            Decimal(str(a["amount"]["value"]))
            for body in decided.values() for item in body["item"] for a in item["adjudication"]
            if a["category"]["coding"][0]["code"] == "benefit"
        )  # fmt: skip
        assert granted * 100 == row["granted_cents"]
        async with world.transaction(tenant) as tx:
            figures = await reconciliation.of_protocol(tx, submission["protocol"], submission["payer_id"])
        assert figures["open"] == 0
