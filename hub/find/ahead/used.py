"""Those of many codes that records have: what a large value set or a high code of a hierarchy leaves to search for.

Each code is looked for once in the index of the parameter, so the cost follows the length of the list and not what is
stored; a house records few of the codes a terminology has.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir.search.composites import stored_as
from fhir.search.conditions import Clause
from fhir.search.values import Token, Value
from hub.find.conditions.comparing import systems_of
from hub.find.statement import Source
from hub.records.index import key_of

MANY = 200
_MOST_FOUND = 1_000_000


async def in_use(source: Source, clause: Clause, values: Sequence[Value]) -> list[Value]:
    """`values` without the codes that no record has under the parameter of `clause`; all of them where they are few."""
    if len(values) <= MANY:
        return list(values)
    listed, rest = _parted(clause, values)
    keys = [key_of(clause.type_name, code + clause.suffix) for code in stored_as(clause.code)]
    places = [(key, *place) for key in keys for place in listed]
    statement = source.statement(planned=True)
    columns = ([place[n] for place in places] for n in range(3))
    numbers, systems, codes = (statement.argument(column) for column in columns)
    rows = await source.rows(
        statement,
        f"SELECT DISTINCT v.system, v.code FROM unnest({numbers}::bigint[], {systems}::text[], {codes}::text[]) "
        f"AS v(key, system, code) WHERE EXISTS (SELECT 1 FROM idx_token t WHERE {statement.of_tenant('t')} "
        f"AND t.key = v.key AND t.code = v.code AND t.system = v.system OFFSET 0) LIMIT {_MOST_FOUND}",
    )
    return [*rest, *(Token((row["system"],), row["code"]) for row in rows)]


def _parted(clause: Clause, values: Sequence[Value]) -> tuple[list[tuple[str, str]], list[Value]]:
    """The systems and codes that can be looked for, each once, and the values that cannot."""
    listed: dict[tuple[str, str], None] = {}
    rest: list[Value] = []
    for value in values:
        systems = systems_of(clause, value) if isinstance(value, Token) and value.code is not None else None
        if not isinstance(value, Token) or value.code is None or systems is None:
            rest.append(value)
            continue
        for code in (value.code, *value.spellings):
            listed |= dict.fromkeys((system, code) for system in systems)
    return list(listed), rest
