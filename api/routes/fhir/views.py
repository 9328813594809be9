"""ViewDefinition/$run (SQL on FHIR v2): a view over the tenant's records as NDJSON, CSV or JSON, page by page."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response, StreamingResponse

from api.http.rejected import Rejected
from api.routes.fhir.exchange import Exchange
from api.routes.fhir.inputs import bad
from canonical.problem import Problem
from fhir import jsontext
from fhir.search.conditions import Inside
from fhir.search.query import Query, parse
from fhir.views import BadView, Row, View, view
from hub.find.search import search
from hub.find.sight import members
from hub.find.statement import OneTrip
from hub.records.requests.entry import is_id

_FORMATS = {
    "ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8", "json": "application/json",
}  # fmt: skip
_MEDIA = {
    "application/x-ndjson": "ndjson", "application/ndjson": "ndjson", "application/fhir+ndjson": "ndjson",
    "text/csv": "csv", "application/json": "json",
}  # fmt: skip
_PAGE = "500"
_OWN = ("_format", "header", "_limit", "_since", "patient", "_pretty", "viewResource", "resource")
_MOST_INLINE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A run: the compiled view, the form of its rows, and which records it is over."""

    view: View
    form: str
    header: bool
    limit: int | None
    pairs: tuple[tuple[str, str], ...]
    patient: str
    inline: Sequence[dict[str, Any]] | None


async def run(exchange: Exchange) -> Response:
    """ViewDefinition/$run: the rows of a view over records of its type, or over resources sent with it."""
    try:
        asked = _asked(exchange, await exchange.resource())
        batches = _inline(asked) if asked.inline is not None else _stored(exchange, asked)
        first: list[Row] = await anext(
            batches, []
        )  # what is wrong with the view mostly shows here, before anything is sent
    except BadView as error:
        raise Rejected(422, [error.problem]) from None
    if asked.inline is None:
        subject = exchange.caller.identity.subject
        entity = f"{asked.view.type_name}?$run"
        await exchange.state.reading.note(exchange.caller.tenant, subject, "search", entity)
    return StreamingResponse(_written(asked, first, batches), 200, None, _FORMATS[asked.form])


def _asked(exchange: Exchange, document: dict[str, Any]) -> _Asked:
    """What is asked, by Parameters or by a bare ViewDefinition and the address; raises Rejected, BadView."""
    named: dict[str, Any] = dict(exchange.query)
    given: list[dict[str, Any]] = []
    wanted: Any = document
    if document.get("resourceType") == "Parameters":
        wanted = None
        for item in document.get("parameter", ()) if isinstance(document.get("parameter", []), list) else ():
            name, body = (item.get("name"), item.get("resource")) if isinstance(item, dict) else (None, None)
            if name == "viewResource":
                wanted = body
            elif name == "resource" and isinstance(body, dict):
                given.append(body)
            else:
                named[str(name)] = _text(item)
    if unknown := [name for name in named if name not in _OWN]:
        raise bad(unknown[0])
    if not isinstance(wanted, dict):
        raise Rejected(400, [Problem("fhir.structure.required", "Parameters.parameter.resource")])
    compiled = view(wanted)
    return _Asked(
        view=compiled,
        form=_form(exchange, str(named.get("_format", ""))),
        header=named.get("header", "true") != "false",
        limit=_limit(named.get("_limit")),
        pairs=(("_count", _PAGE), *((("_lastUpdated", f"ge{named['_since']}"),) if named.get("_since") else ())),
        patient=str(named.get("patient", "")).removeprefix("Patient/"),
        inline=_suitable(given, compiled) if given else None,
    )


def _text(item: Any) -> str:
    value = next((v for k, v in item.items() if k.startswith("value")), "") if isinstance(item, dict) else ""
    return str(value.get("reference", "")) if isinstance(value, dict) else jsontext.text(value).strip('"')


def _suitable(given: list[dict[str, Any]], compiled: View) -> list[dict[str, Any]]:
    if len(given) > _MOST_INLINE:
        raise bad("resource")
    return [body for body in given if body.get("resourceType") == compiled.type_name]


def _limit(text: Any) -> int | None:
    if text in (None, ""):
        return None
    if not str(text).isascii() or not str(text).isdigit() or len(str(text)) > 9 or int(text) < 1:
        raise bad("_limit")
    return int(text)


def _form(exchange: Exchange, stated: str) -> str:
    """The form by `_format`, else by the first media type of Accept that is one; NDJSON when neither says."""
    if stated:
        found = stated if stated in _FORMATS else _MEDIA.get(stated.replace(" ", "+"))
        if found is None:
            raise bad("_format")
        return found
    accept = exchange.request.headers.get("accept", "")
    kinds = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return next((_MEDIA[kind] for kind in kinds if kind in _MEDIA), "ndjson")


async def _inline(asked: _Asked) -> AsyncIterator[list[Row]]:
    yield await asyncio.to_thread(_rows, asked.view, asked.inline or ())


async def _stored(exchange: Exchange, asked: _Asked) -> AsyncIterator[list[Row]]:
    """The rows of the stored records, a page at a time; raises Refusal, BadQuery, BadView."""
    source = OneTrip(exchange.state.world, exchange.caller.tenant)
    kind, cursor = asked.view.type_name, ""
    exchange.actor.reach(kind, "r")
    exchange.actor.reach(kind, "s")
    while True:
        page = await search(source, _query(exchange, asked, cursor), exchange.actor.sight)
        bodies = [jsontext.stored(row["body"]) for row in page.rows]
        yield await asyncio.to_thread(_rows, asked.view, bodies)
        cursor = page.cursor
        if not cursor:
            return


def _query(exchange: Exchange, asked: _Asked, cursor: str) -> Query:
    kind = asked.view.type_name
    pairs = [*asked.pairs, *([("_cursor", cursor)] if cursor else [])]
    inside = None
    if asked.patient:
        if not is_id(asked.patient):
            raise bad("patient")
        if kind == "Patient":
            pairs.append(("_id", asked.patient))
        elif kind in members("Patient"):
            inside = Inside(kind, "Patient", asked.patient, members("Patient")[kind])
        else:
            raise bad("patient")
    return parse(kind, pairs, exchange.actor.setting(exchange.state.world), inside)


def _rows(compiled: View, bodies: Sequence[Any]) -> list[Row]:
    return [row for body in bodies for row in compiled.rows(body)]


async def _written(asked: _Asked, first: list[Row], rest: AsyncIterator[list[Row]]) -> AsyncIterator[str]:
    """The rows in the form asked for; a record that does not fit the view breaks the answer off."""
    left = asked.limit
    begun = False
    async for rows in _chained(first, rest):
        shown = rows if left is None else rows[:left]
        left = None if left is None else left - len(shown)
        yield _page(asked, shown, begun=begun)
        begun = begun or bool(shown) or asked.form == "csv"
        if left == 0:
            break
    if asked.form == "json":
        yield "]" if begun else "[]"


async def _chained(first: list[Row], rest: AsyncIterator[list[Row]]) -> AsyncIterator[list[Row]]:
    yield first
    async for rows in rest:
        yield rows


def _page(asked: _Asked, rows: Sequence[Row], *, begun: bool) -> str:
    columns = asked.view.columns
    if asked.form == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        if asked.header and not begun:
            writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in rows)
        return out.getvalue()
    texts = [jsontext.text(dict(zip(columns, row, strict=True))) for row in rows]
    if asked.form == "ndjson":
        return "".join(f"{text}\n" for text in texts)
    return "".join(f"{',' if begun or n else '['}{text}" for n, text in enumerate(texts))


def _cell(value: Any) -> str:
    """A value as CSV holds it: nothing for null, text as it is, everything else as JSON."""
    return "" if value is None else value if isinstance(value, str) else jsontext.text(value)
