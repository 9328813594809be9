"""Value sets (R4 §4.9): whether a code is in one, and its members in order; without a store.

Include parts add, exclude parts take away; within a part a system, its filters and every imported set must all agree.
Sets that import each other are refused. What is not here is named by Unanswered, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from canonical.codes import aliases
from fhir.terminology.choosing import apart, spelled
from fhir.terminology.filters import Test, start_of, test_of
from fhir.terminology.nodes import Chosen, Either, Node, Without
from fhir.terminology.selection import choosing, of_filters
from fhir.terminology.stated import Library, Member, Part, Set
from fhir.terminology.systems import Concept, System, Unanswered

DEEPEST = 30
MOST_STEPS = 500_000


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
