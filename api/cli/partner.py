"""payers, laboratories and others: `partner list | put FILE | show | on | off | test KIND/CODE | keys [KIND]`"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api import running
from api.cli import output

if TYPE_CHECKING:
    from canonical.problem import Problem
    from hub.partners.desk import Standing
    from hub.partners.probe import Tried
    from hub.world import Tenant, World

_NAMED = {
    "show": "its document, as it was put",
    "on": "let deliveries to it go on",
    "off": "let what goes to it wait; nothing is lost",
    "test": "see whether its secrets are there, its address answers and its TLS holds; nothing is sent",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action; all but `keys` reach the running hub's database."""
    actions = parser.add_subparsers(dest="action", required=True)
    running.action(actions, "list", "every partner: what waits for it, and what failed last")
    put = running.action(actions, "put", "make a partner, or replace its document")
    put.add_argument("file", metavar="FILE", help="a document in TOML or JSON; - is standard input (TOML)")
    put.add_argument("--check", action="store_true", help="read it and tell what is wrong; store nothing")
    for name, text in _NAMED.items():
        running.action(actions, name, text).add_argument("partner", metavar="KIND/CODE", help="such as payer/326305")
    known = actions.add_parser("keys", help="what a document may say")
    known.add_argument("kind", nargs="?", choices=["payer", "lab", "subscriber"])
    known.add_argument("--json", action="store_true", help="one JSON object per line")


def run(given: argparse.Namespace) -> int:
    """0 done; 1 the document has faults, the partner is not there or did not answer; 2 the file cannot be read."""
    from hub.partners.document import Faulty

    if given.action == "keys":
        return _keys(given)
    try:
        stated = _document(given.file) if given.action == "put" else {}
    except (OSError, ValueError) as error:
        output.complain(f"o arquivo não pode ser lido / the file cannot be read: {error}")
        return 2
    try:
        return asyncio.run(_run(given, stated))
    except Faulty as error:
        _tell(given, error.problems)
        return 1


def _document(name: str) -> Mapping[str, Any]:
    """The file's document; raises OSError, ValueError."""
    text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    found = json.loads(text) if name.endswith(".json") else tomllib.loads(text)
    if not isinstance(found, Mapping):
        raise ValueError("it is no table")
    return found


async def _run(given: argparse.Namespace, stated: Mapping[str, Any]) -> int:
    from hub.partners import desk, document
    from hub.world import opened

    if given.action == "put" and given.check:
        document.read(stated)
        output.say("nada a corrigir / nothing to mend") if not given.json else output.line({"ok": True})
        return 0
    async with opened(running.located(given.data), size=2) as world:
        tenant = await world.tenant(given.tenant)
        if given.action == "list":
            async with world.transaction(tenant) as tx:
                for standing in await desk.listed(tx):
                    _say(given, standing)
            return 0
        return await _act(given, world, tenant, stated)


async def _act(given: argparse.Namespace, world: World, tenant: Tenant, stated: Mapping[str, Any]) -> int:
    from canonical import toml_text
    from hub.partners import desk, probe

    if given.action == "put":
        done = await desk.put(world, tenant, output.actor(), stated, by_operator=True)
        _say(given, done.standing)
        _tell(given, done.problems)
        if done.schedules and not given.json:
            output.say(f"    schedules / agenda: {', '.join(done.schedules)}")
        return 0
    kind, _, code = given.partner.partition("/")
    if given.action == "test":
        return _tried(given, await probe.tried(world, tenant, output.actor(), kind, code))
    if given.action == "show":
        async with world.transaction(tenant) as tx:
            stated = dict((await desk.one(tx, kind, code)).stated)
        if given.json:
            output.line(stated)
        else:
            output.say(toml_text.text(stated).rstrip())
        return 0
    _say(given, await desk.switch(world, tenant, output.actor(), kind, code, active=given.action == "on"))
    return 0


def _say(given: argparse.Namespace, standing: Standing) -> None:
    if given.json:
        output.line(standing.as_json())
        return
    stated = standing.stated
    state = "off" if not stated["active"] else "PAUSED" if standing.paused else "on"
    place = f"{stated['kind']}/{standing.code}"
    told = f"{state:<7} {standing.waiting:>6} waiting {standing.last_error}".rstrip()
    output.say(f"{place:<28} {stated['name']:<40} {told}")


def _tell(given: argparse.Namespace, problems: Sequence[Problem]) -> None:
    for problem in problems:
        if given.json:
            output.line(problem.as_json())
        else:
            output.say(f"{problem.severity} {problem.code}: {problem.text('pt')} {problem.remedy('pt')}")


def _tried(given: argparse.Namespace, found: Tried) -> int:
    ok = not any(problem.blocks for problem in found.problems)
    if given.json:
        output.line(found.as_json())
        return 0 if ok else 1
    for place in found.reached:
        output.say(f"ok  {place.place}  {place.said}".rstrip())
    for key, days in found.days.items():
        output.say(f"    {key}: {days} days left / dias de validade")
    _tell(given, found.problems)
    return 0 if ok else 1


def _keys(given: argparse.Namespace) -> int:
    from hub.partners.keys import keys

    for key in keys().values():
        if given.kind and given.kind not in key.kinds:
            continue
        if given.json:
            output.line({name: getattr(key, name) for name in key.__slots__})
        else:
            output.say(f"{key.key:<28} {key.type:<22} {key.en} / {key.pt}")
    return 0
