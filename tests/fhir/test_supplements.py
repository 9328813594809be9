"""Names in languages, supplements, hierarchies in expansions and owners of bare codes, without a store."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from fhir.terminology import answers, expansion, stated, systems
from fhir.terminology.answers import Coding, Strictness
from fhir.terminology.sets import Reader
from fhir.terminology.supplements import Choice, Supplemented, fitting, missing
from fhir.terminology.systems import Listed, Unanswered

URL = "urn:cs:beds"
BEDS: dict[str, Any] = {
    "resourceType": "CodeSystem", "url": URL, "version": "2", "status": "active", "content": "complete", "language": "en",
    "concept": [
        {"code": "bed", "display": "Bed", "designation": [
            {"language": "en", "value": "Cot", "use": {"code": "synonym"}},
            {"language": "pt", "value": "Cama", "use": {"code": "synonym"}}, {"language": "pt-BR", "value": "Leito"}],
         "concept": [{"code": "icu", "display": "Intensive care", "concept": [{"code": "nicu", "display": "Neonatal"}]}, {"code": "ward", "display": "Ward"}]},
        {"code": "chair", "display": "Chair", "property": [{"code": "parent", "valueCode": "icu"}]},
    ],
}  # fmt: skip
MORE: dict[str, Any] = {
    "resourceType": "CodeSystem", "url": "urn:cs:beds-pt", "version": "1", "status": "active", "content": "supplement", "supplements": f"{URL}|2",
    "concept": [
        {"code": "icu", "designation": [{"language": "pt-BR", "value": "UTI"}], "property": [{"code": "sus", "valueString": "0802"}]},
        {"code": "none", "designation": [{"language": "pt-BR", "value": "Nada"}]},
    ],
}  # fmt: skip
NOW = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)


class Library:
    def __init__(self, *found: systems.System) -> None:
        self.own = {each.url: each for each in found}

    def system(self, url: str, version: str = "") -> systems.System | None:
        return self.own.get(url)

    def value_set(self, url: str) -> stated.Set | None:
        return None


def supplemented(**more: Any) -> systems.System:
    base, extra = systems.of_body(BEDS), systems.of_body({**MORE, **more})
    return Supplemented(base, [extra])


SHOWN = {
    "": "Bed", "en": "Bed", "en-US": "Bed", "pt": "Cama", "pt-BR": "Leito", "pt-br": "Leito", "pt-PT": "Leito", "fr": "Bed",
    "fr, pt-BR": "Leito", "de,en,pt": "Bed", ",": "Bed",
}  # fmt: skip


@pytest.mark.parametrize("language", SHOWN)
def test_the_name_of_a_language(language: str) -> None:
    """The language itself first, then its kin; a synonym only where nothing else is there."""
    concept = systems.of_body(BEDS).find("bed")
    assert concept is not None and concept.shown(language) == SHOWN[language]


def test_a_supplement_adds_names_and_properties_and_no_concepts() -> None:
    system = supplemented()
    concept = system.find("icu")
    assert concept is not None and concept.shown("pt-BR") == "UTI" and concept.shown("") == "Intensive care"
    assert system.find("none") is None and [c.code for c in system.concepts(("uti",))] == ["icu"]
    told = {
        p["part"][0]["valueCode"]: p["part"][1]
        for p in answers.lookup(system, concept, (), "pt")["parameter"]
        if p["name"] == "property"
    }
    assert told["sus"]["valueString"] == "0802" and told["parent"]["valueCode"] == "bed"


CHOICES: dict[str, tuple[Choice, dict[str, Any], bool]] = {
    "nobody asked": (Choice(), {}, False),
    "by its address": (Choice(named=frozenset(("urn:cs:beds-pt",))), {}, True),
    "by address and version": (Choice(named=frozenset(("urn:cs:beds-pt|1",))), {}, True),
    "another version of it": (Choice(named=frozenset(("urn:cs:beds-pt|9",))), {}, False),
    "its language": (Choice(language="pt"), {}, True),
    "one of its languages": (Choice(language="de, pt-BR"), {}, True),
    "another language": (Choice(language="de"), {}, False),
    "a language pack": (Choice(), {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/codesystem-supplement-type", "valueCode": "lang-pack"}]}, True),
    "of another version of the system": (Choice(language="pt"), {"supplements": f"{URL}|3"}, False),
    "of any version": (Choice(language="pt"), {"supplements": URL}, True),
    "of another system": (Choice(language="pt"), {"supplements": "urn:cs:x"}, False),
}  # fmt: skip


@pytest.mark.parametrize("name", CHOICES)
def test_which_supplements_apply(name: str) -> None:
    choice, more, applies = CHOICES[name]
    found = systems.of_body({**MORE, **more})
    assert found.supplements and bool(fitting(systems.of_body(BEDS), [found], choice)) is applies


def test_what_is_asked_for_and_not_here_is_named() -> None:
    found = systems.of_body(MORE)
    assert missing(["urn:cs:beds-pt", "urn:cs:beds-pt|1"], [found]) == "" and missing(["urn:x"], [found]) == "urn:x"


def expanded(system: systems.System, include: dict[str, Any], **how: Any) -> list[dict[str, Any]]:
    found = stated.of_body({"url": "urn:vs", "compose": {"include": [{"system": URL, **include}]}})
    answer = expansion.expand(Reader(Library(system)), found, expansion.Asked(**how), {}, NOW)
    return answer["expansion"].get("contains", [])  # type: ignore[no-any-return]


def tree(contains: list[dict[str, Any]]) -> list[Any]:
    return [[item["code"], *tree(item["contains"])] if "contains" in item else item["code"] for item in contains]


NESTED: dict[str, tuple[dict[str, Any], dict[str, Any], list[Any]]] = {
    "all": ({}, {}, [["bed", ["icu", "nicu", "chair"], "ward"]]),
    "without the one between": ({"filter": [{"property": "code", "op": "not-in", "value": "icu"}]}, {}, [["bed", "nicu", "ward", "chair"]]),
    "below one": ({"filter": [{"property": "concept", "op": "is-a", "value": "icu"}]}, {}, [["icu", "nicu", "chair"]]),
    "listed by name": ({"concept": [{"code": "nicu"}, {"code": "icu"}]}, {}, [["icu", "nicu"]]),
    "a page is flat": ({}, {"count": 3}, ["bed", "icu", "nicu"]),
    "a search": ({}, {"filter": "ne"}, ["nicu"]),
}  # fmt: skip


@pytest.mark.parametrize("name", NESTED)
def test_codes_stand_below_those_they_belong_to(name: str) -> None:
    include, how, wanted = NESTED[name]
    assert tree(expanded(systems.of_body(BEDS), include, nested=True, **how)) == wanted


def test_a_circle_has_no_top_and_ends() -> None:
    round_ = [
        {"code": a, "property": [{"code": "parent", "valueCode": b}]} for a, b in (("a", "b"), ("b", "a"), ("c", "a"))
    ]
    found = systems.of_body({"url": URL, "content": "complete", "concept": round_})
    assert tree(expanded(found, {}, nested=True)) == [["a", "c"], "b"]


def test_an_expansion_tells_properties_and_what_it_rests_on() -> None:
    system = supplemented()
    found = stated.of_body({"url": "urn:vs", "compose": {"include": [{"system": URL}]}})
    asked = expansion.Asked(properties=("sus",), language="pt-BR", designations=True)
    answer = expansion.expand(Reader(Library(system)), found, asked, {}, NOW)["expansion"]
    assert {"name": "used-supplement", "valueUri": "urn:cs:beds-pt|1"} in answer["parameter"]
    assert {"name": "used-codesystem", "valueUri": f"{URL}|2"} in answer["parameter"]
    icu = next(item for item in answer["contains"] if item["code"] == "icu")
    assert icu["display"] == "UTI" and icu["designation"] == [{"language": "en", "value": "Intensive care"}]
    assert icu["extension"][0]["extension"] == [
        {"url": "code", "valueCode": "sus"},
        {"url": "value", "valueString": "0802"},
    ]


def test_value_sets_in_the_record_of_another_are_found_by_their_id() -> None:
    def inner(name: str, **compose: Any) -> dict[str, Any]:
        return {"resourceType": "ValueSet", "id": name, "compose": {"include": [compose]}}

    body = {"url": "urn:vs", "contained": [inner("a", valueSet=["#b"]), inner("b", system=URL, concept=[{"code": "ward"}])],
            "compose": {"include": [{"valueSet": ["#a"]}]}}  # fmt: skip
    found = stated.of_body(body)
    assert list(found.systems) == [URL] and list(found.imports) == []
    reader = Reader(Library(systems.of_body(BEDS)))
    assert [m.concept.code for m in reader.members(found)] == ["ward"] and reader.owners(found, "ward") == [URL]
    assert reader.holds(found, URL, "ward") and not reader.holds(found, URL, "icu")
    round_ = stated.of_body({**body, "contained": [inner("a", valueSet=["#b"]), inner("b", valueSet=["#a"])]})
    with pytest.raises(Unanswered, match="circle"):
        reader.holds(round_, URL, "ward")


def test_a_bare_code_belongs_to_the_system_that_has_it() -> None:
    other = Listed({"url": "urn:cs:x"})
    other.add(systems.Concept(code="ward"), ())
    reader = Reader(Library(systems.of_body(BEDS), other))
    found = stated.of_body({"url": "urn:vs", "compose": {"include": [{"system": URL}, {"system": "urn:cs:x"}]}})
    assert reader.owners(found, "icu") == [URL] and reader.owners(found, "ward") == [URL, "urn:cs:x"]
    assert reader.owners(found, "nope") == []


def test_a_wrong_name_is_answered_by_the_right_ones() -> None:
    system = systems.of_body(BEDS)
    wrong = Coding(system=URL, code="bed", display="Cadeira")
    told = answers.verdict(answers.of_system(system, wrong, Strictness(language="pt-BR")), "pt-BR")
    parts = {p["name"]: p for p in told["parameter"]}
    assert parts["result"]["valueBoolean"] is False and parts["display"]["valueString"] == "Leito"
    assert "«Leito»" in parts["message"]["valueString"] and "«Bed»" in parts["message"]["valueString"]
    (issue,) = parts["issues"]["resource"]["issue"]
    assert (issue["severity"], issue["details"]["coding"][0]["code"]) == ("error", "invalid-display")
    assert issue["expression"] == ["display"] and parts["version"]["valueString"] == "2"
    lenient = answers.of_system(system, wrong, Strictness(lenient=True))
    assert lenient.result and lenient.problems[0].severity == "warning"
    unknown = answers.of_system(system, Coding(code="nope"), Strictness())
    assert not unknown.result and f"{URL}|2" in unknown.problems[0].text("en")


def test_a_part_of_a_system_and_another_spelling_are_told_and_do_not_refuse() -> None:
    part = systems.of_body({**BEDS, "content": "fragment"})
    told = answers.of_system(part, Coding(code="nope"), Strictness())
    assert told.result and [p.code for p in told.problems] == ["fhir.terminology.fragment"]
    with pytest.raises(Unanswered):
        answers.of_system(systems.of_body({**BEDS, "content": "example"}), Coding(code="nope"), Strictness())
    loose = systems.of_body({**BEDS, "caseSensitive": False})
    parts = {
        p["name"]: p
        for p in answers.verdict(answers.of_system(loose, Coding(code="ICU"), Strictness()), "en")["parameter"]
    }
    assert parts["result"]["valueBoolean"] and parts["normalized-code"]["valueCode"] == "icu"
    assert parts["issues"]["resource"]["issue"][0]["severity"] == "information"
    assert not answers.of_system(systems.of_body(BEDS), Coding(code="ICU"), Strictness()).result
