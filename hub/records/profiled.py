"""Profiles of a tenant: StructureDefinition and ValueSet records, looked up with all they rest on.

How much they bind a write is the tenant's choice (`profiles` under `fhir` of its settings): `off` (the default; R4
itself always holds), or `enforce`: a record must meet the known profiles it names in `meta.profile`, and its extensions
their definitions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from canonical.problem import Problem
from fhir.terminology.bodies import membership
from fhir.terminology.sets import Reader
from fhir.terminology.systems import Unanswered
from fhir.validation import contexts, profiles
from fhir.validation.profile_tree import elements
from hub.find.statement import Source
from hub.terms import stored
from hub.terms.shelf import Shelf
from hub.world import Tenant, World

MOST_DEFINITIONS = 200
MOST_CLAIMS = 1000
_GUIDES = "type IN ('ImplementationGuide', 'StructureDefinition')"
_OF_GUIDES = f"FROM resource WHERE tenant_id = c.tenant AND {_GUIDES} AND NOT deleted"
_STATE = f"SELECT count(*) AS count, max(updated_at) AS latest {_OF_GUIDES} LIMIT 1"
_MEMBERS = ("url", "version", "status", "kind", "derivation")
_STATED = (
    f"SELECT type, {', '.join(f'body::json->>{name!r} AS {name}' for name in _MEMBERS)}, body::json->>'type' AS of "
    f"{_OF_GUIDES} LIMIT 10000"
)
_DECLARED: dict[UUID, tuple[Any, Declared]] = {}


async def check(source: Source, document: Any, asked: str = "") -> list[Problem]:
    """The findings of a document against the profiles it and its entries name, and `asked`; and of its extensions.

    A profile that is not stored is named in a warning.
    """
    claims = profiles.claims(document, asked)[:MOST_CLAIMS]
    urls = dict.fromkeys([url for _, _, urls in claims for url in urls])
    urls |= dict.fromkeys(sorted(contexts.named(document))[:MOST_CLAIMS])
    if not urls:
        return []
    definitions = await definitions_of(source, urls)
    member = membership(Reader(await _shelf(source, definitions.values())))
    return await asyncio.to_thread(profiles.judged, document, claims, definitions, member)


async def definitions_of(source: Source, urls: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The stored definitions of `urls` and of all they rest on, by canonical address in every spelling.

    Of several versions the one an address names counts, else the newest that is not retired.
    """
    found: dict[str, dict[str, Any]] = {}
    stated = [url.partition("|") for url in urls]
    versions = {name: version for url, _, version in stated if version for name in profiles.spelled(url)}
    wanted = {url for url, _, _ in stated}
    asked: set[str] = set()
    while wanted and len(found) < MOST_DEFINITIONS:
        names = {name for url in wanted for name in profiles.spelled(url)}
        read = await stored.by_address(source, ("StructureDefinition",), names)
        asked |= names
        for (_, url), reads in read.items():
            version = versions.get(url, "")
            found[url] = min(
                reads, key=lambda each: (bool(version) and each.heading.get("version") != version, each.retired)
            ).form
        wanted = {url for body in found.values() for url in profiles.needed(body)} - asked
    return profiles.by_spelling(found)


async def _shelf(source: Source, definitions: Iterable[dict[str, Any]]) -> Shelf:
    """The value sets the definitions bind as required, with all they rest on."""
    urls = {
        str(element["binding"]["valueSet"]).partition("|")[0]
        for definition in definitions
        for element in elements(definition)
        if element.get("binding", {}).get("strength") == "required" and element["binding"].get("valueSet")
    }
    shelf = Shelf(datetime.now(UTC).date().isoformat())
    with contextlib.suppress(Unanswered):  # too many: what was gathered is judged, the rest is not
        await shelf.gather(source, sets=sorted(urls))
    return shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a tenant has of published guides: profiles by the type they constrain, and the guides, as canonicals."""

    profiles: tuple[tuple[str, tuple[str, ...]], ...] = ()
    guides: tuple[str, ...] = ()


async def declared(world: World, tenant: Tenant) -> Declared:
    """What is declared of the tenant's guides, read anew only when one of its definitions changed."""
    (state,) = await world.database.ask(tenant.id, _STATE)
    mark = (state["count"], state["latest"])
    known = _DECLARED.get(tenant.id)
    if known is None or known[0] != mark:
        known = mark, _sorted(await world.database.ask(tenant.id, _STATED))
        _DECLARED[tenant.id] = known
    return known[1]


def _sorted(rows: Iterable[Any]) -> Declared:
    profiles_of: dict[str, set[str]] = {}
    guides: set[str] = set()
    for row in rows:
        if not row["url"] or row["status"] == "retired":
            continue
        address = f"{row['url']}|{row['version']}" if row["version"] else row["url"]
        if row["type"] == "ImplementationGuide":
            guides.add(address)
        elif row["kind"] == "resource" and row["derivation"] == "constraint":
            profiles_of.setdefault(row["of"], set()).add(row["url"])
    listed = tuple((kind, tuple(sorted(urls))) for kind, urls in sorted(profiles_of.items()))
    return Declared(profiles=listed, guides=tuple(sorted(guides)))
