"""people of a hospital: `user list | add LOGIN --name … --role … | change | close | open | reset LOGIN | rules`"""

from __future__ import annotations

import argparse
import asyncio
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.users.accounts import Account
    from hub.world import Tenant, World


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action; each reaches the running hub's database."""
    actions = parser.add_subparsers(dest="action", required=True)
    running.action(actions, "list", "every account, its roles, and when the person last came in")
    add = _named(actions, "add", "make an account; its first password is shown once")
    add.add_argument("--name", required=True, help="the person's name, as the audit trail tells it")
    add.add_argument("--role", action="append", nargs="+", required=True, help=_ROLES)
    change = _named(actions, "change", "another name, other roles")
    change.add_argument("--name", default="")
    change.add_argument("--role", action="append", nargs="+", default=[], help=f"replaces all: {_ROLES}")
    _named(actions, "close", "refuse the person and end the sessions at once; the account stays listed")
    _named(actions, "open", "let the person in again")
    reset = _named(actions, "reset", "a new first password, shown once; ends sessions and waits")
    reset.add_argument("--second-factor", action="store_true", help="forget that too: the telephone is lost")
    rules = running.action(actions, "rules", "how the house's people sign in; without options only shown")
    rules.add_argument("--second-factor", choices=("demanded", "optional"))
    rules.add_argument("--idle", type=int, metavar="MINUTES", help="without use, until a session ends")
    oidc = running.action(
        actions, "oidc", "the house's own sign-in service (OpenID Connect); without options only shown"
    )
    oidc.add_argument("--file", type=Path, help="TOML: title, issuer, client_id, credential, groups_claim, [roles]")
    oidc.add_argument("--off", action="store_true", help="take it away")
    rules.add_argument("--hours", type=int, help="until a session ends in any case")


_ROLES = "one or more of administrator, operator, billing, auditor, privacy, viewer"


def _named(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser = running.action(actions, name, text)
    parser.add_argument("login", help="3 to 100 of a-z, 0-9 and . _ @ + -; it never changes")
    return parser


def run(given: argparse.Namespace) -> int:
    """0 done; 1 refused; 2 a file that cannot be read."""
    return asyncio.run(_run(given))


async def _run(given: argparse.Namespace) -> int:
    from hub.users import accounts
    from hub.world import opened

    async with opened(running.located(given.data), size=2) as world:
        tenant = await world.tenant(given.tenant)
        if given.action == "rules":
            await _rules(world, tenant, given)
            return 0
        if given.action == "oidc":
            return await _oidc(world, tenant, given)
        password = await _done(world, tenant, given)
        async with world.transaction(tenant) as tx:
            found = await accounts.listed(tx) if given.action == "list" else [await accounts.read(tx, given.login)]
    for account in found:
        if given.json:
            output.line({**account.as_json(), **({"first_password": password} if password else {})})
        else:
            _say(account, password)
    if not found and not given.json:
        output.say("nenhuma conta ainda / no account yet: ./ponte user add LOGIN --name … --role …")
    return 0


def _say(account: Account, password: str) -> None:
    state = "" if account.active else "  CLOSED"
    seen = f"  last in {account.entered_at:%Y-%m-%d %H:%M}" if account.entered_at else "  never in"
    factor = "  second factor" if account.second_factor else ""
    output.say(f"{account.login}  {account.name}  [{' '.join(account.roles)}]{factor}{seen}{state}")
    if password:
        output.say(f"    first password (shown only now, to be changed): {password}")


async def _done(world: World, tenant: Tenant, given: argparse.Namespace) -> str:
    """Carry the action out; returns a first password when one was made."""
    from hub.users import accounts

    actor = output.actor()
    match given.action:
        case "add":
            person = accounts.checked(given.login.casefold(), given.name, _listed(given.role))
            given.login = person.login
            return await accounts.add(world, tenant, person, actor=actor)
        case "change":
            roles = _listed(given.role)
            await accounts.change(world, tenant, given.login, name=given.name, roles=roles, actor=actor)
        case "close":
            await accounts.close(world, tenant, given.login, actor=actor)
        case "open":
            await accounts.reopen(world, tenant, given.login, actor=actor)
        case "reset":
            return await accounts.reset(world, tenant, given.login, second_factor=given.second_factor, actor=actor)
    return ""


async def _rules(world: World, tenant: Tenant, given: argparse.Namespace) -> None:
    import dataclasses

    from hub.users import rules

    before = rules.house_of(tenant)
    wanted = dataclasses.replace(
        before,
        second_factor=given.second_factor == "demanded" if given.second_factor else before.second_factor,
        idle_minutes=before.idle_minutes if given.idle is None else given.idle,
        hours=before.hours if given.hours is None else given.hours,
    )
    if wanted != before:
        await rules.decide(world, tenant, wanted, actor=output.actor())
    if given.json:
        output.line(wanted.as_json())
        return
    factor = "demanded" if wanted.second_factor else "optional"
    output.say(f"second factor {factor}; sessions end after {wanted.idle_minutes} idle minutes, {wanted.hours} hours")


async def _oidc(world: World, tenant: Tenant, given: argparse.Namespace) -> int:
    from hub.users import federation

    if given.file is not None:
        try:
            said = tomllib.loads(given.file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            output.complain(f"o arquivo não pode ser lido / the file cannot be read: {output.unread(error)}")
            return 2
        await federation.decide(world, tenant, federation.checked(world, said), actor=output.actor())
    elif given.off:
        await federation.decide(world, tenant, None, actor=output.actor())
    found = federation.service_of(await world.tenant(tenant.slug))
    if given.json:
        output.line(found.as_json() if found is not None else {})
    elif found is None:
        output.say("people sign in by passwords only")
    else:
        output.say(f"{found.title}  {found.issuer}  client {found.client_id}")
        output.say(f"    {', '.join(f'{group} = {role}' for group, role in found.roles.items())}")
        output.say(f"    register there as redirect address: {federation.back(world)}")
    return 0


def _listed(groups: list[list[str]]) -> list[str]:
    return [role for group in groups for item in group for role in item.replace(",", " ").split()]
