"""list patients a person must look at: `people review`"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.operate.reviews import Review


def arguments(parser: argparse.ArgumentParser) -> None:
    """The list and its length."""
    actions = parser.add_subparsers(dest="action", required=True)
    review = actions.add_parser("review", help="pairs that may be one person, or share a CPF or CNS, with the reasons")
    review.add_argument("--limit", type=int, default=100)
    review.add_argument("--json", action="store_true", help="one JSON object per pair")
    running.options(review)


def run(given: argparse.Namespace) -> int:
    """0, whether there is something to decide or not."""
    found = asyncio.run(_pairs(given))
    for pair in found:
        if given.json:
            output.line(pair.as_json())
        else:
            output.say(f"{pair.one}  {pair.two}")
            output.say(f"    {', '.join(pair.alike)}" + (f"; but {', '.join(pair.unlike)}" if pair.unlike else ""))
    if not found and not given.json:
        output.say("nothing to decide / nada a decidir")
    return 0


async def _pairs(given: argparse.Namespace) -> list[Review]:
    from hub.operate import reviews
    from hub.world import opened

    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        async with world.transaction(tenant) as tx:
            return await reviews.pairs(tx, given.limit)
