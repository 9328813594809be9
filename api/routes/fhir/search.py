"""search by GET and POST (R4 §3.1.1).

A parameter this hub does not know is ignored and told in an OperationOutcome entry of the Bundle (R4 §3.1.1.4.10
lets servers choose); with `Prefer: handling=strict` it is an error, which callers of clinical filters should ask for.
Dates without a zone lie in the tenant's zone. The self link lists only what took effect.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from api.failures import Rejected
from api.routes.fhir.bundles import bundle_text, entry_text, link_text
from api.routes.fhir.exchange import Exchange, body_of, check_content_type, outcome_text, pairs_of
from canonical.problem import Problem
from fhir import subset
from fhir.query import Query, parse
from hub.records.search import OneTrip, Page
from hub.records.search import search as find

_FORM = frozenset(("application/x-www-form-urlencoded",))
_MOST_FORM = 1024 * 1024


async def search(exchange: Exchange) -> Response:
    """search by GET."""
    return await _answer(exchange, exchange.query)


async def search_by_post(exchange: Exchange) -> Response:
    """search by POST: parameters from the address and the form together."""
    check_content_type(exchange.request, _FORM)
    form = (await body_of(exchange.request, _MOST_FORM)).decode("utf-8", "replace")
    return await _answer(exchange, [*exchange.query, *pairs_of(form)])


async def _answer(exchange: Exchange, pairs: list[tuple[str, str]]) -> Response:
    type_name = exchange.type_name
    exchange.actor.require(type_name, "s")
    world, tenant = exchange.state.world, exchange.caller.tenant
    query = parse(type_name, pairs, exchange.actor.setting(world))
    if query.unknown and exchange.strict:
        raise Rejected(400, [Problem(p.code, p.where, args=p.args, level="error") for p in query.unknown])
    page = await find(OneTrip(world, tenant), query, lambda kind: exchange.caller.permits(kind, "r"))
    names = "&".join(sorted({name.partition(":")[0] for name, _ in query.used if not name.startswith("_has:")}))
    await exchange.state.reading.note(tenant, exchange.caller.identity.subject, "search", f"{type_name}?{names}")
    return exchange.answer(page_text(exchange.base, query, page))


def page_text(base: str, query: Query, page: Page) -> str:
    """The searchset Bundle of a page."""
    address = f"{base}/{query.type_name}"
    kept = [(name, value) for name, value in query.used if name != "_cursor"]
    links = [("self", link_text(address, query.used))]
    if page.cursor:
        links.append(("next", link_text(address, [*kept, ("_cursor", page.cursor)])))
    entries = [_record(base, query, row, "match") for row in page.rows]
    entries += [_record(base, query, row, "include") for row in page.included]
    if query.unknown:
        entries.append(entry_text("", outcome_text(list(query.unknown)), '"search":{"mode":"outcome"}'))
    return bundle_text("searchset", entries, links, page.total)


def _record(base: str, query: Query, row: Any, mode: str) -> str:
    text: str = row["body"]
    options = query.options
    if options.elements and mode == "match":
        text = subset.text(text, "", options.elements)
    elif options.summary in subset.SUMMARIES:
        text = subset.text(text, options.summary, ())
    full_url = f"{base}/{row['type']}/{row['id']}"
    return f'{{"fullUrl":"{full_url}","resource":{text},"search":{{"mode":"{mode}"}}}}'
