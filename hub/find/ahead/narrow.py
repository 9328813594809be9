"""Conditions looked up ahead of a search, so that its cost follows what it finds and not what is stored.

A chain whose far side finds few records becomes plain references to them; a reverse chain becomes the records
pointed to; "has no value" becomes the shapes of such records; "is not" that few records meet becomes those records.
What finds many stays as it is: then walking the records in order soon fills a page.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from fhir.search import shapes
from fhir.search.conditions import Chain, Clause, Condition, Either, Has, Inside, Near, Without, Words
from fhir.search.parameters import SHAPE, has_bare_codes, parameters_of
from fhir.search.values import OPEN, Concepts, Kin, Text, Token, Value
from hub.find.ahead import probes
from hub.find.ahead.kin import targets
from hub.find.ahead.others import other_values
from hub.find.ahead.used import in_use
from hub.find.conditions import words
from hub.find.conditions.criteria import Among, Found, Pointing, Shaped, Told, is_negative, rids
from hub.find.statement import Source, Statement
from hub.records.index import key_of
from hub.terms.tokens import tokens as tokens_of

WIDE_FROM = 5000
MOST_SHAPES = 2000
_NO_CODE = Token(("",), "\x1f")
Wide = frozenset[Found]
_LEADS = (
    "among", "id", "reference", "composite", "token", "uri", "string", "chain", "quantity", "number", "date",
    "updated",
)  # fmt: skip
_RANKS = {kind: rank for rank, kind in enumerate(_LEADS)}


@dataclasses.dataclass(frozen=True, slots=True)
class Narrowed:
    """The conditions of one type after looking ahead; `wide` are those that find many records."""

    type_name: str
    conditions: tuple[Found, ...]
    wide: Wide = frozenset()


async def narrowed(source: Source, type_name: str, conditions: Sequence[Condition]) -> Narrowed:
    """The conditions of a search of one type, each as simple as one look ahead can make it."""
    found: list[Found] = []
    wide: list[Found] = []
    for condition in conditions:
        simple = condition if is_simple(condition) else await _one(source, condition)
        found.append(simple)
        if _finds_many(simple):
            wide.append(simple)
    if found and all(is_negative(each) for each in found):
        found += await _others(source, type_name, found[0])
    return Narrowed(type_name, tuple(found), frozenset(wide))


def _finds_many(condition: Found) -> bool:
    """Whether a condition may find many records, so that walking them in order is better than gathering them first."""
    if isinstance(condition, Either):
        return any(isinstance(each, Chain) and not names_one(each) for some in condition.alternatives for each in some)
    return isinstance(condition, Chain | Has | Inside) and not names_one(condition)


def is_simple(condition: Condition) -> bool:
    """Whether a condition is met by the index as it stands."""
    return isinstance(condition, Clause) and condition.form == "match" and not names_concepts(condition)


async def _one(source: Source, condition: Condition) -> Found:
    match condition:
        case Chain() if not names_one(condition):
            return await _chain(source, condition)
        case Has():
            return await _has(source, condition)
        case Either():
            return await _either(source, condition)
        case Without():
            inner = await _one(source, condition.condition)
            return dataclasses.replace(condition, condition=inner)  # type: ignore[arg-type]  # as found
        case Clause(form="missing" | "present") if shapes.is_known(condition.type_name, condition.code):
            return await missing(source, condition)
        case Clause() if names_concepts(condition):
            return await _with_concepts(source, condition)
        case Words():
            return await _words(source, condition)
    return condition


async def _words(source: Source, condition: Words) -> Found:
    """The words by their index; a question without any is met by no record."""
    return await words.told(source, condition) or Among(())


async def _either(source: Source, either: Either) -> Either:
    """The same with each condition of each alternative looked up ahead."""
    alternatives = [tuple([await _one(source, each) for each in conditions]) for conditions in either.alternatives]
    return dataclasses.replace(either, alternatives=tuple(alternatives))  # type: ignore[arg-type]  # as found


def names_one(condition: Found) -> bool:
    """Whether a condition finds few records whatever its value is: an id, a reference, an identifier, or a chain."""
    if isinstance(condition, Chain):
        far = [inner for _, inner in condition.targets]
        return len(far) <= 2 and all(names_one(inner) and getattr(inner, "kind", "") != "reference" for inner in far)
    if isinstance(condition, Inside):
        return bool(condition.id)
    if isinstance(condition, Among):
        return True
    if not isinstance(condition, Clause) or condition.form != "match":
        return False
    if names_concepts(condition):
        return False
    return condition.kind in ("id", "reference") or "identifier" in condition.code


async def _chain(source: Source, chain: Chain) -> Found:
    """Plain references to what the far side finds, unless that is many."""
    targets = []
    total = 0
    for kind, inner in chain.targets:
        ids = await _ahead(source, kind, inner, "x.id")
        total += len(ids)
        if total > WIDE_FROM:
            return await _resolved(source, chain)
        if ids:
            targets.append((kind, tuple(ids)))
    return Pointing(chain.type_name, chain.code, tuple(targets)) if targets else Among(())


async def _resolved(source: Source, chain: Chain) -> Chain:
    """The chain with its inner conditions free of what only a look ahead can tell."""
    targets = [(kind, await _plain(source, inner)) for kind, inner in chain.targets]
    return dataclasses.replace(chain, targets=tuple(targets))  # type: ignore[arg-type]  # simple ones are conditions too


async def _plain(source: Source, condition: Condition) -> Found:
    if isinstance(condition, Clause) and names_concepts(condition):
        return await _with_concepts(source, condition)
    return condition


async def _has(source: Source, has: Has) -> Found:
    """The records that what the far side finds points to, unless that is many."""
    found = await _ahead(source, has.source, has.condition, "x.rid")
    if len(found) > WIDE_FROM:
        return dataclasses.replace(has, condition=await _plain(source, has.condition))  # type: ignore[arg-type]
    if not found:
        return Among(())
    statement = source.statement()
    kind = statement.argument(has.type_name)
    sql = (
        f"SELECT DISTINCT x.rid FROM idx_reference t JOIN resource x ON {statement.of_tenant('x')} AND x.type = {kind} "
        f"AND x.id = t.target_id AND NOT x.deleted WHERE {statement.of_tenant('t')} "
        f"AND t.rid = ANY({statement.argument(list(found))}::bigint[]) "
        f"AND t.key = {statement.literal(key_of(has.source, has.code))} AND t.target_type = {kind} LIMIT 1000000"
    )
    return Among(tuple(row["rid"] for row in await source.rows(statement, sql)))


async def _ahead(source: Source, kind: str, condition: Condition, column: str) -> list[Any]:
    """Ids or rids of the records of a type that meet a condition, up to one more than counts as few."""
    inner = await narrowed(source, kind, [condition])
    statement = source.statement(planned=True)
    sql = (
        f"SELECT {column} AS found FROM ({found_sql(statement, inner)} LIMIT {WIDE_FROM + 1}) m "
        f"JOIN resource x ON {statement.of_tenant('x')} AND x.rid = m.rid LIMIT {WIDE_FROM + 1}"
    )
    return [row["found"] for row in await source.rows(statement, sql)]


async def missing(source: Source, clause: Clause) -> Found:
    """The shapes of the records without a value, or with one."""
    statement = source.statement()
    key = statement.literal(key_of(clause.type_name, SHAPE))
    sql = (
        f"WITH RECURSIVE s AS ({shapes_sql(statement, key, 's')}) "
        f"SELECT s.code FROM s WHERE s.code IS NOT NULL LIMIT {MOST_SHAPES + 1}"
    )
    known = [row["code"] for row in await source.rows(statement, sql)]
    if len(known) > MOST_SHAPES:
        return clause
    lacking = shapes.lacking(clause.type_name, clause.code, known)
    if clause.form == "missing":
        return Shaped(clause.type_name, tuple(lacking))
    return clause if clause.kind != "composite" else Shaped(clause.type_name, tuple(sorted({*known} - {*lacking})))


def shapes_sql(statement: Statement, key: str, name: str) -> str:
    """The body of the recursive part `name`: the shapes of records of a type, each by one look; at last a null."""
    where = f"t.tenant_id = {statement.tenant} AND t.key = {key}"
    return (
        f"(SELECT t.code FROM idx_token t WHERE {where} ORDER BY t.code LIMIT 1) UNION ALL "
        f"SELECT (SELECT t.code FROM idx_token t WHERE {where} AND t.code > s.code ORDER BY t.code LIMIT 1) "
        f"FROM {name} s WHERE s.code IS NOT NULL"
    )


async def spelled(source: Source, conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """The conditions with the codes that value sets and hierarchies stand for, however deep these stand."""
    if is_spelled(conditions):
        return tuple(conditions)
    return tuple([await _spelled(source, each) for each in conditions])


def is_spelled(conditions: Sequence[Condition]) -> bool:
    """Whether no condition can hold anything that stands for codes."""
    return all(map(_is_spelled, conditions))


def _is_spelled(condition: Condition) -> bool:
    return isinstance(condition, Clause) and not names_concepts(condition)


def names_concepts(clause: Clause) -> bool:
    """Whether a clause has values that stand for codes, or records, not known yet."""
    return any(isinstance(value, OPEN) for value in clause.values)


async def _spelled(source: Source, condition: Condition) -> Any:
    match condition:
        case Clause():
            return await _plain(source, condition)
        case Words():
            return await _words(source, condition)
        case Chain():
            targets = tuple([(kind, await _spelled(source, inner)) for kind, inner in condition.targets])
            return condition if targets == condition.targets else dataclasses.replace(condition, targets=targets)
        case Has() | Without():
            inner = await _spelled(source, condition.condition)
            return condition if inner is condition.condition else dataclasses.replace(condition, condition=inner)
        case Either():
            found = tuple([await spelled(source, each) for each in condition.alternatives])
            same = found == condition.alternatives
            return condition if same else dataclasses.replace(condition, alternatives=found)
        case _:
            return condition


async def _with_concepts(source: Source, clause: Clause) -> Found:
    """The clause with the codes, or records, that its values stand for; no code at all is met by no record."""
    if clause.kind == "reference":
        kin = [await targets(source, each) for each in clause.values if isinstance(each, Kin)]
        return dataclasses.replace(clause, values=tuple(dict.fromkeys(each for some in kin for each in some)))
    tokens: list[Value] = []
    published = clause.code in parameters_of(clause.type_name)
    bare = published and has_bare_codes(clause.type_name, clause.code)
    for value in clause.values:
        found = await tokens_of(source, value, bare=bare or value.bare) if isinstance(value, Concepts) else [value]
        tokens += found
    tokens = await in_use(source, clause, tokens)
    if not tokens:
        return Among(()) if clause.form == "match" else dataclasses.replace(clause, values=(_NO_CODE,))
    return dataclasses.replace(clause, values=tuple(tokens))


async def _others(source: Source, type_name: str, condition: Found) -> list[Found]:
    """The records that may meet a sole `:not`, when they are few: those with another value, and those with none."""
    if not isinstance(condition, Clause) or condition.form != "not" or condition.kind != "token":
        return []
    tokens = [value for value in condition.values if isinstance(value, Token) and value.code is not None]
    if len(tokens) != len(condition.values) or not shapes.is_known(type_name, condition.code):
        return []
    absent = await missing(source, dataclasses.replace(condition, values=(), form="missing"))
    statement = source.statement(planned=True)
    if not isinstance(absent, Shaped):
        return []
    parts = [rids(statement, absent), *other_values(statement, condition, tokens, WIDE_FROM + 1)]
    union = " UNION ALL ".join(f"(SELECT o.rid FROM ({part}) o LIMIT {WIDE_FROM + 1})" for part in parts)
    rows = await source.rows(statement, f"SELECT DISTINCT u.rid FROM ({union}) u LIMIT {WIDE_FROM + 1}")
    return [] if len(rows) > WIDE_FROM else [Among(tuple(sorted(row["rid"] for row in rows)))]


def found_sql(
    statement: Statement, each: Narrowed, *, after: int | None = None, ordered: bool = True, limit: int = 0
) -> str:
    """The rids of a search of one type, each once; with `limit` at least the first so many of them."""
    if not each.conditions and not ordered:  # one entry of each record, which the index alone gives
        key = statement.literal(key_of(each.type_name, SHAPE))
        return f"SELECT t.rid FROM idx_token t WHERE {statement.of_tenant('t')} AND t.key = {key}"
    order = " ORDER BY d.rid" if ordered else ""
    return f"SELECT DISTINCT {met_sql(statement, each, after=after, limit=limit)}{order}"


def met_sql(statement: Statement, each: Narrowed, *, after: int | None = None, limit: int = 0) -> str:
    """`d.rid FROM …`: the most telling condition leads, the planner arranges the others around it."""
    positive = [c for c in each.conditions if not is_negative(c) and not (each.wide and c in each.wide)]
    lead = min(positive, key=cost, default=None)
    rest = [c for c in each.conditions if c is not lead]
    if isinstance(lead, Told) and not rest:
        beyond = f" AND t.rid > {statement.argument(after)}" if after is not None else ""
        if lead.walks and limit:
            return f"d.rid FROM ({lead.first(beyond, limit)}) d"
        return f"d.rid FROM ({lead.whole(fenced=True)}) d{beyond.replace(' AND t.', ' WHERE d.')}"
    if limit and not rest and lead is not None and not names_one(lead):
        sole = _first(statement, lead, after, limit)
        if sole:
            return f"d.rid FROM ({sole}) d"
    if lead is None:
        kind = statement.argument(each.type_name)
        source = f"SELECT t.rid FROM resource t WHERE {statement.of_tenant('t')} AND t.type = {kind} AND NOT t.deleted"
    else:
        source = (
            lead.whole(fenced=lead.few or all(is_negative(c) for c in rest))
            if isinstance(lead, Told)
            else rids(statement, lead)
        )
    tests = tests_sql(statement, rest, "d.rid", each.wide)
    if after is not None:
        tests.append(f"d.rid > {statement.argument(after)}")
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    return f"d.rid FROM ({source}) d{where}"


def _first(statement: Statement, lead: Found, after: int | None, limit: int) -> str:
    """The first rids of a sole condition, where indexes have them in order; else empty."""
    if isinstance(lead, words.Said):
        return lead.first(statement, after, limit)
    return probes.first(statement, lead, after, limit)


def cost(condition: Found) -> int:
    """Which condition should lead: what names one record first, ranges and mere presence last."""
    if isinstance(condition, Among):
        return 0
    if isinstance(condition, Told):
        return _RANKS[condition.rank]
    if isinstance(condition, words.Said) and condition.tree is not None:
        return _RANKS["string"]
    if isinstance(condition, words.Said | Words | Near):
        return 3 * len(_RANKS)
    if not isinstance(condition, Clause):
        return _RANKS["chain" if isinstance(condition, Chain | Has | Shaped) else "reference"]
    last = condition.form in ("present", "other") or (condition.kind == "string" and _is_inside(condition))
    return _RANKS[condition.kind] + (len(_RANKS) if last else 0)


def _is_inside(clause: Clause) -> bool:
    return any(isinstance(value, Text) and value.inside for value in clause.values)


def tests_sql(statement: Statement, conditions: Sequence[Found], rid: str, wide: Wide) -> list[str]:
    """Conditions as tests of a rid. OFFSET 0 keeps PostgreSQL from turning a wide one into a join over all it finds."""
    tests = []
    for condition in conditions:
        found = rids(statement, condition)
        word = "NOT EXISTS" if is_negative(condition) else "EXISTS"
        fence = " OFFSET 0" if wide and condition in wide else ""
        tests.append(f"{word} (SELECT 1 FROM ({found}) n WHERE n.rid = {rid}{fence})")
    return tests
