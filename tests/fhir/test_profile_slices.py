"""Profiles as others write them: differentials without ids, choices named by their type, discriminators some slices leave open."""

from __future__ import annotations

from typing import Any

import pytest

from fhir.validation import profiles

OWN = "http://example.org/StructureDefinition/"
MEANING = {"coding": [{"system": "urn:meaning", "code": "normal"}]}
OTHER = {"coding": [{"system": "urn:meaning", "code": "treatment"}]}
GROUP = {"coding": [{"system": "urn:group", "code": "a"}]}
LEAST_LENGTH = "http://hl7.org/fhir/StructureDefinition/minLength"


def definition(name: str, kind: str, *listed: tuple[str, dict[str, Any]], ids: bool = True) -> dict[str, Any]:
    """A definition by its elements' ids; without `ids` only paths and names of slices are written."""
    written = []
    for place, rest in listed:
        steps = [step.partition(":") for step in place.split(".")]
        named = {"sliceName": steps[-1][2]} if steps[-1][2] else {}
        own = {"id": place} if ids else named
        written.append({"path": ".".join(step[0] for step in steps), **own, **rest})
    return {
        "resourceType": "StructureDefinition", "url": OWN + name, "type": kind,
        "baseDefinition": profiles.BASE + kind, "differential": {"element": written},
    }  # fmt: skip


def sliced(kind: str, path: str, rules: str = "open") -> dict[str, Any]:
    return {"slicing": {"discriminator": [{"type": kind, "path": path}], "rules": rules}}


def found(resource: dict[str, Any], *definitions: dict[str, Any]) -> list[tuple[str, str]]:
    """The findings against the first definition."""
    known = {each["url"]: each for each in definitions}
    told = profiles.check(resource, definitions[0]["url"], known, lambda *_: None)
    return [(problem.code.removeprefix("fhir.profile."), problem.where) for problem in told]


PAYLOADS = (
    ("Communication.payload", sliced("type", "content", "closed")),
    ("Communication.payload:text", {"min": 1, "max": "1"}),
    ("Communication.payload:text.contentString", {"min": 1}),
    ("Communication.payload:file", {"max": "2"}),
    ("Communication.payload:file.contentAttachment", {"min": 1, "type": [{"code": "Attachment"}]}),
)


@pytest.mark.parametrize("ids", [True, False])
def test_slices_by_the_type_of_a_choice_named_by_it(ids: bool) -> None:
    """R4 ElementDefinition: a differential may lack ids, and names a choice by its one type."""
    profile = definition("payloads", "Communication", *PAYLOADS, ids=ids)
    text, file = {"contentString": "a"}, {"contentAttachment": {"title": "b"}}
    good = {"resourceType": "Communication", "status": "completed", "payload": [text, file, file]}
    assert found(good, profile) == []
    assert found({**good, "payload": [file]}, profile) == [("missing", "Communication.payload:text")]
    wrong = {**good, "payload": [text, {"contentReference": {"reference": "Patient/1"}}]}
    assert found(wrong, profile) == [("slice", "Communication.payload")]


RANGES = definition(
    "ranges", "Observation",
    ("Observation.referenceRange", {"slicing": {"discriminator": [
        {"type": "pattern", "path": "type"}, {"type": "pattern", "path": "appliesTo"}], "rules": "closed"}}),
    ("Observation.referenceRange:normal", {"min": 1}),
    ("Observation.referenceRange:normal.type", {"patternCodeableConcept": MEANING}),
    ("Observation.referenceRange:normal.appliesTo", {"patternCodeableConcept": GROUP}),
    ("Observation.referenceRange:other", {"min": 1}),
    ("Observation.referenceRange:other.type", {"patternCodeableConcept": OTHER}),
)  # fmt: skip


def test_a_slice_that_is_silent_on_one_discriminator() -> None:
    normal, other = {"type": MEANING, "appliesTo": [GROUP]}, {"type": OTHER}
    body = {"resourceType": "Observation", "status": "final", "referenceRange": [normal, other]}
    assert found(body, RANGES) == []
    strange = {**body, "referenceRange": [normal, other, {"type": MEANING}]}
    assert found(strange, RANGES) == [("slice", "Observation.referenceRange")]


def test_a_slice_known_by_what_it_may_not_have() -> None:
    marks = [{"type": "value", "path": "system"}, {"type": "value", "path": "use"}]
    profile = definition(
        "mail", "Patient",
        ("Patient.telecom", {"slicing": {"discriminator": marks, "rules": "closed"}}),
        ("Patient.telecom:mail", {"max": "1"}),
        ("Patient.telecom:mail.system", {"fixedCode": "email"}),
        ("Patient.telecom:mail.use", {"max": "0"}),
    )  # fmt: skip
    mail = {"system": "email", "value": "a@example.org"}
    assert found({"resourceType": "Patient", "telecom": [mail]}, profile) == []
    assert found({"resourceType": "Patient", "telecom": [{**mail, "use": "work"}]}, profile) == [
        ("slice", "Patient.telecom")
    ]


ENTRIES = definition(
    "pair", "Bundle",
    ("Bundle.entry", sliced("profile", "$this.resource", "closed")),
    ("Bundle.entry:who", {"min": 1, "max": "1"}),
    ("Bundle.entry:who.resource", {"type": [{"code": "Resource", "profile": [OWN + "who"]}]}),
    ("Bundle.entry:what", {"max": "1"}),
    ("Bundle.entry:what.resource", {"type": [{"code": "Resource", "profile": [profiles.BASE + "Procedure"]}]}),
    ids=False,
)  # fmt: skip
WHO = definition("who", "Patient", ("Patient.birthDate", {"min": 1}))


def test_entries_by_profile_and_by_type() -> None:
    who, what = {"resourceType": "Patient", "birthDate": "1980"}, {"resourceType": "Procedure", "status": "completed"}
    body = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": who}, {"resource": what}]}
    assert found(body, ENTRIES, WHO) == []
    assert found({**body, "entry": [{"resource": what}]}, ENTRIES, WHO) == [("missing", "Bundle.entry:who")]


def test_one_of_several_profiles_of_a_type() -> None:
    profile = definition(
        "homes",
        "Patient",
        ("Patient.address", {"type": [{"code": "Address", "profile": [OWN + "town", OWN + "code"]}]}),
    )
    town = definition("town", "Address", ("Address.city", {"min": 1}))
    code = definition("code", "Address", ("Address.postalCode", {"min": 1}))
    for address, told in (({"city": "Recife"}, []), ({"postalCode": "1"}, []), ({"use": "home"}, ["none"])):
        body = {"resourceType": "Patient", "address": [address]}
        assert [name for name, _ in found(body, profile, town, code)] == told
    assert found({"resourceType": "Patient", "address": [{"use": "home"}]}, profile, town) == []  # one is not here


LIMITED = definition(
    "limits", "Patient",
    ("Patient.name.family", {"maxLength": 5, "extension": [{"url": LEAST_LENGTH, "valueInteger": 2}]}),
    ("Patient.multipleBirthInteger", {"minValueInteger": 1, "maxValueInteger": 9}),
)  # fmt: skip


@pytest.mark.parametrize(
    "family, birth, told",
    [("Reis", 1, []), ("Teixeira", 9, ["long"]), ("R", 0, ["short", "small"]), ("Reis", 10, ["great"])],
)
def test_lengths_and_numbers(family: str, birth: int, told: list[str]) -> None:
    body = {"resourceType": "Patient", "name": [{"family": family}], "multipleBirthInteger": birth}
    assert [name for name, _ in found(body, LIMITED)] == told


def test_the_resource_of_a_rule_within_a_contained_one() -> None:
    """FHIRPath in R4: `%resource` is the contained resource, `%rootResource` what contains it."""
    rule = {"key": "own-1", "severity": "error", "human": "x", "expression": (
        "%resource.type().name = 'Practitioner' and %rootResource.type().name = 'Patient'")}  # fmt: skip
    profile = definition("held", "Patient", ("Patient.contained.name", {"constraint": [rule]}))
    body = {
        "resourceType": "Patient",
        "contained": [{"resourceType": "Practitioner", "id": "p", "name": [{"text": "x"}]}],
    }
    assert found(body, profile) == []


def test_parts_by_their_type_as_snapshots_name_it() -> None:
    profile = definition("parts", "Patient", ("Patient.contact", {"type": [{"code": "BackboneElement"}]}))
    assert found({"resourceType": "Patient", "contact": [{"name": {"text": "x"}}]}, profile) == []


def test_the_profile_of_what_is_referred_to() -> None:
    """A warning: an entry that does not meet it is not wrong by itself; circles end."""
    profile = definition(
        "kin", "Patient",
        ("Patient.link.other", {"type": [{"code": "Reference", "targetProfile": [OWN + "kin"]}]}),
        ("Patient.birthDate", {"min": 1}),
    )  # fmt: skip

    def kin(born: dict[str, str]) -> list[tuple[str, str]]:
        link = [{"other": {"reference": "#b"}, "type": "seealso"}]
        inner = {"resourceType": "Patient", "id": "b", "link": link, **born}
        return found({"resourceType": "Patient", "birthDate": "1980", "contained": [inner], "link": link}, profile)

    assert kin({"birthDate": "1990"}) == []
    assert kin({}) == [("target-profile", "Patient.link.other")]
