"""Backs up and restores an embedded database with the programs of its own wheel.

A dump sees all tenants, so it is made as the cluster's superuser, whose password lives in `secrets/` and is never the
application's. The dump holds patient data and sealed credentials, but not the key that opens them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from canonical.errors import Misconfigured
from hub.servers import postgres, process
from hub.settings import Settings, prepare_folders
from hub.store import migrate


def backup(settings: Settings, target: Path) -> int:
    """Write a dump of the running embedded database to `target` and return its size; raises Misconfigured."""
    secret = settings.secrets / "postgres.password"
    if not secret.is_file():
        raise Misconfigured("this hub uses a PostgreSQL of your own: back it up with that server's pg_dump")
    if target.exists():
        raise Misconfigured(f"{target} exists already; a backup never overwrites another")
    port = urlsplit(settings.database_url).port
    command = ["pg_dump", "--format=custom", "--compress=6", "--no-password", "-h", "127.0.0.1", "-p", str(port)]
    partial = target.with_name(target.name + ".partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise Misconfigured(f"cannot write {target}: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        _run(settings, [*command, "-U", postgres.SUPERUSER, postgres.DATABASE], secret.read_text("ascii"), file)
    partial.replace(target)
    return target.stat().st_size


def restore(settings: Settings, source: Path, secrets: Path) -> None:
    """Make the embedded database of a new data directory from a dump; raises Misconfigured.

    `secrets` is the folder of the hub that was backed up: without its master key stored credentials stay closed.
    """
    if (settings.data / "postgres").exists():
        raise Misconfigured(f"{settings.data} holds a database already; restore into a new folder")
    if not source.is_file() or not (secrets / "master.key").is_file():
        raise Misconfigured("name the dump, and with --secrets the folder that holds its master.key")
    prepare_folders(settings)
    shutil.copy2(secrets / "master.key", settings.secrets / "master.key")
    with postgres.running(settings) as cluster:
        import asyncio

        asyncio.run(migrate.make_roles(cluster, settings))
        command = ["pg_restore", "--exit-on-error", "--no-password", "--single-transaction", "-h", "127.0.0.1"]
        command += ["-p", str(cluster.port), "-U", postgres.SUPERUSER, "-d", postgres.DATABASE, str(source.resolve())]
        _run(settings, command, (settings.secrets / "postgres.password").read_text("ascii"), None)
        asyncio.run(migrate.upgrade(cluster.owner_url, cluster.application_url))


def _run(settings: Settings, command: list[str], password: str, output: IO[bytes] | None) -> None:
    programs = postgres.binaries(settings, process.server_account())
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "PGPASSWORD": password}
    done = subprocess.run(
        [str(programs / command[0]), *command[1:]],
        env=environment,
        stdout=output or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        # the program's own words may quote rows: only its name and code are told
        raise Misconfigured(f"{command[0]} failed with exit code {done.returncode}")
