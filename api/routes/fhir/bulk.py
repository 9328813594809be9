"""$export (FHIR Bulk Data Access 2.0): kick-off on three levels, status with manifest, files, and cancelling."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from starlette.responses import Response, StreamingResponse

from api.http.packing import takes_gzip
from api.http.rejected import Rejected
from api.routes.fhir.exchange import Exchange, http_date, outcome_text
from api.routes.fhir.inputs import bad, pairs_given
from canonical.errors import Gone, NotFound
from canonical.problem import Problem
from fhir import jsontext
from fhir.definitions.table import resource_types
from fhir.search.conditions import BadQuery
from fhir.search.ranges import date_range
from hub.bulk import desk, members, pieces, wanted
from hub.bulk.desk import Job
from hub.bulk.pieces import File
from hub.bulk.reach import is_within
from hub.bulk.wanted import Level, Wanted
from hub.guard import audit
from hub.records.requests import visible
from hub.records.requests.entry import is_id
from hub.records.requests.refusal import Refusal
from hub.records.write import instant

NDJSON = "application/fhir+ndjson"
_FORMATS = (NDJSON, "application/ndjson", "ndjson")
_OWN = ("_outputFormat", "_since", "_until", "_type", "_typeFilter", "_elements", "patient")
_GENERAL = ("_format", "_pretty")
_NEXT_FILTER = re.compile(r",(?=[A-Z][A-Za-z]+\?)")
_MOST_FILTERS = 50
_FILE = re.compile(r"([0-9]{1,6})\.ndjson\Z")
Pairs = list[tuple[str, str]]


async def export_system(exchange: Exchange) -> Response:
    """$export of all records the token may read."""
    return await _begun(exchange, "system", [name for name in resource_types() if _may(exchange, name)])


async def export_patients(exchange: Exchange) -> Response:
    """$export of all patients with their records, or of those named by `patient`."""
    if exchange.type_name != "Patient":
        raise Rejected(404, [Problem("fhir.not-supported")])
    exchange.actor.reach("Patient", "r")
    return await _begun(exchange, "Patient", [name for name in wanted.types_of_patients() if _may(exchange, name)])


async def export_group(exchange: Exchange) -> Response:
    """$export of the patients of a group with their records."""
    if exchange.type_name != "Group":
        raise Rejected(404, [Problem("fhir.not-supported")])
    exchange.actor.reach("Patient", "r")
    row = await visible.current(exchange.state.world, exchange.actor, "Group", exchange.record_id)
    if row is None:
        raise NotFound("there is no such record")
    if row["deleted"]:
        raise Gone("the record was deleted")
    return await _begun(exchange, "Group", [name for name in wanted.types_of_patients() if _may(exchange, name)])


def _may(exchange: Exchange, type_name: str) -> bool:
    return bool(exchange.actor.sight(type_name, "r") and exchange.actor.sight(type_name, "s"))


async def _begun(exchange: Exchange, level: Level, types: list[str]) -> Response:
    require_async(exchange)
    pairs = [pair for pair in await pairs_given(exchange) if pair[0] not in _GENERAL]
    what = _wanted(exchange, level, pairs, types)
    world, tenant, subject = exchange.state.world, exchange.caller.tenant, exchange.caller.identity.subject
    entity = {"system": "$export", "Patient": "Patient/$export", "Group": f"Group/{what.group}"}[level]
    async with world.transaction(tenant) as tx:
        if not await desk.has_room(tx, tenant, desk.EXPORT):
            return too_many(exchange, tenant)
        job = await desk.begin(tx, world.settings, desk.EXPORT, subject, what.as_json(), now=world.now())
        await desk.start(tx, desk.EXPORT, job)
        detail = {"operation": "$export", "job": str(job), "types": len(what.types), "filtered": bool(what.filters)}
        await audit.note(tx, subject, "export", entity, detail=detail)
    return Response(status_code=202, headers={"Content-Location": f"{exchange.base}/bulk/{job}"})


def require_async(exchange: Exchange) -> None:
    """Raise Rejected unless the request asks for an asynchronous answer (R4 §3.1.6.1)."""
    if not exchange.wants_async:
        raise Rejected(400, [Problem("fhir.bulk.prefer", "Prefer")])


def too_many(exchange: Exchange, tenant: Any) -> Response:
    """429: the tenant has as many jobs under way as it may."""
    problem = Problem("fhir.bulk.too-many", args=(("limit", str(desk.most_open(tenant))),))
    return exchange.answer(outcome_text([problem]), 429, {"Retry-After": "60"})


def _format(text: str) -> str:
    """A media type without parameters; a plus sign that was not encoded arrives as a blank."""
    return text.partition(";")[0].strip().replace(" ", "+").lower()


def _wanted(exchange: Exchange, level: Level, pairs: Pairs, permitted: list[str]) -> Wanted:
    """The export that is asked for; raises Rejected, Refusal, BadQuery."""
    lenient = "handling=lenient" in exchange.preferences
    ignored = sorted({name[:64] for name, _ in pairs if name not in _OWN})
    if ignored and not lenient:
        raise Rejected(400, [Problem("fhir.bulk.parameter", name, args=(("name", name),)) for name in ignored])
    if any(_format(value) not in _FORMATS for name, value in pairs if name == "_outputFormat"):
        raise bad("_outputFormat")
    stated, unknown = _stated(level, _listed(pairs, "_type"), permitted, lenient=lenient)
    types = _types(exchange, level, stated, permitted)
    filters, unread = _filters(exchange, pairs, types, lenient=lenient)
    return Wanted(
        address=asked(exchange),
        level=level,
        types=types,
        since=_moment(exchange, pairs, "_since"),
        until=_moment(exchange, pairs, "_until"),
        filters=filters,
        elements=tuple(_listed(pairs, "_elements")),
        patients=_patients(level, pairs),
        group=exchange.record_id if level == "Group" else "",
        ignored=(*ignored, *unknown, *unread),
        scopes=_scopes(exchange),
        patient=exchange.caller.identity.patient,
        blocked=exchange.caller.blocked,
    )


def asked(exchange: Exchange) -> str:
    """The request as the client knows it: our public address, its path and query."""
    url = exchange.request.url
    return exchange.base.removesuffix("/fhir") + url.path + (f"?{url.query}" if url.query else "")


def _scopes(exchange: Exchange) -> tuple[str, ...]:
    return tuple(sorted(exchange.caller.identity.scopes))


def _listed(pairs: Pairs, name: str) -> list[str]:
    return [part.strip() for key, text in pairs if key == name for part in text.split(",") if part.strip()]


def _known(level: Level) -> list[str] | tuple[str, ...]:
    return resource_types() if level == "system" else wanted.types_of_patients()


def _stated(level: Level, stated: list[str], permitted: list[str], *, lenient: bool) -> tuple[list[str], list[str]]:
    """The types to export, and what is told of those that `handling=lenient` lets go (Bulk Data 2.0); one is left."""
    kept = [name for name in stated if name in permitted]
    if not lenient or not kept:
        return stated, []
    known = _known(level)
    gone = [name for name in dict.fromkeys(stated) if name not in permitted]
    # What is no type may be anything, so it is not repeated.
    return kept, sorted({f"_type={name}" if name in known else "_type" for name in gone})


def _types(exchange: Exchange, level: Level, stated: list[str], permitted: list[str]) -> tuple[str, ...]:
    """The types in the order they are gathered; those that are named must be permitted."""
    known = _known(level)
    for name in stated:
        if name not in known:
            raise bad("_type")
        exchange.actor.reach(name, "r")
        exchange.actor.reach(name, "s")
    if not stated and not permitted:
        exchange.actor.reach("*", "r")
    return tuple(name for name in permitted if not stated or name in stated)


def _moment(exchange: Exchange, pairs: Pairs, name: str) -> datetime.datetime | None:
    text = next((value for key, value in reversed(pairs) if key == name), "")
    if not text:
        return None
    span = date_range(text.replace(" ", "+"), exchange.actor.setting(exchange.state.world).zone)
    if span is None:
        raise bad(name)
    return span[0]


def _filters(
    exchange: Exchange, pairs: Pairs, types: Sequence[str], *, lenient: bool
) -> tuple[tuple[str, ...], list[str]]:
    """The searches of `_typeFilter`, each checked now, so that a wrong one is told at once.

    Also what is told of those that `handling=lenient` lets go: without its filters a type is exported whole. What the
    token may not search by is refused all the same.
    """
    found = [part for name, text in pairs if name == "_typeFilter" for part in _NEXT_FILTER.split(text) if part]
    if len(found) > _MOST_FILTERS:
        raise bad("_typeFilter")
    kept: list[str] = []
    for text in found:
        try:
            _filter(exchange, text, types)
        except (Rejected, BadQuery, Refusal) as error:
            if not lenient or (isinstance(error, Refusal) and error.kind == "forbidden"):
                raise
        else:
            kept.append(text)
    return tuple(kept), ["_typeFilter"] if len(kept) < len(found) else []


def _filter(exchange: Exchange, text: str, types: Sequence[str]) -> None:
    """Raises Rejected, BadQuery unless a filter is a search of one of the types, Refusal when the token may not ask."""
    kind, _, query = text.partition("?")
    if kind not in types or not query:
        raise bad("_typeFilter")
    try:
        members.conditions_of(kind, query, exchange.actor.setting(exchange.state.world), exchange.actor.sight)
    except Refusal as refusal:
        if refusal.kind != "precondition":
            raise
        raise bad("_typeFilter") from None  # parameters of results only, which no filter has (`_sort`, `_include`)


def _patients(level: Level, pairs: Pairs) -> tuple[str, ...]:
    found = [text.removeprefix("Patient/") for name, text in pairs if name == "patient"]
    if found and (level == "system" or not all(is_id(identity) for identity in found)):
        raise bad("patient")
    return tuple(dict.fromkeys(found))


async def status(exchange: Exchange) -> Response:
    """The state of a bulk job: 202 with its progress, or its manifest."""
    job = await job_of(exchange)
    if job.is_open:
        return _under_way(job)
    if job.status == "FAILED":
        return exchange.answer(outcome_text([Problem(job.problem or "bulk.failed", level="error")]), 500)
    async with exchange.state.world.transaction(exchange.caller.tenant) as tx:
        files = await pieces.files(tx, job.id)
    headers = {"Expires": http_date(job.expires_at.astimezone(datetime.UTC))}
    return Response(jsontext.text(_manifest(exchange, job, files)), 200, headers, "application/json")


def _under_way(job: Job) -> Response:
    types = job.request.get("types", ())
    done = int(job.progress.get("type", 0))
    place = "under way" if job.progress else "waiting"
    if done < len(types) and job.progress:
        place = f"{types[done]}, {done} of {len(types)} types"
    waiting = "2" if job.records < 100_000 else "10"
    return Response(status_code=202, headers={"X-Progress": f"{job.records} records, {place}", "Retry-After": waiting})


def _manifest(exchange: Exchange, job: Job, files: Sequence[File]) -> dict[str, Any]:
    def listed(kind: str) -> list[dict[str, Any]]:
        return [
            {"type": f.type, "url": f"{exchange.base}/bulk/{job.id}/{f.number}.ndjson", "count": f.records}
            for f in files
            if f.kind == kind
        ]

    told: dict[str, Any] = {}
    if job.kind == desk.IMPORT:
        refused = sum(f.records for f in files if f.kind == "error")
        told = {"extension": {"urn:ponte:import": {"written": job.records, "refused": refused}}}
    return {
        **told,
        "transactionTime": instant(job.bound_at) if job.bound_at else None,
        "request": job.request["address"],
        "requiresAccessToken": True,
        "output": listed("output"),
        "deleted": listed("deleted"),
        "error": listed("error"),
    }


async def cancel(exchange: Exchange) -> Response:
    """Cancels a bulk job, or gives up the files of one that has ended."""
    job = await job_of(exchange)
    world = exchange.state.world
    async with world.transaction(exchange.caller.tenant) as tx:
        await desk.cancel(tx, job, exchange.caller.identity.subject, world.now())
    return Response(status_code=202)


async def job_of(exchange: Exchange) -> Job:
    """The job of the address; raises NotFound unless the caller began it and it has not expired."""
    world = exchange.state.world
    try:
        identity = UUID(str(exchange.request.path_params["job"]))
    except ValueError:
        raise NotFound("there is no such job") from None
    async with world.transaction(exchange.caller.tenant) as tx:
        job = await desk.find(tx, world.settings, identity, exchange.caller.identity.subject)
    if job is None or job.expires_at <= world.now():
        raise NotFound("there is no such job")
    return job


async def file(exchange: Exchange) -> Response:
    """A file of a finished job: NDJSON, as gzip where the client takes it."""
    job = await job_of(exchange)
    match = _FILE.match(str(exchange.request.path_params["file"]))
    world, tenant = exchange.state.world, exchange.caller.tenant
    async with world.transaction(tenant) as tx:
        found = await pieces.file(tx, job.id, int(match[1])) if match else None
    if found is None or job.is_open or found.kind == "input":
        raise NotFound("there is no such file")
    if found.kind == "output" and not _may_have(exchange, job, found.type):
        exchange.actor.require(found.type, "r")
    subject = exchange.caller.identity.subject
    await exchange.state.reading.note(tenant, subject, "read", f"bulk/{job.id}/{found.number}")
    headers = {"Vary": "Accept-Encoding", "Cache-Control": "no-store"}
    if takes_gzip(exchange.request.headers.get("accept-encoding", "")):
        headers |= {"Content-Encoding": "gzip", "Content-Length": str(found.gzip_bytes)}
        return StreamingResponse(pieces.packed(world, tenant, job.id, found), 200, headers, NDJSON)
    headers["Content-Length"] = str(found.plain_bytes)
    return StreamingResponse(pieces.plain(world, tenant, job.id, found), 200, headers, NDJSON)


def _may_have(exchange: Exchange, job: Job, type_name: str) -> bool:
    """Whether the token reaches what an export wrote of a type; of an import there is no output."""
    identity = exchange.caller.identity
    return is_within(wanted.wanted(job.request), type_name, identity.scopes, identity.patient)
