"""Values of Brazilian systems: antibiograms without OBX-8, words for priorities and diagnoses, codes as they are printed."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

SIGTAP = "https://terminologia.saude.gov.br/fhir/CodeSystem/BRTabelaSUS"


def records(kind: str, body: str, sex: str = "M") -> dict[str, list[dict[str, Any]]]:
    head = f"MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261127090000||{kind}|T1|P|2.5||||||UNICODE UTF-8\r"
    message = er7.read(f"{head}PID|1||5001^^^HOSP^PI||ROCHA^DIEGO||19850503|{sex}\r{body}".encode())
    assert isinstance(message, Message)
    found: dict[str, list[dict[str, Any]]] = {}
    for draft in translate(message, zone="America/Sao_Paulo").drafts:
        found.setdefault(draft.type, []).append({**draft.initial, **draft.body})
    return found


def visit(more: str = "", kind: str = "") -> dict[str, list[dict[str, Any]]]:
    return records("ADT^A01", f"PV1|1|I|A^1^1|{kind}|||||||||||||||V1^^^HOSP^VN\r{more}")


@pytest.mark.parametrize(
    ("order", "value", "code"),
    [
        ("TSA^ANTIBIOGRAMA^L", "S", "S"),
        ("URO^UROCULTURA^L||||||||||||||||||||MB", "R", "R"),
        ("URO^UROCULTURA^L", "SENSÍVEL", "S"),
        ("URO^UROCULTURA^L", "R^RESISTENTE", "R"),
        ("URO^UROCULTURA^L", "I^SENSÍVEL, AUMENTANDO EXPOSIÇÃO", "I"),
        ("HIV^ANTI-HIV^L", "R", None),  # reagente
        ("TSA^ANTIBIOGRAMA^L", "POSITIVO", None),
        ("ECG^Eletrocardiograma^L", "I^Derivação I^L", None),
    ],
)
def test_a_susceptibility_as_value_is_an_interpretation(order: str, value: str, code: str | None) -> None:
    body = f"ORC|RE|P1|F1\rOBR|1|P1|F1|{order}\rOBX|1|ST|AMI^AMICACINA^L||{value}||||||F\r"
    result = records("ORU^R01", body)["Observation"][0]
    told = [one["coding"][0]["code"] for one in result.get("interpretation", ())]
    assert told == ([code] if code else []) and any(name.startswith("value") for name in result)


@pytest.mark.parametrize(
    ("sent", "code"), [("URGENCIA", "U"), ("ELETIVO", "C"), ("Emergência", "E"), ("1^ELETIVA", "C"), ("U", "U")]
)
def test_an_admission_in_words_has_its_code(sent: str, code: str) -> None:
    (kind,) = visit(kind=sent)["Encounter"][0]["type"]
    assert kind["coding"][0] == {**kind["coding"][0], "system": "http://terminology.hl7.org/CodeSystem/v2-0007"}
    assert kind["coding"][0]["code"] == code


@pytest.mark.parametrize("sent", ["NEGA", "NÃO", "NENHUMA", "SEM RELATO DE ALERGIAS"])
def test_who_denies_is_allergic_to_nothing(sent: str) -> None:
    found = visit(f"AL1|1|DA|^{sent}\r")["AllergyIntolerance"][0]
    assert "716186003" in [one["code"] for one in found["code"]["coding"]]


@pytest.mark.parametrize(
    ("sent", "gender"), [("IGNORADO", "unknown"), ("Não informado", "unknown"), ("MULHER", "female")]
)
def test_a_sex_in_words(sent: str, gender: str) -> None:
    assert records("ADT^A08", "", sent)["Patient"][0]["gender"] == gender


@pytest.mark.parametrize("sent", ["|J18.9^PNEUMONIA^CID", "CID|J18.9^PNEUMONIA", "|J18,9", "CID 10|J189"])
def test_a_diagnosis_is_of_the_cid10(sent: str) -> None:
    coding = visit(f"DG1|1|{sent}\r")["Condition"][0]["code"]["coding"][0]
    assert (coding["system"], coding["code"]) == ("http://hl7.org/fhir/sid/icd-10", "J189")


def test_principal_and_secondary_say_nothing_of_certainty() -> None:
    first, second = visit("DG1|1||J189|||P\rDG1|2||I10|||S\r")["Condition"]
    assert "verificationStatus" not in first and "verificationStatus" not in second
    (alone,) = visit("DG1|1||J189|||P\r")["Condition"]
    assert alone["verificationStatus"]["coding"][0]["code"] == "provisional"


@pytest.mark.parametrize(
    ("sent", "system", "code"),
    [
        ("04.07.02.003-9^APENDICECTOMIA^SIGTAP", SIGTAP, "0407020039"),
        ("04.07.02.003-9^APENDICECTOMIA", SIGTAP, "0407020039"),
        ("0301010072^CONSULTA", SIGTAP, "0301010072"),
        ("0301010073^CONSULTA", None, "0301010073"),  # another check digit
        ("0123456789^EXAME DA CASA", None, "0123456789"),  # no such subgroup
        ("04.07.02.003-9^APENDICECTOMIA^99LOCAL", "urn:ponte:codes:99local", "04.07.02.003-9"),
        ("3.10.09.16-6^APENDICECTOMIA^TUSS", "https://fhir.ans.gov.br/CodeSystem/tuss-22", "31009166"),
        ("3.10.09.16-6^APENDICECTOMIA^CBHPM", "urn:ponte:codes:cbhpm", "3.10.09.16-6"),
    ],
)
def test_a_code_as_it_is_printed_is_the_code(sent: str, system: str | None, code: str) -> None:
    coding = visit(f"PR1|1||{sent}||20261127\r")["Procedure"][0]["code"]["coding"][0]
    assert (coding.get("system"), coding["code"]) == (system, code)
