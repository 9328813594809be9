"""search by GET and POST (R4 §3.1.1).

A parameter this hub does not know is ignored and told in an OperationOutcome entry of the Bundle (R4 §3.1.1.4.10
lets servers choose); with `Prefer: handling=strict` it is an error, which callers of clinical filters should ask for.
Dates without a zone lie in the tenant's zone. The self link lists only what took effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.audited import searched
from api.routes.fhir.bundles import bundle_text, entry_text, link_text
from api.routes.fhir.exchange import Exchange, body_of, check_content_type, outcome_text, pairs_of
from canonical.problem import Problem
from fhir import subset
from fhir.definitions.table import resource_types
from fhir.search.conditions import Inside, Setting
from fhir.search.options import cursor_after, cursor_before
from fhir.search.query import Query, parse, parse_many
from hub.find.search import Page
from hub.find.sight import members
from hub.find.statement import OneTrip
from hub.records import published

_FORM = frozenset(("application/x-www-form-urlencoded",))
_MOST_FORM = 1024 * 1024


async def search(exchange: Exchange) -> Response:
    """search of a type by GET."""
    return await _of_type(exchange, exchange.query)


async def search_by_post(exchange: Exchange) -> Response:
    """search of a type by POST: parameters from the address and the form together."""
    return await _of_type(exchange, await _with_form(exchange))


async def search_system(exchange: Exchange) -> Response:
    """search of several types (`_type`), or of all the token may search, by GET."""
    return await _of_system(exchange, exchange.query)


async def search_system_by_post(exchange: Exchange) -> Response:
    """search of several types by POST."""
    return await _of_system(exchange, await _with_form(exchange))


async def search_compartment(exchange: Exchange) -> Response:
    """search of one type within a compartment, such as `Patient/1/Observation`."""
    return await _of_compartment(exchange, exchange.query)


async def search_compartment_by_post(exchange: Exchange) -> Response:
    """search of one type within a compartment by POST."""
    return await _of_compartment(exchange, await _with_form(exchange))


async def search_compartment_all(exchange: Exchange) -> Response:
    """search of all types within a compartment: `Patient/1/*`, or those of `_type`."""
    return await _of_compartment_all(exchange, exchange.query)


async def search_compartment_all_by_post(exchange: Exchange) -> Response:
    """search of all types within a compartment by POST: `Patient/1/_search`, as R5 writes it (R4 names no address)."""
    return await _of_compartment_all(exchange, await _with_form(exchange))


async def _of_compartment_all(exchange: Exchange, pairs: list[tuple[str, str]]) -> Response:
    compartment, record_id = exchange.type_name, exchange.record_id
    members = members_of(compartment)
    types = types_of(exchange, pairs, tuple(members))
    if wrong := [name for name in types if name not in members]:
        raise Rejected(404, [Problem("fhir.search.compartment", args=(("name", f"{compartment}/{wrong[0]}"[:64]),))])
    inside = {name: Inside(name, compartment, record_id, members[name]) for name in types}
    return await _many(exchange, types, pairs, inside, f"{compartment}/{record_id}/*")


async def _with_form(exchange: Exchange) -> list[tuple[str, str]]:
    check_content_type(exchange.request, _FORM)
    form = (await body_of(exchange.request, _MOST_FORM)).decode("utf-8", "replace")
    exchange.add(pairs_of(form))
    return exchange.query


async def _of_type(exchange: Exchange, pairs: list[tuple[str, str]]) -> Response:
    type_name = exchange.type_name
    exchange.actor.reach(type_name, "s")
    return await found(exchange, parse(type_name, pairs, _setting(exchange)))


async def _of_system(exchange: Exchange, pairs: list[tuple[str, str]]) -> Response:
    return await _many(exchange, types_of(exchange, pairs, resource_types()), pairs, {}, "")


async def _of_compartment(exchange: Exchange, pairs: list[tuple[str, str]]) -> Response:
    compartment, record_id = exchange.type_name, exchange.record_id
    type_name = str(exchange.request.path_params["member"])
    exchange.actor.reach(type_name, "s")
    members = members_of(compartment)
    if type_name not in members:
        raise Rejected(404, [Problem("fhir.search.compartment", args=(("name", f"{compartment}/{type_name}"[:64]),))])
    inside = Inside(type_name, compartment, record_id, members[type_name])
    return await found(exchange, parse(type_name, pairs, _setting(exchange), inside))


def _setting(exchange: Exchange) -> Setting:
    """Of a search: contained resources can be searched for."""
    return replace(exchange.actor.setting(exchange.state.world), inner=True)


def members_of(compartment: str) -> dict[str, tuple[str, ...]]:
    """The types of a compartment with the reference parameters that put a record into it; raises Rejected (404)."""
    found = members(compartment)
    if not found:
        raise Rejected(404, [Problem("fhir.search.compartment", args=(("name", compartment),))])
    return found


def types_of(exchange: Exchange, pairs: list[tuple[str, str]], default: tuple[str, ...]) -> list[str]:
    """The types of `_type`, each of which must be permitted; without it those of `default` that are."""
    stated = [part for name, text in pairs if name == "_type" for part in text.split(",") if part]
    if not stated:
        types = [name for name in default if exchange.actor.sight(name, "s")]
        if not types:
            exchange.actor.reach("*", "s")
        return types
    for name in stated:
        if name not in resource_types():
            raise Rejected(400, [Problem("fhir.search.value", "_type", args=(("name", "_type"),))])
        exchange.actor.reach(name, "s")
    return list(dict.fromkeys(stated))


async def _many(
    exchange: Exchange,
    types: list[str],
    pairs: list[tuple[str, str]],
    inside: Mapping[str, Inside],
    address: str,
) -> Response:
    setting = _setting(exchange)
    rest = [(name, text) for name, text in pairs if name != "_type"]
    query = parse_many(types, rest, setting, inside, address=address)
    stated = [(name, text) for name, text in pairs if name == "_type"]
    return await found(exchange, replace(query, used=(*stated, *query.used)))


def check_known(exchange: Exchange, query: Query) -> None:
    """Raise Rejected for parameters that cannot take effect, where all of them must (`handling=strict`)."""
    if query.unknown and exchange.strict:
        raise Rejected(400, [Problem(p.code, p.where, args=p.args, level="error") for p in query.unknown])


async def found(exchange: Exchange, query: Query) -> Response:
    """What a search finds, audited; raises Rejected."""
    world, tenant = exchange.state.world, exchange.caller.tenant
    check_known(exchange, query)
    page = await published.search(OneTrip(world, tenant), query, exchange.actor)
    names = "&".join(sorted({name.partition(":")[0] for name, _ in query.used if not name.startswith("_has:")}))
    address = query.address.rpartition("/")[2] if "/" in query.address else query.address
    await searched(exchange, query, f"{address}?{names}")
    return exchange.answer(page_text(exchange.base, query, page))


def page_text(base: str, query: Query, page: Page) -> str:
    """The searchset Bundle of a page."""
    address = f"{base}/{query.address}" if query.address else base
    links = [("self", link_text(address, query.used))]
    if page.cursor or query.options.cursor is not None:
        links += _other_pages(address, query, page.cursor)
    entries = [_record(base, query, row, "match") for row in page.rows]
    entries += [_record(base, query, row, "include") for row in page.included]
    if query.unknown:
        entries.append(entry_text("", outcome_text(list(query.unknown)), '"search":{"mode":"outcome"}'))
    return bundle_text("searchset", entries, links, page.total)


def _other_pages(address: str, query: Query, cursor: str) -> Iterator[tuple[str, str]]:
    """The links to the first, the previous and the next page; `cursor` is where the next one starts."""
    kept = [(name, value) for name, value in query.used if name != "_cursor"]
    current, before = dict(query.used).get("_cursor", ""), cursor_before(query.options)
    yield "first", link_text(address, kept)
    if before is not None:
        yield "previous", link_text(address, [*kept, ("_cursor", before)] if before else kept)
    if cursor:
        yield "next", link_text(address, [*kept, ("_cursor", cursor_after(cursor, query.options, current))])


def _record(base: str, query: Query, row: Any, mode: str) -> str:
    text: str = row["body"]
    options = query.options
    if names := subset.elements_of(row["type"], options.elements, own=mode == "match"):
        text = subset.text(text, "", names)
    elif options.summary in subset.SUMMARIES:
        text = subset.text(text, options.summary, ())
    full_url = f"{base}/{row['type']}/{row['id']}{row.get('inner', '')}"
    return f'{{"fullUrl":"{full_url}","resource":{text},"search":{{"mode":"{mode}"}}}}'
