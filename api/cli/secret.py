"""the tenant's vault: `secret list | put NAME (--p12 F | --login L | --key F | --pem F) | remove | rekey`"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.store.database import Transaction
    from hub.world import World


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action; each reaches the running hub's database."""
    actions = parser.add_subparsers(dest="action", required=True)
    running.action(actions, "list", "names, kinds and dates; never a secret")
    kinds = "a certificate with its key, a login, a key for SFTP, or certificates of trusted issuers"
    put = running.action(actions, "put", f"seal {kinds}")
    put.add_argument("name")
    source = put.add_mutually_exclusive_group(required=True)
    source.add_argument("--p12", type=Path, metavar="FILE", help="PKCS#12 with certificate and key")
    source.add_argument("--login", metavar="LOGIN", help="what we log in with, or a payer logs in with at our door")
    source.add_argument("--pem", type=Path, metavar="FILE", help="certificates of trusted issuers")
    source.add_argument("--key", type=Path, metavar="FILE", help="private key for SFTP (OpenSSH or PEM)")
    put.add_argument(
        "--issuer", default="", help="with --login: the login is our client id at this sign-in service (OpenID Connect)"
    )
    put.add_argument(
        "--for",
        dest="owner",
        default="",
        metavar="KIND/CODE",
        help="with --login or --key: of this partner (payer/326305) or channel (channel/lab) alone",
    )
    put.add_argument("--password-env", metavar="NAME", help="environment variable with the password")
    remove = running.action(actions, "remove", "take a secret out of the vault")
    remove.add_argument("name")
    rekey = actions.add_parser("rekey", help="make a new master key and seal all secrets of all tenants under it")
    how = rekey.add_mutually_exclusive_group()
    how.add_argument("--again", action="store_true", help="no new key: seal what the previous one still holds")
    how.add_argument("--finish", action="store_true", help="forget the previous key, once nothing needs it")
    running.options(rekey, tenant=False)


def run(given: argparse.Namespace) -> int:
    """0 done; 2 a file or the password cannot be read."""
    if given.action == "rekey":
        return asyncio.run(_rekey(given))
    if given.action == "put" and given.login is not None and not given.password_env:
        output.complain("--login pede --password-env / --login needs --password-env")
        return 2
    if given.action == "put" and given.owner and ((given.login is None and given.key is None) or given.issuer):
        output.complain("--for pede --login ou --key, sem --issuer / --for needs --login or --key, without --issuer")
        return 2
    if given.action == "put" and given.issuer and given.login is None:
        output.complain("--issuer pede --login / --issuer needs --login")
        return 2
    if given.action == "put" and given.password_env and given.password_env not in os.environ:
        output.complain(f"a variável {given.password_env} não existe / the environment variable is not set")
        return 2
    try:
        return asyncio.run(_run(given))
    except OSError as error:
        output.complain(f"{error.filename}: {error.strerror}")
        return 2


async def _rekey(given: argparse.Namespace) -> int:
    from hub.guard import rekeying, secrets
    from hub.world import opened

    async with opened(running.located(given.data), size=2) as world:
        if given.finish:
            await rekeying.finish(world, output.actor())
            output.say("the previous key is forgotten; keep a copy of secrets/master.key apart from the backups")
            return 0
        if not given.again:
            secrets.turn(world.settings)
        done = await rekeying.seal_anew(world, output.actor())
    output.say(f"{done.anew} secrets sealed anew, {done.already} already; then: ./ponte secret rekey --finish")
    return 0


async def _put(given: argparse.Namespace, world: World, tx: Transaction) -> str:
    """Keep what is given; of a key for SFTP its public one, else nothing is returned."""
    from hub.guard import vault

    password = os.environ.get(given.password_env or "", "")
    if given.p12 is not None:
        await vault.put_certificate(tx, world.settings, given.name, given.p12.read_bytes(), password)
    elif given.key is not None:
        return await vault.put_key(tx, world.settings, given.name, given.key.read_bytes(), password, given.owner)
    elif given.pem is not None:
        await vault.put_issuers(tx, world.settings, given.name, given.pem.read_bytes())
    elif given.issuer:
        await vault.put_sign_in(tx, world.settings, given.name, (given.issuer, given.login), password)
    else:
        content = {"login": given.login, "password": password} | ({"for": given.owner} if given.owner else {})
        await vault.put(tx, world.settings, given.name, content, kind="login")
    return ""


async def _run(given: argparse.Namespace) -> int:
    from hub.guard import audit, vault
    from hub.world import opened

    public = ""
    async with opened(running.located(given.data), size=2) as world:
        tenant = await world.tenant(given.tenant)
        async with world.transaction(tenant) as tx:
            if given.action == "put":
                public = await _put(given, world, tx)
            elif given.action == "remove":
                await vault.remove(tx, given.name)
            if given.action != "list":
                await audit.note(tx, output.actor(), f"secret-{given.action}", f"secret/{given.name[:100]}")
            found = await vault.entries(tx)
    for entry in found:
        if given.action != "list" and entry.name != given.name:
            continue
        if given.json:
            output.line(entry.as_json())
        else:
            until = f"  until {entry.expires_at:%Y-%m-%d}" if entry.expires_at else ""
            output.say(f"{entry.name}  {entry.kind}{until}")
    if public and not given.json:
        output.say(f"for the server's authorized_keys: {public}")
    return 0
