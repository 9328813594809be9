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
        ("OBR|1||F1|X^Exame^L||||&Reis&Nora&&&&^", "OBR#3-8"),
        ("PV1||I|UTI^101^A" + "|" * 37 + "DOR ABDOMINAL, FEBRE ALTA", "PV1#3-40"),
    ],
)
def test_a_field_knowingly_left_whose_type_cannot_hold_its_content_is_told(line: str, place: str) -> None:
    _, told = made("ORU^R01" if line.startswith("OBR") else "ADT^A01", PID, line)
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


ONE = "ORC|NW|P1"
NOTED = "OBX|1|TX|A^A^L||x||||||F"


ELSEWHERE: list[tuple[str, tuple[str, ...], str, str, str | None, tuple[str, str] | None]] = [
    ("ADT^A01", ("PV1||I|UTI^1|||41^Dra. Reis",), "Encounter", "41 / Dra. Reis", None, (TOLD, "PV1#3-6")),
    ("ADT^A01", ("PV1||I|CONS^Dr. Reis",), "Encounter", "CONS / Dr. Reis", "CONS / Dr. Reis", None),
    ("REF^I12", ("RF1|P|R|C^Consulta^L||||||20261122|+5511987654321",), "ServiceRequest", "+5511987654321", None, (TOLD, "RF1#3-10")),
    ("RAS^O17", (ONE, "RXA|0|1|20261122||D^Dipirona^L|650|mg|||650 mg VO"), "MedicationAdministration", "650 mg VO", None, (TOLD, "RXA#4-10")),
    ("RAS^O17", (ONE, "RXA|0|1|20261122||D^Dipirona^L|650|mg|||45678 SP"), "MedicationAdministration", "45678 SP", "45678 SP", None),
    ("ADT^A01", ("PV1||I|UTI^1" + "|" * 35 + "HOSPX||||20261122080000",), "Encounter", "HOSPX", None, (TOLD, "PV1#3-38")),
    ("ADT^A01", ("PV1||I|UTI^1" + "|" * 16 + "V7" + "|" * 31 + "12",), "Encounter", "12", None, (TOLD, "PV1#3-50")),
    ("ADT^A01", ("PV1||I|UTI^1" + "|" * 16 + "V7" + "|" * 31 + "123",), "Encounter", "123", "123", None),
    ("ADT^A01", ("PV1||I|UTI^1||||445566^Reis^Nora||||||||||V123456",), "Encounter", "V123456", "V123456", ("field.out-of-place", "PV1#3-17")),
    ("MDM^T02", ("TXA|1|HP|TX|||||||||D7|||||AU", NOTED), "DocumentReference", "D7", "D7", None),
    ("MDM^T02", ("TXA|1|HP|TX||||||||D7|||||AU", NOTED), "DocumentReference", "D7", "D7", ("field.out-of-place", "TXA#3-11")),
    ("MDM^T02", ("TXA|1|HP|TX||||||||D7||||||AU", NOTED), "DocumentReference", "D7", None, (TOLD, "TXA#3-11")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "lines", "record", "said", "kept", "told"), ELSEWHERE)
def test_a_content_that_names_itself_is_no_other(
    kind: str, lines: tuple[str, ...], record: str, said: str, kept: str | None, told: tuple[str, str] | None
) -> None:
    records, found = made(kind, PID, *lines)
    assert (f"'{said}'" in str(records[record][0])) == bool(kept)
    others = [one for one in found if one[0] in (TOLD, "field.out-of-place") and one[1] not in ("TXA#3-16", "PV1#3-42")]
    assert others == ([told] if told else [])


def test_the_end_that_the_pharmacy_says_is_kept_beside_an_order_without_one() -> None:
    records, _ = made("RDE^O11", PID, "ORC|NW|P1|||||^^^20261122", "RXE|^^^20261122^20261222|M^Metformina^L|500||mg")
    timing = records["MedicationRequest"][0]["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"]
    assert timing == {"start": "2026-11-22", "end": "2026-12-22"}
    records, _ = made("RDE^O11", PID, "ORC|NW|P1|||||^BID^^20261122", "RXE|^^^20261122^20261222|M^Metformina^L|500||mg")
    assert records["MedicationRequest"][0]["dosageInstruction"][0]["timing"]["repeat"]["frequency"] == 2


@pytest.mark.parametrize(("amount", "told"), [("0.5", True), ("999", False), ("0", False), ("", False)])
def test_a_dose_that_is_refused_and_given_at_once_is_told(amount: str, told: bool) -> None:
    dose = f"RXA|0|1|20261122||8^HB^CVX|{amount}|mL||00^Novo^NIP001|||||||||||RE|A"
    records, found = made("VXU^V04", PID, ONE, dose)
    assert records["Immunization"][0]["status"] == "not-done"
    assert (("field.differs", "RXA#4-9") in found) == told


def test_a_letter_for_the_unformatted_number_leaves_the_number() -> None:
    records, _ = made("ADT^A01", "PID|1||31^^^H^MR||Souza^Ana||||||||1133445566^PRN^PH^^^^^^^^1133445566^y")
    assert records["Patient"][0]["telecom"][0]["value"] == "1133445566"


@pytest.mark.parametrize("kind", ["ST", "TX", "FT"])
def test_a_number_with_its_unit_is_an_amount_in_any_type_of_text(kind: str) -> None:
    records, _ = made("ORU^R01", PID, RESULT, f"OBX|1|{kind}|Y^Z^L||41,5|kPa|||||F")
    amount = records["Observation"][0]["valueQuantity"]
    assert (float(amount["value"]), amount["unit"]) == (41.5, "kPa")


def test_a_day_alone_where_the_record_asks_for_a_moment_is_told() -> None:
    records, told = made("MDM^T02", PID, "TXA|1|DS|TX|||20261122||||||D1|||||AU", NOTED)
    assert "date" not in records["DocumentReference"][0] and ("field.day-alone", "TXA#3-6") in told


@pytest.mark.parametrize(
    ("said", "system"), [("529.982.247-25", "cpf"), ("529.982.247-26", "dl"), ("52998224725", "dl")]
)
def test_a_printed_cpf_where_the_licence_belongs_is_the_cpf(said: str, system: str) -> None:
    records, told = made("ADT^A01", "PID|1||31^^^H^MR||Souza^Ana" + "|" * 15 + said)
    assert records["Patient"][0]["identifier"][-1]["system"].endswith(system)
    assert (("field.out-of-place", "PID#2-20") in told) == (system == "cpf")


def test_a_name_is_no_number_of_the_patient() -> None:
    records, told = made("ADT^A01", "PID|1||31^^^H^MR|FURTADO^LUCIA HELENA|Souza^Ana")
    assert [one["value"] for one in records["Patient"][0]["identifier"]] == ["31"] and (TOLD, "PID#2-4") in told


def test_a_person_in_a_coded_field_makes_no_directive() -> None:
    records, told = made("ADT^A01", PID, "PD1|||||||445566^Reis^Nora^^^Dra.^^^^^CRMSP^1")
    assert "Observation" not in records and told.count((TOLD, "PD1#3-7")) == 1


def test_a_number_beside_the_count_of_a_segment_is_told() -> None:
    _, told = made("ADT^A01", "PID|3^20260401||31^^^H^MR||Souza^Ana")
    assert (TOLD, "PID#2-1") in told


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("F83004^Rua Nova 10^^Olinda^PE^53110-000", True),
        ("12 High St^^Salem^OR^97301", True),
        ("77^Reis^Nora^L^MD^12345", False),  # a licence where the title belongs
        ("77^Reis^Nora^MD^12345", False),
    ],
)
def test_an_address_where_a_professional_belongs_is_none(said: str, wrong: bool) -> None:
    records, told = made("ADT^A31", PID, f"PD1||||{said}")
    assert ((TOLD, "PD1#3-4") in told) is wrong
    assert ("Practitioner" in records) is not wrong
