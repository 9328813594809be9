"""Files from outside: a plain XML, or the XML members of a ZIP within safe limits."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from canonical.problem import Problem
from tiss.message import LARGEST

MOST_MEMBERS = 1000
MOST_BYTES = 512 * 1024 * 1024
_CHUNK = 1024 * 1024


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
    if large and start != b"PK\x03\x04":
        yield str(path), path
    elif large or len(raw) > LARGEST:  # a pipe tells no size
        yield str(path), Problem("encoding.too-large", args=(("limit", str(LARGEST // _CHUNK)),))
    elif start == b"PK\x03\x04":
        yield from members(str(path), raw)
    else:
        yield str(path), raw


def members(name: str, raw: bytes) -> Iterator[tuple[str, bytes | Problem]]:
    """The XML members of a ZIP, each as `name/member`; expansion is bounded before anything is kept."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
    except (zipfile.BadZipFile, ValueError, OSError):
        yield name, Problem("encoding.zip")
        return
    with archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        wanted = [info for info in infos if info.filename.lower().endswith((".xml", ".xte", ".xtr"))]
        if not wanted:
            yield name, Problem("encoding.zip-empty")
        left = MOST_BYTES
        if len(wanted) > MOST_MEMBERS:
            yield name, Problem("encoding.zip-bomb", args=(("limit", str(MOST_MEMBERS)),))
            return
        for info in wanted:
            content = _member(archive, info, min(left, LARGEST))
            if isinstance(content, bytes):
                left -= len(content)
            yield f"{name}/{info.filename}", content


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
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, zlib.error):
        return Problem("encoding.zip")
    return b"".join(pieces)
