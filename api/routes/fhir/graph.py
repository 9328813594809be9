"""$graphql (R4 §3.2): reads and searches shaped by a GraphQL query, at the base address and on one record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from api.http.failures import Rejected
from api.routes.fhir.exchange import Exchange, body_of
from canonical.errors import Gone, NotFound
from canonical.problem import Problem
from fhir import graph, jsontext
from fhir.graph import BadGraph, Selection
from hub.find.graph import Graph

_MOST_BODY = 1024 * 1024
_TEXT, _JSON = "application/graphql", ("", "application/json", "application/fhir+json")


async def of_system(exchange: Exchange) -> Response:
    """$graphql over all records: reads by id, searches as lists and connections."""
    selections = await _selections(exchange)
    at = _graph(exchange)
    return await _answered(exchange, at, await _carried_out(at.of_system(selections)))


async def of_record(exchange: Exchange) -> Response:
    """$graphql of one record, from which references and back-references lead on."""
    selections = await _selections(exchange)
    at = _graph(exchange)
    row = await at.row(exchange.type_name, exchange.record_id)
    if row is None:
        raise NotFound("there is no such record")
    if row["deleted"]:
        raise Gone("the record was deleted")
    body: Any = jsontext.parse(row["body"].encode())
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


async def _selections(exchange: Exchange) -> Sequence[Selection]:
    """What the query selects; raises Rejected."""
    text, variables, operation = await _asked(exchange)
    try:
        return graph.selections(text, variables, operation)
    except BadGraph as error:
        raise _rejected(error) from None


async def _asked(exchange: Exchange) -> tuple[str, dict[str, Any], str]:
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


def _checked(document: Any) -> tuple[str, dict[str, Any], str]:
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
