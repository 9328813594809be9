"""FHIR Shorthand: every rule that is read makes what it says, everything else refuses its item, no text ends the reader."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_files import standards

from canonical.problem import Problem
from fhir.shorthand.reader import Config, config_of, read
from fhir.shorthand.tokens import tokens, unescaped
from fhir.terminology.bodies import Bodies, membership
from fhir.terminology.sets import Reader
from fhir.validation import profiles
from fhir.validation.validator import validate

CONFIG = Config(canonical="http://example.org/fhir", version="0.1.0")
ROOT = "http://example.org/fhir/StructureDefinition/"
PROJECT = '''
// a project as its authors write it
Alias: $v2 = http://terminology.hl7.org/CodeSystem/v2-0203
Alias: $race = http://example.org/elsewhere/race

RuleSet: Numbered(name, system)
* identifier[{name}].system = "{system}" (exactly)
* identifier[{name}].value 1..1

Profile: Person
Parent: Patient
Id: person
Title: "A person"
Description: """
    Of two
    lines with "quotes"
"""
* ^status = #active
* ^contact[0].telecom[+].system = #url
* ^contact[=].telecom[=].value = "http://example.org" // where
* identifier ^slicing.discriminator.type = #value
* identifier ^slicing.discriminator.path = "system"
* identifier ^slicing.rules = #open
* identifier contains cpf 1..1 MS and cns 0..1
* insert Numbered(cpf, urn:cpf)
* identifier[cpf]
  * use = http://hl7.org/fhir/identifier-use#official
  * type.coding = $v2#TAX "Tax id"
* extension contains $race named race 1..1 and Color named color 0..*
* name and birthDate MS
* name 1..*
* name obeys per-1
* photo 0..0
* deceased[x] only boolean
* maritalStatus from Marital (required)
* managingOrganization only Reference(Organization)
* generalPractitioner only Reference(Organization or Doctor)
* multipleBirthInteger ^short = "twins"
* contact.name.family = "x"

Profile: Child
Parent: Person
* birthDate 1..

Profile: Doctor
Parent: Practitioner
* active = true

Profile: Weight
Parent: http://hl7.org/fhir/StructureDefinition/Observation
* value[x] only Quantity
* valueQuantity = 'kg'
* code = http://loinc.org#29463-7
* component[one].valueCodeableConcept from Marital

Invariant: per-1
Description: "a name has text"
Severity: #error
Expression: "text.exists()"

Extension: Color
Id: color
* value[x] 1..1
* value[x] only Coding
* valueCoding from Marital (extensible)

Extension: Parts
* extension contains a 1..1 and b 0..1
* extension[a].value[x] only string

ValueSet: Marital
* $v2#M "Married"
* include $v2#"S s"
* include codes from system Shades|1.0 where concept is-a #dark and display = "x"
* include codes from system Shades and valueset http://example.org/vs
* exclude codes from valueset http://example.org/other

CodeSystem: Shades
* ^caseSensitive = true
* #dark "Dark" "not light"
  * #night "Night"
* #dark #dusk "Dusk"
* #"light one" "Light"
* #night ^designation[0].value = "Noite"

Instance: Ana
InstanceOf: Person
Usage: #example
* name.text = "Ana"

Instance: numbers
InstanceOf: NamingSystem
Usage: #definition
* name = "Numbers"
* status = #active
* kind = #identifier
* date = "2026-01-01"
* uniqueId[0].type = #uri
* uniqueId[=].value = "urn:n"

Mapping: Old
Source: Person
Target: "http://example.org"
* -> "Person"
'''


def made(text: str, config: Config = CONFIG, known: dict[str, str] | None = None) -> dict[str, Any]:
    found = dict(read({"a.fsh": text}, config, known))
    wrong = {name: (p.code, p.where) for name, p in found.items() if isinstance(p, Problem)}
    assert not wrong, wrong
    return {name.rpartition("/")[2]: body for name, body in found.items()}


def refused(text: str, config: Config = CONFIG) -> list[tuple[str, str, str]]:
    return [(name, p.code, p.where) for name, p in read({"a.fsh": text}, config) if isinstance(p, Problem)]


def elements(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["id"].partition(".")[2]: one for one in body["differential"]["element"]}


def test_a_project_becomes_valid_resources() -> None:
    found = made(PROJECT)
    assert set(found) == {"person", "Child", "Doctor", "Weight", "color", "Parts", "Marital", "Shades", "numbers"}
    assert {name: validate(body) for name, body in found.items()} == {name: [] for name in found}
    person = found["person"]
    assert (person["url"], person["type"], person["status"], person["version"]) == (
        f"{ROOT}person",
        "Patient",
        "active",
        "0.1.0",
    )
    assert person["description"] == 'Of two\n    lines with "quotes"'.replace("\n    ", "\n")
    assert person["contact"] == [{"telecom": [{"system": "url", "value": "http://example.org"}]}]
    assert found["Child"]["baseDefinition"] == f"{ROOT}person" and found["Child"]["type"] == "Patient"


def test_rules_of_profiles() -> None:
    person = elements(made(PROJECT)["person"])
    assert person["identifier:cpf"] == {
        "id": "Patient.identifier:cpf", "path": "Patient.identifier", "sliceName": "cpf", "min": 1, "max": "1", "mustSupport": True,
    }  # fmt: skip
    assert person["identifier"]["slicing"] == {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}
    assert person["identifier:cpf.system"]["fixedUri"] == "urn:cpf" and person["identifier:cpf.value"]["min"] == 1
    assert person["identifier:cpf.use"]["patternCode"] == "official"
    assert person["identifier:cpf.type.coding"]["patternCoding"]["display"] == "Tax id"
    assert person["extension:race"]["type"] == [{"code": "Extension", "profile": ["http://example.org/elsewhere/race"]}]
    assert person["extension:color"]["type"][0]["profile"] == [f"{ROOT}color"]
    assert (
        person["name"]["constraint"][0]["expression"] == "text.exists()" and person["birthDate"]["mustSupport"] is True
    )
    assert person["photo"]["max"] == "0" and person["deceased[x]"]["type"] == [{"code": "boolean"}]
    assert person["maritalStatus"]["binding"] == {
        "strength": "required",
        "valueSet": "http://example.org/fhir/ValueSet/Marital",
    }
    assert person["generalPractitioner"]["type"][0]["targetProfile"] == [
        f"{profiles.BASE}Organization",
        f"{ROOT}Doctor",
    ]
    assert person["multipleBirth[x]:multipleBirthInteger"]["type"] == [{"code": "integer"}]
    weight = elements(made(PROJECT)["Weight"])
    assert weight["value[x]:valueQuantity"]["patternQuantity"] == {"system": "http://unitsofmeasure.org", "code": "kg"}
    assert weight["code"]["patternCodeableConcept"] == {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}


def test_extensions_close_what_they_do_not_use() -> None:
    found = made(PROJECT)
    color, parts = elements(found["color"]), elements(found["Parts"])
    assert (
        color["url"]["fixedUri"] == f"{ROOT}color"
        and color["extension"]["max"] == "0"
        and color["value[x]"]["min"] == 1
    )
    assert parts["value[x]"]["max"] == "0" and parts["extension:a.url"]["fixedUri"] == "a"


def test_code_lists() -> None:
    found = made(PROJECT)
    include = found["Marital"]["compose"]["include"]
    assert include[0]["concept"] == [{"code": "M", "display": "Married"}, {"code": "S s"}]
    assert include[1]["filter"] == [
        {"property": "concept", "op": "is-a", "value": "dark"}, {"property": "display", "op": "=", "value": "x"},
    ]  # fmt: skip
    assert include[1]["version"] == "1.0" and include[2]["valueSet"] == ["http://example.org/vs"]
    shades = found["Shades"]
    assert [one["code"] for one in shades["concept"]] == ["dark", "light one"] and shades["caseSensitive"] is True
    assert [one["code"] for one in shades["concept"][0]["concept"]] == ["night", "dusk"]


def test_profiles_are_checked_as_any_other() -> None:
    found = made(PROJECT)
    definitions = {body["url"]: body for body in found.values() if body["resourceType"] == "StructureDefinition"}
    member = membership(Reader(Bodies(found.values()), steps=10**6))
    good: dict[str, Any] = {
        "resourceType": "Patient", "birthDate": "1980", "name": [{"text": "Ana"}],
        "identifier": [{"system": "urn:cpf", "value": "1", "use": "official", "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "TAX", "display": "Tax id"}]}}],
        "extension": [{"url": "http://example.org/elsewhere/race", "valueString": "x"}],
    }  # fmt: skip
    url = f"{ROOT}Child"
    assert [p.code for p in profiles.check(good, url, definitions, member)] == []
    bad = {**good, "name": [{"family": "x"}], "deceasedDateTime": "2020", "extension": [], "birthDate": None}
    codes = {
        (p.code, p.where)
        for p in profiles.check({k: v for k, v in bad.items() if v is not None}, url, definitions, member)
    }
    assert codes == {
        ("fhir.profile.invariant", "Patient.name"), ("fhir.profile.choice", "Patient.deceased"),
        ("fhir.profile.missing", "Patient.extension:race"), ("fhir.profile.missing", "Patient.birthDate"),
    }  # fmt: skip


P = "Profile: P\nParent: Patient\n"
REFUSALS = {
    "an element that R4 has not": (P + "* nome 1..1", "rule", 3),
    "a value of another kind": (P + "* active = \"sim\"", "rule", 3),
    "a choice that is not told": (P + "* deceased[x] = true", "rule", 3),
    "a strength that is none": (P + "* gender from http://v (forced)", "rule", 3),
    "a flag that is none": (P + "* name XY", "rule", 3),
    "an invariant that is not there": (P + "* obeys nobody", "rule", 3),
    "a name that is not there": (P + "* maritalStatus from Nowhere", "rule", 3),
    "a rule set that is not there": (P + "\n* insert Nothing", "name", 4),
    "a parent that is not here": ("Profile: P\nParent: http://example.org/far\n* name 1..1", "parent", 1),
    "a resource of one's own": ("Resource: L\n* a 0..1 string \"x\"", "kind", 1),
    "a model on another one": ("Logical: L\nParent: M\n* a 0..1 string \"x\"", "parent", 1),
    "an element of a model without words": ("Logical: L\n* a 0..1 string", "rule", 2),
    "an element below none": ("Logical: L\n* a.b 0..1 string \"x\"", "rule", 2),
    "a rule about no element": ("Logical: L\n* a 0..1 string \"x\"\n* b MS", "rule", 3),
    "an instance of another type": ("Instance: A\nInstanceOf: Period\n\n" + P + "* name = A", "rule", 6),
    "an instance in itself": ("Instance: A\nInstanceOf: Identifier\n* assigner.identifier = A\n\n" + P + "* identifier = A", "rule", 7),
    "a codeless concept": ("CodeSystem: C\n* dark \"Dark\"", "rule", 2),
    "a value set of nothing": ("ValueSet: V\n* include everything", "rule", 2),
    "a rule set in itself": ("RuleSet: R\n* insert R\n\n" + P + "* insert R", "name", 2),
    "text before any item": ("* name 1..1", "syntax", 1),
    "an open string": (P + "* ^title = \"x", "syntax", 3),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_not_read_refuses_its_item_with_its_line(name: str) -> None:
    text, code, line = REFUSALS[name]
    found = refused(text)
    assert [(c, where) for _, c, where in found] == [(f"fhir.shorthand.{code}", f"a.fsh:{line}")]
    for problem in (p for _, p in read({"a.fsh": text}, CONFIG) if isinstance(p, Problem)):
        assert "{" not in problem.text("pt").replace(text, "") and problem.remedy("pt")


def test_one_refused_item_leaves_the_others() -> None:
    found = dict(read({"a.fsh": P + "* nome 1..1\n\nProfile: Q\nParent: Patient\n* name 1..1"}, CONFIG))
    assert isinstance(found["Profile P"], Problem) and isinstance(found["StructureDefinition/Q"], dict)


def test_addresses_come_from_the_project_its_items_or_nowhere() -> None:
    text = (
        "id: br.x\ncanonical: https://example.org/x # root\nversion: '1.2.3'\nstatus: active\nmenu:\n  canonical: no\n"
    )
    assert config_of(text) == Config(canonical="https://example.org/x", version="1.2.3", status="active")
    assert refused(P + "* name 1..1", Config()) == [("Profile P", "fhir.shorthand.canonical", "a.fsh:1")]
    assert made(P + '* ^url = "urn:own"\n* name 1..1', Config())["P"]["url"] == "urn:own"
    far = {"http://example.org/far": "Encounter"}
    assert made("Profile: P\nParent: http://example.org/far\n* class 1..1", known=far)["P"]["type"] == "Encounter"


@given(st.text(alphabet='abc"\\\n\t /*.é', max_size=40))
def test_strings_come_back(text: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert [token.text for token in tokens(f"x {quoted}")] == ["x", text]
    assert unescaped("a\\nb\\\\") == "a\nb\\"


LINES = PROJECT.splitlines()


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.integers(0, len(LINES) - 1), st.sampled_from(["drop", "double", "cut", "swap", "in"])), max_size=6
    )
)
def test_no_damage_ends_the_reader_and_its_profiles_can_be_checked(damage: list[tuple[int, str]]) -> None:
    lines = list(LINES)
    for place, how in damage:
        at = place % len(lines)
        line = lines[at]
        other = lines[(at * 7 + 3) % len(lines)]
        lines[at] = {
            "drop": "",
            "double": f"{line}\n{line}",
            "cut": line[: len(line) // 2],
            "swap": other,
            "in": f"  {line}",
        }[how]
    found = [body for _, body in read({"a.fsh": "\n".join(lines)}, CONFIG)]
    definitions = {b["url"]: b for b in found if isinstance(b, dict) and b["resourceType"] == "StructureDefinition"}
    sound = {url: body for url, body in definitions.items() if not [p for p in validate(body) if p.blocks]}
    for url, body in sound.items():
        profiles.check({"resourceType": body["type"], "name": [{"text": "x"}]}, url, sound, lambda *_: None)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for _, body in read({"a.fsh": text, "b.fsh": f"Profile: P\nParent: Patient\n* {text}"}, CONFIG):
        assert isinstance(body, Problem | dict)


def test_br_core_is_read_whole() -> None:
    folder = standards("br-core")
    texts = {file.name: file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.fsh"))}
    found = dict(read(texts, Config(canonical="https://br-core.saude.gov.br/fhir")))
    assert not [
        name for name, body in found.items() if isinstance(body, Problem) or [p for p in validate(body) if p.blocks]
    ]
    patient = elements(found["StructureDefinition/br-core-patient"])  # type: ignore[arg-type]
    assert (
        patient["identifier:cpf.system"]["fixedUri"] == "https://saude.gov.br/fhir/sid/cpf"
        and patient["extension:raca"]["min"] == 1
    )
