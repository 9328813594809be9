"""/api/v1/tiss requests over HTTP: asked, waited for, listed, sent again; scopes, bad input, the wall between tenants."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest
from billing_day import EXAM, IPE, JACARANDA, Visit, happen, order, partner_row, put_records, register
from payer_server import payer_server, settle

from api.routes.tiss_requests import COLLECTIONS
from hub.world import Tenant, World
from tests.api.tiss.test_tiss_routes import BASE, calling


async def test_eligibility_is_asked_and_read(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    async with payer_server() as server, calling(world, tenant) as client:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        (patient,) = await happen(world, tenant, [Visit(payer=JACARANDA, charges=())])
        asked = await client.post(f"{BASE}/eligibility", json={"patient": patient})
        assert (asked.status_code, asked.json()["status"]) == (202, "enviando"), asked.text
        await settle(world, tenant)
        found = (await client.get(f"{BASE}/eligibility/{asked.json()['id']}")).json()
        assert (found["status"], found["payer"], found["kind"]) == ("elegivel", JACARANDA, "elegibilidade")
        listed = (await client.get(f"{BASE}/eligibility", params={"patient_id": patient})).json()
        assert [one["id"] for one in listed["items"]] == [found["id"]]
        assert (await client.post(f"{BASE}/eligibility/{found['id']}/resend")).status_code == 409
        fhir = await client.get(f"/fhir/CoverageEligibilityResponse/{found['id']}")
        assert fhir.status_code == 403  # another scope
        await _walled(world, other_tenant, "eligibility", found["id"], {"patient": patient})


OPME = {
    "kind": "opme",
    "justification": "Fixação de fratura",
    "items": [{"code": "100587585", "quantity": 4, "cents": 12000, "anvisa": "80001234567"}],
}


@pytest.mark.parametrize("payer", [IPE, JACARANDA])
async def test_orders_are_authorised_with_their_annex(
    world: World, tenant: Tenant, other_tenant: Tenant, payer: str
) -> None:
    async with payer_server() as server, calling(world, tenant) as client:
        await register(world, tenant, [partner_row(payer, server.url(payer))])
        (patient,) = await happen(world, tenant, [Visit(payer=payer, charges=())])
        ids = await put_records(world, tenant, order(patient, EXAM[1]))
        wish = {"orders": ids, "indication": "Dor “forte”", "annexes": [OPME]}
        asked = await client.post(f"{BASE}/authorisations", json=wish)
        assert (asked.status_code, asked.json()["status"]) == (202, "enviando"), asked.text
        await settle(world, tenant)
        found = (await client.get(f"{BASE}/authorisations/{asked.json()['id']}")).json()
        assert (found["status"], found["detail"], found["protocol"][0]) == ("autorizado", "sp-sadt", "S")
        assert {p["code"] for p in found["problems"]} == {"encoding.adjusted"} or found["problems"] == []
        again = await client.post(f"{BASE}/authorisations", json=wish)
        assert (again.status_code, again.json()["problems"][0]["code"]) == (409, "request.already-asked")
        status = await client.post(f"{BASE}/authorisations/{found['id']}/status")
        assert status.status_code == 202
        sent = await client.post(f"{BASE}/annexes", json={"request": found["id"], "annex": OPME})
        assert (sent.status_code, sent.json()["problems"]) == (202, []), sent.text
        await settle(world, tenant)
        one = (await client.get(f"{BASE}/annexes/{sent.json()['id']}")).json()
        assert (one["status"], one["detail"], one["settled"]) == ("recebido", "opme", True)
        assert (await client.get(f"{BASE}/annexes/{found['id']}")).status_code == 404
        assert (await client.post(f"{BASE}/annexes", json={"request": one["id"], "annex": OPME})).status_code == 404
        await _walled(world, other_tenant, "authorisations", found["id"], {"orders": ids})
        await _walled(world, other_tenant, "annexes", one["id"], {"request": found["id"], "annex": OPME})
        async with calling(world, other_tenant) as stranger:
            assert (await stranger.post(f"{BASE}/authorisations/{found['id']}/status")).status_code == 404


@pytest.mark.parametrize(
    "wish",
    [
        {"annexes": [{"kind": "opme"}]}, {"annexes": [{"kind": "other"}]}, {"items": [{"table": "22", "code": ""}]}, {"days": 0},
        {"items": [{"table": "22", "code": "1", "quantity": 0}]}, {"from_date": "26/11/2026"}, {"detail": "x"}, {"orders": ["a b"]},
    ],
)  # fmt: skip
async def test_bad_authorisations_are_told(world: World, tenant: Tenant, wish: Any) -> None:
    async with calling(world, tenant) as client:
        assert (await client.post(f"{BASE}/authorisations", json=wish)).status_code == 400


async def _walled(world: World, other: Tenant, collection: str, identity: str, wish: dict[str, Any]) -> None:
    """Another tenant neither sees the request nor can ask about the records."""
    never = str(uuid.uuid4())
    async with calling(world, other) as client:
        assert (await client.get(f"{BASE}/{collection}")).json()["items"] == []
        for one in (identity, never):
            assert (await client.get(f"{BASE}/{collection}/{one}")).status_code == 404
            assert (await client.post(f"{BASE}/{collection}/{one}/resend")).status_code == 404
        assert (await client.post(f"{BASE}/{collection}", json=wish)).status_code in (404, 422)


async def test_the_rest_of_what_is_asked(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    async with payer_server(delay_s=1000.0) as server, calling(world, tenant) as client:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        await happen(world, tenant, [Visit(payer=JACARANDA, charges=(EXAM,))])
        (patient,) = await happen(world, tenant, [Visit(payer=JACARANDA, charges=(), kind="IMP", member="2" * 17)])
        await client.post(f"{BASE}/batches/close", json={})
        await settle(world, tenant)
        (batch,) = (await client.get(f"{BASE}/batches")).json()["items"]
        (guide,) = (await client.get(f"{BASE}/guides")).json()["items"]
        (submission,) = (await client.get(f"{BASE}/submissions")).json()["items"]
        async with world.transaction(tenant) as tx:
            visit = await tx.value("SELECT id FROM encounter WHERE tenant_id = $1 AND patient_id = $2", patient)
        content = base64.b64encode(b"%PDF-1.4").decode()
        wishes: dict[str, Any] = {
            "stays": {"encounter": visit, "stay_kind": "1", "event": "I"},
            "documents": {"guide": guide["id"], "content": content, "content_type": "application/pdf", "kind": "02"},
            "statement-requests": {"payer": JACARANDA, "protocols": [submission["protocol"]]},
            "cancellations": {"batch": batch["id"]},
        }
        for collection, wish in wishes.items():
            asked = await client.post(f"{BASE}/{collection}", json=wish)
            assert asked.status_code in (201, 202), asked.text
            one = asked.json()["items"][0] if collection == "statement-requests" else asked.json()
            if collection == "stays":  # the visit has no day of admission yet
                assert one["status"] == "bloqueado" and "data da internação" in one["problems"][0]["text"]
            await settle(world, tenant)
            found = (await client.get(f"{BASE}/{collection}/{one['id']}")).json()
            assert found["status"] in ("bloqueado", "recebido", "em analise", "cancelado")
            await _walled(world, other_tenant, collection, one["id"], wish)


@pytest.mark.parametrize(
    ("collection", "wish", "status"),
    [
        ("stays", {"encounter": "never"}, 404), ("stays", {}, 400), ("cancellations", {}, 422),
        ("cancellations", {"batch": str(uuid.UUID(int=7))}, 404), ("cancellations", {"guides": [str(uuid.UUID(int=7))]}, 404),
        ("cancellations", {"requests": [str(uuid.UUID(int=7))]}, 404), ("documents", {"kind": "02"}, 422), ("documents", {"kind": "99"}, 400),
        ("documents", {"kind": "02", "guide": str(uuid.UUID(int=7)), "content": "YQ=="}, 404),
        ("documents", {"kind": "02", "guide": str(uuid.UUID(int=7)), "content": "Y"}, 422),
        ("documents", {"kind": "02", "request": str(uuid.UUID(int=7)), "document": "never"}, 404),
        ("statement-requests", {"payer": IPE}, 422), ("statement-requests", {"payer": "000000", "protocols": ["1"]}, 404),
        ("statement-requests", {"payer": IPE, "kind": "pagamento", "competence": "202613"}, 400),
        ("statement-requests", {"payer": IPE, "kind": "odonto", "competence": "202611", "paid_on": "2026-11-01"}, 422),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_told(
    world: World, tenant: Tenant, collection: str, wish: Any, status: int
) -> None:
    async with calling(world, tenant) as client:
        answer = await client.post(f"{BASE}/{collection}", json=wish)
        assert answer.status_code == status and answer.json()["problems"][0]["text"], answer.text


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_a_request_is_found_in_its_own_collection_only(world: World, tenant: Tenant, collection: str) -> None:
    async with calling(world, tenant, "tiss/read") as client:
        assert (await client.get(f"{BASE}/{collection}")).json() == {"items": [], "next": None}
        assert (await client.get(f"{BASE}/{collection}/{uuid.uuid4()}")).status_code == 404
        assert (await client.get(f"{BASE}/{collection}/x")).status_code == 400
        assert (await client.post(f"{BASE}/{collection}/{uuid.uuid4()}/resend")).status_code == 403
        assert (await client.post(f"{BASE}/{collection}", json={})).status_code in (400, 403)
    async with calling(world, tenant, "system/*.rs") as client:
        assert (await client.get(f"{BASE}/{collection}")).status_code == 403


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({}, 404, "request.no-patient"),
        ({"patient": "never"}, 404, "failure.not-found"),
        ({"patient": "a b"}, 400, "failure.request.value"),
        ({"patient": "x", "stranger": 1}, 400, "failure.request.unknown"),
        ({"patient": "x\x00"}, 400, "failure.request.value"),
    ],
)
async def test_bad_wishes_are_told(world: World, tenant: Tenant, wish: Any, status: int, code: str) -> None:
    await register(world, tenant, [partner_row(IPE)])
    async with calling(world, tenant) as client:
        answer = await client.post(f"{BASE}/eligibility", json=wish)
        assert (answer.status_code, answer.json()["problems"][0]["code"]) == (status, code), answer.text


async def test_what_does_not_fit_a_request_is_named_without_its_value(world: World, tenant: Tenant) -> None:
    async with calling(world, tenant) as client:
        body = {"encounter": "x", "annexes": [{"kind": "opme", "items": [], "Maria da Silva": 1}], "days": "segredo"}
        answer = await client.post(f"{BASE}/authorisations", json=body)
        found = {(problem["code"], problem["where"]) for problem in answer.json()["problems"]}
        assert answer.status_code == 400
        assert ("failure.request.missing", "annexes/0/opme/justification") in found
        assert ("failure.request.value", "annexes/0/opme/items") in found and ("failure.request.value", "days") in found
        assert ("failure.request.unknown", "annexes/0/opme/?") in found
        assert "segredo" not in answer.text and "Maria" not in answer.text
        broken = await client.post(f"{BASE}/eligibility", content=b"{", headers={"content-type": "application/json"})
        assert broken.json()["problems"][0]["code"] == "failure.request.json"
        query = (await client.get(f"{BASE}/guides", params={"limit": "0"})).json()["problems"][0]
        assert (query["code"], query["where"]) == ("failure.request.value", "query/limit")
