"""Brings a database to the current schema, and makes the owner and application roles of an embedded one.

Alembic, with half of SQLAlchemy, is imported where it is used: doors and workers only ask it for a revision, if at all,
and would take a tenth longer to start.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg

from hub.servers.postgres import APPLICATION, DATABASE, OWNER, Cluster
from hub.settings import Settings, secret_file
from hub.store.failures import starting

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

VERSIONS = Path(__file__).resolve().parent / "migrations"


def configuration() -> Config:
    """Alembic's configuration, without a file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(VERSIONS))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """The newest revision this code knows."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(configuration()).get_current_head() or ""


async def current(url: str, setting: str = "PONTE_DATABASE_URL") -> str:
    """The revision the database is at; empty for an empty database. Raises Misconfigured, which names `setting`."""
    with starting(setting):
        connection = await asyncpg.connect(url, timeout=60)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version') IS NULL"):
            return ""
        return str(await connection.fetchval("SELECT version_num FROM alembic_version") or "")
    finally:
        await connection.close()


async def upgrade(owner_url: str, application_url: str = "") -> None:
    """Run every missing migration as the owner role; grants go to the role of `application_url`."""
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    if await current(owner_url, "PONTE_OWNER_DATABASE_URL") == head():
        return
    engine = create_async_engine(owner_url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, urlsplit(application_url).username or APPLICATION)
            await connection.commit()
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, role: str) -> None:
    from alembic import command

    config = configuration()
    config.attributes["connection"] = connection
    config.attributes["application_role"] = role
    command.upgrade(config, "head")


async def make_roles(cluster: Cluster, settings: Settings) -> None:
    """Create owner role, application role and database of an embedded cluster where they are missing."""
    connection = await asyncpg.connect(cluster.superuser_url)
    try:
        for role, secret in ((OWNER, "owner.password"), (APPLICATION, "application.password")):
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                password = secret_file(settings, secret)  # URL-safe base64: nothing to quote
                await connection.execute(
                    f"CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD '{password}'"
                )
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    finally:
        await connection.close()
