"""The export job (FHIR Bulk Data Access): walks the wanted types and writes what it finds, page by page."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from canonical.problem import Problem
from fhir import jsontext, subset
from fhir.outcome import outcome
from fhir.search.conditions import BadQuery
from hub.bulk import desk, members, run, wanted
from hub.bulk.pages import Page, Walk, page
from hub.bulk.reach import reach_of
from hub.bulk.run import Run
from hub.bulk.wanted import Wanted
from hub.exchange import handlers
from hub.records import custom
from hub.records.requests.refusal import Refusal
from hub.world import Tenant, World


@handlers.job(desk.EXPORT)
async def job(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Run the export named by `id`."""
    return await run.carry_out(world, tenant, arguments, export)


async def export(at: Run) -> None:
    """Write all files of an export, from where it stands; raises Stopped, TryLater."""
    what = wanted.wanted(at.job.request)
    await custom.known(at.world, at.tenant)  # scopes may narrow by the tenant's own parameters
    bound = await run.settled(at)
    await _begin(at, what)
    while at.progress["type"] < len(what.types):
        await _type(at, what, bound)
    async with at.world.transaction(at.tenant) as tx:
        await at.close(tx, "DONE")


async def _begin(at: Run, what: Wanted) -> None:
    """The patients of the export, and what was ignored of the request."""
    if "type" in at.progress:
        return
    notes = [Problem("fhir.bulk.ignored", level="information", args=(("name", name),)) for name in what.ignored]
    made = [await at.sealed("error", "OperationOutcome", [jsontext.text(outcome(notes))])] if notes else []
    at.progress.update(type=0, gathered=False, after=None)
    async with at.world.transaction(at.tenant) as tx:
        if what.of_some:
            await members.patients(tx, at.job.id, what)
        await at.write(tx, made)


async def _type(at: Run, what: Wanted, bound: datetime.datetime) -> None:
    """One type from where it stands."""
    reach = reach_of(at.world, at.tenant, what, at.job.owner)
    walk = Walk(run=at, wanted=what, type_name=what.types[at.progress["type"]], bound=bound, reach=reach)
    if not at.progress["gathered"] and not await _gathered(at, what, walk.type_name):
        return
    following = asyncio.create_task(_read(at, walk, at.progress["after"]))
    try:
        while True:
            found = await following
            if found.after is None:
                await _write(at, walk, found)
                return
            following = asyncio.create_task(_read(at, walk, found.after))  # while this one is packed and stored
            await _write(at, walk, found)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _read(at: Run, walk: Walk, after: list[Any] | None) -> Page:
    async with at.world.transaction(at.tenant) as tx:
        return await page(tx, walk, after)


async def _gathered(at: Run, what: Wanted, type_name: str) -> bool:
    """Whether the records of a type are known; a filter that cannot be carried out is told, and its type left out."""
    if not members.is_gathered(what, type_name):
        return True
    try:
        async with at.world.transaction(at.tenant) as tx:
            await members.gather(at, tx, what, type_name)
            at.progress["gathered"] = True
            await at.step(tx)
    except (BadQuery, Refusal) as error:
        problems = [error.problem] if isinstance(error, BadQuery) else error.problems
        piece = await at.sealed("error", "OperationOutcome", [jsontext.text(outcome(problems))])
        _go_on(at)
        async with at.world.transaction(at.tenant) as tx:
            await at.write(tx, [piece])
        return False
    return True


def _go_on(at: Run) -> None:
    at.progress.update(type=at.progress["type"] + 1, gathered=False, after=None)


async def _write(at: Run, walk: Walk, found: Page) -> None:
    """A page into its files; the step says where the next one starts."""
    kind, made = walk.type_name, []
    elements = walk.wanted.elements_of(kind)
    texts = [subset.text(text, "", elements) for text in found.texts] if elements else found.texts
    if texts:
        made.append(await at.sealed("output", kind, texts))
    if found.deleted:
        made.append(await at.sealed("deleted", "Bundle", [_deletions(kind, found.deleted)]))
    at.records += len(texts)
    at.progress["after"] = found.after
    if found.after is None:
        _go_on(at)
        if not made:  # a type without records is not worth a step
            return
    async with at.world.transaction(at.tenant) as tx:
        await at.write(tx, made)


def _deletions(kind: str, ids: Any) -> str:
    """Deleted records as a transaction that would delete them."""
    entries = [{"request": {"method": "DELETE", "url": f"{kind}/{identity}"}} for identity in ids]
    return jsontext.text({"resourceType": "Bundle", "type": "transaction", "entry": entries})
