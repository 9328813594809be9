"""Composite parameters as SQL: pairs of values that stand in one place of a record (`fhir.search.composites`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fhir.search.composites import halves_of, is_whole, leads, stored_as
from fhir.search.conditions import Clause
from fhir.search.parameters import LEAD
from fhir.search.values import Composite, Moment, Number, Text, Token, Value, in_each_unit
from hub.find.conditions.comparing import any_of, comparison, filled, of_keys
from hub.find.conditions.spans import NUMBERS
from hub.find.statement import Statement
from hub.records.index import key_of

_KINDS = {Token: "token", Text: "string", Moment: "date", Number: "quantity"}


def pairs(statement: Statement, clause: Clause) -> str:
    """Each value has its own key; without values (`:missing=false`) the shapes of records tell."""
    parts = []
    for value in (each for each in clause.values if isinstance(each, Composite)):
        for code in stored_as(clause.code):
            if value.first is not None and len(value.rest) == 1 and is_whole(clause.type_name, code):
                parts += _halved(statement, clause.type_name, code, value.first, value.rest[0])
            else:
                parts += _paired(statement, clause, code, value)
    return " UNION ALL ".join(parts)


def _paired(statement: Statement, clause: Clause, code: str, value: Composite) -> list[str]:
    """A pair whose entries say all of it."""
    last = value.rest[-1]
    if len(value.rest) > 1:
        tests = [" AND ".join(_ends(statement, value.rest))]
    else:
        alike = in_each_unit(last) if isinstance(last, Number) else (last,)  # entries hold units as written
        tests = [comparison(statement, clause, each) for each in alike]
    where = _of_pair(statement, clause.type_name, [code + LEAD + lead for lead in value.lead])
    kind = _KINDS[type(last)] if len(value.rest) == 1 else "number"
    return [f"SELECT t.rid FROM idx_{kind} t WHERE {where} AND {test}" for test in tests]


def _halved(statement: Statement, type_name: str, code: str, first: Token, last: Value) -> list[str]:
    """A pair of a record as a whole: what its entries leave out is tested by those of its halves."""
    halves = halves_of(type_name, code)
    beside = []
    if first.systems is not None:
        beside.append(_half(statement, Clause(type_name, halves[0], "token", (first,))))
    if isinstance(last, Number) and last.unit is not None and last.system is None:
        beside.append(_half(statement, Clause(type_name, halves[1], "quantity", (last,))))
        last = replace(last, unit=None)
    pair = Clause(type_name, halves[1], _KINDS[type(last)], (last,))
    where = _of_pair(statement, type_name, [code + LEAD + lead for lead in leads(first, whole=True)])
    alike = in_each_unit(last) if isinstance(last, Number) else (last,)
    return [
        f"SELECT t.rid FROM idx_{pair.kind} t WHERE {where} AND {comparison(statement, pair, each)}{''.join(beside)}"
        for each in alike
    ]


def _half(statement: Statement, half: Clause) -> str:
    """A test of `t.rid` by the entries of one half, looked at record by record."""
    found = (
        f"SELECT t.rid FROM idx_{half.kind} t WHERE {statement.of_tenant('t')} "
        f"AND {of_keys(statement, half.type_name, [half.code])} AND {comparison(statement, half, half.values[0])}"
    )
    return f" AND EXISTS (SELECT 1 FROM ({found}) h WHERE h.rid = t.rid OFFSET 0)"


def _of_pair(statement: Statement, type_name: str, codes: Iterable[str]) -> str:
    """Keys that a value is part of: as arguments, so that the statement stays the same for all values."""
    alike = any_of(f"t.key = {statement.argument(key_of(type_name, code))}" for code in codes)
    return f"{statement.of_tenant('t')} AND {alike}"


def _ends(statement: Statement, rest: tuple[Value, ...]) -> list[str]:
    """A start and an end: the low and the high column of one entry."""
    tests = []
    for value, column in zip(rest, ("low", "high"), strict=True):
        if isinstance(value, Number):
            template = NUMBERS[value.prefix].replace("t.low", f"t.{column}").replace("t.high", f"t.{column}")
            tests.append(filled(statement, template, low=value.low, high=value.high, point=value.point))
    return tests
