"""Records with another code than those named: what a search by `:not` or `:not-in` alone starts from.

Between two codes in their order lies a gap, and on either side of a system's name lie other systems; each is a range of
a b-tree, so what is looked at follows the number of codes and not what is stored.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir.search.conditions import Clause
from fhir.search.values import Token
from hub.find.statement import Statement
from hub.records.index import key_of

_FEW = 50


def other_values(statement: Statement, clause: Clause, tokens: Sequence[Token], limit: int) -> list[str]:
    """Subqueries of the records with another value than `tokens`: between these codes, and under other systems.

    All of them, or of many codes at least `limit` where a gap or a code has more.
    """
    key = statement.literal(key_of(clause.type_name, clause.code))
    start = f"SELECT t.rid FROM idx_token t WHERE {statement.of_tenant('t')} AND t.key = {key}"
    codes = sorted({code for token in tokens for code in (token.code, *token.spellings) if code is not None})
    if len(codes) > _FEW:
        return [*_gaps(statement, start, codes, limit), *_beside(statement, start, tokens, limit)]
    places = [statement.argument(code) for code in codes]
    lows, highs = [None, *places], [*places, None]
    ranges = [
        " AND ".join(test for test in (low and f"t.code > {low}", high and f"t.code < {high}") if test)
        for low, high in zip(lows, highs, strict=True)
    ]
    parts = [f"{start} AND {test}" for test in ranges]
    for token in tokens:
        if token.systems is not None:
            same = statement.argument(token.code)
            systems = statement.argument(list(token.systems))
            parts.append(f"{start} AND t.code = {same} AND NOT t.system = ANY({systems}::text[])")
    return parts


def _gaps(statement: Statement, start: str, codes: Sequence[str], limit: int) -> list[str]:
    """Before, after and between many codes; the columns are ordered by bytes, which is the order of code points."""
    lows, highs = statement.argument(list(codes[:-1])), statement.argument(list(codes[1:]))
    return [
        f"{start} AND t.code < {statement.argument(codes[0])}",
        f"{start} AND t.code > {statement.argument(codes[-1])}",
        f"SELECT p.rid FROM unnest({lows}::text[], {highs}::text[]) AS v(low, high) CROSS JOIN LATERAL "
        f"({start} AND t.code > v.low AND t.code < v.high LIMIT {limit}) p",
    ]


def _beside(statement: Statement, start: str, tokens: Sequence[Token], limit: int) -> list[str]:
    """Many codes under another system than each token's; of a code under two systems also these, tested afterwards."""
    named = [
        (code, system)
        for token in tokens
        for code in (token.code, *token.spellings)
        for system in token.systems or ()
        if code is not None
    ]
    if not named:
        return []
    codes, systems = (statement.argument(list(column)) for column in zip(*named, strict=True))
    return [
        f"SELECT p.rid FROM unnest({codes}::text[], {systems}::text[]) AS v(code, system) CROSS JOIN LATERAL "
        f"({start} AND t.code = v.code AND t.system {mark} v.system LIMIT {limit}) p"
        for mark in "<>"
    ]
