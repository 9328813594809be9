"""Composition/$document: what the Bundle holds, in which order, and that nothing of it is changed."""

from __future__ import annotations

from typing import Any

import httpx
from bulk_client import put

from fhir.validation.validator import validate
from hub.world import Tenant
from tests.api.conftest import NewClient


async def discharge(client: httpx.AsyncClient) -> None:
    await put(client, "Organization", "o", name="Hospital")
    await put(client, "Patient", "p", managingOrganization={"reference": "Organization/o"})
    await put(client, "Practitioner", "d")
    await put(
        client,
        "Observation",
        "b1",
        status="final",
        code={"text": "x"},
        valueQuantity={"value": 1.5},
        hasMember=[{"reference": "Observation/b2"}],
    )
    await put(client, "Observation", "b2", status="final", code={"text": "y"}, subject={"reference": "Patient/p"})
    await put(client, "Observation", "apart", status="final", code={"text": "z"}, subject={"reference": "Patient/p"})
    base = {
        "status": "final",
        "type": {"text": "alta"},
        "date": "2026-01-01",
        "title": "Sumário",
        "author": [{"reference": "Practitioner/d"}],
    }
    await put(client, "Composition", "old", **base)
    await put(client, "Composition", "c", **base, subject={"reference": "http://127.0.0.1:8080/fhir/Patient/p"},
              relatesTo=[{"code": "replaces", "targetReference": {"reference": "Composition/old"}}],
              section=[{"title": "s", "entry": [{"reference": "Observation/b1/_history/1"}, {"reference": "Condition/gone"}, {"reference": "#"}],
                        "section": [{"title": "t", "entry": [{"reference": "Observation/b1"}]}]}])  # fmt: skip


def held(bundle: dict[str, Any]) -> list[str]:
    assert (
        bundle["type"] == "document" and bundle["timestamp"] and bundle["identifier"]["value"].startswith("urn:uuid:")
    )
    assert validate(bundle) == []
    return [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundle["entry"]]


async def test_document(fhir: httpx.AsyncClient, client_for: NewClient, tenant: Tenant) -> None:
    await discharge(fhir)
    answer = await fhir.get("/fhir/Composition/c/$document")
    assert answer.status_code == 200, answer.text
    found = held(answer.json())
    assert found[0] == "Composition/c" and sorted(found[1:]) == [
        "Observation/b1",
        "Observation/b2",
        "Organization/o",
        "Patient/p",
        "Practitioner/d",
    ]
    assert answer.json()["entry"][0]["fullUrl"].endswith("/fhir/Composition/c") and '"value":1.5' in answer.text
    named = await fhir.get("/fhir/Composition/$document?id=Composition/c")
    assert held(named.json()) == found
    assert (await fhir.get("/fhir/Composition/$document")).status_code == 400
    assert (await fhir.get("/fhir/Composition/none/$document")).status_code == 404
    assert (await fhir.get("/fhir/Composition/c/$document?graph=urn:x")).status_code == 400
    assert (await fhir.get("/fhir/Composition/c/$document?persist=maybe")).status_code == 400
    assert (await fhir.get("/fhir/Bundle?_summary=count")).json()["total"] == 0
    asked = {"resourceType": "Parameters", "parameter": [{"name": "persist", "valueBoolean": True}]}
    kept = await fhir.post("/fhir/Composition/c/$document", json=asked)
    stored = await fhir.get(f"/fhir/Bundle/{kept.json()['id']}")
    assert kept.status_code == 200 and held(stored.json()) == found and kept.headers["location"].endswith("/_history/1")
    assert "xml" in (await fhir.get("/fhir/Composition/c/$document?_format=xml")).headers["content-type"]
    narrow = await client_for(tenant, ["system/Composition.r", "system/Practitioner.r"])
    assert (await narrow.get("/fhir/Composition/c/$document")).status_code == 403
    enough = await client_for(
        tenant, [f"system/{kind}.r" for kind in ("Composition", "Practitioner", "Patient", "Observation", "Condition")]
    )
    assert "Organization/o" not in held((await enough.get("/fhir/Composition/c/$document")).json())
    assert (await enough.get("/fhir/Composition/c/$document?persist=true")).status_code == 403
