"""read, vread and instance history (R4 §3.1.0.1, §3.1.0.2, §3.1.0.9): the stored text, never a copy made anew."""

from __future__ import annotations

import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from api.failures import Rejected
from api.routes.fhir.bundles import bundle_text, entry_text, link_text
from api.routes.fhir.exchange import Exchange, http_date
from canonical.errors import Gone, NotFound
from canonical.problem import Problem
from fhir.options import DEFAULT_COUNT, MOST_COUNT
from fhir.ranges import date_range
from hub.records import read as store

_METHODS = {"POST": "201", "PUT": "200", "DELETE": "204"}


async def read(exchange: Exchange) -> Response:
    """read: 200, 304, 404, or 410 after a delete."""
    type_name, record_id = exchange.type_name, exchange.record_id
    exchange.actor.require(type_name, "r")
    row = await store.current(exchange.state.world, exchange.caller.tenant, type_name, record_id)
    return await _found(exchange, row, f"{type_name}/{record_id}")


async def vread(exchange: Exchange) -> Response:
    """vread: one version, or 410 for the version that deleted."""
    type_name, record_id = exchange.type_name, exchange.record_id
    exchange.actor.require(type_name, "r")
    number = str(exchange.request.path_params["version"])
    if not number.isascii() or not number.isdigit() or len(number) > 17:
        raise NotFound("there is no such version")
    world, tenant = exchange.state.world, exchange.caller.tenant
    row = await store.version(world, tenant, (type_name, record_id), int(number))
    return await _found(exchange, row, f"{type_name}/{record_id}/_history/{number}")


async def _found(exchange: Exchange, row: Any, entity: str) -> Response:
    if row is None:
        raise NotFound("there is no such record")
    if row["deleted"]:
        raise Gone("the record was deleted")
    identity = exchange.caller.identity
    await exchange.state.reading.note(exchange.caller.tenant, identity.subject, "read", entity)
    headers = {"ETag": f'W/"{row["version"]}"', "Last-Modified": http_date(row["updated_at"])}
    if _unchanged(exchange, row):
        return Response(status_code=304, headers=headers)
    text = exchange.shown(row["body"]) if exchange.query else row["body"]
    return exchange.answer(text, 200, headers)


def _unchanged(exchange: Exchange, row: Any) -> bool:
    """Conditional read (R4 §3.1.0.1.1): the caller has this version already."""
    headers = exchange.request.headers
    if tags := headers.get("if-none-match"):
        current = f'"{row["version"]}"'
        return any(tag.strip().removeprefix("W/") in (current, "*") for tag in tags.split(","))
    if since := headers.get("if-modified-since"):
        try:
            moment = parsedate_to_datetime(since)
        except (ValueError, TypeError):
            return False
        stated = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        return bool(row["updated_at"].replace(microsecond=0) <= stated)
    return False


async def history(exchange: Exchange) -> Response:
    """Instance history, newest first; pages go on below the last version shown."""
    type_name, record_id = exchange.type_name, exchange.record_id
    exchange.actor.require(type_name, "r")
    count = min(_whole(exchange, "_count", DEFAULT_COUNT), MOST_COUNT)
    below = _whole(exchange, "_below", store.NEWEST)
    world, tenant = exchange.state.world, exchange.caller.tenant
    rows = list(
        await store.history(world, tenant, (type_name, record_id), most=count + 1, below=below, since=_since(exchange))
    )
    if not rows and await store.current(world, tenant, type_name, record_id) is None:
        raise NotFound("there is no such record")
    await exchange.state.reading.note(tenant, exchange.caller.identity.subject, "history", f"{type_name}/{record_id}")
    own = f"{exchange.base}/{type_name}/{record_id}"
    links = [("self", link_text(f"{own}/_history", exchange.query))]
    if len(rows) > count and count:
        rows = rows[:count]
        kept = [(k, v) for k, v in exchange.query if k != "_below"]
        links.append(("next", f"{own}/_history?{urlencode([*kept, ('_below', rows[-1]['version'])])}"))
    place = (type_name, record_id)
    entries = [_version_text(exchange, own, place, row) for row in rows[:count]]
    total = None if "_below" in dict(exchange.query) or len(links) > 1 else len(rows)
    return exchange.answer(bundle_text("history", entries, links, total))


def _version_text(exchange: Exchange, own: str, place: tuple[str, str], row: Any) -> str:
    method = row["method"]
    url = place[0] if method == "POST" else "/".join(place)
    stamp = row["updated_at"].isoformat()
    status = "201" if row["version"] == 1 else _METHODS[method]
    rest = (
        f'"request":{{"method":"{method}","url":"{url}"}},'
        f'"response":{{"status":"{status}","etag":"W/\\"{row["version"]}\\"","lastModified":"{stamp}"}}'
    )
    body = "" if row["deleted"] else exchange.shown(row["body"])
    return entry_text(own, body, rest)


def _whole(exchange: Exchange, name: str, default: int) -> int:
    text = exchange.parameter(name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 17:
        raise Rejected(400, [Problem("fhir.search.value", name, args=(("name", name),))])
    return int(text)


def _since(exchange: Exchange) -> datetime.datetime | None:
    text = exchange.parameter("_since")
    if not text:
        return None
    span = date_range(text.replace(" ", "+"), exchange.actor.setting(exchange.state.world).zone)
    if span is None:
        raise Rejected(400, [Problem("fhir.search.value", "_since", args=(("name", "_since"),))])
    return span[0]
