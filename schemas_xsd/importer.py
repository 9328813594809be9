"""Imports schema sets from the publisher's ZIP (also ZIPs inside it), a folder, or one set; every file is hash-checked.

Nothing is taken over half: a set is written beside its place and moved there when all its files are good.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from schemas_xsd.catalogue import MARK, SchemaSet, schema_sets

_ENTRY = re.compile(r"tissV(\d+)_(\d+)_(\d+)\.xsd\Z", re.IGNORECASE)
_WANTED = (".xsd", ".wsdl")
_LARGEST = 32 * 1024 * 1024
_LARGEST_ZIP = 256 * 1024 * 1024
_DEEPEST = 3
_MOST = 5000


class ImportRefused(Exception):
    """The source cannot be read or holds no known set; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one set: `installed`, `unverified`, `refused` (altered), `incomplete` or `unknown`."""

    version: str
    state: str
    files: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether the set stands installed now."""
        return self.state in ("installed", "unverified")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    folder: str
    name: str
    content: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def import_from(source: Path, *, unverified: bool = False) -> list[Outcome]:
    """Take over every TISS set found in `source`; raises ImportRefused when there is none."""
    found = list(_walk(source))
    entries = {match: file for file in found if (match := _version(file.name))}
    if not entries:
        raise ImportRefused(f"{source.name} holds no TISS schema set (no tissV….xsd file)")
    return [_take(version, found, unverified=unverified) for version in sorted(entries)]


def _version(name: str) -> str:
    match = _ENTRY.match(name)
    return f"{int(match[1])}.{match[2]}.{match[3]}" if match else ""


def _take(version: str, found: list[_Found], *, unverified: bool) -> Outcome:
    known = schema_sets().get(version)
    if known is None:
        return Outcome(version=version, state="unknown", files=())
    chosen = _choose(known, found)
    missing = tuple(name for name in known.files if name.endswith(".xsd") and name not in chosen)
    if missing:
        return Outcome(version=version, state="incomplete", files=missing)
    altered = tuple(name for name, file in chosen.items() if file.digest != known.files[name])
    if altered and not unverified:
        return Outcome(version=version, state="refused", files=altered)
    _place(known, chosen, altered)
    return Outcome(version=version, state="unverified" if altered else "installed", files=altered)


def _choose(known: SchemaSet, found: list[_Found]) -> dict[str, _Found]:
    """The file for each name of a set: the one with the published content, else the one beside the set's entry."""
    home = next((file.folder for file in found if file.name == known.entry), "")
    chosen: dict[str, _Found] = {}
    for name, digest in known.files.items():
        same = [file for file in found if file.name == name]
        beside = [file for file in same if file.folder == home]
        right = [file for file in same if file.digest == digest]
        if right or beside:
            chosen[name] = (right or beside)[0]
    return chosen


def _place(known: SchemaSet, chosen: dict[str, _Found], altered: tuple[str, ...]) -> None:
    parent = known.folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=parent) as name:
        fresh = Path(name) / known.version
        fresh.mkdir()
        for file_name, file in chosen.items():
            (fresh / file_name).write_bytes(file.content)
        if altered:
            (fresh / MARK).write_text("\n".join(altered) + "\n", encoding="utf-8")
        if known.folder.exists():
            known.folder.rename(Path(name) / "old")
        fresh.rename(known.folder)
        shutil.rmtree(Path(name) / "old", ignore_errors=True)


def _walk(source: Path) -> Iterator[_Found]:
    if source.is_dir():
        for path in sorted(source.rglob("*"))[:_MOST]:
            if path.is_file() and path.suffix.lower() in (*_WANTED, ".zip"):
                yield from _file(str(path.parent), path.name, path.read_bytes(), 0)
    elif source.is_file():
        if source.suffix.lower() == ".xsd":
            yield from _walk(source.parent)
        else:
            yield from _file(str(source.parent), source.name, source.read_bytes(), 0)
    else:
        raise ImportRefused(f"{source} does not exist")


def _file(folder: str, name: str, content: bytes, depth: int) -> Iterator[_Found]:
    if content[:4] == b"PK\x03\x04":
        if depth < _DEEPEST:
            yield from _members(f"{folder}/{name}", content, depth)
    elif name.lower().endswith(_WANTED):
        yield _Found(folder=folder, name=name, content=content)


def _members(folder: str, content: bytes, depth: int) -> Iterator[_Found]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist()[:_MOST]:
                path = PurePosixPath(info.filename.replace("\\", "/"))
                inner = path.suffix.lower() == ".zip"
                if info.is_dir() or not (inner or path.suffix.lower() in _WANTED):
                    continue
                most = _LARGEST_ZIP if inner else _LARGEST
                with archive.open(info) as file:
                    raw = file.read(most + 1)
                if len(raw) > most:
                    raise ImportRefused(f"{path.name} is larger than any schema file")
                yield from _file(f"{folder}/{path.parent}", path.name, raw, depth + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, zlib.error):
        raise ImportRefused(f"{PurePosixPath(folder).name} is no readable ZIP") from None
