"""the database: `db migrate`, `db check`, `db backup FILE`, `db restore FILE`, `db drill FILE`"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from api import running
from api.cli import output
from canonical.errors import Misconfigured

if TYPE_CHECKING:
    from hub.operate.database.check import Health
    from hub.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action with its own options."""
    actions = parser.add_subparsers(dest="action", required=True)
    migrate = actions.add_parser("migrate", help="bring the database to this version's schema")
    check = actions.add_parser("check", help="role, walls, revision, audit chain, waiting work")
    check.add_argument("--json", action="store_true", help="one JSON object per tenant")
    backup = actions.add_parser("backup", help="dump the running database to a new file, its manifest beside it")
    backup.add_argument("file", type=Path)
    _url(backup, "variable with the URL of a role that reads all rows, for a database of your own")
    restore = actions.add_parser("restore", help="make a new data directory, or fill an empty database, from a dump")
    restore.add_argument("file", type=Path)
    restore.add_argument("--secrets", type=Path, help="the secrets folder of the hub that was backed up")
    _url(restore, "variable with the URL of a superuser on an empty database of your own")
    drill = actions.add_parser("drill", help="restore a dump on a scratch folder and hold it against its manifest")
    drill.add_argument("file", type=Path)
    drill.add_argument("--secrets", type=Path, required=True, help="the secrets folder of the hub that was backed up")
    drill.add_argument("--json", action="store_true", help="one JSON object")
    for action in (migrate, check, backup, restore):
        running.options(action, tenant=False)


def _url(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--url-env", default="", metavar="NAME", help=text)


def run(given: argparse.Namespace) -> int:
    """0 when all is well, 1 when `check` or `drill` found something, 4 when it cannot be done."""
    actions = {"migrate": _migrate, "check": _check, "backup": _backup, "restore": _restore, "drill": _drill}
    return actions[given.action](given)


def _migrate(given: argparse.Namespace) -> int:
    """External: by PONTE_OWNER_DATABASE_URL. Embedded: the cluster is started for the migration."""
    from hub.servers import postgres
    from hub.settings import from_environment, prepare_folders
    from hub.store import migrate

    settings = from_environment(os.environ, data=given.data)
    if settings.owner_database_url:
        asyncio.run(migrate.upgrade(settings.owner_database_url, settings.database_url))
        if queued := asyncio.run(_indexed_anew(settings)):
            output.say(f"records are indexed anew by a job of the worker: {', '.join(queued)}")
    elif settings.database_url:
        raise Misconfigured("set PONTE_OWNER_DATABASE_URL: the application role may not change the schema")
    else:
        prepare_folders(settings)
        with postgres.running(settings) as cluster:
            asyncio.run(migrate.make_roles(cluster, settings))
            asyncio.run(migrate.upgrade(cluster.owner_url, cluster.application_url))
    output.say(f"at revision {migrate.head()}")
    return 0


async def _indexed_anew(settings: Settings) -> list[str]:
    """The tenants whose records want another index than they have; each gets a job."""
    from hub.records import reindex
    from hub.world import opened

    async with opened(settings, size=1) as world:
        return [each.slug for each in await world.tenants() if await reindex.after_upgrade(world, each)]


def _check(given: argparse.Namespace) -> int:
    return asyncio.run(_checked(given))


async def _checked(given: argparse.Namespace) -> int:
    from hub.operate.database import check
    from hub.world import opened

    settings = running.located(given.data)
    async with opened(settings, size=1) as world:  # refuses an unsafe role and open tables
        at, wanted = await check.revision(settings.database_url)
        if at != wanted:
            raise Misconfigured(f"the database is at revision {at or 'none'}, this version needs {wanted}")
        found = [await check.health(world, tenant) for tenant in await world.tenants()]
    if not given.json:
        output.say(f"role and row-level security hold; revision {at}")
    for health in found:
        if given.json:
            output.line(health.as_json())
        else:
            _show(health)
    return 1 if any(health.broken_seal is not None for health in found) else 0


def _show(health: Health) -> None:
    chain = "audit chain holds" if health.broken_seal is None else f"audit chain BROKEN at seal {health.broken_seal}"
    waiting = ", ".join(f"{count} {kind}" for kind, count in health.waiting.items()) or "nothing"
    messages = ", ".join(f"{count} {status}" for status, count in sorted(health.messages.items())) or "no messages"
    output.say(f"{health.tenant}: {chain}; {messages}; waiting: {waiting}")
    if health.paused or health.dead:
        output.say(f"    {health.paused} lanes paused, {health.dead} deliveries dead")


def _backup(given: argparse.Namespace) -> int:
    from hub.operate.database import backup

    size = backup.backup(running.located(given.data), given.file, _named(given.url_env))
    output.say(f"{given.file}: {size / 1_000_000:.1f} MB; keep secrets/master.key apart from it")
    return 0


def _restore(given: argparse.Namespace) -> int:
    from hub.operate.database import backup
    from hub.settings import from_environment

    if given.file.is_file() and not backup.manifest_of(given.file).exists():
        output.complain(f"{backup.manifest_of(given.file).name} is not beside it: nobody can tell whether it is whole")
    if given.url_env:
        backup.restore_into(from_environment(os.environ, data=given.data), _named(given.url_env), given.file)
        output.say("restored; bring it to this version with: ./ponte db migrate")
        return 0
    if given.data is None or given.secrets is None:
        raise Misconfigured("name the new data directory with --data, and the old hub's secrets with --secrets")
    settings = from_environment({}, data=given.data)
    backup.restore(settings, given.file, given.secrets)
    output.say(f"restored; start it with: ./ponte up --data {given.data}")
    return 0


def _drill(given: argparse.Namespace) -> int:
    from hub.operate.database import drill

    report = drill.drill(given.file, given.secrets)
    if given.json:
        output.line(report.as_json())
    else:
        output.say(f"backup of {report.made_at}, restored in {report.seconds:.1f} s")
        for point in report.points:
            output.say(f"  {'held  ' if point.held else 'BROKEN'}  {point.name:<12} {point.said}")
    return 0 if report.held else 1


def _named(variable: str) -> str:
    """The URL in an environment variable: a password has no place on a command line."""
    if variable and not os.environ.get(variable):
        raise Misconfigured(f"the environment variable {variable} is not set")
    return os.environ[variable] if variable else ""
