"""Many rows in one statement: `INSERT … SELECT unnest(…)`, since COPY does not work under row-level security.

The driver looks at every value of an array several times; texts go as one text, and the server takes it apart.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache, lru_cache
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


@cache
def sql_type(table: Table, column: str) -> str:
    """The PostgreSQL type of a column."""
    found = table.c[column].type
    for python_type, name in _TYPES.items():
        if isinstance(found, python_type):
            return name
    raise LookupError(f"{table.name}.{column}")


_MARK, _NOTHING = "\x1e", "\x1f"
_ARRAY, _JOINED = "array", "joined"


def joined(values: Sequence[str | None]) -> str | None:
    """`values` as one text that the server takes apart, each behind a mark; None when one of them holds a mark.

    One text costs the driver a tenth of an array of as many. With a mark in a value they go as an array.
    """
    missing = values.count(None)
    told = [_NOTHING if value is None else value for value in values] if missing else values
    text = "".join([_MARK, _MARK.join(told)]) if told else ""  # type: ignore[arg-type]
    return text if text.count(_NOTHING) == missing and text.count(_MARK) == len(values) else None


def _sent(
    table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]], spelled: Collection[str] = ()
) -> tuple[tuple[str, ...], list[Any]]:
    """How each column is given to the server, and the arguments. `spelled` are columns of numbers given as texts."""
    forms, arguments = [], []
    for column, values in zip(columns, zip(*rows, strict=True) if rows else [()] * len(columns), strict=True):
        text: str | None = None
        if column in spelled:
            text = f"{{{','.join(values)}}}"
        elif sql_type(table, column) == "text":
            text = joined(values)
        forms.append(_ARRAY if text is None else _JOINED)
        arguments.append(values if text is None else text)
    return tuple(forms), arguments


def _array(number: int, kind: str, form: str) -> str:
    """The array that parameter `number` stands for."""
    if form == _ARRAY:
        return f"${number}::{kind}[]"
    if kind == "text":
        return f"(string_to_array(${number}::text, E'\\x1e', E'\\x1f'))[2:]"
    return f"${number}::text::{kind}[]"


@cache
def statement(table: Table, columns: tuple[str, ...], suffix: str, forms: tuple[str, ...], first: int = 2) -> str:
    """The statement that inserts `columns`, one parameter each from `first` on; parameter 1 is the tenant."""
    given = zip(columns, forms, strict=True)
    arrays = ", ".join(_array(n, sql_type(table, c), form) for n, (c, form) in enumerate(given, start=first))
    names = ", ".join(columns)
    return f"INSERT INTO {table.name} (tenant_id, {names}) SELECT $1, x.* FROM unnest({arrays}) AS x({names}) {suffix}"


async def insert(
    tx: Transaction, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]], suffix: str = ""
) -> list[Row]:
    """Insert `rows` (values in the order of `columns`); returns what `suffix` (ON CONFLICT, RETURNING) gives."""
    if not rows:
        return []
    forms, arguments = _sent(table, columns, rows)
    return await tx.rows(statement(table, tuple(columns), suffix, forms), *arguments)


_Part = tuple[Table, tuple[str, ...], str, tuple[str, ...]]


class Together:
    """Inserts into different tables that go as one statement, which costs one trip. No table may stand in it twice."""

    __slots__ = ("_arguments", "_parts")

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._arguments: list[Any] = []

    def insert(
        self,
        table: Table,
        columns: tuple[str, ...],
        rows: Sequence[Sequence[Any]],
        suffix: str = "",
        spelled: Collection[str] = (),
    ) -> None:
        """Add `rows` (values in the order of `columns`), none of them too, so that the statement stays the same.

        `spelled` names columns of numbers whose values are their texts, which cost the driver less.
        """
        forms, arguments = _sent(table, columns, rows, spelled)
        self._parts.append((table, columns, suffix, forms))
        self._arguments += arguments

    def upsert(self, table: Table, columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows that replace those of the same primary key; of rows with the same key the last one counts."""
        self.insert(table, columns, _last_of_each(table, columns, rows), upsert_suffix(table, columns))

    async def run(self, tx: Transaction, then: str = "SELECT 1 WHERE false", *arguments: Any) -> list[Row]:
        """Execute all of it; the rows are those of `then`, which names the tenant `$1` and its own arguments `{0}`…"""
        if not self._parts:
            return []
        statement = _together(tuple(self._parts), then, len(arguments))
        return await tx.rows(statement, *self._arguments, *arguments)


@lru_cache(maxsize=256)
def _together(parts: tuple[_Part, ...], then: str, arguments: int) -> str:
    first, made = 2, []
    for number, (table, columns, suffix, forms) in enumerate(parts):
        made.append(f"w{number} AS ({statement(table, columns, suffix, forms, first)})")
        first += len(columns)
    return f"WITH {', '.join(made)} {then.format(*(f'${first + n}' for n in range(arguments)))}"


@cache
def upsert_suffix(table: Table, columns: tuple[str, ...]) -> str:
    """ON CONFLICT on the primary key, replacing every column that is not part of it."""
    key = [c.name for c in table.primary_key.columns]
    changed = ", ".join(f"{c} = excluded.{c}" for c in columns if c not in key)
    action = f"UPDATE SET {changed}" if changed else "NOTHING"
    return f"ON CONFLICT ({', '.join(key)}) DO {action}"


async def upsert(tx: Transaction, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert or replace `rows` by primary key; of rows with the same key the last one counts."""
    await insert(tx, table, columns, _last_of_each(table, columns, rows), upsert_suffix(table, tuple(columns)))


def _last_of_each(table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    if len(rows) == 1:
        return list(rows)
    key = [columns.index(c.name) for c in table.primary_key.columns if c.name != "tenant_id"]
    return list({tuple(row[i] for i in key): row for row in rows}.values())
