"""transaction and batch (R4 §3.1.0.11): POST of a Bundle to the base address."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import Response

from api.http.rejected import Rejected, status_of
from api.routes.fhir import dispatch
from api.routes.fhir.audited import searched
from api.routes.fhir.bundles import bundle_text, entry_text
from api.routes.fhir.exchange import Exchange, outcome_text, part_of, same_version
from api.routes.fhir.search import page_text
from api.routes.fhir.write import described
from canonical.errors import PonteError, TryLater
from canonical.problem import Problem
from fhir import jsontext
from fhir.validation.validator import validate
from hub.records.requests import visible
from hub.records.requests.bundle import transact
from hub.records.requests.entry import Done, Entry, Failed, entries_of, problems_of, within
from hub.records.requests.refusal import Refusal
from hub.records.write import instant

_REASONS = {200: "200 OK", 201: "201 Created", 204: "204 No Content"}
_GONE = ("store.down", "store.unknown")
_UNCHANGED = "304 Not Modified"


async def bundle(exchange: Exchange) -> Response:
    """A transaction is done as a whole or not at all; each entry of a batch by itself."""
    document = await exchange.resource()
    kind = document.get("type")
    if document.get("resourceType") != "Bundle" or kind not in ("transaction", "batch"):
        raise Rejected(400, [Problem("fhir.bundle.type", "Bundle.type")])
    _complete(document)
    _check_frame(document)
    if kind == "batch":
        return exchange.answer(bundle_text("batch-response", await _batch(exchange, document), [], None))
    try:
        entries = _entries(exchange, document)
        done = await transact(exchange.state.world, exchange.actor, entries, exchange.stated_lineage)
    except Failed as failed:
        first = failed.causes[min(failed.causes)]
        problems = [p for n, cause in sorted(failed.causes.items()) for p in within(n, problems_of(cause))]
        raise Rejected(status_of(first), problems[:100]) from None
    await _note_reads(exchange, done)
    return exchange.answer(bundle_text("transaction-response", [_entry_text(exchange, d) for d in done], [], None))


def _complete(document: dict[str, Any]) -> None:
    """HAPI's client leaves out where an entry is posted (`withResources`): to the type of its resource."""
    entries = document.get("entry")
    for item in entries if isinstance(entries, list) else ():
        asked = item.get("request") if isinstance(item, dict) else None
        resource = item.get("resource") if isinstance(item, dict) else None
        if asked == {"method": "POST"} and isinstance(resource, dict):
            item["request"] = {**asked, "url": resource.get("resourceType")}


def _check_frame(document: dict[str, Any]) -> None:
    """The Bundle without its resources, which are judged one by one when they are stored."""
    entries = document.get("entry")
    frame = dict(document)
    if isinstance(entries, list):
        frame["entry"] = [
            {k: v for k, v in item.items() if k != "resource"} or {"fullUrl": "urn:x"}
            if isinstance(item, dict) else item
            for item in entries
        ]  # fmt: skip
        if not entries:
            frame.pop("entry")
    if problems := [p for p in validate(frame) if p.blocks]:
        raise Rejected(400, problems)


async def _batch(exchange: Exchange, document: dict[str, Any]) -> list[str]:
    """The answer to each entry, whatever becomes of the others; what fails before any was done is raised."""
    texts: list[str] = []
    stated = exchange.stated_lineage
    lost: TryLater | None = None
    for position, item in enumerate(document.get("entry", ())):
        if lost is not None:  # each of them would wait as long for a database that is gone
            texts.append(_failed_text(position, lost))
            continue
        if dispatch.is_other(item, exchange.base) or dispatch.is_nowhere(exchange, item):
            texts.append(await dispatch.answered(exchange, item))
            continue
        try:
            (entry,) = _entries(exchange, {"entry": [item]})
            (done,) = await transact(exchange.state.world, exchange.actor, [entry], stated)
            await _note_reads(exchange, [done])
            texts.append(_entry_text(exchange, done))
        except Failed as failed:
            texts.append(_failed_text(position, failed.causes[0]))
        except (Refusal, PonteError) as cause:
            if not texts and isinstance(cause, TryLater):
                raise
            texts.append(_failed_text(position, cause))
            if isinstance(cause, TryLater) and cause.code in _GONE:
                lost = TryLater("the database was lost before", code="store.down")
    return texts


def _entries(exchange: Exchange, document: dict[str, Any]) -> list[Entry]:
    """The entries of a Bundle, whose searches heed `Prefer` as they would alone; raises Failed."""
    found = entries_of(document, exchange.base)
    for entry in found:
        entry.strict = exchange.strict
    return found


def _failed_text(position: int, cause: Refusal | PonteError) -> str:
    outcome = outcome_text(within(position, problems_of(cause)))
    return f'{{"response":{{"status":"{status_of(cause)}","outcome":{outcome}}}}}'


async def _note_reads(exchange: Exchange, done: Sequence[Done]) -> None:
    """Reads and searches of a Bundle are audited like those outside of one."""
    for item in done:
        if item.entry.method == "GET" and item.query is not None:
            await searched(exchange, item.query, f"{item.entry.type_name}?")
        elif item.entry.method == "GET":
            entity = f"{item.entry.type_name}/{item.entry.id}"
            await exchange.state.reading.note(exchange.caller.tenant, exchange.caller.identity.subject, "read", entity)


def _entry_text(exchange: Exchange, done: Done) -> str:
    if done.page is not None and done.query is not None:
        if done.entry.bare:
            return '{"response":{"status":"200 OK"}}'
        return entry_text("", page_text(exchange.base, done.query, done.page), '"response":{"status":"200 OK"}')
    if done.saved is None and done.row is None:  # a conditional delete that found nothing
        return '{"response":{"status":"204 No Content"}}'
    place, version, moment, text, status = described(done)
    if done.entry.method == "GET" and done.entry.query:
        stated = dict(parse_qsl(done.entry.query))
        text = part_of(text, stated.get("_summary", ""), stated.get("_elements", ""))
    response = {"status": _REASONS[status]}
    if version and done.entry.method != "DELETE":
        response["location"] = f"{exchange.base}/{place}/_history/{version}"
    if version:
        response |= {"etag": f'W/"{version}"', "lastModified": instant(moment)}
    known = bool(version) and _is_known(done.entry, version, moment)
    if known:
        response["status"] = _UNCHANGED
    wanted = (done.entry.method == "GET" and not known) or (
        done.entry.method != "GET" and exchange.wanted_return == "representation"
    )
    wanted = wanted and done.entry.method != "DELETE" and not done.entry.bare
    shown = text if wanted and visible.shows(exchange.actor, done, done.entry.type_name, text) else ""
    full_url = f"{exchange.base}/{place}" if shown else ""
    return entry_text(full_url, shown, f'"response":{_response(exchange, response, done)}')


def _is_known(entry: Entry, version: int, moment: datetime.datetime) -> bool:
    """Whether the caller has this version (`ifNoneMatch`, or else `ifModifiedSince`; R4 §3.1.0.1.1)."""
    if entry.known:
        return same_version(entry.known, version)
    try:
        return bool(entry.since) and moment.replace(microsecond=0) <= datetime.datetime.fromisoformat(entry.since)
    except ValueError:  # a leap second, which FHIR has
        return False


def _response(exchange: Exchange, response: dict[str, str], done: Done) -> str:
    text = jsontext.text(response)
    if exchange.wanted_return == "OperationOutcome" and done.entry.method != "GET":
        return f'{text[:-1]},"outcome":{outcome_text([])}}}'
    return text
