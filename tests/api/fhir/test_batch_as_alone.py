"""What an entry of a batch is answered is what the same request is answered by itself (R4 §3.1.0.11)."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from fhir.validation.validator import validate

PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female"}
NEW = {"resourceType": "Patient", "gender": "male"}
VALUE = {"name": "value", "valueCode": "male"}
CHANGE = [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "Patient.gender"}, VALUE]
PATCH = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": CHANGE}]}
JSON = {"content-type": "application/fhir+json"}
REQUESTS: tuple[tuple[str, str, Any], ...] = (
    *(("GET", url, None) for url in (
        "Nothing/1", "Nothing", "nothing/1", "nothing", "Nothing/1/_history", "Nothing/$op", "Nothing/_search", "Patient/none",
        "Patient/bad_id", "Patient/bad_id/_history", "Patient/" + "x" * 65, "Patient/p/_history/9", "Patient/p/_history/x",
        "Patient/p/_history/1/x", "Patient/p/x", "Patient/p/nothing", "Patient/p/Nothing", "Patient/p/Observation/1", "Patient//p",
        "Patient/p/Location", "Patient/$nothing", "$nothing", "Patient/gone", "Patient/gone/_history/2", "Patient/%70", "Patient/p#x",
        "Patient?birthdate=x", "Patient?gender:exact=x", "Patient?name=%00", "Patient?_id=p&_summary=count", "metadata?mode=x",
        "Patient/p/_history?_since=x", "?_type=Nothing", "StructureDefinition/Patient", "Patient?_contained=true&_id=p",
    )),
    *(("HEAD", url, None) for url in (
        "Patient/p", "Patient/none", "Nothing/1", "Patient?gender=female", "metadata", "Patient/p/_history", "Patient/p/$everything",
        "Patient/_search?gender=female", "Patient/p/x",
    )),
    ("POST", "Nothing", NEW), ("POST", "nothing", NEW), ("POST", "Patient/p", NEW), ("POST", "Patient/p/_history", None),
    ("POST", "metadata", None), ("POST", "Patient/p/Observation", NEW), ("POST", "Patient", {**NEW, "gender": "x"}),
    ("POST", "Patient/$nothing", NEW), ("PUT", "Nothing/1", NEW), ("PUT", "nothing/1", NEW),
    ("PUT", "Patient", NEW), ("PUT", "Patient/p/x", NEW), ("PUT", "Patient/q/_history/1", NEW), ("PUT", "Patient/q", PATIENT),
    ("PUT", "Patient?nope=1", NEW), ("PUT", "metadata", NEW), ("PATCH", "Nothing/1", PATCH),
    ("PATCH", "Patient", PATCH), ("PATCH", "Patient/none", PATCH), ("PATCH", "Patient/gone", PATCH), ("DELETE", "Nothing/1", None), ("DELETE", "Patient", None), ("DELETE", "Patient/p/_history", None),
    ("DELETE", "Patient/p/x", None), ("DELETE", "metadata", None), ("DELETE", "Patient?nope=1", None),
)  # fmt: skip


async def stored(client: httpx.AsyncClient) -> None:
    await client.put("/fhir/Patient/p", json=PATIENT)
    await client.put("/fhir/Patient/gone", json={**PATIENT, "id": "gone"})
    await client.delete("/fhir/Patient/gone")


async def asked(client: httpx.AsyncClient, entry: dict[str, Any], **headers: str) -> dict[str, Any]:
    """The entry that answers the only one of a batch."""
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    answer = await client.post("/fhir", json=bundle, headers=headers)
    assert answer.status_code == 200, answer.text
    assert validate(answer.json()) == []
    found: dict[str, Any] = answer.json()["entry"][0]
    return found


def codes(outcome: Any) -> list[str]:
    return [each["details"]["coding"][0]["code"] for each in outcome["issue"]]


async def test_statuses_and_findings(fhir: httpx.AsyncClient) -> None:
    await stored(fhir)
    wrong = []
    for method, url, resource in REQUESTS:
        sent = {"content": json.dumps(resource), "headers": JSON} if resource is not None else {}
        alone = await fhir.request(method, f"/fhir{'' if url.startswith('?') else '/'}{url}", **sent)  # type: ignore[arg-type]
        entry = {"request": {"method": method, "url": url}, **({"resource": resource} if resource is not None else {})}
        found = await asked(fhir, entry)
        same = found["response"]["status"][:3] == str(alone.status_code)
        if method == "HEAD":
            same = same and "resource" not in found
        elif alone.status_code >= 400:
            same = same and codes(found["response"]["outcome"]) == codes(alone.json())
        elif method == "GET":
            same = same and found["resource"]["resourceType"] == alone.json()["resourceType"]
        if not same:
            wrong.append((method, url, alone.status_code, found["response"]))
    assert wrong == []


@pytest.mark.parametrize("url", ["Patient/q//", "Patient/q#x", "Patient//q", "/Patient//?gender=none", "//Patient/q"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
async def test_no_address_writes_past_its_conditions(fhir: httpx.AsyncClient, method: str, url: str) -> None:
    """An address that only looks like one of a record changes nothing: its ifMatch would not be heeded."""
    await stored(fhir)
    await fhir.put("/fhir/Patient/q", json={**PATIENT, "id": "q"})
    resource = PATCH if method == "PATCH" else {**NEW, "id": "q"}
    request = {"method": method, "url": url, "ifMatch": 'W/"99"', "ifNoneExist": "gender=female"}
    found = await asked(fhir, {"request": request, **({"resource": resource} if method != "DELETE" else {})})
    assert found["response"]["status"][:3] in ("400", "404", "405", "412")
    assert (await fhir.get("/fhir/Patient/q")).json()["meta"]["versionId"] == "1"
    assert (await fhir.get("/fhir/Patient?_summary=count")).json()["total"] == 2


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_an_address_of_another_server(fhir: httpx.AsyncClient, kind: str) -> None:
    """It is refused, and neither read nor done here."""
    await stored(fhir)
    tag = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}
    for method, path, resource in (
        ("GET", "Patient/p", None), ("GET", "x/Patient/p", None), ("GET", "Patient?_id=p", None), ("GET", "Patient/p/_history", None),
        ("GET", "Patient/p/$everything", None), ("GET", "metadata", None), ("HEAD", "Patient/p", None),
        ("POST", "Patient/p/$meta-add", tag), ("POST", "Patient/_search?_id=p", None), ("DELETE", "Patient/p", None),
    ):  # fmt: skip
        request = {"method": method, "url": f"https://elsewhere.example.org/{path}"}
        entry = {"request": request, **({"resource": resource} if resource else {})}
        answer = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": kind, "entry": [entry]})
        found = answer.json() if kind == "transaction" else answer.json()["entry"][0]["response"]["outcome"]
        status = str(answer.status_code) if kind == "transaction" else answer.json()["entry"][0]["response"]["status"]
        assert (status, codes(found)) == ("400", ["fhir.bundle.url"]), (method, path)
    assert (await fhir.get("/fhir/Patient/p")).json()["meta"]["versionId"] == "1"


@pytest.mark.parametrize("url", ["//[", "http://[bad/Patient/p", "http://a:b/Patient/p"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST"])
async def test_what_cannot_be_read_as_an_address(fhir: httpx.AsyncClient, method: str, url: str) -> None:
    await stored(fhir)
    resource = {"resource": NEW} if method == "POST" else {}
    found = await asked(fhir, {"request": {"method": method, "url": url}, **resource})
    assert (found["response"]["status"], codes(found["response"]["outcome"])) == ("400", ["fhir.bundle.url"])


async def test_a_copy_that_is_not_older(fhir: httpx.AsyncClient) -> None:
    """`ifModifiedSince`, unless `ifNoneMatch` is stated as well (RFC 9110 §13.1.3)."""
    await stored(fhir)
    for since, tag, status in (
        ("2999-01-01T00:00:00Z", None, "304"), ("2001-01-01T00:00:00.123456789Z", None, "200"),
        ("2999-01-01T00:00:00Z", 'W/"7"', "200"), ("2001-01-01T00:00:00Z", 'W/"1"', "304"), ("2016-12-31T23:59:60Z", None, "200"),
    ):  # fmt: skip
        request = {
            "method": "GET",
            "url": "Patient/p",
            "ifModifiedSince": since,
            **({"ifNoneMatch": tag} if tag else {}),
        }
        found = await asked(fhir, {"request": request})
        assert found["response"]["status"][:3] == status and ("resource" in found) is (status == "200"), (since, tag)


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_a_strict_search(fhir: httpx.AsyncClient, kind: str) -> None:
    """`Prefer: handling=strict` holds for the searches of a Bundle; a transaction then writes nothing."""
    entries = [
        {"request": {"method": "POST", "url": "Patient"}, "resource": NEW},
        {"request": {"method": "GET", "url": "Patient?colour=red"}},
    ]
    bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
    lenient = await fhir.post("/fhir", json=bundle)
    assert [each["response"]["status"][:3] for each in lenient.json()["entry"]] == ["201", "200"]
    strict = await fhir.post("/fhir", json=bundle, headers={"prefer": "handling=strict"})
    counted = (await fhir.get("/fhir/Patient?_summary=count")).json()["total"]
    if kind == "transaction":
        assert strict.status_code == 400 and codes(strict.json()) == ["fhir.search.unknown-parameter"] and counted == 1
    else:
        assert [each["response"]["status"][:3] for each in strict.json()["entry"]] == ["201", "400"] and counted == 2


async def test_patches_as_binary(fhir: httpx.AsyncClient) -> None:
    """In each form that has a media type."""
    await stored(fhir)
    operations = [{"op": "replace", "path": "/gender", "value": "male"}]
    for kind, content, gender in (
        ("application/json-patch+json", json.dumps(operations), "male"),
        ("application/merge-patch+json", json.dumps({"gender": "other"}), "other"),
        ("application/xml-patch+xml", '<diff><replace sel="Patient/gender/@value">unknown</replace></diff>', "unknown"),
    ):
        resource = {"resourceType": "Binary", "contentType": kind, "data": base64.b64encode(content.encode()).decode()}
        found = await asked(fhir, {"request": {"method": "PATCH", "url": "Patient/p"}, "resource": resource})
        assert found["response"]["status"] == "200 OK", (kind, found)
        assert (await fhir.get("/fhir/Patient/p")).json()["gender"] == gender
    broken = {"resourceType": "Binary", "contentType": "application/merge-patch+json", "data": "e30="}
    for data in ("e3", "eyI=", "WzFd"):
        entry = {"request": {"method": "PATCH", "url": "Patient/p"}, "resource": {**broken, "data": data}}
        assert (await asked(fhir, entry))["response"]["status"][:3] in ("400", "422"), data
