"""Many rows in one statement: `INSERT … SELECT unnest(…)`, since COPY does not work under row-level security."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Double, Integer, LargeBinary, Table, Text, Uuid

from hub.store.database import Row, Transaction

_TYPES = {
    Text: "text",
    BigInteger: "bigint",
    Integer: "integer",
    Uuid: "uuid",
    DateTime: "timestamptz",
    Date: "date",
    Double: "float8",
    Boolean: "boolean",
    LargeBinary: "bytea",
}


def sql_type(table: Table, column: str) -> str:
    """The PostgreSQL type of a column."""
    found = table.c[column].type
    for python_type, name in _TYPES.items():
        if isinstance(found, python_type):
            return name
    raise LookupError(f"{table.name}.{column}")


@cache
def statement(table: Table, columns: tuple[str, ...], suffix: str, first: int = 2) -> str:
    """The statement that inserts arrays of `columns`; parameter 1 is the tenant, `first` that of the first column."""
    arrays = ", ".join(f"${n}::{sql_type(table, c)}[]" for n, c in enumerate(columns, start=first))
    names = ", ".join(columns)
    return f"INSERT INTO {table.name} (tenant_id, {names}) SELECT $1, x.* FROM unnest({arrays}) AS x({names}) {suffix}"


async def insert(
    tx: Transaction, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]], suffix: str = ""
) -> list[Row]:
    """Insert `rows` (values in the order of `columns`); returns what `suffix` (ON CONFLICT, RETURNING) gives."""
    if not rows:
        return []
    arrays = [list(column) for column in zip(*rows, strict=True)]
    return await tx.rows(statement(table, tuple(columns), suffix), *arrays)


@cache
def upsert_suffix(table: Table, columns: tuple[str, ...]) -> str:
    """ON CONFLICT on the primary key, replacing every column that is not part of it."""
    key = [c.name for c in table.primary_key.columns]
    changed = ", ".join(f"{c} = excluded.{c}" for c in columns if c not in key)
    action = f"UPDATE SET {changed}" if changed else "NOTHING"
    return f"ON CONFLICT ({', '.join(key)}) DO {action}"


async def upsert(tx: Transaction, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert or replace `rows` by primary key; of rows with the same key the last one counts."""
    key = [columns.index(c.name) for c in table.primary_key.columns if c.name != "tenant_id"]
    unique = {tuple(row[i] for i in key): row for row in rows}
    await insert(tx, table, columns, list(unique.values()), upsert_suffix(table, tuple(columns)))
