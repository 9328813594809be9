"""Words of Brazilian systems where HL7 has codes: marital status, class of a visit, kinship, severity, card holder."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.codes import CPF, MOTHER_EXTENSION, SID, identifier_system, professional_system
from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

HEAD = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261127090000||ADT^A01^ADT_A01|T1|P|2.4||||||UNICODE UTF-8\rEVN|A01|20261127090000\r"
)


def records(*, marital: str = "", visit: str = "I", more: str = "") -> dict[str, list[dict[str, Any]]]:
    """The records of an admission, by type."""
    pid = f"PID|1||4711^^^HOSP^MR||Souza^José||19551231|M||||||||{marital}\r"
    message = er7.read((HEAD + pid + f"PV1|1|{visit}||||||||||||||||V1^^^HOSP\r" + more).encode())
    assert isinstance(message, Message)
    found: dict[str, list[dict[str, Any]]] = {}
    for draft in translate(message, zone="America/Sao_Paulo").drafts:
        found.setdefault(draft.type, []).append(draft.body)
    return found


def mother(sent: str, own: str = "") -> tuple[list[str], dict[str, Any], list[str]]:
    """The mother's name at the patient, her record without its links, and the findings, by PID-21 and PID-6."""
    pid = f"PID|1||4711^^^HOSP^MR||Souza^José|{own}|19551231|M" + "|" * 13 + f"{sent}\r"
    message = er7.read((HEAD + pid + "PV1|1|I\r").encode())
    assert isinstance(message, Message)
    made = translate(message, zone="America/Sao_Paulo")
    patient, kin = (next(d.body for d in made.drafts if d.type == kind) for kind in ("Patient", "RelatedPerson"))
    said = [one["valueString"] for one in patient.get("extension", ()) if one["url"] == MOTHER_EXTENSION]
    return said, {n: kin[n] for n in ("identifier", "name") if n in kin}, [p.code for p in made.problems]


@pytest.mark.parametrize("sent", ["JOANA DA SILVA", "SILVA^JOANA DA"])
def test_the_mothers_name_where_her_number_belongs(sent: str) -> None:
    said, record, told = mother(sent)
    assert said == ["JOANA DA SILVA"] and told == ["field.misplaced"]
    assert record["name"][0]["text"] == "JOANA DA SILVA" and "identifier" not in record
    said, record, told = mother(sent, "SILVA^MARIA")
    assert said == ["MARIA SILVA"] and [name["text"] for name in record["name"]] == ["MARIA SILVA"]
    said, record, told = mother("0815^^^HOSP^MR", "SILVA^MARIA")
    assert said == ["MARIA SILVA"] and record["identifier"][0]["value"] == "0815" and told == []


def code(concept: dict[str, Any]) -> str:
    return str(concept["coding"][0]["code"])


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("CASADO", "M"),
        ("C^CASADA", "M"),
        ("V^VIÚVO", "W"),
        ("UNIÃO ESTÁVEL", "T"),
        ("C", "C"),
        ("C^Common Law", "C"),
        ("M^Married", "M"),
    ],
)
def test_marital_status(sent: str, expected: str) -> None:
    assert code(records(marital=sent)["Patient"][0]["maritalStatus"]) == expected


@pytest.mark.parametrize(
    ("sent", "expected"), [("INTERNADO", "IMP"), ("URGÊNCIA", "EMER"), ("AMBULATORIAL", "AMB"), ("EXTERNO", "AMB")]
)
def test_class_of_a_visit(sent: str, expected: str) -> None:
    visit = records(visit=sent)["Encounter"][0]
    assert visit["class"]["code"] == expected and visit["status"] == "in-progress"


def test_a_card_holder_is_the_patient() -> None:
    line = "IN1|1|OURO|326305|Exemplo Saúde||||||||||||Souza^José|{who}|19551231||||||||||||||||||0123456789\r"
    own = records(more=line.format(who="TITULAR"))
    assert code(own["Coverage"][0]["relationship"]) == "ONESELF" and "RelatedPerson" not in own
    child = records(more=line.format(who="FILHO"))
    assert code(child["Coverage"][0]["relationship"]) == "CHILD" and len(child["RelatedPerson"]) == 1


def test_kin_and_severity() -> None:
    found = records(more="NK1|1|Souza^Pedro|IRMÃO\rAL1|1|DA|^DIPIRONA|GRAVE|URTICARIA\r")
    assert code(found["Patient"][0]["contact"][0]["relationship"][0]) == "BRO"
    assert found["AllergyIntolerance"][0]["criticality"] == "high"


@pytest.mark.parametrize(
    "number",
    ["CRM 52-12345-6 RJ", "CRM-RJ 52.12345-6", "CRM/RJ: 52123456", "CRM: 52123456 - RJ", "CRM RJ 52 12345-6".replace("52 ", "52")],
)  # fmt: skip
def test_a_council_number_is_the_same_however_it_is_printed(number: str) -> None:
    assert professional_system("", "", "", number) == (f"{SID}/crm-rj", "52123456")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("529.982.247-25", (CPF, "52998224725")),
        ("529.982.247-26", ("urn:ponte:hosp:pi", "529.982.247-26")),
        ("52998224725", ("urn:ponte:hosp:pi", "52998224725")),
    ],
)
def test_a_cpf_as_it_is_printed_is_one(number: str, expected: tuple[str, str]) -> None:
    assert identifier_system("PI", "HOSP", "", number) == expected
    assert identifier_system("MR", "HOSP", "", number)[0] == "urn:ponte:hosp:mr", "its sender says what it is"
