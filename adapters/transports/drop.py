"""Folder and SFTP as destinations: each delivery becomes a file there, whole or not at all.

The name follows the delivery, so a repetition after a doubt writes the same file again and none twice.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

from adapters.transports import Answer, Call, Means, Reached
from adapters.transports.files import LocalFolder, Place
from canonical.errors import Misconfigured

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,200}\Z")


class DropTransport:
    """Writes files. Settings: path, suffix, returns, and those of the SFTP server."""

    def __init__(self, means: Means) -> None:
        self._suffix = str(means.settings.get("suffix", ".hl7"))
        self._place = place_of(means)
        returns = means.settings.get("returns")
        back = {**means.settings, "path": returns}
        self._returns = place_of(replace(means, settings=back)) if returns else None

    async def send(self, call: Call) -> Answer:
        """Write the file; the answer has no content. Raises TryLater, Misconfigured."""
        name = call.name or f"{call.key}{self._suffix}"
        if not _SAFE.match(name):
            raise Misconfigured("the file name may not be used", code="transport.path")
        await self._place.write(name, call.content)
        return Answer(content=b"", format="file", code="file.written")

    async def reach(self) -> AsyncIterator[Reached]:
        """List the folder, and the one returns are collected from; nothing is written."""
        yield Reached(place="path", said=f"{len(await self._place.files(''))} files")
        if self._returns is not None:
            yield Reached(place="returns", said=f"{len(await self._returns.files(''))} files")

    async def close(self) -> None:
        """Give up the connection."""
        await self._place.close()
        if self._returns is not None:
            await self._returns.close()


def place_of(means: Means) -> Place:
    """The folder that settings describe; raises Misconfigured."""
    if means.settings.get("kind") == "sftp":
        from adapters.transports.sftp import SftpFolder  # here: it is costly to import, and few need it

        return SftpFolder(means)
    if means.root is None:
        raise Misconfigured("no folder is open to partners here (PONTE_EXCHANGE_ROOT)", code="transport.path")
    return LocalFolder.below(means.root, str(means.settings.get("path", "")))
