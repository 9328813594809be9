"""read, vread, history, create, update, delete with their conditions, headers and refusals (R4 §3.1.0)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

PATIENT: dict[str, Any] = {"resourceType": "Patient", "name": [{"family": "Gonçalves", "given": ["Ana"]}]}
CPF = "https://saude.gov.br/fhir/sid/cpf"


async def test_life_of_a_record(fhir: httpx.AsyncClient) -> None:
    made = await fhir.post("/fhir/Patient", json={**PATIENT, "id": "ignored"})
    assert made.status_code == 201 and made.headers["etag"] == 'W/"1"'
    identity = made.json()["id"]
    assert identity != "ignored"
    assert made.headers["location"].endswith(f"/fhir/Patient/{identity}/_history/1")
    path = f"/fhir/Patient/{identity}"
    second = await fhir.put(path, json={**PATIENT, "id": identity, "gender": "female"}, headers={"if-match": 'W/"1"'})
    assert second.status_code == 200 and second.json()["meta"]["versionId"] == "2"
    stale = await fhir.put(path, json={**PATIENT, "id": identity}, headers={"if-match": 'W/"1"'})
    assert stale.status_code == 412
    assert (await fhir.get(f"{path}/_history/1")).json().get("gender") is None
    assert (await fhir.get(path)).json()["gender"] == "female"
    assert (await fhir.delete(path)).status_code == 204
    assert (await fhir.delete(path)).status_code == 204
    gone = await fhir.get(path)
    assert gone.status_code == 410 and gone.json()["resourceType"] == "OperationOutcome"
    assert (await fhir.get(f"{path}/_history/3")).status_code == 410
    history = (await fhir.get(f"{path}/_history")).json()
    assert history["total"] == 3
    assert [e["request"]["method"] for e in history["entry"]] == ["DELETE", "PUT", "POST"]
    assert "resource" not in history["entry"][0] and history["entry"][2]["resource"]["meta"]["versionId"] == "1"
    again = await fhir.put(path, json={**PATIENT, "id": identity})
    assert again.status_code == 201 and again.headers["etag"] == 'W/"4"'


async def test_history_pages(fhir: httpx.AsyncClient) -> None:
    for n in range(5):
        await fhir.put("/fhir/Patient/many", json={**PATIENT, "id": "many", "multipleBirthInteger": n})
    seen: list[str] = []
    url = "/fhir/Patient/many/_history?_count=2"
    while url:
        page = (await fhir.get(url)).json()
        seen += [e["resource"]["meta"]["versionId"] for e in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert seen == ["5", "4", "3", "2", "1"]
    assert (await fhir.get("/fhir/Patient/nobody/_history")).status_code == 404


async def test_update_as_create_and_ids(fhir: httpx.AsyncClient) -> None:
    assert (await fhir.put("/fhir/Patient/ana.1", json={**PATIENT, "id": "ana.1"})).status_code == 201
    for body in ({**PATIENT, "id": "other"}, PATIENT):
        refused = await fhir.put("/fhir/Patient/ana.1", json=body)
        assert refused.status_code == 400 and refused.json()["issue"][0]["expression"] == ["Patient.id"]
    for wrong in ("a_b", "a" * 65):
        for method in ("PUT", "PATCH", "DELETE"):
            refused = await fhir.request(method, f"/fhir/Patient/{wrong}", json={**PATIENT, "id": wrong})
            assert refused.status_code == 400 and refused.json()["issue"][0]["expression"] == ["Patient.id"]
        assert (await fhir.get(f"/fhir/Patient/{wrong}")).status_code == 404
    bad = await fhir.put("/fhir/Patient/ana.1", json={**PATIENT, "id": "ana.1"}, headers={"if-match": "x"})
    assert bad.status_code == 400
    absent = await fhir.put("/fhir/Patient/new", json={**PATIENT, "id": "new"}, headers={"if-match": 'W/"1"'})
    assert absent.status_code == 412


async def test_conditional_read_and_head(fhir: httpx.AsyncClient) -> None:
    made = await fhir.post("/fhir/Patient", json=PATIENT)
    path = f"/fhir/Patient/{made.json()['id']}"
    assert (await fhir.get(path, headers={"if-none-match": 'W/"1"'})).status_code == 304
    assert (await fhir.get(path, headers={"if-none-match": 'W/"2"'})).status_code == 200
    stamp = made.headers["last-modified"]
    assert (await fhir.get(path, headers={"if-modified-since": stamp})).status_code == 304
    head = await fhir.head(path)
    assert head.status_code == 200 and head.headers["etag"] == 'W/"1"'


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [("return=minimal", ""), ("return=OperationOutcome", "OperationOutcome"), ("return=representation", "Patient")],
)
async def test_prefer_return(fhir: httpx.AsyncClient, prefer: str, expected: str) -> None:
    made = await fhir.post("/fhir/Patient", json=PATIENT, headers={"prefer": prefer})
    assert made.status_code == 201
    assert (made.json()["resourceType"] if expected else made.text) == expected


async def test_decimals_survive(fhir: httpx.AsyncClient) -> None:
    text = '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}'
    made = await fhir.post("/fhir/Observation", content=text, headers={"content-type": "application/fhir+json"})
    assert '"value":1.50' in made.text
    assert '"value":1.50' in (await fhir.get(f"/fhir/Observation/{made.json()['id']}")).text
    pretty = (await fhir.get(f"/fhir/Observation/{made.json()['id']}?_pretty=true")).text
    assert '"value": 1.50' in pretty


async def test_formats(fhir: httpx.AsyncClient) -> None:
    made = await fhir.post("/fhir/Patient", json=PATIENT)
    path = f"/fhir/Patient/{made.json()['id']}"
    for accept in ("application/fhir+json", "application/json", "text/html,*/*;q=0.8", "application/fhir+json;q=0.9"):
        assert (await fhir.get(path, headers={"accept": accept})).status_code == 200
    for accept in ("text/turtle", "text/html", "application/fhir+json; fhirVersion=5.0"):
        assert (await fhir.get(path, headers={"accept": accept})).status_code == 406
    assert (await fhir.get(path, params={"_format": "json"}, headers={"accept": "text/html"})).status_code == 200
    assert (await fhir.get(path, params={"_format": "application/fhir+json"})).status_code == 200
    assert (await fhir.get(path, params={"_format": "ttl"})).status_code == 406
    of_r4 = {"content-type": "application/fhir+json; fhirVersion=4.0; charset=utf-8"}
    assert (await fhir.post("/fhir/Patient", json=PATIENT, headers=of_r4)).status_code == 201
    of_r5 = "application/fhir+json; fhirVersion=5.0"
    for kind in ("application/json-patch+json", "text/plain", "application/json; charset=iso-8859-1", of_r5):
        refused = await fhir.post("/fhir/Patient", content=b"{}", headers={"content-type": kind})
        assert refused.status_code == 415 and refused.json()["resourceType"] == "OperationOutcome"


async def test_conditional_create(fhir: httpx.AsyncClient) -> None:
    body = {**PATIENT, "identifier": [{"system": CPF, "value": "39053344705"}]}
    condition = {"if-none-exist": f"identifier={CPF}|39053344705"}
    first = await fhir.post("/fhir/Patient", json=body, headers=condition)
    second = await fhir.post("/fhir/Patient", json=body, headers=condition)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.headers["location"] == second.headers["location"]
    alias = {"if-none-exist": "identifier=http://rnds.saude.gov.br/fhir/r4/NamingSystem/cpf|39053344705"}
    assert (await fhir.post("/fhir/Patient", json=body, headers=alias)).status_code == 200
    await fhir.post("/fhir/Patient", json=body)
    assert (await fhir.post("/fhir/Patient", json=body, headers=condition)).status_code == 412
    for wrong in ("unknown=1", "_count=1", "birthdate=yesterday"):
        refused = await fhir.post("/fhir/Patient", json=body, headers={"if-none-exist": wrong})
        assert refused.status_code in (400, 412)


async def test_fifty_conditional_creates_make_one(fhir: httpx.AsyncClient) -> None:
    body = {**PATIENT, "identifier": [{"system": CPF, "value": "52998224725"}]}
    headers = {"if-none-exist": f"identifier={CPF}|52998224725"}
    answers = await asyncio.gather(*(fhir.post("/fhir/Patient", json=body, headers=headers) for _ in range(50)))
    codes = sorted(a.status_code for a in answers)
    assert codes == [200] * 49 + [201]
    assert len({a.json()["id"] for a in answers}) == 1


def saying(identity: str, number: int) -> dict[str, Any]:
    return {**PATIENT, "id": identity, "multipleBirthInteger": number}


async def test_fifty_updates_with_one_version(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/race", json={**PATIENT, "id": "race"})
    answers = await asyncio.gather(
        *(fhir.put("/fhir/Patient/race", json=saying("race", n), headers={"if-match": 'W/"1"'}) for n in range(50))
    )
    assert sorted(a.status_code for a in answers) == [200] + [412] * 49
    free = await asyncio.gather(*(fhir.put("/fhir/Patient/free", json=saying("free", n)) for n in range(20)))
    assert sorted(a.status_code for a in free) == [200] * 19 + [201]
    versions = [
        e["resource"]["meta"]["versionId"] for e in (await fhir.get("/fhir/Patient/free/_history")).json()["entry"]
    ]
    assert versions == [str(n) for n in range(20, 0, -1)]


async def test_conditional_update_and_delete(fhir: httpx.AsyncClient) -> None:
    query = "identifier=urn:x|1"
    body = {**PATIENT, "identifier": [{"system": "urn:x", "value": "1"}]}
    first = await fhir.put(f"/fhir/Patient?{query}", json=body)
    second = await fhir.put(f"/fhir/Patient?{query}", json={**body, "gender": "female"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"] and second.json()["meta"]["versionId"] == "2"
    assert (await fhir.put(f"/fhir/Patient?{query}", json={**body, "id": "zzz"})).status_code == 400
    assert (await fhir.delete(f"/fhir/Patient?{query}")).status_code == 204
    assert (await fhir.get(f"/fhir/Patient/{first.json()['id']}")).status_code == 410
    assert (await fhir.delete(f"/fhir/Patient?{query}")).status_code == 204
    assert (await fhir.delete("/fhir/Patient")).status_code == 412


async def test_validate_operation(fhir: httpx.AsyncClient) -> None:
    good = await fhir.post("/fhir/$validate", json=PATIENT)
    assert good.status_code == 200 and good.json()["issue"][0]["severity"] == "information"
    wrong = await fhir.post("/fhir/Patient/$validate", json={**PATIENT, "gender": "banana"})
    assert wrong.status_code == 200 and wrong.json()["issue"][0]["expression"] == ["Patient.gender"]
    other = await fhir.post("/fhir/Observation/$validate", json=PATIENT)
    assert other.json()["issue"][0]["severity"] == "error"
    carried = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": PATIENT}]}
    assert (await fhir.post("/fhir/Patient/$validate", json=carried)).json()["issue"][0]["severity"] == "information"


async def test_subsets(fhir: httpx.AsyncClient) -> None:
    made = await fhir.post(
        "/fhir/Patient", json={**PATIENT, "gender": "female", "contact": [{"gender": "male", "name": {"text": "x"}}]}
    )
    path = f"/fhir/Patient/{made.json()['id']}"
    part = (await fhir.get(path, params={"_elements": "gender"})).json()
    assert set(part) == {"resourceType", "id", "meta", "gender"} and part["meta"]["tag"][0]["code"] == "SUBSETTED"
    summary = (await fhir.get(path, params={"_summary": "true"})).json()
    assert "name" in summary and "contact" not in summary


async def test_what_changes_nothing_makes_no_version(fhir: httpx.AsyncClient) -> None:
    """Whatever a client states of version and time; a label or a digit more is a change. The condition still holds."""
    body = {"resourceType": "Patient", "id": "p", "multipleBirthInteger": 1}
    first = await fhir.put("/fhir/Patient/p", json=body)
    stale = {"versionId": "9", "lastUpdated": "2001-01-01T00:00:00Z"}
    patch = b'[{"op": "replace", "path": "/multipleBirthInteger", "value": 1}]'
    kind = {"content-type": "application/json-patch+json"}
    entry = {"resource": body, "request": {"method": "PUT", "url": "Patient/p"}}
    for answer in (
        await fhir.put("/fhir/Patient/p", json=body),
        await fhir.put("/fhir/Patient/p", json=first.json(), headers={"if-match": first.headers["etag"]}),
        await fhir.put("/fhir/Patient/p", json={**body, "meta": stale}),
        await fhir.put("/fhir/Patient?_id=p", json=body),
        await fhir.patch("/fhir/Patient/p", content=patch, headers=kind),
        await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]}),
    ):
        assert answer.status_code == 200, answer.text
        told = answer.json()["entry"][0]["response"] if "entry" in answer.json() else dict(answer.headers)
        assert told["etag"] == 'W/"1"' and told.get("last-modified") in (None, first.headers["last-modified"])
        assert "entry" in answer.json() or answer.json() == first.json()
    assert (await fhir.put("/fhir/Patient/p", json=body, headers={"if-match": 'W/"2"'})).status_code == 412
    assert (await fhir.get("/fhir/Patient/p/_history")).json()["total"] == 1
    tagged = await fhir.put("/fhir/Patient/p", json={**body, "meta": {"tag": [{"code": "x"}]}})
    assert tagged.headers["etag"] == 'W/"2"'
    await fhir.delete("/fhir/Patient/p")
    assert (await fhir.put("/fhir/Patient/p", json=tagged.json())).status_code == 201
