"""Folders as places where files lie: local ones here, those of an SFTP server in `sftp`, behind the same operations.

Everything is done by names inside one folder. A file appears whole or not at all: it is written under a hidden name
and renamed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from canonical.errors import Misconfigured, TryLater

CHUNK = 256 * 1024
PART = ".part"
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A file of a folder: its name, size in bytes, and when it changed last (seconds since 1970)."""

    name: str
    size: int
    changed: float


class Place(Protocol):
    """A folder. Every method raises TryLater when the folder cannot be reached, Misconfigured when it may not be."""

    async def files(self, folder: str) -> list[Listed]:
        """The files of a subfolder (empty: of the place itself) by name; hidden ones and folders are left out."""
        ...

    async def rename(self, old: str, new: str) -> bool:
        """Give a file another name or subfolder; False when it is no longer there. Never replaces another file."""
        ...

    async def remove(self, name: str) -> None:
        """Remove a file; nothing happens when it is gone."""
        ...

    def read(self, name: str) -> AsyncIterator[bytes]:
        """The bytes of a file, piece by piece."""
        ...

    async def write(self, name: str, content: bytes) -> None:
        """Write a file: under a hidden name first, then in one step under its own, replacing one of that name."""
        ...

    async def make(self, folder: str) -> None:
        """Make a subfolder when it is not there."""
        ...

    async def close(self) -> None:
        """Give up the connection."""
        ...


class LocalFolder:
    """A folder of this machine; nothing outside of it can be named."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    @classmethod
    def below(cls, root: Path, path: str) -> LocalFolder:
        """The folder `path` of `root`; raises Misconfigured for one that leads out of it, by `..`, from the top or by a
        link: other tenants' folders lie beside it."""
        return cls(cls(root)._inside(path))

    async def files(self, folder: str) -> list[Listed]:
        """See Place."""
        return await asyncio.to_thread(self._files, self._inside(folder))

    async def rename(self, old: str, new: str) -> bool:
        """See Place."""
        return await asyncio.to_thread(self._rename, self._inside(old), self._inside(new))

    async def remove(self, name: str) -> None:
        """See Place."""
        with _local():
            await asyncio.to_thread(self._inside(name).unlink, missing_ok=True)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """See Place."""
        with _local(), self._inside(name).open("rb") as file:
            while piece := await asyncio.to_thread(file.read, CHUNK):
                yield piece

    async def write(self, name: str, content: bytes) -> None:
        """See Place."""
        await asyncio.to_thread(self._write, self._inside(name), content)

    async def make(self, folder: str) -> None:
        """See Place."""
        with _local():
            await asyncio.to_thread(self._inside(folder).mkdir, parents=True, exist_ok=True)

    async def close(self) -> None:
        """Nothing to give up."""

    def _inside(self, name: str) -> Path:
        """The path of a name; raises Misconfigured for one that leads out of the folder, by `..` or by a link."""
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root):
            raise Misconfigured("the name leads out of the folder", code="transport.path")
        return path

    def _files(self, folder: Path) -> list[Listed]:
        found = []
        with _local(), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    stat = entry.stat(follow_symlinks=False)
                    found.append(Listed(name=entry.name, size=stat.st_size, changed=stat.st_mtime))
        return sorted(found, key=lambda one: one.name)

    def _rename(self, old: Path, new: Path) -> bool:
        """By a link and an unlink, since a plain rename would replace a file of that name.

        A process that ended between the two has left one file under both names: the rename is finished. Where no link
        is to be had (shares and FAT have none; Linux makes none to a file that this account may not write, such as one
        another system put there) it is looked whether the name is free, then renamed: one process of the hub works in
        a folder at a time.
        """
        with _local():
            try:
                if not _linked(old, new):
                    if os.path.lexists(new):
                        raise FileExistsError
                    old.rename(new)
                    return True
                old.unlink()
            except FileNotFoundError:
                return False
            except FileExistsError:
                if not _are_one(old, new):
                    raise TryLater("a file of that name is there", code="transport.exists") from None
                old.unlink(missing_ok=True)
        return True

    def _write(self, path: Path, content: bytes) -> None:
        part = path.with_name(f".{path.name}{PART}")
        with _local():
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)


def _linked(old: Path, new: Path) -> bool:
    """Give a file a second name; False where the file system or the file's owner does not allow links."""
    try:
        os.link(old, new, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True


def _are_one(one: Path, other: Path) -> bool:
    """Whether two names are of one and the same file; links are not followed."""
    try:
        first, second = one.lstat(), other.lstat()
    except FileNotFoundError:
        return False
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def leads_out(path: str) -> bool:
    """Whether a folder is named by more than a way down into the tenant's own."""
    return path.startswith(("/", "~", "\\")) or ".." in path.replace("\\", "/").split("/")


@contextlib.contextmanager
def _local() -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise Misconfigured("the folder may not be read or written", code="transport.permission") from None
    except (FileNotFoundError, NotADirectoryError):
        raise Misconfigured("the folder or file is not there", code="transport.path") from None
    except OSError:
        raise TryLater("the folder cannot be worked with now", code="transport.folder") from None
