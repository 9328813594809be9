"""gzip in and out of the FHIR door, and smaller answers of the statement."""

from __future__ import annotations

import gzip
import json
import zlib

import httpx
import pytest

from api.http.packing import takes_gzip

PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Souza"}]}
JSON = {"content-type": "application/fhir+json"}


def packed(body: object) -> bytes:
    return gzip.compress(json.dumps(body).encode())


async def test_a_packed_body_is_unpacked(fhir: httpx.AsyncClient) -> None:
    patch = [{"op": "add", "path": "/gender", "value": "female"}]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "Patient/p"}}]}
    for method, path, kind, content in (
        ("PUT", "/Patient/p", "application/fhir+json", packed(PATIENT)),
        ("PATCH", "/Patient/p", "application/json-patch+json", packed(patch)),
        ("POST", "/Patient/_search", "application/x-www-form-urlencoded", gzip.compress(b"name=souza")),
        ("POST", "", "application/fhir+json", packed(bundle)[:20] + packed(bundle)[20:]),
        ("PUT", "/Binary/b", "text/plain", gzip.compress(b"one") + gzip.compress(b" two")),
    ):
        headers = {"content-type": kind, "content-encoding": "gzip"}
        answer = await fhir.request(method, f"/fhir{path}", content=content, headers=headers)
        assert answer.status_code in (200, 201), (path, answer.text)
    assert (await fhir.get("/fhir/Patient/p")).json()["gender"] == "female"
    assert (await fhir.get("/fhir/Binary/b", headers={"accept": "text/plain"})).text == "one two"


@pytest.mark.parametrize(
    ("coding", "content", "status"),
    [
        ("gzip", packed(PATIENT)[:-6], 400),
        ("gzip", json.dumps(PATIENT).encode(), 400),
        ("gzip", gzip.compress(b" " * (21 << 20), 1), 413),
        ("br", packed(PATIENT), 415),
        ("gzip, gzip", packed(PATIENT), 415),
        ("identity", json.dumps(PATIENT).encode(), 201),
    ],
    ids=["cut", "none", "bomb", "other", "twice", "plain"],
)
async def test_what_cannot_be_unpacked(fhir: httpx.AsyncClient, coding: str, content: bytes, status: int) -> None:
    headers = {**JSON, "content-encoding": coding}
    answer = await fhir.put("/fhir/Patient/p", content=content, headers=headers)
    assert answer.status_code == status and answer.json()["resourceType"] in ("OperationOutcome", "Patient")


async def test_long_answers_are_packed_for_who_takes_it(fhir: httpx.AsyncClient) -> None:
    plain = await fhir.get("/fhir/metadata", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    async with fhir.stream("GET", "/fhir/metadata", headers={"accept-encoding": "gzip;q=0.5"}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip" and int(answer.headers["content-length"]) == len(raw)
    assert "Accept-Encoding" in answer.headers["vary"] and len(raw) * 10 < len(plain.content)
    assert zlib.decompress(raw, zlib.MAX_WBITS | 16) == plain.content
    assert answer.headers["etag"] == plain.headers["etag"]
    again = await fhir.get("/fhir/metadata", headers={"if-none-match": plain.headers["etag"]})
    assert again.status_code == 304 and not again.content and "content-encoding" not in again.headers
    short = await fhir.put("/fhir/Patient/p", json=PATIENT)
    assert "content-encoding" not in short.headers
    picture = {**JSON, "content-type": "image/png"}
    await fhir.put("/fhir/Binary/b", content=b"\x00" * 9000, headers=picture)
    assert "content-encoding" not in (await fhir.get("/fhir/Binary/b", headers={"accept": "image/png"})).headers


@pytest.mark.parametrize(
    ("header", "taken"),
    [("gzip", True), ("br, GZIP;q=0.2", True), ("*", True), ("gzip;q=0", False), ("gzip;q=0.00", False), ("br", False)],
)
def test_who_takes_gzip(header: str, taken: bool) -> None:
    assert takes_gzip(header) is taken


async def test_parts_of_the_statement(fhir: httpx.AsyncClient) -> None:
    whole = await fhir.get("/fhir/metadata")
    brief = await fhir.get("/fhir/metadata?_summary=true")
    found = brief.json()
    assert found["fhirVersion"] == "4.0.1" and len(brief.content) * 5 < len(whole.content)
    assert "searchParam" not in found["rest"][0]["resource"][0]
    assert found["meta"]["tag"][0]["code"] == "SUBSETTED"
    some = await fhir.get("/fhir/metadata?_elements=software")
    assert "software" in some.json() and "rest" not in some.json()
    assert len({answer.headers["etag"] for answer in (whole, brief, some)}) == 3
    tag = {"if-none-match": some.headers["etag"]}
    assert (await fhir.get("/fhir/metadata?_elements=software", headers=tag)).status_code == 304
    assert (await fhir.get("/fhir/metadata", headers=tag)).status_code == 200
