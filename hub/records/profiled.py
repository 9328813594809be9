"""Profiles of a tenant: StructureDefinition and ValueSet records, looked up with all they rest on.

How much they bind a write is the tenant's choice (`profiles` under `fhir` of its settings): `off` (the default; R4
itself always holds), or `enforce`: a record that names a known profile in `meta.profile` must meet it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from canonical.problem import Problem
from fhir import jsontext, profiles
from fhir.definitions.table import codes
from fhir.parameters import bounded
from fhir.query import BadQuery
from fhir.values import Concepts
from hub.find.statement import Source
from hub.records.index import key_of
from hub.terms import tokens as terms

MOST_DEFINITIONS = 200
MOST_CLAIMS = 1000


async def check(source: Source, document: Any, asked: str = "") -> list[Problem]:
    """The findings of a document against the profiles it and its entries name, and the one `asked` for.

    A profile that is not stored is named in a warning.
    """
    claims = profiles.claims(document, asked)[:MOST_CLAIMS]
    if not claims:
        return []
    definitions = await definitions_of(source, [url for _, _, urls in claims for url in urls])
    sets = await _sets(source, definitions.values())

    def known(name: str) -> frozenset[str] | None:
        return sets.get(name) or codes(name) or None

    found: list[Problem] = []
    for resource, where, urls in claims:
        for url in urls:
            found += profiles.check(
                resource, url, definitions, lambda name: sets.get(name) or codes(name) or None, where
            )
    return found


async def definitions_of(source: Source, urls: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The stored definitions of `urls` and of all they rest on, by canonical address."""
    found: dict[str, dict[str, Any]] = {}
    wanted = {url.partition("|")[0] for url in urls}
    asked: set[str] = set()
    while wanted and len(found) < MOST_DEFINITIONS:
        rows = await _rows(source, sorted(wanted))
        asked |= wanted
        for row in rows:
            body = jsontext.parse(row["body"].encode())
            if isinstance(body, dict):
                found[str(body.get("url"))] = body
        wanted = {url for body in found.values() for url in profiles.needed(body)} - asked
    return found


async def _rows(source: Source, urls: Sequence[str]) -> list[Any]:
    statement = source.statement()
    key = statement.literal(key_of("StructureDefinition", "url"))
    places = statement.argument([bounded(url) for url in urls])
    return await source.rows(
        statement,
        f"SELECT r.body FROM idx_uri t JOIN resource r ON {statement.of_tenant('r')} AND r.rid = t.rid "
        f"AND NOT r.deleted WHERE {statement.of_tenant('t')} AND t.key = {key} AND t.value = ANY({places}::text[]) "
        f"ORDER BY r.updated_at LIMIT {MOST_DEFINITIONS}",
    )


async def _sets(source: Source, definitions: Iterable[dict[str, Any]]) -> dict[str, frozenset[str]]:
    """The codes of the value sets bound as required, those that are stored and can be listed."""
    urls = {
        str(element["binding"]["valueSet"]).partition("|")[0]
        for definition in definitions
        for element in (definition.get("differential") or definition.get("snapshot") or {}).get("element", ())
        if element.get("binding", {}).get("strength") == "required" and element["binding"].get("valueSet")
    }
    found: dict[str, frozenset[str]] = {}
    for url in sorted(urls):
        try:
            tokens = await terms.tokens(source, Concepts("in", url))
        except BadQuery:  # not stored, or not to be listed: the profile's binding is then not judged
            continue
        if all(token.code is not None for token in tokens):
            found[url] = frozenset(token.code for token in tokens if token.code is not None)
    return found
