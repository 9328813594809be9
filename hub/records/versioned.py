"""Included records in the version that a reference names (R4 §3.1.1.4.12: the specified version should be provided)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from fhir import jsontext, links
from hub.find.search import Page
from hub.find.statement import Source
from hub.records.requests.acting import Actor
from hub.store.database import Row

Place = tuple[str, str]
_MARK = "/_history/"
_LOCAL = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})(?:/_history/([0-9]{1,17}))?\Z")
_VERSIONS = (
    "SELECT v.type, v.id, v.version, v.updated_at, v.body "
    "FROM unnest({types}::text[], {ids}::text[], {numbers}::bigint[]) AS k(type, id, version) "
    "JOIN resource_version v ON {tenant} AND v.type = k.type AND v.id = k.id AND v.version = k.version "
    "WHERE NOT v.deleted ORDER BY v.type, v.id, v.version LIMIT 2000"
)


async def as_named(source: Source, actor: Actor, page: Page, *, reverse: bool) -> Page:
    """The page with the versions that its references name in place of the current ones.

    A current one stays where a reference names no version, or where it may be here because it refers to a match
    (`reverse`). What the caller may not read of a former version is left out.
    """
    shown = [*page.rows, *page.included]
    if not page.included or not any(_MARK in row["body"] for row in shown):
        return page
    named: dict[Place, set[int]] = defaultdict(set)
    for place, number in _references(shown):
        named[place].add(number)
    kept: list[Row] = []
    wanted: list[tuple[str, str, int]] = []
    for row in page.included:
        place, numbers = (row["type"], row["id"]), named[row["type"], row["id"]]
        wanted += [(*place, number) for number in sorted(numbers - {0, row["version"]})]
        if reverse or not numbers or numbers & {0, row["version"]}:
            kept.append(row)
    found = [row for row in await _versions(source, wanted) if _may(actor, row)] if wanted else []
    return replace(page, included=[*kept, *_unless(found, kept, page.included)])


def _references(rows: Iterable[Row]) -> Iterator[tuple[Place, int]]:
    """The records that `rows` refer to, each with the version named, or zero."""
    for row in rows:
        for literal in links.references(jsontext.stored(row["body"]), row["type"]):
            if match := _LOCAL.match(literal):
                yield (match[1], match[2]), int(match[3] or 0)


async def _versions(source: Source, wanted: Sequence[tuple[str, str, int]]) -> list[Row]:
    statement = source.statement()
    columns = [list(column) for column in zip(*wanted, strict=True)]
    names = dict(zip(("types", "ids", "numbers"), map(statement.argument, columns), strict=True))
    return await source.rows(statement, _VERSIONS.format(**names, tenant=statement.of_tenant("v")))


def _unless(found: Sequence[Row], kept: Sequence[Row], current: Sequence[Row]) -> Iterator[Any]:
    """The versions found; of a record that none was found of, the current one."""
    yield from found
    there = {(row["type"], row["id"]) for row in (*found, *kept)}
    yield from (row for row in current if (row["type"], row["id"]) not in there)


def _may(actor: Actor, row: Row) -> bool:
    if actor.permits(row["type"], "r"):
        return True
    return actor.may(jsontext.stored(row["body"]), "r")
