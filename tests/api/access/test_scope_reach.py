"""What a narrow token reaches: a patient's compartment, records that meet a scope's query, and nothing beside them.

Whatever lies outside is as if it never was: not read, found, counted, included, chained over, listed in a history or
changed.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio

from hub.guard import scopes, tokens
from hub.world import Tenant, World

LAB, VITAL = "laboratory", "vital-signs"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
NARROW = f"system/Observation.cruds?category={CATEGORY}|{LAB}"


def observation(identity: str, patient: str, category: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": identity, "status": "final", "code": {"coding": [{"code": "c"}]},
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}], "subject": {"reference": f"Patient/{patient}"},
        "performer": [{"reference": "Practitioner/dr"}], **more,
    }  # fmt: skip


RECORDS: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "p1", "gender": "female", "name": [{"family": "Um"}]},
    {"resourceType": "Patient", "id": "p2", "gender": "male", "name": [{"family": "Dois"}]},
    {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Doutora"}]},
    {"resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": "Patient/p1"}},
    observation("lab1", "p1", LAB), observation("lab2", "p2", LAB), observation("vital1", "p1", VITAL), observation("vital2", "p2", VITAL),
    {"resourceType": "DiagnosticReport", "id": "r2", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/p2"},
     "result": [{"reference": "Observation/lab2"}, {"reference": "Observation/vital2"}]},
]  # fmt: skip


@pytest_asyncio.fixture
async def hub(fhir: httpx.AsyncClient) -> httpx.AsyncClient:
    entry = [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in RECORDS]
    answer = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entry})
    assert answer.status_code == 200, answer.text
    return fhir


_TOKENS: dict[tuple[str, str, str], str] = {}


async def ask(
    world: World, tenant: Tenant, hub: httpx.AsyncClient, given: tuple[str, str], method: str, path: str, **more: Any
) -> httpx.Response:
    """One call under scopes (blank-separated) and a patient."""
    key = (tenant.slug, *given)
    if key not in _TOKENS:
        claims = tokens.claims(world, tenant, "narrow", roles=[], scopes=given[0].split())
        _TOKENS[key] = await tokens.signed(world, {**claims, **({"patient": given[1]} if given[1] else {})})
    headers = {**more.pop("headers", {}), "authorization": f"Bearer {_TOKENS[key]}"}
    return await hub.request(method, f"/fhir{path}", headers=headers, **more)


def found(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    entries = [e for e in answer.json().get("entry", ()) if e.get("search", {}).get("mode") != "outcome"]
    return {e["resource"]["id"] for e in entries if "resource" in e}


ONE = ("patient/*.rs", "p1")
LABS = (NARROW.replace("cruds", "rs") + " system/Patient.rs system/Practitioner.rs", "")
BOTH = (f"patient/Observation.rs?category={LAB} patient/Patient.r", "p1")
SEARCHES: list[tuple[tuple[str, str], str, set[str]]] = [
    (ONE, "/Observation", {"lab1", "vital1"}), (ONE, "/Patient", {"p1"}), (ONE, "/Encounter", {"e1"}),
    (ONE, "/Observation?_id=lab1,lab2", {"lab1"}), (ONE, "/Observation?category=laboratory", {"lab1"}),
    (ONE, "/Observation?subject=Patient/p2", set()), (ONE, "/Observation?category:not=laboratory", {"vital1"}),
    (ONE, "/Observation?patient.gender=female", {"lab1", "vital1"}), (ONE, "/Observation?patient.gender=male", set()),
    (ONE, "/Observation?_sort=-_lastUpdated", {"lab1", "vital1"}), (ONE, "/Observation?_sort=code", {"lab1", "vital1"}),
    (ONE, "/Patient?_has:Observation:patient:category=laboratory", {"p1"}), (ONE, "/?_type=Patient,Observation", {"p1", "lab1", "vital1"}),
    (ONE, "/Patient/p1/Observation", {"lab1", "vital1"}), (ONE, "/Patient/p2/Observation", set()), (ONE, "/Patient/p2/*", set()),
    (ONE, "/Observation?_include=*", {"lab1", "vital1", "p1"}), (ONE, "/Patient?_revinclude=Observation:subject", {"p1", "lab1", "vital1"}),
    (ONE, "/Patient/p1/$everything", {"p1", "e1", "lab1", "vital1"}), (ONE, "/Observation/$lastn?category=laboratory", {"lab1"}),
    (LABS, "/Observation", {"lab1", "lab2"}), (LABS, "/Observation?patient.gender=male", {"lab2"}), (LABS, "/Observation?_id=vital1", set()),
    (LABS, "/Patient?_has:Observation:patient:_id=vital2", set()), (LABS, "/Patient?_has:Observation:patient:_id=lab2", {"p2"}),
    (LABS, "/Patient?_has:Observation:patient:category:not=laboratory", set()), (LABS, "/Patient?_revinclude=Observation:subject", {"p1", "p2", "lab1", "lab2"}),
    (LABS, "/Observation?_include=Observation:subject&_include=Observation:performer", {"lab1", "lab2", "p1", "p2", "dr"}),
    (LABS, "/Practitioner?_revinclude:iterate=Observation:performer&_include:iterate=Observation:subject", {"dr", "lab1", "lab2", "p1", "p2"}),
    (BOTH, "/Observation", {"lab1"}), (BOTH, "/Observation?_include=*", {"lab1", "p1"}),
    (("system/Observation.s?category=laboratory system/Observation.s?_id=vital2", ""), "/Observation", {"lab1", "lab2", "vital2"}),
    (("system/DiagnosticReport.rs system/Observation.rs?category=laboratory", ""), "/DiagnosticReport?_include=DiagnosticReport:result", {"r2", "lab2"}),
    (("system/DiagnosticReport.rs system/Observation.rs?category=laboratory", ""), "/DiagnosticReport?result.category=vital-signs", set()),
    (("system/DiagnosticReport.rs system/Observation.rs?category=laboratory", ""), "/DiagnosticReport?result.category=laboratory", {"r2"}),
    (("system/Observation.rs?status:not=final", ""), "/Observation", set()), (("system/Observation.rs?status:not=amended", ""), "/Observation?category=laboratory", {"lab1", "lab2"}),
]  # fmt: skip


async def test_searches(world: World, tenant: Tenant, hub: httpx.AsyncClient) -> None:
    for given, path, expected in SEARCHES:
        answer = await ask(world, tenant, hub, given, "GET", path)
        assert found(answer) == expected, (given, path)
        mark = "&" if "?" in path else "?"
        if "$" not in path and "nclude" not in path:
            exact = await ask(world, tenant, hub, given, "GET", f"{path}{mark}_total=accurate&_count=1")
            assert exact.json()["total"] == len(expected) and len(found(exact)) <= 1, (given, path)


DENIED: list[tuple[tuple[str, str], str, str]] = [
    (("system/Observation.rs", ""), "/Observation?patient.gender=male", "Patient.s"),
    (("system/Observation.rs system/Patient.r", ""), "/Observation?patient.gender=male", "Patient.s"),
    (("system/Patient.rs", ""), "/Patient?_has:Observation:patient:category=laboratory", "Observation.s"),
    (("system/Patient.rs", ""), "/Patient?_list=x", "List.s"),
    (ONE, "/Practitioner", "Practitioner.s"), (ONE, "/Practitioner/dr", "Practitioner.r"),
    (("patient/*.rs", ""), "/Observation", "Observation.s"), (("patient/*.rs", ""), "/Patient/p1", "Patient.r"),
    (("patient/*.r", "p1"), "/Observation", "Observation.s"), (("patient/*.s", "p1"), "/Observation/lab1", "Observation.r"),
    (("system/Observation.rs?nonsense=1", ""), "/Observation", "Observation.s"), (("system/Observation.rs?_count=1", ""), "/Observation", "Observation.s"),
    (("system/Observation.rs?patient.gender=male", ""), "/Observation", "Observation.s"),
    (("system/Observation.read?category=laboratory", ""), "/Observation", "Observation.s"),
]  # fmt: skip


async def test_what_a_token_has_no_scope_for(world: World, tenant: Tenant, hub: httpx.AsyncClient) -> None:
    for given, path, scope in DENIED:
        answer = await ask(world, tenant, hub, given, "GET", path)
        assert answer.status_code == 403 and scope in answer.json()["issue"][0]["diagnostics"], (
            given,
            path,
            answer.text,
        )


READS = ["", "/_history", "/_history/1", "/$meta", "/$validate", "/$everything"]


async def test_reads(world: World, tenant: Tenant, hub: httpx.AsyncClient) -> None:
    for place, inside in (
        ("Patient/p1", True),
        ("Patient/p2", False),
        ("Observation/lab1", True),
        ("Observation/lab2", False),
    ):
        for rest in READS:
            if rest == "/$everything" and not place.startswith("Patient"):
                continue
            answer = await ask(world, tenant, hub, ONE, "GET", f"/{place}{rest}")
            never = await ask(world, tenant, hub, ONE, "GET", f"/{place.replace(place.split('/')[1], 'never')}{rest}")
            assert answer.status_code == (200 if inside else 404), (place, rest)
            assert inside or answer.text == never.text
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": url}} for url in ("Patient/p1", "Patient/p2", "Observation", "Observation/lab2/_history/1")
    ]}  # fmt: skip
    answer = (await ask(world, tenant, hub, ONE, "POST", "", json=bundle)).json()["entry"]
    assert [e["response"]["status"][:3] for e in answer] == ["200", "404", "200", "404"]
    assert {e["resource"]["id"] for e in answer[2]["resource"]["entry"]} == {"lab1", "vital1"}


async def test_a_wrongly_filed_result_shows_only_the_versions_that_concern_the_patient(
    world: World, tenant: Tenant, hub: httpx.AsyncClient
) -> None:
    await hub.put("/fhir/Observation/lab2", json=observation("lab2", "p1", LAB))
    await hub.put("/fhir/Observation/vital1", json=observation("vital1", "p2", VITAL))
    await hub.delete("/fhir/Observation/lab1")
    await hub.delete("/fhir/Observation/vital2")
    history = (await ask(world, tenant, hub, ONE, "GET", "/Observation/_history")).json()
    shown = sorted((e["fullUrl"].rsplit("/", 1)[1], e["response"]["etag"]) for e in history["entry"])
    assert shown == [("lab1", 'W/"1"'), ("lab1", 'W/"2"'), ("lab2", 'W/"2"'), ("vital1", 'W/"1"')]
    assert history["total"] == 4
    assert "vital2" not in (await ask(world, tenant, hub, ONE, "GET", "/_history")).text
    for place, status in (
        ("lab2/_history/1", 404),
        ("lab2/_history/2", 200),
        ("lab1", 410),
        ("vital2", 404),
        ("vital1", 404),
    ):
        assert (await ask(world, tenant, hub, ONE, "GET", f"/Observation/{place}")).status_code == status, place
    page = (await ask(world, tenant, hub, ONE, "GET", "/Observation/_history?_count=3")).json()
    assert len(page["entry"]) == 3
    rest = next(link["url"] for link in page["link"] if link["relation"] == "next").split("/fhir", 1)[1]
    assert len((await ask(world, tenant, hub, ONE, "GET", rest)).json()["entry"]) == 1


WRITER = (NARROW, "")
PATCH = [{"op": "replace", "path": "/status", "value": "amended"}]
AWAY = [{"op": "replace", "path": "/category/0/coding/0/code", "value": VITAL}]
JSON_PATCH = {"content-type": "application/json-patch+json"}


async def test_writes(world: World, tenant: Tenant, hub: httpx.AsyncClient) -> None:
    async def status(method: str, path: str, body: Any = None, **headers: str) -> int:
        return (await ask(world, tenant, hub, WRITER, method, path, json=body, headers=headers)).status_code

    lab, vital = observation("x", "p1", LAB), observation("x", "p1", VITAL)
    assert await status("POST", "/Observation", lab) == 201
    assert await status("POST", "/Observation", vital) == 403
    assert await status("PUT", "/Observation/x", vital) == 403 and await status("PUT", "/Observation/x", lab) == 201
    assert await status("PUT", "/Observation/lab1", observation("lab1", "p1", LAB, status="amended")) == 200
    assert await status("PUT", "/Observation/lab1", observation("lab1", "p1", VITAL)) == 403
    assert await status("PUT", "/Observation/vital1", observation("vital1", "p1", LAB)) == 403
    assert await status("PATCH", "/Observation/lab1", PATCH, **JSON_PATCH) == 200
    assert await status("PATCH", "/Observation/lab1", AWAY, **JSON_PATCH) == 403
    assert await status("PATCH", "/Observation/vital1", PATCH, **JSON_PATCH) == 403
    assert await status("PATCH", "/Observation?_id=vital1", PATCH, **JSON_PATCH) == 404
    assert await status("DELETE", "/Observation/vital1") == 403 and await status("DELETE", "/Observation/lab2") == 204
    assert await status("DELETE", "/Observation?_id=vital2") == 204  # it found nothing it may delete
    meta = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "t"}]}}]}
    assert await status("POST", "/Observation/vital1/$meta-add", meta) == 403
    for place in ("vital1", "vital2"):
        assert (await hub.get(f"/fhir/Observation/{place}")).headers["etag"] == 'W/"1"'
    entries = [
        {"resource": r, "request": {"method": "POST", "url": "Observation"}} for r in (lab, vital)
    ]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    refused = await ask(world, tenant, hub, WRITER, "POST", "", json=bundle)
    assert refused.status_code == 403 and refused.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    before = (await hub.get("/fhir/Observation?_summary=count")).json()["total"]
    batch = await ask(world, tenant, hub, WRITER, "POST", "", json={**bundle, "type": "batch"})
    assert [e["response"]["status"][:3] for e in batch.json()["entry"]] == ["201", "403"]
    assert (await hub.get("/fhir/Observation?_summary=count")).json()["total"] == before + 1


async def test_conditions_are_no_way_to_look(world: World, tenant: Tenant, hub: httpx.AsyncClient) -> None:
    """Conditional interactions tell nothing of records that the token may not see."""
    creator = ("system/Patient.c", "")
    answer = await ask(world, tenant, hub, creator, "POST", "/Patient", json={"resourceType": "Patient"}, headers={"if-none-exist": "family=Um"})  # fmt: skip
    assert answer.status_code == 200 and answer.content == b""
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient", "ifNoneExist": "family=Um"}}
    ]}  # fmt: skip
    representation = {"prefer": "return=representation"}
    entry = (await ask(world, tenant, hub, creator, "POST", "", json=bundle, headers=representation)).json()["entry"][0]
    assert entry["response"]["status"].startswith("200") and "resource" not in entry
    updater = ("system/Patient.u", "")
    patched = await ask(world, tenant, hub, updater, "PATCH", "/Patient/p1", json=[{"op": "add", "path": "/active", "value": True}], headers=JSON_PATCH)  # fmt: skip
    assert patched.status_code == 200 and patched.content == b""
    lab = {**observation("", "p1", LAB), "subject": {"reference": "Patient?family=Um"}}
    lab.pop("id")
    assert (await ask(world, tenant, hub, (f"{NARROW}", ""), "POST", "/Observation", json=lab)).status_code == 403
    reader = (f"{NARROW} patient/Patient.s", "p1")
    assert (await ask(world, tenant, hub, reader, "POST", "/Observation", json=lab)).status_code == 201
    lab["subject"] = {"reference": "Patient?family=Dois"}
    assert (await ask(world, tenant, hub, reader, "POST", "/Observation", json=lab)).status_code == 412
    found_out = {"if-none-exist": "_id=vital1"}
    assert (await ask(world, tenant, hub, (NARROW, ""), "POST", "/Observation", json=observation("", "p1", LAB), headers=found_out)).status_code == 201  # fmt: skip
    chained = {"if-none-exist": "patient.gender=male"}
    assert (await ask(world, tenant, hub, (NARROW, ""), "POST", "/Observation", json=observation("", "p1", LAB), headers=chained)).status_code == 403  # fmt: skip


async def test_the_condition_of_a_create_may_stand_in_the_address(hub: httpx.AsyncClient) -> None:
    """Otherwise clients that write it there (fhirpy's get_or_create) make doubles."""
    found = await hub.post("/fhir/Patient?family=Um&_format=json", json={"resourceType": "Patient"})
    assert (found.status_code, found.json()["id"]) == (200, "p1")
    assert (await hub.post("/fhir/Patient?family=Nova", json={"resourceType": "Patient"})).status_code == 201
    assert (await hub.post("/fhir/Patient?nonsense=1", json={"resourceType": "Patient"})).status_code == 400


COVERING: list[tuple[str, str, bool]] = [
    ("system/*.rs", "patient/Observation.rs", True), ("system/*.rs", "user/*.rs", True), ("patient/*.rs", "system/*.rs", False),
    ("system/*.rs", "system/Observation.rs?category=laboratory", True), ("system/Observation.rs?category=laboratory", "system/Observation.rs", False),
    ("system/Observation.rs?category=laboratory", "patient/Observation.r?category=laboratory&status=final", True),
    ("system/Observation.rs?category=laboratory", "system/Observation.rs?category=vital-signs", False), ("system/*.rs", "launch/patient", True),
    ("tiss/*", "tiss/write", True), ("tiss/*", "rnds/write", False), ("tiss/read", "tiss/*", False), ("hl7/write", "launch/patient", False), ("system/*.rs", "system/*.rs?category=x", True), ("system/*.s", "system/*.rs?category=x", False),
]  # fmt: skip


@pytest.mark.parametrize(("held", "wanted", "expected"), COVERING)
def test_covering(held: str, wanted: str, expected: bool) -> None:
    assert scopes.covers([held], wanted) is expected
