"""The shapes every table shares: the tenant first, text by default, time with zone, cents as bigint."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, MetaData, Table, Text, Uuid, text
from sqlalchemy.schema import PrimaryKeyConstraint, SchemaItem

METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "fk": "%(table_name)s_%(referred_table_name)s_fk",
    }
)


def tenant_table(name: str, key: tuple[str, ...], *items: SchemaItem) -> Table:
    """A table of one tenant's rows; its primary key is `tenant_id` followed by `key`."""
    return Table(
        name,
        METADATA,
        Column("tenant_id", Uuid, nullable=False),
        *items,
        PrimaryKeyConstraint("tenant_id", *key),
    )


def string(name: str, *, optional: bool = False, default: str | None = None) -> Column[Any]:
    """A text column; `default` is a server default."""
    return Column(name, Text, nullable=optional, server_default=default)


def whole(name: str, *, optional: bool = False, default: int | None = None) -> Column[Any]:
    """A bigint column: counts, versions, cents."""
    return Column(name, BigInteger, nullable=optional, server_default=None if default is None else text(str(default)))


def small(name: str, *, optional: bool = False, default: int | None = None) -> Column[Any]:
    """An integer column for counts that stay small."""
    return Column(name, Integer, nullable=optional, server_default=None if default is None else text(str(default)))


def moment(name: str, *, optional: bool = False, now: bool = False) -> Column[Any]:
    """A timestamp with time zone; `now` makes the transaction's time its server default."""
    return Column(name, DateTime(timezone=True), nullable=optional, server_default=text("now()") if now else None)


def flag(name: str, *, default: bool = False) -> Column[Any]:
    """A boolean column with a server default."""
    return Column(name, Boolean, nullable=False, server_default=text("true" if default else "false"))


def identity(name: str, *, optional: bool = False) -> Column[Any]:
    """A UUID column."""
    return Column(name, Uuid, nullable=optional)
