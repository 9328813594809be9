"""find messages: `messages find --control-id X | --status ERROR | --type ADT^A01`"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.operate.find import Found


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to look for; several conditions must hold together."""
    actions = parser.add_subparsers(dest="action", required=True)
    find = actions.add_parser("find", help="list messages, newest first; content is never shown")
    find.add_argument("--control-id", default="", help="MSH-10 as sent")
    find.add_argument(
        "--status",
        default="",
        help="RECEIVED, TRANSFORMED, ERROR, PENDING (a part that waits); QUEUED, SENT outgoing",
    )
    find.add_argument("--type", default="", help="ADT^A01, ORU^R01 …")
    find.add_argument("--direction", default="", choices=["", "in", "out"])
    find.add_argument("--limit", type=int, default=100)
    find.add_argument("--json", action="store_true", help="one JSON object per message")
    running.options(find)


def run(given: argparse.Namespace) -> int:
    """0 when something was found, 1 when nothing was."""
    found = asyncio.run(_find(given))
    for message in found:
        if given.json:
            output.line(message.as_json())
        else:
            _show(message)
    if not found and not given.json:
        output.say("nothing found / nada encontrado")
    return 0 if found else 1


async def _find(given: argparse.Namespace) -> list[Found]:
    from hub.operate import find
    from hub.world import opened

    query = find.Query(
        control_id=given.control_id, status=given.status, type=given.type, direction=given.direction, limit=given.limit
    )
    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        async with world.transaction(tenant) as tx:
            return await find.messages(tx, query)


def _show(message: Found) -> None:
    when = message.received_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    marks = "".join((f" ×{message.receipts}" if message.receipts > 1 else "", " conflict" if message.conflict else ""))
    output.say(f"{when}  {message.status:<12} {message.type:<9} {message.control_id:<20} {message.id}{marks}")
    if message.whole is not None:
        output.say(f"    part of {message.whole}")
    for part in message.parts:
        output.say(f"    joined from {part}")
    for problem in message.problems:
        output.say(f"    {problem['severity']:<12}{problem['where']:<10}{problem['code']}: {problem['text']}")
        output.say(f"            {problem['remedy']}")
