"""$import: every line by the one write path, what is wrong told by line, and done twice without a second effect."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import httpx
import pytest
from bulk_client import ASYNC, began, exported, lines, manifest, put, worked

from hub.bulk import desk, imports, intake, run
from hub.world import Tenant, World
from tests.api.conftest import NewClient

NDJSON = {"content-type": "application/fhir+ndjson"}


def ndjson(*bodies: dict[str, Any] | bytes) -> bytes:
    return b"\n".join(body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies)


def patient(identity: str, **rest: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": identity, **rest}


async def imported(
    world: World, tenant: Tenant, client: httpx.AsyncClient, content: bytes, path: str = "/fhir/$import", **headers: str
) -> dict[str, Any]:
    status = await began(client, path, content=content, headers={**NDJSON, **headers})
    await worked(world, tenant)
    return await manifest(client, status)


def counts(found: dict[str, Any]) -> tuple[int, int]:
    told = found["extension"]["urn:ponte:import"]
    return told["written"], told["refused"]


async def test_lines_become_records(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    content = ndjson(
        {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient?identifier=urn:x|1"}, "valueQuantity": {"value": 1.50}},
        {"resourceType": "Observation", "id": "b", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/p"}},
        b"", b"{", b"[1]", b'{"resourceType":"Nobody"}', {"resourceType": "Patient", "id": "no good"}, patient("wrong", gender="x"), b"\xff\xfe",
        patient("p", identifier=[{"system": "urn:x", "value": "1"}], meta={"versionId": "77"}), patient("twice", gender="male"), patient("twice", gender="female"),
        {"resourceType": "Observation", "id": "c", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient?identifier=urn:x|none"}},
    )  # fmt: skip
    found = await imported(world, tenant, fhir, content)
    assert counts(found) == (5, 7) and found["request"].endswith("/fhir/$import")
    told = {o["extension"][1]["valueInteger"]: o["issue"][0] for o in await lines(fhir, found["error"])}
    assert sorted(told) == [4, 5, 6, 7, 8, 9, 13] and told[8]["expression"] == ["Patient.gender"]
    assert (await fhir.get("/fhir/Patient/p")).json()["meta"]["versionId"] == "1"
    twice = (await fhir.get("/fhir/Patient/twice")).json()
    assert twice["gender"] == "female" and twice["meta"]["versionId"] == "2"
    bundle = (await fhir.get("/fhir/Observation?subject=Patient/p&_sort=_id")).json()
    assert len(bundle["entry"]) == 2 and all(
        e["resource"]["subject"]["reference"] == "Patient/p" for e in bundle["entry"]
    )


async def test_an_export_comes_in_elsewhere(
    world: World, tenant: Tenant, other_tenant: Tenant, fhir: httpx.AsyncClient, client_for: NewClient
) -> None:
    await put(fhir, "Patient", "p", name=[{"family": "Conceição"}])
    for number in range(5):
        await put(
            fhir, "Observation", f"b{number}", status="final", code={"text": "x"}, subject={"reference": "Patient/p"}
        )
    found, records = await exported(world, tenant, fhir, "/fhir/Patient/$export")
    theirs = await client_for(other_tenant)
    for item in found["output"]:
        raw = (await fhir.get("/" + item["url"].split("/", 3)[3])).content
        done = await imported(
            world,
            other_tenant,
            theirs,
            gzip.compress(raw[:200]) + gzip.compress(raw[200:]),
            f"/fhir/$import?_type={item['type']}",
            **{"content-encoding": "gzip"},
        )
        assert counts(done) == (item["count"], 0)
    assert sorted((await exported(world, other_tenant, theirs, "/fhir/$export"))[1]) == sorted(records)
    again = await imported(
        world,
        other_tenant,
        theirs,
        ndjson(patient("p", name=[{"family": "Conceição"}])),
        "/fhir/$import?_type=Observation",
    )
    assert counts(again) == (0, 1)


async def test_a_crash_in_between_writes_nothing_twice(
    world: World, tenant: Tenant, fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker dies after a piece's records are written and before the step: the next one does the piece again."""
    monkeypatch.setattr(intake, "PIECE", 100)
    monkeypatch.setattr(imports, "BATCH", 3)
    content = ndjson(*({"resourceType": "Patient", "gender": "male"} for _ in range(20)), b"{") + b"\n"
    status = await began(fhir, "/fhir/$import", content=content, headers=NDJSON)
    dead = await run.taken(world, tenant, desk.UUID(status.rpartition("/")[2]))
    assert dead is not None
    real, calls = run.Run.write, 0

    async def dies(self: Any, tx: Any, made: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise asyncio.CancelledError
        await real(self, tx, made)

    monkeypatch.setattr(run.Run, "write", dies)
    with pytest.raises(asyncio.CancelledError):
        await imports.bring_in(dead)
    monkeypatch.setattr(run.Run, "write", real)
    assert (await fhir.get(status)).headers["x-progress"].endswith("under way")
    await worked(world, tenant)
    assert counts(await manifest(fhir, status)) == (20, 1)
    history = (await fhir.get("/fhir/Patient/_history?_count=100")).json()
    assert len(history["entry"]) == 20
    with pytest.raises(run.Stopped):
        await imports.bring_in(dead)


async def test_who_may(world: World, tenant: Tenant, client_for: NewClient) -> None:
    reader = await client_for(tenant, ["system/*.rs"])
    assert (await reader.post("/fhir/$import", content=b"{}", headers={**ASYNC, **NDJSON})).status_code == 403
    narrow = await client_for(tenant, ["system/Patient.cud"])
    found = await imported(
        world, tenant, narrow, ndjson(patient("p"), {"resourceType": "Device", "id": "d"}, patient("q"))
    )
    (outcome,) = await lines(narrow, found["error"])
    assert counts(found) == (2, 1) and outcome["issue"][0]["code"] == "forbidden"


async def test_bad_requests_and_limits(
    world: World, tenant: Tenant, fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for headers, path, status in (
        ({**NDJSON}, "/fhir/$import", 400), ({**ASYNC, "content-type": "text/csv"}, "/fhir/$import", 415), ({**ASYNC, **NDJSON, "content-encoding": "br"}, "/fhir/$import", 415),
        ({**ASYNC, **NDJSON}, "/fhir/$import?_type=Nobody", 400), ({**ASYNC, **NDJSON, "content-encoding": "gzip"}, "/fhir/$import", 400),
    ):  # fmt: skip
        answer = await fhir.post(path, content=b"{}\n", headers=headers)
        assert answer.status_code == status and answer.json()["resourceType"] == "OperationOutcome", answer.text
    monkeypatch.setattr(intake, "MOST_LINE", 1000)
    assert (await fhir.post("/fhir/$import", content=b"x" * 2000, headers={**ASYNC, **NDJSON})).status_code == 413
    await worked(world, tenant)
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT count(*) FROM bulk_job WHERE tenant_id = $1") == 0
    assert counts(await imported(world, tenant, fhir, b"")) == (0, 0)
    for _ in range(desk.MOST_OPEN):
        await began(fhir, "/fhir/$import", content=b"", headers=NDJSON)
    assert (await fhir.post("/fhir/$import", content=b"", headers={**ASYNC, **NDJSON})).status_code == 429
