"""how long what is kept stays: `retention show | set RULE DAYS | try | run | holds | hold [PERSON] | lift ID`"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.retention.holds import Hold
    from hub.retention.messages import Removed
    from hub.world import Tenant, World

_EVER, _USUAL = ("ever", "sempre"), ("usual", "padrao")


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action; each reaches the running hub's database."""
    actions = parser.add_subparsers(dest="action", required=True)
    show = running.action(actions, "show", "every rule: its days for this tenant, the least the law allows, and why")
    show.add_argument("--lang", default="pt", choices=["pt", "en"])
    wanted = running.action(actions, "set", "keep what a rule is about for so many days")
    wanted.add_argument("rule", help="such as received")
    wanted.add_argument("days", help="days, or `ever` (for ever), or `usual` (as for who sets nothing)")
    tried = running.action(actions, "try", "what the rules would remove now, by year; nothing is changed")
    tried.add_argument(
        "--with", dest="given", action="append", default=[], metavar="RULE=DAYS", help="as if so many were set"
    )
    run = running.action(actions, "run", "remove now what the rules say; every night the hub does it by itself")
    run.add_argument("--audit", action="store_true", help="old audit events too; done as the owner of the tables")
    running.action(actions, "holds", "the legal holds that stand")
    hold = running.action(
        actions, "hold", "let no rule remove messages and requests of a person, or without one of anybody"
    )
    hold.add_argument("person", nargs="?", default="", help="Patient/ID, a number, or - to read it from standard input")
    hold.add_argument("--reason", required=True, help="the lawsuit or inquiry; it is shown in the list of holds")
    running.action(actions, "lift", "end a hold").add_argument("id", type=UUID)


def run(given: argparse.Namespace) -> int:
    """0 done; 1 refused; 2 usage."""
    try:
        if given.action == "set":
            given.days, given.usual = _days(given.days), given.days in _USUAL
        if given.action == "try":
            pairs = (each.partition("=") for each in given.given)
            given.given = {name: _days(days) for name, _, days in pairs}
    except ValueError:
        output.complain("days are a whole number, or `ever`; set takes `usual` too")
        return 2
    return asyncio.run(_run(given))


def _days(text: str) -> int | None:
    if text in _EVER or text in _USUAL:
        return None
    return int(text)


async def _run(given: argparse.Namespace) -> int:
    from hub.world import opened

    async with opened(running.located(given.data), size=2) as world:
        await _ACTIONS[given.action](given, world, await world.tenant(given.tenant))
    return 0


async def _show(given: argparse.Namespace, world: World, tenant: Tenant) -> None:
    from hub.retention import rules

    for name, rule in rules.rules().items():
        days = rules.days_of(tenant, name)
        if given.json:
            output.line({**rule.as_json(), "days": days, "own": rules.is_own(tenant, name)})
            continue
        least = f"mínimo {rule.least}" if given.lang == "pt" else f"least {rule.least}"
        output.say(f"{name:<14} {_said(days, given.lang):<12} ({least})  {rule.text[given.lang]}")
        output.say(f"{'':<14} {rule.law[given.lang]}")


def _said(days: int | None, language: str) -> str:
    if days is None:
        return "para sempre" if language == "pt" else "for ever"
    return f"{days} dias" if language == "pt" else f"{days} days"


async def _set(given: argparse.Namespace, world: World, tenant: Tenant) -> None:
    from hub.retention import rules

    changed = await rules.set_days(world, tenant, given.rule, given.days, usual=given.usual, actor=output.actor())
    output.say(f"{given.rule}  {_said(rules.days_of(changed, given.rule), 'en')}")


async def _try(given: argparse.Namespace, world: World, tenant: Tenant) -> None:
    from hub.retention import run as retention

    for line in await retention.tried(world, tenant, given.given):
        if given.json:
            output.line(line.as_json())
            continue
        output.say(
            f"{line.rule:<14} {_said(line.days, 'en'):<12} {line.count:>9} to remove  {line.bytes / 1e6:>10.1f} MB"
        )
        for year, count in sorted(line.years.items()):
            output.say(f"{'':<27} {count:>9} of {year}")
        if line.kept:
            output.say(f"{'':<27} {line.kept:>9} kept back: open, failed or held")


async def _now(given: argparse.Namespace, world: World, tenant: Tenant) -> None:
    from hub.retention import run as retention
    from hub.retention import trail
    from hub.store import owned

    done, _ = await retention.removed(world, tenant, actor=output.actor())
    if given.audit:
        async with owned.opened(world.settings) as owner:
            done["audit"] = await trail.removed(world, owner, tenant, actor=output.actor())
    for name, some in done.items():
        _show_removed(name, some, as_json=given.json)
    if not done and not given.json:
        output.say("nada a remover / nothing to remove")


def _show_removed(name: str, some: Removed, *, as_json: bool) -> None:
    if as_json:
        output.line({"rule": name, **some.as_json()})
        return
    span = f"{some.first:%Y-%m-%d} to {some.last:%Y-%m-%d}" if some.first and some.last else ""
    output.say(f"{name:<14} {some.count:>9} removed  {some.bytes / 1e6:>10.1f} MB  {span}".rstrip())


async def _holds(given: argparse.Namespace, world: World, tenant: Tenant) -> None:
    from hub.retention import holds

    async with world.transaction(tenant) as tx:
        found = await holds.standing(tx)
    for hold in found:
        _show_hold(hold, as_json=given.json)
    if not found and not given.json:
        output.say("nenhuma suspensão / no hold")


def _show_hold(hold: Hold, *, as_json: bool) -> None:
    if as_json:
        output.line(hold.as_json())
        return
    who = f"Patient/{hold.patient_id}" if hold.patient_id else "todos / everybody"
    output.say(f"{hold.id}  {hold.placed_at:%Y-%m-%d}  {who}  {hold.placed_by}")
    output.say(f"    {hold.reason}")


async def _hold(given: argparse.Namespace, world: World, tenant: Tenant) -> None:
    from hub.retention import holds

    person = (sys.stdin.readline() if given.person == "-" else given.person).strip()
    if given.person and not person:
        raise SystemExit(2)  # an empty line is nobody, and must not mean everybody
    async with world.transaction(tenant) as tx:
        placed = await holds.place(tx, person, given.reason, actor=output.actor())
    _show_hold(placed, as_json=given.json)


async def _lift(given: argparse.Namespace, world: World, tenant: Tenant) -> None:
    from hub.retention import holds

    async with world.transaction(tenant) as tx:
        await holds.lift(tx, given.id, actor=output.actor())
    output.say(f"{given.id}")


_ACTIONS: dict[str, Any] = {
    "show": _show,
    "set": _set,
    "try": _try,
    "run": _now,
    "holds": _holds,
    "hold": _hold,
    "lift": _lift,
}
