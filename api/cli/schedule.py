"""what runs when: `schedule list | set NAME | pause NAME | resume NAME | run NAME | remove NAME`"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Any

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.operate.agenda import Entry, Wish
    from hub.world import Tenant, World

_ACTS = {
    "pause": "it starts nothing until it is resumed",
    "resume": "it runs again from now on; what it missed is not made up",
    "run": "start its job now, also while it is paused",
    "remove": "take it away",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action; each reaches the running hub's database."""
    actions = parser.add_subparsers(dest="action", required=True)
    running.action(actions, "list", "every schedule of the tenant: when it runs next, and what it did last")
    put = _named(actions, "set", "make a schedule, or change what is given of it")
    put.add_argument("--job", default="", help="the job it starts; without it the one of the same name")
    put.add_argument(
        "--cron", default="", help='minute hour day month weekday, e.g. "30 19 * * 1-5"; @daily, @hourly …'
    )
    put.add_argument("--zone", default="", help="the time zone of --cron (without it the tenant's)")
    put.add_argument("--catch-up", default="", choices=["", "once", "all", "skip"], help="times missed while all stood")
    put.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="an argument of the job; repeatable"
    )
    put.add_argument("--paused", action="store_true", help="make it, but do not let it run yet")
    for name, text in _ACTS.items():
        _named(actions, name, text)


def _named(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser = running.action(actions, name, text)
    parser.add_argument("name", help="as `schedule list` shows it")
    return parser


def run(given: argparse.Namespace) -> int:
    """0 done; 1 refused or not there; 4 the time or zone cannot be read."""
    return asyncio.run(_run(given))


async def _run(given: argparse.Namespace) -> int:
    from hub.operate import agenda
    from hub.world import opened

    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        if given.action == "list":
            async with world.transaction(tenant) as tx:
                for entry in await agenda.listed(tx):
                    _say(given, entry)
            return 0
        found = await _act(given, world, tenant)
    if found is not None:
        _say(given, found)
    elif given.json:
        output.line({"action": given.action, "name": given.name})
    else:
        output.say(f"{given.action}: {given.name}")
    return 0


async def _act(given: argparse.Namespace, world: World, tenant: Tenant) -> Entry | None:
    """The schedule after the act; None where there is nothing to show."""
    from hub.operate import agenda

    match given.action:
        case "set":
            return await agenda.put(world, tenant, output.actor(), _wish(given))
        case "pause" | "resume":
            active = given.action == "resume"
            return await agenda.switch(world, tenant, output.actor(), given.name, active=active)
        case "run":
            await agenda.run(world, tenant, output.actor(), given.name)
        case "remove":
            await agenda.remove(world, tenant, output.actor(), given.name)
    return None


def _wish(given: argparse.Namespace) -> Wish:
    from hub.operate.agenda import Wish

    pairs = [text.partition("=") for text in given.set]
    return Wish(
        name=given.name,
        job=given.job,
        cron=given.cron,
        zone=given.zone,
        catch_up=given.catch_up,
        active=False if given.paused else None,
        arguments={name: value for name, _, value in pairs} if pairs else None,
    )


def _say(given: argparse.Namespace, entry: Entry) -> None:
    if given.json:
        output.line(entry.as_json())
        return
    following = f"next {entry.next_at.astimezone():%Y-%m-%d %H:%M}" if entry.next_at else "PAUSED"
    output.say(f"{entry.name:<24} {entry.cron:<14} {entry.zone:<20} {following}")
    given_arguments = "  " + " ".join(f"{key}={value}" for key, value in entry.arguments.items())
    output.say(f"    {entry.en} / {entry.pt}{given_arguments.rstrip()}")
    if entry.last:
        at = f"{entry.last.at.astimezone():%Y-%m-%d %H:%M:%S}"
        output.say(f"    last {at} {entry.last.status} {entry.last.said}".rstrip())
