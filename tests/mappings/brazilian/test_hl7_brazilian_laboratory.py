"""Laboratories and image centres of Brazil: the study of a report, when a tube was drawn, tubes that must be drawn again."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.problem import Problem
from hl7 import er7
from hl7.er7 import Message
from mappings.reading.account import Account
from mappings.reading.engine import translate
from tests.mappings.misplaced.test_hl7_parts_elsewhere import made

UID = "1.2.826.0.1.3680043.2.1125.1001"
DRAWN, LATER = "2026-11-10T06:30:00-03:00", "2026-11-10T07:00:00-03:00"
RESULT = "OBX|1|NM|K^Potássio^L||4,1|mmol/L|||||F\r"


def account(rest: str) -> tuple[Account, list[Problem]]:
    head = "MSH|^~\\&|A|B|||20261110||ADT^A08|1|P|2.5\rPID|1||7^^^H^MR||Souza^Ana\rPV1|1|I\r"
    message = er7.read((head + rest).encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    return translation.account, translation.problems


def test_the_study_of_an_order_and_of_its_report() -> None:
    named = {"system": "urn:dicom:uid", "value": f"urn:oid:{UID}"}
    study = f"ZDS|{UID}^RIS^Application^DICOM\r"
    bodies, _ = made("ORU^R01", f"OBR|1|P1|F1|TC^Tomografia^L\r{RESULT}{study}")
    assert named in bodies["ServiceRequest"][0]["identifier"]
    assert bodies["DiagnosticReport"][0]["imagingStudy"] == [{"type": "ImagingStudy", "identifier": named}]
    bodies, _ = made("ORM^O01", f"ORC|NW|P1\rOBR|1|P1||TC^Tomografia^L\r{study}")
    assert named in bodies["ServiceRequest"][0]["identifier"]


@pytest.mark.parametrize("content", ["VIP", "1.2.3", "ISOLAMENTO", "12345"])
def test_a_foreign_segment_of_one_field_is_told(content: str) -> None:
    taken, told = account(f"ZXX|{content}\r")
    assert taken.fate[4] == "unmapped" and [p.code for p in told] == ["structure.segment-unmapped"]


@pytest.mark.parametrize("content", ["", "1", '1|""', '""'])
def test_a_foreign_segment_that_only_counts_says_nothing(content: str) -> None:
    taken, told = account(f"ZXX|{content}\r")
    assert taken.fate[4] == "ignored" and told == []


def spm(number: str, times: str) -> str:
    return f"SPM|1|{number}||SER{'|' * 13}{times}\r"


def moments(kind: str, rest: str) -> list[tuple[Any, Any]]:
    """When each report and each result was, in order."""
    bodies, _ = made(kind, rest)
    reports, results = bodies["DiagnosticReport"], bodies["Observation"]
    return [
        (report.get("effectiveDateTime", report.get("effectivePeriod")), result.get("effectiveDateTime"))
        for report, result in zip(reports, results, strict=True)
    ]


def test_a_result_without_time_is_of_when_its_specimen_was_drawn() -> None:
    one = f"OBR|1|P1|F1|K^Potássio^L\r{RESULT}"
    two = f"OBR|2|P2|F2|NA^Sódio^L\r{RESULT}"
    first, second = spm("T1", "20261110063000"), spm("T2", "20261110070000")
    assert moments("ORU^R01", one + first + two + second) == [(DRAWN, DRAWN), (LATER, LATER)]
    assert moments("OUL^R22", first + one + second + two) == [(DRAWN, DRAWN), (LATER, LATER)]
    assert moments("OUL^R22", first + one + two) == [(DRAWN, DRAWN), (DRAWN, DRAWN)]
    assert moments("ORU^R01", one + first + two) == [(DRAWN, DRAWN), (None, None)]
    assert moments("ORU^R01", one + first + second) == [(None, None)], "which of them is not said"


def test_a_time_of_the_result_and_a_collection_over_hours() -> None:
    over = spm("T1", "20261110063000^20261110070000")
    assert moments("ORU^R01", f"OBR|1|P1|F1|K^Potássio^L\r{RESULT}{over}") == [({"start": DRAWN, "end": LATER}, DRAWN)]
    own = f"OBR|1|P1|F1|K^Potássio^L|||20261110070000\r{RESULT}{over}"
    assert moments("ORU^R01", own) == [(LATER, LATER)]


@pytest.mark.parametrize(
    ("word", "report", "result"),
    [
        ("NOVA COLETA", "registered", "cancelled"), ("Recoleta", "registered", "cancelled"),
        ("Em análise", "registered", "registered"), ("REJEITADO", "cancelled", "cancelled"),
    ],
)  # fmt: skip
def test_a_tube_that_must_be_drawn_again(word: str, report: str, result: str) -> None:
    rest = f"ORC|RE|P1|F1\rOBR|1|P1|F1|K^Potássio^L{'|' * 21}{word}\rOBX|1|ST|K^Potássio^L||RECOLETA||||||{word}\r"
    bodies, _ = made("ORU^R01", rest)
    assert bodies["DiagnosticReport"][0]["status"] == report and bodies["Observation"][0]["status"] == result
    assert bodies["ServiceRequest"][0]["status"] == "active", "the order waits for the other tube"


@pytest.mark.parametrize("sent", ['AL1|1||""', 'DG1|1||""'])
def test_what_takes_away_nothing_that_is_named_makes_no_record(sent: str) -> None:
    bodies, _ = made("ADT^A08", f"PV1|1|I\r{sent}\r")
    assert set(bodies) - {"Patient", "Encounter"} == set()


def result(kind: str, sent: str, unit: str, limits: str = "") -> dict[str, Any]:
    rest = f"OBR|1|P1|F1|K^Potássio^L\rOBX|1|{kind}|K^Potássio^L||{sent}|{unit}|{limits}||||F\r"
    found = made("ORU^R01", rest)[0]["Observation"][0]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("kind", "sent", "unit"),
    [
        ("NM", "94%", "%"),
        ("NM", "94 %", "%"),
        ("ST", "94 mg/dL", "mg/dL"),
        ("ST", "94MG/DL", "mg/dL"),
        ("NM", "94 ", "%"),
    ],
)
def test_a_unit_behind_the_number_and_in_its_field_too(kind: str, sent: str, unit: str) -> None:
    assert result(kind, sent, unit)["valueQuantity"] == {"value": 94, "unit": unit}


@pytest.mark.parametrize(("sent", "unit"), [("94%", "mg/dL"), ("945", "5"), ("94 a 95%", "%"), ("%", "%")])
def test_what_stays_a_text(sent: str, unit: str) -> None:
    found = result("ST", sent, unit)
    assert found.get("valueString", str(found.get("valueQuantity", {}).get("value"))) == sent


def test_a_power_in_words_is_said_once() -> None:
    found = result("NM", "2,3 x 10^5", "cópias/mL")
    assert found["valueString"] == "2,3 x 10^5" and found["note"] == [{"text": "Unidade: cópias/mL"}]


def test_limits_behind_a_preposition_and_a_time_with_colons() -> None:
    (limits,) = result("NM", "88", "mg/dL", "de 70 a 99 mg/dL")["referenceRange"]
    assert (limits["low"]["value"], limits["high"]["value"], limits["text"]) == (70, 99, "de 70 a 99 mg/dL")
    assert result("TM", "14:30", "")["valueTime"] == "14:30:00"


def test_the_quality_of_a_specimen_stands_beside_its_result() -> None:
    sample = f"SPM|1|T1||SER{'|' * 18}P^HEMOLISADA|A^Adequada\r"
    found = made("ORU^R01", f"OBR|1|P1|F1|K^Potássio^L\r{RESULT}{sample}")[0]["Specimen"][0]
    assert [note["text"] for note in found["note"]] == ["Qualidade: HEMOLISADA", "Adequação: Adequada"]
