"""Searches along hierarchies of records and of media types, and parts of records named by type (R4 §3.1.1.4, §3.1.1.5.9)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio

from hub.find.ahead import kin
from hub.world import Tenant
from tests.api.conftest import NewClient


def place(name: str, within: str = "") -> dict[str, Any]:
    up = {"partOf": {"reference": f"Location/{within}"}} if within else {}
    return {
        "resourceType": "Location",
        "id": name,
        "name": name,
        "status": "suspended" if name == "bed" else "active",
        **up,
    }


def file(name: str, media: str) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": name,
        "status": "current",
        "content": [{"attachment": {"contentType": media}}],
    }


HOUSE: list[dict[str, Any]] = [
    place("house"), place("floor", "house"), place("room", "floor"), place("bed", "room"), place("annex", "house"),
    place("east", "west"), place("west", "east"),
    {"resourceType": "Patient", "id": "p", "active": True, "gender": "female", "birthDate": "1990-01-01"},
    *({"resourceType": "Procedure", "id": at, "status": "completed", "subject": {"reference": "Patient/p"}, "location": {"reference": f"Location/{at}"}}
      for at in ("house", "floor", "room", "bed", "annex", "west", "gone")),
    {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Location/room"}, "valueString": "v"},
    file("plain", "text/xml"), file("said", "text/xml; charset=utf-8"), file("scan", "image/png"), file("photo", "image/jpeg"), file("odd", "imagery/png"),
]  # fmt: skip


@pytest_asyncio.fixture
async def house(fhir: httpx.AsyncClient) -> httpx.AsyncClient:
    entries = [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in HOUSE]
    done = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert done.status_code == 200, done.text
    return fhir


async def ids(client: httpx.AsyncClient, url: str) -> list[str]:
    answer = await client.get(f"/fhir/{url}")
    assert answer.status_code == 200, answer.text
    return sorted(e["resource"]["id"] for e in answer.json().get("entry", ()) if e["search"]["mode"] == "match")


FOUND = {
    "Procedure?location:below=house": "annex bed floor house room",
    "Procedure?location:below=Location/floor": "bed floor room",
    "Procedure?location:below=annex,room": "annex bed room",
    "Procedure?location:below=gone": "gone",
    "Procedure?location:below=east": "west",
    "Procedure?location:above=room": "floor house room",
    "Procedure?location:above=house": "house",
    "Procedure?location:above=west": "west",
    "Procedure?location:below=house&location:above=floor": "floor house",
    "Location?partof:below=floor": "bed room",
    "Location?partof:above=room": "annex bed floor room",
    "Observation?subject:below=Location/house": "o",
    "Patient?_has:Procedure:patient:location:below=annex": "p",
    "Observation?subject:Location.partof:below=house": "o",
    "Procedure?_filter=status eq completed&location:below=annex": "annex",
    "DocumentReference?contenttype=text/xml": "plain",
    "DocumentReference?contenttype:below=text/xml": "plain said",
    "DocumentReference?contenttype:below=image": "photo scan",
    "DocumentReference?contenttype:below=image/png,text": "plain said scan",
    "DocumentReference?contenttype:below=audio": "",
    "DocumentReference?contenttype:above=text/xml;charset=utf-8": "plain",
    "DocumentReference?contenttype:above=image/png": "scan",
}


@pytest.mark.parametrize("query", FOUND)
async def test_above_and_below(house: httpx.AsyncClient, query: str) -> None:
    assert await ids(house, query) == FOUND[query].split()


async def test_our_own_address_is_meant_too(house: httpx.AsyncClient) -> None:
    (entry,) = (await house.get("/fhir/Location?_id=floor")).json()["entry"]
    assert await ids(house, f"Procedure?location:below={entry['fullUrl']}") == ["bed", "floor", "room"]


@pytest.mark.parametrize(
    "query", ["Observation?subject:below=p", "Observation?subject:below=Patient/p", "Patient?link:below=p", "Procedure?location:below=Patient/p", "Procedure?patient:above=p"]
)  # fmt: skip
async def test_what_has_no_hierarchy_is_refused(house: httpx.AsyncClient, query: str) -> None:
    assert (await house.get(f"/fhir/{query}")).status_code == 400


async def test_a_hierarchy_is_walked_by_who_sees_its_type(
    house: httpx.AsyncClient, client_for: NewClient, tenant: Tenant
) -> None:
    """All of the type, not some records of it: a bed that is not shown would be told by what is in it."""
    asked = "/fhir/Procedure?location:below=house"
    for scopes, status in (
        (["system/Procedure.rs", "system/Location.rs"], 200),
        (["system/Procedure.rs"], 403),
        (["system/Procedure.rs", "system/Location.rs?status=active"], 403),
    ):
        assert (await (await client_for(tenant, scopes)).get(asked)).status_code == status, scopes


async def test_a_hierarchy_has_a_bound(house: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kin, "MOST_KIN", 4)
    assert (await house.get("/fhir/Procedure?location:below=house")).status_code == 400
    assert await ids(house, "Procedure?location:below=floor") == ["bed", "floor", "room"]


async def test_elements_named_by_type(house: httpx.AsyncClient) -> None:
    """A name with its type counts for records of that type only, found or included; without one for what is found."""
    asked = "/fhir/Procedure?_id=house&_include=Procedure:patient&_elements="
    keys = {"resourceType", "id", "meta"}
    whole = {*keys, "active", "gender", "birthDate"}
    for names, procedure, patient in (
        ("Patient.gender", {*keys, "status", "subject", "location"}, {*keys, "gender"}),
        ("Procedure.location,Patient.gender", {*keys, "status", "subject", "location"}, {*keys, "gender"}),
        ("status", {*keys, "status", "subject"}, whole),
        ("Procedure.status", {*keys, "status", "subject"}, whole),
    ):
        entries = (await house.get(asked + names)).json()["entry"]
        shown = {e["resource"]["resourceType"]: set(e["resource"]) for e in entries}
        assert shown == {"Procedure": procedure, "Patient": patient}, names
    assert set((await house.get("/fhir/Patient/p?_elements=Patient.gender")).json()) == {*keys, "gender"}
