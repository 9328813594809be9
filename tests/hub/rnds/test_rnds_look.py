"""Questions to RNDS by hand: people and places by their numbers, and whether the settings hold there."""

from __future__ import annotations

from pathlib import Path

import pytest
import rnds_records as records
from rnds_server import rnds_server

from adapters.rnds import questions
from canonical.errors import Misconfigured, NotFound, Refused
from hub.rnds import look
from hub.world import Tenant, World

CPF = "52998224725"


def test_paths_by_number() -> None:
    system = "http%3A%2F%2Frnds.saude.gov.br%2Ffhir%2Fr4%2FNamingSystem%2F"
    assert questions.path("patient", "529.982.247-25") == f"/fhir/r4/Patient?identifier={system}cpf%7C{CPF}"
    assert questions.path("professional", records.DOCTOR_CNS).endswith(f"cns%7C{records.DOCTOR_CNS}")
    assert questions.path("establishment", "2337991") == "/fhir/r4/Organization/2337991"
    assert questions.link("1", "2") == "/fhir/r4/PractitionerRole/1-2"
    assert questions.path("establishment", "11.222.333/0001-81") == "/fhir/r4/Organization/11222333000181"
    for kind, number in (("patient", "1"), ("establishment", CPF), ("professional", "../x"), ("bed", CPF)):
        with pytest.raises(ValueError, match=r"\w"):
            questions.path(kind, number)


async def test_people_and_places_are_found(world: World, tenant: Tenant, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await look.look(world, tenant, "patient", CPF, "test")
    async with rnds_server(tmp_path) as server:
        await server.join(world, tenant)
        (person,) = await look.look(world, tenant, "patient", CPF, "test")
        assert person["id"].startswith("1") and len(person["id"]) == 15
        assert [p["id"] for p in await look.look(world, tenant, "professional", records.DOCTOR_CNS, "test")] == [
            records.DOCTOR_CNS
        ]
        assert (await look.look(world, tenant, "establishment", records.CNES, "test"))[0][
            "resourceType"
        ] == "Organization"
        assert await look.look(world, tenant, "establishment", "1234567", "test") == []
        assert await look.check(world, tenant, "test") == []
    async with world.transaction(tenant) as tx:
        kept = await tx.rows("SELECT entity FROM audit_event WHERE tenant_id = $1 AND action LIKE 'rnds-look'")
        assert not await tx.value("SELECT count(*) FROM message WHERE tenant_id = $1")
    assert len(kept) >= 3 and all(CPF not in row["entity"] for row in kept)


async def test_settings_that_do_not_hold_are_told(world: World, tenant: Tenant, tmp_path: Path) -> None:
    async with rnds_server(tmp_path, unlinked=frozenset((records.DOCTOR_CNS,))) as server:
        await server.join(world, tenant)
        with pytest.raises(Refused):  # the professional may not even ask
            await look.check(world, tenant, "test")
    async with rnds_server(tmp_path) as server:
        await server.join(world, tenant, cnes="1234567")
        assert [p.code for p in await look.check(world, tenant, "test")] == [
            "rnds.check.establishment",
            "rnds.check.link",
        ]
        await server.join(world, tenant, professional={})
        with pytest.raises(Misconfigured):
            await look.check(world, tenant, "test")
