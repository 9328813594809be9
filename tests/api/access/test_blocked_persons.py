"""A blocked person: nobody reads the records by any way, writing goes on, and who breaks the glass is named for it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from bulk_client import exported, put

from api.cli.main import main
from canonical.errors import Conflict
from hub.operate.persons import blocking
from hub.world import Tenant, World
from tests.api.conftest import NewClient
from tests.api.fhir.test_bulk_narrow import ward

ALL = ("system/*.*",)


def refused(answer: httpx.Response) -> bool:
    return answer.status_code in (403, 404) and "birthDate" not in answer.text


async def entries(client: httpx.AsyncClient, address: str) -> list[str]:
    answer = await client.get(address)
    assert answer.status_code == 200, answer.text
    return sorted(f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in answer.json().get("entry", ()))


async def ids(world: World, tenant: Tenant, client: httpx.AsyncClient) -> set[str]:
    return set((await exported(world, tenant, client, "/fhir/$export"))[1])


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/fhir/Patient", ["Patient/q"]),
        ("/fhir/Patient?_id=p,q", ["Patient/q"]),
        ("/fhir/Observation?status=final", ["Observation/q-final"]),
        ("/fhir/Observation?subject=Patient/p", []),
        ("/fhir/Observation?patient.gender:missing=true&status=final", ["Observation/q-final"]),
        ("/fhir/Practitioner?_id=d&_revinclude=Patient:general-practitioner", ["Patient/q", "Practitioner/d"]),
        ("/fhir/Device", ["Device/device-q"]),
        ("/fhir/Patient/_history", ["Patient/q"]),
        ("/fhir/Observation/_history", ["Observation/q-final", "Observation/q-preliminary"]),
        ("/fhir/Practitioner?_has:Patient:general-practitioner:_id=p", []),
    ],
)
async def test_no_search_shows_a_blocked_person(
    world: World, tenant: Tenant, fhir: httpx.AsyncClient, client_for: NewClient, address: str, shown: list[str]
) -> None:
    await ward(fhir)
    for patient in ("p", "q"):  # of a type outside of R4's compartment
        await put(fhir, "Device", f"device-{patient}", patient={"reference": f"Patient/{patient}"})
    await blocking.block(world, tenant, "Patient/p", actor="dpo")
    client = await client_for(tenant)
    assert await entries(client, address) == shown
    if "_history" not in address:
        counted = await client.get(f"{address}{'&' if '?' in address else '?'}_summary=count")
        assert counted.json()["total"] == len([each for each in shown if "_revinclude" not in address or "/d" in each])


async def test_no_other_way_shows_one_either(
    world: World, tenant: Tenant, other_tenant: Tenant, fhir: httpx.AsyncClient, client_for: NewClient
) -> None:
    await ward(fhir)
    await ward(await client_for(other_tenant))
    before = await ids(world, tenant, fhir)
    await blocking.block(world, tenant, "Patient/p", actor="dpo")
    client = await client_for(tenant)
    for address in (
        "Patient/p",
        "Patient/p/_history",
        "Patient/p/_history/1",
        "Patient/p/$everything",
        "Observation/p-final",
    ):
        assert refused(await client.get(f"/fhir/{address}")), address
    asked = {"query": '{Patient(id: "p") {id birthDate}}'}
    assert '"id":"p"' not in (await client.post("/fhir/$graphql", json=asked)).text
    patch = [{"op": "add", "path": "/language", "value": "pt-BR"}]
    headers = {"content-type": "application/json-patch+json", "prefer": "return=representation"}
    changed = await client.patch("/fhir/Patient/p", content=json.dumps(patch), headers=headers)
    assert changed.status_code == 200 and "generalPractitioner" not in changed.text, "writing goes on and shows nothing"
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "Patient/p"}}]}
    assert "generalPractitioner" not in (await client.post("/fhir", json=batch)).text
    after = await ids(world, tenant, client)
    assert before - after == {
        "Patient/p",
        "Observation/p-final",
        "Observation/p-preliminary",
        "Group/g",
    }
    assert (await (await client_for(other_tenant)).get("/fhir/Patient/p")).status_code == 200


async def test_nobody_is_told_of_a_blocked_person(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    await ward(fhir)
    channel = {"type": "rest-hook", "endpoint": "https://hooks.example.org/avisos", "payload": "application/fhir+json"}
    wanted = {"resourceType": "Subscription", "status": "requested", "reason": "x", "criteria": "Observation?"}
    assert (await fhir.post("/fhir/Subscription", json={**wanted, "channel": channel})).status_code == 201
    await blocking.block(world, tenant, "Patient/p", actor="dpo")
    for patient in ("p", "q"):
        subject = {"reference": f"Patient/{patient}"}
        await put(fhir, "Observation", f"new-{patient}", status="final", code={"text": "y"}, subject=subject)
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT record_id FROM subscription_event WHERE tenant_id = $1")
    assert [row["record_id"] for row in rows] == ["new-q"]


async def test_the_glass_is_broken_by_name_and_purpose(
    world: World, tenant: Tenant, fhir: httpx.AsyncClient, client_for: NewClient
) -> None:
    await ward(fhir)
    await blocking.block(world, tenant, "Patient/p", actor="dpo")
    plain, cleared = await client_for(tenant), await client_for(tenant, scopes=[*ALL, "blocked/read"])
    assert refused(await cleared.get("/fhir/Patient/p")), "the scope alone opens nothing"
    assert (await plain.get("/fhir/Patient/p", headers={"x-purpose-of-use": "ETREAT"})).status_code == 403
    assert (await cleared.get("/fhir/Patient/p", headers={"x-purpose-of-use": "curious"})).status_code == 422
    assert (await cleared.get("/fhir/Patient/p", headers={"x-purpose-of-use": "ETREAT"})).status_code == 200
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT actor, entity, detail FROM audit_event WHERE tenant_id = $1 AND action = 'break-glass'"
        )
    assert [(row["actor"], row["entity"], json.loads(row["detail"])) for row in rows] == [
        ("test", "/fhir/Patient/p", {"purpose": "ETREAT", "address": "127.0.0.1"})
    ]
    await blocking.unblock(world, tenant, "Patient/p", actor="dpo")
    assert (await (await client_for(tenant)).get("/fhir/Patient/p")).status_code == 200
    with pytest.raises(Conflict):
        await blocking.unblock(world, tenant, "Patient/p", actor="dpo")


def test_the_commands(
    cluster: Any, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PONTE_DATABASE_URL", cluster[0].database_url)
    assert main(["people", "blocked", "--tenant", tenant.slug]) == 0 and "nobody" in capsys.readouterr().out
    assert main(["people", "block", "Patient/none", "--tenant", tenant.slug]) == 1
