"""What one question about terminology needs, gathered ahead, so that the answer itself is plain computation.

Found in this order: what came with the question, the tenant's records, the ANS tables, what R4 brings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from canonical.codes import aliases
from fhir.terminology import implicit, known
from fhir.terminology.maps import Map
from fhir.terminology.stated import Set
from fhir.terminology.supplements import Choice, fitting, missing, supplemented
from fhir.terminology.systems import Listed, System, Unanswered
from hub.find.statement import Source
from hub.terms import ans, published, stored
from hub.terms.releases.loaded import Loaded, releases
from hub.terms.stored import Read

MOST_SETS = 300


@dataclass(slots=True, kw_only=True)
class Versions:
    """Which versions of code systems a question wants: as default, instead of what is stated, or else a refusal."""

    default: Mapping[str, str] = field(default_factory=dict)
    forced: Mapping[str, str] = field(default_factory=dict)
    checked: Mapping[str, str] = field(default_factory=dict)


class Shelf:
    """A library (`fhir.terminology.stated.Library`) of what was gathered, on a day (`on`, an ISO date)."""

    def __init__(self, on: str, versions: Versions | None = None) -> None:
        self.on = on
        self.versions = versions or Versions()
        self.given_sets: dict[str, Set] = {}
        self._stored: dict[tuple[str, str], list[Read]] = {}
        self._given: dict[tuple[str, str], list[Read]] = {}
        self._asked: list[Set] = []
        self._supplements: list[Listed] = []
        self._choice = Choice()
        self._releases: dict[str, list[Loaded]] = {}
        self._supplemented: dict[int, System] = {}
        self._kept: list[System] = []  # keeps those alive whose identity is a key

    def give(self, reads: Iterable[Read]) -> None:
        """What came along with a question stands before all that is stored, the highest version first."""
        for read in sorted(reads, key=lambda read: _numbered(read.form.version), reverse=True):
            self._given.setdefault((read.type, str(read.form.url)), []).append(read)

    async def supplement(self, source: Source, named: Iterable[str], language: str) -> Shelf:
        """Let supplements apply: those `named` here or by the sets, and those in a language; raises Unanswered."""
        wanted = {*named, *(name for found in self._asked for name in found.supplements)}
        along = [read for reads in self._given.values() for read in reads]
        reads = [*along, *(await stored.supplements(source))]
        self._supplements = [r.form for r in reads if r.type == "CodeSystem" and r.form.supplements and not r.retired]
        if lost := missing(sorted(wanted), self._supplements):
            raise Unanswered("not-found", "fhir.terminology.supplement", name=lost)
        self._choice = Choice(named=frozenset(wanted), language=language)
        return self

    def system(self, url: str, version: str = "") -> System | None:
        """The code system of an address in a version, or None; raises Unanswered for a version that is ruled out."""
        version = self.versions.forced.get(url) or version or self.versions.default.get(url, "")
        found = next((s for s in self._systems(url) if implicit.fits(version, s.version)), None)
        wanted = self.versions.checked.get(url)
        if found is not None and wanted and found.version != wanted:
            raise Unanswered("unsupported", "fhir.terminology.version", name=f"{url}|{wanted}")
        return self.supplemented(found) if found is not None else None

    def supplemented(self, found: System) -> System:
        """The code system with the supplements that apply to it."""
        if not self._supplements:
            return found
        if id(found) not in self._supplemented:
            extra = fitting(found, self._supplements, self._choice)
            self._supplemented[id(found)] = supplemented(found, extra) if extra else found
            self._kept.append(found)
        return self._supplemented[id(found)]

    def _systems(self, url: str) -> Iterable[System]:
        names = [url, *sorted(aliases(url) - {url})]
        for name in names:
            reads = [*self._given.get(("CodeSystem", name), ()), *_newest(self._stored.get(("CodeSystem", name), ()))]
            whole = [read.form for read in reads if not read.form.supplements]
            yield from (form for form in whole if form.complete or form.fragment)
            yield from self._releases.get(name, ())
            yield from (form for form in whole if not (form.complete or form.fragment))
        for name in names:
            if (table := ans.system(name, self.on)) is not None:
                yield table
            if (own := known.system(name)) is not None:
                yield own

    def value_set(self, url: str) -> Set | None:
        """The value set of an address, with or without version; also one that an address stands for by itself."""
        name, version = implicit.named(url)
        if name in self.given_sets:
            return self.given_sets[name]
        given = self._given.get(("ValueSet", name), ())
        for read in (*given, *_newest(self._stored.get(("ValueSet", name), ()))):
            if not version or read.form.version == version:
                return read.form  # type: ignore[no-any-return]
        own = known.value_set(name)
        if own is None:
            return implicit.value_set(name)
        return own if not version or own.version == version else None

    def heading(self, found: Set) -> dict[str, object]:
        """The elements an answer repeats of a value set."""
        place = "ValueSet", found.url
        for read in (*self._given.get(place, ()), *self._stored.get(place, ())):
            if read.form is found:
                return dict(read.heading)
        stated = {"url": found.url, "version": found.version, "name": found.name}
        return {**{key: value for key, value in stated.items() if value}, "status": "active"}

    async def gather(self, source: Source, *, sets: Iterable[Set | str] = (), systems: Iterable[str] = ()) -> Shelf:
        """Bring all that `sets` and `systems` rest on; raises Unanswered when that is too much."""
        wanted_systems = {url.partition("|")[0] for url in systems}
        waiting: list[Set | str] = list(sets)
        looked: set[str] = set()
        while waiting or wanted_systems - looked:
            forms = [each for each in waiting if isinstance(each, Set)]
            self._asked += forms
            urls = {implicit.named(each)[0] for each in waiting if isinstance(each, str)} - looked
            for form in forms:
                wanted_systems |= {url.partition("|")[0] for url in form.systems}
                urls |= {implicit.named(url)[0] for url in form.imports} - looked
            fresh = wanted_systems - looked
            looked |= urls | fresh
            if fresh:
                await self._look_for_releases(source, fresh)
            if len(looked) > MOST_SETS:
                raise Unanswered("too-costly", "fhir.terminology.too-many-sets", limit=str(MOST_SETS))
            for key, reads in (await stored.by_address(source, ("ValueSet", "CodeSystem"), urls | fresh)).items():
                self._stored.setdefault(key, reads)
            waiting = [found for url in urls if (found := self.value_set(url)) is not None]
        return self

    async def _look_for_releases(self, source: Source, urls: Iterable[str]) -> None:
        for name, found in (await releases(source, urls)).items():
            self._releases.setdefault(name, [Loaded(source, each) for each in found])


def _numbered(version: str) -> list[tuple[int, str]]:
    """A version as its parts compare: numbers as such, other parts as text and before them."""
    parts = re.split(r"[.\-+]", version)
    return [(int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in parts]


def _newest(reads: Iterable[Read]) -> list[Read]:
    """The newest first, retired ones last."""
    return sorted(reads, key=lambda read: read.retired)


async def concept_maps(source: Source, url: str) -> tuple[Map | None, dict[str, Map]]:
    """The map of an address, and those that may stand in for it, by address."""
    named: dict[str, Map] = {}
    waiting = [url.partition("|")[0]]
    version = url.partition("|")[2]
    while waiting and len(named) < MOST_SETS:
        found = await stored.by_address(source, ("ConceptMap",), waiting)
        fresh: list[Map] = []
        for name in waiting:
            reads = [r.form for r in _newest(found.get(("ConceptMap", name), ()))]
            fitting = [form for form in reads if not version or not named or form.version == version]
            form = next(iter(fitting), None) or known.concept_map(name) or published.own_map(name)
            if form is not None:
                named[name] = form
                fresh.append(form)
        waiting = [o for form in fresh for o in (each.partition("|")[0] for each in form.others) if o not in named]
    return named.get(url.partition("|")[0]), named
