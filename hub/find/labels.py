"""Which profiles, tags and security labels the records of some types carry: each found by one look into the index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub.find.statement import Source, Statement
from hub.records.index import key_of

MOST = 1000
_CODES = {"_security": "security", "_tag": "tag"}


async def labels(source: Source, types: Sequence[str]) -> dict[str, Any]:
    """The `meta` that holds all of them, at most `MOST` of a kind and type; a profile stands without its version."""
    found: dict[str, Any] = {}
    profiles = await _found(source, "idx_uri", ("value",), [(name, "_profile") for name in types])
    if profiles:
        found["profile"] = [row["value"] for row in profiles]
    for parameter, member in _CODES.items():
        rows = await _found(source, "idx_token", ("code", "system"), [(name, parameter) for name in types])
        codings = [{name: row[name] for name in ("system", "code") if row[name]} for row in rows]
        if codings:
            found[member] = codings
    return found


async def _found(source: Source, table: str, columns: Sequence[str], places: Sequence[tuple[str, str]]) -> list[Any]:
    statement = source.statement()
    keys = statement.argument([key_of(type_name, code) for type_name, code in places])
    told = _listed("p", columns)
    sql = (
        f"SELECT DISTINCT {told} FROM unnest({keys}::bigint[]) AS v(key) "
        f"CROSS JOIN LATERAL ({_distinct(statement, table, columns)}) p ORDER BY {told} LIMIT {10 * MOST}"
    )
    return list(await source.rows(statement, sql))


def _distinct(statement: Statement, table: str, columns: Sequence[str]) -> str:
    """The different values under a key, each by one look: the records that share one are passed over."""
    own, last = _listed("t", columns), _listed("s", columns)
    rows = f"SELECT {own} FROM {table} t WHERE {statement.of_tenant('t')} AND t.key = v.key"
    order = f"ORDER BY {own} LIMIT 1"
    return (
        f"WITH RECURSIVE s AS (({rows} {order}) UNION ALL SELECT n.* FROM s CROSS JOIN LATERAL "
        f"({rows} AND ({own}) > ({last}) {order}) n) SELECT {last} FROM s LIMIT {MOST}"
    )


def _listed(alias: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{column}" for column in columns)
