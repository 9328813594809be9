"""Composition/$document (R4 OperationDefinition Composition-document): the document of a Composition as a Bundle."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.audited import operated
from api.routes.fhir.bundles import entry_text
from api.routes.fhir.exchange import Exchange
from canonical.errors import Gone, NotFound
from canonical.problem import Problem
from fhir import jsontext
from hub.find.included import documents
from hub.records.requests import read as store
from hub.records.requests.bundle import transact
from hub.records.requests.entry import Entry, is_id
from hub.records.write import instant

_OWN = ("persist", "id", "graph", "_format", "_pretty")


async def document(exchange: Exchange) -> Response:
    """$document of the Composition of the address; `persist` stores the Bundle as well."""
    return await _document(exchange, exchange.record_id, await _asked(exchange))


async def document_named(exchange: Exchange) -> Response:
    """$document of the Composition that `id` names."""
    asked = await _asked(exchange)
    identity = asked.get("id", "").removeprefix(f"{exchange.base}/").removeprefix("Composition/")
    if not is_id(identity):
        raise Rejected(400, [Problem("fhir.search.value", "id", args=(("name", "id"),))])
    return await _document(exchange, identity, asked)


async def _asked(exchange: Exchange) -> dict[str, str]:
    """The parameters, from the address and, by POST, from a Parameters body; raises Rejected."""
    if exchange.type_name != "Composition":
        raise Rejected(404, [Problem("fhir.not-supported")])
    asked = dict(exchange.query)
    if exchange.request.method == "POST" and exchange.request.headers.get("content-length", "0") != "0":
        body = await exchange.resource()
        for item in body.get("parameter", ()) if isinstance(body.get("parameter", []), list) else ():
            value = next((v for k, v in item.items() if k.startswith("value")), "") if isinstance(item, dict) else ""
            asked[str(item.get("name")) if isinstance(item, dict) else ""] = jsontext.text(value).strip('"')
    wrong = [name for name in asked if name not in _OWN or name == "graph"]
    if wrong or asked.get("persist", "false") not in ("true", "false"):
        name = wrong[0][:64] if wrong else "persist"
        raise Rejected(
            400, [Problem("fhir.bulk.parameter" if wrong else "fhir.search.value", name, args=(("name", name),))]
        )
    return asked


async def _document(exchange: Exchange, identity: str, asked: dict[str, str]) -> Response:
    world, tenant, actor = exchange.state.world, exchange.caller.tenant, exchange.actor
    actor.require("Composition", "r")
    row = await store.current(world, tenant, "Composition", identity)
    if row is None:
        raise NotFound("there is no such record")
    if row["deleted"]:
        raise Gone("the record was deleted")

    def permit(kind: str, direct: bool) -> bool:
        if direct:  # a document without what it is about would say something else
            actor.require(kind, "r")
        return actor.permits(kind, "r")

    whole = {"type": "Composition", "id": identity, **dict(row)}
    rows = await documents.members(world, tenant, whole, exchange.base, permit)
    text = _text(exchange, rows)
    await operated(exchange, f"Composition/{identity}", "$document")
    if asked.get("persist") != "true":
        return exchange.answer(text)
    body = jsontext.stored(text)
    (done,) = await transact(world, actor, [Entry(method="POST", type_name="Bundle", resource=body, alone=True)])
    if done.saved is None:
        raise LookupError("a write without a record")
    place = f"{exchange.base}/Bundle/{done.saved.id}/_history/{done.saved.version}"
    return exchange.answer(done.saved.text, 200, {"Location": place, "ETag": f'W/"{done.saved.version}"'})


def _text(exchange: Exchange, rows: list[Any]) -> str:
    """The Bundle: stored texts as they are, under their addresses here."""
    name = jsontext.text({"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"})
    moment = instant(exchange.state.world.now())
    entries = ",".join(entry_text(f"{exchange.base}/{row['type']}/{row['id']}", row["body"]) for row in rows)
    head = f'"resourceType":"Bundle","identifier":{name},"type":"document","timestamp":"{moment}"'
    return f'{{{head},"entry":[{entries}]}}'
