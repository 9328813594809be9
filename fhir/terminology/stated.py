"""A value set as its record states it (R4 §4.9): what it includes and excludes, and where the rest of it is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fhir.terminology.systems import Concept, System, designations

SUPPLEMENT = "http://hl7.org/fhir/StructureDefinition/valueset-supplement"


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
