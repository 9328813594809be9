"""No request to $match, $graphql, $export, $import or $document causes a 5xx, whatever stands in its places."""

from __future__ import annotations

import json
import random
from typing import Any

import httpx
import pytest
from bulk_client import began, lines, manifest, put, worked

from hub.world import Tenant, World
from tests.api.fhir.test_fhir_bad_input import LEAVES, SEEDS, changed, places

NAMED = {"resourceType": "Parameters"}
PATIENT = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}], "name": [{"family": "Sá", "given": ["Ana"], "text": "Ana Sá"}],
           "birthDate": "1980-02-29", "gender": "female", "telecom": [{"system": "phone", "value": "11 98765-4321"}], "address": [{"postalCode": "1"}]}  # fmt: skip
REQUESTS: dict[str, dict[str, Any]] = {
    "/fhir/Patient/$match": {**NAMED, "parameter": [{"name": "resource", "resource": PATIENT}, {"name": "count", "valueInteger": 3}, {"name": "onlyCertainMatches", "valueBoolean": False}]},
    "/fhir/$graphql": {"query": "query Q($a: String = \"x\") { PatientList(name: $a, _count: 2) { id name(use: official) @first { given } } }", "variables": {"a": "x"}, "operationName": "Q"},
    "/fhir/$export": {**NAMED, "parameter": [{"name": "_type", "valueString": "Patient"}, {"name": "_since", "valueInstant": "2024-01-01T00:00:00Z"}, {"name": "_typeFilter", "valueString": "Patient?gender=male"}, {"name": "_elements", "valueString": "id"}]},
    "/fhir/Patient/$export": {**NAMED, "parameter": [{"name": "patient", "valueReference": {"reference": "Patient/p"}}]},
    "/fhir/Composition/c/$document": {**NAMED, "parameter": [{"name": "persist", "valueBoolean": False}]},
}  # fmt: skip


@pytest.mark.parametrize("path", REQUESTS)
async def test_requests(fhir: httpx.AsyncClient, path: str) -> None:
    chance = random.Random(path)
    await put(fhir, "Patient", "p", **{key: value for key, value in PATIENT.items() if key != "resourceType"})
    answered = 0
    for place in places(REQUESTS[path]):
        for value in chance.sample(LEAVES, 4):
            content = json.dumps(changed(REQUESTS[path], place, value)).encode("utf-8", "surrogatepass")
            answer = await fhir.post(
                path, content=content, headers={"content-type": "application/fhir+json", "prefer": "respond-async"}
            )
            assert answer.status_code < 500, (place, answer.text)
            assert answer.status_code in (200, 202) or answer.json()["resourceType"] == "OperationOutcome"
            answered += 1
    assert answered > 10


async def test_lines(world: World, tenant: Tenant, fhir: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    """Mutated records in one import: each is written or told, the job does not fail, nothing of them is logged."""
    chance = random.Random(7)
    content = [json.dumps(changed(seed, place, chance.choice(LEAVES))) for seed in SEEDS for place in places(seed)]
    raw = "\n".join(content).encode("utf-8", "surrogatepass")
    status = await began(fhir, "/fhir/$import", content=raw, headers={"content-type": "application/fhir+ndjson"})
    await worked(world, tenant)
    found = await manifest(fhir, status)
    told = found["extension"]["urn:ponte:import"]
    assert told["written"] + told["refused"] == len(content) and told["written"] > 10 and told["refused"] > 10
    assert len(await lines(fhir, found["error"])) == told["refused"]
    assert "Sá" not in caplog.text


async def test_validate_without_a_body(fhir: httpx.AsyncClient) -> None:
    """What would be deleted needs no resource (R4 $validate, `resource`)."""
    await fhir.put("/fhir/Patient/p", json={"resourceType": "Patient", "id": "p"})
    for query, identity, status in (
        ("?mode=delete", "p", 200), ("", "p", 200), ("?mode=delete", "none", 404), ("?mode=other", "p", 400),
    ):  # fmt: skip
        for method in ("GET", "POST"):
            answer = await fhir.request(method, f"/fhir/Patient/{identity}/$validate{query}")
            assert answer.status_code == status and answer.json()["resourceType"] == "OperationOutcome"
            assert status != 200 or {each["severity"] for each in answer.json()["issue"]} == {"information"}
