"""R4's terminology and definitions, which nobody stored, read and searched like records.

They are found by what names them (`url`, `_id`, `name`, of definitions also what they are about), behind the tenant's
own records, and only while the tenant has none of the same id or address: such a record stands in their place.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from canonical.problem import Problem
from fhir import jsontext
from fhir.search.conditions import BadQuery, Clause, Condition
from fhir.search.matching import is_fixed, meets
from fhir.search.options import cursor_text
from fhir.search.query import Query
from fhir.terminology.published import RELEASED
from hub.find.search import Page
from hub.find.statement import Source
from hub.records import versioned
from hub.records.requests.acting import Action, Actor
from hub.records.trail import trail
from hub.terms import published, stored
from hub.terms.published import Body

_NAMES = frozenset(("url", "_id", "name"))
_ABOUT: Mapping[str, frozenset[str]] = {
    "StructureDefinition": frozenset(("type", "base")),
    "SearchParameter": frozenset(("base", "code")),
    "OperationDefinition": frozenset(("code",)),
    "CompartmentDefinition": frozenset(("code",)),
}
_BESIDE: Mapping[str, frozenset[str]] = {
    "StructureDefinition": frozenset(("kind", "abstract", "derivation")),
    "SearchParameter": frozenset(("type", "target")),
    "OperationDefinition": frozenset(("kind", "system", "type", "instance")),
}
_MARK = "published"  # of a place among these; other places are those of stored records
_UTC = ZoneInfo("UTC")
_UPDATED = datetime.datetime.fromisoformat(RELEASED)


def one(actor: Actor, kind: str, identity: str, action: Action = "r") -> Body | None:
    """The resource as a stored record would be (version, updated_at, deleted, body), if the caller may see it."""
    found = published.body(kind, identity)
    return _row(found) if found is not None and _may(actor, found, action) else None


async def unstored(source: Source, actor: Actor, place: tuple[str, str]) -> dict[str, Any] | None:
    """The resource of a type and id, if the tenant never stored one there and the caller may read it."""
    if place[0] not in published.KINDS or await stored.ids_taken(source, place[0], [place[1]]):
        return None
    return one(actor, *place)


def _row(found: Body, number: int = 0) -> dict[str, Any]:
    stated = {"rid": number, "type": found["resourceType"], "id": found["id"], "version": 1, "updated_at": _UPDATED}
    return {**stated, "deleted": False, "body": jsontext.text(found)}


def _may(actor: Actor, found: Body, action: Action) -> bool:
    return actor.permits(found["resourceType"], action) or actor.may(found, action)


async def search(source: Source, query: Query, actor: Actor) -> Page:
    """The page of `query`; behind the stored records come those nobody stored. Raises BadQuery, Refusal."""
    page = await _with_unstored(source, query, actor)
    reverse = any(each.reverse for each in query.includes)
    return await versioned.as_named(source, actor, page, reverse=reverse) if page.included else page


async def _with_unstored(source: Source, query: Query, actor: Actor) -> Page:
    if not _asks(query):
        return await trail.search(source, query, actor)
    cursor, count = query.options.cursor, query.options.count
    here = cursor is not None and cursor[0] == _MARK
    if here and cursor is not None:
        return _page(await _found(source, query, actor), cursor[1], count)
    page = await trail.search(source, query, actor)
    if page.cursor and page.total is None:
        return page
    found = await _found(source, query, actor)
    page = replace(page, total=page.total + len(found) if page.total is not None else None)
    if query.options.counts_only or page.cursor:
        return page
    rest = _page(found, 0, count - len(page.rows))
    return replace(page, rows=[*page.rows, *rest.rows], cursor=rest.cursor)


def _page(found: Sequence[Body], start: int, count: int) -> Page:
    shown = [_row(each, place) for place, each in enumerate(found)][start : start + max(count, 0)]
    more = len(found) > start + len(shown)
    return Page(rows=shown, cursor=cursor_text(_MARK, start + len(shown)) if more else "")


def _asks(query: Query) -> bool:
    """Whether a search is one by name, which is all that these are found by."""
    if len(query.branches) != 1 or query.type_name not in published.KINDS or query.options.contained == "true":
        return False
    conditions = query.conditions
    naming = _NAMES | _ABOUT.get(query.type_name, frozenset())
    beside = _BESIDE.get(query.type_name, frozenset()) | {"version", "status"}
    named = [c for c in conditions if isinstance(c, Clause) and c.code in naming | beside and is_fixed(c)]
    return len(named) == len(conditions) and any(c.code in naming and c.form == "match" for c in named)


async def _found(source: Source, query: Query, actor: Actor) -> list[Body]:
    """All that meet the query, without those in whose place the tenant has records; raises BadQuery for too many."""
    kind, conditions = query.type_name, query.conditions
    matches = [h for h in _candidates(kind, conditions) if meets(h, [conditions], _UTC) and _may(actor, h, "s")]
    if len(matches) > stored.MOST_ROWS:
        raise BadQuery(Problem("fhir.search.too-costly"))
    urls = await stored.addresses_taken(source, kind, [each["url"] for each in matches])
    ids = await stored.ids_taken(source, kind, [each["id"] for each in matches])
    kept = [each for each in matches if each["url"] not in urls and each["id"] not in ids]
    return [found for each in kept if (found := published.body(kind, each["id"])) is not None]


def _candidates(kind: str, conditions: Sequence[Condition]) -> Sequence[Body]:
    """The headings to be judged: of ids where ids are asked for, else all."""
    headings = published.headings(kind)
    for condition in conditions:
        if isinstance(condition, Clause) and condition.kind == "id" and condition.form == "match":
            ids = [getattr(value, "id", "") for value in condition.values]
            return [headings[each] for each in ids if each in headings]
    return list(headings.values())
