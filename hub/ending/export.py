"""Everything of a tenant in one ZIP: its records as FHIR, every row of its tables, its messages, its trail.

Files are NDJSON, bytes in Base64; `manifest.json` has rows, size and SHA-256 of each and what was left out and why. An
export of an active tenant shows each table as it stood when it was written; close it first for one that is whole.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from hub.ending import sealed_file
from hub.ending.tables import HIDDEN, LEFT_OUT, tenant_tables
from hub.guard import audit
from hub.store import migrate
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

MANIFEST = "manifest.json"
_AT_ONCE = 50
_WORDS = """Tudo o que o hub Ponte guarda de um tenant

manifest.json      cada arquivo com linhas, tamanho e SHA-256; o que ficou de fora e por quê
registros/         os registros de hoje, um arquivo por tipo, um recurso FHIR R4 por linha
tabelas/           todas as linhas das tabelas do tenant, uma por linha, em JSON
  message          as mensagens recebidas e enviadas: content e reply em Base64, byte a byte
  resource_version todas as versões de cada registro
  audit_event      a trilha de auditoria; audit_seal os seus lacres (SHA-256 encadeado)

Contém dados pessoais sensíveis de saúde. Guarda do prontuário: 20 anos do último registro (Lei 13.787/2018, art. 6º).
"""


@dataclass(slots=True, kw_only=True)
class Written:
    """One file of the export."""

    rows: int = 0
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was exported: files by name, and the SHA-256 of the manifest, which vouches for all of them."""

    files: dict[str, Written]
    manifest: str

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        files = {name: {"rows": one.rows, "bytes": one.bytes, "sha256": one.sha256} for name, one in self.files.items()}
        return {"manifest": self.manifest, "files": files}


class _Hashed:
    """A member of the archive; counts and hashes what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.found = Written()

    def line(self, text: bytes) -> None:
        """One row."""
        whole = text + b"\n"
        self._file.write(whole)
        self._hash.update(whole)
        self.found.rows += 1
        self.found.bytes += len(whole)

    def done(self) -> Written:
        """What was written."""
        self.found.sha256 = self._hash.hexdigest()
        return self.found


async def export(world: World, tenant: Tenant, target: Path, *, passphrase: str = "", actor: str) -> Exported:
    """Write everything of a tenant into a new file, encrypted where a passphrase is given; audited with its hash.

    Raises Misconfigured (the file), Refused (the passphrase).
    """
    with sealed_file.opened(target, passphrase) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("LEIA-ME.txt", _WORDS)
        files = {**await _records(world, tenant, archive), **await _tables(world, tenant, archive)}
        manifest = json.dumps(await _manifest(world, tenant, files), ensure_ascii=False, indent=1).encode()
        archive.writestr(MANIFEST, manifest)
    told = Exported(files=files, manifest=hashlib.sha256(manifest).hexdigest())
    detail = {"manifest": told.manifest, "rows": sum(one.rows for one in files.values()), "encrypted": bool(passphrase)}
    async with world.transaction(tenant) as tx:
        await audit.note(tx, actor, "tenant-export", f"tenant/{tenant.slug}", detail=detail)
    return told


async def _records(world: World, tenant: Tenant, archive: zipfile.ZipFile) -> dict[str, Written]:
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT DISTINCT type FROM resource WHERE tenant_id = $1 AND NOT deleted ORDER BY type")
    found = {}
    for kind in [row["type"] for row in rows]:
        query = "SELECT body FROM resource WHERE tenant_id = $1 AND type = $2 AND NOT deleted ORDER BY rid"
        name = f"registros/{kind}.ndjson"
        async with world.transaction(tenant) as tx:
            with archive.open(name, "w", force_zip64=True) as member:
                file = _Hashed(member)
                async for row in _walk(tx, query, kind):
                    file.line(one_line(row["body"]))
                found[name] = file.done()
    return found


async def _tables(world: World, tenant: Tenant, archive: zipfile.ZipFile) -> dict[str, Written]:
    found = {}
    for table in tenant_tables():
        if table.name in LEFT_OUT:
            continue
        hidden = HIDDEN.get(table.name, {})
        columns = ", ".join(f'"{c.name}"' for c in table.columns if c.name not in {*hidden, "tenant_id"})
        order = ", ".join(f'"{c.name}"' for c in table.primary_key.columns)
        name = f"tabelas/{table.name}.ndjson"
        async with world.transaction(tenant) as tx:
            with archive.open(name, "w", force_zip64=True) as member:
                file = _Hashed(member)
                async for row in _walk(tx, f"SELECT {columns} FROM {table.name} WHERE tenant_id = $1 ORDER BY {order}"):
                    file.line(json.dumps({key: _plain(row[key]) for key in row.keys()}, ensure_ascii=False).encode())  # noqa: SIM118
                found[name] = file.done()
    return found


async def _walk(tx: Transaction, query: str, *arguments: Any) -> AsyncIterator[Row]:
    """The rows of a query, some at a time: memory does not grow with the tenant."""
    async for row in tx.connection.cursor(query, tx.tenant, *arguments, prefetch=_AT_ONCE):
        yield row


def one_line(body: str) -> bytes:
    """A record's exact text on one line: between its tokens a line's end is a blank, within them there is none."""
    return body.replace("\r", " ").replace("\n", " ").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


async def _manifest(world: World, tenant: Tenant, files: dict[str, Written]) -> dict[str, Any]:
    async with world.transaction(tenant) as tx:
        seal = await tx.row("SELECT number, hash FROM audit_seal WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1")
    return {
        "tenant": {"slug": tenant.slug, "id": str(tenant.id), "name": tenant.name, "zone": tenant.zone},
        "settings": tenant.settings,
        "closed": not tenant.active,
        "made_at": world.now().isoformat(timespec="seconds"),
        "revision": migrate.head(),
        "last_seal": [seal["number"], seal["hash"]] if seal is not None else None,
        "files": {name: {"rows": one.rows, "bytes": one.bytes, "sha256": one.sha256} for name, one in files.items()},
        "left_out": {**LEFT_OUT, **{f"{t}.{c}": why for t, columns in HIDDEN.items() for c, why in columns.items()}},
    }
