"""A publisher's package as its user has it, a zip or a folder: its files as lines, and what it is a release of."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from canonical.errors import Refused
from fhir.terminology.releases import brazil, loinc, rf2
from fhir.terminology.releases.rows import LONGEST_LINE, Broken, File, Release

LARGEST = 20 * 1024**3
MOST_FILES = 5000
_READ = (".txt", ".csv")
_OTHERS: tuple[tuple[Callable[[Sequence[File]], bool], Callable[[Sequence[File], str, str], Release]], ...] = (
    (loinc.is_one, loinc.read),
    (brazil.is_cid10, brazil.cid10),
    (brazil.is_sigtap, brazil.sigtap),
    (brazil.is_cbo, brazil.cbo),
)


@contextlib.contextmanager
def opened(paths: Sequence[Path], *, version: str = "", edition: str = "") -> Iterator[Release]:
    """The release that packages are together; only SNOMED CT takes several, the edition first, then what rests on it.

    `version` and `edition` are for packages that do not name theirs. Raises Refused for what is no release known here,
    and, while its rows are walked, `Broken`.
    """
    with contextlib.ExitStack() as stack:
        packages = [_files(path, stack) for path in paths]
        if any(rf2.is_one(files) for files in packages):
            if lost := next((p for p, files in zip(paths, packages, strict=True) if not _has_rf2(files)), None):
                raise Refused(f"{lost.name} holds nothing of a SNOMED CT release in RF2")
            yield rf2.read(packages, edition)
            return
        read = next((read for is_one, read in _OTHERS if len(packages) == 1 and is_one(packages[0])), None)
        if read is None:
            raise Refused("no release of SNOMED CT, LOINC, CID-10, SIGTAP or CBO is found there")
        yield read(packages[0], paths[0].name, version)


def _has_rf2(files: Sequence[File]) -> bool:
    return any(rf2.kind_of(file) for file in files)


def _files(path: Path, stack: contextlib.ExitStack) -> list[File]:
    """The readable files of a zip or a folder in the order of their names; raises Refused, OSError."""
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.is_file() and each.suffix.lower() in _READ)
        return [File(str(each.relative_to(path)), _of_disk(each)) for each in found[:MOST_FILES]]
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except zipfile.BadZipFile:
        raise Refused(f"{path.name} is neither a folder nor a zip that can be read") from None
    entries = sorted((e for e in archive.infolist() if e.filename.lower().endswith(_READ)), key=lambda e: e.filename)
    if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > LARGEST:
        raise Refused(f"{path.name} is larger than any release")
    return [File(entry.filename, _of_zip(archive, entry)) for entry in entries]


def _of_disk(path: Path) -> Callable[[], Iterator[str]]:
    def lines() -> Iterator[str]:
        with path.open("rb") as stream:
            yield from _decoded(stream, path.name)

    return lines


def _of_zip(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], Iterator[str]]:
    def lines() -> Iterator[str]:
        try:
            with archive.open(entry) as stream:
                yield from _decoded(stream, entry.filename)
        except (zipfile.BadZipFile, EOFError, RuntimeError):
            raise Broken(entry.filename, 0, "zip") from None

    return lines


def _decoded(stream: IO[bytes], name: str) -> Iterator[str]:
    """The lines as text: UTF-8, and from the first line that is none on Latin-1, as DATASUS writes."""
    encoding, number = "utf-8", 0
    while raw := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(raw) > LONGEST_LINE:
            raise Broken(name, number, "line too long")
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            encoding = "latin-1"
            text = raw.decode(encoding)
        if "\0" in text:
            raise Broken(name, number, "NUL")
        yield text.rstrip("\r\n")
