"""What comes in for an import: NDJSON kept as sealed pieces of whole lines, before any of it is judged."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from uuid import UUID

from canonical.errors import Refused
from hub.bulk import desk, pieces
from hub.bulk.pieces import File
from hub.world import Tenant, World

PIECE = 1024 * 1024
MOST_LINE = 20 * 1024 * 1024
MOST_BYTES = 8 * 1024 * 1024 * 1024


class TooLarge(Refused):
    """A line, or all of it, is larger than what is taken."""


def _end(waiting: bytearray) -> int:
    """Where the last line within the first PIECE bytes ends, or the first one that ends after them."""
    end = waiting.rfind(b"\n", 0, PIECE)
    return end if end >= 0 else waiting.find(b"\n", PIECE)


@dataclasses.dataclass(slots=True)
class Intake:
    """One file on its way in: `number` tells it from others of the same job, `type` is what its lines must be."""

    world: World
    tenant: Tenant
    job: UUID
    number: int = 1
    type: str = "mixed"

    async def keep(self, chunks: AsyncIterator[bytes]) -> File:
        """Store what comes in, in pieces of whole lines; raises TooLarge, TryLater."""
        file = File(number=self.number, kind="input", type=self.type)
        waiting = bytearray()
        async for chunk in chunks:
            waiting += chunk
            while len(waiting) >= PIECE and (end := _end(waiting)) >= 0:
                file = await self._store(file, bytes(waiting[: end + 1]))
                del waiting[: end + 1]
            if len(waiting) > MOST_LINE or file.plain_bytes > MOST_BYTES:
                raise TooLarge("the input is too large", code="bulk.too-large")
        if waiting.strip():
            file = await self._store(file, bytes(waiting))
        return file

    async def _store(self, file: File, plain: bytes) -> File:
        lines = plain.count(b"\n") + (not plain.endswith(b"\n"))
        piece = await asyncio.to_thread(pieces.sealed, self.world.settings, self.job, file, plain, lines)
        async with self.world.transaction(self.tenant) as tx:
            await desk.still_uploading(tx, self.job, self.world.now())
            await pieces.store(tx, self.job, piece)
        return piece.file
