"""Maps of a release (SNOMED CT simple and extended map refsets) as translations, one part of the answer a map group.

A rule that asks about the patient (`IFA …`) is not judged: all targets of such a group are told as inexact, with the
map's advice, and a person decides. A group whose map says that nothing fits is told as unmatched.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from canonical.codes import CID10, aliases, spellings
from fhir.terminology import implicit
from fhir.terminology.maps import Match, Wanted
from hub.find.statement import Source
from hub.store.database import Row
from hub.terms.releases.choosing import Choice, Known
from hub.terms.releases.loaded import Loaded, releases

MOST = 1000
MARK = "?fhir_cm="
_TARGETS = {
    "447562003": CID10,
    "446608001": "http://hl7.org/fhir/sid/icd-o-3",
    "6011000124106": "http://hl7.org/fhir/sid/icd-10-cm",
}
_ALWAYS = frozenset(("", "TRUE"))


async def translated(source: Source, wanted: Wanted, url: str = "") -> list[Match] | None:
    """The translations by the map an address stands for, else by all maps of the newest release; None: no such map."""
    place, _, refset = url.partition(MARK)
    system, version = implicit.system_of(place) if url else (implicit.SNOMED, "")
    asked = wanted.target_system if wanted.reverse else wanted.system
    if system != implicit.SNOMED or (not wanted.reverse and asked and asked != implicit.SNOMED):
        return None
    known = [
        each for each in (await releases(source, [system])).get(system, ()) if implicit.fits(version, each.version)
    ]
    if not known:
        return None
    rows = await _rows(source, known[0], wanted, refset)
    found = [match for row in _grouped(rows) for match in _matches(row, wanted, known[0])]
    return await _named(source, found)


async def _rows(source: Source, known: Known, wanted: Wanted, refset: str) -> list[Row]:
    statement = source.statement()
    choice = Choice(statement, known)
    column = "target" if wanted.reverse else "code"
    codes = [wanted.code, *spellings(wanted.system, wanted.code)]
    where = f"m.{column} = ANY({statement.argument(codes)}::text[]) AND {choice.of('m')} AND {choice.wall()}"
    if refset:
        where += f" AND m.map = {statement.argument(refset)}"
    return await source.rows(
        statement,
        "SELECT m.map, m.code, m.target, m.part, m.rank, m.rule, m.advice FROM term_map m "
        f"WHERE {where} ORDER BY m.map, m.code, m.part, m.rank LIMIT {MOST}",
    )


def _grouped(rows: Iterable[Row]) -> Iterable[Sequence[Row]]:
    """The rows of one group of one concept together."""
    keyed = itertools.groupby(rows, key=lambda row: (row["map"], row["code"], row["part"]))
    return (list(group) for _, group in keyed)


def _matches(rows: Sequence[Row], wanted: Wanted, known: Known) -> Iterable[Match]:
    depends = any(row["rule"] not in _ALWAYS for row in rows)
    for row in rows:
        target = _TARGETS.get(row["map"], "")
        if not _is(target, wanted.system if wanted.reverse else wanted.target_system):
            continue
        source = f"{known.version}{MARK}{row['map']}"
        if wanted.reverse:
            yield Match(equivalence="relatedto", system=known.system, code=row["code"], display="", source=source)
            continue
        way = "unmatched" if not row["target"] else "inexact" if depends else "relatedto"
        note = f"{row['target']}: {row['advice']}".strip(": ") if depends or not row["target"] else ""
        yield Match(equivalence=way, system=target, code=row["target"], display="", source=source, note=note)


def _is(target: str, wanted: str) -> bool:
    return not wanted or (bool(target) and target in aliases(wanted))


async def _named(source: Source, found: list[Match]) -> list[Match]:
    """The matches with the names their codes have in releases that are here."""
    systems = {match.system for match in found if match.system and match.code}
    here = {url: Loaded(source, known[0]) for url, known in (await releases(source, systems)).items()}

    def named() -> list[Match]:
        for url, system in here.items():
            system.bring(match.code for match in found if match.system == url)
        return [_with_name(match, here.get(match.system)) for match in found]

    return await asyncio.to_thread(named) if here else found


def _with_name(match: Match, system: Loaded | None) -> Match:
    concept = system.find(match.code) if system is not None and match.code else None
    return replace(match, display=concept.display) if concept is not None else match
