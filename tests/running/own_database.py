"""A database of a test's own in the session's cluster, at any revision: for what would disturb the tests beside it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from alembic import command
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from hub.store import migrate


@contextlib.asynccontextmanager
async def fresh(cluster: Any, revision: str = "head") -> AsyncIterator[tuple[str, str]]:
    """The owner's and the application's URL; with an empty revision the database has no table."""
    name = f"own_{uuid.uuid4().hex[:10]}"
    superior = await asyncpg.connect(cluster[1].superuser_url)
    await superior.execute(f"CREATE DATABASE {name} OWNER ponte_owner")
    owner, application = (
        urlsplit(url)._replace(path=f"/{name}").geturl() for url in (cluster[1].owner_url, cluster[1].application_url)
    )
    try:
        if revision:
            await to(owner, revision)
        yield owner, application
    finally:
        await superior.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await superior.close()


async def to(url: str, revision: str) -> None:
    """Bring a database to a revision."""

    def run(connection: Any) -> None:
        config = migrate.configuration()
        config.attributes["connection"] = connection
        config.attributes["application_role"] = "ponte_app"
        command.upgrade(config, revision)

    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()
