"""FHIR packages as a tenant's records: taken in, known slips of publishers mended, and what they rest on told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from canonical.errors import Conflict
from canonical.identity import record_id
from canonical.problem import Problem
from canonical.records import Key
from fhir import jsontext
from fhir.validation import profiles
from fhir.validation.profile_tree import foreign
from fhir.validation.validator import validate
from hub.find.statement import Within
from hub.operate import package_files
from hub.operate.package_files import Around
from hub.records.requests.entry import is_id
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.store.database import Transaction
from hub.terms import stored
from hub.world import Tenant, World

Told = tuple[str, Problem]


@dataclass(slots=True)
class Taken:
    """How many resources were taken, which were not and why, and what is to be known of those taken."""

    count: int = 0
    refused: list[Told] = field(default_factory=list)
    notes: list[Told] = field(default_factory=list)


def resources(path: Path, canonical: str = "") -> Iterator[dict[str, Any]]:
    """The conformance resources of a package or a single file; raises Refused for what is none, OSError."""
    for _, body in package_files.contents(path, Around(canonical=canonical)):
        if isinstance(body, dict):
            yield mended(body)[0]


async def _types(world: World, tenant: Tenant, path: Path) -> dict[str, str]:
    """The types behind the tenant's own profiles, which sources in FSH may name as parents."""
    if not package_files.has_sources(path):
        return {}
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT body::json ->> 'url' AS url, body::json ->> 'type' AS type FROM resource "
            "WHERE tenant_id = $1 AND type = 'StructureDefinition' AND NOT deleted"
        )
    return {row["url"]: row["type"] for row in rows if row["url"] and row["type"]}


async def take_in(world: World, tenant: Tenant, path: Path, actor: str, canonical: str = "") -> Taken:
    """Store the conformance resources of a package as the tenant's records; `canonical` is for FSH without settings.

    A resource keeps its id where it has one that no other address holds; importing a package again changes only what
    differs.
    """
    taken, bodies = Taken(), []
    around = Around(canonical=canonical, types=await _types(world, tenant, path))
    for name, found in package_files.contents(path, around):
        if isinstance(found, Problem):
            taken.refused.append((name, found))
            continue
        body, note = mended(found)
        problems = [problem for problem in validate(body) if problem.blocks]
        problem = problems[0] if problems else await _save(world, tenant, body, actor)
        if problem is not None:
            taken.refused.append((name, problem))
            continue
        taken.count += 1
        taken.notes += [(name, note)] if note else []
        bodies.append(body)
    taken.notes += await _absent(world, tenant, bodies)
    return taken


async def _save(world: World, tenant: Tenant, body: dict[str, Any], actor: str) -> Problem | None:
    """Store one; the reason when it cannot be."""
    kind, stated = body["resourceType"], body.get("id")
    named = isinstance(stated, str) and is_id(stated)
    identity = str(stated) if named else record_id(kind, Key("url", str(body.get("url"))))
    try:
        async with world.transaction(tenant) as tx:
            if named and await _is_another(tx, body):
                identity = record_id(kind, Key("url", str(body.get("url"))))
            write = Write(type=kind, id=identity, body=body, skip_unchanged=True)
            await save(tx, [write], Origin(actor=actor, now=world.now(), zone=tenant.zone))
    except Conflict as error:
        return Problem(error.code or "failure.conflict", level="error")
    return None


async def _is_another(tx: Transaction, body: dict[str, Any]) -> bool:
    """Whether the id is taken by a resource of another address: packages do not know of each other's ids."""
    text = await tx.value(
        "SELECT body FROM resource WHERE tenant_id = $1 AND type = $2 AND id = $3 AND NOT deleted",
        body["resourceType"],
        body["id"],
    )
    return bool(text and body.get("url")) and jsontext.stored(text).get("url") != body["url"]


def mended(body: dict[str, Any]) -> tuple[dict[str, Any], Problem | None]:
    """A published slip put right: a binding without strength (three profiles of RNDS) binds nothing, as an example."""
    bare = [
        element["binding"]
        for part in ("differential", "snapshot")
        for element in _elements(body.get(part))
        if isinstance(element.get("binding"), dict) and "strength" not in element["binding"]
    ]
    for binding in bare if body.get("resourceType") == "StructureDefinition" else ():
        binding["strength"] = "example"
    return body, Problem("fhir.package.binding", args=(("count", str(len(bare))),)) if bare else None


def _elements(part: Any) -> list[dict[str, Any]]:
    listed = part.get("element") if isinstance(part, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


async def _absent(world: World, tenant: Tenant, bodies: Iterable[dict[str, Any]]) -> list[Told]:
    """What profiles rest on that neither came with them nor is stored: the rules of a base above all."""
    own = [body for body in bodies if body["resourceType"] == "StructureDefinition"]
    here = {name for body in own for name in profiles.spelled(str(body.get("url")))}
    wanted = {url: body for body in own for url in profiles.needed(body) if foreign(url) and url not in here}
    if not wanted:
        return []
    async with world.transaction(tenant) as tx:
        names = {name for url in wanted for name in profiles.spelled(url)}
        found = {url for _, url in await stored.by_address(Within(tx), ("StructureDefinition",), names)}
    told = []
    for url, body in sorted(wanted.items()):
        if found.isdisjoint(profiles.spelled(url)):
            base = str(body.get("baseDefinition", "")).partition("|")[0] == url
            code = "fhir.package.base-absent" if base else "fhir.package.profile-absent"
            told.append((f"StructureDefinition/{str(body.get('id'))[:120]}", Problem(code, args=(("profile", url),))))
    return told
