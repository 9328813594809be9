"""PostgreSQL for tests: made and migrated once for the whole run, copied for everyone who wants one of his own.

A test wants its own when other tests' tenants would bend its figures (plans, pages read, memory of a worker) or when it
kills it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from hub.servers import postgres
from hub.settings import Settings, prepare_folders
from hub.store import migrate

RUN = "PONTE_TESTS_RUN"


def share(config: pytest.Config) -> None:
    """A folder for what the processes of this run have in common; whoever makes it removes it at the end."""
    if RUN in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="ponte-run-")
    Path(folder).chmod(0o755)
    os.environ[RUN] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    config.add_cleanup(lambda: os.environ.pop(RUN, None))


@contextlib.contextmanager
def guarded(name: str) -> Iterator[Path]:
    """The run's folder, while no other process of the run is in the block of that name."""
    folder = Path(os.environ[RUN])
    with (folder / f"{name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield folder


def prepare(data: Path) -> None:
    """Lay a stopped, migrated cluster and its secrets into the data directory `data`, which holds none yet."""
    with guarded("cluster") as folder:
        made = folder / "cluster"
        if not made.exists():
            _make(folder / "unfinished")
            (folder / "unfinished").rename(made)
    data.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(made, data, symlinks=True, copy_function=shutil.copy2, dirs_exist_ok=True)
    for source in [made, *made.rglob("*")]:
        status = source.stat()
        os.chown(data / source.relative_to(made), status.st_uid, status.st_gid)


def _make(data: Path) -> None:
    settings = Settings(data=data, http_port=0, mllp_port=0)
    prepare_folders(settings)
    with postgres.running(settings, shared_buffers_mb=64) as running:
        asyncio.run(migrate.make_roles(running, settings))
        asyncio.run(migrate.upgrade(running.owner_url, running.application_url))
    shutil.rmtree(settings.logs)
    settings.logs.mkdir()


@contextlib.contextmanager
def own(folder: Path) -> Iterator[tuple[Settings, postgres.Cluster]]:
    """A running, migrated cluster with settings that point to it.

    It does not wait for the disk: no test of it pulls the plug of the machine. Those that kill servers run whole hubs.
    """
    prepare(folder)
    settings = Settings(data=folder, http_port=0, mllp_port=0)
    with postgres.running(settings, shared_buffers_mb=128) as running:
        asyncio.run(_hurry(running))
        yield dataclasses.replace(settings, database_url=running.application_url), running


async def _hurry(cluster: postgres.Cluster) -> None:
    connection = await asyncpg.connect(cluster.superuser_url)
    try:
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
