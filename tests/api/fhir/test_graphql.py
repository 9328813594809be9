"""$graphql: reads, lists, references both ways, the directives, and what is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from bulk_client import put

from api.routes.fhir import graph as route
from hub.find import graph
from hub.world import Tenant
from tests.api.conftest import NewClient

Body = dict[str, Any]


async def ward(client: httpx.AsyncClient) -> None:
    await put(client, "Practitioner", "d", name=[{"family": "Lima"}])
    await put(client, "Patient", "p", gender="female", name=[{"use": "official", "family": "Souza", "given": ["Ana", "Lia"]}, {"use": "nickname", "given": ["Nana"]}],
              telecom=[{"system": "phone", "value": "1", "use": "home"}, {"system": "phone", "value": "2", "use": "work"}], generalPractitioner=[{"reference": "Practitioner/d"}])  # fmt: skip
    for number in range(3):
        await put(
            client,
            "Observation",
            f"b{number}",
            status="final",
            code={"text": "x"},
            subject={"reference": "Patient/p"},
            valueQuantity={"value": 1.50, "unit": "mg"},
        )
    await client.post(
        "/fhir/Observation",
        content=b'{"resourceType":"Observation","status":"final","code":{"coding":[{"code":"y"}]},"valueQuantity":{"value":2.50}}',
    )
    await put(
        client,
        "Condition",
        "c",
        subject={"reference": "Patient/p"},
        code={"text": "z"},
        asserter={"reference": "Practitioner/gone"},
    )


async def asked(client: httpx.AsyncClient, query: str, path: str = "/fhir", **more: Any) -> Body:
    answer = await client.post(f"{path}/$graphql", json={"query": query, **more})
    assert answer.status_code == 200, answer.text
    found: Body = answer.json()
    return found


async def test_reads_and_lists(fhir: httpx.AsyncClient) -> None:
    await ward(fhir)
    query = 'query Q($id: String!) { Patient(id: $id) { resourceType id ...names } } fragment names on Patient { who: name(use: "official") { family given } }'
    assert (await asked(fhir, query, variables={"id": "p"}))["data"] == {
        "Patient": {"resourceType": "Patient", "id": "p", "who": [{"family": "Souza", "given": ["Ana", "Lia"]}]}
    }
    by_get = await fhir.get(
        "/fhir/$graphql", params={"query": '{ PatientList(gender: female, _id: ["p", "q"]) { id } }'}
    )
    assert by_get.json()["data"] == {"PatientList": [{"id": "p"}]} and by_get.headers["content-type"].startswith(
        "application/json"
    )
    raw = await fhir.post(
        "/fhir/$graphql",
        content=b'{ ObservationList(code: "y", _count: 1) { valueQuantity { value } } }',
        headers={"content-type": "application/graphql"},
    )
    assert raw.text == '{"data":{"ObservationList":[{"valueQuantity":{"value":2.50}}]}}'
    found = await asked(
        fhir,
        '{ ObservationConnection(patient: "p", _count: 2) { count pagesize offset first previous last next edges { mode score resource { id value { value } subject { resource { ... on Patient { gender } ... on Group { actual } } } } } } }',
    )
    page = found["data"]["ObservationConnection"]
    assert (page["count"], page["pagesize"], page["offset"], len(page["edges"])) == (3, 2, 0, 2)
    assert page["first"] is page["previous"] is page["last"] is None
    assert page["edges"][0] == {
        "mode": "match",
        "score": None,
        "resource": {"id": "b0", "value": {"value": 1.5}, "subject": {"resource": {"gender": "female"}}},
    }
    rest = await asked(
        fhir,
        'query($c: String) { ObservationConnection(patient: "p", _count: 2, _cursor: $c) { next edges { resource { id } } } }',
        variables={"c": page["next"]},
    )
    assert rest["data"]["ObservationConnection"] == {"next": None, "edges": [{"resource": {"id": "b2"}}]}
    missing = await asked(fhir, '{ Patient(id: "none") { id } }')
    assert missing["data"] == {} and missing["errors"][0]["path"] == ["Patient"]


async def test_one_record_and_what_points_to_it(fhir: httpx.AsyncClient) -> None:
    await ward(fhir)
    query = "{ gender ConditionList(_reference: patient) { id asserter { reference resource { id } } } generalPractitioner { resource(type: Practitioner) { ... on Practitioner { name { family } } } } }"
    found = await asked(fhir, query, "/fhir/Patient/p")
    assert found["data"] == {
        "gender": "female", "ConditionList": [{"id": "c", "asserter": {"reference": "Practitioner/gone"}}],
        "generalPractitioner": [{"resource": {"name": [{"family": "Lima"}]}}],
    }  # fmt: skip
    assert "cannot be followed" in found["errors"][0]["message"]
    optional = await asked(fhir, "{ asserter { resource(optional: true) { id } } }", "/fhir/Condition/c")
    assert "errors" not in optional
    assert (await fhir.post("/fhir/Patient/none/$graphql", json={"query": "{ id }"})).status_code == 404


DIRECTED: list[tuple[str, Body]] = [
    ("{ name @flatten { given } id }", {"given": ["Ana", "Lia", "Nana"], "id": "p"}),
    ("{ name @first @flatten { family @singleton given } }", {"family": "Souza", "given": ["Ana", "Lia"]}),
    ("{ name(fhirpath: \"family.exists()\") { use } name(fhirpath: \"family.exists()\") { family } id id }", {"name": [{"use": "official", "family": "Souza"}], "id": "p"}),
    ("{ name(use: nickname) @first { given @first } }", {"name": {"given": "Nana"}}),
    ("{ telecom @flatten @slice(path: \"use\") { value @singleton } }", {"value.home": "1", "value.work": "2"}),
    ("{ telecom @slice(path: \"$index\") { value } }", {"telecom.0": {"value": "1"}, "telecom.1": {"value": "2"}}),
    ("{ telecom(_offset: 1, _count: 1) { value } birthDate }", {"telecom": [{"value": "2"}]}),
    ("{ id @skip(if: true) gender @include(if: false) __typename }", {"__typename": "Patient"}),
]  # fmt: skip


async def test_directives(fhir: httpx.AsyncClient) -> None:
    await ward(fhir)
    for query, expected in DIRECTED:
        assert (await asked(fhir, query, "/fhir/Patient/p"))["data"] == expected, query


BAD = [
    "", "{", "{ id", "mutation { x }", "subscription { x }", "{ Nobody { id } }", "{ PatientList { nothing } }", "{ PatientList { name } }", "{ PatientList { id { x } } }",
    "{ PatientList(nothing: 1) { id } }", "{ Patient { id } }", "{ PatientList(_reference: patient) { id } }", "{ PatientList { id @unknown } }", "{ ...a } fragment a on X { ...a }",
    "{ PatientList(name: {a: 1}) { id } }", "query($x: String!) { Patient(id: $x) { id } }", "{ a: PatientList { id } } query B { PatientList { id } }",
    "{ PatientList { name @flatten { given family @singleton use @singleton } } }", "{" + "name {" * 40 + "id" + "}" * 41, "{ " + "PatientList { id } " * 2000 + "}", "{" * 4000,
    "{ PatientList(birthdate: \"x\") { id } }", "schema { query: Q }", "{ PatientList { name(fhirpath: \"use[\") { family } } }",
    "{ PatientList { name(fhirpath: \"given + 1\") { family } } }",
]  # fmt: skip


async def test_bad_queries(fhir: httpx.AsyncClient) -> None:
    await put(
        fhir, "Patient", "p", name=[{"family": "a", "given": ["x"], "use": "usual"}, {"family": "b", "use": "old"}]
    )
    for query in BAD:
        answer = await fhir.post("/fhir/$graphql", json={"query": query})
        assert answer.status_code == 400 and answer.json()["resourceType"] == "OperationOutcome", (
            query[:80],
            answer.text,
        )


async def test_scopes_and_budget(
    fhir: httpx.AsyncClient, client_for: NewClient, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ward(fhir)
    narrow = await client_for(tenant, ["system/Observation.rs"])
    assert (await narrow.post("/fhir/$graphql", json={"query": "{ PatientList { id } }"})).status_code == 403
    assert (await narrow.post("/fhir/$graphql", json={"query": '{ Patient(id: "p") { id } }'})).status_code == 403
    found = await asked(narrow, '{ ObservationList(_id: "b0") { id subject { resource { id } } } }')
    assert found["data"]["ObservationList"] == [{"id": "b0", "subject": {}}] and found["errors"]
    assert (
        await narrow.post(
            "/fhir/$graphql",
            json={"query": '{ ObservationList(_id: "b0") { ConditionList(_reference: evidence_detail) { id } } }'},
        )
    ).status_code == 403
    monkeypatch.setattr(graph.Graph, "_spend", lambda self, n: (_ for _ in ()).throw(graph.bad("too-costly")))
    assert (await fhir.post("/fhir/$graphql", json={"query": "{ PatientList { id } }"})).status_code == 422


async def test_the_schema_is_told(fhir: httpx.AsyncClient) -> None:
    """As GraphiQL and generators of code ask for it; other queries say what they are by the same names."""
    await ward(fhir)
    query = '{__schema{queryType{name}} type: __type(name: "Patient_contact"){name}}'
    answer = await fhir.post("/fhir/$graphql", json={"query": query})
    assert answer.json() == {
        "data": {"__schema": {"queryType": {"name": "Query"}}, "type": {"name": "Patient_contact"}}
    }
    answer = await fhir.get("/fhir/Patient/p/$graphql", params={"query": "{__schema{queryType{name}}}"})
    assert answer.json() == {"data": {"__schema": {"queryType": {"name": "Patient"}}}}
    await put(fhir, "Patient", "q", contact=[{"name": {"family": "Lima"}}])
    answer = await fhir.post("/fhir/$graphql", json={"query": '{Patient(id: "q"){contact{__typename}}}'})
    assert answer.json()["data"]["Patient"]["contact"] == [{"__typename": "Patient_contact"}]


async def test_only_questions_about_the_schema_wait_for_each_other(fhir: httpx.AsyncClient) -> None:
    await ward(fhir)
    with route._BUSY:
        answer = await fhir.post("/fhir/$graphql", json={"query": '{Patient(id: "p"){id __typename}}'})
        assert answer.json() == {"data": {"Patient": {"id": "p", "__typename": "Patient"}}}
        answer = await fhir.post("/fhir/$graphql", json={"query": "{__schema{types{name description}}}"})
        assert answer.status_code == 503 and "retry-after" in answer.headers
