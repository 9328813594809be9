"""Backs up and restores a database with the programs of the embedded server's wheel, and says what a backup holds.

A dump sees all tenants, so it is made by a role that row-level security does not hold: the embedded cluster's
superuser, whose password lives in `secrets/`, or of a database of your own one you name. It is never the application's.
The dump holds patient data and sealed credentials, but not the key that opens them. Beside it lies a manifest
(`FILE.json`) of the same snapshot: revision, rows of each table, each tenant's last seal, and the dump's SHA-256.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import errno
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import asyncpg

from canonical.errors import Misconfigured
from hub.servers import postgres, process
from hub.settings import Settings, prepare_folders, secret_file
from hub.store import migrate
from hub.store.failures import starting
from hub.watch import machine

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_DUMP = b"PGDMP"  # how a dump in the custom format of pg_dump begins
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a dump holds: `tables` are rows by table, `seals` number and hash of each tenant's last audit seal."""

    made_at: str
    revision: str
    tables: dict[str, int]
    seals: dict[str, list[Any]]
    sha256: str = ""
    size: int = 0
    tool: str = field(default="ponte 1")


def backup(settings: Settings, target: Path, url: str = "") -> int:
    """Write a dump of the running database to `target`, its manifest beside it; returns its size. Raises Misconfigured.

    Without `url` the embedded database is meant; `url` is one's own, of a role that reads all rows.
    """
    if target.exists():
        raise Misconfigured(f"{target} exists already; a backup never overwrites another")
    whole = url or embedded_url(settings, urlsplit(settings.database_url).port)
    listed = manifest_of(target)
    partial, told = (path.with_name(path.name + ".partial") for path in (target, listed))
    try:
        with _private(partial) as file:
            found = asyncio.run(_dumped(settings, whole, file))
        size, digest = partial.stat().st_size, sha256(partial)
        with _private(told) as file:
            file.write(json.dumps({**asdict(found), "sha256": digest, "size": size}, indent=1).encode())
        _named(told, listed)
        _named(partial, target)  # last: a dump that is there has its manifest, whenever this was ended
    finally:
        partial.unlink(missing_ok=True)
        told.unlink(missing_ok=True)
    machine.backed_up(settings)
    return size


def manifest_of(dump: Path) -> Path:
    """Where a dump's manifest lies."""
    return dump.with_name(dump.name + ".json")


def read_manifest(dump: Path) -> Manifest:
    """The manifest beside a dump; raises Misconfigured when there is none, or the dump is not the one it describes."""
    try:
        found = Manifest(**json.loads(manifest_of(dump).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise Misconfigured(f"{manifest_of(dump)} cannot be read: it belongs to the backup") from None
    if not dump.is_file() or sha256(dump) != found.sha256:
        raise Misconfigured(f"{dump} is not the file that its manifest describes: it was cut or changed")
    return found


def restore(settings: Settings, source: Path, secrets: Path) -> None:
    """Make the embedded database of a new data directory from a dump; raises Misconfigured.

    `secrets` is the folder of the hub that was backed up: without its master key stored credentials stay closed.
    What is no dump, or not the one its manifest describes, is told first; where it fails later no database stays.
    What a restore left that was ended in its middle (kill -9, a power cut) is removed; no hub starts on it.
    """
    begun = postgres.unfinished(settings)
    if (settings.data / "postgres").exists() and not begun.exists():
        raise Misconfigured(f"{settings.data} holds a database already; restore into a new folder")
    if not source.is_file() or not (secrets / "master.key").is_file():
        raise Misconfigured("name the dump, and with --secrets the folder that holds its master.key")
    _refuse_none(source)
    prepare_folders(settings)
    shutil.copy2(secrets / "master.key", settings.secrets / "master.key")
    begun.touch()
    postgres.discard(settings)
    try:
        with postgres.running(settings, restoring=True) as cluster:
            asyncio.run(migrate.make_roles(cluster, settings))
            restore_into(settings, embedded_url(settings, cluster.port), source)
            asyncio.run(migrate.upgrade(cluster.owner_url, cluster.application_url))
    except BaseException:
        shutil.rmtree(settings.data / "postgres", ignore_errors=True)  # made here, and half of one cannot be used
        begun.unlink()
        raise
    begun.unlink()


def restore_into(settings: Settings, url: str, source: Path) -> None:
    """Bring a dump into an empty database whose roles exist, all of it or nothing; raises Misconfigured."""
    if not source.is_file():
        raise Misconfigured(f"there is no file {source}")
    _refuse_none(source)
    if asyncio.run(_holds_tables(url)):
        raise Misconfigured("the database holds tables already; restore into an empty one")
    _run(settings, ["pg_restore", "--exit-on-error", "--single-transaction", str(source.resolve())], url)


def _refuse_none(source: Path) -> None:
    """Raise Misconfigured for a file that is no dump, or, with its manifest beside it, not the one that was made."""
    with source.open("rb") as file:
        if file.read(len(_DUMP)) != _DUMP:
            raise Misconfigured(f"{source} is no backup: it does not begin as what `./ponte db backup` makes")
    if manifest_of(source).exists():
        read_manifest(source)


async def counted(connection: Any) -> dict[str, int]:
    """Rows of every table."""
    names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    return {
        row["tablename"]: await connection.fetchval(f'SELECT count(*) FROM public."{row["tablename"]}"')
        for row in names
    }


def embedded_url(settings: Settings, port: int | None) -> str:
    """The embedded database as its superuser; raises Misconfigured where there is none."""
    if port is None or not (settings.secrets / "postgres.password").is_file():
        raise Misconfigured(
            "this hub uses a PostgreSQL of your own: name a role that reads all rows with --url-env, or use its pg_dump"
        )
    password = quote(secret_file(settings, "postgres.password"))
    return f"postgresql://{postgres.SUPERUSER}:{password}@127.0.0.1:{port}/{postgres.DATABASE}"


def sha256(path: Path) -> str:
    """The digest of a file, read in pieces."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            hasher.update(piece)
    return hasher.hexdigest()


@contextlib.contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    """A new file that only its maker can read; raises Misconfigured."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Misconfigured(f"cannot write {path}: {error.strerror}") from None


def _named(partial: Path, name: Path) -> None:
    """Give a whole file its name; raises Misconfigured."""
    try:
        partial.replace(name)
    except OSError as error:
        raise Misconfigured(f"cannot write {name}: {error.strerror}") from None


async def _dumped(settings: Settings, url: str, file: IO[bytes]) -> Manifest:
    """Dump and count in one snapshot: what is written meanwhile is in neither."""
    async with _superior(url) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
        found = Manifest(
            made_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            revision=str(await connection.fetchval("SELECT version_num FROM alembic_version")),
            tables=await counted(connection),
            seals=await last_seals(connection),
        )
        command = ["pg_dump", "--format=custom", "--compress=6", f"--snapshot={snapshot}"]
        await asyncio.to_thread(_run, settings, command, url, file)
    return found


async def last_seals(connection: Any) -> dict[str, list[Any]]:
    """Number and hash of the last audit seal of each tenant."""
    rows = await connection.fetch(
        "SELECT DISTINCT ON (t.slug) t.slug, s.number, s.hash FROM audit_seal s JOIN tenant t ON t.id = s.tenant_id "
        "ORDER BY t.slug, s.number DESC"
    )
    return {row["slug"]: [row["number"], row["hash"]] for row in rows}


@contextlib.asynccontextmanager
async def _superior(url: str) -> AsyncIterator[Any]:
    """A connection that row-level security does not hold; raises Misconfigured when it does, or there is no answer."""
    with starting("the URL of the backup"):
        connection = await asyncpg.connect(url, timeout=60)
    try:
        if not await connection.fetchval("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"):
            raise Misconfigured("the role of the backup must read all rows: a superuser, or one with BYPASSRLS")
        yield connection
    finally:
        await connection.close()


async def _holds_tables(url: str) -> bool:
    async with _superior(url) as connection:
        return bool(await connection.fetchval("SELECT to_regclass('public.resource') IS NOT NULL"))


def _run(settings: Settings, command: list[str], url: str, output: IO[bytes] | None = None) -> None:
    """Run a program of the server on a database; the password goes by the environment, not by the command line."""
    programs = postgres.binaries(settings, process.server_account())
    parts = urlsplit(url)
    place = urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}"))
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"}
    done = subprocess.run(
        [str(programs / command[0]), "--no-password", f"--dbname={place}", *command[1:]],
        env={**environment, "PGPASSWORD": unquote(parts.password or "")},
        stdout=output or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        # the program's own words may quote rows: of them only what the system says of a disk is told
        said = next((os.strerror(number) for number in _DISK if os.strerror(number).encode() in done.stderr), "")
        reason = f": {said}; nothing was kept of it" if said else ""
        raise Misconfigured(f"{command[0]} failed with exit code {done.returncode}{reason}")
