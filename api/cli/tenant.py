"""hospitals on this hub: `tenant list | erased`, `tenant add | change | close | open | copy | export | erase SLUG …`"""

from __future__ import annotations

import argparse
import asyncio
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api import running, tenant_ending
from api.cli import output

if TYPE_CHECKING:
    from hub.channels.document import Document
    from hub.tenants import Standing
    from hub.world import Tenant, World

FIRST_CLIENT = "admin"
FIRST_SCOPES = ("admin/*",)
"""Enough to make every other client; each of those gets what it needs and no more."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action; each reaches the running hub's database."""
    actions = parser.add_subparsers(dest="action", required=True)
    running.action(actions, "list", "every tenant: channels, clients, waiting work", tenant=False)
    add = _named(actions, "add", "make a tenant with its channels, upkeep and first client")
    add.add_argument("--name", required=True, help="how people call it")
    add.add_argument("--zone", default="", help="where its dates without a zone lie (default America/Sao_Paulo)")
    add.add_argument("--mllp-port", type=int, help="make the channel his-mllp on this port")
    add.add_argument(
        "--channel",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a channel document (TOML); repeatable",
    )
    proof = add.add_mutually_exclusive_group()
    proof.add_argument("--jwks", type=Path, metavar="FILE", help="public keys of the first client instead of a secret")
    proof.add_argument("--no-client", action="store_true", help="make no client")
    change = _named(actions, "change", "another name or zone")
    change.add_argument("--name", default="")
    change.add_argument("--zone", default="")
    _named(actions, "close", "close its doors, refuse its tokens, let its work wait; nothing is removed")
    _named(actions, "open", "open it again; its work goes on")
    tenant_ending.arguments(partial(_named, actions), partial(running.action, actions, tenant=False))


def _named(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser = running.action(actions, name, text, tenant=False)
    parser.add_argument("slug", help="its short name: 3 to 40 lower-case letters, digits, hyphens; it never changes")
    return parser


def run(given: argparse.Namespace) -> int:
    """0 done; 1 refused, also a channel document with faults; 2 a file cannot be read."""
    from hub.channels.reading import Faulty

    if given.action in tenant_ending.ACTIONS:
        return asyncio.run(tenant_ending.run(given))
    try:
        channels, keys = _files(given) if given.action == "add" else ([], None)
    except Faulty as error:
        for fault in error.faults:
            output.complain(f"{fault} / {fault.problem.text('pt')}")
        return 1
    except (OSError, ValueError) as error:
        output.complain(f"o arquivo não pode ser lido / the file cannot be read: {output.unread(error)}")
        return 2
    found, secret = asyncio.run(_run(given, channels, keys))
    if not found and not given.json:
        output.say("nenhum tenant ainda / no tenant yet: ./ponte tenant add SLUG --name …")
    for standing in found:
        if given.json:
            output.line({**standing.as_json(), **secret})
        else:
            _say(standing, secret)
    return 0


def _say(standing: Standing, secret: dict[str, str]) -> None:
    closed = "" if standing.tenant.active else "  CLOSED"
    output.say(f"{standing.tenant.slug}  {standing.tenant.name}  ({standing.tenant.zone}){closed}")
    output.say(f"    {standing.channels} channels, {standing.clients} clients, {standing.waiting} waiting")
    if secret:
        shown = f", secret (shown only now): {secret['client_secret']}" if "client_secret" in secret else ""
        output.say(f"    client {secret['client_id']}{shown}")


async def _run(
    given: argparse.Namespace, channels: list[Document], keys: dict[str, Any] | None
) -> tuple[list[Standing], dict[str, str]]:
    """What stands after the action, and the id and secret of a client that was made."""
    from hub import tenants
    from hub.world import opened

    secret: dict[str, str] = {}
    async with opened(running.located(given.data), size=2) as world:
        match given.action:
            case "add":
                zone = given.zone or tenants.ZONE
                made = await tenants.add(
                    world, given.slug, given.name, zone=zone, channels=channels, actor=output.actor()
                )
                secret = {} if given.no_client else await _client(world, made, keys)
            case "change":
                await tenants.change(world, given.slug, name=given.name, zone=given.zone, actor=output.actor())
            case "close":
                await tenants.close(world, given.slug, actor=output.actor())
            case "open":
                await tenants.reopen(world, given.slug, actor=output.actor())
        found = await tenants.listed(world)
    return [one for one in found if given.action == "list" or one.tenant.slug == given.slug], secret


async def _client(world: World, made: Tenant, jwks: dict[str, Any] | None) -> dict[str, str]:
    """Make the tenant's first client; its id, and its secret when that is its proof."""
    from hub.guard import registration
    from hub.guard.clients import Registration

    wanted = Registration(scopes=FIRST_SCOPES, roles=("ADMIN",))
    proof = registration.Proof(jwks=jwks, secret=jwks is None)
    identity, secret = await registration.register(world, made, FIRST_CLIENT, wanted, proof, actor=output.actor())
    return {"client_id": identity, **({"client_secret": secret} if secret else {})}


def _files(given: argparse.Namespace) -> tuple[list[Document], dict[str, Any] | None]:
    """The channels and the first client's keys. Without channel files a door for HL7 over HTTP; one over MLLP where a
    port is named. Raises OSError, ValueError, Refused and Faulty: nothing is made of half of what was asked for."""
    from hub.channels import reading
    from hub.guard import keys

    found = [reading.from_toml(path.read_text(encoding="utf-8")) for path in given.channel]
    if not found:
        found.append(reading.from_json({"name": "his-http", "door": "http"}))
    if given.mllp_port is not None:
        found.append(reading.from_json({"name": "his-mllp", "door": "mllp", "port": given.mllp_port}))
    if given.jwks is None:
        return found, None
    text = given.jwks.read_text(encoding="utf-8")
    keys.read(text)
    return found, dict(json.loads(text))
