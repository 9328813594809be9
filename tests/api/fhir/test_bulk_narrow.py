"""$export under a narrow token: what it may see, as it stood at the moment shown, and nothing beside it."""

from __future__ import annotations

from typing import Any

import httpx
from bulk_client import ASYNC, began, exported, lines, manifest, put, worked
from fastapi import FastAPI

from hub.guard import tokens
from hub.world import Tenant, World

PATIENT = "patient/*.rs"
FINAL = "system/Observation.rs?status=final system/Patient.rs"


async def holder(world: World, tenant: Tenant, app: FastAPI, given: str, patient: str = "") -> httpx.AsyncClient:
    claims = tokens.claims(world, tenant, "test", roles=[], scopes=given.split())
    token = await tokens.signed(world, {**claims, **({"patient": patient} if patient else {})})
    headers = {"authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub", headers=headers)


async def ward(client: httpx.AsyncClient) -> None:
    await put(client, "Practitioner", "d")
    for patient in ("p", "q"):
        await put(client, "Patient", patient, generalPractitioner=[{"reference": "Practitioner/d"}])
        for status in ("final", "preliminary"):
            subject = {"reference": f"Patient/{patient}"}
            await put(client, "Observation", f"{patient}-{status}", status=status, code={"text": "x"}, subject=subject)
    for name, members in (("g", "pq"), ("h", "q")):
        listed: list[dict[str, Any]] = [{"entity": {"reference": f"Patient/{each}"}} for each in members]
        await put(client, "Group", name, type="person", actual=True, member=listed)


async def test_what_a_narrow_token_exports(world: World, tenant: Tenant, app: FastAPI, fhir: httpx.AsyncClient) -> None:
    await ward(fhir)
    mine = {"Patient/p", "Observation/p-final", "Observation/p-preliminary", "Group/g"}
    finals = {"Observation/p-final", "Observation/q-final", "Patient/p", "Patient/q"}
    wanted = [
        (PATIENT, "p", "/fhir/$export", mine),
        (PATIENT, "p", "/fhir/Patient/$export", mine),
        (PATIENT, "p", "/fhir/Patient/$export?_typeFilter=Observation%3Fstatus%3Dfinal", mine - {"Observation/p-preliminary"}),
        (f"{PATIENT} system/Practitioner.rs", "p", "/fhir/Group/g/$export", mine | {"Practitioner/d"}),
        (FINAL, "", "/fhir/$export", finals),
        (FINAL, "", "/fhir/Patient/$export?_type=Observation", {each for each in finals if "Obs" in each}),
        (FINAL, "", "/fhir/$export?_type=Observation&_typeFilter=Observation%3Fsubject%3DPatient/q", {"Observation/q-final"}),
    ]  # fmt: skip
    for given, patient, path, expected in wanted:
        async with await holder(world, tenant, app, given, patient) as client:
            _, records = await exported(world, tenant, client, path)
            assert set(records) == expected, (given, path)
    async with await holder(world, tenant, app, PATIENT, "p") as client:
        assert (await client.get("/fhir/Group/h/$export", headers=ASYNC)).status_code == 404  # is not of the patient
        assert (await client.get("/fhir/$export?_type=Practitioner", headers=ASYNC)).status_code == 403
    async with await holder(world, tenant, app, "system/Observation.r?status=final system/Observation.s") as client:
        _, records = await exported(world, tenant, client, "/fhir/$export")
        assert set(records) == {"Observation/p-final", "Observation/q-final"}  # to be read, not only found


async def test_versions_and_deletions_are_judged_too(
    world: World, tenant: Tenant, app: FastAPI, fhir: httpx.AsyncClient
) -> None:
    await ward(fhir)
    async with await holder(world, tenant, app, FINAL) as client:
        first, _ = await exported(world, tenant, client, "/fhir/$export")
        await put(fhir, "Observation", "p-preliminary", status="final", code={"text": "y"})
        for gone in ("p-final", "q-preliminary"):
            await fhir.delete(f"/fhir/Observation/{gone}")
        since, until = f"_since={first['transactionTime']}", f"_until={first['transactionTime']}"
        later, records = await exported(world, tenant, client, f"/fhir/$export?{since}&_type=Observation")
        assert records == ["Observation/p-preliminary"]
        (bundle,) = await lines(fhir, later["deleted"])
        assert [e["request"]["url"] for e in bundle["entry"]] == ["Observation/p-final"]
        _, records = await exported(world, tenant, client, f"/fhir/$export?{until}&_type=Observation")
        assert "Observation/p-preliminary" not in records  # as it stood then, it was out of reach


async def test_files_ask_for_as_much_as_began_them(
    world: World, tenant: Tenant, app: FastAPI, fhir: httpx.AsyncClient
) -> None:
    await ward(fhir)
    async with (
        await holder(world, tenant, app, PATIENT, "p") as one,
        await holder(world, tenant, app, PATIENT, "q") as two,
    ):
        status = await began(one, "/fhir/$export?_type=Observation")
        await worked(world, tenant)
        url = "/" + (await manifest(one, status))["output"][0]["url"].split("/", 3)[3]
        assert (await one.get(url)).status_code == 200 == (await fhir.get(url)).status_code
        assert (await two.get(url)).status_code == 403  # the same client, for another patient
        whole = await began(fhir, "/fhir/$export?_type=Observation")
        await worked(world, tenant)
        url = "/" + (await manifest(fhir, whole))["output"][0]["url"].split("/", 3)[3]
        assert (await one.get(url)).status_code == 403


LENIENT = {"prefer": "respond-async, handling=lenient"}
LET_GO = [
    ("_type=Patient,Nothing", "Patient", "_type"),
    ("_type=Patient,Observation", "Patient", "_type=Observation"),  # known, not permitted
    ("_type=Patient&_typeFilter=Patient%3Fstatus%3Dactive", "Patient", "_typeFilter"),
    ("_type=Patient&_typeFilter=Patient%3F_sort%3Dbirthdate", "Patient", "_typeFilter"),
    ("_type=Patient&_typeFilter=Group%3Ftype%3Dperson", "Patient", "_typeFilter"),
    ("_typeFilter=Group%3F_lastUpdated%3Dsoon,Group%3Ftype%3Danimal", "Patient", "_typeFilter"),  # the other counts
]


async def test_lenient_lets_go_what_cannot_be_done(
    world: World, tenant: Tenant, app: FastAPI, fhir: httpx.AsyncClient
) -> None:
    """Bulk Data 2.0: an error for types and filters that are not supported, unless handling is lenient; then told."""
    await ward(fhir)
    async with await holder(world, tenant, app, "system/Patient.rs system/Group.rs") as client:
        for query, kind, name in LET_GO:
            strict = await client.get(f"/fhir/$export?{query}", headers=ASYNC)
            assert strict.status_code in (400, 403), query
            found, records = await exported(world, tenant, client, f"/fhir/$export?{query}", headers=LENIENT)
            assert {each.partition("/")[0] for each in records} == {kind} and len(records) == 2, query
            (outcome,) = await lines(client, found["error"])
            assert f"parameter {name} had no effect" in str(outcome), query
        nothing = await client.get("/fhir/$export?_type=Nothing", headers={**ASYNC, **LENIENT})
        assert nothing.status_code == 400  # nothing asked for is left; everything is another request
        hidden = "/fhir/$export?_typeFilter=Patient%3F_has:Observation:subject:status%3Dfinal"
        assert (await client.get(hidden, headers={**ASYNC, **LENIENT})).status_code == 403
