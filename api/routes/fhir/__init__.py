"""FHIR R4 at /fhir: one module an interaction; the routes come from `registry`.

Plain routes and no framework dependencies: a read should cost its trip to the database and little else.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.routes.fhir import metadata
from api.routes.fhir.exchange import opened
from api.routes.fhir.registry import INTERACTIONS, Interaction

PREFIX = "/fhir"
_SHAPE = re.compile(r":\w+(?=})")
_NAME = re.compile(r"{(\w+)}")


class _TypeConvertor(StringConvertor):
    """What may be the name of a type."""

    regex = "[A-Z][A-Za-z]{1,63}"


class _IdConvertor(StringConvertor):
    """What may be a logical id."""

    regex = r"[A-Za-z0-9\-.]{1,64}"


register_url_convertor("fhir_type", _TypeConvertor())
register_url_convertor("fhir_id", _IdConvertor())


def _endpoint(offered: dict[str, Interaction]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        item = offered["GET" if request.method == "HEAD" else request.method]
        return await item.handler(await opened(request, any_form=item.any_form))

    return endpoint


def routes() -> list[Route]:
    """The routes of the FHIR door."""
    smart = f"{PREFIX}/.well-known/smart-configuration"
    found = [Route(f"{PREFIX}/metadata", metadata.metadata), Route(smart, metadata.smart_configuration)]
    paths: dict[str, dict[str, Interaction]] = defaultdict(dict)
    for item in INTERACTIONS:
        paths[item.path][item.method] = item
    paths["/"] = paths[""]  # clients write the base address either way
    return [Route(PREFIX + path, _endpoint(h), methods=list(h)) for path, h in paths.items()] + found


def install(app: FastAPI) -> None:
    """Put the routes first, since the framework tries them in order, and tell the API description of them."""
    app.router.routes[:0] = routes()
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        document = generated()
        document.setdefault("paths", {}).update(paths())
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's own way to extend it


def paths() -> dict[str, dict[str, Any]]:
    """The registry as paths of the API description (OpenAPI 3.1)."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for item in INTERACTIONS:
        path = PREFIX + _SHAPE.sub("", item.path)
        summary = (item.handler.__doc__ or "").strip().splitlines()[0]
        body = {"content": {"application/fhir+json": {"schema": {"type": "object"}}}}
        found[path][item.method.lower()] = {
            "tags": ["FHIR R4"],
            "summary": summary,
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in _NAME.findall(path)
            ],
            **({"requestBody": body} if item.method in ("POST", "PUT") else {}),
            "responses": {
                "2XX": {"description": "done"},
                "4XX": {"description": "OperationOutcome", **body},
            },
        }
    return dict(found)
