"""$graphql (R4 §3.2): reads and searches shaped by a GraphQL query, at the base address and on one record."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.exchange import Exchange, body_of
from canonical.errors import Gone, NotFound, TryLater
from canonical.problem import Problem
from fhir import graph, jsontext
from fhir.graph import BadGraph, Selection, asks_of_schema
from hub.find.graph import Graph

_MOST_BODY = 1024 * 1024
_BUSY = threading.Lock()
Asked = tuple[str, dict[str, Any], str]  # the query, its variables, the name of the operation
_TEXT, _JSON = "application/graphql", ("", "application/json", "application/fhir+json")


async def of_system(exchange: Exchange) -> Response:
    """$graphql over all records: reads by id, searches as lists and connections."""
    asked = await _asked(exchange)
    if (schema := await _of_schema(asked, "")) is not None:
        return schema
    at = _graph(exchange)
    return await _answered(exchange, at, await _carried_out(at.of_system(_selections(asked))))


async def of_record(exchange: Exchange) -> Response:
    """$graphql of one record, from which references and back-references lead on."""
    asked = await _asked(exchange)
    if (schema := await _of_schema(asked, exchange.type_name)) is not None:
        exchange.actor.reach(exchange.type_name, "r")
        return schema
    selections = _selections(asked)
    at = _graph(exchange)
    row = await at.row(exchange.type_name, exchange.record_id)
    if row is None:
        raise NotFound("there is no such record")
    if row["deleted"]:
        raise Gone("the record was deleted")
    body = jsontext.stored(row["body"])
    return await _answered(exchange, at, await _carried_out(at.of_record(body, selections)))


def _graph(exchange: Exchange) -> Graph:
    return Graph(exchange.state.world, exchange.actor, exchange.base)


async def _carried_out(work: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await work
        return found
    except BadGraph as error:
        raise _rejected(error) from None


def _rejected(error: BadGraph) -> Rejected:
    return Rejected(422 if error.problem.code.endswith("too-costly") else 400, [error.problem])


def _selections(asked: Asked) -> Sequence[Selection]:
    """What the query selects; raises Rejected."""
    try:
        return graph.selections(*asked)
    except BadGraph as error:
        raise _rejected(error) from None


async def _of_schema(asked: Asked, root: str) -> Response | None:
    """The answer to a question about the schema; None for any other query. Raises Rejected, TryLater.

    The whole schema takes seconds of the processor, so a process works at one at a time and keeps the last answers.
    """
    text, variables, operation = asked
    if not asks_of_schema(text):
        return None
    try:
        told = await asyncio.to_thread(_told, text, json.dumps(variables, sort_keys=True), operation, root)
    except BadGraph as error:
        raise _rejected(error) from None
    return None if told is None else Response(told, 200, None, "application/json")


@lru_cache(maxsize=2)
def _told(text: str, variables: str, operation: str, root: str) -> bytes | None:
    from fhir.graph_schema import introspected  # here: it is costly to import, and few ask

    if not _BUSY.acquire(blocking=False):
        raise TryLater("another question about the schema is being answered", code="fhir.graphql.busy")
    try:
        found = introspected(text, json.loads(variables), operation, root)
    finally:
        _BUSY.release()
    return None if found is None else json.dumps(found).encode()


async def _asked(exchange: Exchange) -> Asked:
    """The query, its variables, and the name of the operation."""
    if exchange.request.method != "POST":
        return _checked({"query": exchange.parameter("query")})
    kind = exchange.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    raw = await body_of(exchange.request, _MOST_BODY)
    if kind == _TEXT:
        return _checked({"query": raw.decode("utf-8", "replace")})
    if kind not in _JSON:
        raise Rejected(415, [Problem("fhir.graphql.media", "Content-Type")])
    document = jsontext.parse(raw)
    if isinstance(document, Problem):
        raise Rejected(400, [document])
    return _checked(document)


def _checked(document: Any) -> Asked:
    found = document if isinstance(document, dict) else {}
    text, variables, name = found.get("query"), found.get("variables") or {}, found.get("operationName") or ""
    if not text or not isinstance(text, str) or not isinstance(variables, dict) or not isinstance(name, str):
        raise Rejected(400, [Problem("fhir.graphql.syntax", "query")])
    return text, variables, name


async def _answered(exchange: Exchange, at: Graph, data: dict[str, Any]) -> Response:
    subject = exchange.caller.identity.subject
    for entity in sorted(at.touched):
        action = "search" if "?" in entity else "read"
        await exchange.state.reading.note(exchange.caller.tenant, subject, action, entity)
    document = {"data": data, **({"errors": at.errors[:100]} if at.errors else {})}
    return Response(jsontext.text(document), 200, None, "application/json")
