"""Operations on records: $meta (also of a type and of all), $meta-add, $meta-delete, $lastn, and $reindex."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.audited import searched
from api.routes.fhir.exchange import Exchange
from api.routes.fhir.inputs import pairs_given
from api.routes.fhir.search import check_known, page_text
from canonical.errors import Gone, NotFound
from canonical.problem import Problem
from fhir import jsontext
from fhir.definitions.table import resource_types
from fhir.outcome import outcome
from fhir.search.query import parse
from hub.exchange.work import jobs
from hub.find.labels import labels
from hub.find.search import Page
from hub.find.search import search as find
from hub.find.statement import OneTrip
from hub.records import custom
from hub.records.reindex import NAME
from hub.records.requests import visible
from hub.records.requests.bundle import transact
from hub.records.requests.entry import Entry

_LISTS = ("profile", "security", "tag")
_MOST_LASTN = 5000


def _parameters(**values: Any) -> str:
    listed = [{"name": name, **value} for name, value in values.items()]
    return jsontext.text({"resourceType": "Parameters", **({"parameter": listed} if listed else {})})


async def meta(exchange: Exchange) -> Response:
    """$meta: the meta of one record."""
    type_name, record_id = exchange.type_name, exchange.record_id
    row = await visible.current(exchange.state.world, exchange.actor, type_name, record_id)
    if row is None:
        raise NotFound("there is no such record")
    if row["deleted"]:
        raise Gone("the record was deleted")
    body = jsontext.stored(row["body"])
    return exchange.answer(_parameters(**{"return": {"valueMeta": body["meta"]}}))


async def meta_of_type(exchange: Exchange) -> Response:
    """$meta: the profiles, tags and security labels in use among the records of a type."""
    type_name = exchange.type_name
    exchange.actor.require(type_name, "s")
    return await _in_use(exchange, [type_name])


async def meta_of_all(exchange: Exchange) -> Response:
    """$meta: the profiles, tags and security labels in use, of the types whose records the token may all search."""
    types = [name for name in resource_types() if exchange.actor.permits(name, "s")]
    if not types:
        exchange.actor.require("*", "s")
    return await _in_use(exchange, types)


async def _in_use(exchange: Exchange, types: Sequence[str]) -> Response:
    found = await labels(OneTrip(exchange.state.world, exchange.actor.tenant), types)
    return exchange.answer(_parameters(**({"return": {"valueMeta": found}} if found else {})))


async def meta_add(exchange: Exchange) -> Response:
    """$meta-add: adds profiles, tags and security labels."""
    return await _changed(exchange, lambda old, new: [*old, *(item for item in new if not _holds(old, item))])


async def meta_delete(exchange: Exchange) -> Response:
    """$meta-delete: removes profiles, tags and security labels."""
    return await _changed(exchange, lambda old, new: [item for item in old if not _holds(new, item)])


def _holds(listed: list[Any], item: Any) -> bool:
    """Labels are the same by system and code."""
    if isinstance(item, dict):
        return any((each.get("system"), each.get("code")) == (item.get("system"), item.get("code")) for each in listed)
    return item in listed


async def _changed(exchange: Exchange, combine: Callable[[list[Any], list[Any]], list[Any]]) -> Response:
    type_name, record_id = exchange.type_name, exchange.record_id
    exchange.actor.reach(type_name, "u")
    document = await exchange.resource()
    listed = document.get("parameter", ())
    given = next((p["valueMeta"] for p in listed if isinstance(p, dict) and isinstance(p.get("valueMeta"), dict)), None)
    if given is None or any(not isinstance(given.get(name, []), list) for name in _LISTS):
        raise Rejected(400, [Problem("fhir.structure.required", "Parameters.parameter.value.ofType(Meta)")])

    def change(body: dict[str, Any]) -> dict[str, Any]:
        found = dict(body.get("meta", {}))
        for name in _LISTS:
            found[name] = combine(found.get(name, []), given.get(name, []))
        kept = {key: value for key, value in found.items() if value != []}
        return {**body, "meta": kept}

    entry = Entry(method="PATCH", type_name=type_name, id=record_id, patch=change, alone=True)
    (done,) = await transact(exchange.state.world, exchange.actor, [entry])
    saved: Any = jsontext.stored(done.saved.text) if done.saved else {}
    return exchange.answer(_parameters(**{"return": {"valueMeta": saved["meta"]}}))


async def lastn(exchange: Exchange) -> Response:
    """Observation/$lastn: the newest observations of each code, `max` of them (1), filtered like a search."""
    type_name = exchange.type_name
    if type_name != "Observation":
        raise Rejected(404, [Problem("fhir.not-supported")])
    exchange.actor.reach(type_name, "s")
    exchange.query = await pairs_given(exchange)
    text = exchange.parameter("max") or "1"
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:6]) <= 100:
        raise Rejected(400, [Problem("fhir.search.value", "max", args=(("name", "max"),))])
    world, tenant = exchange.state.world, exchange.caller.tenant
    asked = [(n, v) for n, v in exchange.query if n not in ("max", "_sort", "_count", "_cursor")]
    setting = exchange.actor.setting(world)
    query = parse(type_name, [*asked, ("_sort", "-date")], setting)
    check_known(exchange, query)
    query = dataclasses.replace(query, options=dataclasses.replace(query.options, count=_MOST_LASTN))
    page = await find(OneTrip(world, tenant), query, exchange.actor.sight)  # all at once: each page would sort anew
    if page.cursor:
        raise Rejected(422, [Problem("fhir.search.too-costly")])
    kept = _newest(page.rows, int(text))
    await searched(exchange, query, "Observation/$lastn")
    return exchange.answer(page_text(exchange.base, query, Page(rows=kept, total=len(kept))))


def _newest(rows: Sequence[Any], most: int) -> list[Any]:
    """The first `most` rows of each code; two codings are one code when they share one, a text stands for itself."""
    counts: dict[Any, int] = defaultdict(int)
    group_of: dict[Any, Any] = {}
    kept = []
    for row in rows:
        body = jsontext.stored(row["body"])
        code = body.get("code", {})
        names = [(c.get("system"), c.get("code")) for c in code.get("coding", ())] or [("", code.get("text"))]
        group = next((group_of[name] for name in names if name in group_of), names[0])
        group_of.update(dict.fromkeys(names, group))
        counts[group] += 1
        if counts[group] <= most:
            kept.append(row)
    return kept


async def reindex(exchange: Exchange) -> Response:
    """$reindex: adopts the tenant's active SearchParameter records and has the types they change indexed anew."""
    exchange.actor.require("SearchParameter", "u")
    world, tenant = exchange.state.world, exchange.caller.tenant
    async with world.transaction(tenant) as tx:
        types, problems = await custom.adopt(tx)
        arguments = {"types": types, "adopted": world.now().isoformat()}
        job = await jobs.enqueue(tx, NAME, arguments) if types else None
    custom.forget(tenant.id)
    values: dict[str, Any] = {"types": {"valueString": ",".join(types) or "-"}}
    if job is not None:
        values["job"] = {"valueString": str(job)}
    if problems:
        values["outcome"] = {"resource": outcome(problems)}
    return exchange.answer(_parameters(**values))
