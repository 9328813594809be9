"""What value sets and code hierarchies stand for (`:in`, `:not-in`, `:below`, `:above`): codes as tokens.

Value sets and code systems are the tenant's own records; of R4's own value sets those of required bindings are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canonical.codes import aliases
from canonical.problem import Problem
from fhir import jsontext
from fhir.definitions.table import codes
from fhir.parameters import bounded
from fhir.query import BadQuery
from fhir.values import Concepts, Token
from hub.find.statement import Source
from hub.records.index import key_of

MOST_CODES = 2000
_DEEPEST = 5


async def tokens(source: Source, wanted: Concepts) -> list[Token]:
    """The tokens of `wanted`; raises BadQuery when the terminology is not there or too large."""
    if wanted.relation == "in":
        return await _value_set(source, wanted.system, 0)
    system = await _stored(source, "CodeSystem", wanted.system)
    if system is None:
        raise _refusal("terminology", wanted.system)
    names = tuple(sorted(bounded(name) for name in aliases(wanted.system)))
    found = _lineage(system.get("concept", ()), wanted.code, below=wanted.relation == "below")
    return _bounded([Token(names, bounded(code)) for code in dict.fromkeys([wanted.code, *found])])


def _refusal(code: str, name: str) -> BadQuery:
    return BadQuery(Problem(f"fhir.search.{code}", name[:200], args=(("name", name[:200]), ("limit", str(MOST_CODES)))))


def _bounded(found: list[Token]) -> list[Token]:
    if len(found) > MOST_CODES:
        raise _refusal("too-many-codes", "")
    return found


async def _stored(source: Source, kind: str, url: str) -> dict[str, Any] | None:
    """The newest stored record of a canonical address, or by `Type/id`."""
    statement = source.statement()
    if url.startswith(kind + "/"):
        where = f"r.type = {statement.argument(kind)} AND r.id = {statement.argument(url.partition('/')[2])}"
        place = "resource r"
    else:
        key = statement.literal(key_of(kind, "url"))
        value = statement.argument(bounded(url.partition("|")[0]))
        place = f"idx_uri t JOIN resource r ON {statement.of_tenant('r')} AND r.rid = t.rid"
        where = f"{statement.of_tenant('t')} AND t.key = {key} AND t.value = {value}"
    sql = (
        f"SELECT r.body FROM {place} WHERE {where} AND {statement.of_tenant('r')} AND NOT r.deleted "
        "ORDER BY r.updated_at DESC LIMIT 1"
    )
    rows = await source.rows(statement, sql)
    found = jsontext.parse(rows[0]["body"].encode()) if rows else None
    return found if isinstance(found, dict) else None


async def _value_set(source: Source, url: str, depth: int) -> list[Token]:
    stored = await _stored(source, "ValueSet", url)
    if stored is None:
        known = codes(url.partition("|")[0])
        if not known:
            raise _refusal("terminology", url)
        return [Token(None, code) for code in sorted(known)]
    if "expansion" in stored:
        return _bounded([_token(item) for item in _contained(stored["expansion"].get("contains", ()))])
    found: dict[Token, None] = {}
    compose = stored.get("compose", {})
    for part in compose.get("include", ()):
        found |= dict.fromkeys(await _included(source, url, part, depth))
    for part in compose.get("exclude", ()):
        for token in await _included(source, url, part, depth):
            found.pop(token, None)
    return _bounded(list(found))


def _contained(items: Any) -> Iterator[dict[str, Any]]:
    for item in items:
        if item.get("code") and not item.get("abstract"):
            yield item
        yield from _contained(item.get("contains", ()))


def _token(item: dict[str, Any]) -> Token:
    system = item.get("system")
    return Token(tuple(sorted(aliases(system))) if system else None, bounded(item["code"]))


async def _included(source: Source, url: str, part: dict[str, Any], depth: int) -> list[Token]:
    """One include: named concepts, a whole system, or other value sets; filters are not computed here."""
    if part.get("filter") or depth > _DEEPEST:
        raise _refusal("terminology", url)
    system = part.get("system")
    if system and part.get("concept"):
        return [_token({"system": system, "code": concept["code"]}) for concept in part["concept"]]
    if system:
        return [Token(tuple(sorted(aliases(system))), None)]
    return [token for other in part.get("valueSet", ()) for token in await _value_set(source, other, depth + 1)]


def _lineage(concepts: Any, code: str, *, below: bool) -> list[str]:
    """The codes under `code`, or those it stands under, by the nesting of a code system."""
    stack: list[tuple[Any, tuple[str, ...]]] = [(concept, ()) for concept in concepts]
    found: list[str] = []
    while stack:
        concept, above = stack.pop()
        if concept.get("code") == code:
            if not below:
                return list(above)
        elif below and code in above:
            found.append(concept["code"])
        path = (*above, str(concept.get("code")))
        stack += [(inner, path) for inner in concept.get("concept", ())]
    return found
