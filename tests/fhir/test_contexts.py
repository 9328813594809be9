"""Extensions stand where their definitions have them: by element, by type, in another extension, by FHIRPath."""

from __future__ import annotations

from typing import Any

import pytest

from fhir.validation import profiles

URL = "http://example.org/StructureDefinition/mark"
OUTER = "http://example.org/StructureDefinition/outer"
MARK: dict[str, Any] = {"extension": [{"url": URL, "valueBoolean": True}]}
HOME = {"use": "home", "city": "Recife"}


def found(body: dict[str, Any], *contexts: tuple[str, str], **more: Any) -> list[str]:
    """The places where the extension is told."""
    listed = [{"type": kind, "expression": text} for kind, text in contexts]
    definition = {"resourceType": "StructureDefinition", "url": URL, "type": "Extension", "context": listed, **more}
    problems = profiles.placed(body, {URL: definition})
    assert all(p.code == "fhir.profile.context" and not p.blocks for p in problems)
    return [problem.where for problem in problems]


@pytest.mark.parametrize(
    "expression",
    ["Patient", "Patient.name", "HumanName", "Patient.name.family", "HumanName.family", "string", "Element", "Patient.contact",
     "BackboneElement", "DomainResource", "DomainResource.text", "Patient.deceased[x]", "Patient.deceasedBoolean"],
)  # fmt: skip
def test_elements_by_path_and_type(expression: str) -> None:
    bodies: dict[str, Any] = {
        "Patient": MARK,
        "Patient.name": {"name": [{"family": "Lima", **MARK}]},
        "Patient.name.family": {"name": [{"family": "Lima", "_family": MARK}]},
        "Patient.contact": {"contact": [{"gender": "male", **MARK}]},
        "Patient.text": {"text": {"status": "generated", "div": "<div>x</div>", **MARK}},
        "Patient.deceased": {"deceasedBoolean": False, "_deceasedBoolean": MARK},
    }
    allowed = {
        "Patient": "Patient", "DomainResource": "Patient", "HumanName": "Patient.name", "HumanName.family": "Patient.name.family",
        "string": "Patient.name.family", "BackboneElement": "Patient.contact", "DomainResource.text": "Patient.text",
        "Patient.deceased[x]": "Patient.deceased", "Patient.deceasedBoolean": "Patient.deceased",
    }.get(expression, expression)  # fmt: skip
    for place, body in bodies.items():
        fits = place == allowed or (allowed == "Element" and place != "Patient")
        assert found({"resourceType": "Patient", **body}, ("element", expression)) == ([] if fits else [place]), place


def test_in_another_extension() -> None:
    for url, told in ((OUTER, []), ("urn:other", ["Patient.extension"])):
        body = {"resourceType": "Patient", "extension": [{"url": url, **MARK}]}
        assert found(body, ("extension", OUTER)) == told
    value = {"resourceType": "Patient", "extension": [{"url": OUTER, "valueBoolean": True, "_valueBoolean": MARK}]}
    assert found(value, ("extension", OUTER)) == []


def test_by_path_and_by_rule() -> None:
    path = ("fhirpath", "Patient.address.where(use = 'home')")
    for use, told in (("home", []), ("work", ["Patient.address"])):
        assert found({"resourceType": "Patient", "address": [{**HOME, "use": use, **MARK}]}, path) == told
    assert found({"resourceType": "Patient", **MARK}, ("fhirpath", "Patient.address[")) == []  # cannot be read
    for active in (True, False):
        body = {"resourceType": "Patient", "active": active, **MARK}
        told = found(body, ("element", "Patient"), contextInvariant=["active"])
        assert told == ([] if active else ["Patient"])


def test_within_entries_and_contained_resources() -> None:
    inner = {"resourceType": "Patient", "contained": [{"resourceType": "Organization", "id": "o", "name": "x", **MARK}]}
    body = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inner}]}
    assert found(body, ("element", "Organization")) == []
    assert found(body, ("element", "Patient")) == ["Bundle.entry.resource.contained"]
    assert found(body, ("element", "Patient.contact:next")) == []  # a slice decides nothing
    assert found({"resourceType": "Patient"}, ("element", "Group")) == []
