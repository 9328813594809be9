"""Searches of Bundles by what leads them (`composition`, `message`), which is no record of its own."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from hub.exchange import handlers
from hub.records import reindex as anew
from hub.world import Tenant, World
from tests.api.conftest import NewClient

PATIENT = {
    "resourceType": "Patient", "id": "x", "identifier": [{"system": "urn:mrn", "value": "77"}], "gender": "female",
    "name": [{"family": "Araújo"}],
}  # fmt: skip
COMPOSITION: dict[str, Any] = {
    "resourceType": "Composition", "id": "c", "status": "final", "date": "2024-05-06", "title": "Sumário de alta",
    "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]}, "subject": {"reference": "urn:uuid:transient-1"},
    "author": [{"reference": "Practitioner/stored"}],
}  # fmt: skip
MESSAGE = {
    "resourceType": "MessageHeader", "id": "m", "eventCoding": {"system": "urn:e", "code": "admit"},
    "source": {"endpoint": "http://his.example.org"}, "focus": [{"reference": "http://his.example.org/fhir/Patient/x"}],
}  # fmt: skip


def bundle(identity: str, kind: str, lead: dict[str, Any], patient: str) -> dict[str, Any]:
    entries = [{"fullUrl": "urn:uuid:0f6bf0f8-7a0c-4ee4-8d1f-7b1a3ab6aa01", "resource": lead}]
    entries.append({"fullUrl": patient, "resource": PATIENT})
    rest = {"identifier": {"system": "urn:d", "value": identity}, "timestamp": "2024-05-06T00:00:00Z"}
    return {"resourceType": "Bundle", "id": identity, "type": kind, **rest, "entry": entries}


async def stored(client: httpx.AsyncClient) -> None:
    await client.put(
        "/fhir/Practitioner/stored",
        json={"resourceType": "Practitioner", "id": "stored", "name": [{"family": "Lima"}]},
    )
    for each in (
        bundle("doc", "document", COMPOSITION, "urn:uuid:transient-1"),
        bundle("other", "document", {**COMPOSITION, "status": "amended", "author": [{"display": "x"}]}, "urn:uuid:y"),
        bundle("msg", "message", MESSAGE, "http://his.example.org/fhir/Patient/x"),
        bundle("set", "collection", {**COMPOSITION, "id": "s"}, "urn:uuid:transient-1"),
    ):
        answer = await client.put(f"/fhir/Bundle/{each['id']}", json=each)
        assert answer.status_code == 201, answer.text


FOUND: tuple[tuple[str, list[str]], ...] = (
    ("composition.type=http://loinc.org|18842-5", ["doc", "other"]),
    ("composition.status=final", ["doc"]),
    ("composition.status:not=final", ["other"]),
    ("composition.status:in=http://hl7.org/fhir/ValueSet/composition-status", ["doc", "other"]),
    ("composition.confidentiality:missing=true", ["doc", "other"]),
    ("composition.title:contains=alta", ["doc", "other"]),
    ("composition:Composition.date=ge2024-05&composition.date=lt2024-06", ["doc", "other"]),
    ("composition=c", ["doc", "other"]),
    ("composition._id=c", ["doc", "other"]),
    ("composition.subject=urn:uuid:transient-1", ["doc", "other"]),
    ("composition.subject:Patient.identifier=urn:mrn|77", ["doc"]),
    ("composition.patient.name=arau", ["doc"]),
    ("composition.patient.gender:not=male", ["doc"]),
    ("composition.author:Practitioner.family=lima", ["doc"]),
    ("composition.author:Practitioner.family=souza", []),
    ("_filter=composition.status eq final", ["doc"]),
    ("message.event=admit", ["msg"]),
    ("message.focus:Patient.identifier=77", ["msg"]),
    ("message.event:missing=true", []),
)


async def test_by_what_leads_it(fhir: httpx.AsyncClient) -> None:
    await stored(fhir)
    for query, expected in FOUND:
        answer = await fhir.get(f"/fhir/Bundle?{query}&_sort=_id")
        assert answer.status_code == 200, (query, answer.text)
        assert [each["resource"]["id"] for each in answer.json().get("entry", ())] == expected, query
        counted = await fhir.get(f"/fhir/Bundle?{query}&_summary=count")
        assert counted.json()["total"] == len(expected), query


@pytest.mark.parametrize(
    "query",
    ["composition.nothing=x", "composition:Patient.name=x", "message.status=x", "composition._lastUpdated=2024",
     "composition.date=x", "composition._text=x", "composition._has:List:item:code=x"],
)  # fmt: skip
async def test_what_cannot_be_asked(fhir: httpx.AsyncClient, query: str) -> None:
    answer = await fhir.get(f"/fhir/Bundle?{query}")
    assert answer.status_code == 400 and answer.json()["resourceType"] == "OperationOutcome"


async def test_records_behind_a_document_need_their_scope(
    fhir: httpx.AsyncClient, client_for: NewClient, tenant: Tenant
) -> None:
    await stored(fhir)
    narrow = await client_for(tenant, ["system/Bundle.rs"])
    assert (await narrow.get("/fhir/Bundle?composition.status=final&_summary=count")).json()["total"] == 1
    assert (await narrow.get("/fhir/Bundle?composition.author:Practitioner.family=lima")).status_code == 403


async def test_a_changed_or_removed_document_is_found_no_more(fhir: httpx.AsyncClient) -> None:
    await stored(fhir)
    changed = bundle("doc", "document", {**COMPOSITION, "status": "entered-in-error"}, "urn:uuid:transient-1")
    assert (await fhir.put("/fhir/Bundle/doc", json=changed)).status_code == 200
    await fhir.delete("/fhir/Bundle/other")
    assert (await fhir.get("/fhir/Bundle?composition.status=final,amended&_summary=count")).json()["total"] == 0
    assert (await fhir.get("/fhir/Bundle?composition.status=entered-in-error&_summary=count")).json()["total"] == 1


async def test_an_upgrade_indexes_what_changed(fhir: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    """From the edition before, what it left out; from one of which nothing is known, all records."""
    await stored(fhir)
    for former, expected in ((anew.EDITION - 1, {"edition": anew.EDITION}), (0, {})):
        async with world.transaction(tenant) as tx:
            await tx.run("UPDATE tenant SET settings = jsonb_set(settings::jsonb, '{index}', $2::jsonb)::json WHERE id = $1", f'{{"edition": {former}}}')  # fmt: skip
            await tx.run("DELETE FROM job WHERE tenant_id = $1")
        assert await anew.after_upgrade(world, await world.tenant(tenant.slug))
        async with world.transaction(tenant) as tx:
            (row,) = await tx.rows("SELECT arguments FROM job WHERE tenant_id = $1")
        told = json.loads(row["arguments"]) if isinstance(row["arguments"], str) else row["arguments"]
        assert told == expected


async def test_the_job_of_an_upgrade(fhir: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    """It indexes what the edition is about, leaves the rest, and is done once; one queued for an older edition does all."""
    await stored(fhir)
    body = {"resourceType": "Observation", "id": "u", "status": "final", "code": {"text": "x"}, "subject": {"reference": "#p"},
            "valueQuantity": {"value": 7, "system": "http://unitsofmeasure.org", "code": "[pH]"}, "contained": [{"resourceType": "Patient", "id": "p", "name": [{"family": "Prado"}]}]}  # fmt: skip
    assert (await fhir.put("/fhir/Observation/u", json=body)).status_code == 201
    async with world.transaction(tenant) as tx:
        await tx.run("DELETE FROM idx_string WHERE tenant_id = $1")
    handlers.load()
    asked = "/fhir/Patient?family=prado&_contained=true&_summary=count"
    assert (await fhir.get(asked)).json()["total"] == 0
    assert await anew.job(world, tenant, {"edition": anew.EDITION}) == "1 records indexed"
    assert (await fhir.get(asked)).json()["total"] == 1
    assert (await fhir.get("/fhir/Practitioner?family=lima&_summary=count")).json()["total"] == 0
    assert not await anew.after_upgrade(world, await world.tenant(tenant.slug))
    assert await anew.job(world, tenant, {"edition": anew.EDITION - 1}) != "1 records indexed"
    assert (await fhir.get("/fhir/Practitioner?family=lima&_summary=count")).json()["total"] > 0
