"""X-Provenance (R4 §6.3.4.7): stored with what it tells of or not at all, and only by who may."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from hub.world import Tenant
from tests.api.conftest import NewClient

STATED: dict[str, Any] = {
    "resourceType": "Provenance",
    "recorded": "2026-11-20T10:00:00-03:00",
    "agent": [{"who": {"display": "Integração São José"}}],
}
PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p"}
URN = "urn:uuid:6b1c2f1e-6d4f-4c3e-9a0e-0e4b2f6f7a11"


def header(**more: Any) -> Any:
    return {"x-provenance": json.dumps({**STATED, **more}, ensure_ascii=False).encode()}


async def stored(fhir: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    """The Provenance records that clients stored, without those the hub tells itself."""
    page = (await fhir.get(f"/fhir/Provenance?_count=200{query}")).json()
    found = [each["resource"] for each in page.get("entry", ())]
    return [each for each in found if not each["id"].startswith("lineage-")]


def targets(provenance: dict[str, Any]) -> list[str]:
    return [each["reference"] for each in provenance["target"]]


async def test_every_write_is_told_of(fhir: httpx.AsyncClient) -> None:
    made = await fhir.post("/fhir/Patient", json={"resourceType": "Patient", "gender": "male"}, headers=header())
    identity = made.json()["id"]
    patch = b'[{"op": "add", "path": "/active", "value": true}]'
    await fhir.put(f"/fhir/Patient/{identity}", json={**PATIENT, "id": identity}, headers=header())
    kind = {"content-type": "application/json-patch+json"}
    await fhir.patch(f"/fhir/Patient/{identity}", content=patch, headers=header() | kind)
    await fhir.delete(f"/fhir/Patient/{identity}", headers=header())
    found = await stored(fhir, f"&target=Patient/{identity}")
    assert [targets(each) for each in found] == [[f"Patient/{identity}/_history/{n}"] for n in range(1, 5)]
    assert found[0]["agent"] == STATED["agent"] and found[0]["recorded"] == STATED["recorded"]


async def test_in_a_transaction_it_names_all_and_may_name_entries(fhir: httpx.AsyncClient) -> None:
    await fhir.put(
        "/fhir/Practitioner/d", json={"resourceType": "Practitioner", "id": "d", "identifier": [{"value": "7"}]}
    )
    entries = [
        {"fullUrl": URN, "resource": {"resourceType": "Organization", "name": "x"}, "request": {"method": "POST", "url": "Organization"}},
        {"resource": PATIENT, "request": {"method": "PUT", "url": "Patient/p"}},
        {"request": {"method": "GET", "url": "Patient/p"}},
    ]  # fmt: skip
    agents = [{"who": {"reference": "Practitioner?identifier=7"}, "onBehalfOf": {"reference": URN}}]
    answer = await fhir.post(
        "/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries}, headers=header(agent=agents)
    )
    assert answer.status_code == 200 and len(answer.json()["entry"]) == 3
    (found,) = await stored(fhir)
    location = answer.json()["entry"][0]["response"]["location"].split("/fhir/")[1]
    assert sorted(targets(found)) == sorted([location, "Patient/p/_history/1"])
    agent = found["agent"][0]
    assert agent["who"]["reference"] == "Practitioner/d"
    assert agent["onBehalfOf"]["reference"] == location.partition("/_history")[0]


async def test_of_a_batch_each_entry_has_its_own(fhir: httpx.AsyncClient) -> None:
    entries = [
        {"resource": {**PATIENT, "id": name}, "request": {"method": "PUT", "url": f"Patient/{name}"}} for name in "ab"
    ]
    entries.append({"resource": {**PATIENT, "gender": "x"}, "request": {"method": "POST", "url": "Patient"}})
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answer = await fhir.post("/fhir", json=bundle, headers=header())
    assert [each["response"]["status"][:3] for each in answer.json()["entry"]] == ["201", "201", "422"]
    assert [targets(each) for each in await stored(fhir)] == [["Patient/a/_history/1"], ["Patient/b/_history/1"]]


async def test_nothing_written_is_nothing_told(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json={**PATIENT, "identifier": [{"value": "1"}]})
    again = {"if-none-exist": "identifier=1"}
    found = await fhir.post("/fhir/Patient", json={"resourceType": "Patient"}, headers=header() | again)
    assert found.status_code == 200 and found.json()["id"] == "p"
    assert (await fhir.put("/fhir/Patient/p", json=PATIENT, headers=header() | {"if-match": '"9"'})).status_code == 412
    assert await stored(fhir) == []


WRONG: dict[str, tuple[int, str, bytes]] = {
    "no JSON": (400, "X-Provenance", b"{"),
    "another type": (400, "X-Provenance", b'{"resourceType": "Patient"}'),
    "a list": (400, "X-Provenance", b"[]"),
    "no text": (400, "X-Provenance", b"\xff\xfe"),
    "no agent": (422, "Provenance.agent", b'{"resourceType": "Provenance", "recorded": "2026-11-20T10:00:00Z"}'),
    "a bad time": (422, "Provenance.recorded", json.dumps({**STATED, "recorded": "yesterday"}).encode()),
    "a target that is none": (400, "Provenance.target", json.dumps({**STATED, "target": {}}).encode()),
    "somebody unknown": (412, "Provenance", json.dumps({**STATED, "agent": [{"who": {"reference": "Practitioner?identifier=none"}}]}).encode()),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_wrong_with_it_stops_the_write(fhir: httpx.AsyncClient, case: str) -> None:
    status, place, text = WRONG[case]
    answer = await fhir.put("/fhir/Patient/p", json=PATIENT, headers={"x-provenance": text})
    assert answer.status_code == status and answer.json()["resourceType"] == "OperationOutcome"
    assert answer.json()["issue"][0]["expression"] == [place]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": PATIENT, "request": {"method": "PUT", "url": "Patient/p"}}]}  # fmt: skip
    assert (await fhir.post("/fhir", json=bundle, headers={"x-provenance": text})).status_code == status
    assert (await fhir.get("/fhir/Patient/p")).status_code == 404


async def test_only_who_may_create_provenance(client_for: NewClient, tenant: Tenant) -> None:
    writer = await client_for(tenant, ["system/Patient.cud"])
    refused = await writer.put("/fhir/Patient/p", json=PATIENT, headers=header())
    assert refused.status_code == 403 and "Provenance.c" in refused.text
    both = await client_for(tenant, ["system/Patient.cud", "system/Provenance.c"])
    assert (await both.put("/fhir/Patient/p", json=PATIENT, headers=header())).status_code == 201


async def test_it_comes_with_the_record_by_revinclude(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json=PATIENT, headers=header())
    page = (await fhir.get("/fhir/Patient?_id=p&_revinclude=Provenance:target")).json()
    assert [each["resource"]["resourceType"] for each in page["entry"]] == ["Patient", "Provenance"]
