"""Subscription/$status and $events (R5 Subscriptions Backport for R4): how one stands, and its events again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.audited import operated
from api.routes.fhir.bundles import bundle_text, entry_text, link_text
from api.routes.fhir.exchange import Exchange
from api.routes.fhir.inputs import Inputs
from canonical.errors import Gone, NotFound
from canonical.identity import new_id
from canonical.problem import Problem
from fhir import jsontext
from fhir.search.query import parse
from hub.find.search import search as find
from hub.find.statement import OneTrip
from hub.records.requests import visible
from hub.subscriptions import past
from hub.subscriptions.declared import CONTENTS, content_of, topic_of
from hub.subscriptions.events import Status, bundle, status_of

LARGEST = 2**63 - 1


async def status(exchange: Exchange) -> Response:
    """$status: state, number of events, and what keeps the next one back; as the one entry of a searchset."""
    body = await _record(exchange)
    return await _statuses(exchange, [body], [("self", f"{exchange.base}/Subscription/{exchange.record_id}/$status")])


async def statuses(exchange: Exchange) -> Response:
    """$status of several: those of `id`, of a `status`, or all that the caller may search, a hundred at most."""
    if exchange.type_name != "Subscription":
        raise Rejected(404, [Problem("fhir.not-supported")])
    exchange.actor.reach("Subscription", "s")
    inputs = await Inputs.of(exchange)
    given = [(name, text) for name in ("id", "status") for text in inputs.texts(name)]
    asked = {"_id": inputs.texts("id"), "status": inputs.texts("status")}
    pairs = [(name, ",".join(texts)) for name, texts in asked.items() if texts] + [("_count", str(past.MOST_EVENTS))]
    world = exchange.state.world
    query = parse("Subscription", pairs, exchange.actor.setting(world))
    page = await find(OneTrip(world, exchange.caller.tenant), query, exchange.actor.sight)
    bodies = [jsontext.stored(row["body"]) for row in page.rows]
    note = exchange.state.reading.note
    await note(exchange.caller.tenant, exchange.caller.identity.subject, "search", "Subscription/$status")
    return await _statuses(exchange, bodies, [("self", link_text(f"{exchange.base}/Subscription/$status", given))])


async def _statuses(exchange: Exchange, bodies: Sequence[dict[str, Any]], links: list[tuple[str, str]]) -> Response:
    """The searchset of how each Subscription stands."""
    entries = []
    async with exchange.state.world.transaction(exchange.caller.tenant) as tx:
        for body in bodies:
            found = await past.past(tx, str(body["id"]))
            told = _told(exchange, body, "query-status", found.events)
            text = jsontext.text(status_of(told, (), exchange.state.world.now(), found.failure))
            entries.append(entry_text(f"urn:uuid:{new_id()}", text, '"search":{"mode":"match"}'))
    return exchange.answer(bundle_text("searchset", entries, links, len(entries)))


async def events(exchange: Exchange) -> Response:
    """$events: those numbered `eventsSinceNumber` to `eventsUntilNumber`, a hundred at most, as one notification; of
    a token that may read some records only, those of such records."""
    body = await _record(exchange)
    first, last = _number(exchange, "eventsSinceNumber"), _number(exchange, "eventsUntilNumber")
    content = exchange.parameter("content") or content_of(body.get("channel") or {}) or "id-only"
    if content not in CONTENTS:
        raise Rejected(400, [Problem("fhir.subscription.payload", "content")])
    async with exchange.state.world.transaction(exchange.caller.tenant) as tx:
        rows = await past.rows_again(tx, exchange.record_id, first or 0, last)
        so_far = (await past.past(tx, exchange.record_id)).events
    for kind in {row["type"] for row in rows}:
        exchange.actor.reach(kind, "r")
    found = past.told_again(await visible.versions(exchange.state.world, exchange.actor, rows), content)
    await operated(exchange, f"Subscription/{exchange.record_id}", "$events")
    told = _told(exchange, body, "query-event", so_far)
    return exchange.answer(jsontext.text(bundle(told, found, exchange.state.world.now())))


async def _record(exchange: Exchange) -> dict[str, Any]:
    if exchange.type_name != "Subscription":
        raise Rejected(404, [Problem("fhir.not-supported")])
    row = await visible.current(exchange.state.world, exchange.actor, "Subscription", exchange.record_id)
    if row is None:
        raise NotFound("there is no such record")
    if row["deleted"]:
        raise Gone("the record was deleted")
    body = jsontext.stored(row["body"])
    return dict(body)


def _told(exchange: Exchange, body: dict[str, Any], kind: str, so_far: int) -> Status:
    base = exchange.state.world.settings.base_url
    topic = topic_of(body, content_of(body.get("channel") or {}))
    identity, state = str(body.get("id", "")), str(body.get("status", ""))
    return Status(subscription=identity, state=state, kind=kind, events=so_far, base=base, topic=topic)


def _number(exchange: Exchange, name: str) -> int | None:
    text = exchange.parameter(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > LARGEST:
        raise Rejected(400, [Problem("fhir.value", name, args=(("expected", "integer64"),))])
    return int(text)
