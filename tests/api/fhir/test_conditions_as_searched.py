"""A condition means what the same words mean as a search (R4 §3.1.0.8.1), wherever it stands: in the header
`If-None-Exist`, in `ifNoneExist` of a Bundle, in the address of an update or a deletion."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

MARY = {
    "resourceType": "Patient",
    "id": "mary",
    "meta": {"tag": [{"code": "azul"}, {"code": "verde"}]},
    "name": [{"family": "Neves Sá"}],
    "birthDate": "1980-06-01",
    "identifier": [{"system": "urn:mrn", "value": "ne12+b&c=d,e"}],
}
# What would be found if letters of a comparison were cut off, or if one of two conditions were left out.
DECOYS = (
    {"name": [{"family": "Ves"}], "identifier": [{"system": "urn:mrn", "value": "12+b&c=d,e"}]},
    {"birthDate": "1970-06-01", "meta": {"tag": [{"code": "verde"}]}},
    {"birthDate": "1990-06-01", "meta": {"tag": [{"code": "azul"}]}},
)
FINDS = {
    "family=Neves": True,
    "family=Neves+S%C3%A1": True,
    "family=Neves%20S%C3%A1": True,
    "family%3Aexact=Neves%20S%C3%A1": True,
    "family:exact=Neves%2BS%C3%A1": False,
    "identifier=urn%3Amrn%7Cne12%2Bb%26c%3Dd%5C%2Ce": True,
    "identifier=ne12%2Bb%26c%3Dd%5C,e": True,
    "identifier=ne12%2Bb%26c%3Dd%2Ce": False,  # a comma that separates two values
    "identifier=absent%2Cne12%2Bb%26c%3Dd%5C%2Ce": True,
    "identifier=ne12+b%26c%3Dd%5C%2Ce": False,
    "birthdate=ge1980-01-01&birthdate=le1980-12-31": True,
    "_tag=azul&_tag=verde": True,
    "_tag=azul&_tag=branco": False,
}


@pytest_asyncio.fixture
async def ward(fhir: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    assert (await fhir.put("/fhir/Patient/mary", json=MARY)).status_code == 201
    for number, decoy in enumerate(DECOYS):
        body = {"resourceType": "Patient", "id": f"d{number}", **decoy}
        assert (await fhir.put(f"/fhir/Patient/d{number}", json=body)).status_code == 201
    yield fhir


def transaction(**request: Any) -> dict[str, Any]:
    entry = {"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient", **request}}
    return {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}


@pytest.mark.parametrize(("words", "finds"), FINDS.items())
async def test_it_finds_what_a_search_finds(ward: httpx.AsyncClient, words: str, finds: bool) -> None:
    found = (await ward.get(f"/fhir/Patient?{words}")).json()
    assert [each["resource"]["id"] for each in found.get("entry", ())] == (["mary"] if finds else [])
    made = await ward.post("/fhir/Patient", json={"resourceType": "Patient"}, headers={"if-none-exist": words})
    assert made.status_code == (200 if finds else 201)
    bundled = (await ward.post("/fhir", json=transaction(ifNoneExist=words))).json()
    assert bundled["entry"][0]["response"]["status"][:3] == ("200" if finds else "201")
    changed = await ward.put(f"/fhir/Patient?{words}", json={**MARY, "id": "mary" if finds else "new", "active": True})
    assert changed.status_code == (200 if finds else 201)
    assert (await ward.delete(f"/fhir/Patient?{words}")).status_code == 204
    gone = [(await ward.get(f"/fhir/Patient/{name}")).status_code for name in ("mary", "d0", "d1", "d2")]
    assert gone == [410 if finds else 200, 200, 200, 200]
