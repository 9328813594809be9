"""$import: NDJSON in the body becomes records by an asynchronous job; what a line lacks is told in an error file."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.http.packing import unpacked
from api.http.rejected import Rejected
from api.routes.fhir.bulk import asked, require_async, too_many
from api.routes.fhir.exchange import Exchange
from canonical.problem import Problem
from fhir.definitions.table import resource_types
from hub.bulk import desk
from hub.bulk.intake import MOST_BYTES, MOST_LINE, Intake, TooLarge
from hub.guard import audit

_MEDIA = ("application/fhir+ndjson", "application/ndjson", "application/x-ndjson")


async def import_(exchange: Exchange) -> Response:
    """$import of the lines in the body, each one a record; `_type` says that all are of one type."""
    require_async(exchange)
    _check_headers(exchange.request)
    type_name = exchange.parameter("_type") or "mixed"
    if type_name not in ("mixed", *resource_types()):
        raise Rejected(400, [Problem("fhir.search.value", "_type", args=(("name", "_type"),))])
    types = resource_types() if type_name == "mixed" else (type_name,)
    if not any(exchange.caller.permits(name, "u") for name in types):
        exchange.actor.require("*" if type_name == "mixed" else type_name, "u")
    world, tenant, subject = exchange.state.world, exchange.caller.tenant, exchange.caller.identity.subject
    request = {"address": asked(exchange), "scopes": sorted(exchange.caller.identity.scopes)}
    async with world.transaction(tenant) as tx:
        if not await desk.has_room(tx, tenant, desk.IMPORT):
            return too_many(exchange, tenant)
        job = await desk.begin(tx, world.settings, desk.IMPORT, subject, request, now=world.now())
        await audit.note(tx, subject, "import", "$import", detail={"job": str(job)})
    await _kept(exchange, Intake(world, tenant, job, type=type_name))
    async with world.transaction(tenant) as tx:
        await desk.start(tx, desk.IMPORT, job)
    return Response(status_code=202, headers={"Content-Location": f"{exchange.base}/bulk/{job}"})


def _check_headers(request: Request) -> None:
    """Raise Rejected (415) for what is no NDJSON, or packed in a way not known."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _MEDIA or request.headers.get("content-encoding", "identity").lower() not in ("identity", "gzip"):
        raise Rejected(415, [Problem("fhir.bulk.media", "Content-Type")])


async def _kept(exchange: Exchange, intake: Intake) -> None:
    """The body as input of the job, which is given up when the body does not come in whole; raises Rejected."""
    chunks: AsyncIterator[bytes] = exchange.request.stream()
    if exchange.request.headers.get("content-encoding", "identity").lower() == "gzip":
        chunks = unpacked(chunks)
    try:
        await intake.keep(chunks)
    except BaseException as error:
        await _given_up(exchange, intake.job)
        if isinstance(error, TooLarge):
            limit = f"{MOST_LINE >> 20} MB / {MOST_BYTES >> 30} GB"
            raise Rejected(413, [Problem("failure.too-large", args=(("limit", limit),))]) from None
        if isinstance(error, (ClientDisconnect, zlib.error)):
            raise Rejected(400, [Problem("failure.request", level="error")]) from None
        raise


async def _given_up(exchange: Exchange, job: UUID) -> None:
    world, subject = exchange.state.world, exchange.caller.identity.subject
    async with world.transaction(exchange.caller.tenant) as tx:
        found = await desk.find(tx, world.settings, job, subject)
        if found is not None:
            await desk.cancel(tx, found, subject, world.now())
