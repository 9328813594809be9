"""print an access token for scripts and trials"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import datetime
import os
from pathlib import Path

from api.cli import output

_MOST_MINUTES = 366 * 24 * 60


def arguments(parser: argparse.ArgumentParser) -> None:
    """Tenant, scopes and lifetime."""
    parser.add_argument("--tenant", required=True, help="whose records it reaches; ./ponte tenant list shows them")
    parser.add_argument("--scope", action="append", nargs="+", help="such as system/Patient.rs (default: all)")
    parser.add_argument("--role", action="append", default=[], help="kept in it for the trail (default: ADMIN)")
    parser.add_argument("--patient", default="", help="id of the Patient that patient/… scopes mean")
    parser.add_argument("--minutes", type=_minutes, default=60, help="how long it lives (default: 60)")
    parser.add_argument("--data", type=Path, help="data directory of the hub (default: the last one started here)")


def _minutes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to {_MOST_MINUTES}")
    return int(text)


def run(given: argparse.Namespace) -> int:
    """Print the token; 1 when a scope is none the hub knows."""
    scopes = [scope for group in given.scope or [] for item in group for scope in item.split()]
    output.say(asyncio.run(_issue(given, scopes or ["system/*.*", "hl7/write", "tiss/*", "admin/*"])))
    return 0


async def _issue(given: argparse.Namespace, scopes: list[str]) -> str:
    from hub import runfile
    from hub.guard import audit, registration, tokens
    from hub.settings import from_environment
    from hub.world import opened

    settings = from_environment(os.environ, data=given.data)
    if not settings.database_url:
        facts = runfile.read(settings, anywhere=given.data is None)
        settings = dataclasses.replace(settings, database_url=facts["database_url"], data=Path(facts["data"]))
    async with opened(settings, size=1) as world:
        tenant = await world.tenant(given.tenant)
        registration.check_scopes(world, tenant, scopes)
        lifetime = datetime.timedelta(minutes=given.minutes)
        claims = tokens.claims(
            world, tenant, "operator", roles=given.role or ["ADMIN"], scopes=scopes, lifetime=lifetime
        )
        async with world.transaction(tenant) as tx:
            detail = {"scopes": sorted(scopes), "minutes": given.minutes}
            await audit.note(tx, output.actor(), "token-create", "operator", detail=detail)
        return await tokens.signed(world, {**claims, **({"patient": given.patient} if given.patient else {})})
