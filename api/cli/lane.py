"""what waits and why: `lane list | pause | resume | skip`, by --id, --kind or --name (a partner, a job)"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Any

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.operate.messages.halting import Lane, Wanted
    from hub.operate.messages.skipping import Skipped

_ACTS = (
    ("pause", "stop the lanes there are until they are resumed; one that comes later goes on"),
    ("resume", "let lanes go on at once"),
    ("skip", "give up the message that stands first in a partner's lanes; it can be sent again later"),
)

_LATER = (  # a patient has a lane of their own from the first message on
    "lanes that come later (a new patient's, a new destination's) go on; `./ponte channel deactivate NAME` closes the "
    "door of a channel / filas que surgirem depois (de paciente novo, de destino novo) seguem"
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action; each reaches the running hub's database."""
    actions = parser.add_subparsers(dest="action", required=True)
    listed = _action(actions, "list", "lanes with work or paused, those in trouble first")
    listed.add_argument("--troubled", action="store_true", help="only paused or failing ones")
    listed.add_argument("--limit", type=int, default=200)
    for name, text in _ACTS:
        act = _action(actions, name, text)
        act.add_argument("--reason", default="", help="kept in the audit trail; no patient data")


def _action(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text)
    parser.add_argument("--id", type=int, help="one lane, as `lane list` shows it")
    parser.add_argument("--kind", default="", choices=["", "inbound", "outbound", "job"])
    parser.add_argument("--name", default="", help="a partner's code, a job's name, hl7")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    running.options(parser)
    return parser


def run(given: argparse.Namespace) -> int:
    """0 when a lane was shown or changed, 1 when none is meant, 2 when it is not said which."""
    if given.action != "list" and given.id is None and not (given.kind or given.name):
        output.complain("name lanes by --id, --kind or --name")
        return 2
    return asyncio.run(_run(given))


async def _run(given: argparse.Namespace) -> int:
    from hub.operate.messages import halting, skipping
    from hub.world import opened

    wanted = halting.Wanted(id=given.id, kind=given.kind, name=given.name, troubled=getattr(given, "troubled", False))
    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        if given.action == "list":
            async with world.transaction(tenant) as tx:
                return _shown(given, await halting.listed(tx, wanted, given.limit))
        if given.action == "skip":
            return _skipped(given, await skipping.skip(world, tenant, output.actor(), wanted, given.reason))
        act = halting.pause if given.action == "pause" else halting.resume
        count = await act(world, tenant, output.actor(), wanted, given.reason)
    _tell(given, wanted, count)
    return 0


def _skipped(given: argparse.Namespace, found: list[Skipped]) -> int:
    for one in found:
        if given.json:
            output.line({"action": "skip", **one.as_json()})
        else:
            output.say(f"skipped {one.name} {one.control_id}; send it again: ./ponte replay {one.message_id}")
    return 0


def _tell(given: argparse.Namespace, wanted: Wanted, count: int) -> None:
    if given.json:
        output.line({"action": given.action, "lanes": count})
    else:
        output.say(f"{given.action}: {count} {wanted.kind or ''} {wanted.name or ''}".rstrip())
        if given.action == "pause" and wanted.id is None:
            output.say(_LATER)


def _shown(given: argparse.Namespace, found: list[Lane]) -> int:
    for lane in found:
        if given.json:
            output.line(lane.as_json())
            continue
        state = "PAUSED" if lane.paused else f"failed ×{lane.attempt}" if lane.attempt else "ready"
        again = f"  again {lane.next_at.astimezone():%H:%M:%S}" if lane.attempt and not lane.paused else ""
        output.say(f"{lane.kind:<9} {lane.name:<24} {lane.pending:>8} {state:<10} {lane.last_error}{again}  {lane.id}")
    if not found and not given.json:
        output.say("nothing waits / nada espera")
    return 0 if found else 1
