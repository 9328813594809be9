"""A bundle for whoever helps from outside: versions, settings, state and logs, without patient data and secrets.

Everything in it is a count, a code, a name an operator gave, or a line of a log (which holds no patient data by rule;
long numbers are masked all the same). Addresses, logins, message content, numbers and names of people are not in it.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import re
import sys
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import IO, Any

from canonical.errors import Misconfigured, PonteError
from hub.operate.database import check
from hub.operate.messages import find, halting
from hub.settings import Settings
from hub.store import migrate
from hub.watch import alarms, readings, rules
from hub.world import Tenant, World

LOG_TAIL = 2 * 1024 * 1024
MOST_LANES = 500
# CPF, CNS, card and protocol numbers, telephones: whatever has so many digits, also with the usual marks between them.
_LONG = re.compile(r"(?<![\w-])\d(?:[ .\-/]?\d){7,}(?![\w-])")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d{3}")
_URL = re.compile(r"\b([a-z][a-z0-9+.-]*)://[^\s'\"]+")
_SECRET = ("URL", "KEY", "PASSWORD", "SECRET", "TOKEN")
Made = dict[str, Any]


async def bundle(settings: Settings, world: World | None, target: Path) -> list[tuple[str, int]]:
    """Write the bundle; returns the names of its files with their sizes. `world` is None while the database is away.

    Raises Misconfigured when the file cannot be written or is there already.
    """
    with _whole(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        return await _filled(archive, settings, world)


@contextlib.contextmanager
def _whole(target: Path) -> Iterator[IO[bytes]]:
    """A new file that only its maker can read, and that is not left in part; raises Misconfigured."""
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Misconfigured(f"cannot write {target}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise Misconfigured(f"cannot write {target}: {error.strerror}") from None
        raise


async def _filled(archive: zipfile.ZipFile, settings: Settings, world: World | None) -> list[tuple[str, int]]:
    made: list[tuple[str, int]] = []

    def put(name: str, text: str) -> None:
        archive.writestr(name, text)
        made.append((name, len(text.encode())))

    put("about.json", _json(about(settings)))
    if world is not None:
        put("database.json", _json(await _safely(lambda: _database(world))))
        for tenant in await world.tenants():
            put(f"tenants/{tenant.slug}.json", _json(await _safely(lambda t=tenant: _tenant(world, t))))  # type: ignore[misc]
    for path in sorted(settings.logs.glob("*.log")):
        put(f"logs/{path.name}", scrubbed(_tail(path)))
    return made


def about(settings: Settings) -> Made:
    """Versions, machine and settings; of what could hold a secret or an address only that it is set."""
    given = {
        name: "set" if _is_secret(name) else value for name, value in os.environ.items() if name.startswith("PONTE_")
    }
    return {
        "made_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "compiled_modules": "ponte_native__mypyc" in sys.modules,
        "processors": os.cpu_count(),
        "revision_of_code": migrate.head(),
        "environment": dict(sorted(given.items())),
        "settings": {
            "embedded_database": (settings.data / "postgres").exists(),
            "workers": settings.worker_count,
            "pool_size": settings.pool_size,
            "max_message_bytes": settings.max_message_bytes,
            "allow_private_targets": settings.allow_private_targets,
            "simulators": settings.simulators,
        },
        "packages": dict(sorted((d.metadata["Name"], d.version) for d in importlib.metadata.distributions())),
    }


def scrubbed(text: str) -> str:
    """Log lines with long numbers and whole addresses masked; the time at a line's beginning stays."""
    return "\n".join(_scrubbed_line(line) for line in text.split("\n"))


def _scrubbed_line(line: str) -> str:
    stamp = _STAMP.match(line)
    head = stamp[0] if stamp else ""
    return head + _LONG.sub("#", _URL.sub(r"\1://…", line[len(head) :]))


async def _database(world: World) -> Made:
    """Server version, revision, and how large each table is."""
    rows = await world.database.global_rows(
        "SELECT relname, pg_total_relation_size(oid) AS bytes, reltuples::bigint AS rows FROM pg_class "
        "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC"
    )
    settings = await world.database.global_rows(
        "SELECT name, setting FROM pg_settings WHERE name IN ('server_version', 'max_connections', 'shared_buffers', "
        "'fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums', 'server_encoding', 'TimeZone', "
        "'autovacuum', 'wal_level', 'max_wal_size') ORDER BY name"
    )
    revision = await world.database.global_rows("SELECT version_num FROM alembic_version")
    return {
        "revision": [row["version_num"] for row in revision],
        "settings": {row["name"]: row["setting"] for row in settings},
        "tables": {row["relname"]: {"bytes": row["bytes"], "rows_estimated": row["rows"]} for row in rows},
    }


async def _tenant(world: World, tenant: Tenant) -> Made:
    """State of one tenant: health, alarms, measures, lanes, causes, channels, partners, schedules."""
    week = world.now() - datetime.timedelta(days=7)
    health = await check.health(world, tenant)
    standing = await alarms.current(world, tenant)
    taken = await readings.of_tenant(world, tenant)
    async with world.transaction(tenant) as tx:
        lanes = await halting.listed(tx, halting.Wanted(), MOST_LANES)
        causes = await find.causes(tx, week)
        channels = await tx.rows("SELECT name, door, version, active FROM channel WHERE tenant_id = $1 ORDER BY name")
        partners = await tx.rows(
            "SELECT kind, code, adapter, active, settings::jsonb #>> '{transport,kind}' AS transport FROM partner "
            "WHERE tenant_id = $1 ORDER BY kind, code"
        )
        schedules = await tx.rows("SELECT name, cron, zone, active, next_fire_at FROM schedule WHERE tenant_id = $1")
    return {
        "zone": tenant.zone,
        "health": health.as_json(),
        "alarms": [alarm.as_json("en") for alarm in standing],
        "limits": dict(rules.own_limits(tenant)),
        "measures": [{"rule": one.rule, "place": one.place, "value": one.value} for one in taken],
        "lanes": [lane.as_json() for lane in lanes],
        "causes": [cause.as_json() for cause in causes],
        "channels": [dict(row) for row in channels],
        "partners": [dict(row) for row in partners],
        "schedules": [dict(row) for row in schedules],
    }


async def _safely(make: Callable[[], Awaitable[Made]]) -> Made:
    """What can be had; a part that fails says so, the others are there."""
    try:
        return await make()
    except PonteError as error:
        return {"failed": error.code}


def _is_secret(name: str) -> bool:
    return any(word in name for word in _SECRET)


def _json(document: Made) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1, default=str)


def _tail(path: Path) -> str:
    """The end of a file, from a line's beginning."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_TAIL))
            cut = file.tell() > 0
            text = file.read(LOG_TAIL).decode("utf-8", "replace")
    except OSError as error:
        return f"(cannot be read: {error.strerror})"
    return text.partition("\n")[2] if cut else text
