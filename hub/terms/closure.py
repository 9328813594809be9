"""Closure tables as they are kept: one for each name a client has given, with the codes it has met (R4 §4.7.14).

A table belongs to the client that opened it: another one under the same name has its own. Two requests on one table
wait for each other, so that each version tells all pairs that are new in it.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fhir.terminology import closure
from fhir.terminology.answers import Coding
from fhir.terminology.systems import System, Unanswered
from hub.find.statement import Within
from hub.store.database import Transaction
from hub.terms.shelf import Shelf

MOST_TABLES = 100  # of one client


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call of $closure: the table's name, codes to add, and since which version pairs are wanted (None: new ones)."""

    client: str
    name: str
    concepts: tuple[Coding, ...]
    since: int | None
    now: datetime.datetime


async def opened(tx: Transaction, asked: Asked) -> dict[str, Any]:
    """A table of that name without codes; one that was there is emptied. Raises Unanswered for too many tables."""
    known = await tx.value(
        "SELECT count(*) FROM closure WHERE tenant_id = $1 AND client = $2 AND name <> $3", asked.client, asked.name
    )
    if known >= MOST_TABLES:
        raise Unanswered("unsupported", "fhir.terminology.closure-tables", limit=str(MOST_TABLES))
    version = await tx.value(
        "INSERT INTO closure AS c (tenant_id, client, name, version) VALUES ($1, $2, $3, 1) ON CONFLICT "
        "(tenant_id, client, name) DO UPDATE SET version = c.version + 1, updated_at = now() RETURNING version",
        asked.client,
        asked.name,
    )
    await tx.run(
        "DELETE FROM closure_concept WHERE tenant_id = $1 AND client = $2 AND name = $3", asked.client, asked.name
    )
    return closure.concept_map(asked.name, version, [], asked.now)


async def extended(tx: Transaction, asked: Asked) -> dict[str, Any]:
    """What is new after the codes were added; raises Unanswered for a table, version or code that is not there."""
    version = await tx.value(
        "SELECT version FROM closure WHERE tenant_id = $1 AND client = $2 AND name = $3 FOR UPDATE",
        asked.client,
        asked.name,
    )
    if version is None:
        raise Unanswered("not-found", "fhir.terminology.closure", name=asked.name)
    if asked.since is not None and asked.since > version:
        raise Unanswered("unsupported", "fhir.terminology.closure-version", name=asked.name)
    members = await _members(tx, asked)
    known = {(each.system, each.code) for each in members}
    named = dict.fromkeys((each.system, each.code) for each in asked.concepts)
    fresh = [place for place in named if place not in known]
    since = version if asked.since is None else asked.since
    if fresh:
        version += 1
        members += [closure.Member(*place, version) for place in fresh]
    if len(members) > closure.MOST_CONCEPTS:
        raise Unanswered("too-costly", "fhir.terminology.closure-full", limit=str(closure.MOST_CONCEPTS))
    systems = await _systems(tx, members, asked.now)
    told = await asyncio.to_thread(lambda: list(closure.pairs(systems, members, since)))
    if fresh:
        await _add(tx, asked, fresh, version)
    return closure.concept_map(asked.name, version, told, asked.now)


async def _members(tx: Transaction, asked: Asked) -> list[closure.Member]:
    rows = await tx.rows(
        "SELECT system, code, version FROM closure_concept WHERE tenant_id = $1 AND client = $2 AND name = $3 "
        "ORDER BY version, system, code",
        asked.client,
        asked.name,
    )
    return [closure.Member(row["system"], row["code"], row["version"]) for row in rows]


async def _systems(tx: Transaction, members: Sequence[closure.Member], now: datetime.datetime) -> dict[str, System]:
    """The code system of each member; raises Unanswered for one that is not here."""
    urls = list(dict.fromkeys(each.system for each in members))
    shelf = await Shelf(now.date().isoformat()).gather(Within(tx), systems=urls)
    found: dict[str, System] = {}
    for url in urls:
        system = shelf.system(url)
        if system is None:
            raise Unanswered("not-found", "fhir.terminology.system", name=url)
        found[url] = system
    return found


async def _add(tx: Transaction, asked: Asked, fresh: Sequence[tuple[str, str]], version: int) -> None:
    await tx.run(
        "INSERT INTO closure_concept (tenant_id, client, name, system, code, version) "
        "SELECT $1, $2, $3, x.system, x.code, $4 FROM unnest($5::text[], $6::text[]) AS x(system, code)",
        asked.client,
        asked.name,
        version,
        [system for system, _ in fresh],
        [code for _, code in fresh],
    )
    await tx.run(
        "UPDATE closure SET version = $4, updated_at = now() WHERE tenant_id = $1 AND client = $2 AND name = $3",
        asked.client,
        asked.name,
        version,
    )
