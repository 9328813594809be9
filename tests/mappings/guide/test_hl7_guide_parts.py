"""What HL7's v2-to-FHIR maps have a place for beside the code or text of a field: it stands there, and is not lost."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from canonical.records import Draft
from hl7 import er7
from hl7.er7 import Message
from hub.records.drafts.combine import combine
from mappings.reading.engine import translate

PID = "PID|1||7^^^H^MR||Souza^Ana\r"
ALTERNATE = "http://hl7.org/fhir/StructureDefinition/alternate-codes"
V2 = "http://terminology.hl7.org/CodeSystem/v2-"


def drafts(kind: str, *lines: str) -> tuple[list[Draft], list[tuple[str, str]]]:
    text = f"MSH|^~\\&|LIS|LAB|B|C|20261122||{kind}|1|P|2.8.2\r{PID}" + "".join(f"{line}\r" for line in lines)
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    return translation.drafts, [(p.code, p.where) for p in translation.problems]


def body(kind: str, wanted: str, *lines: str) -> dict[str, Any]:
    return next(draft.body for draft in drafts(kind, *lines)[0] if draft.type == wanted)


def alternate(code: str, table: str) -> dict[str, Any]:
    concept = {"coding": [{"system": f"{V2}{table}", "code": code}]}
    return {"extension": [{"url": ALTERNATE, "valueCodeableConcept": concept}]}


@pytest.mark.parametrize(("segment", "fields"), [("AL1", "1|MA|LTX^Látex^L|MO"), ("IAM", "1|MA|LTX^Látex^L|MO||A")])
def test_an_allergy_keeps_the_kind_and_severity_r4_has_no_code_for(segment: str, fields: str) -> None:
    found = body("ADT^A31", "AllergyIntolerance", f"{segment}|{fields}")
    assert found["_criticality"] == alternate("MO", "0128") and found["_category"] == [alternate("MA", "0127")]
    assert not {"criticality", "category"} & found.keys()


def test_a_severity_r4_knows_stands_alone() -> None:
    found = body("ADT^A31", "AllergyIntolerance", "AL1|1|DA|DIP^Dipirona^L|SV")
    assert found["criticality"] == "high" and "_criticality" not in found and "_category" not in found


@pytest.mark.parametrize(
    ("present", "stated", "left"),
    [
        ({"criticality": "high"}, {"_criticality": {"extension": []}}, {"_criticality"}),
        ({"_criticality": {"extension": []}}, {"criticality": "high"}, {"criticality"}),
        ({"criticality": "high"}, {"note": [{"text": "x"}]}, {"criticality", "note"}),
    ],
)
def test_of_two_severities_the_newer_is_told(present: dict[str, Any], stated: dict[str, Any], left: set[str]) -> None:
    at = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
    draft = Draft(local="a", type="AllergyIntolerance", body=stated, event_at=at)
    found = combine({"resourceType": "AllergyIntolerance", **present}, draft, stale=False)
    assert {name for name in found if name not in ("resourceType", "meta", "extension")} == left


OBR = "OBR|1||F1^LIS|GLI^Glicose^L|||||||||||{}||||||||||F"


def test_the_parts_of_a_specimen_source() -> None:
    found = body("ORU^R01", "Specimen", OBR.format("BLD&Sangue^HEPA^em jejum^LA&braço^SUP&superior^AUT^P"))
    assert found["container"] == [{"additiveCodeableConcept": {"coding": [{"system": f"{V2}0371", "code": "HEPA"}]}}]
    texts = [note["text"] for note in found["note"]]
    assert texts == ["em jejum", "Lado: superior", "Coleta: AUT", "Papel: P"]


@pytest.mark.parametrize(
    ("source", "name", "notes"),
    [
        ("FRAGMENTO^MAMA DIREITA - PUNCAO", None, ["MAMA DIREITA - PUNCAO"]),  # a CE, as senders write
        ("URINA", None, []),
        ("&Urina", "Urina", []),
        ("^URINA", "URINA", []),
        ("^^ESCARRO", "ESCARRO", []),  # the material itself
        ("^manhã^ESCARRO", "ESCARRO", ["manhã"]),
    ],
)
def test_words_where_the_additive_belongs_are_none(source: str, name: str | None, notes: list[str]) -> None:
    found = body("ORU^R01", "Specimen", OBR.format(source))
    assert "container" not in found and [n["text"] for n in found.get("note", [])] == notes
    assert found["type"].get("text") == name


def test_a_specimen_of_a_site_alone() -> None:
    found = body("ORU^R01", "Specimen", OBR.format("^^^LA&braço esquerdo"))
    assert found["collection"]["bodySite"]["text"] == "braço esquerdo" and "type" not in found


def test_an_additive_of_a_named_system() -> None:
    found = body("ORU^R01", "Specimen", OBR.format("SER^TUBO7&Tubo azul&L"))
    (container,) = found["container"]
    assert container["additiveCodeableConcept"]["text"] == "Tubo azul" and "note" not in found


def test_the_parts_of_a_sub_identifier() -> None:
    found = body("ORU^R01", "Observation", OBR.format(""), "OBX|1|NM|GLI^Glicose^L|A^2^3^Z|90||||||F")
    (extension,) = (one for one in found["extension"] if one["url"].endswith("observation-v2-subid"))
    told = {one["url"]: str(next(v for k, v in one.items() if k != "url")) for one in extension["extension"]}
    assert told == {"original-sub-identifier": "A", "group": "2", "sequence": "3", "identifier": "Z"}


def test_a_group_that_is_no_number_is_told() -> None:
    _, told = drafts("ORU^R01", OBR.format(""), "OBX|1|NM|GLI^Glicose^L|A^x|90||||||F")
    assert ("field.number", "OBX#4-4.2") in told


RXE = ("ORC|NW|P1^HIS", "RXE||DIP^Dipirona^L|1||mg")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("BID^^^^^^^AC^30^min", {"when": ["AC"], "offset": 30}),
        ("BID^^^^^^^AC^1^h", {"when": ["AC"], "offset": 60}),
        ("BID^^^^^^^HS", {"when": ["HS"]}),
        ("BID^^^^^^^C^30^min", {"when": ["C"]}),  # R4 tim-9
        ("BID^^^^^^^IC", {}),
    ],
)
def test_a_medicine_by_the_meals_of_a_day(pattern: str, expected: dict[str, Any]) -> None:
    found, told = drafts("RDE^O11", *RXE, f"TQ1|1||{pattern}")
    (request,) = (draft.body for draft in found if draft.type == "MedicationRequest")
    repeat = request["dosageInstruction"][0]["timing"]["repeat"]
    assert repeat == {"frequency": 2, "period": 1, "periodUnit": "d", **expected}
    assert told == ([] if expected else [("code.unmapped", "TQ1#5-3.8")])


def test_times_of_the_clock_take_the_place_of_the_meal() -> None:
    found = body("RDE^O11", "MedicationRequest", *RXE, "TQ1|1||BID^^^^^^^AC^30^min|0800~2000")
    timing = found["dosageInstruction"][0]["timing"]
    assert timing["repeat"]["timeOfDay"] == ["08:00:00", "20:00:00"] and timing["code"]["text"] == "BID AC 30min"
    assert not {"when", "offset"} & timing["repeat"].keys()  # R4 tim-10


def test_notes_by_who_wrote_them_and_when() -> None:
    lines = [
        "OBX|1|NM|GLI^Glicose^L||90||||||F", "NTE|1||um||44^Lima^Rui^^^^^^CRM-SP|202611221000", "NTE|2||dois",
        "NTE|3||três||55^Reis^Eva^^^^^^CRM-SP|202611221100",
    ]  # fmt: skip
    notes = body("ORU^R01", "Observation", OBR.format(""), *lines)["note"]
    assert [(n["text"], n["authorReference"]["display"], n["time"]) for n in notes] == [
        ("um\ndois", "Rui Lima", "2026-11-22T10:00:00-03:00"),
        ("três", "Eva Reis", "2026-11-22T11:00:00-03:00"),
    ]


def test_a_note_of_a_report_has_its_author_too() -> None:
    note = "NTE|1||lâmina revista||44^Lima^Rui^^^^^^CRM-SP"
    (extension,) = body("ORU^R01", "DiagnosticReport", OBR.format(""), note)["extension"]
    assert extension["valueAnnotation"]["authorReference"]["identifier"]["value"] == "44"


DOSE = "RXA|0|1|20261122||08^HepB^CVX|1|mL"
REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


@pytest.mark.parametrize(
    ("told", "code", "text"),
    [("|RE", "PATOBJ", None), ("|RECUSADA", "PATOBJ", "RECUSADA"), ("|CONTRAINDICADA", "MEDPREC", "CONTRAINDICADA")],
)
def test_why_a_vaccine_was_not_given_where_its_status_says_it(told: str, code: str, text: str | None) -> None:
    found = body("VXU^V04", "Immunization", "ORC|RE||F1^H", DOSE + "|" * 12 + told)
    assert found["status"] == "not-done" and found["statusReason"].get("text") == text
    assert [(c["system"], c["code"]) for c in found["statusReason"]["coding"]] == [(REASONS, code)]


@pytest.mark.parametrize(("told", "reason"), [("|NA", None), ("|CP", None), ("|ADIADA", {"text": "ADIADA"})])
def test_no_reason_is_made_up(told: str, reason: dict[str, str] | None) -> None:
    assert body("VXU^V04", "Immunization", "ORC|RE||F1^H", DOSE + "|" * 12 + told).get("statusReason") == reason


def test_the_reason_in_its_own_field_counts() -> None:
    found = body("VXU^V04", "Immunization", "ORC|RE||F1^H", DOSE + "|" * 11 + "03^recusa do paciente^NIP002||RE")
    assert [c["code"] for c in found["statusReason"]["coding"]] == ["03"]


@pytest.mark.parametrize("kind", ["Immunization", "MedicationAdministration"])
def test_a_dose_that_was_given_after_all_has_no_reason_against_it(kind: str) -> None:
    at = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
    refused = {"resourceType": kind, "status": "not-done", "statusReason": {"text": "recusa"}}
    gone: list[str] = []
    given = Draft(local="a", type=kind, body={"status": "completed"}, event_at=at)
    assert "statusReason" not in combine(refused, given, stale=False, gone=gone) and gone == ["statusReason"]
    part = Draft(local="a", type=kind, body={"status": "completed", "statusReason": {"text": "recusa"}}, event_at=at)
    whole = combine(refused, part, stale=False)
    assert whole["statusReason"] == {"text": "recusa"}
    again = Draft(local="a", type=kind, body={"status": "completed"}, event_at=at)
    assert combine(whole, again, stale=False)["statusReason"] == {"text": "recusa"}


def test_an_extension_that_brings_its_own_sign() -> None:
    text = "PID|1||7^^^H^MR||Souza^Ana||||||||^PRN^PH^^^81^33334444^x889"
    message = er7.read(f"MSH|^~\\&|LIS|LAB|B|C|20261122||ADT^A31|1|P|2.8.2\r{text}\r".encode())
    assert isinstance(message, Message)
    (patient,) = (draft.body for draft in translate(message, zone="America/Sao_Paulo").drafts)
    assert patient["telecom"][0]["value"] == "81 33334444 x889"
