"""Which media type answers have (R4 §3.1.0.1.9), and that a form may state what an address may (§3.1.0.1.11, §3.1.1.3)."""

from __future__ import annotations

import httpx
import pytest

JSON, XML = "application/fhir+json", "application/fhir+xml"
FORM = {"content-type": "application/x-www-form-urlencoded"}
# what Accept states, and the media type of the answer
ACCEPTED = [
    ("*/*", JSON),
    ("application/json", "application/json"),
    ("text/json", "text/json"),
    ("application/xml", "application/xml"),
    ("text/xml;q=0.5, application/xml;q=0.9", "application/xml"),
    ("text/xml, application/json;q=0.2", "text/xml"),
    ("application/json;fhirVersion=4.0", "application/json"),
    # it takes FHIR's own as well: no need for less
    ("application/json, application/fhir+json", JSON),
    ("application/json, text/plain, */*", JSON),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", XML),
    ("application/json, */*;q=0", "application/json"),
    ("application/fhir+xml, application/json;q=0.5", XML),
    ("application/json+fhir", JSON),
]


@pytest.mark.parametrize("accept, kind", ACCEPTED)
async def test_a_generic_type_is_answered_by_itself(fhir: httpx.AsyncClient, accept: str, kind: str) -> None:
    for path, status in (("/fhir/Patient", 200), ("/fhir/metadata", 200), ("/fhir/Patient/none", 404)):
        answer = await fhir.get(path, headers={"accept": accept})
        assert answer.status_code == status
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8", path
        assert answer.text.startswith("<" if "xml" in kind else "{")
    stated = await fhir.get("/fhir/Patient?_format=json", headers={"accept": accept})
    assert stated.headers["content-type"] == f"{JSON}; charset=utf-8"


async def test_a_form_states_the_form_of_the_answer(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json={"resourceType": "Patient", "id": "p", "gender": "female"})
    for path in (
        "/fhir/Patient/_search",
        "/fhir/_search",
        "/fhir/Patient/p/Observation/_search",
        "/fhir/Patient/p/_search",
    ):
        answer = await fhir.post(path, content="_format=xml&_pretty=true", headers=FORM)
        assert answer.headers["content-type"].startswith(XML) and "\n  <type" in answer.text, path
        refused = await fhir.post(path, content="_format=turtle", headers=FORM)
        assert refused.status_code == 406 and refused.json()["resourceType"] == "OperationOutcome"
    both = await fhir.post("/fhir/Patient/_search?_format=json", content="_format=xml", headers=FORM)
    assert both.headers["content-type"].startswith(JSON)  # the address comes first


async def test_a_compartment_is_searched_by_post(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json={"resourceType": "Patient", "id": "p"})
    for identity, owner in (("a", "p"), ("b", "q")):
        made = {"resourceType": "Observation", "id": identity, "status": "final", "code": {"text": "x"}}
        await fhir.put(f"/fhir/Observation/{identity}", json={**made, "subject": {"reference": f"Patient/{owner}"}})
    asked = [
        await fhir.post("/fhir/Patient/p/_search", content="_type=Observation", headers=FORM),
        await fhir.get("/fhir/Patient/p/_search?_type=Observation"),
        await fhir.get("/fhir/Patient/p/*?_type=Observation"),
    ]
    for answer in asked:
        assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == ["a"]
