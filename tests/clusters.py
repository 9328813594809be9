"""A PostgreSQL of its own for tests whose figures other tests' tenants would bend: plans, pages read, memory of a worker."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from hub.servers import postgres
from hub.settings import Settings, prepare_folders
from hub.store import migrate


@contextlib.contextmanager
def own(folder: Path) -> Iterator[tuple[Settings, postgres.Cluster]]:
    """A running, migrated cluster with settings that point to it."""
    settings = Settings(data=folder, http_port=0, mllp_port=0)
    prepare_folders(settings)
    with postgres.running(settings, shared_buffers_mb=128) as running:
        asyncio.run(migrate.make_roles(running, settings))
        asyncio.run(migrate.upgrade(running.owner_url, running.application_url))
        yield dataclasses.replace(settings, database_url=running.application_url), running
