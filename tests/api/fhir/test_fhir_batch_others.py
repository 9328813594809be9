"""Entries of a batch that ask for histories, operations and the statement: as if each were asked alone."""

from __future__ import annotations

from typing import Any

import httpx

from fhir.validation.validator import validate
from hub.world import Tenant
from tests.api.conftest import NewClient

PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female"}


async def batch(client: httpx.AsyncClient, *entries: tuple[str, str, Any]) -> list[dict[str, Any]]:
    listed = [
        {"request": {"method": method, "url": url}, **({"resource": resource} if resource else {})}
        for method, url, resource in entries
    ]
    answer = await client.post("/fhir", json={"resourceType": "Bundle", "type": "batch", "entry": listed})
    assert answer.status_code == 200, answer.text
    assert validate(answer.json()) == []
    return list(answer.json()["entry"])


async def test_each_is_answered_as_if_alone(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    found = await batch(
        fhir,
        ("GET", "metadata", None),
        ("GET", "Patient/p/_history?_count=1", None),
        ("GET", "/Patient/p/$everything", None),
        ("GET", "Patient/p", None),
        ("POST", "Patient/$validate", {**PATIENT, "gender": "x"}),
        ("POST", "Patient/_search?gender=female", None),
        ("GET", "Patient/none/$everything", None),
        ("GET", "Patient/p/$nothing", None),
        ("GET", "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender", None),
    )
    statuses = [each["response"]["status"][:3] for each in found]
    assert statuses == ["200"] * 6 + ["404", "404", "200"]
    kinds = [each.get("resource", {}).get("resourceType") for each in found]
    assert kinds[:6] == ["CapabilityStatement", "Bundle", "Bundle", "Patient", "OperationOutcome", "Bundle"]
    assert found[1]["resource"]["type"] == "history" and found[5]["resource"]["total"] == 1
    assert found[6]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert len(found[8]["resource"]["expansion"]["contains"]) == 4


async def test_searches_of_the_server_and_of_a_compartment(fhir: httpx.AsyncClient) -> None:
    """The address may be whole or relative, with and without a slash; what is refused says why."""
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    observation = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}}
    await fhir.put("/fhir/Observation/o", json={**observation, "subject": {"reference": "Patient/p"}})
    (link,) = (await fhir.get("/fhir/Patient?_id=p")).json()["link"]
    base = link["url"].partition("/Patient")[0]
    asked = (
        "?_type=Patient",
        f"{base}?_type=Patient",
        "Patient/p/Observation?status=final",
        f"{base}/Patient/p/*",
        "/Patient/p/*",
    )
    found = await batch(fhir, *(("GET", url, None) for url in asked))
    totals = [each["resource"]["total"] for each in found]
    assert totals == [1, 1, 1, 1, 1] and {each["response"]["status"] for each in found} == {"200 OK"}
    refused = (
        "Nothing/1",
        "Nothing?x=1",
        "Patient/p/Nothing",
        "Patient/p/Location",
        "Patient/$nothing",
        "Patient/_search?_id:nothing=p",
    )
    for url, each in zip(refused, await batch(fhir, *(("GET", url, None) for url in refused)), strict=True):
        alone = await fhir.get(f"/fhir/{url}")
        assert each["response"]["status"][:3] == str(alone.status_code), url
        told = each["response"]["outcome"]["issue"][0]["details"]["coding"]
        assert told == alone.json()["issue"][0]["details"]["coding"], url


async def test_what_is_no_address_is_answered_as_if_alone(fhir: httpx.AsyncClient) -> None:
    """Unknown types, ids that can be none, and methods that an address does not take; nothing is written by them."""
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    urls = ("nothing/1", "patient/p", "Nothing1/1", "No_thing?x=1", "Patient/a_b", f"Patient/{'x' * 65}", "Patient/p/_history/x", "Patient/p/q/r", "Patient//p")  # fmt: skip
    asked: list[tuple[str, str, Any]] = [("GET", url, None) for url in urls]
    asked += [("POST", url, PATIENT) for url in ("patient", "Patient/p", "Patient/p/q", "Nothing")]
    asked += [("PUT", url, {**PATIENT, "gender": "male"}) for url in ("patient/p", "Patient/p/q", "Nothing/1")]
    asked += [("DELETE", url, None) for url in ("patient/p", "Patient/p/_history", "Patient/p/q", "Patient/p/$nothing")]
    found = await batch(fhir, *asked)
    for (method, url, body), each in zip(asked, found, strict=True):
        content = {"json": body, "headers": {"content-type": "application/fhir+json"}} if body else {}
        alone = await fhir.request(method, f"/fhir/{url}", **content)
        assert each["response"]["status"][:3] == str(alone.status_code), (method, url)
        told = each["response"]["outcome"]["issue"][0]["details"]["coding"]
        assert told == alone.json()["issue"][0]["details"]["coding"], (method, url)
    for url in ("Patient/p//", "Patient/p#x"):  # a write whose preconditions would not be read is none
        (each,) = await batch(fhir, ("PUT", url, {**PATIENT, "gender": "male"}))
        assert each["response"]["status"] == "400"
    assert (await fhir.get("/fhir/Patient/p")).json()["gender"] == "female"


async def test_reads_in_part(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    for kind in ("batch", "transaction"):
        listed = [
            {"request": {"method": "GET", "url": f"Patient/p?{part}"}} for part in ("_elements=id", "_summary=text")
        ]
        answer = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": kind, "entry": listed})
        for part, each in zip(("_elements=id", "_summary=text"), answer.json()["entry"], strict=True):
            assert each["resource"] == (await fhir.get(f"/fhir/Patient/p?{part}")).json(), (kind, part)
            assert "gender" not in each["resource"]


async def test_the_token_holds_for_each(fhir: httpx.AsyncClient, client_for: NewClient, tenant: Tenant) -> None:
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    other = await client_for(tenant, ["system/Observation.rs"])
    found = await batch(other, ("GET", "Patient/p/_history", None), ("GET", "Observation/_history", None))
    assert [each["response"]["status"][:3] for each in found] == ["403", "200"]


async def test_what_answers_later_is_no_entry(fhir: httpx.AsyncClient) -> None:
    found = await batch(fhir, ("GET", "$export", None), ("POST", "$import", None))
    assert [each["response"]["status"][:3] for each in found] == ["400", "400"]
    rows = {
        "resourceType": "ViewDefinition",
        "resource": "Patient",
        "select": [{"column": [{"name": "id", "path": "id"}]}],
    }
    found = await batch(fhir, ("POST", "ViewDefinition/$run", rows), ("GET", "$graphql?query={PatientList{id}}", None))
    assert [each["response"]["status"][:3] for each in found] == ["406", "406"]  # neither is a resource
    transaction = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"request": {"method": "GET", "url": "metadata"}}],
    }
    assert (await fhir.post("/fhir", json=transaction)).status_code == 400
