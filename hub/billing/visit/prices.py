"""Prices of a payer's contract with their days: imported as lists, used where a charge has none, else compared."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.problem import Problem
from hub.billing.visit import price_files
from hub.billing.visit.charges import Charge
from hub.guard import audit
from hub.store import bulk
from hub.store.database import Row, Transaction
from hub.store.schema import billing as schema

_COLUMNS = (
    "payer_id", "item_table", "item_code", "valid_from", "valid_until", "billed_table", "billed_code", "unit_cents",
    "unit", "description", "price_list", "imported_at",
)  # fmt: skip
_AT_ONCE = 2000
LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a payer pays for one unit of an item from a day on, and under which table and code a guide names it."""

    valid_from: datetime.date
    valid_until: datetime.date | None
    billed_table: str
    billed_code: str
    unit_cents: int
    unit: str
    description: str


Prices = dict[tuple[UUID, str, str], list[Price]]


def in_force(found: Sequence[Price], day: datetime.date | None) -> Price | None:
    """The price of a day: the latest that has begun and not ended. `found` is in the order of its days."""
    if day is None:
        return None
    begun = [price for price in found if price.valid_from <= day]
    latest = begun[-1] if begun else None
    return latest if latest and (latest.valid_until is None or day <= latest.valid_until) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A price list to take in: whose it is, its name, what its file does not say, and who brings it."""

    payer_id: UUID
    name: str
    defaults: price_files.Defaults
    actor: str


async def take_in(tx: Transaction, given: Import, raw: bytes, now: datetime.datetime) -> tuple[int, list[Problem]]:
    """Import a list: how many prices, or what is wrong with the file, of which then nothing is taken.

    A price of the same item and first day replaces the one before; a later first day ends it.
    """
    rows, problems = price_files.read(raw, given.defaults)
    if problems:
        return 0, problems
    if not rows:
        return 0, [Problem("price.empty")]
    for start in range(0, len(rows), _AT_ONCE):
        part = [
            (
                given.payer_id, row.item_table, row.item_code, row.valid_from, row.valid_until, row.billed_table,
                row.billed_code, row.unit_cents, row.unit, row.description, given.name, now,
            )
            for row in rows[start : start + _AT_ONCE]
        ]  # fmt: skip
        await bulk.upsert(tx, schema.price, _COLUMNS, part)
    await audit.note(tx, given.actor, "import-prices", f"payer/{given.payer_id}")
    return len(rows), []


_OF_ITEMS = """
SELECT p.payer_id, p.item_table, p.item_code, p.valid_from, p.valid_until, p.billed_table, p.billed_code, p.unit_cents,
       p.unit, p.description FROM price p
JOIN unnest($2::text[], $3::text[]) AS x(item_table, code) ON x.item_table = p.item_table AND x.code = p.item_code
WHERE p.tenant_id = $1 AND p.payer_id = ANY($4::uuid[]) ORDER BY p.valid_from
"""


async def of_charges(tx: Transaction, charges: Sequence[Charge], payer_ids: Sequence[UUID]) -> Prices:
    """The prices of charges at payers, in the order of their days."""
    items = sorted({(charge.table, charge.code) for charge in charges})
    found: Prices = {}
    rows = await tx.rows(_OF_ITEMS, [table for table, _ in items], [code for _, code in items], list(payer_ids))
    for row in rows:
        found.setdefault((row["payer_id"], row["item_table"], row["item_code"]), []).append(_price(row))
    return found


def _price(row: Row) -> Price:
    return Price(
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        billed_table=row["billed_table"],
        billed_code=row["billed_code"],
        unit_cents=row["unit_cents"],
        unit=row["unit"],
        description=row["description"],
    )


async def listed(
    tx: Transaction, payer_id: UUID, code: str, day: datetime.date | None, after: str, most: int
) -> list[dict[str, Any]]:
    """Prices of a payer by table, code and first day, from after a place (`table|code|day`) on; cents are whole.

    `code` narrows to codes that begin with it, `day` to prices in force on it.
    """
    rows = await tx.rows(
        "SELECT item_table, item_code, valid_from, valid_until, billed_table, billed_code, unit_cents, unit, "
        "description, price_list FROM (SELECT p.*, lead(valid_from) OVER (PARTITION BY item_table, item_code "
        "ORDER BY valid_from) AS next_from FROM price p WHERE p.tenant_id = $1 AND p.payer_id = $2 "
        "AND starts_with(p.item_code, $3)) x WHERE ($4::date IS NULL OR (valid_from <= $4 "
        "AND coalesce(valid_until, $4) >= $4 AND coalesce(next_from > $4, true))) "
        "AND item_table || '|' || item_code || '|' || valid_from > $5 "
        "ORDER BY item_table || '|' || item_code || '|' || valid_from LIMIT $6",
        payer_id,
        code,
        day,
        after,
        most,
    )
    return [{name: _shown(value) for name, value in dict(row).items()} for row in rows]


def place(row: dict[str, Any]) -> str:
    """Where the next page goes on after a listed price."""
    return "|".join(str(row[name]) for name in ("item_table", "item_code", "valid_from"))


def _shown(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime.date) else value
