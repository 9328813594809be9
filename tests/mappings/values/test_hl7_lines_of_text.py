"""OBX lines of one examination: which of them are one text (HL7 v2.5.1 §7.4.2, OBX-3 and OBX-4 name the result)."""

from __future__ import annotations

import pytest

from tests.mappings.misplaced.test_hl7_shared_numbers import HEAD, read

ORDER = HEAD.format(kind="ORU^R01") + "PID|1||700^^^H^MR||Souza^Ana\nOBR|1||L1|RX^Raio X^L|||||||||||||||||||||F\n"


def told(lines: str) -> list[str]:
    """What each result of the report says, in order: its text, or its number with the unit."""
    bodies, _ = read(ORDER + lines)
    found = []
    for result in bodies["Observation"]:
        quantity = result.get("valueQuantity")
        found.append(f"{quantity['value']} {quantity['unit']}" if quantity else result.get("valueString", ""))
    return found


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        (
            "OBX|1|TX|RX^R^L||Um.||||||F\nOBX|2|FT|RX^R^L||Dois.||||||F\nOBX|3|ST|RX^R^L||Fim.||||||F\n",
            ["Um.\nDois.\nFim."],
        ),
        ("OBX|1|ST|RX^R^L|1|Um.||||||F\nOBX|2|TX|RX^R^L|1|Dois.||||||F\n", ["Um.\nDois."]),
        ("OBX|1|TX|RX^R^L|1|Um.||||||F\nOBX|2|FT|RX^R^L|2|Dois.||||||F\n", ["Um.", "Dois."]),
        ("OBX|1|TX|RX^R^L||Um.||||||F\nOBX|2|FT|US^U^L||Dois.||||||F\n", ["Um.", "Dois."]),
        ("OBX|1|TX|RX^R^L||Um.||||||F\nOBX|2|CE|RX^R^L||A^Dois^L||||||F\n", ["Um.", ""]),
        ("OBX|1|ST|GLI^G^L||90|mg/dL|||||F\nOBX|2|ST|GLI^G^L||120|mg/dL|||||F\n", ["90 mg/dL", "120 mg/dL"]),
        ("OBX|1|ST|GLI^G^L||95|mg/dL|||||F\nOBX|2|TX|GLI^G^L||Conferido.||||||F\n", ["95 mg/dL", "Conferido."]),
    ],
)
def test_lines_of_one_examination_are_one_text_whatever_their_type(lines: str, texts: list[str]) -> None:
    assert told(lines) == texts


def test_lines_under_two_orders_are_two_texts() -> None:
    lines = "OBX|1|TX|RX^R^L||Um.||||||F\nOBR|2||L2|RX^R^L|||||||||||||||||||||F\nOBX|1|FT|RX^R^L||Dois.||||||F\n"
    assert told(lines) == ["Um.", "Dois."]
