"""Search conditions as SQL: each becomes a set of `rid`s, found by a b-tree of its index table.

Only leakproof comparisons (text, bigint, double precision, timestamptz) are used, since under row-level security no
other operator reaches an index.
"""

from __future__ import annotations

import datetime
from typing import Any

from fhir.parameters import has_bare_codes, parameters_of
from fhir.query import Chain, Clause, Condition, Has
from fhir.values import Link, Moment, Number, Target, Text, Token, Value
from hub.records.index import key_of

_LAST = "\U0010ffff"  # above any character, so that `>= x` and `< x + last` is "starts with x"


class Statement:
    """The arguments of one statement; `$1` is the tenant. `tenant` is how the statement names it.

    `planned`: its best plan depends on the values, so a plan kept for any values would not do.
    """

    __slots__ = ("arguments", "planned", "tenant")

    def __init__(self, tenant: str = "$1", *, planned: bool = False) -> None:
        self.arguments: list[Any] = []
        self.tenant = tenant
        self.planned = planned

    def argument(self, value: Any) -> str:
        """The placeholder of a new argument."""
        self.arguments.append(value)
        return f"${len(self.arguments) + 1}"

    @staticmethod
    def literal(value: int | float | datetime.datetime) -> str:
        """A value written into the statement, so that a prepared plan knows it: keys, and ends of open ranges.

        How much an open range finds decides the plan; a plan made without the value would walk all rows in order.
        """
        if isinstance(value, datetime.datetime):
            return f"timestamptz '{value.astimezone(datetime.UTC).isoformat()}'"
        return f"float8 '{value!r}'" if isinstance(value, float) else f"{int(value)}::bigint"

    def of_tenant(self, alias: str) -> str:
        """The tenant condition of a table."""
        return f"{alias}.tenant_id = {self.tenant}"


def rids(statement: Statement, condition: Condition) -> str:
    """A subquery that yields the `rid` of every record that meets `condition` (without its negation)."""
    match condition:
        case Chain():
            return _chain(statement, condition)
        case Has():
            return _has(statement, condition)
        case Clause(kind="id" | "updated"):
            return _columns(statement, condition)
        case _:
            return _entries(statement, condition)


def is_negative(condition: Condition) -> bool:
    """Whether records outside `rids` are meant."""
    return isinstance(condition, Clause) and condition.form in ("not", "missing")


def table_of(clause: Clause) -> str:
    """The index table that holds the entries of a clause's parameter."""
    return f"idx_{clause.kind}"


def _entries(statement: Statement, clause: Clause) -> str:
    where = [statement.of_tenant("t"), f"t.key = {statement.literal(key_of(clause.type_name, clause.code))}"]
    if clause.values:
        where.append(_any(_comparison(statement, clause, value) for value in clause.values))
    return f"SELECT t.rid FROM {table_of(clause)} t WHERE {' AND '.join(where)}"


def _any(parts: Any) -> str:
    found = list(dict.fromkeys(parts))
    return found[0] if len(found) == 1 else f"({' OR '.join(found)})"


def _comparison(statement: Statement, clause: Clause, value: Value) -> str:
    match value:
        case Token():
            return _token(statement, clause, value)
        case Text():
            return _text(statement, value)
        case Moment():
            return _moment(statement, value)
        case Number():
            return _number(statement, value)
        case Target():
            return _target(statement, value)
        case Link():
            return _link(statement, value)


def _token(statement: Statement, clause: Clause, value: Token) -> str:
    systems = value.systems
    if systems is None and clause.code in parameters_of(clause.type_name):
        systems = ("",) if has_bare_codes(clause.type_name, clause.code) else None  # keeps the index order by rid
    parts = []
    if value.code is not None:
        parts.append(f"t.code = {statement.argument(value.code)}")
    if systems is not None:
        parts.append(_any(f"t.system = {statement.argument(system)}" for system in systems))
    return f"({' AND '.join(parts)})" if len(parts) > 1 else parts[0]


def _text(statement: Statement, value: Text) -> str:
    if value.exact is not None:
        start = statement.argument(value.folded)
        return f"(t.folded = {start} AND t.exact = {statement.argument(value.exact)})"
    low, high = statement.argument(value.folded), statement.argument(value.folded + _LAST)
    return f"(t.folded >= {low} AND t.folded < {high})"


def _moment(statement: Statement, value: Moment) -> str:
    """R4 §3.1.1.4.5: the record's span `[t.low, t.high)` beside the value's `[low, high)`."""
    return _filled(statement, _MOMENTS[value.prefix], low=value.low, high=value.high)


def _number(statement: Statement, value: Number) -> str:
    """R4 §3.1.1.4.6: precision widens equality only."""
    parts = [_filled(statement, _NUMBERS[value.prefix], low=value.low, high=value.high, point=value.point)]
    if value.system is not None:
        parts.append(f"t.system = {statement.argument(value.system)}")
    if value.unit is not None:
        parts.append(f"t.code = {statement.argument(value.unit)}")
    return f"({' AND '.join(parts)})" if len(parts) > 1 else parts[0]


def _filled(statement: Statement, template: str, **values: Any) -> str:
    """`template` with those `values` it names: both ends as arguments, a single one as a literal."""
    named = {name: value for name, value in values.items() if "{" + name + "}" in template}
    place = statement.argument if len(named) > 1 and " OR " not in template else statement.literal
    return template.format(**{name: place(value) for name, value in named.items()})


# Equality is a narrow range of `low`; IS TRUE keeps a plan made for any values from starting at `high`, which is not.
_MOMENTS = {
    "eq": "(t.low >= {low} AND t.low < {high} AND (t.high <= {high}) IS TRUE)",
    "ne": "(t.low < {low} OR t.high > {high})",
    "gt": "t.high > {high}",
    "lt": "t.low < {low}",
    "ge": "(t.low >= {low} OR t.high > {high})",
    "le": "(t.low < {low} OR t.high <= {high})",
    "sa": "t.low >= {high}",
    "eb": "t.high <= {low}",
    "ap": "(t.low < {high} AND t.high > {low})",
}
_NUMBERS = {
    "eq": "(t.low >= {low} AND t.low <= {high} AND (t.high <= {high}) IS TRUE)",
    "ap": "(t.low >= {low} AND t.low <= {high} AND t.high <= {high})",
    "ne": "(t.low < {low} OR t.high > {high})",
    "gt": "t.high > {point}",
    "lt": "t.low < {point}",
    "ge": "t.high >= {point}",
    "le": "t.low <= {point}",
    "sa": "t.low > {point}",
    "eb": "t.high < {point}",
}
# An instant is a point: it stands on one side of the value or within.
_UPDATED = {
    "eq": "(t.updated_at >= {low} AND t.updated_at < {high})",
    "ap": "(t.updated_at >= {low} AND t.updated_at < {high})",
    "ne": "(t.updated_at < {low} OR t.updated_at >= {high})",
    "gt": "t.updated_at >= {high}",
    "sa": "t.updated_at >= {high}",
    "lt": "t.updated_at < {low}",
    "eb": "t.updated_at < {low}",
    "ge": "t.updated_at >= {low}",
    "le": "t.updated_at < {high}",
}


def _target(statement: Statement, value: Target) -> str:
    identity = f"t.target_id = {statement.argument(value.id)}"
    if len(value.types) == 1:
        return f"({identity} AND t.target_type = {statement.argument(value.types[0])})"
    return f"({identity} AND t.target_type = ANY({statement.argument(list(value.types))}::text[]))"


def _link(statement: Statement, value: Link) -> str:
    if not value.below:
        return f"t.value = {statement.argument(value.uri)}"
    exact = statement.argument(value.uri)
    start = value.uri.rstrip("/") + "/"
    low, high = statement.argument(start), statement.argument(start + _LAST)
    return f"(t.value = {exact} OR (t.value >= {low} AND t.value < {high}))"


def _columns(statement: Statement, clause: Clause) -> str:
    """`_id` and `_lastUpdated`, which are columns of the records themselves."""
    where = [statement.of_tenant("t"), f"t.type = {statement.argument(clause.type_name)}", "NOT t.deleted"]
    if clause.kind == "id":
        ids = [value.id for value in clause.values if isinstance(value, Target)]
        where.append(f"t.id = ANY({statement.argument(ids)}::text[])")
    else:
        moments = [value for value in clause.values if isinstance(value, Moment)]
        where.append(_any(_filled(statement, _UPDATED[v.prefix], low=v.low, high=v.high) for v in moments))
    return f"SELECT t.rid FROM resource t WHERE {' AND '.join(where)}"


def _chain(statement: Statement, chain: Chain) -> str:
    """Both ways by b-trees: from the reference to the record it names, or from that record back."""
    parts = []
    for target, inner in chain.targets:
        key = statement.literal(key_of(chain.type_name, chain.code))
        kind = statement.argument(target)
        found = rids(statement, inner)
        test = f"x.rid NOT IN ({found})" if is_negative(inner) else f"x.rid IN ({found})"
        parts.append(
            f"SELECT t.rid FROM idx_reference t JOIN resource x ON {statement.of_tenant('x')} AND x.type = {kind} "
            f"AND x.id = t.target_id AND NOT x.deleted "
            f"WHERE {statement.of_tenant('t')} AND t.key = {key} AND t.target_type = {kind} AND {test}"
        )
    return " UNION ALL ".join(parts)


def _has(statement: Statement, has: Has) -> str:
    key = statement.literal(key_of(has.source, has.code))
    kind = statement.argument(has.type_name)
    found = rids(statement, has.condition)
    test = f"t.rid NOT IN ({found})" if is_negative(has.condition) else f"t.rid IN ({found})"
    return (
        f"SELECT x.rid FROM idx_reference t JOIN resource x ON {statement.of_tenant('x')} AND x.type = {kind} "
        f"AND x.id = t.target_id AND NOT x.deleted "
        f"WHERE {statement.of_tenant('t')} AND t.key = {key} AND t.target_type = {kind} AND {test}"
    )
