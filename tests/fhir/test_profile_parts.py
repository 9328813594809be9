"""Profiles as published packages write them: extensions of primitives, slices known by slices, profiles within profiles."""

from __future__ import annotations

from typing import Any

from fhir.validation import profiles
from fhir.validation.profile_tree import foreign

OWN = "http://example.org/StructureDefinition/"
UNIT = {"system": "http://unitsofmeasure.org", "code": "mm[Hg]", "unit": "mmHg", "value": 120}


def definition(
    name: str, kind: str, *listed: tuple[str, dict[str, Any]], base: str = "", **rest: Any
) -> dict[str, Any]:
    """A definition by its elements' ids."""
    written = []
    for place, said in listed:
        steps = [step.partition(":") for step in place.split(".")]
        named = {"sliceName": steps[-1][2]} if steps[-1][2] else {}
        written.append({"id": place, "path": ".".join(step[0] for step in steps), **named, **said})
    return {
        "resourceType": "StructureDefinition", "url": OWN + name, "type": kind,
        "baseDefinition": base or profiles.BASE + kind, "differential": {"element": written}, **rest,
    }  # fmt: skip


def found(resource: dict[str, Any], *definitions: dict[str, Any]) -> list[tuple[str, str]]:
    """The findings against the first definition."""
    known = {each["url"]: each for each in definitions}
    told = profiles.check(resource, definitions[0]["url"], known, lambda *_: None)
    return [(problem.code.removeprefix("fhir.profile."), problem.where) for problem in told]


def by(kind: str, path: str, rules: str = "open") -> dict[str, Any]:
    return {"slicing": {"discriminator": [{"type": kind, "path": path}], "rules": rules}}


NOTE = definition(
    "note", "Extension",
    ("Extension.url", {"fixedUri": OWN + "note"}),
    ("Extension.value[x]", {"min": 1, "type": [{"code": "string"}], "maxLength": 5}),
)  # fmt: skip
OF_NOTE = {"type": [{"code": "Extension", "profile": [OWN + "note"]}]}


def note(text: str) -> dict[str, Any]:
    return {"extension": [{"url": OWN + "note", "valueString": text}]}


def test_extensions_of_a_primitive_that_has_a_value() -> None:
    """R4 JSON, primitives: what stands under `_prefix` is part of what stands under `prefix`, place by place."""
    profile = definition(
        "titled", "Patient",
        ("Patient.name.prefix.extension", {"min": 1}),
        ("Patient.name.prefix.extension:note", {"min": 1, "max": "1", **OF_NOTE}),
    )  # fmt: skip
    name = {"prefix": ["Dra.", "Prof."], "_prefix": [note("a"), note("b")]}
    patient = {"resourceType": "Patient", "name": [name]}
    assert found(patient, profile, NOTE) == []
    name["_prefix"] = [note("a"), None]
    place = "Patient.name.prefix.extension"
    assert found(patient, profile, NOTE) == [("missing", place), ("missing", f"{place}:note")]
    name["_prefix"] = [note("a"), note("too long")]
    assert found(patient, profile, NOTE) == [("long", f"{place}:note.value")]
    alone = {"resourceType": "Patient", "name": [{"_prefix": [note("a")]}]}
    assert found(alone, profile, NOTE) == []


def test_rules_see_the_extensions_of_a_primitive() -> None:
    """A FHIRPath rule of an element is asked of its value with what stands beside it."""
    rule = {"key": "x-1", "severity": "error", "human": "noted", "expression": "extension.exists() and hasValue()"}
    profile = definition("noted", "Patient", ("Patient.birthDate", {"constraint": [rule]}))
    patient = {"resourceType": "Patient", "birthDate": "1980-02-03"}
    assert found(patient, profile) == [("invariant", "Patient.birthDate")]
    assert found({**patient, "_birthDate": note("a")}, profile) == []
    assert found({"resourceType": "Patient", "_birthDate": note("a")}, profile) == [("invariant", "Patient.birthDate")]


PRESSURE = (
    ("Observation.component", {"slicing": {"rules": "open", "discriminator": [
        {"type": "value", "path": "code.coding.code"}, {"type": "value", "path": "code.coding.system"}]}}),
    ("Observation.component:upper", {"min": 1, "max": "1"}),
    ("Observation.component:upper.code.coding", by("value", "code")),
    ("Observation.component:upper.code.coding:loinc", {"min": 1, "max": "1"}),
    ("Observation.component:upper.code.coding:loinc.system", {"fixedUri": "http://loinc.org"}),
    ("Observation.component:upper.code.coding:loinc.code", {"fixedCode": "8480-6"}),
    ("Observation.component:upper.code.coding:own", {"max": "1", "patternCoding": {"system": "urn:own"}}),
    ("Observation.component:upper.value[x]", {"min": 1}),
)  # fmt: skip


def test_a_slice_known_by_a_slice_within() -> None:
    """R4's own bp: what tells components apart is fixed in a slice of their codings, whatever else they are coded in."""
    profile = definition("pressure", "Observation", *PRESSURE)
    codings = [{"system": "urn:own", "code": "upper"}, {"system": "http://loinc.org", "code": "8480-6"}]
    upper = {"code": {"coding": codings}, "valueQuantity": UNIT}
    pressure = {"resourceType": "Observation", "status": "final", "code": {"text": "bp"}, "component": [upper]}
    assert found(pressure, profile) == []
    bare = {**pressure, "component": [{"code": upper["code"]}]}
    assert found(bare, profile) == [("missing", "Observation.component:upper.value")]
    other = {**pressure, "component": [{"code": {"coding": codings[:1]}, "valueQuantity": UNIT}]}
    assert found(other, profile) == [("missing", "Observation.component:upper")]


def test_a_slice_of_a_choice_has_the_type_in_its_name() -> None:
    """R4 profiling, slicing by type: `value[x]:valueQuantity` is of Quantity, also where it does not say so."""
    profile = definition(
        "measured", "Observation",
        ("Observation.value[x]", by("type", "$this", "closed")),
        ("Observation.value[x]:valueQuantity", {"patternQuantity": {"code": "mm[Hg]"}}),
    )  # fmt: skip
    measured = {"resourceType": "Observation", "status": "final", "code": {"text": "a"}}
    assert found({**measured, "valueQuantity": UNIT}, profile) == []
    assert found({**measured, "valueQuantity": {**UNIT, "code": "kg"}}, profile) == [
        ("value", "Observation.value:valueQuantity")
    ]
    assert found({**measured, "valueString": "a"}, profile) == [("slice", "Observation.value")]


MANY = definition(
    "many", "Extension",
    ("Extension.extension", by("value", "url", "closed")),
    ("Extension.extension:first", {"max": "1"}),
    ("Extension.extension:first.url", {"fixedUri": "first"}),
    ("Extension.url", {"fixedUri": OWN + "many"}),
)  # fmt: skip


def test_a_profile_says_more_of_the_slices_of_a_type_s_profile() -> None:
    """What the profile of a type tells slices apart by holds where another profile adds to them."""
    profile = definition(
        "asked", "Patient",
        ("Patient.extension:many", {"type": [{"code": "Extension", "profile": [OWN + "many"]}]}),
        ("Patient.extension:many.extension", {"slicing": {"rules": "closed", "discriminator": [
            {"type": "value", "path": "url"}]}}),
        ("Patient.extension:many.extension:first", {"min": 1}),
        ("Patient.extension:many.extension:first.value[x]", {"min": 1}),
    )  # fmt: skip
    first = {"url": "first", "valueBoolean": True}
    patient = {"resourceType": "Patient", "extension": [{"url": OWN + "many", "extension": [first]}]}
    place = "Patient.extension:many.extension"
    assert found(patient, profile, MANY) == []
    patient["extension"][0]["extension"] = [{"url": "first", "id": "a"}]  # type: ignore[index]
    assert found(patient, profile, MANY) == [("missing", f"{place}:first.value")]
    patient["extension"][0]["extension"] = [{"url": "second", "valueBoolean": True}]  # type: ignore[index]
    assert ("slice", place) in found(patient, profile, MANY)


FAR = OWN + "far"


def test_where_the_base_is_not_here_its_words_in_the_snapshot_count() -> None:
    """A snapshot repeats what the bases say: it stands in for one that was not imported, which is told."""
    own = (
        ("Patient.identifier:card", {"max": "1"}),
        ("Patient.identifier:card.period", {"max": "0"}),
    )
    whole = definition(
        "whole", "Patient",
        ("Patient.identifier", by("value", "system", "closed")),
        ("Patient.identifier:card", {"max": "1"}),
        ("Patient.identifier:card.system", {"fixedUri": "urn:card"}),
        ("Patient.identifier:card.period", {"max": "0"}),
    )["differential"]  # fmt: skip
    profile = definition("carded", "Patient", *own, base=FAR, snapshot=whole)
    absent = ("not-installed", "Patient")
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:card", "value": "1"}]}
    assert found(patient, profile) == [absent]
    wrong = {"resourceType": "Patient", "identifier": [{"system": "urn:other", "value": "1"}]}
    assert found(wrong, profile) == [absent, ("slice", "Patient.identifier")]


def test_slices_that_nothing_tells_apart_are_not_judged() -> None:
    """Without base and snapshot a slice that says nothing of its discriminators is neither missed nor left over."""
    profile = definition(
        "bare", "Patient",
        ("Patient.identifier", by("value", "system", "closed")),
        ("Patient.identifier:card", {"min": 1}),
        ("Patient.identifier:card.period", {"max": "0"}),
        base=FAR,
    )  # fmt: skip
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:card", "value": "1"}]}
    assert found(patient, profile) == [("not-installed", "Patient")]


def judged(resource: dict[str, Any], *definitions: dict[str, Any], member: Any = lambda *_: None) -> list[Any]:
    """All findings of a document that claims nothing but what it says itself."""
    known = {each["url"]: each for each in definitions}
    told = profiles.judged(resource, profiles.claims(resource), known, member)
    return [(problem.code.removeprefix("fhir.profile."), problem.where) for problem in told]


def test_a_slice_known_by_a_sliced_element_itself() -> None:
    """A discriminator may end at an element whose own slices say what must be there."""
    profile = definition(
        "flow", "Observation",
        ("Observation.component", by("value", "code.coding")),
        ("Observation.component:flow.code.coding", by("pattern", "$this")),
        ("Observation.component:flow.code.coding:loinc", {"min": 1, "patternCoding": {"code": "3151-8"}}),
        ("Observation.component:flow.code.coding:own", {"min": 1, "patternCoding": {"code": "flow"}}),
        ("Observation.component:flow.value[x]", {"patternQuantity": {"unit": "L/min"}}),
    )  # fmt: skip
    flow = {"code": {"coding": [{"code": "flow"}, {"code": "3151-8"}]}, "valueQuantity": UNIT}
    other = {"code": {"coding": [{"code": "flow"}]}, "valueQuantity": UNIT}
    record = {"resourceType": "Observation", "status": "final", "code": {"text": "a"}, "component": [flow, other]}
    assert found(record, profile) == [("value", "Observation.component:flow.value")]
    assert found({**record, "component": [other]}, profile) == []


def test_extensions_are_judged_by_their_definitions_where_no_profile_names_them() -> None:
    """R4 2.4: an extension keeps what its definition says, wherever it stands; a profile that names it told it already."""
    patient = {"resourceType": "Patient", "name": [{"prefix": ["Dr."], "_prefix": [note("too long")]}]}
    assert judged(patient, NOTE) == [("long", "Patient.name.prefix.extension.value")]
    entry = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]}
    assert judged(entry, NOTE) == [("long", "Bundle.entry.resource.name.prefix.extension.value")]
    profile = definition("named", "Patient", ("Patient.name.prefix.extension:note", {**OF_NOTE}))
    claiming = {**patient, "meta": {"profile": [OWN + "named"]}}
    assert judged(claiming, profile, NOTE) == [("long", "Patient.name.prefix.extension:note.value")]
    assert judged({**patient, "name": [{"_prefix": [note("a")]}]}, NOTE) == []


def test_parts_of_an_extension_are_those_of_its_definition() -> None:
    """R4 2.4.0.1: a relative address means a part that the definition of the whole extension has."""
    whole = {
        **MANY,
        "differential": {"element": [each for each in MANY["differential"]["element"] if "slicing" not in each]},
    }
    part = {"url": "second", "valueBoolean": True}
    patient = {"resourceType": "Patient", "extension": [{"url": OWN + "many", "extension": [part]}]}
    assert judged(patient, whole) == [("slice", "Patient.extension.extension")]
    part["url"] = "first"
    assert judged(patient, whole) == []
    part["url"] = "urn:own:more"
    assert judged(patient, whole) == []


def test_a_required_value_set_asks_for_a_code_with_its_system() -> None:
    """R4 bindings, required: words alone, or a code of no system, are no code of the set; a stated reason is heard."""
    bound = {"binding": {"strength": "required", "valueSet": "urn:set"}}
    profile = definition("bound", "Observation", ("Observation.method", bound))
    record = {"resourceType": "Observation", "status": "final", "code": {"text": "a"}}
    known = {profile["url"]: profile}

    def told(method: dict[str, Any]) -> list[str]:
        found = profiles.check({**record, "method": method}, OWN + "bound", known, lambda *_: True)
        return [problem.where for problem in found]

    assert told({"coding": [{"system": "urn:a", "code": "x"}]}) == []
    assert told({"text": "by hand"}) == ["Observation.method"]
    assert told({"coding": [{"code": "x"}]}) == ["Observation.method"]
    assert told({"coding": [{"system": "urn:a"}]}) == ["Observation.method"]
    assert told({"text": "by hand", **note("a")}) == []


def test_simple_quantity_is_of_r4_itself() -> None:
    """R4's snapshots name SimpleQuantity; its rule (sqty-1) stands at those elements, so no package lacks it."""
    assert not foreign(profiles.BASE + "SimpleQuantity") and not foreign(profiles.BASE + "Quantity")
    assert foreign(profiles.BASE + "vitalsigns") and foreign(OWN + "SimpleQuantity")
