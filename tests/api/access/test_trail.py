"""The audit trail as AuditEvent and the lineage as Provenance: generated from what was written once, and read-only."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest_asyncio

from fhir.validation.validator import validate
from hub.exchange.work import inbound
from hub.guard import clients, tokens
from hub.records.trail import mapping as trail_mapping
from hub.world import Tenant, World

ADT = "MSH|^~\\&|HIS|HOSP|P|H|20261122080000||ADT^A04^ADT_A01|TRAIL-1|P|2.5||||||UNICODE UTF-8\rEVN|A04|20261122080000\rPID|1||T1^^^HOSP^MR||Silva^Ana||19800229|F\rPV1|1|O\r"


@pytest_asyncio.fixture
async def hub(fhir: httpx.AsyncClient, app: Any) -> httpx.AsyncClient:
    """A patient with an observation, written, read, changed and deleted."""
    await fhir.put("/fhir/Patient/p1", json={"resourceType": "Patient", "id": "p1"})
    await fhir.put("/fhir/Patient/p2", json={"resourceType": "Patient", "id": "p2"})
    observation = {"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/p1"}}  # fmt: skip
    await fhir.put("/fhir/Observation/o1", json=observation)
    await fhir.put("/fhir/Observation/o1", json={**observation, "status": "amended"})
    await fhir.get("/fhir/Observation/o1")
    await fhir.get("/fhir/Observation?code=x")
    await fhir.delete("/fhir/Patient/p2")
    await app.state.ponte.reading.flush()
    return fhir


async def found(hub: httpx.AsyncClient, path: str, **headers: str) -> list[dict[str, Any]]:
    answer = await hub.get(f"/fhir/{path}", headers={"prefer": "handling=strict", **headers})
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", ())]


def told(event: dict[str, Any]) -> tuple[str, str]:
    entity = event["entity"][0]
    return event["subtype"][0]["code"], entity.get("what", {}).get("reference", "query" if "query" in entity else "")


async def test_events(hub: httpx.AsyncClient, tenant: Tenant) -> None:
    events = await found(hub, "AuditEvent?_sort=date&altid=test")
    assert [told(event) for event in events] == [
        ("create", "Patient/p1/_history/1"), ("create", "Patient/p2/_history/1"), ("create", "Observation/o1/_history/1"),
        ("update", "Observation/o1/_history/2"), ("delete", "Patient/p2/_history/2"), ("read", "Observation/o1"), ("search", "query"),
    ]  # fmt: skip
    for event in events:
        assert validate(event) == [], event
        assert event["agent"][0]["who"]["identifier"]["value"] == "test" and event["source"]["site"] == tenant.slug
    newest = await found(hub, "AuditEvent?altid=test")
    assert [e["id"] for e in newest][-7:] == [e["id"] for e in events][::-1]
    one = events[3]
    assert (await hub.get(f"/fhir/AuditEvent/{one['id']}")).json() == one
    assert (await hub.get(f"/fhir/AuditEvent/{one['id']}/_history/1")).json() == one
    assert (await hub.get("/fhir/AuditEvent/audit-0")).status_code == 404
    assert (await hub.get("/fhir/AuditEvent/audit-" + "9" * 30)).status_code == 404
    # of the observation the patient is named as well, so that "who saw this patient's record" can be asked
    assert {"reference": "Patient/p1"} in [e.get("what") for e in one["entity"][1:]]


async def test_searches(hub: httpx.AsyncClient) -> None:
    everything = await found(hub, "AuditEvent?_sort=date&altid=test")
    at = everything[0]["recorded"]
    expected: dict[str, set[int]] = {
        "action=C": {0, 1, 2}, "action=C,U": {0, 1, 2, 3}, "subtype=read": {5}, "subtype=http://hl7.org/fhir/restful-interaction|search": {6},
        "entity=Observation/o1": {2, 3, 5}, "patient=p1": {0, 2, 3, 5}, "patient=Patient/p2": {1, 4}, "patient=p1&action=U": {3}, "action:not=C": {3, 4, 5, 6},
        "altid=test": {0, 1, 2, 3, 4, 5, 6}, "altid=other": set(), "agent-name=tes": {0, 1, 2, 3, 4, 5, 6}, "outcome=4": set(), "type=rest": {0, 1, 2, 3, 4, 5, 6},
        f"date=ge{at}": {0, 1, 2, 3, 4, 5, 6}, f"date=lt{at}": set(), "date=2020": set(), f"_id={everything[2]['id']},{everything[4]['id']}": {2, 4},
        "entity:missing=true": {6}, "site:missing=true": set(), "_lastUpdated=gt2020-01-01": {0, 1, 2, 3, 4, 5, 6},
    }  # fmt: skip
    for query, numbers in expected.items():
        ids = {e["id"] for e in await found(hub, f"AuditEvent?{query}&type=rest")}  # looking is an event too
        assert ids & {e["id"] for e in everything} == {everything[n]["id"] for n in numbers}, query
        if query in ("action=C", "patient=p1", "patient=p1&action=U"):
            counted = (await hub.get(f"/fhir/AuditEvent?{query}&type=rest&_summary=count")).json()
            assert counted["total"] == len(numbers), query


async def test_pages_and_records_of_partners(hub: httpx.AsyncClient) -> None:
    """The hub's own events come first, then those that partners stored; each once."""
    own = {"resourceType": "AuditEvent", "type": {"code": "x"}, "recorded": "2020-01-01T00:00:00Z", "agent": [{"requestor": True}], "source": {"observer": {"display": "theirs"}}}  # fmt: skip
    stored = [(await hub.post("/fhir/AuditEvent", json=own)).json()["id"] for _ in range(2)]
    page = (await hub.get("/fhir/AuditEvent?_sort=date&_count=4&_lastUpdated=lt2100&_total=accurate")).json()
    total, seen = page["total"], []
    while True:
        seen += [entry["resource"]["id"] for entry in page["entry"]]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following:
            break
        assert len(page["entry"]) == 4
        page = (
            await hub.get(
                following[0].split("hub", 1)[-1]
                if "//hub" in following[0]
                else "/fhir" + following[0].split("/fhir", 1)[1]
            )
        ).json()
    assert len(seen) == len(set(seen)) >= total and seen[-2:] == stored
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}} for url in (f"AuditEvent/{seen[0]}", "AuditEvent?action=D")]}  # fmt: skip
    answers = (await hub.post("/fhir", json=bundle)).json()["entry"]
    assert answers[0]["resource"]["id"] == seen[0] and len(answers[1]["resource"]["entry"]) == 1


async def test_nobody_writes_them(hub: httpx.AsyncClient) -> None:
    event = (await found(hub, "AuditEvent?action=C"))[0]
    lineage = (await found(hub, "Provenance"))[0]
    for record in (event, lineage):
        place = f"/fhir/{record['resourceType']}/{record['id']}"
        assert (await hub.put(place, json=record)).status_code == 409
        assert (await hub.delete(place)).status_code == 409
        patch = [{"op": "remove", "path": "/recorded"}]
        answer = await hub.patch(place, json=patch, headers={"content-type": "application/json-patch+json"})
        assert answer.status_code in (404, 409)
        assert (await hub.get(place)).json() == record
    ahead = {**event, "id": "audit-99999999"}
    assert (await hub.put("/fhir/AuditEvent/audit-99999999", json=ahead)).status_code == 409
    assert (await hub.put("/fhir/AuditEvent/audit-mine", json={**event, "id": "audit-mine"})).status_code == 201


async def test_lineage(world: World, tenant: Tenant, client_for: Any, hub: httpx.AsyncClient) -> None:
    sender = await client_for(tenant, ["hl7/write"])
    assert "MSA|AA" in (await sender.post("/hl7", content=ADT.encode())).text
    while await inbound.work(world, tenant):
        pass
    (patient,) = await found(hub, "Patient?family=Silva")
    (lineage,) = await found(hub, f"Provenance?target=Patient/{patient['id']}")
    assert validate(lineage) == []
    assert lineage["target"] == [{"reference": f"Patient/{patient['id']}/_history/1"}]
    assert lineage["activity"]["coding"][0]["code"] == "CREATE" and lineage["entity"][0]["role"] == "source"
    assert "TRAIL-1" in lineage["entity"][0]["what"]["display"] and "Silva" not in json.dumps(lineage)
    history = await found(hub, "Provenance?target=Observation/o1&_sort=recorded")
    assert [p["target"][0]["reference"][-1] for p in history] == ["1", "2"] and "entity" not in history[0]
    assert len(await found(hub, "Provenance?patient=p2")) == 2
    assert await found(hub, "Provenance?recorded=lt2020") == []


async def test_scopes_and_walls(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: Any, hub: httpx.AsyncClient
) -> None:
    event = (await found(hub, "AuditEvent?action=C"))[0]
    narrow = await client_for(tenant, ["system/Patient.rs", "system/Provenance.rs"])
    for path in ("AuditEvent", f"AuditEvent/{event['id']}"):
        answer = await narrow.get(f"/fhir/{path}")
        assert answer.status_code == 403 and "AuditEvent." in answer.text
    assert (await narrow.get("/fhir/Provenance")).status_code == 200
    deleted = await client_for(tenant, ["system/AuditEvent.rs?action=D"])
    assert [told(e)[0] for e in await found(deleted, "AuditEvent")] == ["delete"]
    assert (await deleted.get(f"/fhir/AuditEvent/{event['id']}")).status_code == 404
    counted = (await deleted.get("/fhir/AuditEvent?_summary=count")).json()
    assert counted["total"] == 1
    theirs = await client_for(other_tenant)
    assert (await theirs.get(f"/fhir/AuditEvent/{event['id']}")).status_code == 404
    await clients.create(world, other_tenant, "lab", scopes=[])
    assert {e["source"]["site"] for e in await found(theirs, "AuditEvent")} == {other_tenant.slug}
    await asyncio.sleep(0)


def test_actions_are_named() -> None:
    for action, row in trail_mapping.actions().items():
        assert row["letter"] in "CRUDE" and row["type"] and row["subtype"], action
    assert set(trail_mapping.WRITES) <= set(trail_mapping.actions())


async def test_who_looked_at_a_patient(fhir: httpx.AsyncClient, app: Any) -> None:
    """Everything at once, compartments, searches that name the patient: each stands in the patient's trail."""
    await fhir.put("/fhir/Patient/seen", json={"resourceType": "Patient", "id": "seen"})
    await fhir.put("/fhir/Patient/else", json={"resourceType": "Patient", "id": "else"})
    batch = [{"request": {"method": "GET", "url": "Condition?patient=Patient/seen"}}]
    looks = [
        "Patient/seen/$everything",
        "Patient/seen/Observation?status=final",
        "Observation?subject=Patient/seen,Patient/else&code=x",
        "Patient?_id=seen",
        "Observation/$lastn?patient=seen",
    ]
    for path in looks:
        assert (await fhir.get(f"/fhir/{path}")).status_code == 200, path
    await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "batch", "entry": batch})
    await fhir.get("/fhir/Observation?code=x&subject:not=Patient/seen")
    await app.state.ponte.reading.flush()
    events = (await found(fhir, "AuditEvent?patient=seen&action:not=C"))[::-1]
    assert events[0]["subtype"][1]["code"] == "operation"
    assert events[0]["entity"][0]["detail"] == [{"type": "operation", "valueString": "$everything"}]
    asked = [base64.b64decode(event["entity"][1]["query"]).decode() for event in events[1:]]
    assert asked == [
        "Observation?status",
        "Observation?code&subject",
        "Patient?_id",
        "Observation/$lastn",
        "Condition?",
    ]
    assert [event["entity"][0]["what"] for event in events] == [{"reference": "Patient/seen"}] * 6
    assert [event["subtype"][0]["code"] for event in events] == ["read", *["search"] * 5]
    assert all(not validate(event) or all(not p.blocks for p in validate(event)) for event in events)
    assert len(await found(fhir, "AuditEvent?patient=else&action:not=C")) == 1
    await fhir.put("/fhir/Group/g", json={"resourceType": "Group", "id": "g", "type": "person", "actual": True})
    await fhir.get("/fhir/Group/g/$export", headers={"prefer": "respond-async"})
    (export,) = await found(fhir, "AuditEvent?entity=Group/g&action:not=C")
    assert export["entity"][0]["what"] == {"reference": "Group/g"}


async def test_searches_of_a_token_for_one_patient(fhir: httpx.AsyncClient, app: Any, tenant: Tenant) -> None:
    """What such a token searches is that patient's record, named or not."""
    await fhir.put("/fhir/Patient/seen", json={"resourceType": "Patient", "id": "seen"})
    world = app.state.ponte.world
    said = tokens.claims(world, tenant, "app", roles=[], scopes=["patient/Observation.rs"])
    token = await tokens.signed(world, {**said, "patient": "seen"})
    answer = await fhir.get("/fhir/Observation?status=final", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    await app.state.ponte.reading.flush()
    (event,) = await found(fhir, "AuditEvent?patient=seen&action:not=C")
    assert base64.b64decode(event["entity"][1]["query"]) == b"Observation?status"
