"""A tenant's own search parameters: taken from its SearchParameter records when an operator asks for it.

They are kept in a table of their own, and each process remembers them for a few seconds; records written before are
indexed anew by the job `fhir.reindex`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from canonical.identity import number
from canonical.problem import Problem
from fhir import jsontext
from fhir.definitions.table import Parameter, resource_types
from fhir.search import composites
from fhir.search.parameters import HELD, INDEXED, parameters_of
from fhir.search.paths import UnsupportedExpression, compile_for
from hub.store import bulk
from hub.store.database import Transaction
from hub.store.schema.records import search_parameter
from hub.world import Tenant, World

Customs = Mapping[str, Mapping[str, Parameter]]
SECONDS = 5.0
MOST = 200
_READ = "SELECT type, code, kind, expression, targets, url FROM search_parameter WHERE tenant_id = {tenant} LIMIT 1000"
_COLUMNS = ("type", "code", "kind", "expression", "targets", "url")
# Where the tenant's records name what is contained in them, each once, by jumps through the index.
_HELD = (
    "WITH RECURSIVE h(code) AS ((SELECT t.code FROM idx_token t WHERE t.tenant_id = {tenant} AND t.key = {key} "
    "ORDER BY t.code LIMIT 1) UNION ALL SELECT (SELECT t.code FROM idx_token t WHERE t.tenant_id = {tenant} "
    "AND t.key = {key} AND t.code > h.code ORDER BY t.code LIMIT 1) FROM h WHERE h.code IS NOT NULL) "
    "SELECT h.code FROM h WHERE h.code IS NOT NULL LIMIT 1000"
)
_CACHE: dict[UUID, tuple[float, Customs, frozenset[str]]] = {}


def remembered(tenant: UUID) -> Customs:
    """What this process last read of a tenant."""
    return _CACHE[tenant][1] if tenant in _CACHE else {}


def held(tenant: UUID) -> frozenset[str]:
    """Where records of the tenant name resources contained in them, as this process last read it."""
    return _CACHE[tenant][2] if tenant in _CACHE else frozenset()


async def known(world: World, tenant: Tenant) -> Customs:
    """The tenant's own parameters by type and code, at most a few seconds old."""
    if _is_fresh(tenant.id):
        return remembered(tenant.id)
    places = await world.database.ask(tenant.id, _HELD.format(tenant="c.tenant", key=number("", HELD)))
    return _remember(tenant.id, await world.database.ask(tenant.id, _READ.format(tenant="c.tenant")), places)


async def within(tx: Transaction) -> Customs:
    """The same inside a transaction."""
    if _is_fresh(tx.tenant):
        return remembered(tx.tenant)
    places = await tx.rows(_HELD.format(tenant="$1", key=number("", HELD)))
    return _remember(tx.tenant, await tx.rows(_READ.format(tenant="$1")), places)


def forget(tenant: UUID) -> None:
    """Read anew next time."""
    _CACHE.pop(tenant, None)


def _is_fresh(tenant: UUID) -> bool:
    return tenant in _CACHE and time.monotonic() - _CACHE[tenant][0] < SECONDS


def _remember(tenant: UUID, rows: Sequence[Any], places: Sequence[Any]) -> Customs:
    found: dict[str, dict[str, Parameter]] = {}
    for row in rows:
        parameter = Parameter(
            row["code"],
            row["kind"],
            (row["type"],),
            row["expression"],
            tuple(json.loads(row["targets"])),
            row["url"],
            (),
        )
        found.setdefault(row["type"], {})[row["code"]] = parameter
    _CACHE[tenant] = time.monotonic(), found, frozenset(row["code"] for row in places)
    return found


async def adopt(tx: Transaction) -> tuple[list[str], list[Problem]]:
    """Takes the active SearchParameter records of the tenant as its own parameters.

    Returns the types whose records must be indexed anew, and what could not be adopted and why.
    """
    rows = await tx.rows(
        "SELECT id, body FROM resource WHERE tenant_id = $1 AND type = 'SearchParameter' AND NOT deleted ORDER BY rid"
    )
    wanted: dict[tuple[str, str], tuple[Any, ...]] = {}
    problems: list[Problem] = []
    for row in rows:
        body = jsontext.stored(row["body"])
        if body.get("status") == "active" and body.get("expression"):
            found, problem = _adopted(body)
            wanted |= found
            problems += [problem] if problem is not None and len(problems) < MOST else []
    if len(wanted) > MOST:
        problems.append(Problem("fhir.parameter.too-many", args=(("limit", str(MOST)),)))
        wanted = dict(list(wanted.items())[:MOST])
    before = {(r["type"], r["code"]): tuple(r[c] for c in _COLUMNS) for r in await tx.rows(_READ.format(tenant="$1"))}
    await tx.run("DELETE FROM search_parameter WHERE tenant_id = $1")
    await bulk.insert(tx, search_parameter, _COLUMNS, list(wanted.values()))
    changed = {place for place in {*wanted, *before} if wanted.get(place) != before.get(place)}
    return sorted({kind for kind, _ in changed}), problems


def _adopted(body: dict[str, Any]) -> tuple[dict[tuple[str, str], tuple[Any, ...]], Problem | None]:
    """The rows of one SearchParameter by type and code; a published code is never replaced."""
    code, kind, expression = str(body.get("code")), str(body.get("type")), str(body["expression"])
    targets = json.dumps([name for name in body.get("target", ()) if name in resource_types()])
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for base in body.get("base", ()):
        if base not in resource_types() or code in parameters_of(base) or code in composites.of(base):
            continue
        try:
            usable = kind in INDEXED and bool(compile_for(expression, base))
        except UnsupportedExpression:
            usable = False
        if not usable:
            return {}, Problem(
                "fhir.parameter.unsupported", f"SearchParameter/{body.get('id')}", args=(("code", code[:64]),)
            )
        found[base, code] = (base, code, kind, expression, targets, str(body.get("url", "")))
    return found, None
