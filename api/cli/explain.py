"""say which message made each version of a record: `explain Patient/ID`"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.operate.explain import Cause


def arguments(parser: argparse.ArgumentParser) -> None:
    """The record as FHIR names it."""
    parser.add_argument("record", help="TYPE/ID, such as Patient/abc")
    parser.add_argument("--json", action="store_true", help="one JSON object per version")
    running.options(parser)


def run(given: argparse.Namespace) -> int:
    """0; 1 when there is no such record, 2 when it is not named as TYPE/ID."""
    kind, _, identity = given.record.partition("/")
    if not kind or not identity or "/" in identity:
        output.complain("name the record as TYPE/ID")
        return 2
    for cause in asyncio.run(_explain(given, kind, identity)):
        if given.json:
            output.line(cause.as_json())
        else:
            _show(cause)
    return 0


async def _explain(given: argparse.Namespace, kind: str, identity: str) -> list[Cause]:
    from hub.operate import explain
    from hub.world import opened

    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        async with world.transaction(tenant) as tx:
            return await explain.record(tx, kind, identity)


def _show(cause: Cause) -> None:
    when = cause.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    output.say(f"version {cause.version}  {when}  {cause.method}  by {cause.actor or 'unknown'}")
    if cause.message_id is not None:
        where = f"{cause.message_type} {cause.control_id} on {cause.channel or '-'}"
        output.say(f"    from message {cause.message_id}: {where}")
