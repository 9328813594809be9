"""work kept messages again (`--status ERROR`), or send deliveries again (DEAD, REFUSED, SENT); `--dry-run` first"""

from __future__ import annotations

import argparse
import asyncio
import uuid
from collections import Counter
from typing import TYPE_CHECKING

from api import choosing, running
from api.cli import output

if TYPE_CHECKING:
    from hub.operate.messages.redeliver import Ended
    from hub.operate.messages.replay import Rehearsal
    from hub.world import Tenant, World

STATUSES = "ERROR or TRANSFORMED; of deliveries DEAD (gave up), REFUSED, or SENT (with --partner and --since)"
SENT_AGAIN = ("DEAD", "REFUSED", "SENT")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which messages, and whether for real."""
    parser.add_argument("message", nargs="*", type=uuid.UUID, help="ids as `messages find` shows them")
    choosing.options(parser, status=STATUSES)
    parser.add_argument("--limit", type=int, default=100_000, help="at most so many, the oldest first")
    parser.add_argument("--dry-run", action="store_true", help="only show what would happen")
    parser.add_argument("--quiet", action="store_true", help="only the sums of a dry run")
    parser.add_argument("--json", action="store_true", help="one JSON object per message")
    running.options(parser)


def run(given: argparse.Namespace) -> int:
    """0 when something was (or would be) queued, 1 when nothing matched, 2 when nothing was named."""
    if bool(given.message) == bool(given.status):
        output.complain("name message ids, or --status (narrowed by --code, --channel, --since …), not both")
        return 2
    if given.status not in ("", "ERROR", "TRANSFORMED", *SENT_AGAIN):
        output.complain("--status is ERROR, TRANSFORMED, DEAD, REFUSED or SENT")
        return 2
    if given.status == "SENT" and not (given.partner and given.since):
        output.complain("--status SENT sends again what a partner has taken: name it (--partner) and since when")
        return 2
    return asyncio.run(_replay(given))


async def _replay(given: argparse.Namespace) -> int:
    from hub.operate.messages import replay
    from hub.world import opened

    async with opened(running.located(given.data), size=2) as world:
        tenant = await world.tenant(given.tenant)
        if given.status in SENT_AGAIN:
            return _redelivered(given, await _redeliver(given, world, tenant))
        sent = await _redeliver(given, world, tenant) if given.message else []
        if sent:
            _redelivered(given, sent)
            given.message = [one for one in given.message if one not in {ended.message_id for ended in sent}]
            if not given.message:
                return 0
        query = choosing.query_of(given, world, tenant, given.limit)
        if given.dry_run:
            return _rehearsed(given, await replay.rehearse(world, tenant, given.message, query=query))
        queued = await replay.replay(world, tenant, output.actor(), given.message, query=query)
    for message_id in queued:
        if given.json:
            output.line({"id": str(message_id), "queued": True})
    if not given.json:
        output.say(f"{len(queued)} queued again / reenfileiradas")
    return 0 if queued else 1


def _rehearsed(given: argparse.Namespace, rehearsals: list[Rehearsal]) -> int:
    for rehearsal in rehearsals:
        if given.json or not given.quiet:
            _show(rehearsal, as_json=given.json)
    if not given.json:
        passing = sum(one.would_pass for one in rehearsals)
        output.say(
            f"{len(rehearsals)}: {passing} would pass / passariam, {len(rehearsals) - passing} would fail / falhariam"
        )
        codes = Counter(code for one in rehearsals if not one.would_pass for code in dict.fromkeys(one.after))
        for code, count in codes.most_common(20):
            output.say(f"    {count:>7}  {code}")
    return 0 if rehearsals else 1


async def _redeliver(given: argparse.Namespace, world: World, tenant: Tenant) -> list[Ended]:
    from hub.operate.messages import redeliver

    query = choosing.query_of(given, world, tenant, given.limit)
    wanted = redeliver.Wanted.of(query, given.status, given.message)
    if not given.dry_run:
        return await redeliver.redeliver(world, tenant, output.actor(), wanted, given.limit)
    async with world.transaction(tenant) as tx:
        return await redeliver.ended(tx, wanted, given.limit)


def _redelivered(given: argparse.Namespace, found: list[Ended]) -> int:
    for one in found:
        if given.json:
            output.line({**one.as_json(), "queued": not given.dry_run})
        elif not given.quiet:
            why = f": {one.last_error}" if one.last_error else ""
            output.say(f"{one.message_id}  {one.partner:<12} {one.operation:<28} {one.attempt} attempts{why}")
    if not given.json:
        output.say(
            f"{len(found)} "
            + ("would be queued / seriam reenfileiradas" if given.dry_run else "queued again / reenfileiradas")
        )
    return 0 if found else 1


def _show(rehearsal: Rehearsal, *, as_json: bool) -> None:
    if as_json:
        output.line(rehearsal.as_json())
        return
    verdict = "would pass" if rehearsal.would_pass else "would fail"
    records = ", ".join(f"{count} {name}" for name, count in rehearsal.records.items()) or "no records"
    output.say(f"{rehearsal.id}  {rehearsal.type:<9} {rehearsal.control_id:<20} {verdict}: {records}")
    output.say(f"    before: {', '.join(rehearsal.before) or '-'}")
    output.say(f"    now:    {', '.join(rehearsal.after) or '-'}")
