"""print an access token for scripts and trials"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import datetime
import os
from pathlib import Path

from api.cli import output


def arguments(parser: argparse.ArgumentParser) -> None:
    """Tenant, scopes and lifetime."""
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--scope", action="append", nargs="+", help="scopes (default: all)")
    parser.add_argument("--role", action="append", default=[])
    parser.add_argument("--patient", default="", help="id of the Patient that patient/… scopes mean")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--data", type=Path)


def run(given: argparse.Namespace) -> int:
    """Print the token."""
    scopes = [scope for group in given.scope or [] for item in group for scope in item.split()]
    output.say(asyncio.run(_issue(given, scopes or ["system/*.*", "hl7/write", "tiss/*", "admin/*"])))
    return 0


async def _issue(given: argparse.Namespace, scopes: list[str]) -> str:
    from hub import runfile
    from hub.guard import audit, tokens
    from hub.settings import from_environment
    from hub.world import opened

    settings = from_environment(os.environ, data=given.data)
    if not settings.database_url:
        facts = runfile.read(settings, anywhere=given.data is None)
        settings = dataclasses.replace(settings, database_url=facts["database_url"], data=Path(facts["data"]))
    async with opened(settings, size=1) as world:
        tenant = await world.tenant(given.tenant)
        lifetime = datetime.timedelta(minutes=given.minutes)
        claims = tokens.claims(
            world, tenant, "operator", roles=given.role or ["ADMIN"], scopes=scopes, lifetime=lifetime
        )
        async with world.transaction(tenant) as tx:
            detail = {"scopes": sorted(scopes), "minutes": given.minutes}
            await audit.note(tx, output.actor(), "token-create", "operator", detail=detail)
        return await tokens.signed(world, {**claims, **({"patient": given.patient} if given.patient else {})})
