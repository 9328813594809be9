"""Persons without a number, campaigns beside the routine, and the context of care, over real sockets."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import rnds_records as records
from rnds_server import Server, rnds_server, settle, store

from canonical import codes
from canonical.errors import Misconfigured, NotFound, Refused
from hub.rnds import context, desk, flow, rows
from hub.rnds.context import Meeting
from hub.world import Tenant, World

STRATEGY = f"{records.RD}/StructureDefinition/BREstrategiaVacinacao-1.0"
NAMELESS = {**records.PATIENT, "identifier": records.PATIENT["identifier"][:1]}
VISIT = (records.PRACTITIONER, records.ENCOUNTER, records.CONDITION, records.PROCEDURE)
CPF = "52998224725"


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with rnds_server(tmp_path) as found:
        yield found


def only(*kinds: str, **more: dict[str, Any]) -> dict[str, Any]:
    return {
        kind: {"active": True, "settings": {**records.SETTINGS.get(kind, {}), **more.get(kind, {})}} for kind in kinds
    }


def dose(strategy: str, **more: Any) -> dict[str, Any]:
    concept = {"coding": [{"system": f"{records.RD}/CodeSystem/BREstrategiaVacinacao", "code": strategy}]}
    body = copy.deepcopy({**records.IMMUNIZATION, **more})
    body["protocolApplied"][0]["extension"] = [{"url": STRATEGY, "valueCodeableConcept": concept}]
    return body


async def test_who_waits_for_a_number_is_listed_and_goes_when_it_comes(
    world: World, tenant: Tenant, server: Server
) -> None:
    await server.join(world, tenant, documents=only("RAC", "RIA"))
    await store(world, tenant, NAMELESS, *VISIT, records.IMMUNIZATION)
    assert {one.status for one in await settle(world, tenant)} == {rows.PENDING}
    (waiting,) = await desk.people(world, tenant)
    assert (waiting["patient"], waiting["documents"], waiting["kinds"]) == ("Patient/ana", 2, ["RAC", "RIA"])
    assert [p["code"] for p in waiting["problems"]] == ["rnds.individual"] and waiting["since"]
    assert "Silva" not in str(waiting) and "4711" not in str(waiting)
    await store(world, tenant, records.PATIENT)
    assert {one.status for one in await settle(world, tenant)} == {rows.SENT}
    assert await desk.people(world, tenant) == []
    server.network.switch("refuse", times=1, code="ERR895")
    await store(
        world,
        tenant,
        {**records.ENCOUNTER, "period": {"start": "2026-11-20T09:00:00-03:00", "end": "2026-11-20T10:20:00-03:00"}},
    )
    await settle(world, tenant)
    (refused,) = await desk.people(world, tenant)
    assert refused["problems"][0]["code"] == "rnds.repair.ERR895" and refused["problems"][0]["remedy"]


async def test_who_could_not_be_identified_is_told_so(world: World, tenant: Tenant, server: Server) -> None:
    unknown = {"names": ["nao identificad*"], "reason": "03"}
    await server.join(world, tenant, documents=only("RAC", "RIA"), unidentified=unknown)
    named = {**NAMELESS, "name": [{"text": "Não Identificado 12"}], "gender": "male"}
    await store(world, tenant, named, *VISIT, records.IMMUNIZATION)
    found = {one.kind: one for one in await settle(world, tenant)}
    assert found["RAC"].status == rows.SENT and found["RIA"].status == rows.PENDING, "vaccines want a number"
    entries = server.network.book.documents[0].bundle["entry"]
    (said,) = entries[0]["resource"]["subject"]["extension"]
    assert [part.get("valueDate") for part in said["extension"] if part["url"] == "birthYear"] == ["1980"]
    assert [p.code for p in found["RAC"].problems] == ["rnds.without-number"] and found["RAC"].problems[0].remedy()
    await store(world, tenant, records.PATIENT)  # identified: the dose goes, and the visit again as a correction
    again = {one.kind: one for one in await settle(world, tenant)}
    assert {one.status for one in again.values()} == {rows.SENT} and again["RAC"].replaced == found["RAC"].rnds_id


async def test_a_campaign_document_replaces_the_routine_one_and_back(
    world: World, tenant: Tenant, server: Server
) -> None:
    await server.join(world, tenant, documents=only("RIA", "RIAC"))
    await store(world, tenant, *records.ALL[:2], dose("1"))
    assert [(one.kind, one.status) for one in await settle(world, tenant)] == [("RIA", rows.SENT)]
    await store(world, tenant, dose("5"))  # it was the campaign after all
    state = {one.kind: one.status for one in await settle(world, tenant)}
    assert state == {"RIA": rows.DELETED, "RIAC": rows.SENT}
    await store(world, tenant, dose("5", lotNumber="B7"))
    assert {one.kind: one.status for one in await settle(world, tenant)} == state, "what is gone stays gone"
    await store(world, tenant, dose("1", lotNumber="B7"))
    assert {one.kind: one.status for one in await settle(world, tenant)} == {"RIA": rows.SENT, "RIAC": rows.DELETED}
    profiles = [one.bundle["entry"][0]["resource"]["meta"]["profile"][0] for one in server.network.book.documents]
    assert [("Campanha" in one, one.rpartition("-")[2]) for one in profiles] == [
        (False, "2.0"), (True, "2.0"), (True, "2.0"), (False, "2.0"),
    ]  # fmt: skip
    assert not server.network.book.refused


async def test_documents_are_read_within_a_context_of_care(world: World, tenant: Tenant, server: Server) -> None:
    await server.join(world, tenant, documents=only("RIA"))
    await store(world, tenant, *records.ALL[:2], records.IMMUNIZATION)
    (sent,) = await settle(world, tenant)
    meeting = Meeting(patient=records.PATIENT_CNS)
    assert (await context.opened(world, tenant, meeting, "test"))["accessToken"]
    server.network.contexts.clear()
    read = await context.document(world, tenant, sent.rnds_id, meeting, "test")
    assert read["type"] == "document" and server.network.contexts == {(records.DOCTOR_CNS, records.PATIENT_CNS)}
    with pytest.raises(NotFound):
        await context.document(world, tenant, "0000-none", meeting, "test")
    server.network.contexts.clear()
    with pytest.raises(Misconfigured):  # the context of another patient opens nothing
        await context.document(world, tenant, sent.rnds_id, Meeting(patient=CPF), "test")
    with pytest.raises(ValueError, match="CNS"):
        await context.opened(world, tenant, Meeting(patient="123"), "test")
    await server.join(world, tenant, cnes="1234567")
    with pytest.raises(Refused) as refused:
        await context.opened(world, tenant, meeting, "test")
    assert refused.value.code == "rnds.configure.ERR899"
    async with world.transaction(tenant) as tx:
        audited = await tx.rows("SELECT action, entity FROM audit_event WHERE tenant_id = $1 AND action LIKE 'rnds-%'")
    assert {"rnds-context", "rnds-read"} <= {row["action"] for row in audited}
    assert all(records.PATIENT_CNS not in row["entity"] and CPF not in row["entity"] for row in audited)


CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "REL": ("DiagnosticReport/laudo", {**records.RESULTS[0], "status": "amended", "valueQuantity": {"value": 101, "unit": "mg/dL"}}),
    "RIA": ("Immunization/dose", {**records.IMMUNIZATION, "lotNumber": "B7"}),
    "RAC": ("Encounter/visita", {**records.CONDITION, "code": {"coding": [{"system": codes.CID10, "code": "J10.1"}]}}),
    "RIRA": ("Appointment/horario", {**records.APPOINTMENT, "status": "fulfilled", "start": "2026-11-19T09:00:00-03:00"}),
}  # fmt: skip


async def test_a_corrected_record_of_any_kind_replaces_once_and_is_deleted_at_last(
    world: World, tenant: Tenant, server: Server
) -> None:
    """relatesTo names the id RNDS gave last; a record taken back deletes only the newest."""
    await server.join(world, tenant, documents=only(*CHANGES))
    await store(world, tenant, *records.ALL)
    first = {one.kind: one for one in await settle(world, tenant)}
    await store(world, tenant, *(body for _, body in CHANGES.values()))
    second = {one.kind: one for one in await settle(world, tenant)}
    assert {kind: (one.status, one.replaced) for kind, one in second.items()} == {
        kind: (rows.SENT, first[kind].rnds_id) for kind in CHANGES
    }
    bodies = {f"{body['resourceType']}/{body['id']}": body for body in records.ALL}
    gone = [{**bodies[subject], "status": "entered-in-error"} for subject, _ in CHANGES.values()]
    await store(world, tenant, *gone)
    last = await settle(world, tenant)
    assert {(one.status, one.rnds_id) for one in last} == {(rows.DELETED, one.rnds_id) for one in second.values()}
    book = server.network.book
    assert sorted(one.id for one in book.documents if one.deleted) == sorted(one.rnds_id for one in second.values())
    assert not book.refused and len(book.documents) == 2 * len(CHANGES)


async def test_a_correction_that_comes_too_soon_is_sent_again(world: World, tenant: Tenant, server: Server) -> None:
    """RNDS takes seconds to know what it has just taken: ERR875 is no refusal then."""
    await server.join(world, tenant, documents=only("RIA"))
    await store(world, tenant, *records.ALL[:2], records.IMMUNIZATION)
    (first,) = await settle(world, tenant)
    server.network.switch("refuse", times=1, code="ERR875")
    await store(world, tenant, {**records.IMMUNIZATION, "lotNumber": "B7"})
    (waits,) = await settle(world, tenant)
    assert waits.code == "rnds.repair.ERR875" and waits.due_at is not None and waits.due_at > world.now()
    async with world.transaction(tenant) as tx:  # half a minute later
        await tx.run("UPDATE rnds_document SET due_at = now() WHERE tenant_id = $1")
    await flow.make_due(world, tenant, {})
    (done,) = await settle(world, tenant)
    assert (done.status, done.replaced, done.code) == (rows.SENT, first.rnds_id, "")
    server.network.switch("refuse", times=1, code="ERR875")
    async with world.transaction(tenant) as tx:  # what it took long ago it would know
        await tx.run("UPDATE rnds_document SET sent_at = now() - interval '1 hour' WHERE tenant_id = $1")
    await store(world, tenant, {**records.IMMUNIZATION, "lotNumber": "B8"})
    (refused,) = await settle(world, tenant)
    assert refused.status == rows.REFUSED and refused.due_at is None
