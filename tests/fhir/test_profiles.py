"""Profiles: every kind of demand finds its fault, and what meets it passes; no value stands in a finding."""

from __future__ import annotations

from typing import Any

import pytest
from shared_files import samples, standards

from fhir import jsontext
from fhir.terminology.bodies import Bodies, membership
from fhir.terminology.sets import Reader
from fhir.validation import profiles
from hub.operate import packages

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


def member(url: str, system: str, code: str) -> bool | None:
    return code in SETS[url] if url in SETS else None


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
    return [(p.code, p.where) for p in profiles.check(body, BR + profile, DEFINITIONS, member)]


def test_what_meets_it_passes() -> None:
    assert findings({}) == []
    assert findings({"birthDate": None}, "person") == []


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str) -> None:
    changes, code, where = FAULTS[name]
    assert (code, where) in findings(changes)


def test_other_types_and_unknown_profiles() -> None:
    observation = {"resourceType": "Observation"}
    assert [p.code for p in profiles.check(observation, BR + "person", DEFINITIONS, member)] == ["fhir.profile.type"]
    unknown = profiles.check(GOOD, BR + "nothing", DEFINITIONS, member)
    assert [(p.code, p.severity) for p in unknown] == [("fhir.profile.not-installed", "warning")]


def test_profiles_that_rest_on_each_other_end() -> None:
    loop = definition("loop", "Patient", base=BR + "loop")
    assert profiles.check(GOOD, BR + "loop", {BR + "loop": loop}, member) == []


def test_claims_of_a_bundle() -> None:
    entry = {"resource": {**GOOD, "meta": {"profile": [BR + "person"]}}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:x"}, entry]}
    assert [(where, urls) for _, where, urls in profiles.claims(bundle)] == [
        ("Bundle.entry[1].resource", [BR + "person"])
    ]
    for strange in (None, [], {"resourceType": "Bundle", "entry": 1}, {"meta": 1}, {"meta": {"profile": "x"}}):
        assert profiles.claims(strange) == []


TARGET = definition(
    "lab", "Observation", element("Observation.code", patternCodeableConcept={"coding": [{"system": "urn:k", "code": "lab"}]}),
)  # fmt: skip
REPORT = definition(
    "report", "Composition",
    element("Composition.section", slicing={"discriminator": [{"type": "profile", "path": "entry.resolve()"}], "rules": "open"}),
    element("Composition.section:labs", min=1, max="1"),
    element("Composition.section:labs.entry", type=[{"code": "Reference", "targetProfile": [BR + "lab"]}]),
    element("Composition.author", slicing={"discriminator": [{"type": "type", "path": "resolve()"}], "rules": "open"}),
    element("Composition.author:person", min=1, type=[{"code": "Reference", "targetProfile": [profiles.BASE + "Practitioner"]}]),
    element("Composition.event", slicing={"discriminator": [{"type": "exists", "path": "period"}], "rules": "open"}),
    element("Composition.event:dated", max="1"),
    element("Composition.event:dated.period", min=1),
    element("Composition.event:undated", max="1"),
    element("Composition.event:undated.period", max="0"),
)  # fmt: skip
NARROW = definition("narrow", "Composition", element("Composition.section:labs.title", min=1), base=BR + "report")
RULED = definition(
    "ruled", "Patient",
    element("Patient", constraint=[
        {"key": "br-1", "severity": "error", "human": "Name or identifier", "expression": "name.exists() or identifier.exists()"},
        {"key": "dom-6", "severity": "error", "human": "is R4's own", "expression": "text.exists()"},
        {"key": "br-2", "severity": "warning", "human": "Born", "expression": "birthDate.exists()"},
        {"key": "br-3", "severity": "error", "human": "unreadable", "expression": "nothing("},
        {"key": "br-4", "severity": "error", "human": "bound", "expression": "maritalStatus.empty() or maritalStatus.memberOf('urn:vs:marital')"}]),
    element("Patient.contact", constraint=[{"key": "br-5", "severity": "error", "human": "Phone", "expression": "telecom.where(system = 'phone').exists()"}]),
)  # fmt: skip
FURTHER = {each["url"]: each for each in (TARGET, REPORT, NARROW, RULED)}


def composition(section: list[Any], **rest: Any) -> dict[str, Any]:
    author = [{"reference": "urn:uuid:d"}]
    return {"resourceType": "Composition", "section": section, "author": author, **rest}


def of_bundle(body: dict[str, Any], profile: str = "report", code: str = "lab") -> list[tuple[str, str]]:
    bundle = {"resourceType": "Bundle", "entry": [
        {"resource": body}, {"fullUrl": "urn:uuid:o", "resource": {"resourceType": "Observation", "code": {"coding": [{"system": "urn:k", "code": code}]}}},
        {"fullUrl": "urn:uuid:d", "resource": {"resourceType": "Practitioner"}}, {"fullUrl": "urn:uuid:p", "resource": {"resourceType": "Patient"}},
    ]}  # fmt: skip
    return [(p.code, p.where) for p in profiles.check(body, BR + profile, FURTHER, member, within=bundle)]


def test_slices_by_what_references_lead_to() -> None:
    labs = [{"title": "Labs", "entry": [{"reference": "urn:uuid:o"}]}]
    assert of_bundle(composition(labs)) == []
    assert of_bundle(composition([])) == [("fhir.profile.missing", "Composition.section:labs")]
    assert of_bundle(composition(labs), code="other") == [("fhir.profile.missing", "Composition.section:labs")]
    assert of_bundle(composition(labs * 2)) == [("fhir.profile.too-many", "Composition.section:labs")]
    patient = composition(labs, author=[{"reference": "urn:uuid:p"}])
    assert ("fhir.profile.missing", "Composition.author:person") in of_bundle(patient)
    far = composition(
        [{"title": "x", "entry": [{"reference": "Observation/far"}]}], author=[{"reference": "Practitioner/far"}]
    )
    assert of_bundle(far) == [], "what a reference elsewhere leads to is not guessed"


def test_slices_by_existence() -> None:
    labs = [{"entry": [{"reference": "urn:uuid:o"}]}]
    dated, undated = {"period": {"start": "2024"}}, {"code": [{"text": "x"}]}
    assert of_bundle(composition(labs, event=[dated, undated])) == []
    assert of_bundle(composition(labs, event=[dated, dated])) == [("fhir.profile.too-many", "Composition.event:dated")]
    assert of_bundle(composition(labs, event=[undated] * 2)) == [("fhir.profile.too-many", "Composition.event:undated")]


def test_a_profile_narrows_the_slices_of_its_base() -> None:
    labs = [{"entry": [{"reference": "urn:uuid:o"}]}]
    assert of_bundle(composition(labs), "narrow") == [("fhir.profile.missing", "Composition.section:labs.title")]
    assert of_bundle(composition([{**labs[0], "title": "x"}]), "narrow") == []


def test_rules_of_profiles() -> None:
    body = {
        "resourceType": "Patient",
        "contact": [{"name": {"text": "x"}}],
        "maritalStatus": {"coding": [{"code": "Z"}]},
    }
    found = profiles.check(body, BR + "ruled", FURTHER, member)
    told = {dict(p.args).get("key"): (p.code.rpartition(".")[2], p.severity, p.where) for p in found}
    assert told == {
        "br-1": ("invariant", "error", "Patient"), "br-2": ("invariant", "warning", "Patient"), "br-3": ("unchecked", "information", "Patient"),
        "br-4": ("invariant", "error", "Patient"), "br-5": ("invariant", "error", "Patient.contact"),
    }  # fmt: skip
    assert "Name or identifier" in found[0].text("pt")


def test_published_documents_of_the_national_network() -> None:
    """RNDS's own examples against its packages: what is found is told here, with why."""
    folder, examples = standards("rnds"), samples("rnds")
    bodies = [b for place in ("definitions.json.zip", "rac", "ria", "rira") for b in packages.resources(folder / place)]
    known = {b["url"]: b for b in bodies if b["resourceType"] == "StructureDefinition"}
    holds = membership(Reader(Bodies(bodies), steps=10**7))
    told: dict[str, set[tuple[str, str]]] = {}
    for path in sorted(examples.glob("*.json")):
        document = jsontext.parse(path.read_bytes())
        found = told.setdefault(path.stem, set())
        for resource, where, urls in profiles.claims(document):
            for url in urls:
                for p in profiles.check(resource, url, known, holds, where, within=document):
                    found |= {(p.code, p.where.partition(".resource.")[2])} if p.blocks else set()
    assert told == {
        "Example-Bundle-RAC-Completo": {
            ("fhir.profile.code", "code"), ("fhir.profile.code", "type"), ("fhir.profile.code", "dosageInstruction.route"),  # codes younger than the lists of 2021
            ("fhir.profile.forbidden", "id"),  # the profile rules out an id, the example has one
            *{("fhir.profile.too-many", f"section:{name}.entry") for name in ("informacoesContatoAssistencial", "prescricao", "planoCuidados")},  # all entries in one section
        },
        "example-bundle-rel-loinc": {("fhir.profile.code", "type")},  # likewise a younger list
        "example-rira-booked": set(),
    }  # fmt: skip
