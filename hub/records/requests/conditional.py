"""Conditional interactions (R4 §3.1.0.8.1): a search decides which record is meant, race-free.

Two requests with the same conditions wait for each other on an advisory lock that ends with the transaction, so of
many that would create the same record one does and the others find it.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

from canonical.identity import number
from canonical.problem import Problem
from fhir.search.conditions import BadQuery, Inside, Setting
from fhir.search.query import Query, parse
from hub.find.search import matching
from hub.find.sight import members
from hub.records.requests.refusal import Refusal, refused
from hub.store.database import Row, Transaction

_LOCK = "SELECT pg_advisory_xact_lock(x.key) FROM (SELECT unnest($2::bigint[]) AS key WHERE $1::uuid IS NOT NULL) x"


def conditions_of(type_name: str, text: str, setting: Setting) -> Query:
    """The query of `identifier=…&…` (URL-encoded); nothing in it may be ignored. Raises Refusal."""
    try:
        query = parsed(type_name, text, setting)
    except BadQuery as error:
        raise Refusal("malformed", [error.problem]) from None
    if query.unknown:
        raise unheeded(query)
    if not query.conditions:
        raise refused("precondition", "fhir.conditional.empty")
    return query


def unheeded(query: Query) -> Refusal:
    """The refusal of a query whose parameters must all take effect, and of which some do not."""
    return Refusal("malformed", [Problem(p.code, p.where, args=p.args, level="error") for p in query.unknown])


def parsed(type_name: str, text: str, setting: Setting, inside: tuple[str, str] | None = None) -> Query:
    """The query of a URL-encoded text, within the compartment of the record `inside`; raises BadQuery, Refusal."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=100)
    except ValueError:
        raise BadQuery(Problem("fhir.search.value", "?", args=(("name", "?"),))) from None
    return parse(type_name, pairs, setting, _compartment(type_name, *inside) if inside else None)


def _compartment(type_name: str, compartment: str, record_id: str) -> Inside:
    """The condition that a record of `type_name` is in the compartment; raises Refusal where there can be none."""
    codes = members(compartment).get(type_name)
    if codes is None:
        raise refused("not-found", "fhir.search.compartment", "request.url", name=f"{compartment}/{type_name}")
    return Inside(type_name, compartment, record_id, codes)


async def lock(tx: Transaction, queries: Iterable[Query]) -> None:
    """Hold the locks of `queries` until the transaction ends, taken in one order so that nobody waits in a circle."""
    keys = sorted({_key(tx, query) for query in queries})
    if keys:
        await tx.run(_LOCK, keys)


def _key(tx: Transaction, query: Query) -> int:
    """Parsed conditions, not their spelling: two names of one register lock the same."""
    return number("conditional", str(tx.tenant), query.type_name, *sorted(map(repr, query.conditions)))


async def resolve(tx: Transaction, query: Query) -> Row | None:
    """The one record that meets `query`, or None; raises Refusal (412) when there are several."""
    rows = await matching(tx, query, 2)
    if len(rows) > 1:
        raise refused("precondition", "fhir.conditional.ambiguous", type=query.type_name)
    return rows[0] if rows else None
