"""What strangers send in a field that is not read for it, or a part late: read where it cannot be mistaken, else told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mappings.misplaced.test_hl7_told_elsewhere import PID, made

TOLD = "field.misplaced"
RESULT = "OBR|1||F1|X^Exame^L"


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("PV1||I|UTI^101^A||||||||||||||||V1|||||||||||||||||||||||||||20261122080000", "PV1#3-46"),
        ("PV1||I|UTI^101^A||||||||||||||||V1||||||||||||||N", "PV1#3-33"),
        ("PV1||I|UTI^101^A|||||||||||||||20261122080000", "PV1#3-18"),
        ("PV1||I|UTI^101^A|||||||||||||||||||||||Lima^Rui^Jose^Filho", "PV1#3-26"),
    ],
)
def test_a_field_knowingly_left_whose_type_cannot_hold_its_content_is_told(line: str, place: str) -> None:
    _, told = made("ADT^A01", PID, line)
    assert (TOLD, place) in told


@pytest.mark.parametrize("said", ["1200.50", "0", "-", "NAO INFORMADO", '""', "20261122", "1.200,50 BRL"])
def test_an_amount_or_a_word_for_nothing_is_not(said: str) -> None:
    _, told = made("ADT^A01", PID, f"PV1||I|UTI^101^A|||||||||||||||||||||||||||||||||||||||||||{said}")
    assert TOLD not in {code for code, _ in told}


def test_it_is_told_once_however_many_results_say_it() -> None:
    _, told = made("ORU^R01", PID, RESULT, *[f"OBX|{n}|ST|Y{n}^Z^L||bom||||H||F" for n in range(1, 4)])
    assert [place for code, place in told if code == TOLD] == ["OBX#4-9"]


def test_the_status_of_a_result_a_field_late_is_its_status() -> None:
    records, told = made("ORU^R01", PID, RESULT, "OBX|1|ST|Y^Z^L||bom|||||||C")
    assert records["Observation"][0]["status"] == "corrected"
    assert told == [("field.out-of-place", "OBX#4-12")]


@pytest.mark.parametrize(
    ("said", "family", "prefix"),
    [
        ("GOMES&RUIZ", "GOMES RUIZ", False),
        ("Gomes&Ruiz de la Vega", "Gomes Ruiz de la Vega", False),
        ("Veen&van der", "van der Veen", True),
        ("VEEN&VAN DER", "VAN DER VEEN", True),
        ("Oliva&Dell'", "Dell' Oliva", True),
        ("Berg&Freiherr von", "Freiherr von Berg", True),
        ("van Veen&van&Veen", "van Veen", True),
    ],
)
def test_a_second_surname_where_the_prefix_belongs_stays_second(said: str, family: str, prefix: bool) -> None:
    records, _ = made("ADT^A01", f"PID|1||31^^^HOSP^MR||{said}^Ana")
    name = records["Patient"][0]["name"][0]
    assert name["family"] == family
    urls = [one["url"].rpartition("-")[2] for one in name.get("_family", {}).get("extension", ())]
    assert ("prefix" in urls) == prefix


def test_an_account_that_also_stands_among_the_patients_numbers_is_the_account() -> None:
    records, _ = made("ADT^A01", "PID|1||31^^^H^MR~C77^^^H^AN||Souza^Ana|||||||||||||C77^^^H^AN")
    assert [one["value"] for one in records["Account"][0]["identifier"]] == ["C77"]
    records, _ = made("ADT^A01", "PID|1||C77^^^H^AN||Souza^Ana|||||||||||||C77^^^H^AN")
    assert "Account" not in records


@pytest.mark.parametrize(
    ("stated", "kind"), [("application/pdf", "application/pdf"), ("AP", "application/octet-stream")]
)
def test_a_notice_of_a_document_names_the_type_of_its_content(stated: str, kind: str) -> None:
    records, _ = made("MDM^T01", PID, f"TXA|1|DS|{stated}|||||||||D1|||||AU")
    assert records["DocumentReference"][0]["content"][0]["attachment"]["contentType"] == kind


def test_a_number_missing_among_others_keeps_its_place() -> None:
    records, _ = made("ORU^R01", PID, RESULT, "OBX|1|NA|Y^Z^L||41.5^^37.5^||||||F")
    assert records["Observation"][0]["valueSampledData"]["data"] == "41.5 E 37.5"


def test_the_unit_of_a_dose_a_field_early_is_told_as_read() -> None:
    records, told = made("ORM^O01", PID, "ORC|NW|P1", "RXO|1^Cisplatina^L|70|mg/m2")
    dose = records["MedicationRequest"][0]["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
    assert dose == {"value": 70, "unit": "mg/m2"} and told == [("field.out-of-place", "RXO#4-3")]


def test_separators_alone_are_no_note() -> None:
    records, _ = made("ORM^O01", PID, "ORC|NW|P1", "OBR|1|P1||X^Exame^L|||||||||^")
    assert "note" not in records["ServiceRequest"][0]


def test_a_moment_without_its_first_part_shifts_nothing() -> None:
    relative = "NK1|1|Souza^Rita|MTH^Mãe^HL70063||ver pai||||||||||F|^AAAAMMDD"
    records, told = made("ADT^A01", PID, relative)
    contact: dict[str, Any] = records["Patient"][0]["contact"][0]
    assert contact["gender"] == "female" and "address" not in contact
    assert "structure.shifted" not in {code for code, _ in told}


def test_a_professional_one_field_late_is_read_in_place() -> None:
    entry = ("MFI|PRA^Cadastro^HL70175||UPD|||NE", "MFE|MAD|1|20261122|41")
    records, told = made("MFN^M02", *entry, "STF|41|41^^^HOSP||Reis^Nora||F|19700101|A^Ativo^HL70183")
    (person,) = records["Practitioner"]
    assert (
        person["name"][0]["family"] == "Reis" and person["gender"] == "female" and person["birthDate"] == "1970-01-01"
    )
    assert ("structure.shifted", "STF#4-3") in told
