"""A payer is known by its registro ANS also where that stands beside the number the hospital gives it."""

from __future__ import annotations

import pytest

from tests.mappings.codes.test_hl7_unknown_codes import mapped

ANS = "https://saude.gov.br/fhir/sid/ans-registro-operadora"
VISIT = "PID|1||31^^^HOSP^MR||Souza^Ana\rPV1|1|I|||||||||||||||||V1^^^HOSP\r"


@pytest.mark.parametrize(
    ("number", "name", "identifiers"),
    [
        ("1234^^^ANS326305", "Exemplo", [(ANS, "326305"), ("urn:ponte:ans326305:pi", "1234")]),
        ("1234^^^ANS 32630-5", "Exemplo", [(ANS, "326305"), ("urn:ponte:ans-32630-5:pi", "1234")]),
        ("1234", "Exemplo^^326305", [(ANS, "326305"), ("urn:ponte:hosp:pi", "1234")]),
        ("1234", "Exemplo^^^^^^^^^32630-5", [(ANS, "326305"), ("urn:ponte:hosp:pi", "1234")]),
        ("326305", "Exemplo^^326305", [(ANS, "326305")]),
        ("", "Exemplo^^326305", [(ANS, "326305")]),
        ("1234", "Exemplo^^326304", [("urn:ponte:hosp:pi", "1234")]),
        ("1234^^^ANS326304", "Exemplo", [("urn:ponte:ans326304:pi", "1234")]),
        ("1234", "Exemplo", [("urn:ponte:hosp:pi", "1234")]),
    ],
)
def test_the_registro_ans_beside_a_number_is_the_payers(
    number: str, name: str, identifiers: list[tuple[str, str]]
) -> None:
    bodies, _ = mapped("ADT^A01", VISIT + f"IN1|1|PL1|{number}|{name}" + "|" * 32 + "998877\r")
    (payer,) = [body for body in bodies if body["resourceType"] == "Organization"]
    assert [(one["system"], one["value"]) for one in payer["identifier"]] == identifiers  # type: ignore[attr-defined]
    (plan,) = [body for body in bodies if body["resourceType"] == "Coverage"]
    said = plan["payor"][0]["identifier"]  # type: ignore[index]
    assert (said["system"], said["value"]) == identifiers[0]


@pytest.mark.parametrize(
    ("sent", "card", "read"),
    [("468798139", "0001", True), ("OURO2", "", True), ("POL556677", "", False), ("20261122", "", False)],
)
def test_the_payers_own_code_of_a_plan_is_a_plan_and_no_type_of_coverage(sent: str, card: str, read: bool) -> None:
    """IN1-35 is the company plan code (table 0042), the type of coverage (0309) is IN1-47's; a card's number there,
    IN1-36 being empty, is told."""
    bodies, problems = mapped("ADT^A01", VISIT + "IN1|1|PL1|326305|Exemplo" + "|" * 31 + f"{sent}|{card}\r")
    (plan,) = [body for body in bodies if body["resourceType"] == "Coverage"]
    found = [(one["value"], one["type"]["coding"][0]["code"]) for one in plan["class"]]
    assert found == [("PL1", "plan"), *([(sent, "plan")] if read else [])] and "type" not in plan
    assert (("field.misplaced", "IN1#4-35") in problems) is not read
