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
