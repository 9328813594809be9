"""FHIR packages as people have them: npm `.tgz`, a publisher's zip, folders of JSON, XML or FSH, archives inside.

Each conformance resource comes once, the first of a name counting: a publisher's zip holds the same one as JSON, as XML
and again in its collections.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from canonical.errors import Refused
from canonical.problem import Problem
from fhir import jsontext, xmltext
from fhir.shorthand import reader

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
LARGEST = 20 * 1024 * 1024
LARGEST_ARCHIVE = 256 * 1024 * 1024
_MOST = 20_000
_READ = {".json": jsontext.parse, ".xml": xmltext.parse}
_SHORTHAND = ".fsh"
_ARCHIVES = (".zip", ".tgz", ".tar.gz")
_IDLE = ("package.json", "package-lock.json", "fhirpkg.lock.json")  # of packers: no resources
_CONFIG = "sushi-config.yaml"
File = tuple[str, bytes]
Found = tuple[str, dict[str, Any] | Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What FSH sources need from outside: a `canonical` where they bring none, and the types of known profiles."""

    canonical: str = ""
    types: Mapping[str, str] = field(default_factory=dict)


def contents(path: Path, around: Around | None = None) -> Iterator[Found]:
    """The conformance resources of a package or a single file by name, and what could not be read.

    Raises Refused for what is no package or has too many resources, OSError.
    """
    seen: set[tuple[str, ...]] = set()
    for name, body in _found(path, around or Around()):
        if isinstance(body, Problem):
            yield name, body
            continue
        key = (str(body["resourceType"]), str(body.get("url") or body.get("id")), str(body.get("version", "")))
        if key in seen:
            continue
        seen.add(key)
        if len(seen) > _MOST:
            raise Refused("the package has too many resources", code="fhir.file.unreadable")
        yield f"{key[0]}/{str(body.get('id') or key[1])[:120]}", body


def _found(path: Path, around: Around) -> Iterator[Found]:
    """Resources as they lie there, then those that FSH sources make."""
    sources: dict[str, str] = {}
    config = reader.Config()
    types = dict(around.types)
    for name, raw in files(path):
        base = PurePosixPath(name).name
        if base == _CONFIG:
            config = reader.config_of(raw.decode("utf-8", "replace"))
        elif base.endswith(_SHORTHAND):
            sources[name] = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        else:
            document = _document(name, raw)
            if isinstance(document, Problem):
                yield name, document
            for body in _resources(document):
                if body["resourceType"] == "StructureDefinition":
                    types[str(body.get("url"))] = str(body.get("type", ""))
                yield "", body
    config = replace(config, canonical=around.canonical or config.canonical)
    yield from reader.read(sources, config, types)


def has_sources(path: Path) -> bool:
    """Whether FSH sources are among the files of a package; raises Refused, OSError."""
    return any(name.endswith(_SHORTHAND) for name, _ in files(path))


def _document(name: str, raw: bytes) -> Any | Problem:
    """A file's content; nothing for what is no FHIR file at all, a Problem for one that is broken."""
    suffix = PurePosixPath(name).suffix.lower()
    read = _READ.get(suffix) or (_READ[".xml"] if raw.lstrip()[:1] == b"<" else _READ[".json"])
    if suffix == ".xml" and b"http://hl7.org/fhir" not in raw[:4096]:
        return None
    return read(raw.removeprefix(b"\xef\xbb\xbf"))


def _resources(document: Any) -> Iterator[dict[str, Any]]:
    """The conformance resources of a document: itself, or those a Bundle collects."""
    if not isinstance(document, dict):
        return
    kind = document.get("resourceType")
    if kind in KINDS:
        yield document
    elif kind == "Bundle" and document.get("type") in ("collection", "searchset", "batch", "transaction"):
        for entry in document.get("entry") or ():
            inner = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(inner, dict) and inner.get("resourceType") in KINDS:
                yield inner


def files(path: Path) -> Iterator[File]:
    """The files of a package that may hold resources, by name; raises Refused for a broken archive, OSError."""
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file() and _wanted(file.name, file.stat().st_size):
                    yield from _opened(str(file.relative_to(path)), file.read_bytes())
        elif path.name.endswith(_ARCHIVES):
            yield from _opened(path.name, path.read_bytes())
        else:
            yield path.name, path.read_bytes()
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError):
        raise Refused("this is no package", code="fhir.file.unreadable") from None


def _wanted(name: str, size: int) -> bool:
    base = PurePosixPath(name).name
    if base.startswith(".") or base in _IDLE or "__MACOSX" in name:
        return False
    if base.endswith(_ARCHIVES):
        return size <= LARGEST_ARCHIVE
    named = PurePosixPath(base).suffix.lower() in (*_READ, _SHORTHAND) or base == _CONFIG
    return named and size <= LARGEST


def _opened(name: str, raw: bytes, depth: int = 1) -> Iterator[File]:
    """A file, or those of an archive; one archive within another is opened, deeper ones are not."""
    if not name.endswith(_ARCHIVES):
        yield name, raw
    elif depth <= 2:
        inside = _of_zip(raw) if name.endswith(".zip") else _of_tar(raw)
        for inner, content in inside:
            yield from _opened(inner, content, depth + 1)


def _of_zip(raw: bytes) -> Iterator[File]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for info in archive.infolist():
            if not info.is_dir() and _wanted(info.filename, info.file_size):
                yield info.filename, archive.read(info)


def _of_tar(raw: bytes) -> Iterator[File]:
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() and _wanted(member.name, member.size) else None
            if file is not None:
                yield member.name, file.read()
