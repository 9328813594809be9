"""ViewDefinition/$run: rows of stored and sent records in each form, page by page, under scopes."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx
import pytest
from bulk_client import put

from api.routes.fhir import views
from hub.world import Tenant
from tests.api.conftest import NewClient

Body = dict[str, Any]
VIEW: Body = {
    "resourceType": "ViewDefinition", "resource": "Observation",
    "select": [{"column": [{"name": "id", "path": "getResourceKey()"}, {"name": "patient", "path": "subject.getReferenceKey(Patient)"},
                           {"name": "value", "path": "value.ofType(Quantity).value"}, {"name": "final", "path": "status = 'final'"}, {"name": "codes", "path": "code.coding.code", "collection": True}]}],
}  # fmt: skip


async def results(client: httpx.AsyncClient) -> None:
    for number in range(5):
        body = {
            "status": "final",
            "code": {"coding": [{"code": 'a,"b'}]},
            "subject": {"reference": f"Patient/{'pq'[number % 2]}"},
        }
        raw = (
            json.dumps({"resourceType": "Observation", "id": f"b{number}", **body})[:-1]
            + ',"valueQuantity":{"value":1.50}}'
        )
        assert (await client.put(f"/fhir/Observation/b{number}", content=raw)).status_code == 201


async def ran(client: httpx.AsyncClient, query: str = "", body: Any = VIEW, **headers: str) -> httpx.Response:
    answer = await client.post(f"/fhir/ViewDefinition/$run{query}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


async def test_forms_and_pages(fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await results(fhir)
    monkeypatch.setattr(views, "_PAGE", "2")
    first = '{"id":"b0","patient":"p","value":1.50,"final":true,"codes":["a,\\"b"]}'
    lines = await ran(fhir)
    assert (
        lines.headers["content-type"] == "application/x-ndjson"
        and lines.text.splitlines()[0] == first
        and lines.text.count("\n") == 5
    )
    table = await ran(fhir, accept="text/csv")
    assert list(csv.reader(io.StringIO(table.text)))[:2] == [
        ["id", "patient", "value", "final", "codes"],
        ["b0", "p", "1.50", "true", '["a,\\"b"]'],
    ]
    assert len(list(csv.reader(io.StringIO((await ran(fhir, "?_format=csv&header=false")).text)))) == 5
    whole = (await ran(fhir, "?_format=application/json&_limit=3")).json()
    assert [row["id"] for row in whole] == ["b0", "b1", "b2"]
    asked = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "viewResource", "resource": VIEW},
            {"name": "_format", "valueCode": "json"},
            {"name": "patient", "valueReference": {"reference": "Patient/q"}},
        ],
    }
    assert [row["id"] for row in (await ran(fhir, body=asked)).json()] == ["b1", "b3"]
    assert (await ran(fhir, "?_format=json&_since=2999-01-01")).json() == []
    assert (await fhir.post("/fhir/$viewdefinition-run", json=VIEW)).text == lines.text


async def test_resources_sent_along(fhir: httpx.AsyncClient) -> None:
    sent = [
        {"name": "resource", "resource": {"resourceType": "Observation", "id": "x"}},
        {"name": "resource", "resource": {"resourceType": "Patient", "id": "y"}},
    ]
    asked = {"resourceType": "Parameters", "parameter": [{"name": "viewResource", "resource": VIEW}, *sent]}
    assert (await ran(fhir, body=asked)).text == '{"id":"x","patient":null,"value":null,"final":null,"codes":[]}\n'


async def test_scopes(fhir: httpx.AsyncClient, client_for: NewClient, tenant: Tenant) -> None:
    await results(fhir)
    for scope in ("system/Patient.rs", "system/Observation.s", "system/Observation.r"):
        client = await client_for(tenant, [scope])
        assert (await client.post("/fhir/ViewDefinition/$run", json=VIEW)).status_code == 403
    narrow = await client_for(tenant, ["system/Observation.rs?subject=Patient/p"])
    assert (await ran(narrow)).text.count("\n") == 3


BAD = [
    ("?_format=parquet", VIEW, 400), ("?_limit=0", VIEW, 400), ("?_since=x", VIEW, 400), ("?nothing=1", VIEW, 400), ("?patient=a/b", VIEW, 400),
    ("", {"resourceType": "Parameters"}, 400), ("", {"resourceType": "Patient"}, 422), ("", {**VIEW, "select": []}, 422), ("", {**VIEW, "select": [{"column": [{"name": "a", "path": "code.coding.code | status"}]}]}, 422),
    ("?patient=p", {**VIEW, "resource": "Organization"}, 400),
]  # fmt: skip


async def test_bad_requests(fhir: httpx.AsyncClient) -> None:
    await put(fhir, "Observation", "b", status="final", code={"coding": [{"code": "x"}]})
    for query, body, status in BAD:
        answer = await fhir.post(f"/fhir/ViewDefinition/$run{query}", json=body)
        assert answer.status_code == status and answer.json()["resourceType"] == "OperationOutcome", answer.text
