"""Transactions that began before a moment: what they store cannot be seen yet, nor do they know what came since."""

from __future__ import annotations

import asyncio
import datetime
from uuid import UUID

from hub.store.database import Database

_OPEN = (
    "SELECT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.datname = current_database() "
    "AND a.usename = current_user AND a.pid <> pg_backend_pid() AND $1::uuid IS NOT NULL "
    "AND a.xact_start IS NOT NULL AND a.xact_start <= $2)"
)


async def ended(database: Database, tenant: UUID, moment: datetime.datetime, seconds: float) -> bool:
    """Wait until every transaction that began by `moment` is over; False when one still is open after `seconds`."""
    end = asyncio.get_running_loop().time() + seconds
    while await _is_open(database, tenant, moment):
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(0.05)
    return True


async def _is_open(database: Database, tenant: UUID, moment: datetime.datetime) -> bool:
    async with database.transaction(tenant) as tx:
        return bool(await tx.value(_OPEN, moment))
