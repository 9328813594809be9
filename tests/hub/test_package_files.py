"""Packages in the shapes people have them: npm, a publisher's zip, folders of JSON and XML, archives inside."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from canonical.errors import Refused
from canonical.problem import Problem
from fhir import xmltext
from hub.operate import package_files, packages

PROFILE: dict[str, Any] = {
    "resourceType": "StructureDefinition", "id": "p", "url": "urn:p", "version": "1.0.0", "name": "P", "status": "active", "kind": "resource",
    "abstract": False, "type": "Patient", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "derivation": "constraint",
    "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]},
}  # fmt: skip
CODES = {
    "resourceType": "CodeSystem",
    "id": "c",
    "url": "urn:c",
    "status": "active",
    "content": "complete",
    "concept": [{"code": "a"}],
}
SET = {
    "resourceType": "ValueSet",
    "id": "v",
    "url": "urn:v",
    "status": "active",
    "compose": {"include": [{"system": "urn:c"}]},
}
PATIENT = {"resourceType": "Patient", "id": "x"}
ALL = ["CodeSystem/c", "StructureDefinition/p", "ValueSet/v"]


def tree() -> dict[str, bytes]:
    """What a publisher's package holds beside the resources themselves."""
    return {
        "package/package.json": json.dumps({"name": "br.x", "version": "1.0.0", "dependencies": {}}).encode(),
        "package/.index.json": b'{"index-version":1,"files":[]}',
        "package/StructureDefinition-p.json": b"\xef\xbb\xbf" + json.dumps(PROFILE).encode(),
        "package/StructureDefinition-p.xml": xmltext.text(PROFILE).encode(),
        "package/CodeSystem-c.xml": xmltext.text(CODES).encode(),
        "package/example/Patient-x.json": json.dumps(PATIENT).encode(),
        "package/other/spec.internals": b"no json at all",
        "package/other/validation.xml": b"<report/>",
        "package/valuesets.json": json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": SET}, {}]}).encode(),
        "__MACOSX/package/._x.json": b"\x00\x05",
    }  # fmt: skip


def zipped(content: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return raw.getvalue()


def tarred(content: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return raw.getvalue()


def names(path: Path) -> list[str]:
    found = list(package_files.contents(path))
    assert not [name for name, body in found if isinstance(body, Problem)]
    return sorted(name for name, _ in found)


SHAPES = {
    "npm": ("p.tgz", tarred(tree())),
    "tar.gz": ("p.tar.gz", tarred(tree())),
    "zip": ("p.zip", zipped(tree())),
    "zip of a zip": (
        "full-ig.zip",
        zipped({"site/definitions.json.zip": zipped(tree()), "site/index.html": b"<html/>"}),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_archives(shape: str, tmp_path: Path) -> None:
    name, raw = SHAPES[shape]
    (tmp_path / name).write_bytes(raw)
    assert names(tmp_path / name) == ALL
    assert names(tmp_path) == ALL, "and in a folder"


def test_a_folder_and_single_files(tmp_path: Path) -> None:
    for name, raw in tree().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(raw)
    assert names(tmp_path) == ALL
    assert names(tmp_path / "package/StructureDefinition-p.xml") == ["StructureDefinition/p"]
    read = {body["id"]: body for body in packages.resources(tmp_path / "package")}
    assert read["p"] == PROFILE and read["c"] == CODES


def test_what_is_broken_is_told_by_its_name_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    (tmp_path / "cut.json").write_text(json.dumps(SET)[:-9], encoding="utf-8")
    (tmp_path / "entity.xml").write_text(
        '<!DOCTYPE a [<!ENTITY b "c">]><CodeSystem xmlns="http://hl7.org/fhir"/>', encoding="utf-8"
    )
    found = dict(package_files.contents(tmp_path))
    assert {name for name, body in found.items() if isinstance(body, Problem)} == {"cut.json", "entity.xml"}
    assert "StructureDefinition/p" in found
    (tmp_path / "bad.zip").write_bytes(b"PK no zip")
    with pytest.raises(Refused):
        list(package_files.contents(tmp_path / "bad.zip"))


def test_two_versions_of_an_address_are_two(tmp_path: Path) -> None:
    for n, version in enumerate(("1.0.0", "1.1.0")):
        (tmp_path / f"{n}.json").write_text(
            json.dumps({**PROFILE, "id": f"p{n}", "version": version}), encoding="utf-8"
        )
    assert names(tmp_path) == ["StructureDefinition/p0", "StructureDefinition/p1"]


def test_sources_in_fsh_are_read_with_their_settings(tmp_path: Path) -> None:
    (tmp_path / "input/fsh").mkdir(parents=True)
    (tmp_path / "sushi-config.yaml").write_text("canonical: http://example.org/x\nversion: 2.0.0\n", encoding="utf-8")
    (tmp_path / "input/fsh/a.fsh").write_text(
        "Alias: $base = urn:p\n\nProfile: Child\nParent: $base\n* name 1..1\n", encoding="utf-8"
    )
    (tmp_path / "input/fsh/b.fsh").write_text("Profile: Bad\nParent: Child\n* nome 1..1\n", encoding="utf-8")
    (tmp_path / "StructureDefinition-p.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    found = dict(package_files.contents(tmp_path))
    child = found["StructureDefinition/Child"]
    assert isinstance(child, dict) and (child["url"], child["version"]) == (
        "http://example.org/x/StructureDefinition/Child",
        "2.0.0",
    )
    assert child["type"] == "Patient" and child["baseDefinition"] == "urn:p"
    refused = found["Profile Bad"]
    assert isinstance(refused, Problem) and refused.where == "input/fsh/b.fsh:3"
    (tmp_path / "StructureDefinition-p.json").unlink()
    alone = dict(package_files.contents(tmp_path))["Profile Child"]
    assert isinstance(alone, Problem) and alone.code == "fhir.shorthand.parent"
    known = package_files.Around(types={"urn:p": "Patient"}, canonical="urn:mine")
    given = dict(package_files.contents(tmp_path, known))["StructureDefinition/Child"]
    assert isinstance(given, dict) and given["url"] == "urn:mine/StructureDefinition/Child"
