"""The validator: what it refuses and where, and that it accepts the official examples but those that are wrong."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import r4_examples

from fhir import jsontext
from fhir.search.entries import entries
from fhir.validation.validator import validate

PATIENT: dict[str, Any] = {"resourceType": "Patient"}
OBSERVATION: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
# The sixteen official examples that R4 itself rules out, by finding; verified one by one.
KNOWN_WRONG = {
    "Bundle-v2-valuesets.json": "fhir.value.code",  # a code with two blanks
    "CodeSystem-v2-0550.json": "fhir.value.code",
    "ImplementationGuide-fhir.json": "fhir.structure.required",
    "Questionnaire-qs1.json": "fhir.structure.required",
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json": "fhir.value.id",  # 65 characters
    "ig-r4.json": "fhir.structure.required",
    **{
        f"SearchParameter-{group}-extensions-{kind}-{name}.json": "fhir.structure.required"  # base is 1..*
        for group, kind in (("codesystem", "CodeSystem"), ("valueset", "ValueSet"))
        for name in ("author", "effective", "end", "keyword", "workflow")
    },
}

FINDINGS: list[tuple[dict[str, Any], str, str]] = [
    ({**PATIENT, "gender": "banana"}, "fhir.code.required-binding", "Patient.gender"),
    ({**PATIENT, "colour": "red"}, "fhir.structure.unknown-element", "Patient.colour"),
    ({**PATIENT, "birthDate": "2023-02-29"}, "fhir.value.date", "Patient.birthDate"),
    ({**PATIENT, "birthDate": "0000"}, "fhir.value.date", "Patient.birthDate"),
    ({**PATIENT, "birthDate": 1980}, "fhir.value.date", "Patient.birthDate"),
    ({**PATIENT, "active": "true"}, "fhir.value.boolean", "Patient.active"),
    ({**PATIENT, "name": {}}, "fhir.structure.array", "Patient.name"),
    ({**PATIENT, "name": []}, "fhir.structure.empty", "Patient.name"),
    ({**PATIENT, "name": [{}]}, "fhir.structure.empty", "Patient.name[0]"),
    ({**PATIENT, "name": [{"given": ["a", ""]}]}, "fhir.value.string", "Patient.name[0].given[1]"),
    ({**PATIENT, "name": [{"given": "a"}]}, "fhir.structure.array", "Patient.name[0].given"),
    ({**PATIENT, "id": "a b"}, "fhir.value.id", "Patient.id"),
    ({**PATIENT, "deceasedBoolean": True, "deceasedDateTime": "2020"}, "fhir.structure.choice", "Patient.deceased"),
    ({**PATIENT, "link": [{"other": {"reference": "Patient/1"}}]}, "fhir.structure.required", "Patient.link[0].type"),
    ({**PATIENT, "extension": [{"url": "http://x"}]}, "fhir.structure.extension", "Patient.extension[0]"),
    ({**PATIENT, "extension": [{"url": "http://x", "valueString": "a", "extension": []}]}, "fhir.structure.empty", "Patient.extension[0].extension"),
    ({**PATIENT, "contained": [{"resourceType": "Nope"}]}, "fhir.structure.resource-type", "Patient.contained[0]"),
    ({**PATIENT, "text": {"status": "generated", "div": "<script>"}}, "fhir.value.xhtml", "Patient.text.div"),
    ({**PATIENT, "meta": {"lastUpdated": "2024-01-01"}}, "fhir.value.instant", "Patient.meta.lastUpdated"),
    ({**PATIENT, "multipleBirthInteger": 1.5}, "fhir.value.integer", "Patient.multipleBirth.ofType(integer)"),
    ({**OBSERVATION, "valueQuantity": {"value": "1.5"}}, "fhir.value.decimal", "Observation.value.ofType(Quantity).value"),
    ({**OBSERVATION, "effectiveDateTime": "2024-01-01T10:00"}, "fhir.value.dateTime", "Observation.effective.ofType(dateTime)"),
    ({**OBSERVATION, "effectiveDateTime": "2024-01-01T10:00:00+15:00"}, "fhir.value.dateTime", "Observation.effective.ofType(dateTime)"),
    ({"resourceType": "Observation", "code": {"text": "x"}}, "fhir.structure.required", "Observation.status"),
    ({"resourceType": "Nope"}, "fhir.structure.resource-type", "$this.resourceType"),
    ({}, "fhir.structure.resource-type", "$this.resourceType"),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "code", "where"), FINDINGS, ids=[f"{c} {w}" for _, c, w in FINDINGS])
def test_findings(resource: dict[str, Any], code: str, where: str) -> None:
    assert (code, where) in [(p.code, p.where) for p in validate(resource)]
    assert all(p.text("pt") and p.text("en") and p.remedy("pt") for p in validate(resource))


@pytest.mark.parametrize(
    "resource",
    [
        PATIENT, {**PATIENT, "name": [{"given": ["Ana", None], "_given": [None, {"extension": [{"url": "http://x", "valueCode": "unknown"}]}]}]},
        {**PATIENT, "_birthDate": {"extension": [{"url": "http://x", "valueCode": "unknown"}]}},
        {**PATIENT, "birthDate": "2024-02-29"}, {**OBSERVATION, "_status": {"id": "x"}},
        {**OBSERVATION, "effectiveDateTime": "2024-01-01T10:00:00.123456789+14:00"},
        {"resourceType": "Bundle", "type": "document", "entry": [{"fullUrl": "urn:uuid:transient-1", "resource": PATIENT}]},
    ],
)  # fmt: skip
def test_accepted(resource: dict[str, Any]) -> None:
    assert [p for p in validate(resource) if p.blocks] == []


def test_no_value_in_findings() -> None:
    told = json.dumps([p.as_json() for p in validate({**PATIENT, "gender": "S3CRET", "birthDate": "S3CRET"})])
    assert "S3CRET" not in told


def test_official_examples() -> None:
    """All are accepted and indexed, or known to be wrong."""
    refused, count = {}, 0
    for path in sorted(r4_examples.folder().glob("*.json")):
        raw = path.read_bytes()
        document = jsontext.parse(raw)
        if not isinstance(document, dict) or "resourceType" not in document:
            continue
        count += 1
        written = jsontext.text(document)
        assert json.loads(written, parse_float=str, parse_int=str) == json.loads(raw, parse_float=str, parse_int=str)
        if problems := [p for p in validate(document) if p.blocks]:
            refused[path.name] = problems[0].code
        else:
            entries(document, ZoneInfo("America/Sao_Paulo"))
    assert refused == KNOWN_WRONG
    assert count == 5306
