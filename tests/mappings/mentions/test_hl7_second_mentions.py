"""A professional's second mention in a message says what the first did not; a number where a unit belongs is no dose."""

from __future__ import annotations

import pytest

from canonical.records import Draft
from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import Translation, translate

HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||{kind}|c1|P|2.5.1||||||UNICODE UTF-8\rPID|1||31^^^HOSP^MR\r"
VISIT = "PV1|1|I|A^1^1||||{first}||||||||||{second}||V1^^^HOSP\r"
CRM = "https://saude.gov.br/fhir/sid/crm-sp"


def mapped(kind: str, rest: str) -> Translation:
    message = er7.read((HEAD.format(kind=kind) + rest).encode())
    assert isinstance(message, Message)
    return translate(message, zone="America/Sao_Paulo")


def people(first: str, second: str) -> tuple[list[Draft], Draft]:
    """The professionals of a visit whose attending and admitting ones are these, and the visit."""
    visit = VISIT.format(first=first, second=second)
    drafts = mapped("ADT^A01", visit).drafts
    return [d for d in drafts if d.type == "Practitioner"], next(d for d in drafts if d.type == "Encounter")


def test_a_name_in_the_second_mention_only_is_the_records() -> None:
    (person,), _ = people("77^^^^^^^^CRM-SP", "77^Lima^Rui^^^^^^CRM-SP")
    assert person.initial["name"][0]["text"] == "Rui Lima"
    (person,), _ = people("77^Lima^Rui^^^^^^CRM-SP", "77^Lima^R^^^^^^CRM-SP")
    assert person.initial["name"][0]["text"] == "Rui Lima", "what the first mention said stays"


@pytest.mark.parametrize("bare", ["77^Lima", "77^LIMA^Rui"])
def test_the_same_number_and_surname_in_a_register_is_the_same_person(bare: str) -> None:
    for first, second in ((bare, "77^Lima^Rui^^^^^^CRM-SP"), ("77^Lima^Rui^^^^^^CRM-SP", bare)):
        (person,), visit = people(first, second)
        assert person.keys[0].system == CRM
        individuals = [one["individual"] for one in visit.body["participant"]]
        assert {i["reference"] for i in individuals} == {f"draft:{person.local}"}
        assert {i["identifier"]["system"] for i in individuals} == {CRM}


@pytest.mark.parametrize("other", ["77", "77^Reis^Eva", "78^Lima^Rui"])
def test_another_surname_or_number_or_none_stays_another_person(other: str) -> None:
    found, _ = people(other, "77^Lima^Rui^^^^^^CRM-SP")
    assert len(found) == 2


def test_two_registers_with_that_number_decide_nothing() -> None:
    visit = (
        VISIT.format(first="77^Lima", second="")
        + "ROL|1|AD|AT|77^Lima^Rui^^^^^^CRM-SP\rROL|2|AD|CP|77^Lima^Ana^^^^^^COREN-SP\r"
    )
    drafts = mapped("ADT^A01", visit).drafts
    assert len([d for d in drafts if d.type == "Practitioner"]) == 3


@pytest.mark.parametrize(
    ("kind", "rest", "where"),
    [
        ("OMP^O09", "ORC|NW|P1\rRXO|X^Dipirona^L|1|2|500|mg\r", "RXO#4-4"),
        ("OMP^O09", "ORC|NW|P1\rRXO|X^Dipirona^L||2|500|mg\r", "RXO#4-4"),
        ("RDE^O11", "ORC|NW|P1\rRXE||X^Dipirona^L|1|2|500|mg\r", "RXE#4-5"),
    ],
)
def test_a_number_where_the_unit_of_a_dose_belongs_is_told_and_makes_no_dose(kind: str, rest: str, where: str) -> None:
    translation = mapped(kind, rest)
    assert ("field.misplaced", where) in {(p.code, p.where) for p in translation.problems}
    (request,) = (d for d in translation.drafts if d.type == "MedicationRequest")
    assert "doseAndRate" not in str(request.body)


def test_a_unit_with_a_numeric_code_and_a_name_is_a_unit() -> None:
    translation = mapped("OMP^O09", "ORC|NW|P1\rRXO|X^Dipirona^L|1||258684004^mg^SCT\r")
    (request,) = (d for d in translation.drafts if d.type == "MedicationRequest")
    (rate,) = request.body["dosageInstruction"][0]["doseAndRate"]
    assert rate["doseQuantity"]["unit"] == "mg"
