"""$convert, $versions, DocumentReference/$docref, operations that are not there, and the profiles a tenant declares."""

from __future__ import annotations

from typing import Any

import httpx

from fhir.validation.validator import validate
from hub.world import Tenant
from tests.api.conftest import NewClient

PROFILE: dict[str, Any] = {
    "resourceType": "StructureDefinition", "url": "http://example.org/StructureDefinition/known", "name": "Known", "status": "active",
    "kind": "resource", "abstract": False, "type": "Patient", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint", "differential": {"element": [{"id": "Patient", "path": "Patient"}]},
}  # fmt: skip


def document(number: str, kind: str, begin: str, end: str, patient: str = "p") -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference", "id": number, "status": "current", "subject": {"reference": f"Patient/{patient}"},
        "type": {"coding": [{"system": "http://loinc.org", "code": kind}]}, "content": [{"attachment": {"url": "urn:x"}}],
        "context": {"period": {"start": begin, "end": end}},
    }  # fmt: skip


async def test_convert_between_forms(fhir: httpx.AsyncClient) -> None:
    observation = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}'
    xml = await fhir.post("/fhir/$convert", content=observation, headers={"accept": "application/fhir+xml"})
    assert xml.status_code == 200 and '<value value="1.50"/>' in xml.text
    sent = {"content": xml.content, "headers": {"content-type": "application/fhir+xml"}}
    assert (await fhir.post("/fhir/$convert", **sent)).content == observation
    wrapped = {
        "resourceType": "Parameters",
        "parameter": [{"name": "input", "resource": {"resourceType": "Patient", "gender": "male"}}],
    }
    assert (await fhir.post("/fhir/$convert", json=wrapped)).json() == {"resourceType": "Patient", "gender": "male"}
    assert (await fhir.post("/fhir/$convert", json={"resourceType": "Patient", "colour": "red"})).status_code == 422
    assert (await fhir.get("/fhir/Observation?_summary=count")).json()["total"] == 0


async def test_versions(fhir: httpx.AsyncClient) -> None:
    for answer in (await fhir.get("/fhir/$versions"), await fhir.post("/fhir/$versions")):
        told = [(part["name"], part["valueCode"]) for part in answer.json()["parameter"]]
        assert told == [("version", "4.0"), ("default", "4.0")] and validate(answer.json()) == []


async def test_documents_of_a_patient(fhir: httpx.AsyncClient, client_for: NewClient, tenant: Tenant) -> None:
    for name in ("p", "q"):
        await fhir.put(f"/fhir/Patient/{name}", json={"resourceType": "Patient", "id": name})
    rows = (
        ("a", "34133-9", "2024-01-01", "2024-01-03"),
        ("b", "18842-5", "2024-02-01", "2024-02-03"),
        ("c", "34133-9", "2023-01-01", "2023-01-03", "q"),
    )
    for row in rows:
        assert (await fhir.put(f"/fhir/DocumentReference/{row[0]}", json=document(*row))).status_code == 201

    async def ids(answer: httpx.Response) -> list[str]:
        assert answer.status_code == 200, answer.text
        return sorted(entry["resource"]["id"] for entry in answer.json().get("entry", ()))

    address = "/fhir/DocumentReference/$docref"
    for query, wanted in (
        ("patient=p", ["a", "b"]), ("patient=Patient/p&start=2024-01-15", ["b"]), ("patient=p&end=2024-01-15", ["a"]),
        ("patient=p&type=http://loinc.org|34133-9", ["a"]), ("patient=p&on-demand=true", []), ("patient=nobody", []),
        ("patient=p&on-demand=false&profile=urn:none", []),
    ):  # fmt: skip
        assert await ids(await fhir.get(f"{address}?{query}")) == wanted, query
    kind = {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]}
    listed = [{"name": "patient", "valueId": "p"}, {"name": "type", "valueCodeableConcept": kind}]
    assert await ids(await fhir.post(address, json={"resourceType": "Parameters", "parameter": listed})) == ["b"]
    page = (await fhir.get(f"{address}?patient=p&_count=1")).json()
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    assert "$docref?patient=p" in following and len(await ids(await fhir.get(following))) == 1
    for query in ("", "?patient=", "?patient=p&on-demand=perhaps"):
        assert (await fhir.get(address + query)).status_code == 400, query
    assert (await fhir.get("/fhir/Patient/$docref?patient=p")).status_code == 404
    assert (await (await client_for(tenant, ["system/Patient.rs"])).get(f"{address}?patient=p")).status_code == 403


async def test_an_operation_that_is_not_there_is_told_as_such(fhir: httpx.AsyncClient) -> None:
    for path in ("$nothing", "Patient/$nothing", "Patient/p/$nothing"):
        answer = await fhir.get(f"/fhir/{path}")
        assert answer.status_code == 404 and answer.json()["issue"][0]["code"] == "not-supported", path


async def test_profiles_of_a_tenant_are_declared(fhir: httpx.AsyncClient, browser: httpx.AsyncClient) -> None:
    async def declared(client: httpx.AsyncClient) -> tuple[Any, Any]:
        statement = (await client.get("/fhir/metadata")).json()
        assert validate(statement) == []
        patient = next(r for r in statement["rest"][0]["resource"] if r["type"] == "Patient")
        return patient.get("supportedProfile"), statement.get("implementationGuide")

    assert await declared(fhir) == (None, None)
    await fhir.put("/fhir/StructureDefinition/known", json={**PROFILE, "id": "known"})
    old = {**PROFILE, "id": "old", "url": "urn:old", "status": "retired"}
    await fhir.put("/fhir/StructureDefinition/old", json=old)
    guide = {"resourceType": "ImplementationGuide", "id": "g", "url": "urn:guide", "version": "1.2", "name": "G", "status": "active",
             "packageId": "a.b", "fhirVersion": ["4.0.1"]}  # fmt: skip
    await fhir.put("/fhir/ImplementationGuide/g", json=guide)
    assert await declared(fhir) == ([PROFILE["url"]], ["urn:guide|1.2"])
    assert await declared(browser) == (None, None)  # nobody's token: nothing of a tenant
    await fhir.delete("/fhir/StructureDefinition/known")
    await fhir.delete("/fhir/ImplementationGuide/g")
    assert await declared(fhir) == (None, None)


async def test_labels_in_use(
    fhir: httpx.AsyncClient, client_for: NewClient, tenant: Tenant, other_tenant: Tenant
) -> None:
    """As Firely's client asks: the labels of a type and of all records, while a record carries them."""

    async def told(path: str, client: httpx.AsyncClient = fhir) -> Any:
        answer = await client.get(path)
        assert answer.status_code == 200 and validate(answer.json()) == [], answer.text
        return next((part["valueMeta"] for part in answer.json().get("parameter", ())), {})

    assert await told("/fhir/$meta") == {}
    first, second = {"system": "urn:x", "code": "A"}, {"code": "a"}
    profile, secret = "http://example.org/StructureDefinition/one", {"system": "urn:y", "code": "R"}
    for number, tags in enumerate(([first], [first, second], [second])):
        meta = {"profile": [f"{profile}|1.0"], "security": [secret], "tag": tags}
        await fhir.put(f"/fhir/Patient/p{number}", json={"resourceType": "Patient", "id": f"p{number}", "meta": meta})
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "meta": {"tag": [{"code": "g"}]}}
    await fhir.put("/fhir/Group/g", json=group)
    found = await told("/fhir/Patient/$meta")
    assert (found["profile"], found["security"]) == ([profile], [secret])
    assert sorted(found["tag"], key=str) == sorted([first, second], key=str)
    assert await told("/fhir/Group/$meta") == {"tag": [{"code": "g"}]} and await told("/fhir/Person/$meta") == {}
    assert {tag["code"] for tag in (await told("/fhir/$meta"))["tag"]} == {"A", "a", "g"}
    for number in (1, 2):
        await fhir.delete(f"/fhir/Patient/p{number}")
    assert (await told("/fhir/Patient/$meta"))["tag"] == [first]
    some = await client_for(tenant, ["system/Group.rs", "system/Patient.rs?gender=male"])
    assert await told("/fhir/$meta", some) == {"tag": [{"code": "g"}]}
    assert (await some.get("/fhir/Patient/$meta")).status_code == 403
    assert await told("/fhir/$meta", await client_for(other_tenant)) == {}
    assert (await (await client_for(tenant, ["hl7/send"])).get("/fhir/$meta")).status_code == 403
    assert (await fhir.get("/fhir/Nothing/$meta")).status_code == 404
