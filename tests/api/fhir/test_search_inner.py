"""Contained resources are found as themselves where they are asked for (`_contained`, R4 §3.1.1.5.8)."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from hub.records import index
from hub.records import reindex as anew
from hub.world import Tenant, World
from tests.api.conftest import NewClient

ORDER: dict[str, Any] = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
Client = httpx.AsyncClient


def medicine(name: str, code: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Medication", "id": name, "code": {"coding": [{"system": "urn:d", "code": code}]}, **more}


def order(name: str, *contained: dict[str, Any], subject: str = "Patient/p1") -> dict[str, Any]:
    """A prescription of the first medicine it contains, which names the others beside it."""
    body = {**ORDER, "id": name, "subject": {"reference": subject}}
    if not contained:
        return {**body, "medicationReference": {"reference": "Medication/own"}}
    first, *others = [{"reference": f"#{each['id']}"} for each in contained]
    beside = [{"url": "urn:x", "valueReference": each} for each in others]
    stated = {"extension": beside} if beside else {}
    return {**body, "contained": list(contained), "medicationReference": first, **stated}


async def put(client: Client, body: dict[str, Any]) -> None:
    answer = await client.put(f"/fhir/{body['resourceType']}/{body['id']}", json=body)
    assert answer.status_code in (200, 201), answer.text


MAKER = {"manufacturer": {"reference": "Organization/maker"}}
RECORDS: tuple[dict[str, Any], ...] = (
    {"resourceType": "Organization", "id": "maker", "name": "Laboratório Azul"},
    {"resourceType": "Patient", "id": "p1", "name": [{"family": "Prado"}]},
    {"resourceType": "Patient", "id": "p2", "name": [{"family": "Lima"}]},
    medicine("own", "a", status="active"),
    order("o1", medicine("m", "a", status="active", **MAKER), medicine("n", "b", status="inactive")),
    order("o2", medicine("m", "a", status="inactive"), medicine("n", "a", status="active"), subject="Patient/p2"),
    order("o3"),
    {"resourceType": "Observation", "id": "obs", "status": "final", "code": {"text": "x"}, "subject": {"reference": "#p"},
     "contained": [{"resourceType": "Patient", "id": "p", "name": [{"family": "Prado"}], "gender": "female"}]},
)  # fmt: skip


@pytest.fixture
async def ward(fhir: Client) -> Client:
    for body in RECORDS:
        await put(fhir, body)
    return fhir


async def found(client: Client, query: str) -> list[str]:
    """The addresses of all entries of all pages, each of which must be a match."""
    seen: list[str] = []
    url = f"/fhir/{query}"
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200, (query, answer.text)
        page = answer.json()
        assert all(each["search"]["mode"] == "match" for each in page.get("entry", ())), query
        seen += [each["fullUrl"].partition("/fhir/")[2] for each in page.get("entry", ())]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    return seen


O1, O2 = "MedicationRequest/o1", "MedicationRequest/o2"
FOUND: tuple[tuple[str, list[str], list[str]], ...] = (
    ("Medication?code=a", [f"{O1}#m", f"{O2}#m", f"{O2}#n"], [O1, O2]),
    ("Medication?code=urn:d|a&status=active", [f"{O1}#m", f"{O2}#n"], [O1, O2]),
    ("Medication?code=b&status=active", [], []),  # one resource must meet all
    ("Medication?code=a,b", [f"{O1}#m", f"{O1}#n", f"{O2}#m", f"{O2}#n"], [O1, O2]),
    ("Medication?", [f"{O1}#m", f"{O1}#n", f"{O2}#m", f"{O2}#n"], [O1, O2]),
    ("Medication?status:not=active", [f"{O1}#n", f"{O2}#m"], [O1, O2]),
    ("Medication?manufacturer:missing=true", [f"{O1}#n", f"{O2}#m", f"{O2}#n"], [O1, O2]),
    ("Medication?manufacturer:missing=false", [f"{O1}#m"], [O1]),
    ("Medication?manufacturer=Organization/maker", [f"{O1}#m"], [O1]),
    ("Medication?manufacturer.name=lab", [f"{O1}#m"], [O1]),
    ("Medication?_filter=code eq a and not (status eq active)", [f"{O2}#m"], [O2]),
    ("Patient?family=prado", ["Observation/obs#p"], ["Observation/obs"]),
    ("Patient?family:contains=rad&gender=female", ["Observation/obs#p"], ["Observation/obs"]),
    ("Patient?family:exact=prado", [], []),
    ("Organization?name=lab", [], []),
)


@pytest.mark.parametrize("count", [1, 2, 50])
async def test_contained_resources_or_what_contains_them(ward: Client, count: int) -> None:
    for query, inner, outer in FOUND:
        for kind, expected in (("&_containedType=contained", inner), ("&_containedType=container", outer), ("", outer)):
            asked = f"{query}&_contained=true{kind}"
            assert await found(ward, f"{asked}&_count={count}") == expected, asked
            for total in ("_summary=count", f"_total=accurate&_count={count}", "_total=estimate", "_count=0"):
                assert (await ward.get(f"/fhir/{asked}&{total}")).json()["total"] == len(expected), (asked, total)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 50])
async def test_both(ward: Client, count: int) -> None:
    """Records as themselves come behind what is contained, whichever page they begin on."""
    asked = "Medication?code=a&_contained=both"
    assert await found(ward, f"{asked}&_count={count}") == [O1, O2, "Medication/own"]
    shown = await found(ward, f"{asked}&_containedType=contained&_count={count}")
    assert shown == [f"{O1}#m", f"{O2}#m", f"{O2}#n", "Medication/own"]
    for total in ("_summary=count", f"_total=accurate&_count={count}"):
        assert (await ward.get(f"/fhir/{asked}&{total}")).json()["total"] == 3
        assert (await ward.get(f"/fhir/{asked}&_containedType=contained&{total}")).json()["total"] == 4
    assert await found(ward, "Medication?code=a") == ["Medication/own"]
    assert await found(ward, "Medication?code=a&_contained=false") == ["Medication/own"]
    assert await found(ward, f"Medication?code=b&_contained=both&_count={count}") == [O1]
    assert await found(ward, f"Organization?name=lab&_contained=both&_count={count}") == ["Organization/maker"]


async def test_a_record_that_contains_its_like_is_shown_once(ward: Client) -> None:
    inner = {"resourceType": "Organization", "id": "up", "name": "Grupo Azul"}
    whole = {"resourceType": "Organization", "id": "unit", "name": "Grupo Azul", "partOf": {"reference": "#up"}}
    await put(ward, {**whole, "contained": [inner]})
    asked = "Organization?name=grupo&_contained=both"
    assert await found(ward, asked) == ["Organization/unit"]
    assert (await ward.get(f"/fhir/{asked}&_summary=count")).json()["total"] == 1
    assert await found(ward, f"{asked}&_containedType=contained") == ["Organization/unit#up", "Organization/unit"]


async def test_what_is_shown(ward: Client) -> None:
    """The contained resource alone with every digit it was written with, whole or in part; POST asks the same."""
    amount = '{"numerator":{"value":1.50},"denominator":{"value":1.0}}'
    body = (
        '{"resourceType":"MedicationRequest","id":"digits","status":"active","intent":"order","subject":{"display":"x"},'
        '"medicationReference":{"reference":"#m"},"contained":[{"resourceType":"Medication","id":"m","status":"active",'
        f'"code":{{"coding":[{{"code":"digits"}}]}},"amount":{amount}}}]}}'
    )
    await ward.put("/fhir/MedicationRequest/digits", content=body, headers={"content-type": "application/fhir+json"})
    asked = "/fhir/Medication?code=digits&_contained=true&_containedType=contained"
    answer = await ward.get(asked)
    assert amount in answer.text
    (entry,) = answer.json()["entry"]
    assert entry["resource"]["resourceType"] == "Medication" and entry["resource"]["id"] == "m"
    assert answer.json()["link"][0]["url"].endswith("?code=digits&_contained=true&_containedType=contained")
    (part,) = (await ward.get(f"{asked}&_elements=status")).json()["entry"]
    assert set(part["resource"]) == {"resourceType", "id", "meta", "status"}
    form = {"code": "digits", "_contained": "true", "_containedType": "contained"}
    assert (await ward.post("/fhir/Medication/_search", data=form)).json()["entry"] == [entry]
    for kind in ("batch", "transaction"):
        request = {"method": "GET", "url": asked.removeprefix("/fhir/")}
        answer = await ward.post(
            "/fhir", json={"resourceType": "Bundle", "type": kind, "entry": [{"request": request}]}
        )
        assert answer.json()["entry"][0]["resource"]["entry"] == [entry], kind


REFUSED = (
    "Medication?code=a&_sort=_id", "Medication?code=a&_include=Medication:manufacturer", "Medication?_id=m",
    "Medication?code=a&_revinclude=MedicationRequest:medication", "Medication?_lastUpdated=gt2020", "Medication?_content=x",
    "Observation?code-value-quantity=x$5", "Medication?_list=1", "Patient?_has:Observation:patient:code=x",
    "?_type=Medication,Patient", "Location?near=1|1",
)  # fmt: skip


@pytest.mark.parametrize("query", REFUSED)
@pytest.mark.parametrize("which", ["true", "both"])
async def test_what_does_not_go_with_it(ward: Client, query: str, which: str) -> None:
    answer = await ward.get(f"/fhir/{query}&_contained={which}")
    assert answer.status_code == 400 and "_contained" in answer.json()["issue"][0]["diagnostics"]


async def test_conditions_of_writes_mean_records(ward: Client) -> None:
    """What a record contains is nothing to be replaced or removed."""
    asked = "/fhir/Medication?code=b&_contained=true"
    for answer in (await ward.delete(asked), await ward.put(asked, json=medicine("x", "b"))):
        assert answer.status_code == 400, answer.text
    created = await ward.post(
        "/fhir/Medication", json=medicine("x", "b"), headers={"if-none-exist": "code=b&_contained=true"}
    )
    assert created.status_code == 400


async def test_compartments(ward: Client) -> None:
    inner = {"resourceType": "Observation", "id": "i", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/p2"}}  # fmt: skip
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "x"}, "contained": [inner], "result": [{"reference": "#i"}]}  # fmt: skip
    await put(ward, report)
    assert await found(ward, "Patient/p2/Observation?_contained=true") == ["DiagnosticReport/r"]
    assert await found(ward, "Patient/p1/Observation?_contained=true") == []


async def test_both_types_must_be_permitted(ward: Client, client_for: NewClient, tenant: Tenant) -> None:
    """The one that is searched, and of what contains it each record must be readable."""
    asked = "Medication?code=a&_contained=true"
    medicines = await client_for(tenant, ["system/Medication.rs"])
    assert await found(medicines, asked) == []
    assert (await medicines.get(f"/fhir/{asked}&_summary=count")).json()["total"] == 0
    assert await found(medicines, "Medication?code=a&_contained=both") == ["Medication/own"]
    orders = await client_for(tenant, ["system/MedicationRequest.rs"])
    assert (await orders.get(f"/fhir/{asked}")).status_code == 403
    whole = await client_for(tenant, ["system/Medication.rs", "system/MedicationRequest.rs"])
    assert await found(whole, asked) == [O1, O2]
    some = await client_for(tenant, ["system/Medication.rs", "system/MedicationRequest.rs?patient=Patient/p2"])
    for count in (1, 50):
        assert await found(some, f"{asked}&_count={count}") == [O2]
        assert await found(some, f"{asked}&_containedType=contained&_count={count}") == [f"{O2}#m", f"{O2}#n"]
    assert (await some.get(f"/fhir/{asked}&_containedType=contained&_summary=count")).json()["total"] == 2
    narrow = await client_for(tenant, ["system/Medication.rs?status=active", "system/MedicationRequest.rs"])
    assert await found(narrow, f"{asked}&_containedType=contained") == [f"{O1}#m", f"{O2}#n"]
    chained = await client_for(tenant, ["system/Medication.rs", "system/MedicationRequest.rs"])
    assert (await chained.get("/fhir/Medication?manufacturer.name=lab&_contained=true")).status_code == 403


async def test_each_tenant_has_its_own(ward: Client, client_for: NewClient, other_tenant: Tenant) -> None:
    other = await client_for(other_tenant, ["system/*.cruds"])
    assert await found(other, "Medication?_contained=both") == []
    assert (await other.get("/fhir/Medication?_contained=true&_summary=count")).json()["total"] == 0


async def test_what_is_no_longer_contained(ward: Client, world: World, tenant: Tenant) -> None:
    """Nothing is left in the index of what a record contained before it was changed or removed."""
    await put(ward, order("o1", medicine("z", "c")))
    assert await found(ward, "Medication?_contained=true&_containedType=contained") == [f"{O1}#z", f"{O2}#m", f"{O2}#n"]
    await put(ward, order("o1"))
    await ward.delete("/fhir/MedicationRequest/o2")
    assert await found(ward, "Medication?_contained=true") == []
    await ward.delete("/fhir/Observation/obs")
    async with world.transaction(tenant) as tx:
        for table in index.INDEX_TABLES.values():
            assert await tx.value(f"SELECT count(*) FROM {table.name} WHERE tenant_id = $1 AND rid < 0") == 0


async def test_the_job_of_an_upgrade_tells_of_older_records(ward: Client, world: World, tenant: Tenant) -> None:
    async with world.transaction(tenant) as tx:
        await tx.run(
            "DELETE FROM idx_token WHERE tenant_id = $1 AND (rid < 0 OR key = $2)", index.key_of("", index.INNER)
        )
    assert await found(ward, "Medication?code=a&_contained=true") == []
    for _ in range(2):
        assert await anew.job(world, tenant, {}) != "0 records indexed"
        assert await found(ward, "Medication?code=a&_contained=true") == [O1, O2]


async def test_beside_an_older_release(ward: Client, world: World, tenant: Tenant) -> None:
    """It writes the records' own entries only, and leaves no account of the others."""
    async with world.transaction(tenant) as tx:
        await tx.run("DELETE FROM idx_token WHERE tenant_id = $1 AND key = $2", index.key_of("", index.INNER))
    await put(ward, order("o1", medicine("z", "a")))
    assert await found(ward, "Medication?code=a&_contained=true&_containedType=contained") == [f"{O1}#z", f"{O2}#m", f"{O2}#n"]  # fmt: skip


async def test_of_very_many_the_first_are_found(ward: Client) -> None:
    many = [medicine(f"m{number}", "many") for number in range(25)]
    await put(ward, order("many", *many))
    asked = "Medication?code=many&_contained=true&_containedType=contained"
    assert await found(ward, f"{asked}&_count=7") == [f"MedicationRequest/many#m{number}" for number in range(20)]


async def test_what_an_earlier_release_stored_since_is_not_shown(ward: Client, world: World, tenant: Tenant) -> None:
    async with world.transaction(tenant) as tx:  # its process knows of no entries of what is contained
        body = await tx.value("SELECT body FROM resource WHERE tenant_id = $1 AND id = 'o1'")
        less = json.dumps({name: value for name, value in json.loads(body).items() if name != "contained"})
        await tx.run("UPDATE resource SET body = $2 WHERE tenant_id = $1 AND id = 'o1'", less)
    told = await found(ward, "Medication?_contained=true&_containedType=contained&code=b")
    assert told == []
    assert await found(ward, "Medication?_contained=true&_containedType=contained&code=a&status=active") != []
