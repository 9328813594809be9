"""Forms of a search: canonicals with a version, ids that are not meant, and includes that go everywhere or nowhere."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio

Q, V = "http://x.invalid/q", "http://x.invalid/v"
DATA: list[dict[str, Any]] = [
    *({"resourceType": "QuestionnaireResponse", "id": f"a{n}", "status": "completed", "questionnaire": Q + mark} for n, mark in enumerate(("|1", "|2", ""))),
    *({"resourceType": "Basic", "id": f"a{n}", "code": {"text": "x"}, "meta": {"profile": [Q + mark, V]}} for n, mark in enumerate(("|1", "|2", ""))),
    *({"resourceType": "ValueSet", "id": f"a{n}", "status": "active", "url": V, "version": str(n)} for n in range(3)),
    *({"resourceType": "Questionnaire", "id": f"q{n}", "status": "active", "url": Q, "version": str(n)} for n in (1, 2)),
    {"resourceType": "Organization", "id": "o", "name": "Clínica"},
    {"resourceType": "Patient", "id": "p1", "managingOrganization": {"reference": "Organization/o"}},
    {"resourceType": "Patient", "id": "p2"},
    {"resourceType": "Patient", "id": "p3"},
    {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": "Patient/p1"},
     "serviceProvider": {"reference": "Organization/o"}},
    {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": [{"entity": {"reference": "Patient/p1"}}]},
    {"resourceType": "Patient", "id": "p4", "address": [{"city": "Vila " + "longa " * 50 + "fim"}]},
    {"resourceType": "Observation", "id": "b", "status": "final", "code": {"coding": [{"system": "urn:s", "code": "1"}]}, "valueString": "blue",
     "component": [{"code": {"coding": [{"system": "urn:s", "code": "2"}]}, "valueQuantity": {"value": 5}}]},
    {"resourceType": "DocumentReference", "id": "r", "status": "current", "content": [{"attachment": {"title": "x"}}],
     "relatesTo": [{"code": "appends", "target": {"reference": "DocumentReference/r0"}}]},
    {"resourceType": "Invoice", "id": "i", "status": "issued", "totalNet": {"value": 10, "currency": "BRL"}},
]  # fmt: skip


@pytest_asyncio.fixture
async def shelf(fhir: httpx.AsyncClient) -> httpx.AsyncClient:
    entries = [{"resource": b, "request": {"method": "PUT", "url": f"{b['resourceType']}/{b['id']}"}} for b in DATA]
    done = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert done.status_code == 200, done.text
    return fhir


def shown(answer: httpx.Response, mode: str = "match") -> list[str]:
    assert answer.status_code == 200, answer.text
    entries = [e for e in answer.json().get("entry", ()) if e["search"]["mode"] == mode]
    return sorted(f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries)


SEARCHES = {
    "QuestionnaireResponse?questionnaire={Q}": "a0 a1 a2",
    "QuestionnaireResponse?questionnaire={Q}|2": "a1",
    "QuestionnaireResponse?questionnaire={Q}|3": "",
    "QuestionnaireResponse?questionnaire={Q}|3,{Q}|1": "a0",
    "QuestionnaireResponse?questionnaire={Q}|1&questionnaire={Q}": "a0",
    "Basic?_profile={Q}": "a0 a1 a2",
    "Basic?_profile={Q}|2": "a1",
    "Basic?_profile={Q}|2,{V}": "a0 a1 a2",
    "Basic?_profile:below=http://x.invalid": "a0 a1 a2",
    "ValueSet?url={V}": "a0 a1 a2",
    "ValueSet?url={V}|1": "a1",
    "ValueSet?url={V}|1,{V}|2": "a1 a2",
    "ValueSet?url={V}|9": "",
    "Patient?_id:not=p1": "p2 p3 p4",
    "Patient?_id:not=p1,p3": "p2 p4",
    "Patient?_id:not=p1&organization:missing=true": "p2 p3 p4",
    "Patient?address-city:exact=Vila {L}fim": "p4",
    "Patient?address-city:exact=Vila {L}fins": "",
    "Patient?address-city=vila {L}": "p4",
    "DocumentReference?relationship=DocumentReference/r0$appends": "r",
    "DocumentReference?relationship=DocumentReference/r0$http://hl7.org/fhir/document-relationship-type|appends": "r",
    "DocumentReference?relationship=DocumentReference/r0$http://hl7.org/fhir/document-relationship-type|replaces": "",
    "Observation?code-value-string=urn:s|$blue": "b",
    "Observation?code-value-string=urn:s|$red": "",
    "Observation?code-value-string=urn:t|$blue": "",
    "Observation?code-value-string=urn:t|$blue,urn:s|1$blu": "b",
    "Observation?code-value-string=urn:s|$blue&status=final": "b",
    "Invoice?totalnet=10|urn:iso:std:iso:4217|BRL": "i",
    "Invoice?totalnet=gt9||BRL": "i",
    "Invoice?totalnet=gt9|urn:iso:std:iso:4217|USD": "",
}


async def test_searches(shelf: httpx.AsyncClient) -> None:
    for query, ids in SEARCHES.items():
        kind = query.partition("?")[0]
        url = f"/fhir/{query.format(Q=Q, V=V, L='longa ' * 50)}"
        assert shown(await shelf.get(url)) == [f"{kind}/{identity}" for identity in ids.split()], query
        assert (await shelf.get(f"{url}&_summary=count")).json()["total"] == len(ids.split()), query


@pytest.mark.parametrize(
    ("query", "included"),
    [
        ("Patient?_id=p1&_revinclude=*", "Encounter/e Group/g"),
        ("Patient?_id=p1&_revinclude=*:*", "Encounter/e Group/g"),
        ("Organization?_revinclude=*", "Encounter/e Patient/p1"),
        ("Organization?_revinclude:iterate=*", "Encounter/e Group/g Patient/p1"),
        ("Patient?_id=p1&_include=*:*", "Organization/o"),
        ("Encounter?_include=Encounter:*", "Organization/o Patient/p1"),
        ("QuestionnaireResponse?_id=a1&_include=QuestionnaireResponse:questionnaire", "Questionnaire/q2"),
        ("QuestionnaireResponse?_id=a2&_include=*", "Questionnaire/q1 Questionnaire/q2"),
        ("QuestionnaireResponse?_id=a1&_include=QuestionnaireResponse:questionnaire:Questionnaire", "Questionnaire/q2"),
        (
            "Questionnaire?_id=q1&_revinclude=QuestionnaireResponse:questionnaire",
            "QuestionnaireResponse/a0 QuestionnaireResponse/a2",
        ),
        ("Questionnaire?_id=q2&_revinclude=*", "QuestionnaireResponse/a1 QuestionnaireResponse/a2"),
        ("Questionnaire?_id=q2&_revinclude=*&_sort=_id", "QuestionnaireResponse/a1 QuestionnaireResponse/a2"),
    ],
)
async def test_includes_of_everything(shelf: httpx.AsyncClient, query: str, included: str) -> None:
    assert shown(await shelf.get(f"/fhir/{query}"), "include") == included.split()


@pytest.mark.parametrize("rest", ["_include=Encounter:subject", "_include=Patient:organization&_summary=text"])
async def test_includes_without_effect_are_told(shelf: httpx.AsyncClient, rest: str) -> None:
    """From another type than is searched, and with `_summary=text` (R4 §3.1.1.5.9)."""
    answer = await shelf.get(f"/fhir/Patient?_id=p1&{rest}")
    assert shown(answer) == ["Patient/p1"] and not shown(answer, "include")
    told = [e["resource"] for e in answer.json()["entry"] if e["search"]["mode"] == "outcome"]
    assert told[0]["issue"][0]["details"]["coding"][0]["code"] == "fhir.search.no-effect"
    assert "_include" not in answer.json()["link"][0]["url"]
    strict = await shelf.get(f"/fhir/Patient?_id=p1&{rest}", headers={"prefer": "handling=strict"})
    assert strict.status_code == 400


async def test_a_second_step_needs_iterate(shelf: httpx.AsyncClient) -> None:
    """R4 §3.1.1.5.4: without it an include starts from what was searched; the first one takes effect all the same."""
    one = await shelf.get("/fhir/Encounter?_include=Encounter:subject&_include=Patient:organization")
    assert shown(one, "include") == ["Patient/p1"] and "fhir.search.no-effect" in one.text
    both = await shelf.get("/fhir/Encounter?_include=Encounter:subject&_include:iterate=Patient:organization")
    assert shown(both, "include") == ["Organization/o", "Patient/p1"]


@pytest.mark.parametrize("name", ["combo-code-value-quantity", "component-code-value-quantity"])
async def test_any_code_of_a_system_in_a_component_is_refused(shelf: httpx.AsyncClient, name: str) -> None:
    """Its pairs stand in many places of a record, so they cannot be looked up as two."""
    assert (await shelf.get(f"/fhir/Observation?{name}=urn:s|$5")).status_code == 400


async def test_includes_by_own_parameters(shelf: httpx.AsyncClient) -> None:
    own = {"resourceType": "SearchParameter", "status": "active", "url": "urn:x:sp", "name": "Base", "code": "base-org", "description": "x",
           "base": ["Patient"], "type": "reference", "expression": "Patient.extension('urn:x:org').value.as(Reference)"}  # fmt: skip
    await shelf.post("/fhir/SearchParameter", json=own)
    await shelf.post("/fhir/$reindex")
    extension = [{"url": "urn:x:org", "valueReference": {"reference": "Organization/o"}}]
    await shelf.put("/fhir/Patient/p5", json={"resourceType": "Patient", "id": "p5", "extension": extension})
    assert shown(await shelf.get("/fhir/Patient?base-org.name=cli&_include=Patient:base-org"), "include") == [
        "Organization/o"
    ]
    assert shown(await shelf.get("/fhir/Organization?_revinclude=Patient:base-org"), "include") == ["Patient/p5"]


async def test_everything_that_refers_to_it_is_bounded_by_the_token(
    shelf: httpx.AsyncClient, client_for: Any, tenant: Any
) -> None:
    """`_revinclude=*` shows no type that the token may not read."""
    narrow = await client_for(tenant, scopes=["system/Patient.rs", "system/Group.rs"])
    assert shown(await narrow.get("/fhir/Patient?_id=p1&_revinclude=*"), "include") == ["Group/g"]


async def test_search_by_get(fhir: httpx.AsyncClient) -> None:
    """`GET Type/_search`, as some clients of other servers write a search: what it finds is the same."""
    await fhir.put("/fhir/Patient/p", json={"resourceType": "Patient", "id": "p", "gender": "female"})
    for path in ("Patient/_search?gender=female", "_search?_type=Patient&gender=female"):
        answer = await fhir.get(f"/fhir/{path}")
        assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == ["p"], path
    assert (await fhir.get("/fhir/Patient/p/Observation/_search?status=final")).json()["total"] == 0
