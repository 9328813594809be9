"""If-Match and If-None-Match on every method, as headers and in Bundles (RFC 9110 §13.1, R4 §3.1.0.7.2)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

BODY: dict[str, Any] = {"resourceType": "Patient", "id": "p"}
PATCH = {"content-type": "application/json-patch+json"}
# The record stands at version 2.
MATCHES = {
    'W/"2"': 200, '"2"': 200, 'W/"1", W/"2"': 200, '"9","2"': 200, "*": 200, 'W/"1"': 412, '"1", "3"': 412, '"two"': 412,
    "2": 400, 'W/"2': 400, '*, "2"': 400,
}  # fmt: skip
EXCLUDES = {"*": 412, 'W/"2"': 412, '"7", "2"': 412, 'W/"1"': 200, '"two"': 200, "2": 400}


async def twice(fhir: httpx.AsyncClient, identity: str = "p") -> None:
    """A record at version 2."""
    for active in (False, True):
        await fhir.put(f"/fhir/Patient/{identity}", json={**BODY, "id": identity, "active": active})


async def written(fhir: httpx.AsyncClient, method: str, headers: dict[str, str], identity: str = "p") -> int:
    path = f"/fhir/Patient/{identity}"
    match method:
        case "PUT":
            answer = await fhir.put(path, json={**BODY, "id": identity}, headers=headers)
        case "PATCH":
            change = b'[{"op": "add", "path": "/gender", "value": "female"}]'
            answer = await fhir.patch(path, content=change, headers=headers | PATCH)
        case _:
            answer = await fhir.delete(path, headers=headers)
    return 200 if answer.status_code == 204 else answer.status_code


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_headers(fhir: httpx.AsyncClient, method: str) -> None:
    cases = [("if-match", t, s) for t, s in MATCHES.items()] + [("if-none-match", t, s) for t, s in EXCLUDES.items()]
    for n, (name, stated, wanted) in enumerate(cases):
        await twice(fhir, f"p{n}")
        assert await written(fhir, method, {name: stated}, f"p{n}") == wanted, (name, stated)
        versions = (await fhir.get(f"/fhir/Patient/p{n}/_history?_count=0")).json()["total"]
        assert versions == (3 if wanted == 200 else 2), (name, stated)


async def test_what_is_not_there(fhir: httpx.AsyncClient) -> None:
    assert await written(fhir, "PUT", {"if-match": "*"}) == 412
    assert await written(fhir, "PUT", {"if-none-match": "*"}) == 201
    await fhir.delete("/fhir/Patient/p")
    assert await written(fhir, "PUT", {"if-match": "*"}) == 412
    assert await written(fhir, "PUT", {"if-none-match": 'W/"2"'}) == 201


async def test_several_headers_are_one_list(fhir: httpx.AsyncClient) -> None:
    await twice(fhir)
    for tags, status in ((('W/"1"', 'W/"2"'), 304), (('W/"1"', 'W/"3"'), 200)):
        headers = [("if-none-match", tag) for tag in tags]
        assert (await fhir.get("/fhir/Patient/p", headers=headers)).status_code == status
    headers = [("if-match", 'W/"1"'), ("if-match", 'W/"2"')]
    assert (await fhir.put("/fhir/Patient/p", json=BODY, headers=headers)).status_code == 200


async def test_in_a_bundle(fhir: httpx.AsyncClient) -> None:
    await twice(fhir)
    cases = [("ifMatch", t, s) for t, s in MATCHES.items()] + [("ifNoneMatch", t, s) for t, s in EXCLUDES.items()]
    for n, (name, stated, wanted) in enumerate(cases):
        version = (await fhir.get("/fhir/Patient/p")).headers["etag"][3:-1]
        request = {"method": "PUT", "url": "Patient/p", name: stated.replace("2", version)}
        entry = {"resource": {**BODY, "active": bool(n % 2)}, "request": request}
        answer = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        assert answer.status_code == wanted, (name, stated, answer.text)


async def test_of_many_that_create_one_does(fhir: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(written(fhir, "PUT", {"if-none-match": "*"}) for _ in range(20)))
    assert sorted(answers) == [201] + [412] * 19


async def test_a_refusal_names_the_header(fhir: httpx.AsyncClient) -> None:
    await twice(fhir)
    for name in ("If-Match", "If-None-Match"):
        told = (await fhir.put("/fhir/Patient/p", json=BODY, headers={name: "2"})).json()["issue"][0]
        assert told["details"]["text"].startswith(name) and told["details"]["coding"][0]["code"] == "fhir.if-match"
