"""The terminology and profile records of a tenant, by address or id, kept read while their version stands.

What is kept in memory is known by tenant, record and version, so no tenant ever meets another's.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from canonical.codes import aliases
from fhir import jsontext
from fhir.search.parameters import bounded
from fhir.terminology import maps, stated, systems
from hub.find.statement import Source
from hub.records.index import key_of
from hub.store.database import Row

KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "CodeSystem": systems.of_body,
    "ValueSet": stated.of_body,
    "ConceptMap": maps.of_body,
    "StructureDefinition": lambda body: body,
}
MOST_ROWS = 400
LARGEST_KEPT = 48 * 1024 * 1024  # characters of JSON whose read form is kept
_HEADING = ("url", "version", "name", "title", "status", "experimental", "publisher", "copyright", "compose")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A record in its read form; `heading` are the elements an answer repeats."""

    type: str
    form: Any
    heading: dict[str, Any]
    retired: bool


class _Kept:
    """The records read last, up to a size; the oldest go first."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[Any, ...], tuple[Read, int]] = OrderedDict()
        self._size = 0

    def get(self, key: tuple[Any, ...]) -> Read | None:
        """What is kept under a key."""
        found = self._found.get(key)
        if found is None:
            return None
        self._found.move_to_end(key)
        return found[0]

    def put(self, key: tuple[Any, ...], read: Read, size: int) -> None:
        """Keep it, and let go of the oldest beyond the limit."""
        if key in self._found:
            return
        self._found[key] = (read, size)
        self._size += size
        while self._size > LARGEST_KEPT and len(self._found) > 1:
            _, (_, gone) = self._found.popitem(last=False)
            self._size -= gone


_KEPT = _Kept()
_COLUMNS = "r.tenant_id, r.rid, r.type, r.version"


async def by_address(source: Source, kinds: Sequence[str], urls: Iterable[str]) -> dict[tuple[str, str], list[Read]]:
    """The records of `kinds` with one of the addresses (or an alias of it), by kind and address, the newest first."""
    wanted = sorted({bounded(name) for url in urls for name in aliases(url.partition("|")[0])})
    if not wanted:
        return {}
    statement = source.statement()
    keys = ", ".join(statement.literal(key_of(kind, "url")) for kind in kinds)
    places = statement.argument(wanted)
    rows = await source.rows(
        statement,
        f"SELECT {_COLUMNS}, t.value AS url FROM idx_uri t JOIN resource r ON {statement.of_tenant('r')} "
        f"AND r.rid = t.rid AND NOT r.deleted WHERE {statement.of_tenant('t')} AND t.key IN ({keys}) "
        f"AND t.value = ANY({places}::text[]) ORDER BY r.updated_at DESC, r.rid DESC LIMIT {MOST_ROWS}",
    )
    read = await _read(source, rows)
    found: dict[tuple[str, str], list[Read]] = defaultdict(list)
    for row in rows:
        if row["rid"] in read:
            found[row["type"], row["url"]].append(read[row["rid"]])
    return found


async def addresses_taken(source: Source, kind: str, urls: Iterable[str]) -> set[str]:
    """Those of `urls` under which, or under another name of which, the tenant has a record of a type."""
    named = {bounded(name): url for url in urls for name in aliases(url)}
    if not named:
        return set()
    statement = source.statement()
    where = (
        f"t.key = {statement.literal(key_of(kind, 'url'))} AND t.value = ANY({statement.argument(list(named))}::text[])"
    )
    sql = f"SELECT t.value FROM idx_uri t WHERE {statement.of_tenant('t')} AND {where} LIMIT {MOST_ROWS}"
    return {named[row["value"]] for row in await source.rows(statement, sql)}


async def supplements(source: Source) -> list[Read]:
    """The supplements of code systems a tenant has, the newest first."""
    statement = source.statement()
    key = statement.literal(key_of("CodeSystem", "supplements"))
    rows = await source.rows(
        statement,
        f"SELECT DISTINCT {_COLUMNS}, r.updated_at FROM idx_reference t JOIN resource r ON {statement.of_tenant('r')} "
        f"AND r.rid = t.rid AND NOT r.deleted WHERE {statement.of_tenant('t')} AND t.key = {key} "
        f"ORDER BY r.updated_at DESC LIMIT {MOST_ROWS}",
    )
    return list((await _read(source, rows)).values())


async def by_id(source: Source, kind: str, record_id: str) -> Read | None:
    """The record of an id, or None."""
    statement = source.statement()
    where = f"r.type = {statement.argument(kind)} AND r.id = {statement.argument(record_id)}"
    rows = await source.rows(
        statement,
        f"SELECT {_COLUMNS} FROM resource r WHERE {statement.of_tenant('r')} AND {where} AND NOT r.deleted LIMIT 1",
    )
    read = await _read(source, rows)
    return next(iter(read.values()), None)


async def ids_taken(source: Source, kind: str, ids: Sequence[str]) -> set[str]:
    """Those of `ids` under which the tenant has, or had, a record of a type."""
    if not ids:
        return set()
    statement = source.statement()
    where = f"r.type = {statement.argument(kind)} AND r.id = ANY({statement.argument(list(ids))}::text[])"
    sql = f"SELECT r.id FROM resource r WHERE {statement.of_tenant('r')} AND {where} LIMIT {MOST_ROWS}"
    return {row["id"] for row in await source.rows(statement, sql)}


async def maps_from(source: Source, system: str) -> list[Read]:
    """The ConceptMap records with a group from (or, for reverse translation, into) a code system."""
    statement = source.statement()
    keys = ", ".join(statement.literal(key_of("ConceptMap", code)) for code in ("source-system", "target-system"))
    places = statement.argument(sorted(bounded(name) for name in aliases(system)))
    rows = await source.rows(
        statement,
        f"SELECT DISTINCT {_COLUMNS}, r.updated_at FROM idx_uri t JOIN resource r ON {statement.of_tenant('r')} "
        f"AND r.rid = t.rid AND NOT r.deleted WHERE {statement.of_tenant('t')} AND t.key IN ({keys}) "
        f"AND t.value = ANY({places}::text[]) ORDER BY r.updated_at DESC LIMIT {MOST_ROWS}",
    )
    return list((await _read(source, rows)).values())


async def _read(source: Source, rows: Sequence[Row]) -> dict[int, Read]:
    """The read forms of records by their number, in the order of `rows`."""
    keys = {row["rid"]: (row["tenant_id"], row["rid"], row["version"]) for row in rows}
    missing = [rid for rid, key in keys.items() if _KEPT.get(key) is None]
    fresh: dict[int, Read] = {}
    if missing:
        statement = source.statement()
        bodies = await source.rows(
            statement,
            f"SELECT r.rid, r.version, r.body FROM resource r WHERE {statement.of_tenant('r')} "
            f"AND r.rid = ANY({statement.argument(missing)}::bigint[]) AND NOT r.deleted LIMIT {MOST_ROWS}",
        )
        for row in bodies:
            read = await asyncio.to_thread(_form, row["body"])
            fresh[row["rid"]] = read
            _KEPT.put((*keys[row["rid"]][:2], row["version"]), read, len(row["body"]))
    found = {rid: _KEPT.get(key) or fresh.get(rid) for rid, key in keys.items()}
    return {rid: read for rid, read in found.items() if read is not None}


def _form(text: str) -> Read:
    return read_form(jsontext.stored(text))


def read_form(body: dict[str, Any]) -> Read:
    """The read form of a valid CodeSystem, ValueSet, ConceptMap or StructureDefinition."""
    kind = body["resourceType"]
    heading = {key: body[key] for key in _HEADING if key in body}
    return Read(type=kind, form=KINDS[kind](body), heading=heading, retired=body.get("status") == "retired")
