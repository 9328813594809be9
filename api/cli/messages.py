"""find messages: `messages find --status ERROR --code C --since 24h`, or what failed by cause: `messages causes`"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from api import choosing, running
from api.cli import output

if TYPE_CHECKING:
    from hub.operate.messages.fates import Fate
    from hub.operate.messages.find import Found


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to look for; several conditions must hold together."""
    actions = parser.add_subparsers(dest="action", required=True)
    find = actions.add_parser("find", help="list messages, newest first; content is never shown")
    find.add_argument("--control-id", default="", help="MSH-10 as sent")
    choosing.options(find)
    find.add_argument("--direction", default="", choices=["", "in", "out"])
    find.add_argument("--limit", type=int, default=100)
    find.add_argument("--json", action="store_true", help="one JSON object per message")
    running.options(find)
    causes = actions.add_parser("causes", help="failed messages by cause: how many, the newest, an example")
    causes.add_argument("--since", default="7d", help="2026-11-01, 2026-11-01T08:00, or 90m, 24h, 7d ago")
    causes.add_argument("--json", action="store_true", help="one JSON object per cause")
    running.options(causes)


def run(given: argparse.Namespace) -> int:
    """0 when something was found, 1 when nothing was."""
    if given.action == "causes":
        return asyncio.run(_causes(given))
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
    from hub.operate.messages import find
    from hub.world import opened

    more = {"control_id": given.control_id, "direction": given.direction}
    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        async with world.transaction(tenant) as tx:
            return await find.messages(tx, choosing.query_of(given, world, tenant, given.limit, **more))


async def _causes(given: argparse.Namespace) -> int:
    from zoneinfo import ZoneInfo

    from hub.channels.compare import moment
    from hub.operate.messages import find
    from hub.world import opened

    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        async with world.transaction(tenant) as tx:
            found = await find.causes(tx, moment(given.since, world.now(), ZoneInfo(tenant.zone)))
    for cause in found:
        if given.json:
            output.line(cause.as_json())
            continue
        output.say(
            f"{cause.count:>7}  {cause.code:<30} {cause.channel:<16} {cause.last.astimezone():%Y-%m-%d %H:%M:%S}"
        )
        output.say(f"         {' '.join(cause.words())}".rstrip())
        output.say(f"         ./ponte replay --status ERROR --code {cause.code} --channel {cause.channel} --dry-run")
    if not found and not given.json:
        output.say("nothing found / nada encontrado")
    return 0 if found else 1


def _show(message: Found) -> None:
    when = message.received_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    marks = "".join((f" ×{message.receipts}" if message.receipts > 1 else "", " conflict" if message.conflict else ""))
    output.say(f"{when}  {message.status:<12} {message.type:<9} {message.control_id:<20} {message.id}{marks}")
    if message.removed_at is not None:
        output.say(f"    bytes removed by retention on {message.removed_at.astimezone().date().isoformat()}")
    if message.whole is not None:
        output.say(f"    part of {message.whole}")
    for part in message.parts:
        output.say(f"    joined from {part}")
    if message.delivery is not None:
        _tell(message.delivery)
    for problem in message.problems:
        output.say(finding(problem))
        output.say(f"            {problem['remedy']}")


def finding(problem: Mapping[str, str]) -> str:
    """A finding as a line: how bad, where, its code and text in columns, also where the place is long."""
    return f"    {problem['severity']:<11} {problem['where']:<9} {problem['code']}: {problem['text']}"


def _tell(fate: Fate) -> None:
    """Why a delivery waits or was given up, what to do about it, and when it is tried again."""
    from canonical.problem import in_general

    if not fate.code:
        return
    again = f", again {fate.again.astimezone():%H:%M:%S}" if fate.again is not None else ", lane paused" * fate.paused
    text, remedy = in_general(fate.code, "pt")
    output.say(f"    {fate.code}: {text}  ({fate.attempt} attempts{again})")
    output.say(f"            {remedy}")
    for fault in fate.faults:
        output.say(f"    ERR {fault}")
