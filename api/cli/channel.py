"""channels: `channel list | show | put | versions | diff | rollback | deactivate | test | compare | connections`"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api import running
from api.cli import output
from canonical.errors import NotFound

if TYPE_CHECKING:
    from hub.channels.versions import Version
    from hub.world import Tenant, World


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action; each reaches the running hub's database."""
    actions = parser.add_subparsers(dest="action", required=True)
    running.action(actions, "list", "every channel with its active version")
    show = running.action(actions, "show", "a channel's document")
    show.add_argument("name")
    show.add_argument("--version", type=int, help="another version than the active one")
    put = running.action(actions, "put", "store a TOML document as a new version and activate it")
    put.add_argument("file", type=Path)
    put.add_argument("--note", default="", help="why it changes; kept with the version")
    past = running.action(actions, "versions", "all versions of a channel, newest first")
    past.add_argument("name")
    diff = running.action(actions, "diff", "what changed between two versions, key by key")
    diff.add_argument("name")
    diff.add_argument("old", type=int)
    diff.add_argument("new", type=int, nargs="?", help="default: the active version")
    back = running.action(actions, "rollback", "make an earlier version the active one (default: the one before)")
    back.add_argument("name")
    back.add_argument("--to", type=int, default=0, metavar="VERSION")
    off = running.action(actions, "deactivate", "close a channel's door; `rollback --to` opens it again")
    off.add_argument("name")
    guests = running.action(actions, "connections", "who is connected or was turned away, and how pick-ups fare")
    guests.add_argument("name", nargs="?", default="", help="only this channel")
    _trying(actions)


def _trying(actions: Any) -> None:
    test = running.action(actions, "test", "what would happen to the messages of a file; nothing is stored")
    test.add_argument("file", type=Path, help="messages, a batch or an MLLP capture")
    test.add_argument("--channel", default="", help="this channel, whatever the messages' sender")
    test.add_argument("--document", type=Path, help="a TOML document that is not stored yet, instead of a channel")
    compare = running.action(actions, "compare", "run another version over messages really received; nothing is stored")
    compare.add_argument("name")
    compare.add_argument("--against", required=True, metavar="VERSION|FILE", help="a version, or a TOML document")
    compare.add_argument("--since", required=True, help="2026-11-01, 2026-11-01T08:00, or 90m, 24h, 7d ago")
    compare.add_argument("--limit", type=int, default=1000, help="at most so many messages, the newest (default 1000)")
    compare.add_argument("--overlay", type=Path, help="a folder of tables to try as the overlay of the new version")
    compare.add_argument("--show-values", action="store_true", help="show values (patient data!) instead of masks")


def run(given: argparse.Namespace) -> int:
    """0 good or equal; 1 data is wrong or outputs differ; 2 a file cannot be read."""
    from api import channel_trying

    try:
        work = {**_ACTIONS, "test": channel_trying.test, "compare": channel_trying.compare}[given.action]
        return asyncio.run(_with_hub(given, work))
    except OSError as error:
        output.complain(f"{error.filename}: {error.strerror}")
        return 2


async def _with_hub(
    given: argparse.Namespace, work: Callable[[argparse.Namespace, World, Tenant], Awaitable[int]]
) -> int:
    from hub.channels.reading import Faulty
    from hub.world import opened

    async with opened(running.located(given.data), size=2) as world:
        try:
            return await work(given, world, await world.tenant(given.tenant))
        except Faulty as error:
            for fault in error.faults:
                output.complain(f"{fault} / {fault.problem.text('pt')}")
            return 1


async def _list(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.channels import versions

    async with world.transaction(tenant) as tx:
        found = await versions.listed(tx)
    for one in found:
        _line(one, given.json)
    return 0


async def _show(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.channels import versions
    from hub.channels.writing import to_toml

    async with world.transaction(tenant) as tx:
        found = await versions.version(tx, given.name, given.version)
    if given.json:
        output.line(found.as_json())
    else:
        output.say(to_toml(found.document))
    return 0


async def _put(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.channels import reading, versions
    from hub.exchange import ports
    from hub.exchange.out import forward

    document = reading.from_toml(given.file.read_text(encoding="utf-8"))
    await ports.refuse_taken(world, tenant, document)
    async with world.transaction(tenant) as tx:
        stored = await versions.put(tx, tenant, document, actor=output.actor(), note=given.note)
        lacking = await forward.lacking(tx, document)
    _line(stored, given.json)
    for problem in lacking:
        output.complain(f"{problem.where}: {problem.text('en')} {problem.remedy('en')} / {problem.text('pt')}")
    return 0


async def _versions(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.channels import versions

    async with world.transaction(tenant) as tx:
        found = await versions.versions(tx, given.name)
    for one in found:
        _line(one, given.json)
    return 0


async def _diff(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.channels import versions

    async with world.transaction(tenant) as tx:
        old = await versions.version(tx, given.name, given.old)
        new = await versions.version(tx, given.name, given.new)
    for change in versions.difference(old.document, new.document):
        if given.json:
            output.line({"key": change.key, "old": change.old, "new": change.new})
        else:
            output.say(f"{change.key}: {change.old!r} → {change.new!r}")
    return 0


async def _rollback(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.channels import versions
    from hub.exchange import ports

    wanted = given.to
    async with world.transaction(tenant) as tx:
        if not wanted:
            known = await versions.versions(tx, given.name)
            active = next((one.version for one in known if one.active), 0)
            wanted = next((one.version for one in known if one.version < active), 0)
            if not wanted:
                raise NotFound("there is no earlier version; name one with --to")
        document = (await versions.version(tx, given.name, wanted)).document
    await ports.refuse_taken(world, tenant, document)
    async with world.transaction(tenant) as tx:
        found = await versions.activate(tx, given.name, wanted, actor=output.actor())
    _line(found, given.json)
    return 0


async def _deactivate(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.channels import versions

    async with world.transaction(tenant) as tx:
        await versions.deactivate(tx, given.name, actor=output.actor())
        found = await versions.version(tx, given.name)
    _line(found, given.json)
    return 0


async def _connections(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    """0 when a door is open, 1 when none is, 3 without the Valkey that would know."""
    from hub.exchange import guests

    found = await guests.connected(world, tenant, given.name)
    if found is None:
        output.complain("who is connected is told over Valkey, which is not in reach; the doors work without it")
        return 3
    for door in found:
        if given.json:
            output.line(door)
        else:
            _told(door)
    if not found and not given.json:
        output.say("no door is open / nenhuma porta aberta")
    return 0 if found else 1


def _told(door: dict[str, Any]) -> None:
    from canonical.problem import in_general

    if "door" in door:
        looked = "never" if door["looked_s"] is None else f"{_ago(door['looked_s'])} ago"
        output.say(f"{door['channel']:<20} {door['door']} {door['path']}  {door['files']} files, looked {looked}")
        if door["code"]:
            text, remedy = in_general(door["code"], "pt")
            output.say(f"    failing for {_ago(door['failing_s'])}, again in {_ago(door['again_s'])}: {door['code']}")
            output.say(f"        {text} {remedy}")
        return
    if door.get("closed"):
        text, remedy = in_general(door["closed"], "pt")
        output.say(
            f"{door['channel']:<20} port {door['port']:<6} CLOSED for {_ago(door['closed_s'])}: {door['closed']}"
        )
        output.say(f"        {text} {remedy}")
        return
    output.say(f"{door['channel']:<20} port {door['port']:<6} {door['connections']} connections")
    for one in door["addresses"]:
        output.say(
            f"    {one['address']:<39} {one['connections']:>5}  {one['messages']} messages, "
            f"open {_ago(one['open_s'])}, last heard {_ago(one['heard_s'])} ago  {one['certificate']}".rstrip()
        )
    for one in door["turned_away"]:
        text, remedy = in_general(one["code"], "pt")
        output.say(f"    turned away ×{one['count']} {one['address']}, last {_ago(one['last_s'])} ago: {one['code']}")
        output.say(f"        {text} {remedy}")


def _ago(seconds: int) -> str:
    units = (("h", 3600), ("min", 60), ("s", 0))
    return next(f"{seconds // (size or 1)} {name}" for name, size in units if seconds >= size)


_ACTIONS: dict[str, Callable[[argparse.Namespace, World, Tenant], Awaitable[int]]] = {
    "list": _list,
    "show": _show,
    "put": _put,
    "versions": _versions,
    "diff": _diff,
    "rollback": _rollback,
    "deactivate": _deactivate,
    "connections": _connections,
}


def _line(found: Version, as_json: bool) -> None:
    if as_json:
        output.line(found.as_json())
        return
    mark = "active" if found.active else "-"
    when = found.at.astimezone().strftime("%Y-%m-%d %H:%M")
    output.say(f"{found.channel:<20} v{found.version:<4} {mark:<7} {found.door:<7} {when}  {found.actor}  {found.note}")
