"""FHIR packages (npm `.tgz`, a zip or a folder of JSON files): their conformance resources, and taking them in."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from canonical.errors import Conflict, Refused
from canonical.identity import record_id
from canonical.problem import Problem
from canonical.records import Key
from fhir import jsontext
from fhir.validation.validator import validate
from hub.records.entry import is_id
from hub.records.write import Origin, Write, save
from hub.world import Tenant, World

KINDS = frozenset(
    (
        "StructureDefinition",
        "ValueSet",
        "CodeSystem",
        "ConceptMap",
        "NamingSystem",
        "SearchParameter",
        "OperationDefinition",
    )
)
_LARGEST = 20 * 1024 * 1024
_MOST = 20_000


def resources(path: Path) -> Iterator[dict[str, Any]]:
    """The conformance resources of a package or a single file; raises Refused for what is none, OSError."""
    count = 0
    for raw in _files(path):
        document = jsontext.parse(raw.removeprefix(b"\xef\xbb\xbf"))
        if isinstance(document, dict) and document.get("resourceType") in KINDS:
            count += 1
            if count > _MOST:
                raise Refused("the package has too many resources", code="fhir.file.unreadable")
            yield document


def _files(path: Path) -> Iterator[bytes]:
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*.json")):
                if file.stat().st_size <= _LARGEST:
                    yield file.read_bytes()
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    if info.filename.endswith(".json") and info.file_size <= _LARGEST:
                        yield archive.read(info)
        elif path.suffix in (".tgz", ".gz"):
            yield from _of_tar(path)
        else:
            yield path.read_bytes()
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError):
        raise Refused("this is no package", code="fhir.file.unreadable") from None


def _of_tar(path: Path) -> Iterator[bytes]:
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() and member.size <= _LARGEST else None
            if file is not None and member.name.endswith(".json"):
                yield file.read()


async def take_in(world: World, tenant: Tenant, path: Path, actor: str) -> tuple[int, list[tuple[str, Problem]]]:
    """Store the conformance resources of a package as the tenant's records; how many, and what was not taken and why.

    A resource keeps its id where it has one; importing a package again changes only what differs.
    """
    taken, refused = 0, []
    for body in resources(path):
        name = f"{body['resourceType']}/{str(body.get('id') or body.get('url'))[:120]}"
        problems = [problem for problem in validate(body) if problem.blocks]
        if problems:
            refused.append((name, problems[0]))
            continue
        stated = body.get("id")
        kind = body["resourceType"]
        identity = (
            stated if isinstance(stated, str) and is_id(stated) else record_id(kind, Key("url", str(body.get("url"))))
        )
        write = Write(type=kind, id=identity, body=body, skip_unchanged=True)
        try:
            async with world.transaction(tenant) as tx:
                await save(tx, [write], Origin(actor=actor, now=world.now(), zone=tenant.zone))
        except Conflict as error:
            refused.append((name, Problem(error.code or "failure.conflict", level="error")))
            continue
        taken += 1
    return taken, refused
