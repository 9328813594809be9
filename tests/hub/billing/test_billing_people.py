"""How professionals are read from references and records: council, state, number, name, CBO, and who is in charge."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.codes import CBO, CNS, CPF
from hub.billing.visit.professionals import leading, occupation, professional

SID = "https://saude.gov.br/fhir/sid"


@pytest.mark.parametrize(
    ("system", "value", "expected"),
    [
        (f"{SID}/crm-sp", "123456", ("crm", "SP", "123456")),
        (f"{SID}/coren-rj", "55", ("coren", "RJ", "55")),
        (f"{SID}/crm", "123456", ("crm", "MG", "123456")),
        (f"{SID}/crm", "123456/BA", ("crm", "BA", "123456")),
        ("urn:ponte:crm:dn", "7788", ("crm", "MG", "7788")),
        ("urn:ponte:crm:dn", "SP-7788", ("crm", "SP", "7788")),
        (CPF, "12345678062", None),
        (CNS, "700000000000000", None),
    ],
)
def test_council_numbers(system: str, value: str, expected: tuple[str, str, str] | None) -> None:
    found = professional({"identifier": {"system": system, "value": value}, "display": "Ana"}, {}, "MG")
    assert found["name"] == "Ana"
    shown = (found.get("council"), found.get("state"), found.get("number"))
    assert shown == (expected or (None, None, None))


def test_a_practitioner_record_is_read_through_its_reference() -> None:
    body: dict[str, Any] = {
        "identifier": [{"system": CPF, "value": "12345678062"}, {"system": f"{SID}/crm-sp", "value": "9"}],
        "name": [{"given": ["Rui"], "family": "Lima"}],
        "qualification": [{"code": {"coding": [{"system": CBO, "code": "225125"}]}}],
    }
    found = professional({"reference": "Practitioner/p"}, {"p": body}, "")
    assert found == {
        "council": "crm",
        "state": "SP",
        "number": "9",
        "name": "Rui Lima",
        "cbo": "225125",
        "cpf": "12345678062",
    }
    assert professional({"reference": "Practitioner/other"}, {"p": body}, "") == {}
    assert professional(None, {}, "SP") == {}


def test_the_attending_professional_leads() -> None:
    def one(role: str, name: str) -> dict[str, Any]:
        return {"type": [{"coding": [{"code": role}]}], "individual": {"display": name}}

    assert leading([one("ADM", "a"), one("ATND", "b")]) == {"display": "b"}
    assert leading([one("ADM", "a"), {"period": {}}]) == {"display": "a"}
    assert leading([]) is None


def test_the_occupation_of_a_performer() -> None:
    assert occupation({"function": {"coding": [{"system": CBO, "code": "225125"}]}}) == "225125"
    assert occupation({"function": {"coding": [{"system": "urn:x", "code": "225125"}]}}) == ""
    assert occupation({}) == occupation(None) == ""
