"""Patient/$everything and Encounter/$everything: the record, what is in its compartment, and what those refer to."""

from __future__ import annotations

import dataclasses

from starlette.responses import Response

from api.http.failures import Rejected
from api.routes.fhir.exchange import Exchange
from api.routes.fhir.inputs import pairs_given
from api.routes.fhir.search import members_of, page_text, types_of
from canonical.errors import Gone, NotFound
from canonical.problem import Problem
from fhir.search.conditions import Condition, Inside, Setting
from fhir.search.query import parse_many
from hub.find.search import search as find
from hub.find.statement import OneTrip
from hub.records import visible

TYPES = ("Patient", "Encounter")
_OWN = ("_since", "_type", "start", "end", "_format", "_pretty")


async def everything(exchange: Exchange) -> Response:
    """All records of a patient or an encounter, in pages: `start`, `end`, `_since`, `_type`, `_count`."""
    compartment, record_id = exchange.type_name, exchange.record_id
    if compartment not in TYPES:
        raise Rejected(404, [Problem("fhir.not-supported")])
    exchange.query = await pairs_given(exchange)
    world, tenant = exchange.state.world, exchange.caller.tenant
    row = await visible.current(world, exchange.actor, compartment, record_id)
    if row is None:
        raise NotFound("there is no such record")
    if row["deleted"]:
        raise Gone("the record was deleted")
    members = members_of(compartment)
    types = [name for name in types_of(exchange, exchange.query, tuple(members)) if name in members]
    setting = exchange.actor.setting(world)
    inside = {name: Inside(name, compartment, record_id, members[name]) for name in types}
    pairs = [(name, text) for name, text in exchange.query if name not in _OWN]
    pairs += [("_include", "*")] + [("_lastUpdated", "ge" + text) for name, text in exchange.query if name == "_since"]
    query = parse_many(types, pairs, setting, inside, address=f"{compartment}/{record_id}/$everything")
    query = dataclasses.replace(
        query, branches=tuple((kind, (*c, *_dated(exchange, kind, setting))) for kind, c in query.branches)
    )
    if all(isinstance(each, Inside) for _, conditions in query.branches for each in conditions):
        # All members come as matches, of this page or another: what else these refer to is all there is to include.
        query = dataclasses.replace(query, options=dataclasses.replace(query.options, besides=tuple(inside.values())))
    page = await find(OneTrip(world, tenant), query, exchange.actor.sight)
    if query.options.cursor is None and not exchange.parameter("_type"):
        own = {"type": compartment, "id": record_id, "body": row["body"], "rid": 0}
        rest = [each for each in page.included if (each["type"], each["id"]) != (compartment, record_id)]
        total = page.total + 1 if page.total is not None else None
        page = dataclasses.replace(page, rows=[own, *page.rows], included=rest, total=total)
    kept = tuple(pair for pair in exchange.query if pair[0] in _OWN)
    used = tuple(pair for pair in query.used if pair[0] not in ("_include", "_lastUpdated"))
    query = dataclasses.replace(query, used=(*kept, *used))
    entity = f"{compartment}/{record_id}/$everything"
    await exchange.state.reading.note(tenant, exchange.caller.identity.subject, "read", entity)
    return exchange.answer(page_text(exchange.base, query, page))


def _dated(exchange: Exchange, kind: str, setting: Setting) -> tuple[Condition, ...]:
    """`start` and `end` as conditions on the care date of types that have one."""
    if setting.parameter(kind, "date") is None:
        return ()
    texts = [("ge", exchange.parameter("start")), ("le", exchange.parameter("end"))]
    pairs = [("date", mark + text) for mark, text in texts if text]
    return parse_many([kind], pairs, setting, {}, address=kind).conditions if pairs else ()
