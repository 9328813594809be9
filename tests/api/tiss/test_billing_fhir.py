"""Billing over FHIR: found by the parameters a partner uses, walled by tenant and scope, and written by billing alone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from billing_day import EXAM, GLUCOSE, IPE, Visit, happen, many, partner_row, register
from payer_server import payer_server, settle

from canonical.codes import ANS
from hub.billing import jobs
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.world import Tenant, World

NUMBERS = f"urn:ponte:{IPE}"


async def billed(world: World, tenant: Tenant) -> list[str]:
    """Two guides, sent, taken in and judged; returns their patients."""
    async with payer_server() as server:
        await register(world, tenant, [partner_row(IPE, server.url(IPE))])
        patients = await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM, GLUCOSE)), 2))
        await guides.build_guides(world, tenant)
        await batches.close_batches(world, tenant)
        await settle(world, tenant)
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
    return patients


async def found(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/fhir/{path}")
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", ())]


async def test_partners_find_guides_answers_and_statements(
    world: World, tenant: Tenant, fhir: httpx.AsyncClient
) -> None:
    first, second = await billed(world, tenant)
    (claim,) = await found(fhir, f"Claim?patient={first}")
    assert claim["patient"]["reference"] == f"Patient/{first}"
    number = claim["identifier"][0]["value"]
    place = f"Claim/{claim['id']}"
    for query, count in {
        f"Claim?identifier={NUMBERS}:numero-guia-prestador|{number}": 1,
        f"Claim?identifier={NUMBERS}:lote|1": 2,
        "Claim?use=claim&status=active": 2,
        "Claim?created=ge2020-01-01": 2,
        f"Claim?provider={claim['provider']['reference']}": 2,
        f"Claim?insurer={claim['insurer']['reference']}": 2,
        f"Claim?insurer:identifier={ANS}|{IPE}": 2,
        f"Claim?insurer.identifier={ANS}|{IPE}": 2,
        f"Claim?encounter={claim['item'][0]['encounter'][0]['reference']}": 1,
        f"ClaimResponse?request={place}": 1,
        f"ClaimResponse?patient={second}&outcome=complete": 1,
        f"ClaimResponse?insurer={claim['insurer']['reference']}": 2,
        f"ExplanationOfBenefit?claim={place}": 1,
        f"ExplanationOfBenefit?patient={first}": 1,
        f"ExplanationOfBenefit?coverage={claim['insurance'][0]['coverage']['reference']}": 1,
        f"ExplanationOfBenefit?provider={claim['provider']['reference']}&status=active": 2,
    }.items():
        assert len(await found(fhir, query)) == count, query
    around = await found(fhir, f"Claim?patient={first}&_include=Claim:insurer&_revinclude=ExplanationOfBenefit:claim")
    assert {resource["resourceType"] for resource in around} == {"Claim", "Organization", "ExplanationOfBenefit"}
    assert (await fhir.get(f"/fhir/{place}/_history")).json()["total"] >= 2


async def test_scopes_open_billing_records_like_any_other(world: World, tenant: Tenant, client_for: Any) -> None:
    await billed(world, tenant)
    reader = await client_for(tenant, scopes=["system/Claim.rs"])
    assert len(await found(reader, "Claim")) == 2
    assert (await reader.get("/fhir/ExplanationOfBenefit")).status_code == 403
    assert (await (await client_for(tenant, scopes=["system/Patient.rs"])).get("/fhir/Claim")).status_code == 403
    assert await found(reader, "Claim?_revinclude=ExplanationOfBenefit:claim&_summary=count") == []


async def test_another_tenant_sees_none_of_it(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: Any
) -> None:
    (first, _), theirs = await billed(world, tenant), await client_for(other_tenant)
    ours = await client_for(tenant)
    for type_name in ("Claim", "ClaimResponse", "ExplanationOfBenefit", "Organization"):
        seen = await found(ours, type_name)
        assert seen and await found(theirs, type_name) == []
        for address in (f"{type_name}/{seen[0]['id']}", f"{type_name}/{seen[0]['id']}/_history/1"):
            assert (await theirs.get(f"/fhir/{address}")).status_code == 404
        assert await found(theirs, f"{type_name}?_id={seen[0]['id']}") == []
    assert await found(theirs, f"Claim?patient={first}") == []


@pytest.mark.parametrize("type_name", ["Claim", "ClaimResponse", "ExplanationOfBenefit"])
async def test_a_client_reads_billings_records_and_changes_none(
    world: World, tenant: Tenant, fhir: httpx.AsyncClient, type_name: str
) -> None:
    await billed(world, tenant)
    before = (await found(fhir, type_name))[0]
    place = f"/fhir/{type_name}/{before['id']}"
    changed = {**before, "status": "entered-in-error", "meta": {}}
    refused = [
        await fhir.put(place, json=changed),
        await fhir.put(f"{place}", json=changed, headers={"if-match": f'W/"{before["meta"]["versionId"]}"'}),
        await fhir.delete(place),
        await fhir.post(f"/fhir/{type_name}", json={k: v for k, v in before.items() if k != "id"}),
        await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [
            {"resource": changed, "request": {"method": "PUT", "url": f"{type_name}/{before['id']}"}}]}),
    ]  # fmt: skip
    assert {answer.status_code for answer in refused} == {409}, [answer.text for answer in refused]
    assert all("failure.conflict.billing" in answer.text for answer in refused)
    assert (await fhir.get(place)).json() == before


async def test_a_clients_own_claim_is_a_record_and_no_guide(
    world: World, tenant: Tenant, fhir: httpx.AsyncClient
) -> None:
    await billed(world, tenant)
    ours = (await found(fhir, "Claim"))[0]
    own = {key: value for key, value in ours.items() if key not in ("id", "meta")}
    made = await fhir.post("/fhir/Claim", json=own)
    assert made.status_code == 201
    place = made.headers["location"].partition("/_history")[0].rpartition("/fhir")[2]
    assert (
        await fhir.put(f"/fhir{place}", json={**own, "id": place.rpartition("/")[2], "status": "cancelled"})
    ).status_code == 200
    await guides.build_guides(world, tenant)
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT count(*) FROM guide WHERE tenant_id = $1") == 2
    assert (await fhir.delete(f"/fhir{place}")).status_code == 204
