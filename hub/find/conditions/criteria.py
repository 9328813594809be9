"""Search conditions as SQL: each becomes a set of `rid`s, found by a b-tree of its index table.

Only leakproof comparisons (text, bigint, double precision, timestamptz) are used, since under row-level security no
other operator reaches an index.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir.search.composites import stored_as
from fhir.search.conditions import Chain, Clause, Condition, Either, Has, Inside, Near, Without, Words
from fhir.search.parameters import BASE, SHAPE
from fhir.search.values import Moment, Number, Target
from hub.find.conditions import scans
from hub.find.conditions.comparing import any_of, any_value, filled, of_keys
from hub.find.conditions.pairs import pairs
from hub.find.conditions.spans import NUMBERS, UPDATED
from hub.find.conditions.words import Said
from hub.find.statement import Statement
from hub.records.index import key_of

_LAST = "\U0010ffff"  # above any character, so that `>= x` and `< x + last` is "starts with x"


@dataclass(frozen=True, slots=True)
class Among:
    """One of these records: what a look before has found."""

    rids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pointing:
    """A record whose reference names one of those found before: ids by type."""

    type_name: str
    code: str
    targets: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Shaped:
    """A record of one of these shapes (`fhir.search.shapes`)."""

    type_name: str
    shapes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """A record that a part of the statement leads to (`hub.find.ahead.looks`): `rid` of `body`, for each row `a` of
    `start`.

    `few`: they are no more than a few for each row. `walks`: one row's can be had in the order of their rids.
    """

    start: str
    body: str
    rid: str
    few: bool = False
    walks: bool = False
    rank: str = "among"

    def whole(self, *, fenced: bool = False) -> str:
        """The subquery of all its rids; `fenced` starts from the part whatever the planner thinks of its size."""
        if not self.body:
            return f"SELECT {self.rid} FROM {self.start}"
        fence = " OFFSET 0" if fenced else ""
        return f"SELECT p.rid FROM {self.start} CROSS JOIN LATERAL (SELECT {self.rid} AS rid {self.body}{fence}) p"

    def first(self, tests: str, limit: int) -> str:
        """The subquery of its first rids that meet `tests` (of `t.rid`), as many of each row as a page can need."""
        probe = f"SELECT DISTINCT t.rid {self.body}{tests} ORDER BY t.rid LIMIT {limit}"
        return f"SELECT p.rid FROM {self.start} CROSS JOIN LATERAL ({probe}) p"


Found = Condition | Among | Pointing | Shaped | Told | Said


def rids(statement: Statement, condition: Found) -> str:
    """A subquery that yields the `rid` of every record that meets `condition` (without its negation)."""
    match condition:
        case Among() | Told() | Said():
            return _known(statement, condition)
        case Chain():
            return _chain(statement, condition)
        case Has():
            return _has(statement, condition)
        case Inside():
            return _inside(statement, condition)
        case Pointing():
            return _pointing(statement, condition)
        case Shaped():
            return _shaped(statement, condition)
        case Either():
            return _either(statement, condition)
        case Without():
            return rids(statement, condition.condition)
        case Words() | Near():
            return scans.found(statement, condition)
        case _:
            return _clause(statement, condition)


def _clause(statement: Statement, clause: Clause) -> str:
    match clause.kind:
        case "id" | "updated":
            return _columns(statement, clause)
        case "composite":
            return pairs(statement, clause)
        case _:
            return _entries(statement, clause)


def _known(statement: Statement, condition: Among | Told | Said) -> str:
    if isinstance(condition, Told):
        return condition.whole()
    if isinstance(condition, Said):
        return condition.whole(statement)
    return f"SELECT t.rid FROM unnest({statement.argument(list(condition.rids))}::bigint[]) AS t(rid)"


def is_negative(condition: Found) -> bool:
    """Whether records outside `rids` are meant."""
    return isinstance(condition, Without) or (isinstance(condition, Clause) and condition.form in ("not", "missing"))


def _entries(statement: Statement, clause: Clause) -> str:
    codes = [code + clause.suffix for code in stored_as(clause.code)]
    where = [statement.of_tenant("t"), of_keys(statement, clause.type_name, codes)]
    if clause.values:
        alike = any_value(statement, clause)
        where.append(f"NOT {alike}" if clause.form == "other" else alike)
    found = f"SELECT t.rid FROM idx_{clause.kind} t WHERE {' AND '.join(where)}"
    if clause.kind != "quantity":
        return found
    based = [value for value in clause.values if isinstance(value, Number) and value.base is not None]
    return f"{found} UNION ALL {_based(statement, clause, based)}" if based else found


def _based(statement: Statement, clause: Clause, numbers: Iterable[Number]) -> str:
    """The same quantities in their base units."""
    parts = []
    for value in numbers:
        if value.base is None:
            continue
        base = value.base
        test = filled(statement, NUMBERS[base.prefix], low=base.low, high=base.high, point=base.point)
        parts.append(f"({test} AND t.code = {statement.argument(base.unit)})")
    keys = of_keys(statement, clause.type_name, [code + BASE for code in stored_as(clause.code)])
    return f"SELECT t.rid FROM idx_quantity t WHERE {statement.of_tenant('t')} AND {keys} AND {any_of(parts)}"


def _inside(statement: Statement, inside: Inside) -> str:
    where = [
        statement.of_tenant("t"),
        of_keys(statement, inside.type_name, inside.codes),
        *([f"t.target_id = {statement.argument(inside.id)}"] if inside.id else []),
        f"t.target_type = {statement.argument(inside.compartment)}",
    ]
    return f"SELECT t.rid FROM idx_reference t WHERE {' AND '.join(where)}"


def _either(statement: Statement, either: Either) -> str:
    """All conditions of one alternative: the first that names records leads, the others test them."""
    parts = []
    for conditions in either.alternatives:
        lead = next((each for each in conditions if not is_negative(each)), None)
        kind = statement.argument(either.type_name) if lead is None else ""
        start = (
            rids(statement, lead)
            if lead is not None
            else f"SELECT t.rid FROM resource t WHERE {statement.of_tenant('t')} AND t.type = {kind} AND NOT t.deleted"
        )
        tests = [
            f"{'NOT EXISTS' if is_negative(each) else 'EXISTS'} "
            f"(SELECT 1 FROM ({rids(statement, each)}) f WHERE f.rid = e.rid)"
            for each in conditions
            if each is not lead
        ]
        where = f" WHERE {' AND '.join(tests)}" if tests else ""
        parts.append(f"SELECT e.rid FROM ({start}) e{where}")
    return " UNION ALL ".join(parts) if parts else rids(statement, Among(()))


def _pointing(statement: Statement, pointing: Pointing) -> str:
    key = of_keys(statement, pointing.type_name, [pointing.code])
    parts = [
        f"SELECT t.rid FROM idx_reference t WHERE {statement.of_tenant('t')} AND {key} "
        f"AND t.target_type = {statement.argument(kind)} AND t.target_id = ANY({statement.argument(list(ids))}::text[])"
        for kind, ids in pointing.targets
    ]
    return " UNION ALL ".join(parts)


def _shaped(statement: Statement, shaped: Shaped) -> str:
    where = [
        statement.of_tenant("t"),
        of_keys(statement, shaped.type_name, [SHAPE]),
        f"t.code = ANY({statement.argument(list(shaped.shapes))}::text[])",
        "t.system = ''",
    ]
    return f"SELECT t.rid FROM idx_token t WHERE {' AND '.join(where)}"


def _columns(statement: Statement, clause: Clause) -> str:
    """`_id` and `_lastUpdated`, which are columns of the records themselves."""
    where = [statement.of_tenant("t"), f"t.type = {statement.argument(clause.type_name)}", "NOT t.deleted"]
    if clause.kind == "id":
        ids = [value.id for value in clause.values if isinstance(value, Target)]
        where.append(f"t.id = ANY({statement.argument(ids)}::text[])")
    else:
        moments = [value for value in clause.values if isinstance(value, Moment)]
        where.append(any_of(filled(statement, UPDATED[v.prefix], low=v.low, high=v.high) for v in moments))
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
