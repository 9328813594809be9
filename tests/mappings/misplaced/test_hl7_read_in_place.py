"""What stands in a field of another kind is told as read where it was read as what it is, else as not read."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

PERSON = "PID|1||7^^^H^MR||Reis^Nora|||||||||||{marital}|{religion}\r"
VISIT = "PV1|1|I|4N^1^2||||||{consultant}|{service}||||||||{number}\r"
RESULT = "OBR|1|P1|F1|X^Exame^L\rOBX|1|NM|Y^Parte^L||9|mg/dL||||{nature}\r"


def read(kind: str = "ADT^A01", **said: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The bodies by type, and the findings of contents of another kind: code by place."""
    fields = dict.fromkeys(("marital", "religion", "consultant", "service", "number", "nature"), "")
    text = f"MSH|^~\\&|X|Y|Z|W|20261122080000||{kind}|1|P|2.5.1\r{PERSON}" + (VISIT if "ADT" in kind else RESULT)
    message = er7.read(text.format(**{**fields, **said}).encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    bodies = {draft.type: {**draft.initial, **draft.body} for draft in translation.drafts}
    return bodies, {
        p.where: p.code for p in translation.problems if p.code in ("field.misplaced", "field.out-of-place")
    }


def test_a_marital_status_a_field_late_is_told_as_read() -> None:
    bodies, told = read(religion="CASADO")
    assert bodies["Patient"]["maritalStatus"]["coding"][0]["code"] == "M"
    assert told == {"PID#2-17": "field.out-of-place"}


def test_beside_another_it_is_told_as_not_read() -> None:
    bodies, told = read(marital="S", religion="CASADO")
    assert bodies["Patient"]["maritalStatus"]["coding"][0]["code"] == "S"
    assert told == {"PID#2-17": "field.misplaced"}


def test_the_status_of_a_result_a_field_early() -> None:
    bodies, told = read("ORU^R01", nature="P")
    assert bodies["Observation"]["status"] == "preliminary"
    assert told == {"OBX#4-10": "field.out-of-place"}


def test_the_number_of_a_visit_a_field_early() -> None:
    bodies, told = read(number="ADM-2026-0042")
    assert bodies["Encounter"]["identifier"][0]["value"] == "ADM-2026-0042"
    assert told == {"PV1#3-18": "field.out-of-place"}


@pytest.mark.parametrize("sent", ["CARD", "^CARDIOLOGY", "GER", "Clínica Médica", "CARD^Cardiologia^HL70069"])
def test_a_service_for_the_consultant_is_the_service(sent: str) -> None:
    bodies, told = read(consultant=sent)
    assert "participant" not in bodies["Encounter"] and "Practitioner" not in bodies
    assert bodies["Encounter"]["serviceType"]
    assert told == {"PV1#3-9": "field.out-of-place"}


@pytest.mark.parametrize(("sent", "service"), [("CARD", "ORT"), ("RES", "")])
def test_a_position_or_a_second_service_is_told_as_not_read(sent: str, service: str) -> None:
    bodies, told = read(consultant=sent, service=service)
    assert "participant" not in bodies["Encounter"] and ("serviceType" in bodies["Encounter"]) == bool(service)
    assert told == {"PV1#3-9": "field.misplaced"}


@pytest.mark.parametrize("sent", ["CARD^Silva", "88^CARDIO", "CARD^Cardio^Ana", "ABC", "41^Reis^Nora^^^Dr."])
def test_a_professional_stays_one(sent: str) -> None:
    bodies, told = read(consultant=sent)
    assert bodies["Encounter"]["participant"] and "serviceType" not in bodies["Encounter"] and not told
