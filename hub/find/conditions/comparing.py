"""One value of a search beside the columns of an index entry (`t`), as SQL.

Only leakproof comparisons (text, bigint, double precision, timestamptz) are used, since under row-level security no
other operator reaches an index.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from fhir.search.conditions import Clause
from fhir.search.parameters import has_bare_codes, parameters_of
from fhir.search.values import Link, Media, Moment, Number, Target, Text, Token, Value
from hub.find.conditions.spans import MOMENTS, NUMBERS
from hub.find.statement import Statement
from hub.records.index import key_of

_FEW = 20
_LAST = "\U0010ffff"  # above any character, so that `>= x` and `< x + last` is "starts with x"


def of_keys(statement: Statement, type_name: str, codes: Iterable[str]) -> str:
    """That an entry stands under any of these codes of a type; as literals, which the planner can weigh."""
    keys = [statement.literal(key_of(type_name, code)) for code in codes]
    return f"t.key = {keys[0]}" if len(keys) == 1 else f"t.key IN ({', '.join(keys)})"


def any_of(parts: Iterable[str]) -> str:
    """Any of these tests, each once."""
    found = list(dict.fromkeys(parts))
    return found[0] if len(found) == 1 else f"({' OR '.join(found)})"


def any_value(statement: Statement, clause: Clause) -> str:
    """That an entry meets any value of the clause; many codes of one system, or many records, as one list."""
    if len(clause.values) <= _FEW:
        return any_of(comparison(statement, clause, value) for value in clause.values)
    grouped: dict[tuple[str, ...] | None, list[str]] = {}
    parts = []
    referred: dict[tuple[str, ...], list[str]] = {}
    for value in clause.values:
        if isinstance(value, Target):
            referred.setdefault(value.types, []).append(value.id)
        elif isinstance(value, Token) and value.code is not None:
            grouped.setdefault(systems_of(clause, value), []).extend((value.code, *value.spellings))
        else:
            parts.append(comparison(statement, clause, value))
    for systems, codes in grouped.items():
        within = f" AND t.system = ANY({statement.argument(list(systems))}::text[])" if systems is not None else ""
        parts.append(f"(t.code = ANY({statement.argument(codes)}::text[]){within})")
    for types, ids in referred.items():
        kinds = statement.argument(list(types))
        parts.append(f"(t.target_id = ANY({statement.argument(ids)}::text[]) AND t.target_type = ANY({kinds}::text[]))")
    return any_of(parts)


def comparison(statement: Statement, clause: Clause, value: Value) -> str:
    """That an entry of the clause's parameter equals, or lies as its prefix says beside, a value."""
    match value:
        case Token():
            return _token(statement, clause, value)
        case Media(name):
            starts = statement.argument([f"{name}/", f"{name};"])
            return f"(t.code = {statement.argument(name)} OR left(t.code, {len(name) + 1}) = ANY({starts}::text[]))"
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
        case _:
            raise LookupError("a value that was to be resolved before")


def _token(statement: Statement, clause: Clause, value: Token) -> str:
    systems = systems_of(clause, value)
    parts = []
    if value.code is not None:
        parts.append(any_of(f"t.code = {statement.argument(code)}" for code in (value.code, *value.spellings)))
    if systems is not None:
        parts.append(any_of(f"t.system = {statement.argument(system)}" for system in systems))
    return f"({' AND '.join(parts)})" if len(parts) > 1 else parts[0]


def systems_of(clause: Clause, value: Token) -> tuple[str, ...] | None:
    """The systems a value may stand under; None when under any."""
    systems = value.systems
    if systems is None and not clause.suffix and clause.code in parameters_of(clause.type_name):
        return ("",) if has_bare_codes(clause.type_name, clause.code) else None  # keeps the index order by rid
    return systems


def _text(statement: Statement, value: Text) -> str:
    if value.exact is not None:
        start = statement.argument(value.folded)
        return f"(t.folded = {start} AND t.exact = {statement.argument(value.exact)})"
    if value.inside:
        return f"strpos(t.folded, {statement.argument(value.folded)}) > 0"
    if value.way == "whole":
        return f"t.folded = {statement.argument(value.folded)}"
    if value.way == "end":
        return f"right(t.folded, {len(value.folded)}) = {statement.argument(value.folded)}"
    low, high = statement.argument(value.folded), statement.argument(value.folded + _LAST)
    return f"(t.folded >= {low} AND t.folded < {high})"


def _moment(statement: Statement, value: Moment) -> str:
    """R4 §3.1.1.4.5: the record's span `[t.low, t.high)` beside the value's `[low, high)`."""
    return filled(statement, MOMENTS[value.prefix], low=value.low, high=value.high)


def _number(statement: Statement, value: Number) -> str:
    """R4 §3.1.1.4.6: precision widens equality only."""
    parts = [filled(statement, NUMBERS[value.prefix], low=value.low, high=value.high, point=value.point)]
    if value.system is not None:
        parts.append(f"t.system = {statement.argument(value.system)}")
    if value.unit is not None:
        parts.append(f"t.code = {statement.argument(value.unit)}")
    return f"({' AND '.join(parts)})" if len(parts) > 1 else parts[0]


def filled(statement: Statement, template: str, **values: Any) -> str:
    """`template` with those `values` it names: both ends as arguments, a single one as a literal."""
    names, by_argument = _named_in(template)
    place = statement.argument if by_argument else statement.literal
    return template.format(**{name: place(values[name]) for name in names})


@cache
def _named_in(template: str) -> tuple[tuple[str, ...], bool]:
    """The values a template names, and whether they are arguments of the statement."""
    names = tuple([name for name in ("low", "high", "point") if "{" + name + "}" in template])
    return names, len(names) > 1 and " OR " not in template


def _target(statement: Statement, value: Target) -> str:
    identity = f"t.target_id = {statement.argument(value.id)}"
    if len(value.types) == 1:
        return f"({identity} AND t.target_type = {statement.argument(value.types[0])})"
    return f"({identity} AND t.target_type = ANY({statement.argument(list(value.types))}::text[]))"


def _link(statement: Statement, value: Link) -> str:
    if value.above:
        return f"t.value = ANY({statement.argument(list(value.above))}::text[])"
    if not value.below:
        return f"t.value = {statement.argument(value.uri)}"
    exact = statement.argument(value.uri)
    start = value.uri.rstrip("/") + "/"
    low, high = statement.argument(start), statement.argument(start + _LAST)
    return f"(t.value = {exact} OR (t.value >= {low} AND t.value < {high}))"
