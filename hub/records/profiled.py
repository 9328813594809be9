"""Profiles of a tenant: StructureDefinition and ValueSet records, looked up with all they rest on.

How much they bind a write is the tenant's choice (`profiles` under `fhir` of its settings): `off` (the default; R4
itself always holds), or `enforce`: a record that names a known profile in `meta.profile` must meet it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from canonical.problem import Problem
from fhir.terminology.bodies import membership
from fhir.terminology.sets import Reader
from fhir.terminology.systems import Unanswered
from fhir.validation import profiles
from fhir.validation.profile_tree import elements
from hub.find.statement import Source
from hub.terms import stored
from hub.terms.shelf import Shelf

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
    member = membership(Reader(await _shelf(source, definitions.values())))
    found: list[Problem] = []
    for resource, where, urls in claims:
        within = document if resource is not document else None
        for url in urls:
            found += profiles.check(resource, url, definitions, member, where, within=within)
    return found + profiles.placed(document, definitions)


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
