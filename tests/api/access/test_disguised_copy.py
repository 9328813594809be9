"""A copy for tests: made by the command from real records, without anybody in it, and taken by another tenant's `$import`."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from bulk_client import put

from canonical.codes import CPF
from canonical.errors import NotFound
from canonical.identifiers import is_cpf
from hub.disguise import copy
from hub.operate.persons import blocking
from hub.world import Tenant, World
from tests.api.conftest import NewClient
from tests.api.fhir.test_bulk_import import counts, imported

CANARIES = ("canarin", "52998224725", "98765", "flores", "segredo", "dr-real", "real-1", "carteira77")


async def lived(client: httpx.AsyncClient) -> None:
    """Two real patients with what a hospital has of them."""
    await put(client, "Organization", "house", name="Hospital de Teste")
    await put(client, "Practitioner", "dr-real", name=[{"family": "Canarin", "given": ["Eva"]}], birthDate="1970-01-01")
    for number, cpf in ((1, "52998224725"), (2, "11144477735")):
        who = {"reference": f"Patient/real-{number}", "display": "Canarin"}
        await put(
            client, "Patient", f"real-{number}", identifier=[{"system": CPF, "value": cpf}], gender="female", birthDate="1980-02-29",
            name=[{"family": "Canarin", "given": ["Ana", str(number)]}], telecom=[{"system": "phone", "value": "11 98765 4321"}],
            address=[{"line": ["Rua das Flores 10"], "city": "Recife"}], managingOrganization={"reference": "Organization/house"},
        )  # fmt: skip
        await put(client, "Encounter", f"e{number}", status="finished", subject=who, period={"start": "2026-01-05", "end": "2026-01-09"},
                  **{"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}})  # fmt: skip
        await put(client, "Observation", f"o{number}", status="final", subject=who, encounter={"reference": f"Encounter/e{number}"},
                  performer=[{"reference": "Practitioner/dr-real"}], effectiveDateTime="2026-01-06", valueInteger=7,
                  code={"coding": [{"system": "http://loinc.org", "code": "718-7"}]}, note=[{"text": "segredo da Canarin"}])  # fmt: skip
        await put(
            client,
            "Coverage",
            f"c{number}",
            status="active",
            beneficiary=who,
            subscriberId=f"CARTEIRA77{number}",
            payor=[{"display": "Canarin"}],
        )
        await put(client, "DocumentReference", f"d{number}", status="current", subject=who,
                  content=[{"attachment": {"contentType": "text/plain", "data": "c2VncmVkbw==", "title": "segredo"}}])  # fmt: skip
    leaking = {"coding": [{"system": "urn:x", "code": "1", "display": "Exame da Ana Canarin"}]}
    await put(client, "Condition", "leak", subject={"reference": "Patient/real-1"}, code=leaking)


async def test_nobody_is_in_the_copy_and_another_tenant_takes_it(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: NewClient, tmp_path: Path
) -> None:
    await lived(await client_for(tenant))
    target = tmp_path / "copy.zip"
    done = await copy.copy(world, tenant, target, 100, actor="dpo")
    assert done.patients == 2 and done.records == {
        "Coverage": 2, "DocumentReference": 2, "Encounter": 2, "Observation": 2, "Organization": 1, "Patient": 2, "Practitioner": 1,
    }  # fmt: skip
    assert done.withheld == {"Condition": 1} and not done.invalid
    with zipfile.ZipFile(target) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if name.endswith(".ndjson")}
    whole = b"".join(files.values())
    assert [word for word in CANARIES if word in whole.decode().lower()] == []
    records = [json.loads(line) for line in whole.splitlines()]
    patients = {one["id"]: one for one in records if one["resourceType"] == "Patient"}
    numbers = {one["identifier"][0]["value"] for one in patients.values()}
    assert len(numbers) == 2 and all(is_cpf(number) and number.startswith("999") for number in numbers)
    for one in (each for each in records if each["resourceType"] == "Encounter"):
        patient = patients[one["subject"]["reference"].removeprefix("Patient/")]
        assert one["period"]["start"] < "2026-01-01" and patient["birthDate"] < "1980-02-29"
        assert int(one["period"]["end"][-2:]) - int(one["period"]["start"][-2:]) in (4, 4 - 31, 4 - 30, 4 - 28)
    taker = await client_for(other_tenant)
    assert counts(await imported(world, other_tenant, taker, whole)) == (12, 0)
    found = (await taker.get("/fhir/Observation?_include=Observation:subject")).json()
    assert sum(1 for entry in found["entry"] if entry["search"]["mode"] == "include") == 2
    again = tmp_path / "again.zip"
    await blocking.block(world, tenant, "Patient/real-1", actor="dpo")
    assert (await copy.copy(world, tenant, again, 9, actor="dpo")).patients == 1, "a blocked person is in no copy"
    with zipfile.ZipFile(again) as archive:
        assert not any(identity in archive.read("Patient.ndjson").decode() for identity in patients), "another key"
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT count(*) FROM audit_event WHERE tenant_id = $1 AND action = 'tenant-copy'") == 2


async def test_without_patients_there_is_no_copy(world: World, tenant: Tenant, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await copy.copy(world, tenant, tmp_path / "none.zip", 5, actor="dpo")
    assert not (tmp_path / "none.zip").exists()


def test_the_command(
    cluster: Any, tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from api.cli.main import main

    monkeypatch.setenv("PONTE_DATABASE_URL", cluster[0].database_url)
    assert main(["tenant", "copy", tenant.slug, str(tmp_path / "a.zip")]) == 2, "--anonymised must be said"
    assert main(["tenant", "copy", tenant.slug, str(tmp_path / "a.zip"), "--anonymised"]) == 1
    assert "no patients" in capsys.readouterr().err
