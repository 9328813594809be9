"""Fields the v2-to-FHIR guide gives a place: who told of an allergy, whom to ask at an organization, where a dose was given."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||{kind}|c1|P|2.5.1||||||UNICODE UTF-8\rPID|1||31^^^HOSP^MR\r"


def made(kind: str, rest: str, type_name: str) -> dict[str, Any]:
    message = er7.read((HEAD.format(kind=kind) + rest).encode())
    assert isinstance(message, Message)
    drafts = translate(message, zone="America/Sao_Paulo").drafts
    return next(draft.body for draft in drafts if draft.type == type_name)


def allergy(reported: str = "", relation: str = "", clinician: str = "") -> dict[str, Any]:
    segment = f"IAM|1|DA|X1^Dipirona^L|SV||A||||||||{reported}|{relation}" + "|" * 12 + f"{clinician}\r"
    return made("ADT^A31", segment, "AllergyIntolerance")


@pytest.mark.parametrize(
    ("reported", "relation", "asserter"),
    [
        ("Souza^Maria", "MTH^Mãe", {"type": "RelatedPerson", "display": "Maria Souza (Mãe)"}),
        ("Souza^Maria", "", {"display": "Maria Souza"}),
        ("Souza^Ana", "SEL", {"reference": "draft:patient", "type": "Patient"}),
    ],
)
def test_who_told_of_an_allergy(reported: str, relation: str, asserter: dict[str, str]) -> None:
    assert allergy(reported, relation)["asserter"] == asserter


def test_the_code_a_clinician_identified_stands_beside_the_allergys() -> None:
    code = allergy(clinician="7980^Dipirona^RXN")["code"]
    assert [coding["code"] for coding in code["coding"]] == ["X1", "7980"] and code["text"] == "Dipirona"
    assert [coding["code"] for coding in allergy()["code"]["coding"]] == ["X1"]


def test_whom_to_ask_at_an_organization_is_each_contacts_own() -> None:
    person = "NK1|1|Reis^Eva|FTH" + "|" * 27 + "Outro^Zé|33330000\r"
    firm = "NK1|2||EMR" + "|" * 10 + "Firma Ltda" + "|" * 17 + "Souza^Bia|33334444|Rua B 2^^Recife^PE\r"
    contacts = {c["name"]["text"]: c for c in made("ADT^A31", person + firm, "Patient")["contact"]}
    assert contacts.keys() == {"Eva Reis", "Bia Souza"} and "telecom" not in contacts["Eva Reis"]
    assert contacts["Bia Souza"]["telecom"][0]["value"] == "33334444"
    assert contacts["Bia Souza"]["address"]["city"] == "Recife"


def test_the_address_where_a_dose_was_given_is_the_places() -> None:
    dose = "ORC|RE||I1\rRXA|0|1|20260101||1^BCG^L|1" + "|" * 14 + "CP|A||||||UBS^^^POSTO|Rua C 3^^Recife^PE\r"
    body = made("VXU^V04", dose, "Immunization")
    (place,) = body["contained"]
    assert body["location"]["reference"] == f"#{place['id']}" and place["address"]["city"] == "Recife"
