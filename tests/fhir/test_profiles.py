"""Profiles: every kind of demand finds its fault, and what meets it passes; no value stands in a finding."""

from __future__ import annotations

from typing import Any

import pytest

from fhir import profiles

BR = "http://example.org/StructureDefinition/"
CPF, CNS = "urn:sid:cpf", "urn:sid:cns"


def element(place: str, **rest: Any) -> dict[str, Any]:
    return {"id": place, "path": place.replace(":cpf", "").replace(":cns", "").replace(":race", ""), **rest}


def definition(name: str, kind: str, *elements: dict[str, Any], base: str = "") -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition", "url": BR + name, "type": kind,
        "baseDefinition": base or profiles.BASE + kind, "differential": {"element": list(elements)},
    }  # fmt: skip


PERSON = definition(
    "person", "Patient",
    element("Patient.identifier", min=1, slicing={"discriminator": [{"type": "value", "path": "system"}], "rules": "closed"}),
    element("Patient.identifier:cpf", min=1, max="1"),
    element("Patient.identifier:cpf.system", fixedUri=CPF),
    element("Patient.identifier:cpf.use", patternCode="official"),
    element("Patient.identifier:cns", max="1"),
    element("Patient.identifier:cns.system", fixedUri=CNS),
    element("Patient.extension:race", min=1, max="1", type=[{"code": "Extension", "profile": [BR + "race"]}]),
    element("Patient.photo", max="0"),
    element("Patient.deceased[x]", type=[{"code": "boolean"}]),
    element("Patient.managingOrganization", type=[{"code": "Reference", "targetProfile": [profiles.BASE + "Organization"]}]),
    element("Patient.maritalStatus", binding={"strength": "required", "valueSet": "urn:vs:marital"}),
    element("Patient.maritalStatus", patternCodeableConcept={"coding": [{"system": "urn:m"}]}),
)  # fmt: skip
RACE = definition(
    "race", "Extension", element("Extension.url", fixedUri=BR + "race"), element("Extension.value[x]", min=1, type=[{"code": "Coding"}]),
)  # fmt: skip
CHILD = definition("child", "Patient", element("Patient.birthDate", min=1), base=BR + "person")
DEFINITIONS = {each["url"]: each for each in (PERSON, RACE, CHILD)}
SETS = {"urn:vs:marital": frozenset(("S", "M"))}
GOOD: dict[str, Any] = {
    "resourceType": "Patient", "birthDate": "1980",
    "identifier": [{"system": CPF, "use": "official", "value": "1"}, {"system": CNS, "value": "2"}],
    "extension": [{"url": BR + "race", "valueCoding": {"code": "01"}}, {"url": "urn:other", "valueString": "x"}],
    "maritalStatus": {"coding": [{"system": "urn:m", "code": "S"}]},
}  # fmt: skip
FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "none": ({"identifier": None}, "fhir.profile.missing", "Patient.identifier"),
    "no slice": ({"identifier": [{"system": CNS}]}, "fhir.profile.missing", "Patient.identifier:cpf"),
    "twice": ({"identifier": [*GOOD["identifier"], {"system": CNS}]}, "fhir.profile.too-many", "Patient.identifier:cns"),
    "closed": ({"identifier": [*GOOD["identifier"], {"system": "urn:x"}]}, "fhir.profile.slice", "Patient.identifier"),
    "fixed": ({"identifier": [{"system": CPF, "use": "usual"}]}, "fhir.profile.value", "Patient.identifier:cpf.use"),
    "no extension": ({"extension": None}, "fhir.profile.missing", "Patient.extension:race"),
    "extension's value": ({"extension": [{"url": BR + "race", "valueString": "x"}]}, "fhir.profile.choice", "Patient.extension:race.value"),
    "forbidden": ({"photo": [{"title": "x"}]}, "fhir.profile.forbidden", "Patient.photo"),
    "choice": ({"deceasedDateTime": "2020"}, "fhir.profile.choice", "Patient.deceased"),
    "target": ({"managingOrganization": {"reference": "Group/1"}}, "fhir.profile.target", "Patient.managingOrganization"),
    "code": ({"maritalStatus": {"coding": [{"system": "urn:m", "code": "S3CRET"}]}}, "fhir.profile.code", "Patient.maritalStatus"),
    "pattern": ({"maritalStatus": {"coding": [{"system": "urn:z", "code": "S"}]}}, "fhir.profile.value", "Patient.maritalStatus"),
    "of the child": ({"birthDate": None}, "fhir.profile.missing", "Patient.birthDate"),
}  # fmt: skip


def findings(changes: dict[str, Any], profile: str = "child") -> list[tuple[str, str]]:
    body = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    return [(p.code, p.where) for p in profiles.check(body, BR + profile, DEFINITIONS, SETS.get)]


def test_what_meets_it_passes() -> None:
    assert findings({}) == []
    assert findings({"birthDate": None}, "person") == []


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str) -> None:
    changes, code, where = FAULTS[name]
    assert (code, where) in findings(changes)


def test_other_types_and_unknown_profiles() -> None:
    observation = {"resourceType": "Observation"}
    assert [p.code for p in profiles.check(observation, BR + "person", DEFINITIONS, SETS.get)] == ["fhir.profile.type"]
    unknown = profiles.check(GOOD, BR + "nothing", DEFINITIONS, SETS.get)
    assert [(p.code, p.severity) for p in unknown] == [("fhir.profile.not-installed", "warning")]


def test_profiles_that_rest_on_each_other_end() -> None:
    loop = definition("loop", "Patient", base=BR + "loop")
    assert profiles.check(GOOD, BR + "loop", {BR + "loop": loop}, SETS.get) == []


def test_claims_of_a_bundle() -> None:
    entry = {"resource": {**GOOD, "meta": {"profile": [BR + "person"]}}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:x"}, entry]}
    assert [(where, urls) for _, where, urls in profiles.claims(bundle)] == [
        ("Bundle.entry[1].resource", [BR + "person"])
    ]
    for strange in (None, [], {"resourceType": "Bundle", "entry": 1}, {"meta": 1}, {"meta": {"profile": "x"}}):
        assert profiles.claims(strange) == []


def test_codes_listed_in_packages() -> None:
    system = {
        "resourceType": "CodeSystem",
        "url": "urn:s",
        "content": "complete",
        "concept": [{"code": "a", "concept": [{"code": "b"}]}],
    }
    whole = {"resourceType": "ValueSet", "url": "urn:w", "compose": {"include": [{"system": "urn:s"}]}}
    both = {
        "resourceType": "ValueSet",
        "url": "urn:b",
        "compose": {"include": [{"valueSet": ["urn:w"]}, {"system": "urn:z", "concept": [{"code": "c"}]}]},
    }
    open_ = {"resourceType": "ValueSet", "url": "urn:o", "compose": {"include": [{"system": "urn:z"}]}}
    named = {each["url"]: each for each in (system, whole, both, open_)}
    assert profiles.listed_codes(both, named) == {"a", "b", "c"}
    assert profiles.listed_codes(open_, named) == frozenset()
