"""history of a type and of the system (R4 §3.1.0.9): order, `_since`, `_at`, `_count`, pages, and what scopes show."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

import httpx
import pytest

from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.world import Tenant, World
from tests.api.conftest import NewClient

_PUTS = itertools.count()


async def put(client: httpx.AsyncClient, type_name: str, identity: str, **rest: Any) -> str:
    """Store a record, which says something new each time; the moment just after."""
    body = {"resourceType": type_name, "id": identity, "meta": {"source": f"urn:put:{next(_PUTS)}"}, **rest}
    assert (await client.put(f"/fhir/{type_name}/{identity}", json=body)).status_code in (200, 201)
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def versions(page: dict[str, Any]) -> list[str]:
    assert page["type"] == "history"
    return [
        f"{e['fullUrl'].split('/fhir/')[1]}/{e['response']['etag'][3:-1]}{'-' if 'resource' not in e else ''}"
        for e in page.get("entry", ())
    ]


@pytest.mark.parametrize("path", ["Patient/_history", "_history"])
async def test_pages(fhir: httpx.AsyncClient, path: str) -> None:
    for n in range(7):
        await put(fhir, "Patient", f"p{n % 3}")
    await fhir.delete("/fhir/Patient/p0")
    seen: list[str] = []
    url = f"/fhir/{path}?_count=3"
    while url:
        page = (await fhir.get(url)).json()
        assert len(page["entry"]) <= 3
        seen += versions(page)
        await put(fhir, "Patient", f"later{len(seen)}")
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert seen == ["Patient/p0/4-", *(f"Patient/p{n % 3}/{n // 3 + 1}" for n in range(6, -1, -1))]


async def test_methods_and_status(fhir: httpx.AsyncClient) -> None:
    made = (await fhir.post("/fhir/Patient", json={"resourceType": "Patient"})).json()["id"]
    await put(fhir, "Patient", made)
    await fhir.delete(f"/fhir/Patient/{made}")
    page = (await fhir.get("/fhir/Patient/_history")).json()
    assert [(e["request"]["method"], e["response"]["status"]) for e in page["entry"]] == [
        ("DELETE", "204"), ("PUT", "200"), ("POST", "201")]  # fmt: skip
    assert page["total"] == 3
    await put(fhir, "Patient", made)
    await put(fhir, "Patient", "own")
    page = (await fhir.get("/fhir/Patient/_history?_count=2")).json()
    asked = [(e["request"]["method"], e["request"]["url"]) for e in page["entry"]]
    assert asked == [("PUT", "Patient/own"), ("PUT", f"Patient/{made}")]  # who repeats it elsewhere keeps the ids


async def test_since_and_at(fhir: httpx.AsyncClient) -> None:
    first = await put(fhir, "Patient", "a")
    second = await put(fhir, "Patient", "a", gender="male")
    await put(fhir, "Organization", "o", name="x")
    for path in ("Patient/_history", "Patient/a/_history"):
        assert versions((await fhir.get(f"/fhir/{path}?_since={first}")).json()) == ["Patient/a/2"]
        assert versions((await fhir.get(f"/fhir/{path}?_at={first}")).json()) == ["Patient/a/1"]
        assert versions((await fhir.get(f"/fhir/{path}?_at={second}")).json()) == ["Patient/a/2"]
        assert versions((await fhir.get(f"/fhir/{path}?_at=2001")).json()) == []
    assert versions((await fhir.get(f"/fhir/_history?_since={second}")).json()) == ["Organization/o/1"]
    for wrong in ("_since=x", "_at=x", "_count=x", "_cursor=x", "_cursor=W251bGwsMV0"):
        assert (await fhir.get(f"/fhir/Patient/_history?{wrong}")).status_code == 400, wrong


async def test_only_what_may_be_read(fhir: httpx.AsyncClient, client_for: NewClient, tenant: Tenant) -> None:
    await put(fhir, "Patient", "a")
    await put(fhir, "Organization", "o", name="x")
    partner = await client_for(tenant, ["system/Organization.r"])
    assert versions((await partner.get("/fhir/_history")).json()) == ["Organization/o/1"]
    assert (await partner.get("/fhir/Patient/_history")).status_code == 403
    nobody = await client_for(tenant, ["hl7"])
    assert (await nobody.get("/fhir/_history")).status_code == 403


async def test_other_tenants_are_not_there(
    fhir: httpx.AsyncClient, client_for: NewClient, other_tenant: Tenant
) -> None:
    await put(fhir, "Patient", "a")
    stranger = await client_for(other_tenant)
    assert versions((await stranger.get("/fhir/Patient/_history")).json()) == []
    assert versions((await stranger.get("/fhir/_history")).json()) == []


async def test_pages_of_one_record_have_its_total_and_the_way_back(fhir: httpx.AsyncClient) -> None:
    for born in ("2001", "2002", "2003"):
        await fhir.put("/fhir/Patient/t", json={"resourceType": "Patient", "id": "t", "birthDate": born})
    page = (await fhir.get("/fhir/Patient/t/_history?_count=2")).json()
    links = {link["relation"]: link["url"] for link in page["link"]}
    assert page["total"] == 3 and len(page["entry"]) == 2 and links["first"] == links["self"]
    last = (await fhir.get(links["next"])).json()
    back = {link["relation"]: link["url"] for link in last["link"]}
    assert last["total"] == 3 and len(last["entry"]) == 1 and "next" not in back and back["first"] == links["self"]
    again = (await fhir.get(back["previous"])).json()
    assert versions(again) == versions(page) and "previous" not in {link["relation"] for link in again["link"]}


@pytest.mark.parametrize("path", ["Patient/_history", "_history", "Patient/p0/_history"])
async def test_pages_go_back_as_they_came(fhir: httpx.AsyncClient, path: str) -> None:
    for n in range(7):
        await put(fhir, "Patient", f"p{n % 2}", gender=("male", "female")[n // 2 % 2])
    url, seen, last = f"/fhir/{path}?_count=2", [], ""
    while url:
        page = (await fhir.get(url)).json()
        seen += versions(page)
        last, url = url, next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert page["total"] == len(seen) == (4 if "p0" in path else 7)
    back: list[str] = []
    await put(fhir, "Patient", "p0", gender="unknown")  # written meanwhile: newer than all that was seen
    while last:
        page = (await fhir.get(last)).json()
        assert len(page["entry"]) <= 2
        back = versions(page) + back
        last = next((link["url"] for link in page["link"] if link["relation"] == "previous"), "")
    assert back == ["Patient/p0/5", *seen]


@pytest.mark.parametrize("path", ["Patient/_history", "_history", "Patient/p0/_history"])
async def test_the_oldest_first(fhir: httpx.AsyncClient, path: str) -> None:
    for n in range(7):
        await put(fhir, "Patient", f"p{n % 2}")
    whole = versions((await fhir.get(f"/fhir/{path}?_sort=-_lastUpdated")).json())
    assert whole == versions((await fhir.get(f"/fhir/{path}")).json())
    url, seen, last = f"/fhir/{path}?_sort=_lastUpdated&_count=3", [], ""
    while url:
        page = (await fhir.get(url)).json()
        seen += versions(page)
        last, url = url, next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert seen == whole[::-1]
    back: list[str] = []
    while last:
        page = (await fhir.get(last)).json()
        back = versions(page) + back
        last = next((link["url"] for link in page["link"] if link["relation"] == "previous"), "")
    assert back == seen


async def test_parameters_it_does_not_have(fhir: httpx.AsyncClient) -> None:
    await put(fhir, "Patient", "p")
    for path in ("Patient/_history", "_history", "Patient/p/_history"):
        page = await fhir.get(f"/fhir/{path}?name=x&_count=5")
        assert page.status_code == 200 and page.json()["link"][0]["url"].endswith("_history?_count=5")
        strict = await fhir.get(f"/fhir/{path}?name=x", headers={"prefer": "handling=strict"})
        assert strict.status_code == 400 and strict.json()["issue"][0]["expression"] == ["name"]
        for refused in ("_list=1", "_sort=name", "_sort=_id"):
            assert (await fhir.get(f"/fhir/{path}?{refused}")).status_code == 400, refused


@pytest.mark.parametrize("path", ["Patient/p/_history", "Patient/_history", "_history"])
@pytest.mark.parametrize("order", ["", "&_sort=_lastUpdated"])
async def test_the_last_page(fhir: httpx.AsyncClient, path: str, order: str) -> None:
    for _ in range(5):
        await put(fhir, "Patient", "p")
    all_of_it = versions((await fhir.get(f"/fhir/{path}?_count=50{order}")).json())
    first = (await fhir.get(f"/fhir/{path}?_count=2{order}")).json()
    links = {link["relation"]: link["url"] for link in first["link"]}
    last = (await fhir.get(links["last"])).json()
    assert versions(last) == all_of_it[-2:] and last["total"] == 5
    back = {link["relation"]: link["url"] for link in last["link"]}
    assert "next" not in back and back["last"] == links["last"]
    assert versions((await fhir.get(back["previous"])).json()) == all_of_it[1:3]
    assert "last" not in {link["relation"] for link in (await fhir.get(f"/fhir/{path}")).json()["link"]}


async def test_a_span_in_two_halves(fhir: httpx.AsyncClient) -> None:
    """`_at` takes the prefixes of a date search, as HAPI's client writes a range."""
    first = await put(fhir, "Patient", "p")
    second = await put(fhir, "Patient", "p", active=True)
    for query, expected in (
        ("_at=ge2020&_at=le2100", ["2", "1"]), (f"_at=lt{second}", ["2", "1"]), (f"_at=lt{first}", ["1"]),
        (f"_at=gt{second}", ["2"]), ("_at=gt2099", ["2"]), ("_at=eb2020", []), (f"_at={first}", ["1"]),
    ):  # fmt: skip
        page = (await fhir.get(f"/fhir/Patient/_history?{query}")).json()
        assert [each.rpartition("/")[2] for each in versions(page)] == expected, query
    for wrong in ("_at=ne2020", "_at=ap2020", "_at=ge2021&_at=le2020", "_at=ge", "_at=xx"):
        assert (await fhir.get(f"/fhir/Patient/_history?{wrong}")).status_code == 400, wrong


async def test_a_version_is_never_older_than_the_one_before(
    fhir: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    """A writer that began earlier and had to wait, or a clock that was set back."""
    for minutes, family in ((0, "Prima"), (-5, "Secunda"), (-90, "Tertia")):
        now = world.now() + datetime.timedelta(minutes=minutes)
        body = {"resourceType": "Patient", "name": [{"family": family}]}
        async with world.transaction(tenant) as tx:
            await save(tx, [Write(type="Patient", id="p", body=body)], Origin(actor="test", now=now, zone=tenant.zone))
    for path in ("Patient/p/_history", "Patient/_history", "_history"):
        entries = (await fhir.get(f"/fhir/{path}")).json()["entry"]
        told = [(e["resource"]["meta"]["versionId"], e["resource"]["meta"]["lastUpdated"]) for e in entries]
        assert [version for version, _ in told] == ["3", "2", "1"] and len({moment for _, moment in told}) == 1
    second = entries[1]["resource"]["meta"]["lastUpdated"]
    since = (await fhir.get("/fhir/Patient/p/_history", params={"_since": second})).json()["entry"]
    assert since[0]["resource"]["name"][0]["family"] == "Tertia"
    searched = await fhir.get("/fhir/Patient", params={"_lastUpdated": f"ge{second}"})
    assert [e["resource"]["meta"]["versionId"] for e in searched.json()["entry"]] == ["3"]


async def test_the_total_alone(fhir: httpx.AsyncClient) -> None:
    for _ in range(3):
        await put(fhir, "Patient", "p")
    for path in ("Patient/p/_history", "Patient/_history", "_history"):
        page = (await fhir.get(f"/fhir/{path}?_summary=count")).json()
        assert page["total"] == 3 and "entry" not in page, path
