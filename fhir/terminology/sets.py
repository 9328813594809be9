"""Value sets (R4 §4.9): whether a code is in one, and its members in order; without a store.

Include parts add, exclude parts take away; within a part a system, its filters and every imported set must all agree.
Sets that import each other are refused. What is not here is named by Unanswered, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from canonical.codes import aliases
from fhir.terminology.choosing import apart, spelled
from fhir.terminology.filters import Test, start_of, test_of
from fhir.terminology.selection import Chosen, Either, Node, Without, choosing, of_filters
from fhir.terminology.systems import Concept, System, Unanswered, designations

SUPPLEMENT = "http://hl7.org/fhir/StructureDefinition/valueset-supplement"
DEEPEST = 30
MOST_STEPS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One concept of a value set with the system it is of."""

    system: str
    version: str
    concept: Concept


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One include or exclude; `codes` are those listed by name, in order (none: all that pass the filters)."""

    system: str
    version: str
    codes: Mapping[str, Concept]
    filters: tuple[dict[str, Any], ...]
    sets: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it names a code system and nothing that narrows it."""
        return bool(self.system) and not (self.codes or self.filters or self.sets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """A value set as its record states it; `listed` is a stored expansion, which counts when nothing is composed.

    `supplements` are the code system supplements it asks for (extension valueset-supplement), `contained` the sets that
    stand in its record, by the address of the record and their id (`URL#id`).
    """

    url: str
    version: str
    name: str
    includes: tuple[Part, ...]
    excludes: tuple[Part, ...]
    supplements: tuple[str, ...] = ()
    listed: Mapping[tuple[str, str], Member] = field(default_factory=dict)
    contained: Mapping[str, Set] = field(default_factory=dict)

    @property
    def _parts(self) -> Iterator[Part]:
        for each in (self, *self.contained.values()):
            yield from (*each.includes, *each.excludes)

    @property
    def imports(self) -> Iterable[str]:
        """The addresses of the value sets it names, also in those it contains."""
        return (url for part in self._parts for url in part.sets if url not in self.contained)

    @property
    def systems(self) -> Iterable[str]:
        """The addresses of the code systems it names, with the version where one is stated."""
        parts = (part for part in self._parts if part.system)
        return (f"{part.system}|{part.version}" if part.version else part.system for part in parts)


class Library(Protocol):
    """Where systems and sets are found by canonical address; `version` empty: the current one."""

    def system(self, url: str, version: str = "") -> System | None:
        """The code system, or None."""

    def value_set(self, url: str) -> Set | None:
        """The value set of an address, with or without `|version`, or None."""


def of_body(body: dict[str, Any], root: str = "") -> Set:
    """The value set of a ValueSet record; `root` is the address of the record it is contained in."""
    base = root or str(body.get("url") or body.get("id") or "")
    inner = [each for each in body.get("contained", ()) if each.get("resourceType") == "ValueSet"]
    own = {f"{base}#{each.get('id')}": {**each, "url": f"{base}#{each.get('id')}"} for each in inner}
    compose = body.get("compose") or {}
    expansion = body.get("expansion") or {}
    return Set(
        url=str(body.get("url", "")),
        version=str(body.get("version", "")),
        name=str(body.get("name", "")),
        includes=tuple(_part(part, base) for part in compose.get("include", ())),
        excludes=tuple(_part(part, base) for part in compose.get("exclude", ())),
        contained={url: of_body(each, base) for url, each in own.items()},
        supplements=tuple(
            str(each.get("valueCanonical", "")) for each in body.get("extension", ()) if each.get("url") == SUPPLEMENT
        ),
        listed={} if compose.get("include") else dict(_listed(expansion.get("contains", ()))),
    )


def _part(part: dict[str, Any], base: str) -> Part:
    concepts = (
        Concept(
            code=str(each.get("code", "")),
            display=str(each.get("display", "")),
            designations=designations(each.get("designation", ())),
        )
        for each in part.get("concept", ())
    )
    return Part(
        system=str(part.get("system", "")),
        version=str(part.get("version", "")),
        codes={concept.code: concept for concept in concepts},
        filters=tuple(part.get("filter", ())),
        sets=tuple(f"{base}{url}" if str(url).startswith("#") else str(url) for url in part.get("valueSet", ())),
    )


def _listed(contains: Iterable[dict[str, Any]]) -> Iterator[tuple[tuple[str, str], Member]]:
    stack = list(reversed(list(contains)))
    while stack:
        item = stack.pop()
        system, code = str(item.get("system", "")), str(item.get("code", ""))
        if code:
            concept = Concept(
                code=code,
                display=str(item.get("display", "")),
                designations=designations(item.get("designation", ())),
                abstract=item.get("abstract") is True,
                inactive=item.get("inactive") is True,
            )
            yield (system, code), Member(system=system, version=str(item.get("version", "")), concept=concept)
        stack += reversed(item.get("contains", ()))


class Reader:
    """Answers about value sets from a library; keeps what it has worked out for as long as it lives.

    Each concept looked at and each set asked costs a step; `steps` of them are too costly (Unanswered).
    """

    def __init__(self, library: Library, steps: int = MOST_STEPS) -> None:
        self.library = library
        self._left = steps
        self._tests: dict[int, list[Test]] = {}
        self._contained: dict[str, Set] = {}
        self._parts: list[Part] = []  # keeps the parts alive whose identity is a key

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Unanswered("too-costly", "fhir.terminology.too-long")

    def deeper(self, found: Set, above: tuple[str, ...]) -> tuple[str, ...]:
        """The sets walked through, this one last; raises Unanswered for a circle."""
        if (found.url and found.url in above) or len(above) >= DEEPEST:
            raise Unanswered("unsupported", "fhir.terminology.circle", name=found.url)
        self._contained.update(found.contained)
        return (*above, found.url)

    def holds(self, found: Set, system: str, code: str, above: tuple[str, ...] = ()) -> bool:
        """Whether a code is in the set; `system` empty: whichever system. Raises Unanswered when that is not known."""
        self._step()
        above = self.deeper(found, above)
        if found.listed:
            return any(c in spelled(system, code) and (not system or s in aliases(system)) for s, c in found.listed)
        if any(self._of_part(part, system, code, above) for part in found.excludes):
            return False
        unknown: Unanswered | None = None
        for part in found.includes:
            try:
                if self._of_part(part, system, code, above):
                    return True
            except Unanswered as error:
                unknown = unknown or error
        if unknown is not None:
            raise unknown
        return False

    def _of_part(self, part: Part, system: str, code: str, above: tuple[str, ...]) -> bool:
        if part.system:
            if system and system not in aliases(part.system):
                return False
            if not self._of_system(part, code):
                return False
        return bool(part.system or part.sets) and all(
            self.holds(self.imported(url), system or part.system, code, above) for url in part.sets
        )

    def _of_system(self, part: Part, code: str) -> bool:
        written = spelled(part.system, code)
        if part.codes:
            return any(each in part.codes for each in written)
        system = self.system(part)
        concept = next((found for each in written if (found := system.find(each)) is not None), None)
        if concept is None:
            if not system.complete:
                raise Unanswered("not-found", "fhir.terminology.incomplete", name=part.system)
            return False
        own = choosing(system)
        if own is not None and part.filters and not own.holds(of_filters(part.filters, lists=True)[0], concept.code):
            return False
        return all(test(concept) for test in self._filters(part, system))

    def _filters(self, part: Part, system: System) -> list[Test]:
        """The tests of each concept; a system that chooses by itself leaves those that only a look tells."""
        if id(part) not in self._tests:
            own = choosing(system) is not None
            stated = of_filters(part.filters, lists=True)[1] if own else part.filters
            self._tests[id(part)] = [test_of(system, each) for each in stated]
            self._parts.append(part)
        return self._tests[id(part)]

    def member(self, found: Set, system: str, code: str) -> tuple[Concept, str] | None:
        """What is known of a code that is in the set, the name the set gives first, and in which version of its system.

        None: nothing. The version is empty where nobody states one.
        """
        for part in found.includes:
            if part.system and (not system or system in aliases(part.system)):
                source = self.library.system(part.system, part.version)
                for each in spelled(part.system, code):
                    if each in part.codes:
                        version = source.version if source is not None else part.version
                        return _named(part.codes[each], source), version
                    if (concept := source.find(each) if source is not None else None) is not None:
                        return concept, source.version if source is not None else ""
        listed = (m for (s, c), m in found.listed.items() if c == code and (not system or s == system))
        if (stated := next(listed, None)) is not None:
            return stated.concept, stated.version
        source = self.library.system(system) if system else None
        known = source.find(code) if source is not None else None
        return (known, source.version) if known is not None and source is not None else None

    def owners(self, found: Set, code: str) -> list[str]:
        """The code systems as whose code the set has it, each once; raises Unanswered where none that is here does."""
        systems: dict[str, None] = {}
        waiting, seen = [found], {found.url}
        self._contained.update(found.contained)
        for each in waiting:  # grows while it is walked
            systems |= dict.fromkeys(part.system for part in each.includes if part.system)
            systems |= dict.fromkeys(system for system, _ in each.listed)
            waiting += each.contained.values()
            fresh = [url for url in each.imports if url not in seen]
            seen.update(fresh)
            waiting += [self.imported(url) for url in fresh]
        owners: list[str] = []
        unknown: Unanswered | None = None
        for system in systems:
            try:
                owners += [system] if self.holds(found, system, code) else []
            except Unanswered as error:
                unknown = unknown or error
        if unknown is not None and not owners:
            raise unknown
        return owners

    def imported(self, url: str) -> Set:
        """A value set by its address; raises Unanswered."""
        found = self._contained.get(url) or self.library.value_set(url)
        if found is None:
            raise Unanswered("not-found", "fhir.terminology.value-set", name=url)
        return found

    def system(self, part: Part) -> System:
        """The code system of a part; raises Unanswered."""
        found = self.library.system(part.system, part.version)
        if found is None:
            raise Unanswered("not-found", "fhir.terminology.system", name=part.system)
        return found

    def members(self, found: Set, words: tuple[str, ...] = (), above: tuple[str, ...] = ()) -> Iterator[Member]:
        """The members in order, each once; only those with all of the folded `words` in code or name."""
        above = self.deeper(found, above)
        if found.listed:
            yield from (m for m in found.listed.values() if m.concept.named(words))
            return
        seen: set[tuple[str, str]] = set()
        for part in found.includes:
            excludes, taken = apart(self.library, part, found.excludes)
            for member in self._enumerated(part, words, above, taken):
                place = (member.system, member.concept.code)
                if place not in seen:
                    seen.add(place)
                    if not any(self._of_part(each, *place, above) for each in excludes):
                        yield member

    def _enumerated(
        self, part: Part, words: tuple[str, ...], above: tuple[str, ...], taken: tuple[Node, ...] = ()
    ) -> Iterator[Member]:
        sets = [self.imported(url) for url in part.sets]
        if part.system:
            system = self.library.system(part.system, part.version)
            for concept in self._concepts(part, system, words, taken):
                self._step()
                if all(self.holds(each, part.system, concept.code, above) for each in sets):
                    version = part.version or (system.version if system is not None else "")
                    yield Member(system=part.system, version=version, concept=concept)
        elif sets:
            for member in self.members(sets[0], words, above):
                self._step()
                if all(self.holds(each, member.system, member.concept.code, above) for each in sets[1:]):
                    yield member

    def _concepts(
        self, part: Part, system: System | None, words: tuple[str, ...], taken: tuple[Node, ...]
    ) -> Iterator[Concept]:
        own = choosing(system)
        if part.codes:
            if own is not None:
                own.bring(part.codes)
            concepts = (_named(stated, system) for stated in part.codes.values())
            yield from (concept for concept in concepts if concept.named(words))
            return
        system = self.system(part)
        if own is not None:
            node = of_filters(part.filters, lists=True)[0]
            chosen = Chosen(node=Without(node, Either(taken)) if taken else node, words=words)
            tests = self._filters(part, system)
            yield from (concept for concept in own.select(chosen) if all(test(concept) for test in tests))
            return
        if not system.complete and not any(True for _ in system.concepts()):
            raise Unanswered("not-found", "fhir.terminology.incomplete", name=part.system)
        tests = self._filters(part, system)
        start = start_of(system, part.filters)
        if start is None:
            found: Iterable[Concept] = system.concepts(words)
        else:
            found = (c for code in start if (c := system.find(code)) is not None and c.named(words))
        for concept in found:
            if all(test(concept) for test in tests):
                yield concept


def _named(stated: Concept, system: System | None) -> Concept:
    """A listed code with what its system knows of it; the name the value set gives stands first."""
    known = system.find(stated.code) if system is not None else None
    if known is None:
        return stated
    return Concept(
        code=stated.code,
        display=stated.display or known.display,
        definition=known.definition,
        designations=(*stated.designations, *known.designations),
        properties=known.properties,
        abstract=known.abstract,
        inactive=known.inactive,
        language=known.language if not stated.display else "",
    )
