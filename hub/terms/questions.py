"""The questions of the terminology operations: what is asked about is found with all it rests on, then answered."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from canonical.codes import aliases, spellings
from canonical.problem import Problem
from fhir.terminology import answers, expansion, known, maps
from fhir.terminology.answers import Coding, Strictness, Verdict
from fhir.terminology.maps import Map, Match, Wanted
from fhir.terminology.sets import Reader
from fhir.terminology.stated import Set
from fhir.terminology.systems import System, Unanswered
from hub.find.statement import Source
from hub.terms import published, stored
from hub.terms.releases import mapped
from hub.terms.shelf import Shelf, Versions, concept_maps


@dataclass(slots=True, kw_only=True)
class Subject:
    """What a question is about: a kind of record, one of it (`record`, by id), one that came along (`given`), a day."""

    source: Source
    kind: str
    record: str
    on: str
    given: dict[str, Any] | None = None
    versions: Versions = field(default_factory=Versions)
    along: list[dict[str, Any]] = field(default_factory=list)
    supplements: tuple[str, ...] = ()
    language: str = ""

    def shelf(self) -> Shelf:
        """A library for the day and versions asked for, with what came along (`tx-resource`)."""
        found = Shelf(self.on, self.versions)
        found.give(stored.read_form(body) for body in self.along)
        return found

    async def own(self) -> stored.Read | None:
        """The record of the address or the one that came along; None when only a canonical address names it."""
        if self.record:
            found = await stored.by_id(self.source, self.kind, self.record) or published.read(self.kind, self.record)
            if found is None:
                raise Unanswered("not-found", "failure.not-found")
            return found
        return await asyncio.to_thread(stored.read_form, self.given) if self.given is not None else None


async def system(subject: Subject, url: str, version: str) -> System:
    """The code system of an instance, or of an address; raises Unanswered."""
    own = await subject.own()
    if own is not None:
        if url and url not in aliases(own.form.url):
            raise Unanswered("unsupported", "fhir.terminology.two-systems")
        if own.form.supplements:
            raise Unanswered("unsupported", "fhir.terminology.is-supplement", name=own.form.supplements)
        return (await _supplemented(subject, subject.shelf())).supplemented(own.form)
    if not url:
        raise Unanswered("malformed", "fhir.terminology.parameter-missing", name="system")
    shelf = await _supplemented(subject, await subject.shelf().gather(subject.source, systems=[url]))
    name, _, stated = url.partition("|")
    found = shelf.system(name, version or stated)
    if found is None:
        raise Unanswered("not-found", "fhir.terminology.system", name=url)
    return found


async def _supplemented(subject: Subject, shelf: Shelf, named: Sequence[str] = ()) -> Shelf:
    return await shelf.supplement(subject.source, (*subject.supplements, *named), subject.language)


async def in_system(subject: Subject, codings: Sequence[Coding], how: Strictness) -> Verdict:
    """Whether one of the codings is of its code system, or of the one that is asked."""
    systems: dict[str, System] = {}
    own = await system(subject, "", "") if subject.record or subject.given is not None else None
    for coding in codings:
        if own is None and coding.system not in systems:
            systems[coding.system] = await system(subject, coding.system, coding.version)

    def judge(coding: Coding) -> Verdict:
        asked = own if own is not None else systems[coding.system]
        if own is not None and coding.system and coding.system not in aliases(own.url):
            return answers.not_in_set(coding, own.url)
        return answers.of_system(asked, coding, how)

    return await asyncio.to_thread(answers.best, codings, judge)


async def _set(subject: Subject, url: str) -> tuple[Set, Shelf, dict[str, Any]]:
    """The value set asked about, with all it rests on, and its heading."""
    own = await subject.own()
    shelf = subject.shelf()
    if own is not None:
        form: Set = own.form
        if form.url:
            shelf.given_sets[form.url] = form
        await shelf.gather(subject.source, sets=[form])
        return form, await _supplemented(subject, shelf, form.supplements), dict(own.heading)
    if not url:
        raise Unanswered("malformed", "fhir.terminology.parameter-missing", name="url")
    await shelf.gather(subject.source, sets=[url])
    found = shelf.value_set(url)
    if found is None:
        raise Unanswered("not-found", "fhir.terminology.value-set", name=url)
    await shelf.gather(subject.source, sets=[found])
    return found, await _supplemented(subject, shelf), dict(shelf.heading(found))


async def in_set(subject: Subject, url: str, codings: Sequence[Coding], how: Strictness) -> Verdict:
    """Whether one of the codings is in the value set; one without system is taken to be of the only one that has it."""
    found, shelf, _ = await _set(subject, url)
    await shelf.gather(subject.source, systems=[coding.system for coding in codings if coding.system])
    reader = Reader(shelf)

    def judge(coding: Coding) -> Verdict:
        named = found.url or found.name
        if not coding.system:
            owners = reader.owners(found, coding.code)
            if len(owners) > 1:
                return answers.unclear(coding, owners)
            coding = replace(coding, system=owners[0] if owners else "")
        known_as = shelf.system(coding.system, coding.version) if coding.system else None
        if known_as is None and coding.version and shelf.system(coding.system) is not None:
            return Verdict(result=False, coding=coding, problems=answers.no_system(coding))
        version = known_as.version if known_as is not None else ""
        if not reader.holds(found, coding.system, coding.code):
            why = _why(known_as, coding, version)
            return replace(answers.not_in_set(coding, named, why), version="" if why else version)
        member = reader.member(found, coding.system, coding.code)
        if member is None:
            return Verdict(result=True, coding=coding, version=version)
        concept, stated = member
        return replace(answers.judged(concept, coding, how), version=stated or version)

    return await asyncio.to_thread(answers.best, codings, judge)


def _why(system: System | None, coding: Coding, version: str) -> tuple[Problem, ...]:
    """What else is wrong with a code that is not in a set: its system is not here, or has no such code."""
    if system is None:
        return answers.no_system(coding) if coding.system else ()
    lacks = system.complete and not any(system.find(c) for c in (coding.code, *spellings(system.url, coding.code)))
    return answers.unknown(coding, version) if lacks else ()


async def expanded(
    subject: Subject, url: str, asked: expansion.Asked, *, whole: bool, now: datetime.datetime
) -> dict[str, Any]:
    """The page of an expansion; `whole`: with what the set is composed of."""
    found, shelf, heading = await _set(subject, url)
    if not whole:
        heading.pop("compose", None)
    return await asyncio.to_thread(expansion.expand, Reader(shelf), found, asked, heading, now)


async def translated(subject: Subject, url: str, wanted: Sequence[Wanted], ends: tuple[str, str]) -> list[Match]:
    """The translations by the map asked for, else by all maps from the codes' systems (narrowed by their `ends`)."""
    own = await subject.own()
    if own is not None:
        named = await _stand_ins(subject.source, own.form)
        return [match for each in wanted for match in maps.translated(own.form, each, named)]
    if url:
        found, named = await concept_maps(subject.source, url)
        if found is None and mapped.MARK in url:
            of_release = [await mapped.translated(subject.source, each, url) for each in wanted]
            if None not in of_release:
                return [match for matches in of_release for match in matches or ()]
        if found is None:
            raise Unanswered("not-found", "fhir.terminology.concept-map", name=url)
        return [match for each in wanted for match in maps.translated(found, each, named)]
    matches: list[Match] = []
    for each in wanted:
        if not each.system:
            raise Unanswered("malformed", "fhir.terminology.parameter-missing", name="system")
        for one in await _maps_of(subject.source, each):
            if _fits(one, ends):
                matches += maps.translated(one, each, await _stand_ins(subject.source, one))
        matches += await mapped.translated(subject.source, each) or []
    return matches


def _fits(found: Map, ends: tuple[str, str]) -> bool:
    """Whether a map is meant for the value sets asked for; what it does not state fits."""
    pairs = zip((found.source, found.target), ends, strict=True)
    return all(not wanted or not stated or stated.partition("|")[0] == wanted for stated, wanted in pairs)


async def _maps_of(source: Source, wanted: Wanted) -> list[Map]:
    forms = [read.form for read in await stored.maps_from(source, wanted.system) if not read.retired]
    own = {form.url for form in forms}
    brought = known.maps_from(wanted.system) if not wanted.reverse else known.maps_into(wanted.system)
    return [*forms, *(each for each in brought if each.url not in own)]


async def _stand_ins(source: Source, found: Map) -> dict[str, Map]:
    named: dict[str, Map] = {}
    for url in found.others:
        named |= (await concept_maps(source, url))[1]
    return named
