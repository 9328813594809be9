"""The search index: entries of a record replace its former ones in the transaction that stores it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from canonical.identity import number
from fhir.search import nested
from fhir.search.contained import MOST, local
from fhir.search.entries import Found, extracted, further
from fhir.search.nested import under
from fhir.search.parameters import HELD, INNER
from hub.records import custom
from hub.records.saved import Saved
from hub.store import bulk
from hub.store.database import Transaction
from hub.store.schema.records import INDEX_TABLES

_OWN = ("rid", "key", "position")
COLUMNS = {
    "token": (*_OWN, "system", "code"),
    "string": (*_OWN, "folded", "exact"),
    "date": (*_OWN, "low", "high"),
    "number": (*_OWN, "low", "high"),
    "quantity": (*_OWN, "low", "high", "system", "code"),
    "reference": (*_OWN, "target_type", "target_id"),
    "uri": (*_OWN, "value"),
}


@lru_cache(maxsize=65536)  # codes of composites hold values: more than there are parameters
def key_of(type_name: str, code: str) -> int:
    """The number that stands for a resource type and search parameter in the index tables."""
    return number(type_name, code)


@lru_cache(maxsize=65536)
def _spelled(type_name: str, code: str) -> str:
    return str(number(type_name, code))


def _entries(body: dict[str, Any], zone: ZoneInfo, customs: custom.Customs) -> Iterable[Found]:
    found = extracted(body, zone)
    own = customs.get(body["resourceType"])
    return dict.fromkeys([*found, *further(body, zone, own.values())]) if own else found


async def replace(
    tx: Transaction, changed: Sequence[Saved], rids: dict[tuple[str, str], int], zone: str, together: bulk.Together
) -> None:
    """Remove the entries of earlier versions of `changed`, and add theirs to what is written together."""
    outdated = [rids[(s.type, s.id)] for s in changed if s.version > 1]
    if outdated:
        inside = [
            rids[(s.type, s.id)] for s in changed if s.version > 1 and s.body is not None and "contained" in s.body
        ]
        await _remove(tx, outdated, inside)
    rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    place = ZoneInfo(zone)
    customs = await custom.within(tx)
    for saved in changed:
        if saved.body is None:
            continue
        rid, type_name = rids[(saved.type, saved.id)], saved.type
        for position, (code, kind, values) in enumerate(_entries(saved.body, place, customs)):
            key = _spelled("" if code == HELD else type_name, code)
            rows[kind].append((str(rid), key, str(position), *values))
            if code == HELD and values[1] not in custom.held(tx.tenant):
                custom.forget(tx.tenant)
        if "contained" in saved.body:
            _inner(rows, rid, saved.body, (place, customs))
    if rows:
        for kind, columns in COLUMNS.items():
            together.insert(INDEX_TABLES[kind], columns, rows[kind], spelled=_OWN)


def _inner(
    rows: dict[str, list[tuple[Any, ...]]], rid: int, body: dict[str, Any], how: tuple[ZoneInfo, custom.Customs]
) -> None:
    """Adds to `rows` the entries of what a record contains, each under a number of its own, and how many these are."""
    held = local(body).values()
    for place, each in enumerate(held):
        entries = under(nested.INNER, each, _entries(each, *how))
        for position, (code, kind, values) in enumerate(entries):
            rows[kind].append((str(inner(rid, place)), _spelled(each["resourceType"], code), str(position), *values))
    rows["token"].append((str(rid), _spelled("", INNER), "0", "", str(len(held))))


_BELOW, _BITS = 2**62, 5  # records have numbers from 1 on: what they contain stands below all of them
LAST_PLACE = 31


def inner(rid: int, place: int) -> int:
    """The number under which the index keeps what stands at a place (0 to 31) of what record `rid` contains."""
    return (rid << _BITS) + place - _BELOW


def owner_sql(number: str) -> str:
    """The number of the record that contains what is kept under `number`, as SQL."""
    return f"(({number} + {_BELOW}) >> {_BITS})"


def place_of(number: int) -> int:
    """The place, among what a record contains, that `inner` wrote."""
    return number & LAST_PLACE


async def _remove(tx: Transaction, rids: Sequence[int], inside: Sequence[int]) -> None:
    """Remove the entries of records, and those of what they contain where their index says that there are any.

    For those `inside` of which entries are added again it need not say so: an older release keeps no such account.
    """
    told = await tx.rows(_DELETE, rids, key_of("", INNER))
    if held := {row["rid"] for row in told}.union(inside):
        await tx.rows(_DELETE, [inner(rid, place) for rid in held for place in range(MOST)], key_of("", INNER))


_DELETE = (
    "WITH "
    + ", ".join(
        f"w{number} AS (DELETE FROM {table.name} WHERE tenant_id = $1 AND rid = ANY($2::bigint[])"
        f"{' RETURNING rid, key' if kind == 'token' else ''})"
        for number, (kind, table) in enumerate(INDEX_TABLES.items())
    )
    + f" SELECT t.rid FROM w{list(INDEX_TABLES).index('token')} t WHERE t.key = $3"
)
