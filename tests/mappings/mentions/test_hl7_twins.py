"""Fields that only fill gaps: accounting says when one was not used, and a finding when it should have said the same."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate
from mappings.reading.program import program
from mappings.reading.trace import fields
from mappings.reading.twins import agree, twins
from mappings.tables.serving import plans

HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||{kind}|c1|P|2.5.1||||||UNICODE UTF-8\rPID|1||31^^^HOSP^MR\r"
ZONE = "America/Sao_Paulo"
WHO = "77^Lima^Rui^^^^^^CRM-SP"


def read(kind: str, rest: str) -> Message:
    message = er7.read((HEAD.format(kind=kind) + rest).encode())
    assert isinstance(message, Message)
    return message


def differing(kind: str, rest: str) -> dict[str, str]:
    """The fields that differ from their twin, each with the twin."""
    problems = translate(read(kind, rest), zone=ZONE).problems
    return {p.where: dict(p.args)["other"] for p in problems if p.code == "field.differs"}


def unused(kind: str, rest: str) -> dict[str, list[Any]]:
    told = fields(read(kind, rest), zone=ZONE)
    return {f"{one['segment']}-{one['field']}": one["unused"] for one in told if "unused" in one}


def order(*, orc7: str = "", orc12: str = "", tq1: str = "", obr5: str = "", obr16: str = "") -> str:
    return (
        f"ORC|NW|P1|||||{orc7}|||||{orc12}\rTQ1|1||{tq1}\rOBR|1|P1||X^Exame^L|{obr5}" + "|" * 11 + f"{obr16}\r"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"orc12": WHO, "obr16": "88^Reis^Eva^^^^^^CRM-SP"}, {"OBR#5-16": "ORC-12"}),
        ({"orc12": WHO, "obr16": WHO}, {}),
        ({"orc12": WHO, "obr16": "77^LIMA"}, {}),
        ({"orc12": "^Lima^Rui", "obr16": "^Lima^Rui^Sá"}, {}),
        ({"orc12": "^Lima^Rui", "obr16": "^Reis^Eva"}, {"OBR#5-16": "ORC-12"}),
        ({"tq1": "QD||||||S", "obr5": "R"}, {"OBR#5-5": "TQ1-9"}),
        ({"tq1": "QD||||||S", "obr5": "S"}, {}),
        ({"tq1": "QD", "orc7": "1^BID"}, {"ORC#3-7": "TQ1-3"}),
        ({"tq1": "QD||||20261201100000", "orc7": "1^QD^^20261201"}, {}),
        ({"tq1": "||||20261201", "orc7": "1^^^20261203"}, {"ORC#3-7": "TQ1-7"}),
        ({"tq1": "||||20261201", "orc7": "1^^^202612010800"}, {}),
    ],
)
def test_a_field_that_should_say_the_same_and_does_not_is_told(parts: dict[str, str], expected: dict[str, str]) -> None:
    assert differing("OML^O21", order(**parts)) == expected


def test_a_prescription_and_a_specimen_with_two_words_are_told() -> None:
    rx = f"ORC|NW|P1||||||||||{WHO}\rRXE|^BID|X^Dipirona^L|1||mg" + "|" * 8 + "88^Reis^Eva^^^^^^CRM-SP\rTQ1|1||QD\r"
    assert differing("RDE^O11", rx) == {"RXE#4-13": "ORC-12", "RXE#4-1": "TQ1-3"}


def test_accounting_says_what_was_not_used_and_who_had_said_it() -> None:
    told = unused("OML^O21", order(orc12=WHO, obr16=WHO, tq1="QD||||20261201||S", obr5="S"))
    assert told["OBR-16"] == [{"path": "ServiceRequest.requester", "said_by": "ORC#3-12"}]
    assert told["OBR-5"] == [{"path": "ServiceRequest.priority", "said_by": "TQ1#4-9"}]
    assert "OBR-16" not in unused("OML^O21", order(obr16=WHO))
    account = "PV1|1|I|||||||||||||||||V1^^^HOSP\rGT1|1|9^^^HOSP|Reis^Eva" + "|" * 18 + "Firma Ltda\r"
    assert unused("ADT^A01", account)["GT1-21"] == [{"path": "RelatedPerson.name", "said_by": "GT1#4-3"}]


def test_what_is_looked_at_aside_leaves_no_trace() -> None:
    both = translate(read("OML^O21", order(orc12=WHO, obr16="88^Reis^Eva^^^^^^CRM-SP")), zone=ZONE)
    numbers = [d.initial["identifier"][0]["value"] for d in both.drafts if d.type == "Practitioner"]
    assert numbers == ["77"]


def test_the_table_names_fields_of_rows_that_fill_gaps() -> None:
    steps = [step for plan in plans().values() for record in plan.records for step in program(record)]
    late = {f"{step.segment}-{step.number}" for step in steps if step.late}
    assert set(twins()) <= late
    for names in twins().values():
        assert names <= {f"{step.segment}-{step.number}" for step in steps}


def test_what_cannot_be_compared_agrees() -> None:
    assert agree({"text": "um"}, {"coding": [{"code": "1"}]})
    assert agree(("Period", {"end": "2026"}), ("DateTime", "2026"))
    assert not agree(("Period", {"start": "2025"}), ("DateTime", "2026"))
    assert not agree({"value": 1}, {"value": 2})
