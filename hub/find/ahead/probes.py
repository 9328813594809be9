"""The first records of a sole condition on codes, in the order of their rids, whatever number has them.

A b-tree gives rids in order for one code of one system only. Several alternatives, the several names of one system,
or a code of any system are therefore asked one by one, each for as many as a page can need; no match beyond is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir.search.composites import stored_as
from fhir.search.conditions import Clause
from fhir.search.values import Token
from hub.find.conditions.comparing import systems_of
from hub.find.conditions.criteria import Found
from hub.find.statement import Statement
from hub.records.index import key_of

_Place = tuple[int, str, str]  # key, code, system; empty where the form has none


def first(statement: Statement, condition: Found, after: int | None, limit: int) -> str:
    """A subquery of the rids of at least the first `limit` records behind `after`; empty where it would not help."""
    if not isinstance(condition, Clause) or condition.kind != "token" or condition.form != "match":
        return ""
    values = [value for value in condition.values if isinstance(value, Token)]
    if len(values) < len(condition.values):
        return ""
    forms = {(value.code is not None, systems_of(condition, value) is not None) for value in values}
    if len(forms) != 1:
        return ""
    (has_code, has_system), places = forms.pop(), _places(condition, values)
    if has_system and len(places) == 1:
        return ""  # one place is in order by itself
    return _probes(statement, places, (has_code, has_system), (after, limit))


def _places(clause: Clause, values: Sequence[Token]) -> list[_Place]:
    keys = [key_of(clause.type_name, code + clause.suffix) for code in stored_as(clause.code)]
    return list(
        dict.fromkeys(
            (key, code, system)
            for key in keys
            for value in values
            for code in ((value.code, *value.spellings) if value.code is not None else ("",))
            for system in systems_of(clause, value) or ("",)
        )
    )


def _probes(
    statement: Statement, places: Sequence[_Place], form: tuple[bool, bool], page: tuple[int | None, int]
) -> str:
    has_code, has_system = form
    keys, codes, systems = (statement.argument(list(column)) for column in zip(*places, strict=True))
    start = f"unnest({keys}::bigint[], {codes}::text[], {systems}::text[]) AS v(key, code, system)"
    where = f"{statement.of_tenant('t')} AND t.key = v.key" + (" AND t.code = v.code" if has_code else "")
    system = "v.system"
    if not has_system:
        start, system = f"{start} CROSS JOIN LATERAL ({_systems(where)}) y", "y.system"
    after, limit = page
    beyond = f" AND t.rid > {statement.argument(after)}" if after is not None else ""
    return (
        f"SELECT p.rid FROM {start} CROSS JOIN LATERAL (SELECT t.rid FROM idx_token t WHERE {where} "
        f"AND t.system = {system}{beyond} ORDER BY t.rid LIMIT {limit}) p"
    )


def _systems(where: str) -> str:
    """The systems in which a code is there, each by one look."""
    return (
        f"WITH RECURSIVE s AS ((SELECT t.system FROM idx_token t WHERE {where} ORDER BY t.system LIMIT 1) UNION ALL "
        f"SELECT (SELECT t.system FROM idx_token t WHERE {where} AND t.system > s.system ORDER BY t.system LIMIT 1) "
        "FROM s WHERE s.system IS NOT NULL) SELECT s.system FROM s WHERE s.system IS NOT NULL"
    )
