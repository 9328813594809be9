"""What the page of denials shows: the last twelve months by payer, glosa, month, procedure and professional."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from hub.billing import sheets, writing
from hub.billing.returns import board, deadlines
from hub.world import Tenant, World

MOST = 10
YEAR = datetime.timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The sums, the open denials by days left, the next deadlines, and the largest groups by each grouping."""

    since: datetime.date
    totals: dict[str, int]
    ageing: list[dict[str, Any]]
    deadlines: list[dict[str, Any]]
    groups: dict[str, list[dict[str, Any]]]


async def as_sheet(world: World, tenant: Tenant, by: str, language: sheets.Language) -> bytes:
    """All groups of a grouping, of the months the page shows, as a sheet; raises Refused for an unknown grouping."""
    today = writing.today(writing.origin(world, tenant))
    async with world.transaction(tenant) as tx:
        rows = await board.everything(tx, board.Asked(by=by, since=today - YEAR, until=today, today=today))
    return sheets.sheet("board", rows, language, tenant.zone)


async def shown(world: World, tenant: Tenant) -> Shown:
    """The board of a tenant now."""
    today = writing.today(writing.origin(world, tenant))
    since = today - YEAR
    async with world.transaction(tenant) as tx:
        groups = {}
        for by in board.KEYS:
            asked = board.Asked(by=by, since=since, until=today, today=today)
            groups[by] = (await board.page(tx, asked, limit=MOST)).rows
        everyone = await board.everything(tx, board.Asked(by="payer", since=since, until=today, today=today))
        next_days = (await deadlines.upcoming(tx, today, 30))[:MOST]
        return Shown(
            since=since,
            totals=board.totals(everyone),
            ageing=await board.ageing(tx, today),
            deadlines=[{**row, "appeal_until": datetime.date.fromisoformat(row["appeal_until"])} for row in next_days],
            groups=groups,
        )
