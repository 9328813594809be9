"""Packages become a tenant's records, $validate and writes follow their profiles; the command line does so offline."""

from __future__ import annotations

import dataclasses
import json
import tarfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.cli.main import main
from hub.operate import packages
from hub.records.acting import Actor
from hub.records.bundle import transact
from hub.records.entry import Entry, Failed, problems_of
from hub.world import Tenant, World

URL = "http://example.org/StructureDefinition/named"
PROFILE: dict[str, Any] = {
    "resourceType": "StructureDefinition", "id": "named", "url": URL, "name": "Named", "status": "active", "kind": "resource", "abstract": False,
    "type": "Patient", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "derivation": "constraint",
    "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1},
                                 {"id": "Patient.maritalStatus", "path": "Patient.maritalStatus", "binding": {"strength": "required", "valueSet": "urn:vs"}}]},
}  # fmt: skip
SET = {
    "resourceType": "ValueSet",
    "url": "urn:vs",
    "status": "active",
    "compose": {"include": [{"system": "urn:s", "concept": [{"code": "S"}]}]},
}
PATIENT: dict[str, Any] = {"resourceType": "Patient", "meta": {"profile": [URL]}}


def package(folder: Path) -> Path:
    """A package as npm packs it."""
    inner = folder / "package"
    inner.mkdir()
    broken = {**PROFILE, "id": "broken", "status": "colour"}
    for name, body in (("p", PROFILE), ("v", SET), ("b", broken), ("x", PATIENT)):
        (inner / f"{name}.json").write_text(json.dumps(body), encoding="utf-8")
    with tarfile.open(folder / "p.tgz", "w:gz") as archive:
        archive.add(inner, "package")
    return folder / "p.tgz"


async def test_import_validate_enforce(fhir: httpx.AsyncClient, world: World, tenant: Tenant, tmp_path: Path) -> None:
    before = await fhir.post("/fhir/Patient/$validate", params={"profile": URL}, json={"resourceType": "Patient"})
    assert [i["severity"] for i in before.json()["issue"]] == ["information", "warning"]
    taken, refused = await packages.take_in(world, tenant, package(tmp_path), "test")
    assert taken == 2 and [name for name, _ in refused] == ["StructureDefinition/broken"]
    assert await packages.take_in(world, tenant, tmp_path / "package", "test") == (2, refused)
    assert (await fhir.get("/fhir/StructureDefinition/named")).json()["meta"]["versionId"] == "1"
    answer = await fhir.post("/fhir/$validate", json=PATIENT)
    assert [(i["code"], i["expression"]) for i in answer.json()["issue"]][1:] == [("required", ["Patient.name"])]
    married = {**PATIENT, "name": [{"text": "x"}], "maritalStatus": {"coding": [{"system": "urn:s", "code": "Z"}]}}
    assert (await fhir.post("/fhir/$validate", json=married)).json()["issue"][1]["code"] == "code-invalid"
    assert (await fhir.post("/fhir/Patient", json=PATIENT)).status_code == 201
    strict = dataclasses.replace(tenant, settings={"fhir": {"profiles": "enforce"}})
    actor = Actor(tenant=strict, subject="test", permits=lambda *_: True)
    with pytest.raises(Failed) as caught:
        await transact(world, actor, [Entry(method="POST", type_name="Patient", resource=PATIENT, alone=True)])
    assert problems_of(caught.value.causes[0])[0].code == "fhir.profile.missing"
    good = {**PATIENT, "name": [{"text": "x"}]}
    assert await transact(world, actor, [Entry(method="POST", type_name="Patient", resource=good, alone=True)])


def test_offline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "patient.json"
    file.write_text(json.dumps({"resourceType": "Patient"}), encoding="utf-8")
    archive = str(package(tmp_path))
    assert main(["fhir", "validate", str(file), "--package", archive]) == 0
    assert main(["fhir", "validate", str(file), "--package", archive, "--profile", URL, "--json"]) == 1
    assert "fhir.profile.missing" in capsys.readouterr().out
    assert main(["fhir", "validate", str(file), "--package", archive, "--profile", "urn:none"]) == 2
