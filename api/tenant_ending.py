"""`ponte tenant copy`, `export`, `erase` and `erased`: what they ask for before they act, and how they tell it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api import running
from api.cli import output
from canonical.errors import Misconfigured

if TYPE_CHECKING:
    from hub.ending.erase import Erased

ACTIONS = ("copy", "export", "erase", "erased")


def arguments(named: Any, listed: Any) -> None:
    """The options of these actions."""
    export = named("export", "everything of it in one new file: records, every row, messages, trail; with hashes")
    export.add_argument("file", type=Path, help="a new file; it holds patient data")
    export.add_argument(
        "--passphrase-env", metavar="NAME", help="environment variable with a passphrase: encrypt the file"
    )
    copy = named("copy", "records of some patients in disguise, for tests: a ZIP of NDJSON for $import")
    copy.add_argument("file", type=Path, help="a new file")
    copy.add_argument("--anonymised", action="store_true", required=True, help="say it: there is no other copy")
    copy.add_argument(
        "--patients", type=int, default=100, metavar="N", help="drawn by lot (default 100, at most 10000)"
    )
    erase = named("erase", "remove a closed tenant: every row, every file; nothing brings it back")
    erase.add_argument("--now", default="", metavar="SLUG", help="without the 30 days of waiting; its name once more")
    erase.add_argument("--without-export", action="store_true", help="although it was not exported since it was closed")
    listed("erased", "the tenants that were erased, and whether that list is whole; exit 1 when it is not")


async def run(given: argparse.Namespace) -> int:
    """0 done; 1 refused, or the list of erasures does not add up; 2 usage."""
    actions = {"copy": _copy, "export": _export, "erase": _erase, "erased": _listed}
    return await actions[given.action](given)


async def _export(given: argparse.Namespace) -> int:
    from hub import tenants
    from hub.ending import export, sealed_file
    from hub.world import opened

    if given.passphrase_env and not os.environ.get(given.passphrase_env):
        raise Misconfigured(f"the environment variable {given.passphrase_env} is not set")
    passphrase = os.environ[given.passphrase_env] if given.passphrase_env else ""
    async with opened(running.located(given.data), size=2) as world:
        tenant = await tenants.any_tenant(world, given.slug)
        told = await export.export(world, tenant, given.file, passphrase=passphrase, actor=output.actor())
    if given.json:
        output.line(told.as_json())
        return 0
    for name, written in told.files.items():
        if written.rows:
            output.say(f"{written.rows:>10}  {name}")
    output.say(f"SHA-256 of manifest.json: {told.manifest}")
    if tenant.active:
        output.say("the tenant is open: for an export that is whole, close it first / feche o tenant antes")
    if passphrase:
        output.say(sealed_file.DECRYPT)
    return 0


async def _copy(given: argparse.Namespace) -> int:
    from hub import tenants
    from hub.disguise import copy
    from hub.world import opened

    if given.patients < 1:
        output.complain("--patients is a whole number from 1 on")
        return 2
    async with opened(running.located(given.data), size=2) as world:
        tenant = await tenants.any_tenant(world, given.slug)
        done = await copy.copy(world, tenant, given.file, given.patients, actor=output.actor())
    if given.json:
        output.line(done.as_json())
        return 0
    for kind, count in sorted(done.records.items()):
        output.say(f"{count:>10}  {kind}")
    for why, counts in (("no longer valid", done.invalid), ("would name somebody", done.withheld)):
        for kind, count in sorted(counts.items()):
            output.say(f"{count:>10}  {kind} left out: {why}")
    output.say("messages, versions and the audit trail are left out / sem mensagens, versões e trilha")
    return 0


async def _erase(given: argparse.Namespace) -> int:
    from hub.ending import erase
    from hub.store import owned
    from hub.world import opened

    if given.now and given.now != given.slug:
        output.complain("--now takes the name of the tenant once more, and it is another one")
        return 2
    settings = running.located(given.data)
    async with opened(settings, size=2) as world, owned.opened(settings) as owner:
        done = await erase.erase(
            world,
            owner,
            given.slug,
            at_once=bool(given.now),
            unexported=given.without_export,
            actor=output.actor(),
        )
    _show(done, as_json=given.json)
    return 0


async def _listed(given: argparse.Namespace) -> int:
    from hub.ending import erase
    from hub.world import opened

    async with opened(running.located(given.data), size=1) as world:
        found, whole = await erase.erasures(world)
    for one in found:
        _show(one, as_json=given.json)
    if not whole:
        output.complain("the list of erasures does not add up: somebody changed it")
    return 0 if whole else 1


def _show(one: Erased, *, as_json: bool) -> None:
    if as_json:
        output.line(one.as_json())
        return
    rows = sum(count for name, count in one.counts.items() if name != "files")
    files = one.counts.get("files", 0)
    output.say(f"{one.erased_at:%Y-%m-%d %H:%M}  {one.slug}  {rows} rows, {files} files, by {one.actor}")
    output.say(f"    nothing of it is left / nada restou; {one.hash}")
