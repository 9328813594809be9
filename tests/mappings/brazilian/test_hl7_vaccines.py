"""Vaccinations by the lists of the national immunization programme (SI-PNI): vaccine, dose, strategy, route, site, maker."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.national.document_codes import national
from mappings.reading.engine import translate

LIST = "http://www.saude.gov.br/fhir/r4/CodeSystem/"
PATIENT = "PID|1||5001^^^HOSP^PI||ROCHA^DIEGO||20250503|M\r"


def dose(vaccine: str, below: str = "", maker: str = "", count: str = "1") -> tuple[dict[str, Any], list[str]]:
    """The Immunization of a dose, and the codes of what was found."""
    head = "MSH|^~\\&|SIPNI|UBS|PONTE|HUB|20261127090000||VXU^V04|T1|P|2.5.1||||||UNICODE UTF-8\r"
    rxa = f"RXA|0|{count}|20261127||{vaccine}|0,5|mL||||||||L1||{maker}|||CP\r"
    message = er7.read((head + PATIENT + "ORC|RE||V1\r" + rxa + below).encode())
    assert isinstance(message, Message)
    made = translate(message, zone="America/Sao_Paulo")
    found = next(draft for draft in made.drafts if draft.type == "Immunization")
    return {**found.initial, **found.body}, [problem.code for problem in made.problems]


@pytest.mark.parametrize(
    ("vaccine", "code"),
    [
        ("09^HEPATITE B^SIPNI", "9"),
        ("22^VIP^SI-PNI", "22"),
        ("42^PENTA (DTP/HB/HIB)^IMUNOBIOLÓGICO", "42"),
        ("24^PRIORIX^PNI", "24"),
        ("15^BCG", "15"),  # CVX 15 is a vaccine against influenza
        ("8^Hepatitis B^CVX^9^Hepatite B^SIPNI", "9"),
    ],
)
def test_a_code_of_the_programme_is_of_its_list(vaccine: str, code: str) -> None:
    record, problems = dose(vaccine)
    assert {"system": f"{LIST}BRImunobiologico", "code": code} in [
        {"system": one.get("system"), "code": one["code"]} for one in record["vaccineCode"]["coding"]
    ]
    assert national(record["vaccineCode"], "BRImunobiologico", {}) == code
    assert not problems


@pytest.mark.parametrize(
    ("vaccine", "told"),
    [
        ("22^PENTAVALENTE^SIPNI", ["code.words-differ"]),
        ("999^NOVA^SIPNI", ["code.own"]),
        ("42^PENTA^L", []),  # a list of the house
    ],
)
def test_a_code_that_is_not_the_programmes_is_the_senders_own(vaccine: str, told: list[str]) -> None:
    record, problems = dose(vaccine)
    assert record["vaccineCode"]["coding"][0]["system"].startswith("urn:ponte:codes:")
    assert problems == told


@pytest.mark.parametrize(
    ("sent", "element", "expected", "code"),
    [
        ("1^1ª DOSE^SIPNI", "doseNumberPositiveInt", 1, "1"),
        ("2", "doseNumberPositiveInt", 2, "2"),
        ("^Segunda dose", "doseNumberPositiveInt", 2, "2"),
        ("D3", "doseNumberPositiveInt", 3, "3"),
        ("6^^SIPNI", "doseNumberString", "1º Reforço", "6"),
        ("38^REFORCO^SIPNI", "doseNumberString", "Reforço", "38"),
        ("R1^1º REFORÇO", "doseNumberString", "1º Reforço", "6"),
        ("DU", "doseNumberString", "Única", "9"),
    ],
)
def test_a_dose_is_its_number_or_its_name(sent: str, element: str, expected: object, code: str) -> None:
    record, _ = dose("15^BCG^SIPNI", f"OBX|1|CE|30973-2^Dose^LN||{sent}||||||F\r")
    assert record["protocolApplied"] == [{element: expected}]
    assert national(expected, "BRDose", {}) == code


def test_a_dose_in_words_is_read_where_its_count_stands() -> None:
    assert dose("15^BCG^SIPNI", count="REFORÇO")[0]["protocolApplied"] == [{"doseNumberString": "Reforço"}]
    assert "protocolApplied" not in dose("15^BCG^SIPNI", count="2")[0]


@pytest.mark.parametrize("sent", ["5^CAMPANHA INDISCRIMINADA^SIPNI", "5^^SIPNI", "CAMPANHA INDISCRIMINADA"])
def test_the_strategy_is_told_as_documents_to_the_network_have_it(sent: str) -> None:
    record, _ = dose("15^BCG^SIPNI", f"OBX|1|CE|ESTR^Estratégia||{sent}||||||F\r")
    (extension,) = record["extension"]
    assert extension["url"].endswith("/BREstrategiaVacinacao-1.0")
    assert extension["valueCodeableConcept"]["coding"][0]["code"] == "5"


def test_a_strategy_by_a_number_of_the_house_stays_the_houses() -> None:
    record, _ = dose("15^BCG^SIPNI", "OBX|1|CE|ESTR^Estratégia||5^DIA D||||||F\r")
    assert record["extension"][0]["valueCodeableConcept"] == {
        "coding": [{"code": "5", "display": "DIA D"}],
        "text": "DIA D",
    }


def test_route_site_and_maker_are_of_the_programmes_lists() -> None:
    rxr = "RXR|2^INTRAMUSCULAR^SIPNI|4^VASTO LATERAL DA COXA ESQUERDA^SIPNI\r"
    record, problems = dose("9^HEPATITE B^SIPNI", rxr, maker="152^BUTANTAN^SIPNI")
    routes = [(one["system"], one["code"]) for one in record["route"]["coding"]]
    assert routes[-1] == (f"{LIST}BRViaAdministracao", "2")
    assert [(one["system"], one["code"]) for one in record["site"]["coding"]] == [(f"{LIST}BRLocalAplicacao", "4")]
    assert record["manufacturer"]["identifier"] == {"system": f"{LIST}BRFabricantePNI", "value": "152"}
    assert not problems
