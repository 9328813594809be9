"""What stands beside a value and means something by itself is kept: the unit of words, the description of a code."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||{kind}|c1|P|2.5.1||||||UNICODE UTF-8\rPID|1||31^^^HOSP^MR||Souza^Ana\r"
REPORT = "OBR|1|P|F|X^Exame^L|||20261122|||||||||||||||20261122|||F\r"


def bodies(kind: str, rest: str, wanted: str) -> tuple[list[dict[str, Any]], set[tuple[str, str]]]:
    message = er7.read((HEAD.format(kind=kind) + rest).encode())
    assert isinstance(message, Message)
    found = translate(message, zone="America/Sao_Paulo")
    return [d.body for d in found.drafts if d.type == wanted], {(p.code, p.where) for p in found.problems}


@pytest.mark.parametrize(
    ("kind", "raw", "note"),
    [
        ("ST", "muito superior a 100", "Unidade: mg/dL"),
        ("ST", "até 100", "Unidade: mg/dL"),
        ("TX", "uma linha~outra linha", "Unidade: mg/dL"),
        ("NM", "hemolisado", "Unidade: mg/dL"),
        ("CWE", "ALTO^Alto^L", "Unidade: mg/dL"),
        ("CWE", "A^Alto^L~B^Baixo^L", "Unidade: mg/dL"),
        ("ST", "acima de 100 mg/dL", ""),
        ("SN", "^2^+", ""),
        ("NM", "5", ""),
        ("SN", "^1^-^2", ""),
        ("ST", "", ""),
    ],
)
def test_the_unit_of_what_is_no_number_is_a_note(kind: str, raw: str, note: str) -> None:
    found, _ = bodies("ORU^R01", f"{REPORT}OBX|1|{kind}|A^a^L||{raw}|mg/dL|||||F\r", "Observation")
    assert [one["text"] for body in found for one in body.get("note", ())] == ([note] if note else [])


@pytest.mark.parametrize(
    ("raw", "comparator", "number"),
    [
        ("INFERIOR A 0,3", "<", 0.3),
        ("MENOR QUE 0,3", "<", 0.3),
        ("menor ou igual a 5", "<=", 5),
        ("superior a 100", ">", 100),
        ("SUPERIOR OU IGUAL A 100", ">=", 100),
        ("acima de 100 mg/dL", ">", 100),
    ],
)
def test_a_comparator_in_words_is_one(raw: str, comparator: str, number: float) -> None:
    (found,), _ = bodies("ORU^R01", f"{REPORT}OBX|1|ST|A^a^L||{raw}|mg/dL|||||F\r", "Observation")
    quantity = found["valueQuantity"]
    assert (quantity["comparator"], float(quantity["value"]), quantity["unit"]) == (comparator, number, "mg/dL")


@pytest.mark.parametrize(
    ("sent", "codes"),
    [
        ("EV", ["IV", "EV"]),
        ("EV^Endovenosa^99HIS", ["IV", "EV"]),
        ("^VIA ORAL", ["PO"]),
        ("VO", ["PO", "VO"]),
        ("VO^Endovenosa", ["VO"]),  # which of the two is not known
        ("IM", ["IM"]),
        ("SNE", ["SNE"]),
    ],
)
def test_a_route_in_portuguese_has_the_code_of_the_table(sent: str, codes: list[str]) -> None:
    rest = f"ORC|NW|P1\rRXO|1^Dipirona^L|500||mg\rRXR|{sent}\r"
    (found,), _ = bodies("OMP^O09", rest, "MedicationRequest")
    told = found["dosageInstruction"][0]["route"]
    assert [one["code"] for one in told["coding"]] == codes
    if len(codes) > 1:
        assert told["coding"][0]["system"].endswith("v2-0162") and told["text"] in sent


@pytest.mark.parametrize(
    ("kind", "segment", "wanted"),
    [
        ("ADT^A01", "PV1|1|I\rDG1|1||{code}|{words}|20260101|W", "Condition"),
        ("ADT^A01", "PV1|1|I\rPR1|1||{code}|{words}|20260101", "Procedure"),
        ("DFT^P03", "FT1|1|T1||20260101||CG|{code}|{words}||1", "ChargeItem"),
    ],
)
def test_a_description_that_says_more_than_the_name_of_the_code(kind: str, segment: str, wanted: str) -> None:
    def text(code: str, words: str) -> tuple[str, str]:
        (body,), _ = bodies(kind, segment.format(code=code, words=words) + "\r", wanted)
        return body["code"]["text"], body["code"]["coding"][0].get("display", "")

    assert text("X1^Nome^L", "palavras de quem atende") == ("palavras de quem atende", "Nome")
    assert text("X1^Nome^L", "Nome") == ("Nome", "Nome")
    assert text("X1^Nome^L", "") == ("Nome", "Nome")
    assert text("X1^Nome^L^^^^^^dito", "palavras") == ("dito: palavras", "Nome")


def test_a_moment_as_description_is_told() -> None:
    found, problems = bodies("ADT^A01", "PV1|1|I\rDG1|1||I10^Hipertensão^I10|20261122\r", "Condition")
    assert found[0]["code"]["text"] == "Hipertensão" and ("field.misplaced", "DG1#4-4") in problems


@pytest.mark.parametrize(
    ("kind", "segment", "wanted", "key"),
    [
        ("OML^O21", "ORC|NW|1\rOBR|1|1||X^Y^L" + "|" * 27 + "{code}^Anemia^CID10", "ServiceRequest", "reasonCode"),
        ("ADT^A01", "PV1|1|I\rPV2|||{code}^Anemia^I10", "Encounter", "reasonCode"),
        ("ADT^A01", "PV1|1|I\rPR1|1||X^Y^L||20260101" + "|" * 10 + "{code}^Anemia^I10", "Procedure", "reasonCode"),
        ("ADT^A01", "PV1|1|I\rDG1|1||{code}^Anemia^I10", "Condition", "code"),
    ],
)
@pytest.mark.parametrize(
    ("sent", "code"), [("D50.9", "D509"), ("d50.9", "D509"), ("D509", "D509"), ("S72.002A", "S72.002A")]
)
def test_a_reason_in_cid10_is_written_as_a_diagnosis_is(
    kind: str, segment: str, wanted: str, key: str, sent: str, code: str
) -> None:
    """So that one search finds both; a code of a national edition keeps its dot everywhere."""
    (body,), _ = bodies(kind, segment.format(code=sent) + "\r", wanted)
    found = body[key][0] if isinstance(body[key], list) else body[key]
    assert found["coding"][0] == {"code": code, "system": "http://hl7.org/fhir/sid/icd-10", "display": "Anemia"}


def test_only_a_diagnosis_has_its_system_and_words_beside_it() -> None:
    """FT1-2 and FT1-4 are a number and a day; FT1-19 is a diagnosis all the same."""
    (body,), _ = bodies("DFT^P03", "FT1|1|T1||20260101||CG|X1^N^L|||1" + "|" * 9 + "I10\r", "ChargeItem")
    assert body["reason"] == [{"coding": [{"code": "I10", "system": "http://hl7.org/fhir/sid/icd-10"}]}]
