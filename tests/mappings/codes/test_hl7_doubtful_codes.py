"""Codes of HL7 tables that are abbreviations of another meaning in Brazil: `LD` is the right side, no left deltoid."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.convert.published import holds
from mappings.reading.engine import translate
from mappings.tables.table import codes

V2 = "http://terminology.hl7.org/CodeSystem/v2-"
HEAD = "MSH|^~\\&|HIS|HOSP|||20261110||{kind}|1|P|2.5\rPID|1||7^^^H^MR||Souza^Ana\r"


def coded(kind: str, rest: str, record: str, *path: str) -> tuple[Any, list[str]]:
    """The concept at a path of the first record of a type, and the places told to have two meanings."""
    message = er7.read((HEAD.format(kind=kind) + rest).encode())
    assert isinstance(message, Message)
    made = translate(message, zone="America/Sao_Paulo")
    found: Any = next(draft.body for draft in made.drafts if draft.type == record)
    for name in path:
        found = found[name]
    return found, [p.where for p in made.problems if p.code == "code.two-meanings"]


def given(site: str) -> tuple[Any, list[str]]:
    rest = f"ORC|RE|P1\rRXA|0|1|20261110||9901^DIPIRONA^L|2|mL\rRXR|IM|{site}\r"
    return coded("RAS^O17", rest, "MedicationAdministration", "dosage", "site")


@pytest.mark.parametrize("sent", ["LD^LADO DIREITO", "ld^lado direito", "BE^BRAÇO ESQUERDO", "LE"])
def test_a_side_is_no_other_place_of_the_table(sent: str) -> None:
    concept, told = given(sent)
    assert "system" not in concept["coding"][0] and told == ["RXR#5-2"]
    assert concept.get("text", "") == sent.partition("^")[2]


@pytest.mark.parametrize("sent", ["LD^Left Deltoid", "LD^DELTOIDE ESQUERDO", "LD^x^HL70163", "LA", "LG"])
def test_the_tables_words_or_its_name_settle_it(sent: str) -> None:
    concept, told = given(sent)
    assert concept["coding"][0] | {"display": ""} == {
        "system": f"{V2}0163", "code": sent.partition("^")[0], "display": "",
    } and told == []  # fmt: skip


def test_routes_and_specimens() -> None:
    rest = "ORC|NW|P1\rRXE||9901^METOTREXATO^L|15||mg\rRXR|{route}\r"
    dosage = ("MedicationRequest", "dosageInstruction")
    (found,), told = coded("RDE^O11", rest.format(route="IA^INTRA-ARTICULAR"), *dosage)
    assert "system" not in found["route"]["coding"][0] and told == ["RXR#5-1"]
    (found,), told = coded("RDE^O11", rest.format(route="IT^INTRATECAL"), *dosage)
    assert found["route"]["coding"][0]["system"] == f"{V2}0162" and told == []
    liquor = "OBR|1|P1|F1|CIT^Citologia^L\rOBX|1|NM|C^Células^L||4|/mm3|||||F\rSPM|1|T1||LIQ^LÍQUOR\r"
    found, told = coded("ORU^R01", liquor, "Specimen", "type")
    assert found["coding"] == [{"code": "LIQ", "display": "LÍQUOR"}] and told == ["SPM#5-4"]
    old = f"OBR|1|P1|F1|GLI^Glicose^L{'|' * 11}FLU&FLUORETO\rOBX|1|NM|G^Glicose^L||88|mg/dL|||||F\r"
    found, told = coded("ORU^R01", old, "Specimen", "type")
    assert "system" not in found["coding"][0] and told == ["OBR#3-15"]


def test_the_list_names_codes_that_the_tables_have() -> None:
    for place, meanings in codes("hl7-doubtful").items():
        table, _, code = place.partition(":")
        assert holds(f"{V2}{table}", code) and meanings


@pytest.mark.parametrize(
    ("sent", "of_hl7"),
    [
        ("1^PRONTO SOCORRO", False),
        ("7^OUTRO HOSPITAL^", False),
        ("7^Emergency room", True),
        ("7", True),
        ("7^X^HL70023", True),
    ],
)
def test_a_number_of_a_table_that_the_house_defines_is_its_own_where_its_words_are(sent: str, of_hl7: bool) -> None:
    rest = f"PV1|1|I|CLM^1{'|' * 11}{sent}\r"
    concept, told = coded("ADT^A01", rest, "Encounter", "hospitalization", "admitSource")
    assert (concept["coding"][0].get("system") == f"{V2}0023") is of_hl7 and told == []
