"""Code system supplements (R4 §4.8.9): further names and properties of a system's concepts, never further concepts.

One applies when it is asked for (`useSupplement`, or the extension valueset-supplement of a value set), when it is a
language pack, or when it has names in the language asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from canonical.codes import aliases
from fhir.terminology.nodes import Chosen, Node
from fhir.terminology.selection import Selecting, choosing
from fhir.terminology.systems import Concept, Listed, System


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which supplements a question wants: those `named` (canonical addresses), and those in a `language` (`de,pt`)."""

    named: frozenset[str] = frozenset()
    language: str = ""

    def takes(self, found: Listed) -> bool:
        """Whether a supplement applies."""
        if {found.url, f"{found.url}|{found.version}"} & self.named or found.languages:
            return True
        wanted = {language.strip().lower().split("-")[0] for language in self.language.split(",")} - {""}
        named = (d.language for c in found.concepts() for d in c.designations)
        return bool(wanted) and any(language.lower().split("-")[0] in wanted for language in named)


def missing(named: Iterable[str], found: Sequence[Listed]) -> str:
    """The first address among `named` that no supplement has; empty when all are here."""
    known = {name for each in found for name in (each.url, f"{each.url}|{each.version}")}
    return next((name for name in named if name not in known), "")


def fitting(system: System, found: Iterable[Listed], choice: Choice) -> list[Listed]:
    """The supplements that are for this system, in this version, and apply."""
    fits = []
    for each in found:
        url, _, version = each.supplements.partition("|")
        if url in aliases(system.url) and version in ("", system.version) and choice.takes(each):
            fits.append(each)
    return fits


class Supplemented:
    """A code system with what its supplements add to its concepts; `used` are their canonical addresses."""

    def __init__(self, base: System, supplements: Sequence[Listed]) -> None:
        self._base = base
        self._supplements = supplements
        self.url = base.url
        self.version = base.version
        self.name = base.name
        self.complete = base.complete
        self.fragment = getattr(base, "fragment", False)
        self.value_set = base.value_set
        self.used = tuple(f"{each.url}|{each.version}" if each.version else each.url for each in supplements)

    def find(self, code: str) -> Concept | None:
        """The concept with its further names and properties, or None."""
        found = self._base.find(code)
        return self._more(found) if found is not None else None

    def concepts(self, words: Sequence[str] = ()) -> Iterable[Concept]:
        """All concepts in order, or those whose code or name, of a supplement too, has all of the folded `words`."""
        found = (self._more(concept) for concept in self._base.concepts())
        return (concept for concept in found if concept.named(words)) if words else found

    def parents(self, code: str) -> Sequence[str]:
        """The codes right above."""
        return self._base.parents(code)

    def children(self, code: str) -> Sequence[str]:
        """The codes right below."""
        return self._base.children(code)

    def _more(self, concept: Concept) -> Concept:
        for each in self._supplements:
            if (own := each.find(concept.code)) is not None:
                shown = (*concept.designations, *own.designations)
                concept = replace(concept, designations=shown, properties=(*concept.properties, *own.properties))
        return concept


class SupplementedChoosing(Supplemented):
    """The same over a system that chooses by itself; words are looked for in its own names."""

    def __init__(self, base: Selecting, supplements: Sequence[Listed]) -> None:
        super().__init__(base, supplements)
        self._choosing = base

    def count(self, chosen: Chosen, most: int) -> int:
        """How many are chosen, counted up to `most`."""
        return self._choosing.count(chosen, most)

    def select(self, chosen: Chosen, start: int = 0, count: int | None = None) -> Iterable[Concept]:
        """Those chosen in their order."""
        return (self._more(concept) for concept in self._choosing.select(chosen, start, count))

    def codes(self, node: Node, most: int) -> Sequence[str]:
        """The codes a tree means."""
        return self._choosing.codes(node, most)

    def holds(self, node: Node, code: str) -> bool:
        """Whether a tree means a code."""
        return self._choosing.holds(node, code)

    def bring(self, codes: Iterable[str]) -> None:
        """Have these concepts at hand."""
        self._choosing.bring(codes)

    def ancestors(self, code: str) -> dict[str, None]:
        """The code and all it stands under."""
        return self._choosing.ancestors(code)

    def descendants(self, code: str) -> dict[str, None]:
        """The code and all under it."""
        return self._choosing.descendants(code)


def supplemented(base: System, supplements: Sequence[Listed]) -> System:
    """The system with those supplements."""
    own = choosing(base)
    return SupplementedChoosing(own, supplements) if own is not None else Supplemented(base, supplements)
