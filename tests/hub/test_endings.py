"""Work that is ended at any of its commits and taken up again ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import Any
from uuid import UUID

import pytest
from billing_day import CONSULTATION, EXAM, JACARANDA, Visit, happen, many, partner_row, register
from bulk_client import worked
from endings import at_every_commit
from payer_server import payer_server, settle

from api.simulators.payer_book import Book
from canonical.errors import NotFound
from hub import tenants
from hub.billing import jobs as billing
from hub.bulk import desk, exports, imports, intake, pages, pieces, run
from hub.bulk.intake import Intake
from hub.bulk.wanted import Wanted
from hub.ending import erase
from hub.guard import audit
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.retention import messages, rules
from hub.retention import run as retention
from hub.store import owned
from hub.world import Tenant, World
from tests.hub.people.test_retention import later
from tests.hub.test_operate import GOOD, put, work

OWNER = "client:test"


async def people(world: World, tenant: Tenant, count: int) -> None:
    writes = [
        Write(type="Patient", id=f"p{n}", body={"resourceType": "Patient", "name": [{"family": f"Inventada {n}"}]})
        for n in range(count)
    ]
    writes += [
        Write(type="Observation", id=f"o{n}", body={"resourceType": "Observation", "status": "final",
              "code": {"text": "x"}, "subject": {"reference": f"Patient/p{n}"}})
        for n in range(count)
    ]  # fmt: skip
    async with world.transaction(tenant) as tx:
        await save(tx, writes, Origin(actor="test", now=world.now(), zone=tenant.zone))


async def bulk_job(world: World, tenant: Tenant, job: UUID) -> tuple[Any, ...]:
    """How a job ended, and its output files with their lines."""
    async with world.transaction(tenant) as tx:
        found = await desk.find(tx, world.settings, job, OWNER)
        files = await pieces.files(tx, job)
        stored = await tx.value("SELECT count(*) FROM bulk_piece WHERE tenant_id = $1 AND job_id = $2", job)
    assert found is not None and stored == sum(file.pieces for file in files)
    lines = []
    for file in files:
        text = b"".join([part async for part in pieces.plain(world, tenant, job, file)])
        assert len(text) == file.plain_bytes and text.count(b"\n") == file.records
        lines.append((file.kind, file.type, sorted(_same(json.loads(line)) for line in text.splitlines())))
    return found.status, found.problem, found.records, lines


def _same(body: dict[str, Any]) -> str:
    """A record without the moments of its storing."""
    body.get("meta", {}).pop("lastUpdated", None)
    if len(str(body.get("id", ""))) > 20:  # of its line in this very job
        del body["id"]
    return json.dumps(body, sort_keys=True)


async def test_an_export(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_ROWS", 2)
    monkeypatch.setattr(run, "MOST_RECORDS", 3)

    async def begin(tenant: Tenant) -> UUID:
        await people(world, tenant, 5)
        what = Wanted(address="http://hub/fhir/$export", level="system", types=("Observation", "Patient"),
                      filters=("Observation?status=final",), scopes=("system/*.read",), ignored=("x",))  # fmt: skip
        async with world.transaction(tenant) as tx:
            job = await desk.begin(tx, world.settings, desk.EXPORT, OWNER, what.as_json(), now=world.now())
            await desk.start(tx, desk.EXPORT, job)
        return job

    async def state(tenant: Tenant, job: UUID) -> Any:
        return await bulk_job(world, tenant, job)

    assert exports and await at_every_commit(world, begin, lambda tenant, _: worked(world, tenant), state) > 20


async def test_an_import(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    monkeypatch.setattr(intake, "PIECE", 300)
    bodies: list[Any] = [
        {"resourceType": "Patient", "id": f"i{n}", "identifier": [{"system": "urn:x", "value": str(n)}]}
        for n in range(3)
    ]
    bodies += [{"resourceType": "Patient", "gender": "none"}, {"resourceType": "Patient", "gender": "male"}]
    bodies += [{"resourceType": "Observation", "id": f"j{n}", "status": "final", "code": {"text": "x"},
                "subject": {"reference": f"Patient?identifier=urn:x|{n}"}} for n in range(4)]  # fmt: skip
    bodies += [{"resourceType": "Patient", "id": "i0", "active": True, "identifier": bodies[0]["identifier"]}]
    content = "".join(json.dumps(body) + "\n" for body in bodies).encode()

    async def begin(tenant: Tenant) -> UUID:
        request = {"address": "http://hub/fhir/$import", "scopes": ["system/*.*"]}
        async with world.transaction(tenant) as tx:
            job = await desk.begin(tx, world.settings, desk.IMPORT, OWNER, request, now=world.now())

        async def chunks() -> Any:
            yield content

        await Intake(world, tenant, job).keep(chunks())
        async with world.transaction(tenant) as tx:
            await desk.start(tx, desk.IMPORT, job)
        return job

    async def state(tenant: Tenant, job: UUID) -> Any:
        told = await bulk_job(world, tenant, job)
        async with world.transaction(tenant) as tx:
            rows = await tx.rows("SELECT type, id, version, body FROM resource WHERE tenant_id = $1 ORDER BY type, id")
        return told, sorted((row["type"], row["version"], _same(json.loads(row["body"]))) for row in rows)

    assert await at_every_commit(world, begin, lambda tenant, _: worked(world, tenant), state) > 20


async def test_messages_at_work(world: World) -> None:
    texts = [GOOD.format(control=f"w{n}", mrn=f"77{n % 3}").replace("080000||ADT", f"08000{n}||ADT") for n in range(6)]

    async def begin(tenant: Tenant) -> None:
        for text in texts:
            await put(world, tenant, text)

    async def state(tenant: Tenant, _: None) -> Any:
        async with world.transaction(tenant) as tx:
            worked_off = await tx.rows(
                "SELECT control_id, status FROM message WHERE tenant_id = $1 ORDER BY control_id"
            )
            records = await tx.rows("SELECT type, version, body FROM resource WHERE tenant_id = $1")
            waiting = await tx.value("SELECT sum(pending) FROM lane WHERE tenant_id = $1")
        return [tuple(row) for row in worked_off], sorted(map(_record, records)), waiting

    assert await at_every_commit(world, begin, lambda tenant, _: work(world, tenant), state) >= 4


def _record(row: Any) -> tuple[str, int, str]:
    """Type, version and content; ids are of the tenant."""
    body = json.loads(row["body"])
    return row["type"], row["version"], str(sorted(name for name in body)) + json.dumps(body.get("identifier"))


async def test_retention(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "AT_ONCE", 2)

    async def begin(tenant: Tenant) -> None:
        for number in range(5):
            await put(world, tenant, GOOD.format(control=f"r{number}", mrn=f"66{number}"))
        await work(world, tenant)
        await rules.set_days(world, tenant, "received", 90, actor="dpo")

    async def remove(tenant: Tenant, _: None) -> None:
        held = await tenants.any_tenant(world, tenant.slug)
        await retention.removed(later(world, 100), held)

    async def state(tenant: Tenant, _: None) -> Any:
        async with world.transaction(tenant) as tx:
            rows = await tx.rows(
                "SELECT control_id, length(content) AS size, removed_at IS NULL AS there FROM message "
                "WHERE tenant_id = $1 ORDER BY control_id"
            )
            told = await tx.value(
                "SELECT sum((detail::jsonb ->> 'count')::int) FROM audit_event WHERE tenant_id = $1 AND action = 'retention'"
            )
            assert await audit.broken_seal(tx) is None
        return [tuple(row) for row in rows], told

    assert await at_every_commit(world, begin, remove, state) >= 6


async def test_an_erasure(world: World, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erase, "AT_ONCE", 3)
    owners = dataclasses.replace(world.settings, owner_database_url=cluster[1].owner_url)

    async def begin(tenant: Tenant) -> None:
        for number in range(2):
            await put(world, tenant, GOOD.format(control=f"e{number}", mrn=f"55{number}"))
        folder = world.settings.folders / tenant.slug / "in"
        folder.mkdir(parents=True)
        (folder / "a.hl7").write_text("MSH|", encoding="utf-8")
        await tenants.close(world, tenant.slug, actor="dpo")

    async def end(tenant: Tenant, _: None) -> None:
        async with owned.opened(owners) as owner:
            with contextlib.suppress(NotFound):  # it was erased, and only the answer lost
                await erase.erase(world, owner, tenant.slug, at_once=True, unexported=True, actor="dpo")

    async def state(tenant: Tenant, _: None) -> Any:
        listed, whole = await erase.erasures(world)
        own = [one for one in listed if one.slug == tenant.slug]
        return whole, len(own), own[0].counts, (world.settings.folders / tenant.slug).exists()

    assert await at_every_commit(world, begin, end, state) > 20


async def test_a_month_of_billing(world: World) -> None:
    async with payer_server() as server:

        async def begin(tenant: Tenant) -> None:
            server.payers.books[JACARANDA] = Book(server.book(JACARANDA).side)
            await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
            await happen(world, tenant, many(Visit(payer=JACARANDA, charges=(CONSULTATION, EXAM)), 3))

        async def month(tenant: Tenant, _: None) -> None:
            await billing.close_batches(world, tenant, {})
            await settle(world, tenant)
            await billing.poll_protocols(world, tenant, {})
            await settle(world, tenant)

        async def state(tenant: Tenant, _: None) -> Any:
            async with world.transaction(tenant) as tx:
                sent = await tx.rows(
                    "SELECT number, kind, status, guides, total_cents FROM batch WHERE tenant_id = $1 ORDER BY 1"
                )
                lines = await tx.rows(
                    "SELECT guide_number, billed_cents, paid_cents, denied_cents, orphan FROM statement_line "
                    "WHERE tenant_id = $1 AND NOT replaced ORDER BY 1, 2"
                )
                guides = await tx.rows("SELECT kind, number, status FROM guide WHERE tenant_id = $1 ORDER BY 1, 2")
            book = (await server.received())[JACARANDA]
            assert sent and lines and book["refused"] == {} and len(book["batches"]) == len(sent)
            return [[tuple(row) for row in rows] for rows in (sent, lines, guides)]

        assert await at_every_commit(world, begin, month, state) > 20
