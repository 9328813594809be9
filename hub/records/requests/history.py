"""History of one record, of a type or of all types (R4 §3.1.0.9): versions, newest first, in pages by key.

A page goes on below the last version shown, or above it where the oldest come first, and back from the first one; so
versions written meanwhile move nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from fhir.search.ranges import EARLIEST, LATEST
from hub.store.database import Row
from hub.world import Tenant, World

SECONDS = 10.0
NEWEST = 2**62
_COLUMNS = "v.type, v.id, v.version, v.updated_at, v.deleted, v.method, v.body"
# `$4` and `$5` bound `_at`: a version counts when it began before the end and none replaced it before the start.
_PERIOD = (
    "v.updated_at >= $3 AND v.updated_at < $5 AND ($4::timestamptz IS NULL OR NOT EXISTS (SELECT 1 FROM "
    "resource_version n WHERE n.tenant_id = c.tenant AND n.type = v.type AND n.id = v.id "
    "AND n.version = v.version + 1 AND n.updated_at <= $4))"
)
MOST_COUNTED = 10_000  # versions of many records that are counted


def _instance(mark: str, way: str) -> str:
    return (
        f"SELECT {_COLUMNS} FROM resource_version v WHERE v.tenant_id = c.tenant AND v.type = $2 AND {_PERIOD} "
        f"AND v.id = $7 AND v.version {mark} $8 ORDER BY v.version {way} LIMIT $6"
    )


_COUNT = (
    "SELECT count(*) AS total FROM resource_version v "
    f"WHERE v.tenant_id = c.tenant AND v.type = $2 AND {_PERIOD} AND v.id = $6"
)
_COUNT_MANY = (
    "SELECT count(*) AS total FROM (SELECT 1 FROM unnest($2::text[]) AS k(type) CROSS JOIN LATERAL ("
    f"SELECT 1 FROM resource_version v WHERE v.tenant_id = c.tenant AND v.type = k.type AND {_PERIOD} "
    "LIMIT $6) h LIMIT $6) n"
)


def _many(mark: str, way: str) -> str:
    return (
        "SELECT h.* FROM unnest($2::text[]) AS k(type) CROSS JOIN LATERAL ("
        f"SELECT {_COLUMNS} FROM resource_version v WHERE v.tenant_id = c.tenant AND v.type = k.type AND {_PERIOD} "
        f"AND (v.updated_at, v.id, v.version, v.type) {mark} ($7, $8, $9, $10) "
        f"ORDER BY v.updated_at {way}, v.id {way}, v.version {way} LIMIT $6) h "
        f"ORDER BY h.updated_at {way}, h.id {way}, h.version {way}, h.type {way} LIMIT $6"
    )


_DOWN, _UP = ("<", "DESC"), (">", "ASC")
_INSTANCE = {False: _instance(*_DOWN), True: _instance(*_UP)}
_MANY = {False: _many(*_DOWN), True: _many(*_UP)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What of a history is wanted: `since` by time of storing, `at` a span in which a version was the current one."""

    most: int
    since: datetime.datetime | None = None
    at: tuple[datetime.datetime, datetime.datetime] | None = None

    def arguments(self) -> tuple[datetime.datetime, datetime.datetime | None, datetime.datetime, int]:
        """`$3` to `$6` of the statements."""
        low, high = self.at or (None, LATEST)
        return self.since or EARLIEST, low, high, self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A version from which a page goes on below, or, `up`, above: what lies nearest there is meant."""

    updated_at: datetime.datetime
    id: str
    version: int
    type: str
    up: bool = False


FIRST = Place(updated_at=LATEST, id="", version=0, type="")
OLDEST = Place(updated_at=EARLIEST, id="", version=0, type="", up=True)


def place_of(row: Row, *, up: bool = False) -> Place:
    """Where a version stands."""
    return Place(updated_at=row["updated_at"], id=row["id"], version=row["version"], type=row["type"], up=up)


async def of_record(
    world: World, tenant: Tenant, type_name: str, record_id: str, period: Period, place: Place
) -> list[Row]:
    """Versions of one record beyond `place`, the nearest first."""
    return await world.database.ask(
        tenant.id, _INSTANCE[place.up], type_name, *period.arguments(), record_id, place.version, seconds=SECONDS
    )


async def count_of_record(world: World, tenant: Tenant, type_name: str, record_id: str, period: Period) -> int:
    """How many versions of one record lie in the period."""
    since, low, high, _ = period.arguments()
    rows = await world.database.ask(tenant.id, _COUNT, type_name, since, low, high, record_id, seconds=SECONDS)
    return int(rows[0]["total"])


async def count_of_types(world: World, tenant: Tenant, types: Sequence[str], period: Period) -> int | None:
    """How many versions of all records of `types` lie in the period; None for more than MOST_COUNTED."""
    since, low, high, _ = period.arguments()
    rows = await world.database.ask(
        tenant.id, _COUNT_MANY, list(types), since, low, high, MOST_COUNTED + 1, seconds=SECONDS, planned=True
    )
    return int(rows[0]["total"]) if rows[0]["total"] <= MOST_COUNTED else None


async def of_types(world: World, tenant: Tenant, types: Sequence[str], period: Period, after: Place) -> list[Row]:
    """Versions of all records of `types` beyond `after`, the nearest first; raises TryLater when it takes too long."""
    return await world.database.ask(
        tenant.id,
        _MANY[after.up],
        list(types),
        *period.arguments(),
        after.updated_at,
        after.id,
        after.version,
        after.type,
        seconds=SECONDS,
        planned=True,
    )
