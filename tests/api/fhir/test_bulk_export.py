"""$export: what it holds on each level, at which moment, and how a client follows, fetches and cancels it."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import httpx
import pytest
from bulk_client import ASYNC, began, exported, lines, manifest, put, worked

from hub.bulk import cleanup, desk, exports, pages, run
from hub.world import Tenant, World
from tests.api.conftest import NewClient


async def ward(client: httpx.AsyncClient) -> None:
    """Two patients with results, who works there, and a group of one of them."""
    await put(client, "Organization", "o", name="Hospital")
    await put(client, "Organization", "alone", name="Alone")
    await put(client, "Practitioner", "d")
    await put(client, "Patient", "p", gender="female", managingOrganization={"reference": "Organization/o"})
    await put(client, "Patient", "q", gender="male")
    for identity, patient, status in (("b1", "p", "final"), ("b2", "p", "preliminary"), ("b3", "q", "final")):
        await put(client, "Observation", identity, status=status, code={"text": "x"}, subject={"reference": f"Patient/{patient}"},
                  performer=[{"reference": "Practitioner/d"}])  # fmt: skip
    await put(client, "Observation", "nobodys", status="final", code={"text": "x"})
    await put(client, "Group", "g", type="person", actual=True,
              member=[{"entity": {"reference": "Patient/p"}}, {"entity": {"reference": "Patient/q"}, "inactive": True}])  # fmt: skip
    await put(
        client,
        "Group",
        "outer",
        type="person",
        actual=True,
        member=[{"entity": {"reference": "Group/g"}}, {"entity": {"reference": "Group/outer"}}],
    )


async def test_levels(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    await ward(fhir)
    found, all_records = await exported(world, tenant, fhir, "/fhir/$export")
    assert sorted(all_records) == sorted([
        "Organization/o", "Organization/alone", "Practitioner/d", "Patient/p", "Patient/q", "Observation/b1", "Observation/b2",
        "Observation/b3", "Observation/nobodys", "Group/g", "Group/outer",
    ])  # fmt: skip
    assert (
        found["requiresAccessToken"] is True
        and found["request"].endswith("/fhir/$export")
        and found["error"] == [] == found["deleted"]
    )
    _, of_patients = await exported(world, tenant, fhir, "/fhir/Patient/$export")
    assert set(all_records) - set(of_patients) == {"Observation/nobodys", "Group/outer"}
    members = {"Patient/p", "Observation/b1", "Observation/b2", "Practitioner/d", "Organization/o", "Group/g"}
    for path in ("/fhir/Group/g/$export", "/fhir/Group/outer/$export"):
        assert set((await exported(world, tenant, fhir, path))[1]) == members
    one = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "patient", "valueReference": {"reference": "Patient/q"}},
            {"name": "_type", "valueString": "Patient,Observation"},
        ],
    }
    assert set((await exported(world, tenant, fhir, "/fhir/Patient/$export", json=one))[1]) == {
        "Patient/q",
        "Observation/b3",
    }
    assert (await exported(world, tenant, fhir, "/fhir/Group/g/$export", json=one))[1] == []
    assert (await fhir.get("/fhir/Group/none/$export", headers=ASYNC)).status_code == 404


async def test_filters_and_elements(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    await ward(fhir)
    found, records = await exported(
        world, tenant, fhir, "/fhir/$export?_type=Observation,Patient&_elements=Observation.status,gender"
        "&_typeFilter=Observation%3Fstatus%3Dpreliminary,Observation%3Fsubject%3DPatient/q&_typeFilter=Patient%3Fgender%3Dmale",
    )  # fmt: skip
    assert sorted(records) == ["Observation/b2", "Observation/b3", "Patient/q"]
    bodies = {r["id"]: r for r in await lines(fhir, found["output"])}
    assert (
        bodies["q"]["gender"] == "male"
        and "subject" not in bodies["b2"]
        and bodies["b2"]["meta"]["tag"][0]["code"] == "SUBSETTED"
    )
    _, records = await exported(
        world, tenant, fhir, "/fhir/Patient/$export?_type=Observation&_typeFilter=Observation%3Fstatus%3Dfinal"
    )
    assert sorted(records) == ["Observation/b1", "Observation/b3"]
    _, records = await exported(
        world, tenant, fhir, "/fhir/Group/g/$export?_type=Observation&_typeFilter=Observation%3Fstatus%3Dfinal"
    )
    assert records == ["Observation/b1"]


async def test_changes_and_deletions(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    await ward(fhir)
    first, _ = await exported(world, tenant, fhir, "/fhir/$export")
    since = first["transactionTime"]
    assert (await exported(world, tenant, fhir, f"/fhir/$export?_until={since}&_type=Group"))[1] == [
        "Group/g",
        "Group/outer",
    ]
    await put(fhir, "Patient", "p", gender="other")
    await put(fhir, "Patient", "p", gender="unknown")
    await fhir.delete("/fhir/Observation/b1")
    await fhir.delete("/fhir/Observation/b3")
    await put(fhir, "Observation", "b4", status="final", code={"text": "x"}, subject={"reference": "Patient/p"})
    second, records = await exported(world, tenant, fhir, f"/fhir/$export?_since={since}")
    assert sorted(records) == ["Observation/b4", "Patient/p"]
    assert next(r for r in await lines(fhir, second["output"]) if r["id"] == "p")["gender"] == "unknown"
    assert await deleted(fhir, second) == {"Observation/b1", "Observation/b3"}
    of_group, records = await exported(
        world, tenant, fhir, f"/fhir/Group/g/$export?_since={since}&_type=Patient,Observation"
    )
    assert sorted(records) == ["Observation/b4", "Patient/p"] and await deleted(fhir, of_group) == {"Observation/b1"}
    window = f"/fhir/$export?_since={since}&_until={second['transactionTime']}&_type=Patient"
    await put(fhir, "Patient", "p", gender="female")
    found, records = await exported(world, tenant, fhir, window)
    assert records == ["Patient/p"] and (await lines(fhir, found["output"]))[0]["gender"] == "unknown"


async def deleted(client: httpx.AsyncClient, found: dict[str, Any]) -> set[str]:
    bundles = await lines(client, found["deleted"])
    assert all(entry["request"]["method"] == "DELETE" for bundle in bundles for entry in bundle["entry"])
    return {entry["request"]["url"] for bundle in bundles for entry in bundle["entry"]}


async def test_one_moment_is_shown(
    world: World, tenant: Tenant, fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored while an export runs, on pages behind it or before it, does not show in it."""
    monkeypatch.setattr(pages, "MOST_ROWS", 2)
    for number in range(7):
        await put(fhir, "Patient", f"p{number}", gender="male")
    status = await began(fhir, "/fhir/$export?_type=Patient,Practitioner")
    calls = 0
    real = exports.page

    async def meddling(tx: Any, walk: Any, after: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            for number in (0, 5):
                await put(fhir, "Patient", f"p{number}", gender="female")
            await fhir.delete("/fhir/Patient/p6")
            await put(fhir, "Practitioner", "late")
        return await real(tx, walk, after)

    monkeypatch.setattr(exports, "page", meddling)
    await worked(world, tenant)
    records = await lines(fhir, (await manifest(fhir, status))["output"])
    assert [(r["id"], r["gender"]) for r in records] == [(f"p{n}", "male") for n in range(7)] and calls > 3


async def test_another_worker_goes_on(
    world: World, tenant: Tenant, fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies between two pages: the next one goes on there, and the dead one can write nothing more."""
    monkeypatch.setattr(pages, "MOST_ROWS", 2)
    monkeypatch.setattr(run, "MOST_RECORDS", 3)
    for number in range(9):
        await put(fhir, "Patient", f"p{number}")
    status = await began(fhir, "/fhir/$export?_type=Patient")
    identity = status.rpartition("/")[2]
    dead = await run.taken(world, tenant, desk.UUID(identity))
    assert dead is not None
    real, calls = exports._write, 0

    async def dies(at: Any, walk: Any, found: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise asyncio.CancelledError
        await real(at, walk, found)

    monkeypatch.setattr(exports, "_write", dies)
    with pytest.raises(asyncio.CancelledError):
        await exports.export(dead)
    monkeypatch.setattr(exports, "_write", real)
    progress = await fhir.get(status)
    assert (
        progress.status_code == 202
        and progress.headers["x-progress"].startswith("4 records")
        and int(progress.headers["retry-after"])
    )
    await worked(world, tenant)
    found = await manifest(fhir, status)
    assert [r["id"] for r in await lines(fhir, found["output"])] == [f"p{n}" for n in range(9)] and len(
        found["output"]
    ) > 1
    with pytest.raises(run.Stopped):
        await exports.export(dead)


async def test_files_are_one_gzip_member_and_plain(
    world: World, tenant: Tenant, fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_ROWS", 3)
    for number in range(10):
        await put(fhir, "Patient", f"p{number}", name=[{"family": "Conceição"}])
    found, _ = await exported(world, tenant, fhir, "/fhir/$export?_type=Patient")
    path = "/" + found["output"][0]["url"].split("/", 3)[3]
    plain = await fhir.get(path, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers and int(plain.headers["content-length"]) == len(plain.content)
    raw = b""
    async with fhir.stream("GET", path, headers={"accept-encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        raw = b"".join([part async for part in packed.aiter_raw()])
    assert len(raw) == int(packed.headers["content-length"]) and gzip.decompress(raw) == plain.content
    single = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert single.decompress(raw) == plain.content and not single.unused_data


async def test_who_may(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: NewClient, fhir: httpx.AsyncClient
) -> None:
    await ward(fhir)
    narrow = await client_for(tenant, ["system/Patient.rs", "system/Observation.r"])
    narrower = await client_for(tenant, ["system/Patient.rs"])
    _, records = await exported(world, tenant, narrow, "/fhir/$export")
    assert sorted(records) == ["Patient/p", "Patient/q"]
    assert (await narrow.get("/fhir/$export?_type=Observation", headers=ASYNC)).status_code == 403
    assert (await narrow.get("/fhir/Group/g/$export", headers=ASYNC)).status_code == 403
    chained = "/fhir/$export?_type=Patient&_typeFilter=Patient%3F_has:Observation:patient:status%3Dfinal"
    assert (await narrower.get(chained, headers=ASYNC)).status_code == 403 and len(
        (await exported(world, tenant, fhir, chained))[1]
    ) == 2
    nothing = await client_for(tenant, ["billing"])
    assert (await nothing.get("/fhir/$export", headers=ASYNC)).status_code == 403
    status = await began(fhir, "/fhir/$export?_type=Observation")
    await worked(world, tenant)
    url = "/" + (await manifest(fhir, status))["output"][0]["url"].split("/", 3)[3]
    assert (await narrower.get(url)).status_code == 403
    theirs = await client_for(other_tenant)
    for path in (status, url):
        assert (await theirs.get(path)).status_code == 404
        assert (await theirs.get(path, headers={"authorization": ""})).status_code == 401
    assert (await theirs.delete(status)).status_code == 404 and (await fhir.get(url)).status_code == 200
    async with world.transaction(tenant) as tx:
        told = await tx.rows(
            "SELECT actor, action, entity, detail FROM audit_event WHERE tenant_id = $1 AND action IN ('export', 'finish') ORDER BY seq"
        )
        raw = await tx.value("SELECT string_agg(encode(sealed, 'escape'), '') FROM bulk_piece WHERE tenant_id = $1")
        rows = await tx.value("SELECT string_agg(request::text || progress, '') FROM bulk_job WHERE tenant_id = $1")
    assert {(t["actor"], t["action"]) for t in told} == {
        ("test", "export"),
        ("test", "finish"),
    } and '"records": 4' in told[-1]["detail"]
    assert "Observation" not in raw and "_type" not in rows


async def test_limits_cancel_and_expiry(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    await put(fhir, "Patient", "p")
    statuses = [await began(fhir, "/fhir/$export") for _ in range(desk.MOST_OPEN)]
    full = await fhir.get("/fhir/$export", headers=ASYNC)
    assert full.status_code == 429 and int(full.headers["retry-after"]) > 0
    assert (await fhir.delete(statuses[0])).status_code == 202
    assert (await fhir.get(statuses[0])).status_code == 404 == (await fhir.delete(statuses[0])).status_code
    await worked(world, tenant)
    url = "/" + (await manifest(fhir, statuses[1]))["output"][0]["url"].split("/", 3)[3]
    assert (await fhir.delete(statuses[1])).status_code == 202 and (await fhir.get(url)).status_code == 404
    await worked(world, tenant)
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE bulk_job SET expires_at = now() - interval '1 second' WHERE tenant_id = $1")
    assert (await fhir.get(statuses[2])).status_code == 404
    await cleanup.job(world, tenant, {})
    async with world.transaction(tenant) as tx:
        for table in ("bulk_job", "bulk_file", "bulk_piece", "bulk_member"):
            assert await tx.value(f"SELECT count(*) FROM {table} WHERE tenant_id = $1") == 0


async def test_a_lost_job_is_queued_again(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    await put(fhir, "Patient", "p")
    status = await began(fhir, "/fhir/$export")
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE job SET status = 'DEAD' WHERE tenant_id = $1 AND name = 'fhir.export'")
        await tx.run("UPDATE lane SET pending = 0 WHERE tenant_id = $1")
    await worked(world, tenant)
    assert (await fhir.get(status)).status_code == 202
    await cleanup.job(world, tenant, {})
    await worked(world, tenant)
    assert (await manifest(fhir, status))["output"][0]["count"] == 1


BAD = [
    ("", "", 400), ("_type=Nobody", "respond-async", 400), ("_outputFormat=text/csv", "respond-async", 400),
    ("_since=yesterday", "respond-async", 400), ("_typeFilter=Patient%3Fnone%3D1", "respond-async", 400),
    ("_typeFilter=Patient", "respond-async", 400), ("_typeFilter=Patient%3Fgender%3Amissing%3Dx", "respond-async", 400), ("includeAssociatedData=x", "respond-async", 400),
    ("_type=Patient&_typeFilter=Observation%3Fstatus%3Dfinal", "respond-async", 400), ("patient=Patient/1", "respond-async", 400),
]  # fmt: skip


async def test_bad_requests(fhir: httpx.AsyncClient) -> None:
    for query, prefer, status in BAD:
        answer = await fhir.get(f"/fhir/$export?{query}", headers={"prefer": prefer})
        assert answer.status_code == status and answer.json()["resourceType"] == "OperationOutcome", query


async def test_lenient_tells_what_it_ignored(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    headers = {"prefer": "respond-async, handling=lenient"}
    found, _ = await exported(
        world,
        tenant,
        fhir,
        "/fhir/$export?includeAssociatedData=x&_outputFormat=application/fhir+ndjson",
        headers=headers,
    )
    (outcome,) = await lines(fhir, found["error"])
    assert outcome["issue"][0]["severity"] == "information" and "includeAssociatedData" in str(outcome)


async def test_a_failed_job_says_so(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    await ward(fhir)
    status = await began(fhir, "/fhir/Group/g/$export")
    await fhir.delete("/fhir/Group/g")
    await worked(world, tenant)
    answer = await fhir.get(status)
    assert answer.status_code == 500 and answer.json()["issue"][0]["severity"] == "error"
