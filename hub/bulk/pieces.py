"""Files of bulk jobs: written in pieces that are compressed and sealed, read back as a stream, plain or as gzip.

The pieces of a file are parts of one deflate stream (RFC 1951): each ends at a byte and refers to nothing before it, so
a reader may have them one after the other within one gzip member (RFC 1952), or each by itself.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from canonical.errors import NotFound
from hub.guard import secrets
from hub.settings import Settings
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

_LEVEL = 1  # each further level costs more time than its bytes are worth
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_END = b"\x03\x00"  # an empty last block


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a job: how many records it has, its length plain and packed, and the CRC-32 of its plain bytes.

    `kind` is `output`, `deleted`, `error` or `input`; `type` what its lines are (`mixed` when they tell themselves).
    """

    number: int
    kind: str
    type: str
    records: int = 0
    plain_bytes: int = 0
    packed_bytes: int = 0
    crc: int = 0
    pieces: int = 0

    @property
    def gzip_bytes(self) -> int:
        """The length of the whole file as gzip."""
        return len(_HEAD) + self.packed_bytes + len(_END) + 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece ready to be stored, and what its file is with it."""

    sealed: bytes
    file: File


def sealed(settings: Settings, job: UUID, file: File, plain: bytes, records: int) -> Piece:
    """The next piece of `file`; it is some work for the processor, so call it in a thread."""
    packer = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH)
    grown = File(
        number=file.number,
        kind=file.kind,
        type=file.type,
        records=file.records + records,
        plain_bytes=file.plain_bytes + len(plain),
        packed_bytes=file.packed_bytes + len(packed),
        crc=zlib.crc32(plain, file.crc),
        pieces=file.pieces + 1,
    )
    return Piece(sealed=secrets.seal(settings, packed, _purpose(job, file.number, file.pieces)), file=grown)


def _purpose(job: UUID, number: int, position: int) -> str:
    return f"bulk_piece/{job}/{number}/{position}"


async def store(tx: Transaction, job: UUID, piece: Piece) -> None:
    """Add a piece to its file."""
    file = piece.file
    await tx.run(
        "INSERT INTO bulk_file "
        "(tenant_id, job_id, number, kind, type, records, plain_bytes, packed_bytes, crc, pieces) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (tenant_id, job_id, number) DO UPDATE SET "
        "records = excluded.records, plain_bytes = excluded.plain_bytes, packed_bytes = excluded.packed_bytes, "
        "crc = excluded.crc, pieces = excluded.pieces",
        job,
        file.number,
        file.kind,
        file.type,
        file.records,
        file.plain_bytes,
        file.packed_bytes,
        file.crc,
        file.pieces,
    )
    await tx.run(
        "INSERT INTO bulk_piece (tenant_id, job_id, number, position, sealed) VALUES ($1, $2, $3, $4, $5)",
        job,
        file.number,
        file.pieces - 1,
        piece.sealed,
    )


_FILES = (
    "SELECT number, kind, type, records, plain_bytes, packed_bytes, crc, pieces FROM bulk_file "
    "WHERE tenant_id = $1 AND job_id = $2"
)


async def files(tx: Transaction, job: UUID) -> list[File]:
    """The files of a job in the order they were begun."""
    return [_file(row) for row in await tx.rows(f"{_FILES} ORDER BY number", job)]


async def file(tx: Transaction, job: UUID, number: int) -> File | None:
    """One file of a job."""
    row = await tx.row(f"{_FILES} AND number = $3", job, number)
    return _file(row) if row is not None else None


def _file(row: Row) -> File:
    return File(**dict(row))


async def packed(world: World, tenant: Tenant, job: UUID, found: File) -> AsyncIterator[bytes]:
    """The file as one gzip member; raises NotFound when it expires meanwhile."""
    yield _HEAD
    for position in range(found.pieces):
        yield await _opened(world, tenant, job, (found.number, position))
    yield _END + struct.pack("<II", found.crc, found.plain_bytes & 0xFFFFFFFF)


async def plain(world: World, tenant: Tenant, job: UUID, found: File) -> AsyncIterator[bytes]:
    """The file as it is, a piece at a time; raises NotFound when it expires meanwhile."""
    for position in range(found.pieces):
        yield await piece(world, tenant, job, (found.number, position))


async def piece(world: World, tenant: Tenant, job: UUID, place: tuple[int, int]) -> bytes:
    """One piece as it is, by file and position; raises NotFound."""
    return zlib.decompress(await _opened(world, tenant, job, place) + _END, -zlib.MAX_WBITS)


async def _opened(world: World, tenant: Tenant, job: UUID, place: tuple[int, int]) -> bytes:
    async with world.transaction(tenant) as tx:
        found = await tx.value(
            "SELECT sealed FROM bulk_piece WHERE tenant_id = $1 AND job_id = $2 AND number = $3 AND position = $4",
            job,
            *place,
        )
    if found is None:
        raise NotFound("the file is not there any more")
    return secrets.unseal(world.settings, bytes(found), _purpose(job, *place))
