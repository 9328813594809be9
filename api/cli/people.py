"""persons: `people review | blocked`, `people export | accesses | block | unblock PERSON`"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.operate.persons.reviews import Review
    from hub.world import Tenant, World

PERSON = "Patient/ID, a number (CPF, CNS, the house's own), or - to read it from standard input"


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action."""
    actions = parser.add_subparsers(dest="action", required=True)
    review = actions.add_parser("review", help="pairs that may be one person, or share a CPF or CNS, with the reasons")
    review.add_argument("--limit", type=int, default=100)
    review.add_argument("--json", action="store_true", help="one JSON object per pair")
    running.options(review)
    export = actions.add_parser("export", help="all data about one person, for that person (LGPD): a ZIP")
    export.add_argument("person", help=PERSON)
    export.add_argument("file", type=Path, help="a new file; it holds patient data")
    export.add_argument("--json", action="store_true", help="one JSON object")
    running.options(export)
    accesses = actions.add_parser(
        "accesses", help="who read, wrote or searched the records of one person, newest first"
    )
    accesses.add_argument("person", help=PERSON)
    accesses.add_argument("--json", action="store_true", help="one JSON object per event")
    running.options(accesses)
    for name, text in (("block", "let nobody read a person's records; writing goes on"), ("unblock", "end a block")):
        action = actions.add_parser(name, help=text)
        action.add_argument("person", help=PERSON)
        action.add_argument("--json", action="store_true", help="one JSON object")
        running.options(action)
    blocked = actions.add_parser("blocked", help="the persons that are blocked")
    blocked.add_argument("--json", action="store_true", help="one JSON object per person")
    running.options(blocked)


def run(given: argparse.Namespace) -> int:
    """0, whether there is something to decide or not; 1 when nobody has the number."""
    return asyncio.run(_run(given))


async def _run(given: argparse.Namespace) -> int:
    from hub.world import opened

    async with opened(running.located(given.data), size=1) as world:
        await _ACTIONS[given.action](given, world, await world.tenant(given.tenant))
    return 0


async def _review(given: argparse.Namespace, world: World, tenant: Tenant) -> None:
    from hub.operate.persons import reviews

    async with world.transaction(tenant) as tx:
        found = await reviews.pairs(tx, given.limit)
    for pair in found:
        _show(pair, as_json=given.json)
    if not found and not given.json:
        output.say("nothing to decide / nada a decidir")


def _show(pair: Review, *, as_json: bool) -> None:
    if as_json:
        output.line(pair.as_json())
        return
    output.say(f"{pair.one}  {pair.two}")
    output.say(f"    {', '.join(pair.alike)}" + (f"; but {', '.join(pair.unlike)}" if pair.unlike else ""))


async def _export(given: argparse.Namespace, world: World, tenant: Tenant) -> None:
    from hub.operate.persons import subject

    gathered = await subject.export(world, tenant, _person(given), given.file, actor=output.actor())
    if given.json:
        output.line(gathered.as_json())
        return
    output.say(" ".join(f"Patient/{patient}" for patient in gathered.patients))
    for name, count in gathered.files.items():
        output.say(f"{count:>8}  {name}")


async def _accesses(given: argparse.Namespace, world: World, tenant: Tenant) -> None:
    from hub.guard import audit
    from hub.operate.persons import subject

    async with world.transaction(tenant) as tx:
        person = _person(given)
        found = await subject.accesses(tx, person)
        for patient in await subject.patients_of(tx, person):
            await audit.note(tx, output.actor(), "person-accesses", f"Patient/{patient}")
    for event in found:
        if given.json:
            output.line(event)
        else:
            who = f"{event['actor']} ({event['person']})" if event["person"] else event["actor"]
            said = "  ".join((event["action"], event["outcome"], who, event["entity"]))
            output.say(f"{event['at'][:19]}  {said}")


async def _block(given: argparse.Namespace, world: World, tenant: Tenant) -> None:
    from hub.operate.persons import blocking

    act = blocking.block if given.action == "block" else blocking.unblock
    _told(await act(world, tenant, _person(given), actor=output.actor()), as_json=given.json)


async def _blocked(given: argparse.Namespace, world: World, tenant: Tenant) -> None:
    from hub.operate.persons import blocking

    async with world.transaction(tenant) as tx:
        found = await blocking.listed(tx)
    for ids in found:
        _told(ids, as_json=given.json)
    if not found and not given.json:
        output.say("ninguém / nobody")


def _told(ids: list[str], *, as_json: bool) -> None:
    if as_json:
        output.line({"patients": ids})
    else:
        output.say(" ".join(f"Patient/{each}" for each in ids))


def _person(given: argparse.Namespace) -> str:
    """Who is meant; from standard input it stays out of the shell's history."""
    return (sys.stdin.readline() if given.person == "-" else str(given.person)).strip()


_ACTIONS: dict[str, Any] = {
    "review": _review,
    "export": _export,
    "accesses": _accesses,
    "block": _block,
    "unblock": _block,
    "blocked": _blocked,
}
