"""Binary in its own form: content in, content out, and as a resource where FHIR is spoken of."""

from __future__ import annotations

import base64

import httpx
import pytest

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
FHIR = {"accept": "application/fhir+json"}


async def test_content_goes_in_and_out(fhir: httpx.AsyncClient) -> None:
    headers = {"content-type": "image/png", "x-security-context": "Patient/p", **FHIR}
    made = await fhir.post("/fhir/Binary", content=PICTURE, headers=headers)
    assert made.status_code == 201 and made.json()["contentType"] == "image/png"
    assert made.json()["securityContext"] == {"reference": "Patient/p"}
    url = f"/fhir/Binary/{made.json()['id']}"
    for accept in ("*/*", "image/png", "image/*", "text/html,*/*;q=0.5"):
        answer = await fhir.get(url, headers={"accept": accept})
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, PICTURE, "image/png")
        assert (
            answer.headers["x-content-type-options"] == "nosniff"
            and "sandbox" in answer.headers["content-security-policy"]
        )
        assert answer.headers["etag"] == 'W/"1"'
    assert (await fhir.get(url + "/_history/1", headers={"accept": "image/png"})).content == PICTURE
    assert (await fhir.head(url)).headers["content-type"] == "image/png"
    unchanged = await fhir.get(url, headers={"accept": "image/png", "if-none-match": 'W/"1"'})
    assert unchanged.status_code == 304
    other = await fhir.get(url, headers={"accept": "text/plain"})
    assert other.status_code == 406 and other.json()["resourceType"] == "OperationOutcome"


async def test_as_a_resource_where_fhir_is_named(fhir: httpx.AsyncClient) -> None:
    body = {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": base64.b64encode(b"oi").decode()}
    assert (await fhir.put("/fhir/Binary/b", json=body, headers=FHIR)).status_code == 201
    assert (await fhir.get("/fhir/Binary/b")).content == b"oi"
    for query, headers in (("", FHIR), ("?_format=json", {}), ("", {"accept": "application/json"})):
        assert (await fhir.get(f"/fhir/Binary/b{query}", headers=headers)).json()["data"] == body["data"]
    assert b"<Binary" in (await fhir.get("/fhir/Binary/b?_format=xml")).content
    changed = await fhir.put(
        "/fhir/Binary/b", content=b"<p>", headers={"content-type": "text/html; charset=utf-8", **FHIR}
    )
    assert changed.status_code == 200 and changed.json()["id"] == "b"
    assert (await fhir.get("/fhir/Binary/b")).headers["content-type"] == "text/html; charset=utf-8"
    assert (await fhir.get("/fhir/Binary/b/_history")).json()["total"] == 2
    assert (await fhir.get("/fhir/Binary?_id=b")).json()["total"] == 1


@pytest.mark.parametrize(("path", "status"), [("/fhir/Binary/none", 404), ("/fhir/Patient/none", 406)])
async def test_what_is_not_there(fhir: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await fhir.get(path, headers={"accept": "image/png"})
    assert answer.status_code == status and answer.json()["resourceType"] == "OperationOutcome"
    wrong = await fhir.post("/fhir/Patient", content=b"x", headers={"content-type": "image/png"})
    assert wrong.status_code == 415
