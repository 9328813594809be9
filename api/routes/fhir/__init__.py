"""FHIR R4 at /fhir: one module an interaction; the routes come from `registry`.

Plain routes and no framework dependencies: a read should cost its trip to the database and little else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache

from fastapi import FastAPI
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.routes.fhir import metadata
from api.routes.fhir.exchange import opened
from api.routes.fhir.registry import INSTANCE, INTERACTIONS, TYPE, Interaction

PREFIX = "/fhir"


class _TypeConvertor(StringConvertor):
    """What may be the name of a type."""

    regex = "[A-Z][A-Za-z]{1,63}"


class _IdConvertor(StringConvertor):
    """What may be a logical id."""

    regex = r"[A-Za-z0-9\-.]{1,64}"


class _OtherConvertor(StringConvertor):
    """What stands where an id would and is none: neither an operation nor `_history` or `_search`."""

    regex = "[^/$_][^/]*"


register_url_convertor("fhir_type", _TypeConvertor())
register_url_convertor("fhir_id", _IdConvertor())
register_url_convertor("fhir_other", _OtherConvertor())


def _endpoint(offered: dict[str, Interaction]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        item = offered["GET" if request.method == "HEAD" else request.method]
        return await item.handler(await opened(request, any_form=item.any_form))

    return endpoint


@cache
def routes() -> tuple[Route, ...]:
    """The routes of the FHIR door, which every application of the process shares."""
    smart = f"{PREFIX}/.well-known/smart-configuration"
    found = [Route(f"{PREFIX}/metadata", metadata.metadata), Route(smart, metadata.smart_configuration)]
    paths: dict[str, dict[str, Interaction]] = {}
    for item in INTERACTIONS:
        paths.setdefault(item.path, {})[item.method] = item
    paths["/"] = paths[""]  # clients write the base address either way
    for busy in (TYPE, INSTANCE):  # each route that is tried before the right one costs a request some microseconds
        paths = {busy: paths[busy], **paths}
    found.append(Route(f"{PREFIX}{TYPE}/{{record_id:fhir_other}}", _no_id, methods=["GET", "PUT", "PATCH", "DELETE"]))
    return (*(Route(PREFIX + path, _endpoint(h), methods=list(h)) for path, h in paths.items()), *found)


async def _no_id(request: Request) -> Response:
    """The address of a record under what can be no id; raises Rejected, also for a type that does not exist."""
    exchange = await opened(request)
    raise exchange.no_id(exchange.type_name)


def install(app: FastAPI) -> None:
    """Put the routes first, since the framework tries them in order."""
    app.router.routes[:0] = routes()
