"""$everything of a patient, an encounter or all patients: what is in their compartments, and what that refers to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.audited import operated
from api.routes.fhir.exchange import Exchange
from api.routes.fhir.inputs import pairs_given
from api.routes.fhir.search import check_known, members_of, page_text, types_of
from canonical.errors import Gone, NotFound
from canonical.problem import Problem
from fhir.search.conditions import Condition, Inside, Setting
from fhir.search.options import Include
from fhir.search.parameters import parameters_of, reference_types
from fhir.search.query import Query, parse_many
from fhir.search.ranges import date_range
from hub.bulk.wanted import SUPPORTING
from hub.find.included.include import around
from hub.find.search import Page
from hub.find.search import search as find
from hub.find.statement import OneTrip
from hub.records.requests import visible

TYPES = ("Patient", "Encounter")
_OWN = ("_since", "_type", "start", "end", "_format", "_pretty")


async def everything(exchange: Exchange) -> Response:
    """All records of a patient or an encounter, in pages: `start`, `end`, `_since`, `_type`, `_count`."""
    compartment, record_id = exchange.type_name, exchange.record_id
    if compartment not in TYPES:
        raise Rejected(404, [Problem("fhir.not-supported")])
    exchange.query = await pairs_given(exchange)
    world = exchange.state.world
    row = await visible.current(world, exchange.actor, compartment, record_id)
    if row is None:
        raise NotFound("there is no such record")
    if row["deleted"]:
        raise Gone("the record was deleted")
    query = _query(exchange, compartment, record_id)
    source = OneTrip(world, exchange.caller.tenant)
    page = await find(source, query, exchange.actor.sight)
    if query.options.cursor is None:
        own = {"type": compartment, "id": record_id, "body": row["body"], "rid": 0}
        named = await around(source, (compartment, record_id), query.options, exchange.actor.sight)
        page = _with_own(page, own, named)
    else:  # it was at the head of the first page, and everything here refers to it
        rest = [each for each in page.included if (each["type"], each["id"]) != (compartment, record_id)]
        page = dataclasses.replace(page, included=rest)
    return await _answer(exchange, query, _kept(exchange, query, page))


def _with_own(page: Page, own: dict[str, Any], named: Sequence[Any]) -> Page:
    """The first page with the record itself at its head, and what that refers to (`named`) behind."""
    listed = {(each["type"], each["id"]) for each in (own, *page.rows)}
    rest = {(each["type"], each["id"]): each for each in (*page.included, *named)}
    included = [each for place, each in rest.items() if place not in listed]
    total = page.total + 1 if page.total is not None else None
    return dataclasses.replace(page, rows=[own, *page.rows], included=included, total=total)


async def everything_of_all(exchange: Exchange) -> Response:
    """The same of all patients the caller may search: patients and what lies in their compartments, as first stored."""
    if exchange.type_name != "Patient":  # R4 has it for patients only
        raise Rejected(404, [Problem("fhir.not-supported")])
    exchange.query = await pairs_given(exchange)
    exchange.actor.reach("Patient", "s")
    query = _query(exchange, "Patient", "")
    page = await find(OneTrip(exchange.state.world, exchange.caller.tenant), query, exchange.actor.sight)
    return await _answer(exchange, query, _kept(exchange, query, page))


def _kept(exchange: Exchange, query: Query, page: Page) -> Page:
    """The page without records of types that `_type` does not name; what it leaves out is counted where it is all."""
    wanted = {part for name, text in exchange.query if name == "_type" for part in text.split(",") if part}
    if not wanted:
        return page
    rows = [each for each in page.rows if each["type"] in wanted]
    included = [each for each in page.included if each["type"] in wanted]
    total = page.total
    if total is not None and not wanted.issuperset(kind for kind, _ in query.branches):
        total = len(rows) if query.options.cursor is None and not page.cursor else None
    elif total is not None:
        total -= len(page.rows) - len(rows)  # the record itself, which is counted though no type of the search
    return dataclasses.replace(page, rows=rows, included=included, total=total)


def _query(exchange: Exchange, compartment: str, record_id: str) -> Query:
    """The search of one compartment, or, without an id, of all of a kind and of those they are named after.

    Where `_type` names what only others refer to, all members are looked through for that.
    """
    members = members_of(compartment)
    known = {*members, compartment} if not record_id else {*members}
    stated = types_of(exchange, exchange.query, tuple(sorted(known)))
    types = [name for name in stated if name in known]
    if not types or not {*known, compartment}.issuperset(stated):
        types = types_of(exchange, [], tuple(sorted(known)))
    setting = exchange.actor.setting(exchange.state.world)
    _check_moments(exchange, setting)
    inside = {name: Inside(name, compartment, record_id, members[name]) for name in types if name in members}
    if not record_id:
        inside.pop(compartment, None)
    pairs = [(name, text) for name, text in exchange.query if name not in _OWN]
    pairs += [("_include", "*")] + [("_lastUpdated", "ge" + text) for name, text in exchange.query if name == "_since"]
    address = f"{compartment}/{record_id}/$everything" if record_id else f"{compartment}/$everything"
    query = parse_many(types, pairs, setting, inside, address=address)
    check_known(exchange, query)
    query = dataclasses.replace(
        query, branches=tuple((kind, (*c, *_dated(exchange, kind, setting))) for kind, c in query.branches)
    )
    if all(isinstance(each, Inside) for _, conditions in query.branches for each in conditions):
        # All members come as matches, of this page or another: what else these refer to is all there is to include.
        query = dataclasses.replace(query, options=dataclasses.replace(query.options, besides=tuple(inside.values())))
    includes = (*query.options.includes, *_behind())
    return dataclasses.replace(query, options=dataclasses.replace(query.options, includes=includes))


@cache
def _behind() -> tuple[Include, ...]:
    """What supporting records refer to in turn, as long as that is supporting too: a role's person and house, the house
    it is part of. No other parameter is followed, so none leads to another patient."""
    found = ((kind, code) for kind in (*SUPPORTING, "Device", "Patient") for code in parameters_of(kind))
    return tuple(
        Include(kind, code, "", reverse=False, iterate=True)
        for kind, code in found
        if parameters_of(kind)[code].type == "reference" and {*SUPPORTING}.issuperset(reference_types(kind, code))
    )


async def _answer(exchange: Exchange, query: Query, page: Page) -> Response:
    """The page, with links that repeat what was asked."""
    kept = tuple(pair for pair in exchange.query if pair[0] in _OWN)
    used = tuple(pair for pair in query.used if pair[0] not in ("_include", "_lastUpdated"))
    query = dataclasses.replace(query, used=(*kept, *used))
    record, _, operation = query.address.rpartition("/")
    await operated(exchange, record, operation)
    return exchange.answer(page_text(exchange.base, query, page))


def _check_moments(exchange: Exchange, setting: Setting) -> None:
    """Refuse a `start`, `end` or `_since` that is no date, by the name the caller gave it; whatever types are asked."""
    for name in ("start", "end", "_since"):
        text = exchange.parameter(name)
        if text and date_range(text.replace(" ", "+"), setting.zone) is None:
            raise Rejected(400, [Problem("fhir.search.value", name, args=(("name", name),))])


def _dated(exchange: Exchange, kind: str, setting: Setting) -> tuple[Condition, ...]:
    """`start` and `end` as conditions on the care date of types that have one."""
    if setting.parameter(kind, "date") is None:
        return ()
    texts = [("ge", exchange.parameter("start")), ("le", exchange.parameter("end"))]
    pairs = [("date", mark + text) for mark, text in texts if text]
    return parse_many([kind], pairs, setting, {}, address=kind).conditions if pairs else ()
