"""The search index: entries of a record replace its former ones in the transaction that stores it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from canonical.identity import number
from fhir.entries import Found, extracted, further
from hub.records import custom
from hub.store import bulk
from hub.store.database import Transaction
from hub.store.schema.records import INDEX_TABLES

if TYPE_CHECKING:
    from hub.records.write import Saved

COLUMNS = {
    "token": ("system", "code"),
    "string": ("folded", "exact"),
    "date": ("low", "high"),
    "number": ("low", "high"),
    "quantity": ("low", "high", "system", "code"),
    "reference": ("target_type", "target_id"),
    "uri": ("value",),
}


@lru_cache(maxsize=65536)  # codes of composites hold values: more than there are parameters
def key_of(type_name: str, code: str) -> int:
    """The number that stands for a resource type and search parameter in the index tables."""
    return number(type_name, code)


def _entries(body: dict[str, Any], zone: ZoneInfo, customs: custom.Customs) -> Iterable[Found]:
    found = extracted(body, zone)
    own = customs.get(body["resourceType"])
    return dict.fromkeys([*found, *further(body, zone, own.values())]) if own else found


async def replace(tx: Transaction, changed: Sequence[Saved], rids: dict[tuple[str, str], int], zone: str) -> None:
    """Write the entries of `changed`, after removing those of earlier versions."""
    outdated = [rids[(s.type, s.id)] for s in changed if s.version > 1]
    if outdated:
        await tx.run(_DELETE, outdated)
    rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    place = ZoneInfo(zone)
    customs = await custom.within(tx)
    for saved in changed:
        if saved.body is None:
            continue
        rid, type_name = rids[(saved.type, saved.id)], saved.type
        for position, (code, kind, values) in enumerate(_entries(saved.body, place, customs)):
            rows[kind].append((rid, key_of(type_name, code), position, *values))
    if not rows:
        return
    arrays: list[list[Any]] = []
    for kind, columns in COLUMNS.items():
        width = 3 + len(columns)
        arrays += [list(column) for column in zip(*rows[kind], strict=True)] if rows[kind] else [[]] * width
    await tx.run(_INSERT, *arrays)


def _together(parts: Iterable[str]) -> str:
    """Statements on different tables as one, which costs one trip."""
    named = [f"w{number} AS ({part})" for number, part in enumerate(parts)]
    return f"WITH {', '.join(named)} SELECT 1"


def _inserts() -> Iterable[str]:
    first = 2
    for kind, columns in COLUMNS.items():
        names = ("rid", "key", "position", *columns)
        yield bulk.statement(INDEX_TABLES[kind], names, "", first)
        first += len(names)


_DELETE = _together(
    f"DELETE FROM {table.name} WHERE tenant_id = $1 AND rid = ANY($2::bigint[])" for table in INDEX_TABLES.values()
)
_INSERT = _together(_inserts())
