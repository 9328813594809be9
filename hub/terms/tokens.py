"""What value sets and hierarchies stand for in searches (`:in`, `:not-in`, `:below`, `:above`): codes as tokens."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache

from canonical.codes import aliases
from canonical.problem import Problem
from fhir.search.conditions import BadQuery
from fhir.search.parameters import bounded
from fhir.search.values import Concepts, Token
from fhir.terminology.sets import Reader
from fhir.terminology.stated import Set
from fhir.terminology.systems import Unanswered, above, below
from fhir.terminology.whole import chosen
from hub.find.statement import Source
from hub.terms import stored
from hub.terms.shelf import Shelf

MOST_CODES = 200_000


async def tokens(source: Source, wanted: Concepts, *, bare: bool = False) -> list[Token]:
    """The tokens of `wanted`; raises BadQuery when the terminology is not there or too large.

    `bare`: for elements that are codes without a system.
    """
    try:
        found = await (_of_set(source, wanted.system, bare) if wanted.relation == "in" else _of_lineage(source, wanted))
    except Unanswered as error:
        raise _refusal("too-many-codes" if error.kind == "too-costly" else "terminology", wanted.system) from None
    if len(found) > MOST_CODES:
        raise _refusal("too-many-codes", "")
    return [Token(None, token.code) for token in found] if bare else found


def _refusal(code: str, name: str) -> BadQuery:
    return BadQuery(Problem(f"fhir.search.{code}", name[:200], args=(("name", name[:200]), ("limit", str(MOST_CODES)))))


def _shelf() -> Shelf:
    return Shelf(datetime.now(UTC).date().isoformat())


async def _of_lineage(source: Source, wanted: Concepts) -> list[Token]:
    shelf = await _shelf().gather(source, systems=[wanted.system])
    system = shelf.system(wanted.system)
    if system is None:
        raise Unanswered("not-found", "fhir.terminology.system", name=wanted.system)
    names = _names(wanted.system)
    codes = await asyncio.to_thread(below if wanted.relation == "below" else above, system, wanted.code)
    return [Token(names, bounded(code)) for code in codes]


async def _of_set(source: Source, url: str, bare: bool) -> list[Token]:
    shelf = _shelf()
    if url.startswith("ValueSet/"):
        read = await stored.by_id(source, "ValueSet", url.partition("/")[2])
        found: Set | None = read.form if read is not None else None
        await shelf.gather(source, sets=[found] if found is not None else [])
    else:
        await shelf.gather(source, sets=[url])
        found = shelf.value_set(url)
    if found is None:
        raise Unanswered("not-found", "fhir.terminology.value-set", name=url)
    whole = found
    return await asyncio.to_thread(lambda: list(dict.fromkeys(_tokens(Reader(shelf), whole, bare))))


def _tokens(reader: Reader, found: Set, bare: bool) -> Iterator[Token]:
    """Whole systems as such where that can be, so that they need not be here; else each member."""
    whole = chosen(reader, found)
    if whole is not None and (bare or not any(part.is_whole for part in found.includes)):
        own, node = whole
        yield from _within_limit(Token(_names(own.url), bounded(code)) for code in own.codes(node, MOST_CODES + 1))
        return
    apart = () if bare or found.excludes else tuple(part for part in found.includes if part.is_whole)
    yield from (Token(_names(part.system), None) for part in apart)
    rest = dataclasses.replace(found, includes=tuple(part for part in found.includes if part not in apart))
    members = reader.members(rest if apart else found)
    yield from _within_limit(
        Token(_names(member.system) if member.system else None, bounded(member.concept.code)) for member in members
    )


def _within_limit(found: Iterable[Token]) -> Iterator[Token]:
    for count, token in enumerate(found):
        if count >= MOST_CODES:
            raise Unanswered("too-costly", "fhir.terminology.too-costly", limit=str(MOST_CODES))
        yield token


@lru_cache(maxsize=1024)
def _names(system: str) -> tuple[str, ...]:
    return tuple(sorted(bounded(name) for name in aliases(system)))
