"""What two messages say of one record: the newer word stands, and what it contradicts is told."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from canonical.records import Draft
from hub.records.drafts.combine import combine

_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
ERROR = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "entered-in-error"}]
}
ACTIVE, RESOLVED = ({"coding": [{"system": _CLINICAL, "code": code}]} for code in ("active", "resolved"))
SHOWN = {"coding": [{"system": _CLINICAL, "code": "active", "display": "Active"}]}
SURE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]}
LISTED = [
    {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item"}]}
]
EARLY, LATE = "2026-11-20T08:00:00-03:00", "2026-11-22T08:00:00-03:00"
NAMED, NOBODY = [{"family": "Souza", "given": ["Ana"]}], [{"text": "PACIENTE NÃO IDENTIFICADO"}]
WORD = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
OTHER = {"extension": [{"url": "urn:x", "valueCode": "other"}]}
Body = dict[str, Any]

TABLE: list[tuple[str, Body, Body, bool, Body, list[str]]] = [
    ("Encounter", {"period": {"start": LATE}}, {"period": {"end": EARLY}}, False, {"period": {"end": EARLY}}, ["period.start"]),
    ("Encounter", {"period": {"end": EARLY}}, {"period": {"start": LATE}}, False, {"period": {"start": LATE}}, ["period.end"]),
    ("Encounter", {"period": {"start": LATE}}, {"period": {"end": EARLY}}, True, {"period": {"start": LATE}}, ["period.end"]),
    ("Encounter", {"period": {"start": EARLY}}, {"period": {"end": LATE}}, False, {"period": {"start": EARLY, "end": LATE}}, []),
    ("Encounter", {"period": {"start": LATE}}, {"period": {"end": "2026-11-22"}}, False, {"period": {"start": LATE, "end": "2026-11-22"}}, []),
    ("Condition", {"clinicalStatus": RESOLVED, "abatementDateTime": EARLY}, {"clinicalStatus": ACTIVE}, False, {"clinicalStatus": ACTIVE}, ["abatementDateTime"]),
    ("Condition", {"clinicalStatus": ACTIVE}, {"verificationStatus": ERROR}, False, {"verificationStatus": ERROR}, ["clinicalStatus"]),
    ("Condition", {"verificationStatus": ERROR}, {"clinicalStatus": ACTIVE}, False, {"clinicalStatus": ACTIVE}, ["verificationStatus"]),
    ("Condition", {"verificationStatus": ERROR}, {"clinicalStatus": ACTIVE}, True, {"verificationStatus": ERROR}, []),
    ("Condition", {"verificationStatus": ERROR, "category": LISTED}, {"verificationStatus": SURE}, False, {"verificationStatus": SURE, "category": LISTED, "clinicalStatus": SHOWN}, []),
    ("Condition", {"verificationStatus": ERROR}, {"verificationStatus": SURE}, False, {"verificationStatus": SURE}, []),
    ("Observation", {"valueString": "5"}, {"dataAbsentReason": {"text": "?"}}, False, {"dataAbsentReason": {"text": "?"}}, ["valueString"]),
    ("Observation", {"dataAbsentReason": {"text": "?"}}, {"valueString": "5"}, False, {"valueString": "5"}, ["dataAbsentReason"]),
    ("Task", {"lastModified": EARLY}, {"authoredOn": LATE}, False, {"authoredOn": LATE}, ["lastModified"]),
    ("MedicationRequest", {"dosageInstruction": [{"timing": {}, "text": "a", "route": {}}]}, {"dosageInstruction": [{"doseAndRate": [{}]}]}, False, {"dosageInstruction": [{"timing": {}, "text": "a", "route": {}, "doseAndRate": [{}]}]}, []),
    ("MedicationRequest", {"dosageInstruction": [{"timing": {}, "text": "a"}]}, {"dosageInstruction": [{"asNeededBoolean": True}]}, False, {"dosageInstruction": [{"asNeededBoolean": True}]}, []),
    ("MedicationRequest", {"dosageInstruction": [{"timing": {}}, {}]}, {"dosageInstruction": [{"route": {}}]}, False, {"dosageInstruction": [{"route": {}}]}, []),
    ("Specimen", {"container": [{"identifier": [{"value": "C1"}]}]}, {"container": [{"type": {}}]}, False, {"container": [{"identifier": [{"value": "C1"}], "type": {}}]}, []),
    ("Specimen", {"container": [{"identifier": [{"value": "C1"}], "capacity": {}}]}, {"container": [{"identifier": [{"value": "C2"}]}]}, False, {"container": [{"identifier": [{"value": "C2"}]}]}, []),
    ("Specimen", {"collection": {"collector": {}, "collectedDateTime": EARLY}}, {"collection": {"collectedPeriod": {"start": LATE}}}, False, {"collection": {"collector": {}, "collectedPeriod": {"start": LATE}}}, []),
    ("Specimen", {"collection": {"collectedDateTime": LATE}}, {"collection": {"collector": {}, "collectedPeriod": {"start": EARLY}}}, True, {"collection": {"collector": {}, "collectedDateTime": LATE}}, []),
    ("MedicationRequest", {"dispenseRequest": {"quantity": {"value": 2}}}, {"dispenseRequest": {"numberOfRepeatsAllowed": 1}}, False, {"dispenseRequest": {"quantity": {"value": 2}, "numberOfRepeatsAllowed": 1}}, []),
    ("DocumentReference", {"context": {"encounter": []}}, {"context": {"related": []}}, False, {"context": {"encounter": [], "related": []}}, []),
    ("ServiceRequest", {"status": "unknown", "_status": WORD}, {"status": "active"}, True, {"status": "unknown", "_status": WORD}, []),
    ("ServiceRequest", {"status": "active"}, {"status": "unknown", "_status": WORD}, True, {"status": "active"}, []),
    ("ServiceRequest", {"status": "unknown", "_status": WORD}, {"status": "unknown"}, False, {"status": "unknown"}, []),
    ("AllergyIntolerance", {"_criticality": WORD}, {"criticality": "low"}, True, {"_criticality": WORD}, []),
    ("AllergyIntolerance", {"criticality": "low"}, {"_criticality": WORD}, True, {"criticality": "low"}, []),
    ("Patient", {"birthDate": "1980-01-02"}, {"birthDate": "1980-01-02", "_birthDate": WORD}, True, {"birthDate": "1980-01-02", "_birthDate": WORD}, []),
    ("Patient", {"birthDate": "1980-01-02"}, {"birthDate": "1981-01-02", "_birthDate": WORD}, True, {"birthDate": "1980-01-02"}, []),
    ("ServiceRequest", {}, {"orderDetail": [{"text": "jejum"}]}, False, {}, ["orderDetail"]),
    ("Patient", {"name": NAMED}, {"name": NOBODY}, False, {"name": NAMED}, ["name"]),
    ("Patient", {"name": NOBODY}, {"name": NAMED}, False, {"name": NAMED}, []),
    ("Patient", {"name": NOBODY}, {"name": [{"text": "IGNORADA"}]}, False, {"name": [{"text": "IGNORADA"}]}, []),
    ("Patient", {"name": NAMED}, {"name": [{"family": "Ni", "given": ["Li"]}]}, False, {"name": [{"family": "Ni", "given": ["Li"]}]}, []),
    ("MedicationRequest", {"contained": [{"resourceType": "Medication", "id": "m"}], "medicationReference": {"reference": "#m"}}, {"medicationCodeableConcept": {"text": "x"}}, False, {"medicationCodeableConcept": {"text": "x"}}, []),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{'-'.join(row[5]) or 'nothing'}")
def test_newer_word_stands(row: tuple[str, Body, Body, bool, Body, list[str]]) -> None:
    kind, before, said, stale, after, told = row
    gone: list[str] = []
    present = {"resourceType": kind, **before}
    body = combine(present, Draft(local="x", type=kind, body=said, initial={}), stale=stale, gone=gone)
    assert body == {"resourceType": kind, **after}
    assert gone == told
    assert present == {"resourceType": kind, **before}, "what is stored is not changed"


def inside(name: str) -> Body:
    return {"resourceType": "Organization", "id": name, "name": name}


def test_resources_inside_a_record_come_and_go_with_what_names_them() -> None:
    """A later message tells another performer; what fills a gap brings its own; nothing is left that nobody names."""
    first = {"contained": [inside("a")], "performer": [{"reference": "#a"}]}
    present = combine(None, Draft(local="x", type="ServiceRequest", body=first, initial={}), stale=False)
    gap = {
        "contained": [inside("b"), inside("c")],
        "requester": {"reference": "#b"},
        "performer": [{"reference": "#c"}],
    }
    body = combine(present, Draft(local="x", type="ServiceRequest", body={}, initial=gap), stale=False)
    assert body["requester"] == {"reference": "#b"} and body["performer"] == [{"reference": "#a"}]
    assert [each["id"] for each in body["contained"]] == ["a", "b"]
    later = {"contained": [inside("d")], "performer": [{"reference": "#d"}]}
    body = combine(body, Draft(local="x", type="ServiceRequest", body=later, initial={}), stale=False)
    assert [each["id"] for each in body["contained"]] == ["b", "d"]
    old = combine(body, Draft(local="x", type="ServiceRequest", body=first, initial={}), stale=True)
    assert old["performer"] == [{"reference": "#d"}] and [each["id"] for each in old["contained"]] == ["b", "d"]


def test_a_status_that_is_news_comes_with_its_sibling() -> None:
    """Behind a newer message that says nothing of the status, the older word of it counts, and what is beside it."""
    at = {minute: datetime.datetime(2026, 11, 23, 10, minute, tzinfo=datetime.UTC) for minute in (1, 2, 3)}
    body: Body = {}
    for minute, said in (
        (1, {"status": "active", "_status": WORD}),
        (3, {}),
        (2, {"status": "unknown", "_status": OTHER}),
    ):
        draft = Draft(local="x", type="ServiceRequest", body=said, initial={}, event_at=at[minute])
        body = combine(body or None, draft, stale=minute == 2)
    assert (body["status"], body["_status"]) == ("unknown", OTHER)
