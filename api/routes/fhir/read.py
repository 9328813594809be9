"""read and vread (R4 §3.1.0.1, §3.1.0.2): the stored text, never a copy made anew."""

from __future__ import annotations

import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from starlette.responses import Response

from api.routes.fhir import binary
from api.routes.fhir.exchange import Exchange, http_date, same_version
from canonical.errors import Gone, NotFound
from hub.records.requests import visible


async def read(exchange: Exchange) -> Response:
    """read: 200, 304, 404, or 410 after a delete."""
    type_name, record_id = exchange.type_name, exchange.record_id
    row = await visible.current(exchange.state.world, exchange.actor, type_name, record_id)
    return await _found(exchange, row, f"{type_name}/{record_id}")


async def vread(exchange: Exchange) -> Response:
    """vread: one version, or 410 for the version that deleted."""
    type_name, record_id = exchange.type_name, exchange.record_id
    exchange.actor.reach(type_name, "r")
    number = str(exchange.request.path_params["version"])
    if not number.isascii() or not number.isdigit() or len(number) > 17:
        raise NotFound("there is no such version")
    row = await visible.version(exchange.state.world, exchange.actor, (type_name, record_id), int(number))
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
    if exchange.content:
        return binary.content(exchange.request, row["body"], headers)
    text = exchange.shown(row["body"]) if exchange.query else row["body"]
    return exchange.answer(text, 200, headers)


def _unchanged(exchange: Exchange, row: Any) -> bool:
    """Conditional read (R4 §3.1.0.1.1): the caller has this version already."""
    headers = exchange.request.headers
    if tags := headers.getlist("if-none-match"):
        return same_version(",".join(tags), row["version"])
    if since := headers.get("if-modified-since"):
        try:
            moment = parsedate_to_datetime(since)
        except (ValueError, TypeError):
            return False
        stated = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        return bool(row["updated_at"].replace(microsecond=0) <= stated)
    return False
