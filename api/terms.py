"""`fhir terms import PATH… | list | remove ID`: releases of terminologies, brought in by the tables' owner."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api import running
from api.cli import output

if TYPE_CHECKING:
    from hub.store.owned import Owner
    from hub.terms.releases.importing import Taken
    from hub.world import Tenant, World


def arguments(actions: Any) -> None:
    """The family `terms` among the actions of `fhir`."""
    family = actions.add_parser("terms", help="SNOMED CT, LOINC, CID-10, SIGTAP, CBO as their publishers hand them out")
    terms = family.add_subparsers(dest="what", required=True)
    bring = running.action(terms, "import", "bring in a release for a tenant, whole or not at all")
    bring.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="zip or folder; of SNOMED CT the edition, then extensions"
    )
    bring.add_argument("--house", action="store_true", help="for every tenant of this hub, those to come too")
    bring.add_argument("--version", default="", help="of a package that does not tell its own")
    bring.add_argument("--edition", default="", help="SNOMED CT: the module that names the edition")
    running.action(terms, "list", "the releases a tenant uses, and what of each was read and was not")
    gone = running.action(terms, "remove", "take a release from a tenant; gone when nobody else uses it")
    gone.add_argument("id", type=int, help="as `list` tells it")


async def run(given: argparse.Namespace) -> int:
    """0 when it is done; failures say by themselves what is wrong."""
    from hub.terms.releases import importing

    async with _opened(given) as (world, owner, tenant):
        match given.what:
            case "import":
                wish = importing.Wish(
                    paths=given.paths, version=given.version, edition=given.edition, house=given.house
                )
                _tell(await importing.take_in(owner, tenant, wish, world.now(), "operator"), as_json=given.json)
            case "list":
                for taken in await importing.listed(owner, tenant):
                    _tell(taken, as_json=given.json)
            case _:
                whole = await importing.removed(owner, tenant, given.id, "operator")
                if given.json:
                    output.line({"id": given.id, "gone": whole})
                else:
                    output.say("removed" if whole else "taken from this tenant; others still use it")
    return 0


@contextlib.asynccontextmanager
async def _opened(given: argparse.Namespace) -> AsyncIterator[tuple[World, Owner, Tenant]]:
    from hub.store import owned
    from hub.world import opened

    settings = running.located(given.data)
    async with opened(settings, size=1) as world, owned.opened(settings) as owner:
        yield world, owner, await world.tenant(given.tenant)


def _tell(taken: Taken, *, as_json: bool) -> None:
    if as_json:
        output.line(taken.as_json())
        return
    output.say(f"{taken.id}  {taken.name}  {taken.version}{'  (house)' if taken.house else ''}")
    output.say(f"    {taken.system}, {taken.taken_at:%Y-%m-%d %H:%M} UTC")
    output.say("    read: " + ", ".join(f"{count} {kind}" for kind, count in sorted(taken.counts.items())))
    for why, times in sorted(taken.not_read.items()):
        output.say(f"    not read: {times} {why}")
