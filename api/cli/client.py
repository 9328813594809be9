"""programs of partners: `client list | create NAME … | keys NAME … | scopes NAME … | rate NAME … | revoke NAME`"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.guard.registration import Proof, Shown
    from hub.world import Tenant, World

ACTOR = "operator"


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action; each reaches the running hub's database."""
    actions = parser.add_subparsers(dest="action", required=True)
    running.action(actions, "list", "every client, its scopes and how it proves itself")
    create = _named(actions, "create", "register a client")
    _scopes(create)
    _proof(create)
    create.add_argument("--rate", type=int, help="its own limit of requests a minute")
    keys = _named(actions, "keys", "replace its keys, their address, or its secret")
    _proof(keys)
    _scopes(_named(actions, "scopes", "replace its scopes"))
    rate = _named(actions, "rate", "set its own limit of requests a minute; 0: the tenant's")
    rate.add_argument("rate", type=int)
    _named(actions, "revoke", "refuse it and all its tokens at once")


def _named(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser = running.action(actions, name, text)
    parser.add_argument("name", help="without the tenant's part")
    return parser


def _scopes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scope", action="append", nargs="+", required=True, help="such as system/Patient.rs")


def _proof(parser: argparse.ArgumentParser) -> None:
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument("--jwks", type=Path, metavar="FILE", help="a JWK Set with its public keys")
    one.add_argument("--jwks-url", default="", help="where it publishes its keys")
    one.add_argument("--secret", action="store_true", help="make a secret and show it once")


def run(given: argparse.Namespace) -> int:
    """0 done; 2 the file cannot be read."""
    try:
        found, secret = asyncio.run(_run(given))
    except (OSError, ValueError) as error:
        output.complain(f"o arquivo não pode ser lido / the file cannot be read: {output.unread(error)}")
        return 2
    for client in found:
        if given.json:
            output.line({**client.as_json(), **({"client_secret": secret} if secret else {})})
        else:
            _say(client, secret)
    return 0


def _say(client: Shown, secret: str) -> None:
    state = "" if client.active else "  REVOKED"
    rate = f"  {client.rate}/min" if client.rate else ""
    output.say(f"{client.client_id}  {client.proof}{rate}{state}")
    output.say(f"    {' '.join(client.scopes) or '-'}")
    if secret:
        output.say(f"    secret (shown only now): {secret}")


async def _run(given: argparse.Namespace) -> tuple[list[Shown], str]:
    from hub.guard import registration
    from hub.world import opened

    async with opened(running.located(given.data), size=2) as world:
        tenant = await world.tenant(given.tenant)
        secret = await _done(world, tenant, given)
        async with world.transaction(tenant) as tx:
            if given.action == "list":
                return await registration.listed(tx), ""
            return [await registration.read(tx, given.name)], secret


async def _done(world: World, tenant: Tenant, given: argparse.Namespace) -> str:
    """Carry the action out; returns a secret when one was made."""
    from hub.guard import registration
    from hub.guard.clients import Registration

    match given.action:
        case "create":
            wanted = Registration(scopes=tuple(_listed(given.scope)), rate=given.rate)
            proof = _proof_of(given)
            _, secret = await registration.register(world, tenant, given.name, wanted, proof, actor=ACTOR)
            return secret
        case "keys":
            return await registration.prove(world, tenant, given.name, _proof_of(given), actor=ACTOR)
        case "scopes":
            await registration.permit(world, tenant, given.name, _listed(given.scope), actor=ACTOR)
        case "rate":
            await registration.pace(world, tenant, given.name, given.rate or None, actor=ACTOR)
        case "revoke":
            await registration.revoke(world, tenant, given.name, actor=ACTOR)
    return ""


def _listed(groups: list[list[str]]) -> list[str]:
    return [scope for group in groups for item in group for scope in item.split()]


def _proof_of(given: argparse.Namespace) -> Proof:
    from hub.guard.registration import Proof

    jwks = json.loads(given.jwks.read_text(encoding="utf-8")) if given.jwks is not None else None
    return Proof(jwks=jwks, jwks_url=given.jwks_url, secret=given.secret)
