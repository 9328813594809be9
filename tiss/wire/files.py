"""Files from outside: a plain XML, or the XML members of a ZIP within safe limits."""

from __future__ import annotations

import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from canonical.problem import Problem
from tiss.wire.message import LARGEST

MOST_MEMBERS = 1000
MOST_BYTES = 512 * 1024 * 1024
ZIPPED = (b"PK\x03\x04", b"PK\x05\x06")
"""How a ZIP begins: with a member, or empty."""
_CHUNK = 1024 * 1024
_ENDINGS = (".xml", ".xte", ".xtr")
_LITTER = re.compile(r"(?:\A|/)(?:__MACOSX/|\._|\.DS_Store\Z|Thumbs\.db\Z|desktop\.ini\Z)", re.IGNORECASE)
_OFFICE = ("[Content_Types].xml", "META-INF/manifest.xml")
_MARKUP = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*<[?!A-Za-z]|\A(?:\xff\xfe<\x00|\xfe\xff\x00<)")
_DAMAGED = (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, zlib.error, ValueError)


def contents(path: Path) -> Iterator[tuple[str, bytes | Path | Problem]]:
    """Name and content of a file (`-`: standard input), or of each XML in a ZIP; a Problem where it cannot be read.

    A file too large to be held is given as its own Path, to be read as a stream.
    """
    source = Path("/dev/stdin") if str(path) == "-" else path
    try:
        with source.open("rb") as file:
            large = os.fstat(file.fileno()).st_size > LARGEST
            raw = file.read(4 if large else LARGEST + 1)
    except (OSError, ValueError):
        yield str(path), Problem("encoding.unreadable")
        return
    start = raw[:4]
    if large and start not in ZIPPED:
        yield str(path), path
    elif large or len(raw) > LARGEST:  # a pipe tells no size
        yield str(path), Problem("encoding.too-large", args=(("limit", str(LARGEST // _CHUNK)),))
    elif start in ZIPPED:
        yield from members(str(path), raw)
    else:
        yield str(path), raw


def is_zip(path: Path) -> bool:
    """Whether a file begins as a ZIP does; False for standard input and what cannot be opened."""
    try:
        with path.open("rb") as file:
            return file.read(4) in ZIPPED
    except (OSError, ValueError):
        return False


def write_zip(path: Path | IO[bytes], content: Iterable[tuple[str, bytes]]) -> None:
    """Write files as a ZIP, each under its name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in content:
            archive.writestr(name, raw)


def members(name: str, raw: bytes) -> Iterator[tuple[str, bytes | Problem]]:
    """The XML members of a ZIP, each as `name/member`; expansion is bounded before anything is kept.

    A member is XML by its name or its first character. ZIPs inside are opened, one level deep. What is neither is only
    counted (`encoding.zip-other`): names of covers and images can be names of people.
    """
    yield from _Archive(name).read(name, raw, inner=False)


class _Archive:
    """One upload's ZIP and the ZIPs inside it, which share its limits."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._left = MOST_BYTES
        self._members = 0
        self._xml = self._others = 0

    def read(self, name: str, raw: bytes, *, inner: bool) -> Iterator[tuple[str, bytes | Problem]]:
        """The members of one ZIP; of the outermost also what is to be said of it as a whole."""
        try:
            archive = zipfile.ZipFile(io.BytesIO(raw))
        except (zipfile.BadZipFile, ValueError, OSError):
            yield name, Problem("encoding.zip")
            return
        with archive:
            infos = [info for info in archive.infolist() if not info.is_dir() and not _LITTER.search(info.filename)]
            self._members += len(infos)
            if self._members > MOST_MEMBERS:
                yield name, Problem("encoding.zip-bomb", args=(("limit", str(MOST_MEMBERS)),))
                return
            if any(info.filename in _OFFICE for info in infos):
                yield name, Problem("encoding.other-kind", args=(("kind", "Microsoft Office / OpenDocument"),))
                return
            for info in infos:
                yield from self._of(archive, info, name, inner=inner)
        if not inner:
            yield from self._whole(name)

    def _whole(self, name: str) -> Iterator[tuple[str, Problem]]:
        if not self._xml:
            yield name, Problem("encoding.zip-empty")
        elif self._others:
            yield name, Problem("encoding.zip-other", args=(("count", str(self._others)),))

    def _of(
        self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, *, inner: bool
    ) -> Iterator[tuple[str, bytes | Problem]]:
        shown = f"{name}/{_shown(info.filename)}"
        named = info.filename.lower().endswith(_ENDINGS)
        start = b"" if named else _start(archive, info)
        if start.startswith(ZIPPED):
            self._xml += 1  # it is told of, whatever it holds
            content = Problem("encoding.zip-nested") if inner else self._member(archive, info)
            if isinstance(content, bytes):
                yield from self.read(shown, content, inner=True)
            else:
                yield shown, content
        elif named or _MARKUP.match(start):
            self._xml += 1
            yield shown, self._member(archive, info)
        else:
            self._others += 1

    def _member(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | Problem:
        content = _member(archive, info, min(self._left, LARGEST))
        if isinstance(content, bytes):
            self._left -= len(content)
        return content


def _shown(name: str) -> str:
    """A member's name as it may stand in an answer or on a screen."""
    return "".join(char if char.isprintable() else "?" for char in name)[-200:]


def _start(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The first bytes of a member; none when it cannot be opened."""
    try:
        with archive.open(info) as file:
            return file.read(64)
    except _DAMAGED:
        return b""


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes | Problem:
    """A member's bytes, read in pieces and given up beyond `most`: the directory's sizes can lie."""
    bomb = Problem("encoding.zip-bomb", args=(("limit", f"{MOST_BYTES // _CHUNK} MB"),))
    if info.file_size > most:
        return bomb
    pieces: list[bytes] = []
    size = 0
    try:
        with archive.open(info) as file:
            while piece := file.read(_CHUNK):
                size += len(piece)
                if size > most:
                    return bomb
                pieces.append(piece)
    except _DAMAGED:
        return Problem("encoding.zip")
    return b"".join(pieces)
