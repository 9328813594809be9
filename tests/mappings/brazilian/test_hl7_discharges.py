"""How a visit ended, in words: what the guide and the national network are told of it."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.codes import TUSS, V2
from hub.billing.visit.stays import ending_of
from mappings.national.document_codes import national
from tests.mappings.misplaced.test_hl7_parts_elsewhere import made


def ended(sent: str) -> dict[str, Any]:
    bodies, _ = made("ADT^A03", f"PV1|1|I|CLM^1{'|' * 33}{sent}\r")
    found = bodies["Encounter"][0]["hospitalization"]["dischargeDisposition"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("sent", "tiss", "rnds"),
    [
        ("ALTA A PEDIDO", "14", "02"), ("03^ALTA A PEDIDO", "14", "02"), ("Evasão", "16", "04"), ("5^EVASÃO", "16", "04"),
        ("OBITO COM DO", "41", "06"), ("01^ÓBITO", "41", "06"), ("TRANSFERÊNCIA EXTERNA", "31", "09"),
        ("20^ALTA MELHORADO^TASY", "12", "01"), ("ALTA MÉDICA", "12", "01"), ("OBITO IML", "42", "06"), ("12", "12", "01"), ("16", "16", "04"), ("20", "41", "06"), ("01", "12", "01"),
    ],
)  # fmt: skip
def test_words_and_codes_of_how_a_visit_ended(sent: str, tiss: str, rnds: str) -> None:
    said = ended(sent)
    assert ending_of(said) == tiss and national(said, "BRMotivoDesfecho", {}) == rnds


def test_the_senders_own_code_stays_beside_without_a_table_it_is_not_of() -> None:
    assert ended("03^ALTA A PEDIDO") == {
        "coding": [
            {"system": f"{TUSS}39", "code": "14", "display": "Alta a pedido"},
            {"code": "03", "display": "ALTA A PEDIDO"},
        ],
        "text": "ALTA A PEDIDO",
    }
    assert ended("07^Left against advice") == {
        "coding": [{"system": f"{V2}0112", "code": "07", "display": "Left against advice"}],
        "text": "Left against advice",
    }


def test_a_death_alone_does_not_say_who_declared_it() -> None:
    assert ended("ÓBITO")["coding"][0] == {"system": f"{V2}0112", "code": "20", "display": "Expired"}
