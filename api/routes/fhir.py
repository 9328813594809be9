"""FHIR R4 at /fhir: the interactions on one resource."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.failures import FHIR_JSON, Rejected
from api.state import Caller, CallerDep, State, StateDep
from canonical.errors import Gone, NotFound
from canonical.identity import new_id
from canonical.problem import Problem
from fhir import jsontext
from fhir.definitions.table import resource_types
from hub.records.write import Origin, Saved, Write, save

router = APIRouter(prefix="/fhir")


@router.get("/{type_name}/{record_id}")
async def read(type_name: str, record_id: str, state: StateDep, caller: CallerDep) -> Response:
    """read (R4 §3.1.0.1): the stored text."""
    rows = await state.world.database.call(
        "SELECT * FROM ponte_read($1, $2, $3)", caller.tenant.id, _known(type_name), record_id
    )
    if not rows:
        raise NotFound("there is no such record")
    row = rows[0]
    if row["deleted"]:
        raise Gone("the record was deleted")
    headers = {"ETag": f'W/"{row["version"]}"', "Last-Modified": http_date(row["updated_at"])}
    return Response(row["body"], 200, headers, FHIR_JSON)


@router.post("/{type_name}", status_code=201)
async def create(type_name: str, request: Request, state: StateDep, caller: CallerDep) -> Response:
    """create (R4 §3.1.0.8): a body id is ignored."""
    body = await resource_of(request, _known(type_name))
    write = Write(type=type_name, id=str(new_id()), body=body, create=True)
    saved = await commit(state, caller, write)
    return written(saved, 201)


def _known(type_name: str) -> str:
    if type_name not in resource_types():
        raise Rejected(404, [Problem("fhir.not-supported.type", args=(("type", type_name[:64]),))])
    return type_name


async def resource_of(request: Request, type_name: str) -> dict[str, Any]:
    """The resource in the request's body, of the type of its address."""
    document = jsontext.parse(await request.body())
    if isinstance(document, Problem):
        raise Rejected(400, [document])
    if not isinstance(document, dict) or document.get("resourceType") != type_name:
        raise Rejected(400, [Problem("fhir.structure.resource-type", f"{type_name}.resourceType")])
    return document


async def commit(state: State, caller: Caller, write: Write) -> Saved:
    """One write in its own transaction."""
    origin = Origin(actor=caller.identity.subject, now=state.world.now(), zone=caller.tenant.zone)
    async with state.world.transaction(caller.tenant) as tx:
        return (await save(tx, [write], origin))[0]


def written(saved: Saved, status: int) -> Response:
    """The answer to a write: the stored text with its version and place."""
    headers = {
        "ETag": f'W/"{saved.version}"',
        "Last-Modified": http_date(saved.updated_at),
        "Location": f"/fhir/{saved.type}/{saved.id}/_history/{saved.version}",
    }
    return Response(saved.text, status, headers, FHIR_JSON)


def http_date(moment: Any) -> str:
    """RFC 9110 date."""
    return str(moment.strftime("%a, %d %b %Y %H:%M:%S GMT"))
