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
from hub.records.requests.acting import Actor
from hub.records.requests.bundle import transact
from hub.records.requests.entry import Entry, Failed, problems_of
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
    broken = {**PROFILE, "id": "broken", "url": f"{URL}-broken", "status": "colour"}
    for name, body in (("p", PROFILE), ("v", SET), ("b", broken), ("x", PATIENT)):
        (inner / f"{name}.json").write_text(json.dumps(body), encoding="utf-8")
    with tarfile.open(folder / "p.tgz", "w:gz") as archive:
        archive.add(inner, "package")
    return folder / "p.tgz"


async def test_import_validate_enforce(fhir: httpx.AsyncClient, world: World, tenant: Tenant, tmp_path: Path) -> None:
    before = await fhir.post("/fhir/Patient/$validate", params={"profile": URL}, json={"resourceType": "Patient"})
    assert [i["severity"] for i in before.json()["issue"]] == ["information", "warning"]
    taken = await packages.take_in(world, tenant, package(tmp_path), "test")
    assert (
        taken.count == 2 and [name for name, _ in taken.refused] == ["StructureDefinition/broken"] and not taken.notes
    )
    assert await packages.take_in(world, tenant, tmp_path / "package", "test") == taken
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


RNDS = "http://www.saude.gov.br/fhir/r4/StructureDefinition/"


async def test_bases_that_are_elsewhere_are_told_and_addresses_match_in_every_spelling(
    fhir: httpx.AsyncClient, world: World, tenant: Tenant, tmp_path: Path
) -> None:
    base = {**PROFILE, "id": "base", "url": f"{RNDS}base"}
    elements = [
        {"id": "Patient.photo", "path": "Patient.photo", "max": "0"},
        {"id": "Patient.gender", "path": "Patient.gender", "binding": {"valueSet": "urn:vs"}},
        {"id": "Patient.managingOrganization", "path": "Patient.managingOrganization",
         "type": [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Organization|4.0.1"]}]},
    ]  # fmt: skip
    child = {
        **PROFILE,
        "id": "child",
        "url": f"{RNDS}child",
        "baseDefinition": f"{RNDS}base|1.0.0",
        "differential": {"element": elements},
    }
    for name, body in (("child", child), ("base", base)):
        (tmp_path / f"{name}.json").write_text(json.dumps(body), encoding="utf-8")
    taken = await packages.take_in(world, tenant, tmp_path / "child.json", "test")
    assert [(name, p.code) for name, p in taken.notes] == [
        ("StructureDefinition/child", "fhir.package.binding"), ("StructureDefinition/child", "fhir.package.base-absent"),
    ]  # fmt: skip
    taken = await packages.take_in(world, tenant, tmp_path, "test")
    assert taken.count == 2 and [p.code for _, p in taken.notes] == ["fhir.package.binding"]
    patient = {"resourceType": "Patient", "managingOrganization": {"reference": "Organization/1"}}
    for url in (
        f"{RNDS}child|1.0.0",
        "https://www.saude.gov.br/fhir/r4/StructureDefinition/child",
        "http://saude.gov.br/fhir/r4/StructureDefinition/child",
    ):
        answer = await fhir.post("/fhir/$validate", json={**patient, "meta": {"profile": [url]}})
        found = [(i["severity"], i["expression"]) for i in answer.json()["issue"] if i["severity"] != "information"]
        assert found == [("error", ["Patient.name"])], url
    other = {**PROFILE, "id": "child", "url": "urn:other"}  # an id is no address: another package may use the same
    (tmp_path / "other.json").write_text(json.dumps(other), encoding="utf-8")
    assert (await packages.take_in(world, tenant, tmp_path / "other.json", "test")).count == 1
    assert (await fhir.get("/fhir/StructureDefinition/child")).json()["url"] == f"{RNDS}child"
    assert (await fhir.get("/fhir/StructureDefinition", params={"url": "urn:other"})).json()["total"] == 1


async def test_of_two_versions_the_one_that_is_named_counts(
    fhir: httpx.AsyncClient, world: World, tenant: Tenant, tmp_path: Path
) -> None:
    for number, element in enumerate(("Patient.gender", "Patient.birthDate"), start=1):
        rule = {"element": [{"id": element, "path": element, "min": 1}]}
        body = {**PROFILE, "id": f"v{number}", "url": "urn:two", "version": f"{number}.0.0", "differential": rule}
        (tmp_path / f"{number}.json").write_text(json.dumps(body), encoding="utf-8")
    assert (await packages.take_in(world, tenant, tmp_path, "test")).count == 2

    async def found(profile: str) -> list[tuple[str, list[str]]]:
        answer = await fhir.post("/fhir/$validate", json={**PATIENT, "meta": {"profile": [profile]}})
        return [(i["details"]["coding"][0]["code"], i["expression"]) for i in answer.json()["issue"][1:]]

    assert await found("urn:two|1.0.0") == [("fhir.profile.missing", ["Patient.gender"])]
    assert await found("urn:two|2.0.0") == [("fhir.profile.missing", ["Patient.birthDate"])]
    assert await found("urn:two") == [("fhir.profile.missing", ["Patient.birthDate"])], "the newest"
    assert ("fhir.profile.version", ["Patient"]) in await found("urn:two|3.0.0")


def test_offline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "patient.json"
    file.write_text(json.dumps({"resourceType": "Patient"}), encoding="utf-8")
    archive = str(package(tmp_path))
    assert main(["fhir", "validate", str(file), "--package", archive]) == 0
    assert main(["fhir", "validate", str(file), "--package", archive, "--profile", URL, "--json"]) == 1
    assert "fhir.profile.missing" in capsys.readouterr().out
    assert main(["fhir", "validate", str(file), "--package", archive, "--profile", "urn:none"]) == 2


async def test_slices_added_to_the_slicing_of_a_base(fhir: httpx.AsyncClient) -> None:
    """RNDS's RAC adds sections to those of the CMD, told apart by the profile of what they refer to."""

    def definition(name: str, kind: str, base: str, *elements: dict[str, Any]) -> dict[str, Any]:
        known = {**PROFILE, "id": name, "url": f"urn:{name}", "name": name, "type": kind}
        return {**known, "baseDefinition": base, "differential": {"element": list(elements)}}

    def slice_of(name: str, target: str, **rest: Any) -> tuple[dict[str, Any], ...]:
        place = f"Composition.section:{name}"
        entry = {
            "id": f"{place}.entry",
            "path": "Composition.section.entry",
            "type": [{"code": "Reference", "targetProfile": [target]}],
        }
        return {"id": place, "path": "Composition.section", "sliceName": name, **rest}, entry

    r4 = "http://hl7.org/fhir/StructureDefinition/"
    marks = [{"type": "profile", "path": "entry.resolve()"}]
    sliced = {
        "id": "Composition.section",
        "path": "Composition.section",
        "slicing": {"discriminator": marks, "rules": "open"},
    }
    for body in (
        definition("minimum", "Composition", f"{r4}Composition", sliced, *slice_of("visit", "urn:visit", min=1)),
        definition("record", "Composition", "urn:minimum", *slice_of("plan", "urn:plan", max="1")),
        definition("far", "Composition", "urn:minimum", *slice_of("far", "urn:absent", max="0")),
        definition("visit", "Encounter", f"{r4}Encounter", {"id": "Encounter", "path": "Encounter"}),
        definition("plan", "CarePlan", f"{r4}CarePlan", {"id": "CarePlan", "path": "CarePlan"}),
    ):  # fmt: skip
        kept = await fhir.put(f"/fhir/StructureDefinition/{body['id']}", json=body)
        assert kept.status_code == 201, kept.text

    async def told(*entries: dict[str, Any], profile: str = "urn:record") -> list[list[str]]:
        listed = [{"fullUrl": f"urn:uuid:transient-{n}", "resource": each} for n, each in enumerate(entries, 1)]
        sections = [{"entry": [{"reference": each["fullUrl"]}]} for each in listed]
        head = {"resourceType": "Composition", "meta": {"profile": [profile]}, "status": "final", "type": {"text": "x"}, "date": "2024",
                "author": [{"display": "x"}], "title": "x", "section": sections}  # fmt: skip
        document = {"resourceType": "Bundle", "type": "document", "identifier": {"system": "urn:x", "value": "1"}, "timestamp": "2024-01-01T00:00:00Z",
                    "entry": [{"fullUrl": "urn:uuid:transient-0", "resource": head}, *listed]}  # fmt: skip
        answer = await fhir.post("/fhir/Bundle/$validate", json=document)
        return [issue["expression"] for issue in answer.json()["issue"] if issue["severity"] == "error"]

    visit = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}}
    plan = {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": {"display": "x"}}
    assert await told({**visit, "meta": {"profile": ["urn:visit"]}}, visit) == []
    assert await told(visit, plan) == []
    assert await told(visit, plan, plan) == [["Bundle.entry[0].resource.section:plan"]]
    assert await told(visit, plan, profile="urn:far") == []  # whether one is of a profile that is not here is not known
