"""Terminology without a store: what R4 brings, circles and explosions, and sets that ask more than is here."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import r4_examples

from fhir.patterns import BadPattern, pattern
from fhir.terminology import known, stated, systems
from fhir.terminology.sets import Reader
from fhir.terminology.stated import Set
from fhir.terminology.systems import System, Unanswered


class Library:
    """R4's own, and what a test adds."""

    def __init__(self, *bodies: dict[str, Any]) -> None:
        self.own = {b["url"]: (systems if b["resourceType"] == "CodeSystem" else stated).of_body(b) for b in bodies}

    def system(self, url: str, version: str = "") -> System | None:
        return self.own.get(url) or known.system(url)  # type: ignore[return-value]

    def value_set(self, url: str) -> Set | None:
        return self.own.get(url) or known.value_set(url.partition("|")[0])  # type: ignore[return-value]


def value_set(name: str, *include: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": f"urn:vs:{name}", "compose": {"include": list(include)}}


def test_what_r4_brings() -> None:
    """How much of R4's terminology can be enumerated; what cannot rests on systems with licences or registers of their own."""
    reader, apart = Reader(Library(), steps=10**7), set()
    for url in known.addresses("sets"):
        found = known.value_set(url)
        assert found is not None
        try:
            assert all(member.concept.code for member in reader.members(found))
        except Unanswered as error:
            assert error.kind == "not-found"
            apart.add(url)
    assert (len(known.addresses("systems")), len(known.addresses("sets")), len(known.addresses("maps"))) == (
        1059,
        1310,
        80,
    )
    assert len(apart) <= 97, sorted(apart)


def _published(contains: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for item in contains:
        if item.get("code"):
            yield item["system"], item["code"]
        yield from _published(item.get("contains", []))


def test_expansions_are_the_published_ones() -> None:
    """The same codes as the published expansions, but grouping and old ones."""
    same, different = 0, {}
    for path in sorted(r4_examples.expansions().glob("ValueSet-*.json")):
        body = json.loads(path.read_text(encoding="utf-8"))
        found = known.value_set(body.get("url", ""))
        if found is None or "expansion" not in body or body["expansion"].get("total", 0) > 1000:
            continue
        try:
            members = list(Reader(Library()).members(found))
        except Unanswered:
            continue
        wanted = set(_published(body["expansion"].get("contains", [])))
        mine = {(m.system, m.concept.code): m.concept for m in members}
        more = {place for place, concept in mine.items() if not (concept.abstract or concept.inactive)} - wanted
        if wanted <= mine.keys() and not more:
            same += 1
        else:
            different[body["url"]] = (sorted(wanted - mine.keys())[:3], sorted(more)[:3])
    assert same >= 480 and len(different) <= 10, (same, different)


def test_circles_in_hierarchies_end() -> None:
    body = {"resourceType": "CodeSystem", "url": "urn:c", "property": [{"code": "up", "uri": "http://hl7.org/fhir/concept-properties#parent", "type": "code"}],
            "concept": [{"code": c, "property": [{"code": "up", "valueCode": p}]} for c, p in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "d"))]}  # fmt: skip
    found = systems.of_body(body)
    assert list(systems.below(found, "a")) == ["a", "c", "b"] and list(systems.above(found, "a")) == ["a", "b", "c"]
    assert systems.subsumption(found, "a", "b") == "subsumes" and list(systems.below(found, "d")) == ["d"]


def test_sets_that_multiply_are_too_costly() -> None:
    """Each set imports the next twice: 2^25 ways; and a circle is named."""
    doubling = [
        value_set(str(n), {"valueSet": [f"urn:vs:{n + 1}"]}, {"valueSet": [f"urn:vs:{n + 1}"]}) for n in range(25)
    ]
    reader = Reader(Library(*doubling, value_set("25", {"system": "urn:s", "concept": [{"code": "x"}]})), steps=20_000)
    began = time.process_time()
    for ask in (lambda f: reader.holds(f, "urn:s", "y"), lambda f: list(reader.members(f))):
        with pytest.raises(Unanswered) as caught:
            ask(stated.of_body(doubling[0]))
        assert caught.value.kind == "too-costly"
    assert time.process_time() - began < 10
    chain = [value_set(str(n), {"valueSet": [f"urn:vs:{n + 1}"]}) for n in range(40)]
    with pytest.raises(Unanswered, match="circle"):
        Reader(Library(*chain)).holds(stated.of_body(chain[0]), "urn:s", "x")


def test_unknown_is_never_no() -> None:
    """An include that cannot be judged leaves the answer open, unless another include says yes or an exclude no."""
    library = Library(value_set("both", {"system": "urn:none"}, {"system": "urn:s", "concept": [{"code": "x"}]}))
    both = library.value_set("urn:vs:both")
    assert (
        both is not None
        and Reader(library).holds(both, "urn:s", "x")
        and not Reader(library).holds(both, "urn:other", "x")
    )
    with pytest.raises(Unanswered) as caught:
        Reader(library).holds(both, "", "z")
    assert caught.value.kind == "not-found"


def test_patterns_take_linear_time() -> None:
    began = time.process_time()
    assert not pattern("(a+)+b", whole=True)("a" * 50_000) and pattern("b.d", whole=False)("abcde")
    assert time.process_time() - began < 5
    for wrong in ("(", "(?=a)", "a" * 1001):
        with pytest.raises(BadPattern):
            pattern(wrong, whole=True)


def test_codes_in_other_spellings_and_under_other_names() -> None:
    """CID-10 with and without dot, under the names of BR Core, RNDS and HL7."""
    body = {
        "resourceType": "CodeSystem",
        "url": "http://www.saude.gov.br/fhir/r4/CodeSystem/BRCID10",
        "content": "complete",
        "concept": [{"code": "A000"}],
    }
    named = value_set("cid", {"system": "http://hl7.org/fhir/sid/icd-10", "concept": [{"code": "A00.0"}]})
    library = Library({**body}, {**named})
    found = library.value_set("urn:vs:cid")
    assert found is not None
    assert Reader(library).holds(found, "http://www.saude.gov.br/fhir/r4/CodeSystem/BRCID10", "A000")
    assert not Reader(library).holds(found, "http://www.saude.gov.br/fhir/r4/CodeSystem/BRCID10", "A001")
