"""create, update, patch, delete and their conditional forms (R4 §3.1.0.4-§3.1.0.8): transactions of one entry."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir import binary
from api.routes.fhir.exchange import Exchange, body_of, check_content_type, http_date, outcome_text
from canonical.problem import Problem
from fhir import forms, jsontext, mergepatch
from fhir.validation import invariants
from hub.records.requests import visible
from hub.records.requests.bundle import transact
from hub.records.requests.entry import Done, Entry, condition_of, tags_of, xml_patch
from hub.records.requests.refusal import refused

_PATCHES = forms.JSON | forms.XML | forms.PATCHES | {forms.XML_PATCH}


async def create(exchange: Exchange) -> Response:
    """create: 201; with If-None-Exist 200 when the record is there already. A body id is ignored.

    Some clients (fhirpy's get_or_create) put the condition into the address; ignoring it would make doubles.
    """
    entry = await _entry(exchange, "POST")
    stated = exchange.request.headers.get("if-none-exist", "")
    entry.if_none_exist = condition_of(stated, entry.type_name) or _query(exchange)
    return _written(exchange, await _done(exchange, entry))


async def update(exchange: Exchange) -> Response:
    """update: 200, or 201 for an id not used before; If-Match decides against lost updates."""
    entry = await _entry(exchange, "PUT")
    entry.id = exchange.record_id
    return _written(exchange, await _done(exchange, entry))


async def update_conditional(exchange: Exchange) -> Response:
    """Conditional update: the one record that meets the query, or a new one."""
    entry = await _entry(exchange, "PUT")
    entry.query = _query(exchange)
    return _written(exchange, await _done(exchange, entry))


async def patch(exchange: Exchange) -> Response:
    """patch: JSON, XML or FHIRPath Patch, or a merge patch; 404 for what is not there."""
    entry = await _patch_entry(exchange)
    entry.id = exchange.record_id
    return _written(exchange, await _done(exchange, entry))


async def patch_conditional(exchange: Exchange) -> Response:
    """Conditional patch: the one record that meets the query."""
    entry = await _patch_entry(exchange)
    entry.query = _query(exchange)
    if not entry.query:
        raise refused("precondition", "fhir.conditional.empty")
    return _written(exchange, await _done(exchange, entry))


async def _patch_entry(exchange: Exchange) -> Entry:
    type_name = exchange.type_name
    exchange.actor.reach(type_name, "u")
    if check_content_type(exchange.request, _PATCHES) == forms.XML_PATCH:
        change = xml_patch(await body_of(exchange.request))
    else:
        change = _patch_of(exchange, await exchange.document(_PATCHES))
    entry = Entry(method="PATCH", type_name=type_name, patch=change, alone=True)
    _match(exchange, entry)
    return entry


def _patch_of(exchange: Exchange, document: Any) -> Any:
    """The patch as it was sent; of a merge patch the function that applies it.

    fhirpy sends merge patches as plain JSON, so an object that is no resource is one there, too.
    """
    kind = exchange.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    named = kind in forms.MERGES
    unnamed = kind == "application/json" and isinstance(document, dict) and "resourceType" not in document
    return partial(mergepatch.apply, changes=document) if named or unnamed else document


async def delete(exchange: Exchange) -> Response:
    """delete: 204, also for what is deleted already or never was."""
    entry = Entry(method="DELETE", type_name=exchange.type_name, id=exchange.record_id)
    _match(exchange, entry)
    return _written(exchange, await _done(exchange, entry))


async def delete_conditional(exchange: Exchange) -> Response:
    """Conditional delete: of one record, or of as many as the tenant allows."""
    entry = Entry(method="DELETE", type_name=exchange.type_name, query=_query(exchange))
    _match(exchange, entry)
    return _written(exchange, await _done(exchange, entry))


async def _entry(exchange: Exchange, method: str) -> Entry:
    type_name = exchange.type_name
    exchange.actor.reach(type_name, "c" if method == "POST" else "u")
    resource = await _resource(exchange)
    if resource.get("resourceType") != type_name:
        raise Rejected(400, [Problem("fhir.structure.resource-type", f"{type_name}.resourceType")])
    entry = Entry(method=method, type_name=type_name, resource=resource, alone=True)
    _match(exchange, entry)
    return entry


async def _resource(exchange: Exchange) -> dict[str, Any]:
    """The body as a resource; of a Binary also its content alone."""
    request = exchange.request
    if not binary.is_content(request, exchange.type_name):
        return await exchange.resource()
    identity = exchange.record_id if "record_id" in request.path_params else ""
    return binary.resource(request, await body_of(request), identity)


def _match(exchange: Exchange, entry: Entry) -> None:
    headers = exchange.request.headers
    entry.expected = tags_of(",".join(headers.getlist("if-match")), "If-Match")
    if entry.method != "POST":
        entry.unless = tags_of(",".join(headers.getlist("if-none-match")), "If-None-Match")


def _query(exchange: Exchange) -> str:
    text: str = exchange.request.scope["query_string"].decode("latin-1")
    return "&".join(part for part in text.split("&") if not part.startswith(("_format=", "_pretty=")))


async def _done(exchange: Exchange, entry: Entry) -> Done:
    return (await transact(exchange.state.world, exchange.actor, [entry], exchange.stated_lineage))[0]


def _written(exchange: Exchange, done: Done) -> Response:
    """The answer to a write, as Prefer: return wants it (R4 §3.1.0.1.10)."""
    if done.entry.method == "DELETE":
        headers = {"ETag": f'W/"{done.saved.version}"'} if done.saved and done.saved.version else {}
        return Response(status_code=204, headers=headers)
    found = done.saved or done.row
    if found is None:
        raise LookupError("a write without a record")
    place, version, moment, text, status = described(done)
    headers = {
        "ETag": f'W/"{version}"',
        "Last-Modified": http_date(moment),
        "Location": f"{exchange.base}/{place}/_history/{version}",
    }
    match exchange.wanted_return:
        case "minimal":
            return Response(status_code=status, headers=headers)
        case _ if not visible.shows(exchange.actor, done, place.partition("/")[0], text):
            return Response(status_code=status, headers=headers)
        case "OperationOutcome":
            return exchange.answer(outcome_text(_told(text)), status, headers)
    return exchange.answer(text, status, headers)


def _told(text: str) -> list[Problem]:
    """What there is to say of a record that was stored all the same."""
    return invariants.check(jsontext.stored(text))


def described(done: Done) -> tuple[str, int, datetime, str, int]:
    """`Type/id`, version, time, text and HTTP status of a written, found or read record."""
    if done.saved is not None:
        saved = done.saved
        status = 204 if done.entry.method == "DELETE" else 201 if saved.created else 200
        return f"{saved.type}/{saved.id}", saved.version, saved.updated_at, saved.text, status
    row = done.row
    if row is None:
        raise LookupError("no record")
    return f"{row['type']}/{row['id']}", row["version"], row["updated_at"], row["body"], 200
