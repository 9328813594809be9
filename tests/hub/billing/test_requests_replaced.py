"""A blocked request that was asked again is marked: its row, its record, the first page, the lists; its history stays."""

from __future__ import annotations

import json
from typing import Any, get_args
from uuid import UUID

import pytest
from billing_day import IPE, Visit, happen, order, partner_row, put_records, register, rows

from canonical.errors import Conflict
from fhir.validation.validator import validate
from hub import console
from hub.billing import listing
from hub.billing.writing import origin, stored
from hub.records.write import Write
from hub.requests import authorisation, eligibility, polling, replacing, sending, statements, stays
from hub.requests.authorisation import Item
from hub.requests.matter import Named
from hub.requests.sending import Put
from hub.world import Tenant, World

NOBODY = {"requester": None}  # nothing tells who asks: that blocks
APPENDIX, GALL = "31003079", "31005497"


async def statuses(world: World, tenant: Tenant) -> dict[str, tuple[str, str]]:
    found = await rows(world, tenant, "SELECT id, status, replaced_by FROM payer_request WHERE tenant_id = $1")
    return {str(row["id"]): (row["status"], str(row["replaced_by"] or "")) for row in found}


async def authorise(world: World, tenant: Tenant, **wish: Any) -> str:
    async with world.transaction(tenant) as tx:
        made = await authorisation.ask(world, tenant, tx, authorisation.Wish(**wish), "test")
        return str(made.id)


async def change(world: World, tenant: Tenant, kind: str, identity: str, **changed: Any) -> None:
    async with world.transaction(tenant) as tx:
        body = {**(await stored(tx, kind, [identity]))[identity], **changed}
    body = {name: value for name, value in body.items() if value is not None}
    await put_records(world, tenant, Write(type=kind, id=identity, body=body))


async def ordered(world: World, tenant: Tenant, patient: str, code: str, **more: Any) -> str:
    write = order(patient, code, **more)
    body = {name: value for name, value in (write.body or {}).items() if value is not None}
    await put_records(world, tenant, Write(type="ServiceRequest", id=write.id, body=body))
    return write.id


async def test_news_of_a_stay_that_were_told_again(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, kind="IMP", charges=())])
    (visit,) = await rows(world, tenant, "SELECT id FROM encounter WHERE tenant_id = $1")
    running = {"status": "in-progress", "period": {"start": "2026-11-18T08:00:00-03:00"}}
    await change(world, tenant, "Encounter", visit["id"], **running)

    async def tell(**more: Any) -> Put:
        async with world.transaction(tenant) as tx:
            wish = stays.Wish(named=Named(encounter=visit["id"]), **more)
            return await stays.tell(world, tenant, tx, wish, "test")

    leaving = str((await tell(event="A")).id)  # of the discharge, which is another matter than the admission
    first, second = str((await tell()).id), str((await tell()).id)
    assert await statuses(world, tenant) == {
        leaving: ("bloqueado", ""), first: ("substituido", second), second: ("bloqueado", ""),
    }  # fmt: skip
    await ordered(world, tenant, patient, APPENDIX, encounter=visit["id"])
    last = str((await tell()).id)
    assert await statuses(world, tenant) == {
        leaving: ("bloqueado", ""), first: ("substituido", second), second: ("substituido", last), last: ("enviando", ""),
    }  # fmt: skip
    async with world.transaction(tenant) as tx:
        body = (await stored(tx, "Communication", [second]))[second]
        versions = await tx.rows(
            "SELECT body::jsonb ->> 'status' AS status FROM resource_version WHERE tenant_id = $1 AND id = $2 "
            "ORDER BY version", second,
        )  # fmt: skip
        page = await listing.page(tx, "requests", {"status": "substituido"})
        (kept,) = await tx.rows("SELECT problems FROM payer_request WHERE tenant_id = $1 AND id::text = $2", second)
        with pytest.raises(Conflict):
            await sending.resend(tx, UUID(str(page.rows[0]["id"])), "test")
    assert validate(body) == [] and body["status"] == "not-done"
    assert {
        "url": "urn:ponte:extension:substituido-por",
        "valueReference": {"reference": f"Communication/{last}"},
    } in body["extension"]
    assert [row["status"] for row in versions] == ["preparation", "not-done"] and json.loads(kept["problems"])
    assert {str(one["id"]): str(one["replaced_by"]) for one in page.rows} == {first: second, second: last}
    shown = await console.overview(world, tenant, watched=False)
    assert [(line.status, line.count) for line in shown.asked if line.kind == "comunicacao"] in (
        [("bloqueado", 1), ("enviando", 1)], [("enviando", 1), ("bloqueado", 1)],
    )  # fmt: skip


async def test_an_authorisation_is_replaced_when_all_its_orders_were_asked_again(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(), doctor=False)])
    one, two = [await ordered(world, tenant, patient, code, **NOBODY) for code in (APPENDIX, GALL)]
    both = await authorise(world, tenant, named=Named(), orders=(one, two))
    doctor = (order(patient, APPENDIX).body or {})["requester"]
    for identity in (one, two):
        await change(world, tenant, "ServiceRequest", identity, requester=doctor)
    first = await authorise(world, tenant, named=Named(), orders=(one,))
    assert (await statuses(world, tenant))[both] == ("bloqueado", ""), "the other order is asked by nobody yet"
    second = await authorise(world, tenant, named=Named(), orders=(two,))
    assert await statuses(world, tenant) == {
        both: ("substituido", second), first: ("enviando", ""), second: ("enviando", ""),
    }  # fmt: skip
    async with world.transaction(tenant) as tx:
        claim = (await stored(tx, "Claim", [both]))[both]
    assert validate(claim) == [] and claim["status"] == "cancelled"


async def test_what_is_asked_without_an_order(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, [Visit(payer=IPE, charges=(), doctor=False)])
    (visit,) = await rows(world, tenant, "SELECT id FROM encounter WHERE tenant_id = $1")

    async def ask(*codes: str) -> str:
        items = tuple(Item(table="22", code=code) for code in codes)
        return await authorise(world, tenant, named=Named(encounter=visit["id"]), items=items, detail="sp-sadt")

    other, first = await ask(GALL), await ask(APPENDIX, GALL)
    person = {
        "identifier": {"system": "https://saude.gov.br/fhir/sid/crm-sp", "value": "123456"},
        "display": "José Médico",
    }
    await change(world, tenant, "Encounter", visit["id"], participant=[{"individual": person}])
    last = await ask(GALL, APPENDIX)
    found = await statuses(world, tenant)
    assert (
        found[first] == ("substituido", last) and found[other] == ("bloqueado", "") and found[last] == ("enviando", "")
    )


async def test_memberships_and_statements(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(), member="")])
    (card,) = await rows(world, tenant, "SELECT id FROM coverage WHERE tenant_id = $1")
    (payer,) = await rows(world, tenant, "SELECT id FROM partner WHERE tenant_id = $1 AND kind = 'payer'")
    made: list[str] = []
    async with world.transaction(tenant) as tx:
        wish = eligibility.Wish(named=Named(patient=patient))
        made.append(str((await eligibility.ask(world, tenant, tx, wish, "test")).id))
    await change(world, tenant, "Coverage", card["id"], subscriberId="00123456789012345")
    async with world.transaction(tenant) as tx:
        made.append(str((await eligibility.ask(world, tenant, tx, wish, "test")).id))
        body = (await stored(tx, "CoverageEligibilityRequest", made))[made[0]]
        assert body["status"] == "cancelled" and validate(body) == []
        for protocols in (("1", "2"), ("3",), ("2", "1")):
            asked = statements.Wish(payer_id=payer["id"], detail="analise", protocols=protocols)
            (put,) = await statements.ask(world, tenant, tx, asked, "test")
            made.append(str(put.id))
            if len(made) < 5:  # as one that lacked something
                await tx.run("UPDATE payer_request SET status = 'bloqueado' WHERE tenant_id = $1 AND id = $2", put.id)
    found = [(await statuses(world, tenant))[identity] for identity in made]
    assert found == [
        ("substituido", made[1]), ("enviando", ""), ("substituido", made[4]), ("bloqueado", ""), ("enviando", ""),
    ]  # fmt: skip


def test_every_kind_has_its_rule() -> None:
    assert set(replacing.matters()) == set(get_args(sending.Kind))


async def test_those_of_before_requests_were_marked_are_found_by_the_poll(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(), doctor=False)])
    one, other = [await ordered(world, tenant, patient, code, **NOBODY) for code in (APPENDIX, GALL)]
    blocked = await authorise(world, tenant, named=Named(), orders=(one,))
    alone = await authorise(world, tenant, named=Named(), orders=(other,))
    items = {"named": Named(patient=patient), "items": (Item(table="22", code=APPENDIX),)}
    loose = await authorise(world, tenant, **items)
    later = [await authorise(world, tenant, named=Named(), orders=(one,)), await authorise(world, tenant, **items)]
    before = "UPDATE payer_request SET status = 'bloqueado', replaced_by = NULL WHERE tenant_id = $1 AND replaced_by IS NOT NULL"
    async with world.transaction(tenant) as tx:
        await tx.run(before)
    await polling.poll(world, tenant)
    found = await statuses(world, tenant)
    assert found[blocked] == ("substituido", later[0]) and found[loose] == ("substituido", later[1])
    assert [found[one][0] for one in (alone, *later)] == ["bloqueado"] * 3
    async with world.transaction(tenant) as tx:
        claim = (await stored(tx, "Claim", [blocked]))[blocked]
        assert claim["status"] == "cancelled" and await replacing.look_back(tx, UUID(int=0), origin(world, tenant)) == 0
