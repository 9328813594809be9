"""What widespread FHIR clients send beside the letter of R4, and what must not slip through with it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import pytest_asyncio

from hub.find.match import likeness

ONE: dict[str, Any] = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}], "gender": "female"}
WHOLE = {**ONE, "id": "p", "name": [{"family": "Lima"}], "active": True}
MERGE = {"content-type": "application/merge-patch+json"}
PART = {"tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}]}


@pytest_asyncio.fixture
async def base(fhir: httpx.AsyncClient) -> str:
    """Our public base address, as links tell it."""
    return str((await fhir.get("/fhir/Patient?_count=1")).json()["link"][0]["url"]).partition("/Patient")[0]


async def test_conditions_with_type_or_address(fhir: httpx.AsyncClient, base: str) -> None:
    """HAPI's client writes the whole address into If-None-Exist, its Bundle builder the type; R4 has the query only."""
    query = "identifier=urn:x|1"
    spelled = [
        query,
        f"Patient?{query}",
        f"?{query}",
        f"/Patient?{query}",
        f"{base}/Patient?{query}",
        "Patient?identifier=urn%3Ax%7C1",
    ]
    answers = [await fhir.post("/fhir/Patient", json=ONE, headers={"if-none-exist": text}) for text in spelled]
    for text in spelled:
        entry = {"resource": ONE, "request": {"method": "POST", "url": "Patient", "ifNoneExist": text}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        done = (await fhir.post("/fhir", json=bundle)).json()["entry"][0]["response"]
        assert done["status"] == "200 OK", text
        assert done["location"] == answers[0].headers["location"]
    assert [answer.status_code for answer in answers] == [201] + [200] * 5
    other = await fhir.post("/fhir/Patient", json=ONE, headers={"if-none-exist": f"Observation?{query}"})
    assert other.status_code == 400 and "fhir.conditional.type" in other.text
    for nothing in ("?", "Patient?", f"{base}/Patient?"):
        none = await fhir.post("/fhir/Patient", json=ONE, headers={"if-none-exist": nothing})
        assert none.status_code == 412 and "fhir.conditional.empty" in none.text, nothing
    address = await fhir.post("/fhir/Patient", json=ONE, headers={"if-none-exist": "identifier=http://x.invalid/a?b|1"})
    assert address.status_code == 201


@pytest.mark.parametrize("kind", ["application/merge-patch+json", "application/json"])
async def test_merge_patch(fhir: httpx.AsyncClient, kind: str) -> None:
    """RFC 7396; fhirpy sends it as plain JSON."""
    await fhir.put("/fhir/Patient/p", json=WHOLE)
    changes = {"active": None, "name": [{"family": "Souza"}], "maritalStatus": {"text": "casada", "coding": None}}
    answer = await fhir.patch("/fhir/Patient/p", content=json.dumps(changes), headers={"content-type": kind})
    assert answer.status_code == 200, answer.text
    found = {k: v for k, v in answer.json().items() if k != "meta"}
    assert found == {**ONE, "id": "p", "name": [{"family": "Souza"}], "maritalStatus": {"text": "casada"}}


async def test_merge_patches_that_do_not_fit(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json=WHOLE)
    for changes in ({"gender": "banana"}, {"id": "q"}, {"resourceType": "Group"}, [], "x", {"name": "Lima"}):
        answer = await fhir.patch("/fhir/Patient/p", content=json.dumps(changes), headers=MERGE)
        assert answer.status_code == 422, (changes, answer.text)
    plain = await fhir.patch("/fhir/Patient/p", json={"resourceType": "Patient", "active": False})
    assert plain.status_code == 400  # a resource is no patch
    assert (await fhir.get("/fhir/Patient/p")).json()["meta"]["versionId"] == "1"


async def test_a_part_does_not_replace_the_whole(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json=WHOLE)
    part = (await fhir.get("/fhir/Patient/p?_elements=gender")).json()
    refused = await fhir.put("/fhir/Patient/p", json=part)
    assert refused.status_code == 422 and refused.json()["issue"][0]["expression"] == ["Patient.meta.tag"]
    conditional = await fhir.put("/fhir/Patient?identifier=urn:x|1", json={**ONE, "meta": PART})
    assert conditional.status_code == 422
    entry = {"resource": part, "request": {"method": "PUT", "url": "Patient/p"}}
    whole = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert whole.status_code == 422 and "Bundle.entry[0].resource.meta.tag" in whole.text
    assert (await fhir.get("/fhir/Patient/p")).json()["name"] == WHOLE["name"]


async def test_references_by_our_own_address(fhir: httpx.AsyncClient, base: str) -> None:
    """They mean the same as relative ones, so they are found, included and shown as those are."""
    await fhir.put("/fhir/Organization/o", json={"resourceType": "Organization", "id": "o", "name": "Clínica"})
    inside = {
        "resourceType": "Practitioner",
        "id": "d",
        "qualification": [{"code": {"text": "x"}, "issuer": {"reference": f"{base}/Organization/o"}}],
    }
    body = {**WHOLE, "contained": [inside], "managingOrganization": {"reference": f"{base}/Organization/o/_history/1"},
            "generalPractitioner": [{"reference": "http://elsewhere.invalid/fhir/Organization/o"}, {"reference": "#d"}]}  # fmt: skip
    made = (await fhir.put("/fhir/Patient/p", json=body)).json()
    assert made["managingOrganization"] == {"reference": "Organization/o/_history/1"}
    assert made["contained"][0]["qualification"][0]["issuer"] == {"reference": "Organization/o"}
    assert made["generalPractitioner"] == body["generalPractitioner"]
    for query in (
        "organization=Organization/o",
        "organization=o",
        "organization.name=clinica",
        f"organization={base}/Organization/o",
    ):
        assert (await fhir.get(f"/fhir/Patient?{query}")).json()["total"] == 1, query
    included = (await fhir.get("/fhir/Patient?_include=Patient:organization")).json()["entry"]
    assert [entry["search"]["mode"] for entry in included] == ["match", "include"]
    patch = [{"op": "add", "path": "/generalPractitioner/-", "value": {"reference": f"{base}/Organization/o"}}]
    patched = await fhir.patch(
        "/fhir/Patient/p", content=json.dumps(patch), headers={"content-type": "application/json-patch+json"}
    )
    assert patched.json()["generalPractitioner"][2] == {"reference": "Organization/o"}


async def test_a_mark_before_the_text(fhir: httpx.AsyncClient) -> None:
    """Programs on Windows write UTF-8 with its mark in front, which a reader of JSON may pass over (RFC 8259 §8.1)."""
    done = await fhir.put("/fhir/Patient/p", content=b"\xef\xbb\xbf" + json.dumps(WHOLE).encode())
    assert done.status_code == 201 and (await fhir.get("/fhir/Patient/p")).json()["name"] == WHOLE["name"]
    twice = await fhir.put("/fhir/Patient/q", content=b"\xef\xbb\xbf" * 2 + json.dumps(WHOLE).encode())
    assert twice.status_code == 400


async def test_a_name_of_the_request_comes_back(fhir: httpx.AsyncClient) -> None:
    named = {"x-request-id": "5f0c-1", "X-Correlation-Id": "visit/7"}
    for path, status in (("/fhir/metadata", 200), ("/fhir/Patient/none", 404), ("/fhir/Nothing", 404)):
        answer = await fhir.get(path, headers=named)
        assert answer.status_code == status
        assert (answer.headers["X-Request-Id"], answer.headers["X-Correlation-Id"]) == ("5f0c-1", "visit/7"), path
    for text in ("x" * 129, "a b", ""):
        assert "x-request-id" not in (await fhir.get("/fhir/metadata", headers={"x-request-id": text})).headers
    assert "x-request-id" not in (await fhir.get("/fhir/metadata")).headers


async def test_entries_posted_to_nowhere(fhir: httpx.AsyncClient) -> None:
    """HAPI's client leaves `request.url` out of what it makes of a list of resources, and counts them."""
    entries = [{"resource": {"resourceType": kind}, "request": {"method": "POST"}} for kind in ("Patient",)]
    document = {"resourceType": "Bundle", "type": "transaction", "total": 2, "entry": entries}
    done = await fhir.post("/fhir", json=document)
    assert done.status_code == 200 and "/Patient/" in done.json()["entry"][0]["response"]["location"]
    nothing = {**document, "entry": [{"resource": {}, "request": {"method": "POST"}}, {"request": {"method": "POST"}}]}
    refused = await fhir.post("/fhir", json=nothing)
    assert refused.status_code == 400
    assert [each["expression"] for each in refused.json()["issue"]] == [["Bundle.entry[0].request.url"], ["Bundle.entry[1].request.url"]]  # fmt: skip


async def test_a_slash_at_the_end_says_nothing(fhir: httpx.AsyncClient) -> None:
    made = await fhir.post("/fhir/Patient/", json={"resourceType": "Patient", "gender": "male"})
    assert made.status_code == 201
    one = f"Patient/{made.json()['id']}"
    for path in (
        "metadata/",
        "Patient/?gender=male",
        f"{one}/",
        f"{one}/_history/",
        "",
        "/",
        "?_type=Patient",
        "/?_type=Patient",
    ):
        answer = await fhir.get(f"/fhir/{path}" if path[:1].isalpha() else f"/fhir{path}")
        assert answer.status_code == 200, path
    assert (await fhir.get(f"/fhir/{one}/nothing/")).status_code == 404


async def test_names_with_an_unknown_part(fhir: httpx.AsyncClient) -> None:
    """An item of a list that has an extension alone is null in JSON; a patient named so was a 500."""
    unknown = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    name = {"given": [None, "Iara"], "_given": [{"extension": [unknown]}, None], "family": "Lima"}
    body = {"resourceType": "Patient", "id": "unnamed", "birthDate": "1990-01-01", "name": [name]}
    answer = await fhir.put("/fhir/Patient/unnamed", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == [name]
    alone = {**body, "id": "none", "name": [{"given": [None], "_given": [{"extension": [unknown]}]}]}
    assert (await fhir.put("/fhir/Patient/none", json=alone)).status_code == 201
    found = await fhir.get("/fhir/Patient?given=iara")
    assert [entry["resource"]["id"] for entry in found.json()["entry"]] == ["unnamed"]
    assert likeness.names_of(body) == [["iara", "lima"]]
