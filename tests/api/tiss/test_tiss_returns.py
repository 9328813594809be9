"""What comes back, over HTTP: history of denials, sheets, deadlines, evidence of an appeal, the board of denials."""

from __future__ import annotations

import datetime
import uuid

from billing_day import IPE, JACARANDA
from judged_rows import judged
from sheets_made import ROWS, as_csv, as_xlsx, billed

from hub.billing import listing
from hub.world import Tenant, World
from tests.api.tiss.test_tiss_files import lote
from tests.api.tiss.test_tiss_routes import BASE, calling


async def test_history_of_one_item_and_of_a_file(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    raw = await lote(world, tenant, 2)
    async with world.transaction(tenant) as tx:
        payer_id = await listing.payer_id(tx, JACARANDA)
    await judged(world, tenant, payer_id, 15, 6, on=datetime.date(2026, 11, 1))
    query = {"table": "22", "code": "40304361", "professional": "crm-sp 123456"}
    async with calling(world, tenant, "tiss/read") as client:
        told = (await client.get(f"{BASE}/history/{JACARANDA}", params=query)).json()
        (checked,) = (await client.post(f"{BASE}/files", content=raw)).json()["files"]
        assert (await client.get(f"{BASE}/history/000000", params=query)).status_code == 404
        assert (await client.get(f"{BASE}/history/{JACARANDA}")).status_code == 400
    assert (told["cases"], told["denied"], [f["code"] for f in told["findings"]]) == (15, 6, ["history.item"])
    found = [p for p in checked["problems"] if p["code"] == "history.item"]
    assert len(found) == 1 and "procedimento" in found[0]["where"] and checked["ok"]
    async with calling(world, other_tenant, "tiss/read") as client:
        assert (await client.get(f"{BASE}/history/{JACARANDA}", params=query)).status_code == 404
    async with calling(world, tenant, "fhir/read") as client:
        assert (await client.get(f"{BASE}/history/{JACARANDA}", params=query)).status_code == 403


async def denied(world: World, tenant: Tenant) -> None:
    """A batch whose statement came as a sheet: one item denied in part, one in full, one nobody billed."""
    await billed(world, tenant)
    async with calling(world, tenant) as client:
        path = f"{BASE}/statements/sheet"
        assert (await client.post(path, params={"payer": IPE}, content=as_csv(ROWS[:1]))).status_code == 422
        taken = await client.post(path, params={"payer": IPE}, content=as_csv(ROWS, "cp1252"))
        assert taken.status_code == 201, taken.text
        assert (taken.json()["protocols"], taken.json()["new"], taken.json()["problems"]) == (1, 1, [])
        assert (await client.post(path, params={"payer": IPE}, content=as_xlsx(ROWS))).json()["new"] == 0
        for query, status in (
            ({"payer": "000000"}, 404),
            ({"payer": "x"}, 400),
            ({}, 400),
            ({"payer": IPE, "plan": "no"}, 422),
        ):
            assert (await client.post(path, params=query, content=as_csv(ROWS))).status_code == status, query


async def test_a_sheet_its_deadlines_and_the_evidence_of_an_appeal(
    world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    await denied(world, tenant)
    async with calling(world, tenant) as client:
        soon = (await client.get(f"{BASE}/deadlines", params={"days": 3650})).json()
        assert [(one["protocol"], one["denials"], one["cents"]) for one in soon["items"]] == [("777", 2, 1539)]
        assert soon["summary"] and (await client.get(f"{BASE}/deadlines", params={"payer": IPE})).status_code == 200
        assert (await client.get(f"{BASE}/deadlines", params={"days": -1})).status_code == 400
        assert (await client.get(f"{BASE}/deadlines", params={"payer": "000000"})).status_code == 404
        drafted = await client.post(f"{BASE}/appeals", json={"payer": IPE, "protocol": "777"})
        assert drafted.status_code == 201, drafted.text
        appeal = drafted.json()["id"]
        told = (await client.get(f"{BASE}/appeals/{appeal}/evidence")).json()
        assert sorted(one["glosa"] for one in told["denials"]) == ["1705", "9Z99"]
        claim = told["denials"][0]["evidence"]["claim"]
        assert claim.startswith("/fhir/Claim/")
        assert (await client.get(f"{BASE}/appeals/{uuid.uuid4()}/evidence")).status_code == 404
        later = (await client.get(f"{BASE}/deadlines", params={"days": 3650})).json()["items"]
        assert [one.get("drafted") for one in later] == [2]
    async with calling(world, other_tenant, "tiss/read") as client:
        assert (await client.get(f"{BASE}/appeals/{appeal}/evidence")).status_code == 404
        assert (await client.get(f"{BASE}/deadlines", params={"days": 3650})).json()["items"] == []
    async with calling(world, tenant, "system/*.read") as client:
        for path in ("deadlines", f"appeals/{appeal}/evidence", "board"):
            assert (await client.get(f"{BASE}/{path}")).status_code == 403
        assert (await client.post(f"{BASE}/statements/sheet", params={"payer": IPE}, content=b"x")).status_code == 403
    async with world.transaction(tenant) as tx:
        seen = await tx.value(
            "SELECT count(*) FROM audit_event WHERE tenant_id = $1 AND entity = $2", f"appeal/{appeal}"
        )
    assert seen >= 2


async def test_the_board_of_denials_by_page_and_as_csv(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    await denied(world, tenant)
    async with calling(world, tenant, "tiss/read") as client:
        first = (await client.get(f"{BASE}/board", params={"by": "glosa", "limit": 1})).json()
        second = (await client.get(f"{BASE}/board", params={"by": "glosa", "limit": 1, "after": first["next"]})).json()
        groups = [*first["items"], *second["items"]]
        assert [(one["key"], one["denied_cents"]) for one in groups] == [("9Z99", 999), ("1705", 540)]
        assert second["next"] is None and first["ageing"]
        sheet = await client.get(f"{BASE}/board", params={"by": "procedure", "format": "csv"})
        assert (
            sheet.headers["content-type"].startswith("text/csv")
            and "glosas-procedure.csv" in sheet.headers["content-disposition"]
        )
        assert len(sheet.text.splitlines()) == 3 and "40304361" in sheet.text
        lines = await client.get(f"{BASE}/statement-lines", params={"format": "csv", "payer": IPE, "lang": "en"})
        assert "statement-lines.csv" in lines.headers["content-disposition"] and "Billed" in lines.text
        told = (await client.get(f"{BASE}/denials", params={"format": "csv"})).content.decode("utf-8-sig").splitlines()
        assert told[0].startswith("Operadora;Protocolo;Guia;") and ";9,99;aberta;" in told[1] + told[2]
        assert (await client.get(f"{BASE}/denials", params={"format": "xml"})).status_code == 400
        for by in ("payer", "month", "professional"):
            assert (
                sum(g["denied_cents"] for g in (await client.get(f"{BASE}/board", params={"by": by})).json()["items"])
                == 1539
            )
        for query in ({"by": "name"}, {"limit": 0}, {"since": "x"}, {"unknown": "1"}):
            assert (await client.get(f"{BASE}/board", params=query)).status_code in (400, 422), query
        assert (await client.get(f"{BASE}/board", params={"payer": "000000"})).status_code == 404
    async with calling(world, other_tenant, "tiss/read") as client:
        assert (await client.get(f"{BASE}/board")).json()["items"] == []
