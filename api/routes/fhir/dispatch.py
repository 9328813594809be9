"""Entries of a batch that ask for more than a record or a search of a type (R4 §3.1.0.11).

They are histories, operations, the statement, searches of several types and of compartments.

Each goes to the route it would reach by itself, under the caller's own token; nothing of it is part of a transaction.
"""

from __future__ import annotations

import http
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Message

from api.routes.fhir.exchange import Exchange
from fhir import jsontext
from hub.records.requests.entry import METHODS, address
from hub.records.requests.refusal import Refusal

_READS = ("GET", "HEAD")
_METHODS = (*_READS, "POST")
_WHOLE = (["metadata"], [""])  # of the server; a query alone is a search of several types
_FOREIGN = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")  # a whole address that does not begin with ours
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")
_APART = ("$export", "$import", "bulk")  # they answer later, or take streams
_KEPT = frozenset((b"authorization", b"prefer", b"accept-language"))
_RESOURCE = '{"resourceType"'
_NO_RESOURCE = '{"response":{"status":"406 Not Acceptable"}}'
_FORM = (b"application/fhir+json", b"application/x-www-form-urlencoded")


def is_other(item: Any, base: str) -> bool:
    """Whether an entry asks for another interaction than those on records and searches."""
    asked = item.get("request") if isinstance(item, dict) else None
    if not isinstance(asked, dict) or asked.get("method") not in _METHODS:
        return False
    url = str(asked.get("url", "")).removeprefix(base)
    if _is_foreign(url):
        return False
    parts = _path(url).split("/")
    if any(part in _APART for part in parts):
        return False
    operation = parts[-1].startswith("$") or parts[-1] == "_search"
    return operation or (
        asked["method"] in _READS and (parts[-1] == "_history" or parts in _WHOLE or _is_member(parts))
    )


def is_nowhere(exchange: Exchange, item: Any) -> bool:
    """Whether an entry asks for what is no address of a record or a search: it is told what it would be told alone.

    A read is asked as it stands. A write only goes where no route takes it: preconditions are read elsewhere.
    """
    asked = item.get("request") if isinstance(item, dict) else None
    if not isinstance(asked, dict) or not isinstance(asked.get("url"), str):
        return False
    method, url = str(asked.get("method")), asked["url"].removeprefix(exchange.base)
    if method not in (*METHODS, "HEAD") or _is_foreign(url) or any(part in _APART for part in _path(url).split("/")):
        return False
    try:
        address("GET" if method == "HEAD" else method, url.removeprefix("/"))
    except Refusal:
        return method in _READS or not _has_route(_request(exchange, item))
    return False


def _has_route(request: Request) -> bool:
    routes = (route for route in request.app.router.routes if isinstance(route, Route))
    return any(route.matches(request.scope)[0] is Match.FULL for route in routes if route.path.startswith("/fhir"))


def _is_member(parts: list[str]) -> bool:
    """Whether an address is a search within a compartment: `Patient/1/Observation`, `Patient/1/*`."""
    return len(parts) == 3 and (parts[2] == "*" or _TYPE.match(parts[2]) is not None)


def _is_foreign(url: str) -> bool:
    """Whether a text is an address that does not begin with ours, or none that can be read (`//[`)."""
    try:
        urlsplit(url)
    except ValueError:
        return True
    return _FOREIGN.match(url) is not None


def _path(url: str) -> str:
    return urlsplit(url).path.strip("/")


async def answered(exchange: Exchange, item: dict[str, Any]) -> str:
    """The entry that answers `item`."""
    request = _request(exchange, item)
    try:
        response = await _response(request)
    except Exception as error:
        handler = _handler(request, error)
        if handler is None:
            raise
        response = await handler(request, error)
    return _entry(response, bare=item["request"]["method"] == "HEAD")


def _request(exchange: Exchange, item: dict[str, Any]) -> Request:
    """The request an entry stands for."""
    asked, resource = item["request"], item.get("resource")
    url = str(asked["url"]).removeprefix(exchange.base)
    path, query = f"/fhir/{_path(url)}".rstrip("/"), urlsplit(url).query
    posted = asked["method"] == "POST"
    form = posted and path.endswith("/_search")
    body = query.encode() if form else jsontext.text(resource).encode() if posted and resource is not None else b""
    kept = [pair for pair in exchange.request.scope["headers"] if pair[0] in _KEPT]
    headers = [*kept, (b"accept", b"application/fhir+json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"content-type", _FORM[form])] if body else []
    scope = {**exchange.request.scope, "method": asked["method"], "path": unquote(path), "raw_path": path.encode()}
    scope |= {"query_string": b"" if form else query.encode(), "headers": headers, "path_params": {}}

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope, receive)


async def _response(request: Request) -> Response:
    """What the route of a request answers; without one what the application says of such (404, 405)."""
    methods: set[str] = set()
    for route in request.app.router.routes:
        if isinstance(route, Route) and route.path.startswith("/fhir"):
            match, found = route.matches(request.scope)
            if match is Match.FULL:
                request.scope.update(found)
                answer = await route.endpoint(request)
                return answer if isinstance(answer, Response) else Response(status_code=500)
            methods |= (route.methods or set()) if match is Match.PARTIAL else set()
    raise HTTPException(405 if methods else 404)


def _handler(request: Request, error: Exception) -> Any:
    """The application's handler of a failure; None for a crash, which is no answer."""
    known = request.app.exception_handlers
    return next((known[kind] for kind in type(error).__mro__ if kind in known and kind is not Exception), None)


def _entry(response: Response, *, bare: bool) -> str:
    """An answer as an entry of a batch-response; `bare`: without its resource."""
    told: dict[str, Any] = {"status": f"{response.status_code} {http.HTTPStatus(response.status_code).phrase}"}
    for name, header in (("etag", "etag"), ("location", "location")):
        if header in response.headers:
            told[name] = response.headers[header]
    text = bytes(getattr(response, "body", b"")).decode()
    if not text.startswith(_RESOURCE) and (text or not hasattr(response, "body")):
        return _NO_RESOURCE  # rows, or GraphQL's own form
    status = jsontext.text(told)
    if response.status_code >= 400:
        return f'{{"response":{status[:-1]},"outcome":{text}}}}}' if text else f'{{"response":{status}}}'
    return f'{{"resource":{text},"response":{status}}}' if text and not bare else f'{{"response":{status}}}'
