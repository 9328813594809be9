"""say where a record, or one element of it, comes from: `explain Patient/ID [name.family]`"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.operate.explain import Cause
    from hub.operate.origins import Origin


def arguments(parser: argparse.ArgumentParser) -> None:
    """The record as FHIR names it, and an element by its FHIR path."""
    parser.add_argument("record", help="TYPE/ID, such as Patient/abc")
    parser.add_argument(
        "path",
        nargs="?",
        default="",
        help="an element: name, name[0].family, value.ofType(Quantity); the type itself for all of them",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per version, or per element")
    running.options(parser)


def run(given: argparse.Namespace) -> int:
    """0; 1 when there is no such record, 2 when it is not named as TYPE/ID."""
    kind, _, identity = given.record.partition("/")
    if not kind or not identity or "/" in identity:
        output.complain("name the record as TYPE/ID")
        return 2
    causes, elements = asyncio.run(_explain(given, kind, identity))
    for cause in () if given.path else causes:
        if given.json:
            output.line(cause.as_json())
        else:
            _show(cause)
    for element in elements:
        if given.json:
            output.line(element.as_json())
        else:
            _show_element(element)
    return 0


async def _explain(given: argparse.Namespace, kind: str, identity: str) -> tuple[list[Cause], list[Origin]]:
    from hub.operate import explain, origins
    from hub.world import opened

    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        async with world.transaction(tenant) as tx:
            causes = await explain.record(tx, kind, identity)
        if not given.path:
            return causes, []
        return causes, await origins.origins(world, tenant, kind, identity, given.path)


def _show(cause: Cause) -> None:
    when = cause.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    output.say(f"version {cause.version}  {when}  {cause.method}  by {cause.actor or 'unknown'}")
    if cause.message_id is not None:
        where = f"{cause.message_type} {cause.control_id} on {cause.channel or '-'}"
        output.say(f"    from message {cause.message_id}: {where}")
    if cause.removed_at is not None:
        day = cause.removed_at.astimezone().date().isoformat()
        output.say(f"    message removed by retention on {day} / removida pela retenção")
    for part in cause.parts:
        output.say(f"    which was joined from {part}")


def _show_element(element: Origin) -> None:
    """The place and the tables, never the value."""
    cause = element.cause
    output.say(f"{element.path}  since version {cause.version}")
    if not element.row:
        output.say(f"    by {element.by}" + (f", from message {cause.message_id}" if cause.message_id else ""))
        return
    how = f" by {element.convert}" if element.convert else ""
    source = element.source or "constant or link"
    if element.beside:
        source += f" (beside it {', '.join(element.beside)})"
    output.say(f"    {source} of {cause.message_type} {cause.control_id}{how}")
    output.say(f"    {element.row}" + "".join(f", {code}" for code in element.codes))
