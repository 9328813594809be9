"""The search index: entries of a record replace its former ones in the transaction that stores it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from canonical.identity import number
from fhir.search.entries import Found, extracted, further
from fhir.search.parameters import HELD
from hub.records import custom
from hub.store import bulk
from hub.store.database import Transaction
from hub.store.schema.records import INDEX_TABLES

if TYPE_CHECKING:
    from hub.records.write import Saved

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
        await tx.run(_DELETE, outdated)
    rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    place = ZoneInfo(zone)
    customs = await custom.within(tx)
    for saved in changed:
        if saved.body is None:
            continue
        rid, type_name = str(rids[(saved.type, saved.id)]), saved.type
        for position, (code, kind, values) in enumerate(_entries(saved.body, place, customs)):
            rows[kind].append((rid, _spelled("" if code == HELD else type_name, code), str(position), *values))
            if code == HELD and values[1] not in custom.held(tx.tenant):
                custom.forget(tx.tenant)
    if rows:
        for kind, columns in COLUMNS.items():
            together.insert(INDEX_TABLES[kind], columns, rows[kind], spelled=_OWN)


_DELETE = (
    "WITH "
    + ", ".join(
        f"w{number} AS (DELETE FROM {table.name} WHERE tenant_id = $1 AND rid = ANY($2::bigint[]))"
        for number, table in enumerate(INDEX_TABLES.values())
    )
    + " SELECT 1"
)
