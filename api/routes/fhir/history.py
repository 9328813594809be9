"""history of a record, of a type and of the system (R4 §3.1.0.9), with `_since`, `_at`, `_count`, `_sort` and pages.

`_sort` is R5's: `-_lastUpdated`, as without it, and `_lastUpdated`, the oldest first.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.bundles import bundle_text, entry_text, link_text
from api.routes.fhir.exchange import Exchange
from api.routes.fhir.inputs import bad
from canonical.errors import NotFound
from canonical.problem import Problem
from fhir.definitions.table import resource_types
from fhir.search.options import DEFAULT_COUNT, MOST_COUNT, cursor_parts, cursor_text
from fhir.search.ranges import EARLIEST, LATEST, date_range
from fhir.search.values import BadValue
from hub.records.requests import history as store
from hub.records.requests import visible
from hub.records.write import instant

Row = Any
_PARAMETERS = ("_since", "_at", "_count", "_sort", "_cursor", "_summary", "_elements", "_format", "_pretty")
MOST_LOOKS = 20  # a narrow token may see few of many versions
_SPANS: dict[str, Callable[[datetime.datetime, datetime.datetime], tuple[datetime.datetime, datetime.datetime]]] = {
    "eq": lambda start, end: (start, end),
    **dict.fromkeys(("gt", "sa"), lambda start, end: (end, LATEST)),
    "ge": lambda start, end: (start, LATEST),
    **dict.fromkeys(("lt", "eb"), lambda start, end: (EARLIEST, start)),
    "le": lambda start, end: (EARLIEST, end),
}  # the moments that a prefix of `_at` means (R4 §3.1.1.4.7)
_STATUS = {"POST": "201", "PUT": "200", "PATCH": "200", "DELETE": "204"}


async def history(exchange: Exchange) -> Response:
    """Instance history, newest first."""
    type_name, record_id = exchange.type_name, exchange.record_id
    exchange.actor.reach(type_name, "r")
    world, tenant = exchange.state.world, exchange.caller.tenant
    period, place = _period(exchange), _place(exchange)
    if place is store.FIRST:
        place = dataclasses.replace(place, version=store.NEWEST)

    async def after(place: store.Place) -> list[Row]:
        return await store.of_record(world, tenant, type_name, record_id, period, place)

    rows = await _shown(exchange, after, period.most, place)
    if not rows and await visible.current(world, exchange.actor, type_name, record_id) is None:
        raise NotFound("there is no such record")
    total = None
    if exchange.actor.permits(type_name, "r"):  # one record has few versions: they are counted
        total = await store.count_of_record(world, tenant, type_name, record_id, period)
    return await _answer(
        exchange, f"{type_name}/{record_id}", _Found(rows, period.most - 1, place, total, _rising(exchange))
    )


async def history_type(exchange: Exchange) -> Response:
    """History of all records of a type, newest first."""
    type_name = exchange.type_name
    exchange.actor.reach(type_name, "r")
    return await _many(exchange, type_name, [type_name])


async def history_system(exchange: Exchange) -> Response:
    """History of all records of the types the token may read, newest first."""
    types = [name for name in resource_types() if exchange.actor.sight(name, "r")]
    if not types:
        exchange.actor.reach("*", "r")
    return await _many(exchange, "", types)


async def _many(exchange: Exchange, address: str, types: Sequence[str]) -> Response:
    period, place = _period(exchange), _place(exchange)
    world, tenant = exchange.state.world, exchange.caller.tenant

    async def after(place: store.Place) -> list[Row]:
        return await store.of_types(world, tenant, types, period, place)

    rows = await _shown(exchange, after, period.most, place)
    total = None
    if all(exchange.actor.permits(name, "r") for name in types):
        total = await store.count_of_types(world, tenant, types, period)
    return await _answer(exchange, address, _Found(rows, period.most - 1, place, total, _rising(exchange)))


async def _shown(
    exchange: Exchange, after: Callable[[store.Place], Awaitable[list[Row]]], most: int, place: store.Place
) -> list[Row]:
    """The next `most` versions that the caller may see; a page is filled from as many looks as MOST_LOOKS."""
    shown: list[Row] = []
    for _ in range(MOST_LOOKS):
        rows = await after(place)
        shown += await visible.versions(exchange.state.world, exchange.actor, rows)
        if len(rows) < most or len(shown) >= most:
            return shown[:most]
        place = store.place_of(rows[-1], up=place.up)
    raise Rejected(422, [Problem("fhir.search.too-costly")])


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found beyond a place, the nearest first, with one version more than `count` when there are more.

    `rising`: the oldest come first.
    """

    found: Sequence[Row]
    count: int
    place: store.Place
    total: int | None
    rising: bool = False

    @property
    def _back(self) -> bool:
        """Whether the page was read from its end."""
        return self.place.up != self.rising

    @property
    def rows(self) -> list[Row]:
        """The page in its order."""
        page = list(self.found[: self.count])
        return page[::-1] if self._back else page

    @property
    def neighbours(self) -> list[tuple[str, str]]:
        """The cursors of the pages before and behind this one, by relation."""
        more, started = len(self.found) > self.count, self.place.version not in (store.FIRST.version, store.NEWEST)
        rows = self.rows
        named = [("previous", more if self._back else started, 0), ("next", started if self._back else more, -1)]
        return [
            (name, _cursor(rows[n], up=(name == "previous") != self.rising))
            for name, there, n in named
            if there and rows
        ]


def _cursor(row: Row, *, up: bool) -> str:
    mark = "-" if up else ""
    return cursor_text(f"{mark}{row['type']}/{row['id']}/{row['updated_at'].isoformat()}", row["version"])


# Where the last page begins, which is read from its end; where the oldest come first it ends with the newest.
_LAST = {
    False: cursor_text(f"-//{EARLIEST.isoformat()}", 0),
    True: cursor_text(f"//{LATEST.isoformat()}", store.NEWEST),
}


async def _answer(exchange: Exchange, address: str, page: _Found) -> Response:
    subject = exchange.caller.identity.subject
    await exchange.state.reading.note(exchange.caller.tenant, subject, "history", address or "system")
    own = f"{exchange.base}/{address}/_history" if address else f"{exchange.base}/_history"
    used = [(k, v) for k, v in exchange.query if k in _PARAMETERS]
    links = [("self", link_text(own, used))]
    kept = [(k, v) for k, v in used if k != "_cursor"]
    neighbours = page.neighbours
    if neighbours or exchange.parameter("_cursor"):
        links.append(("first", link_text(own, kept)))
    links += [(name, link_text(own, [*kept, ("_cursor", cursor)])) for name, cursor in neighbours]
    if len(links) > 1:
        links.append(("last", link_text(own, [*kept, ("_cursor", _LAST[page.rising])])))
    entries = [_version_text(exchange, row) for row in page.rows]
    whole = page.count and not neighbours and not exchange.parameter("_cursor")
    return exchange.answer(bundle_text("history", entries, links, len(entries) if whole else page.total))


def _version_text(exchange: Exchange, row: Any) -> str:
    method = row["method"]
    url = row["type"] if method == "POST" else f"{row['type']}/{row['id']}"
    status = "201" if row["version"] == 1 else _STATUS[method]
    rest = (
        f'"request":{{"method":"{method}","url":"{url}"}},'
        f'"response":{{"status":"{status}","etag":"W/\\"{row["version"]}\\"","lastModified":"{instant(row["updated_at"])}"}}'
    )
    body = "" if row["deleted"] else exchange.shown(row["body"])
    return entry_text(f"{exchange.base}/{row['type']}/{row['id']}", body, rest)


def _refuse_others(exchange: Exchange) -> None:
    """Raise Rejected for parameters that a history does not have: `_list` always, others under `handling=strict`."""
    others = [name for name, _ in exchange.query if name not in _PARAMETERS]
    if "_list" in others:
        raise Rejected(400, [Problem("fhir.search.named", "_list", args=(("name", "_list"),))])
    if others and exchange.strict:
        raise Rejected(
            400,
            [
                Problem("fhir.search.unknown-parameter", name[:64], level="error", args=(("name", name[:64]),))
                for name in others
            ],
        )


def _rising(exchange: Exchange) -> bool:
    """Whether the oldest versions come first; raises Rejected."""
    stated = exchange.parameter("_sort")
    if stated not in ("", "_lastUpdated", "-_lastUpdated"):
        raise bad("_sort")
    return stated == "_lastUpdated"


def _period(exchange: Exchange) -> store.Period:
    """What is wanted, with one version more than asked to know whether another page follows; raises Rejected."""
    _refuse_others(exchange)
    text = "0" if _counts_only(exchange) else exchange.parameter("_count") or str(DEFAULT_COUNT)
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise bad("_count")
    stated = exchange.parameter("_since")
    since = _span(exchange, "_since", stated)[0] if stated else None
    return store.Period(most=min(int(text), MOST_COUNT) + 1, since=since, at=_at(exchange))


def _counts_only(exchange: Exchange) -> bool:
    """Whether the total alone is asked for (R4 §3.1.0.1.3: `_summary` is of all interactions)."""
    return exchange.parameter("_summary") == "count"


def _at(exchange: Exchange) -> tuple[datetime.datetime, datetime.datetime] | None:
    """The span that all `_at` have in common, each a date with or without a prefix of a search; raises Rejected."""
    low, high = EARLIEST, LATEST
    stated = [value for name, value in exchange.query if name == "_at" and value]
    for text in stated:
        prefix = text[:2] if text[:2].isalpha() else "eq"
        if prefix not in _SPANS:
            raise bad("_at")
        start, end = _span(exchange, "_at", text.removeprefix(prefix))
        first, last = _SPANS[prefix](start, end)
        low, high = max(low, first), min(high, last)
    if low >= high:
        raise bad("_at")
    return (low, high) if stated else None


def _span(exchange: Exchange, name: str, text: str) -> tuple[datetime.datetime, datetime.datetime]:
    span = date_range(text.replace(" ", "+"), exchange.actor.setting(exchange.state.world).zone)
    if span is None:
        raise bad(name)
    return span


def _place(exchange: Exchange) -> store.Place:
    text = exchange.parameter("_cursor")
    if not text:
        return store.OLDEST if _rising(exchange) else store.FIRST
    try:
        value, version = cursor_parts(text)
        type_name, record_id, moment = str(value).removeprefix("-").split("/", 2)
        found = datetime.datetime.fromisoformat(moment)
        if found.tzinfo is None or "\0" in type_name + record_id:
            raise ValueError
    except (BadValue, ValueError):
        raise bad("_cursor") from None
    up = str(value).startswith("-")
    return store.Place(updated_at=found, id=record_id, version=version, type=type_name, up=up)
