"""OBR-29 names the report that OBR-26 speaks of, in whatever form its number is written (2.5.1 §7.4.1.29)."""

from __future__ import annotations

import pytest

from canonical.records import DRAFT
from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import Translation, translate

HEAD = "MSH|^~\\&|LIS|HOSP|PONTE|HUB|20261122||ORU^R01|1|P|2.5.1\rPID|1||7^^^HOSP^MR||Souza^Ana\r"
CULTURE = "OBR|1||{number}|HEM^Hemocultura^L\rOBX|1|CE|600-7^Bacteria^LN|1|112283007^E. coli^SCT||||||F\r"
TESTED = (
    f"OBR|2||S2^LIS|ATB^Antibiograma^L{'|' * 21}F|600-7&Bacteria&LN^1^E. coli|||{{parent}}\r"
    "OBX|1|ST|18864-9^Ampicillin^LN||R||||||F\r"
)


def read(*rest: str) -> Translation:
    message = er7.read((HEAD + "".join(rest)).encode())
    assert isinstance(message, Message)
    return translate(message, zone="America/Sao_Paulo")


def parent_of(translation: Translation) -> str:
    tested = next(d for d in translation.drafts if d.type == "Observation" and "derivedFrom" in d.body)
    return str(tested.body["derivedFrom"][0]["reference"]).removeprefix(DRAFT)


@pytest.mark.parametrize(
    ("number", "parent"),
    [
        ("F1^LIS", "^F1&LIS"),
        ("F1^LIS", "^F1&LAB"),
        ("F1^LIS", "^F1"),
        ("F1^LIS", "F1"),
        ("F1^LIS", "F1^LIS"),
        ("F1^LIS", "F1&LIS"),
        ("F1", "^F1&LIS"),
        ("F1", "F1^LAB"),
    ],
)
def test_the_number_of_the_culture_in_another_form_makes_no_second_report(number: str, parent: str) -> None:
    translation = read(CULTURE.format(number=number), TESTED.format(parent=parent))
    assert sum(d.type == "DiagnosticReport" for d in translation.drafts) == 2
    (culture,) = [d for d in translation.drafts if d.type == "Observation" and "derivedFrom" not in d.body]
    assert parent_of(translation) == culture.local and len(culture.body["hasMember"]) == 1


def test_another_number_is_another_report() -> None:
    translation = read(CULTURE.format(number="F1^LIS"), TESTED.format(parent="^F9&LIS"))
    assert sum(d.type == "DiagnosticReport" for d in translation.drafts) == 3
    assert parent_of(translation).startswith("parent-result")


def test_of_two_reports_with_the_number_in_other_forms_none_is_chosen() -> None:
    second = CULTURE.replace("OBR|1", "OBR|3").replace("HEM^Hemocultura", "URO^Urocultura")
    rest = (CULTURE.format(number="F1^LIS"), second.format(number="F1^OUT"), TESTED.format(parent="^F1&LAB"))
    assert parent_of(read(*rest)).startswith("parent-result")
