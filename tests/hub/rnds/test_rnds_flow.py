"""Documents to RNDS over real sockets: what makes one, what becomes of it, corrections, deletions and lost answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import rnds_records as records
from rnds_server import Server, documents, rnds_server, settle, states, store

from adapters.rnds import answers
from hub.rnds import flow, rows
from hub.world import Tenant, World

PEOPLE = (records.PATIENT, records.PRACTITIONER)
REL = (*PEOPLE, records.SPECIMEN, *records.RESULTS, {**records.REPORT, "encounter": None})
REL = tuple({k: v for k, v in body.items() if v is not None} for body in REL)


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with rnds_server(tmp_path) as found:
        yield found


async def kept(world: World, tenant: Tenant) -> list[answers.Said]:
    async with world.transaction(tenant) as tx:
        found = await tx.rows(
            "SELECT content FROM message WHERE tenant_id = $1 AND direction = 'in' AND format = 'http' ORDER BY seq"
        )
    return [answers.read(bytes(row["content"])) for row in found]


async def test_every_kind_of_document_goes_out_once(world: World, tenant: Tenant, server: Server) -> None:
    await server.join(world, tenant)
    stay = {**records.ENCOUNTER, "id": "estada", "class": {"system": records.ACT, "code": "IMP"}}
    inner = [{**body, "id": f"{body['id']}-2", "encounter": {"reference": "Encounter/estada"}}
             for body in (records.CONDITION, records.PROCEDURE, records.EVOLUTION, records.CARE_PLAN, records.PRESCRIPTION)]  # fmt: skip
    stay["diagnosis"] = [{"condition": {"reference": "Condition/gripe-2"}}]
    await store(world, tenant, *records.ALL, stay, *inner)
    found = await settle(world, tenant)
    assert {one.kind: (one.status, one.problems and one.problems[0]) for one in found} == dict.fromkeys(
        ("REL", "RIA", "RAC", "SA", "RIRA"), (rows.SENT, ())
    ), [(one.kind, one.code, [(p.code, p.where) for p in one.problems]) for one in found]
    assert all(one.rnds_id and one.sent_at for one in found)
    book = server.network.book
    assert sorted(one.kind for one in book.documents) == ["RA", "RAC", "REL", "RIA", "SA"]
    assert book.requests["token"] == 1, "all lanes share one token"
    assert {one.professional for one in book.documents} == {records.DOCTOR_CNS}
    visits = [one.bundle["entry"] for one in book.documents if one.kind in ("RAC", "SA")]
    assert all("Medication" in {entry["resource"]["resourceType"] for entry in entries} for entries in visits)
    assert {said.status for said in await kept(world, tenant)} == {201}
    await store(world, tenant, *records.ALL, stay, *inner)  # the same again says nothing new
    await settle(world, tenant)
    assert len(book.documents) == 5


async def test_a_correction_replaces_and_only_the_newest_counts(world: World, tenant: Tenant, server: Server) -> None:
    await server.join(world, tenant)
    await store(world, tenant, *REL)
    first = (await settle(world, tenant))[0]
    corrected = {**records.RESULTS[0], "status": "corrected", "valueQuantity": {"value": 101, "unit": "mg/dL"}}
    await store(world, tenant, corrected)  # the result alone, without its report
    second = (await settle(world, tenant))[0]
    assert (second.status, second.replaced) == (rows.SENT, first.rnds_id) and second.rnds_id != first.rnds_id
    book = server.network.book
    assert [bool(one.replaced_by) for one in book.documents] == [True, False]
    assert len({one.value for one in book.documents}) == 1, "the number stays the same"
    await store(world, tenant, {**corrected, "valueQuantity": {"value": 102, "unit": "mg/dL"}})
    assert (await settle(world, tenant))[0].replaced == second.rnds_id and len(book.documents) == 3


async def test_what_was_taken_back_is_deleted_and_may_come_again(world: World, tenant: Tenant, server: Server) -> None:
    await server.join(world, tenant)
    await store(world, tenant, *REL)
    await settle(world, tenant)
    await store(world, tenant, {**REL[-1], "status": "entered-in-error"})
    gone = (await settle(world, tenant))[0]
    assert gone.status == rows.DELETED and server.network.book.documents[0].deleted
    await store(world, tenant, REL[-1])
    again = (await settle(world, tenant))[0]
    assert again.status == rows.SENT and again.number.endswith("-2")


async def test_what_lacks_waits_with_its_remedy_and_goes_when_it_comes(
    world: World, tenant: Tenant, server: Server
) -> None:
    await server.join(world, tenant)
    nameless = {**records.PATIENT, "identifier": records.PATIENT["identifier"][:1]}
    await store(world, tenant, nameless, *REL[1:])
    waiting = (await settle(world, tenant))[0]
    assert waiting.status == rows.PENDING and {p.code for p in waiting.problems} == {"rnds.individual"}
    said = waiting.as_json()["problems"][0]
    assert said["remedy"] and "CNS" in said["text"] and not server.network.book.documents
    await store(world, tenant, records.PATIENT)
    assert (await settle(world, tenant))[0].status == rows.SENT


FAULTS = ("lost", "500", "dropped", "html", "503", "expired", "401", "auth-503")
ASKED = ("lost", "500", "dropped", "html")  # what may have arrived is asked about, not sent again blindly


async def test_faults_pass_and_nothing_is_there_twice(world: World, tenant: Tenant, server: Server) -> None:
    await server.join(world, tenant)
    book = server.network.book
    for number, fault in enumerate(FAULTS, start=1):
        server.network.switch(fault, times=1)
        if fault == "auth-503":
            server.network.tokens.clear()
        glucose = {**records.RESULTS[0], "valueQuantity": {"value": 90 + number, "unit": "mg/dL"}}
        await store(world, tenant, *(REL if number == 1 else ()), *([glucose] if number > 1 else ()))
        found = (await settle(world, tenant))[0]
        assert found.status == rows.SENT and found.rnds_id == book.documents[-1].id, fault
        assert len(book.documents) == book.requests["POST Bundle"] == number, fault
        assert book.requests["GET identifier"] == len(ASKED[:number]), fault


REFUSALS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "requester": ({"requester": "1234"}, {}, "rnds.configure.ERR881"),
    "establishment": ({"cnes": "1234567"}, {}, "rnds.configure.ERR897"),
    "professional": ({}, {"unlinked": frozenset((records.DOCTOR_CNS,))}, "rnds.register.ERR906"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_one_attempt_with_a_remedy(world: World, tenant: Tenant, tmp_path: Path, name: str) -> None:
    own, config, code = REFUSALS[name]
    async with rnds_server(tmp_path, **config) as server:
        await server.join(world, tenant, **own)
        await store(world, tenant, *REL)
        found = (await settle(world, tenant))[0]
        assert (found.status, found.code) == (rows.REFUSED, code)
        told = found.as_json()["problems"][-1]
        assert code.rpartition(".")[2] in told["text"] and told["remedy"]
        await store(world, tenant, {**REL[-1], "language": "pt-BR"})
        await settle(world, tenant)
        assert sum(server.network.book.refused.values()) == 1, "what says the same is not sent again by itself"
        await flow.resend(world, tenant, found.id, "test")
        await settle(world, tenant)
        assert sum(server.network.book.refused.values()) == 2


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [("ERR905", rows.QUEUED, ""), ("ERR700", rows.REFUSED, "rnds.unknown.ERR700")],
)
async def test_reactions_follow_the_table(
    world: World, tenant: Tenant, server: Server, code: str, status: str, reason: str
) -> None:
    await server.join(world, tenant)
    server.network.switch("refuse", code=code)
    await store(world, tenant, *REL)
    found = (await settle(world, tenant))[0]
    assert (found.status, found.code) == (status, reason)
    assert found.as_json()["status"] == ("parado" if status == rows.QUEUED else status)
    if status == rows.QUEUED:  # given up after its attempts: the same bytes go again when a person says so
        server.network.switch("")
        await flow.resend(world, tenant, found.id, "test")
        assert (await settle(world, tenant))[0].status == rows.SENT and len(server.network.book.documents) == 1


async def test_a_document_of_yesterday_is_made_again_and_one_of_today_is_not(
    world: World, tenant: Tenant, server: Server
) -> None:
    await server.join(world, tenant)
    server.network.switch("refuse", times=1, code="ERR807")
    await store(world, tenant, *REL)
    found = (await settle(world, tenant))[0]
    assert (found.status, found.code) == (rows.REFUSED, "rnds.remake.ERR807"), "it would be refused again"
    server.network.switch("refuse", times=1, code="ERR807")
    await flow.resend(world, tenant, found.id, "test")
    async with world.transaction(tenant) as tx:
        await tx.run(
            'UPDATE delivery SET purpose = regexp_replace(purpose::text, \'"made": *"[^"]*"\', \'"made": "2020-01-01"\')::json '
            "WHERE tenant_id = $1 AND status = 'QUEUED'"
        )
    assert states(await settle(world, tenant))["REL"] == (rows.SENT, "") and len(server.network.book.documents) == 1


async def test_an_identifier_that_others_used_is_no_success(world: World, tenant: Tenant, server: Server) -> None:
    await server.join(world, tenant)
    await store(world, tenant, *REL)
    first = (await settle(world, tenant))[0]
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE rnds_document SET rnds_id = '', digest = '' WHERE tenant_id = $1")
    await flow.resend(world, tenant, first.id, "test")
    assert states(await settle(world, tenant))["REL"] == (rows.REFUSED, "rnds.stop.ERR866")


CONSENT: dict[str, Any] = {
    "resourceType": "Consent", "id": "nao", "status": "active", "patient": records.SUBJECT, "dateTime": "2026-11-01",
    "scope": {"coding": [{"code": "patient-privacy"}]}, "category": [{"coding": [{"system": "urn:ponte:codes:consent", "code": "rnds"}]}],
    "policyRule": {"text": "LGPD"}, "provision": {"type": "deny"},
}  # fmt: skip


async def test_filters_skip_and_release(world: World, tenant: Tenant, server: Server) -> None:
    await server.join(world, tenant, test_patients={"names": ["paciente teste*"]})
    await store(world, tenant, CONSENT, *REL)
    assert states(await settle(world, tenant))["REL"] == (rows.SKIPPED, "rnds.skipped.opt-out")
    trial = {**records.PATIENT, "name": [{"text": "Paciente Teste 1"}]}
    await store(world, tenant, trial)
    assert states(await settle(world, tenant))["REL"][1] == "rnds.skipped.test-patient"
    await store(world, tenant, records.PATIENT, {**CONSENT, "provision": {"type": "permit"}})
    assert states(await settle(world, tenant))["REL"] == (rows.SENT, "")


async def test_waiting_documents_are_made_by_the_schedule(world: World, tenant: Tenant, server: Server) -> None:
    own = {"REL": {"active": True, "wait_minutes": 60}}
    await server.join(world, tenant, documents=own)
    await store(world, tenant, *REL)
    assert states(await settle(world, tenant))["REL"][0] == rows.WAITING
    assert await flow.make_due(world, tenant, {}) == "0"
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE rnds_document SET due_at = now() - interval '1 minute' WHERE tenant_id = $1")
    assert await flow.make_due(world, tenant, {}) == "1"
    assert states(await settle(world, tenant))["REL"][0] == rows.SENT


async def test_nothing_is_made_without_settings_or_of_another_tenant(
    world: World, tenant: Tenant, other_tenant: Tenant, server: Server
) -> None:
    await server.join(world, other_tenant)
    await store(world, tenant, *REL)
    assert await settle(world, tenant) == [] and await documents(world, other_tenant) == []


async def test_no_patient_data_outside_the_records_and_messages(
    world: World, tenant: Tenant, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    await server.join(world, tenant)
    server.network.switch("refuse", code="ERR895", times=1)
    await store(world, tenant, *REL)
    await settle(world, tenant)
    async with world.transaction(tenant) as tx:
        found = await tx.rows("SELECT row_to_json(r)::text AS t FROM rnds_document r WHERE r.tenant_id = $1")
        found += await tx.rows("SELECT row_to_json(j)::text AS t FROM job j WHERE j.tenant_id = $1")
        found += await tx.rows("SELECT row_to_json(d)::text AS t FROM delivery d WHERE d.tenant_id = $1")
        found += await tx.rows("SELECT row_to_json(a)::text AS t FROM audit_event a WHERE a.tenant_id = $1")
    text = " ".join(row["t"] for row in found) + caplog.text
    assert records.PATIENT_CNS not in text and "Silva" not in text and len(found) > 4
