"""what needs attention: `alarms list | acknowledge RULE | limits | limit RULE | receivers | tell NAME | untell NAME`"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
from typing import TYPE_CHECKING, Any

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.watch.alarms import Alarm
    from hub.world import Tenant, World


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action; each reaches the running hub's database."""
    actions = parser.add_subparsers(dest="action", required=True)
    listed = running.action(
        actions, "list", "what stands now, gravest first; exit 1 when something nobody took on stands"
    )
    listed.add_argument("--lang", default="pt", choices=["pt", "en"])
    taken = running.action(actions, "acknowledge", "take an alarm on: it is told again only when it worsens")
    _placed(taken)
    running.action(actions, "limits", "every rule with its limits, and those set for this tenant")
    limit = running.action(actions, "limit", "set a rule's limits, everywhere or at one place")
    _placed(limit)
    limit.add_argument(
        "--warning", type=int, nargs="*", metavar="N", help="in the rule's unit, each graver than before"
    )
    limit.add_argument("--critical", type=int, nargs="*", metavar="N", help="graver than all warnings")
    limit.add_argument(
        "--hours", default="", metavar="7-19", help="only in these hours of the day, in the tenant's zone"
    )
    limit.add_argument("--off", action="store_true", help="no alarm")
    limit.add_argument("--default", action="store_true", help="as for everyone")
    running.action(actions, "receivers", "who is told, and how")
    _told(running.action(actions, "tell", "tell an address from now on: --url, or --to with --host"))
    running.action(actions, "untell", "tell it no more").add_argument("name")


def _placed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", help="such as outbound.age")
    parser.add_argument("--place", default="", help="a channel, partner or credential, as `alarms list` names it")


def _told(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="lower-case letters, digits and hyphens")
    parser.add_argument("--url", default="", help="a webhook: JSON by POST")
    parser.add_argument("--key-env", metavar="NAME", help="environment variable with the key of the signature")
    parser.add_argument("--to", nargs="+", default=[], metavar="ADDRESS", help="mail to these")
    parser.add_argument("--host", default="", help="the mail server")
    parser.add_argument("--port", type=int, default=0, help="default: 587, with --tls tls 465, with --tls none 25")
    parser.add_argument("--tls", default="starttls", choices=["starttls", "tls", "none"])
    parser.add_argument("--sender", default="", help="the mail's From")
    parser.add_argument("--login", default="", help="what the hub logs in with at the mail server")
    parser.add_argument("--password-env", metavar="NAME", help="environment variable with its password")
    parser.add_argument("--lang", default="pt", choices=["pt", "en"])


def run(given: argparse.Namespace) -> int:
    """0 done, or nothing stands; 1 something stands that nobody took on; 2 usage."""
    if given.action == "tell" and bool(given.url) == bool(given.to and given.host and given.sender):
        output.complain("say how: --url ADDRESS, or --to ADDRESS with --host SERVER and --sender ADDRESS (all three)")
        return 2
    if given.action == "limit" and (given.warning is None and given.critical is None) != (given.off or given.default):
        output.complain("name --warning and --critical, or --off, or --default")
        return 2
    if getattr(given, "hours", "") and not re.fullmatch(r"[0-9]{1,2}-[0-9]{1,2}", given.hours):
        output.complain("--hours is two hours of the day, such as 7-19")
        return 2
    missing = [name for name in (getattr(given, n, None) for n in ("key_env", "password_env")) if name]
    if wrong := [name for name in missing if name not in os.environ]:
        output.complain(f"the environment variable {wrong[0]} is not set")
        return 2
    return asyncio.run(_run(given))


async def _run(given: argparse.Namespace) -> int:
    from hub.world import opened

    async with opened(running.located(given.data), size=2) as world:
        tenant = await world.tenant(given.tenant)
        return await _ACTIONS[given.action](given, world, tenant)


async def _list(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.watch import alarms

    found = await alarms.current(world, tenant)
    for alarm in found:
        if given.json:
            output.line(alarm.as_json(given.lang))
        else:
            _show(alarm, given.lang)
    if not found and not given.json:
        output.say("nada a fazer" if given.lang == "pt" else "nothing stands")
    return 1 if any(alarm.acknowledged_at is None for alarm in found) else 0


def _show(alarm: Alarm, language: str) -> None:
    taken = f"  ({alarm.acknowledged_by})" if alarm.acknowledged_at else ""
    since = alarm.since.astimezone().strftime("%Y-%m-%d %H:%M")
    output.say(f"{alarm.severity:<8} {since}  {alarm.rule:<18} {alarm.place}{taken}")
    output.say(f"    {alarm.problem.text(language)}")
    output.say(f"    {alarm.problem.remedy(language)}")


async def _acknowledge(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.watch import alarms

    await alarms.acknowledge(world, tenant, given.rule, given.place, actor=output.actor())
    output.say(f"{given.rule} {given.place}".rstrip())
    return 0


async def _limits(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.watch import rules

    for name, rule in rules.rules().items():
        own = [key for key in rules.own_limits(tenant) if key == name or key.startswith(f"{name} ")]
        for place in ["", *(key.partition(" ")[2] for key in own if key != name)]:
            found = rules.rule_of(tenant, name, place)
            if given.json:
                output.line({**found.as_json(), "place": place, "own": bool(own)})
            else:
                steps = f"warning {_steps(found.warning)}, critical {_steps(found.critical)}"
                hours = f"  {found.hours[0]}-{found.hours[1]} h" if found.hours else ""
                output.say(f"{name:<18} {'≥' if rule.grows else '≤'} {steps} {rule.unit}  {place}{hours}".rstrip())
    return 0


def _steps(steps: tuple[int, ...]) -> str:
    return " ".join(map(str, steps)) or "-"


async def _limit(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.watch import rules

    rule = rules.rule_of(tenant, given.rule)
    limits = {"warning": given.warning or [], "critical": given.critical or []}
    if given.hours:
        limits["hours"] = [int(part) for part in given.hours.split("-")]
    await rules.set_limits(world, tenant, rule, given.place, None if given.default else limits, actor=output.actor())
    return 0


async def _receivers(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.exchange.partners import partners_of
    from hub.watch.tell import KIND

    async with world.transaction(tenant) as tx:
        found = await partners_of(tx, KIND)
    for partner in found:
        transport = partner.settings["transport"]
        where = transport.get("url") or f"{', '.join(transport.get('to', []))} ({transport.get('host')})"
        if given.json:
            output.line({"name": partner.code, "kind": transport["kind"], "where": where})
        else:
            output.say(f"{partner.code:<16} {transport['kind']:<8} {where}")
    return 0


async def _tell(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.watch import tell

    transport, secret = _transport(given)
    # who runs this command is the operator: a mail server or monitor inside the house is what is usually meant
    settings = {"transport": transport, "language": given.lang, "allow_private": True}
    await tell.declare(world, tenant, given.name, settings, secret, actor=output.actor())
    return 0


def _transport(given: argparse.Namespace) -> tuple[dict[str, Any], dict[str, str]]:
    if given.url:
        key = os.environ[given.key_env] if given.key_env else ""
        return {"kind": "webhook", "url": given.url, "media": "application/json"}, {"key": key} if key else {}
    password = os.environ[given.password_env] if given.password_env else ""
    transport: dict[str, Any] = {"kind": "mail", "host": given.host, "tls": given.tls, "sender": given.sender}
    transport |= {"to": given.to, **({"port": given.port} if given.port else {})}
    return transport, {"login": given.login, "password": password} if given.login else {}


async def _untell(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.watch import tell

    await tell.withdraw(world, tenant, given.name, actor=output.actor())
    return 0


_ACTIONS = {
    "list": _list,
    "acknowledge": _acknowledge,
    "limits": _limits,
    "limit": _limit,
    "receivers": _receivers,
    "tell": _tell,
    "untell": _untell,
}
