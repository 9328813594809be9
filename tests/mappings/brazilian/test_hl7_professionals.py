"""Numbers of professionals where Brazilian systems write them, and what stands in a person's place that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from canonical.codes import SID, professional_system
from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate
from mappings.tables.site import Site

HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261127090000||ADT^A01|T1|P|2.5||||||UNICODE UTF-8\r"


def told(
    attending: str = "", vip: str = "", mother: str = "", name: str = "ROCHA^DIEGO", overlay: str = ""
) -> tuple[dict[str, list[dict[str, Any]]], list[tuple[str, str]]]:
    """The records of an admission by type, and what was found."""
    pid = f"PID|1||5001^^^HOSP^PI||{name}|{mother}|19850503|M\r"
    visit = f"PV1|1|I|UTI^2^1||||{attending}|||||||||{vip}|||V1^^^HOSP^VN\r"
    message = er7.read((HEAD + pid + visit).encode())
    assert isinstance(message, Message)
    made = translate(message, zone="America/Sao_Paulo", site=Site(overlay=overlay))
    found: dict[str, list[dict[str, Any]]] = {}
    for draft in made.drafts:
        found.setdefault(draft.type, []).append({**draft.initial, **draft.body})
    return found, [(problem.code, problem.where) for problem in made.problems]


@pytest.mark.parametrize(
    ("number", "system", "compact"),
    [
        ("CRMSP123456", "crm-sp", "123456"),
        ("CRM/SP 123.456", "crm-sp", "123456"),
        ("CREMERJ 52.12345-6", "cremerj", "52123456"),
        ("COREN-SP 123.456-ENF", "coren-sp", "123456"),
        ("COREN-SP-123456-TEC", "coren-sp", "123456"),
        ("COREN SP 123456 TE", "coren-sp", "123456"),
        ("CRO 1234 PR", "cro-pr", "1234"),
        ("CREFITO-3/12345-F", "crefito-3", "12345"),
        ("CREFITO3 12345F", "crefito-3", "12345"),
        ("CRP 06/12345", "crp", "0612345"),
        ("CRN-3 1234", "crn-3", "1234"),
        ("CRBM 1234 SP", "crbm-sp", "1234"),
        ("CREF 012345-G/SP", "cref-sp", "12345"),
    ],
)
def test_a_council_is_read_in_the_number(number: str, system: str, compact: str) -> None:
    assert professional_system("", "", "", number) == (f"{SID}/{system}", compact)


@pytest.mark.parametrize(
    ("sent", "system", "codes", "finding"),
    [
        ("COREN-SP 123.456-ENF^SILVA^JOSE", "coren-sp", ["ENF"], ""),
        ("123456-TE^SILVA^JOSE^^^^^^COREN-SP", "coren-sp", ["TE"], ""),
        ("123456-TE^SILVA^JOSE^^^^322205^^COREN-SP", "coren-sp", ["322205", "TE"], ""),
        ("CREFITO-3/12345-TO^SILVA^JOSE", "crefito-3", ["TO"], ""),
        ("COREN 123456-SE^SILVA^JOSE", "coren-se", [], ""),  # a state
        ("225125^SILVA^JOSE^^^^^^CRM-SP 123456", "crm-sp", ["225125"], "field.occupation-place"),
        ("225125^SILVA^JOSE^^^^CRM-SP 123456^^CBO", "crm-sp", ["225125"], "field.occupation-place"),
        ("225125^SILVA^JOSE^^^^^^CRM-SP", "crm-sp", [], ""),  # six digits are a number of many councils too
        ("123456^SILVA^JOSE^^^^^^225125", "", ["225125"], "field.occupation-place"),
    ],
)
def test_an_occupation_and_the_category_of_a_council_qualify(
    sent: str, system: str, codes: list[str], finding: str
) -> None:
    records, found = told(attending=sent)
    one = records["Practitioner"][0]
    assert (one["identifier"][0]["system"] == f"{SID}/{system}") == bool(system)
    assert [q["code"]["coding"][0]["code"] for q in one.get("qualification", [])] == codes
    assert [code for code, _ in found if code.startswith("field.")] == ([finding] if finding else [])


def test_a_council_behind_the_name_is_the_number_and_that_of_the_house_a_further_one() -> None:
    records, found = told(attending="50121^MOURA^INES^A^^^Dra.^^^^^CRMSP^112233")
    (one,) = records["Practitioner"]
    assert one["identifier"] == [
        {"system": f"{SID}/crm-sp", "value": "112233"},
        {"system": "urn:ponte:hosp:dn", "value": "50121"},
    ]
    assert not found


def test_an_occupation_without_a_number_makes_nobody() -> None:
    records, found = told(attending="225125^SILVA^JOSE^^^^^^CBO")
    assert "Practitioner" not in records and ("field.misplaced", "PV1#3-7") in [(c, w[:7]) for c, w in found]


@pytest.mark.parametrize(
    "sent",
    [
        "123456^SOUZA^ANA^^^^^^CRM-SP",
        "123456^SOUZA^ANA^^^^^CRM-SP",
        "123456^SOUZA^ANA^^^^CRM/SP",
        "123456^SOUZA^ANA^^^^^CRM-SP^HOSP",
        "^SOUZA^ANA^^^^^^CRM-SP 123456",
        "^SOUZA^ANA^^^^CRM 123456 SP",
        "CRM-SP 123456^SOUZA^ANA^^^^^^225125",
    ],
)
def test_a_council_is_read_wherever_it_stands(sent: str) -> None:
    (person,) = told(sent)[0]["Practitioner"]
    assert person["identifier"] == [{"system": f"{SID}/crm-sp", "value": "123456"}]
    codes = [known["code"]["coding"][0]["code"] for known in person.get("qualification", [])]
    assert codes == (["225125"] if "225125" in sent else [])  # a council is no degree


def test_an_occupation_numbers_nobody() -> None:
    records, problems = told("123456^SOUZA^ANA^^^^^^225125")
    assert records["Practitioner"][0]["identifier"][0]["system"] == "urn:ponte:hosp:dn"
    assert ("field.occupation-place", "PV1#3-7.9") in problems


@pytest.mark.parametrize("number", ["123456/SP", "123456-SP", "SP 123456", "52.12345-6/RJ"])
def test_a_number_with_its_state_alone_is_told(number: str, tmp_path: Path) -> None:
    records, problems = told(f"{number}^SOUZA^ANA")
    assert records["Practitioner"][0]["identifier"][0]["system"] == "urn:ponte:hosp:dn"
    assert ("semantic.number-without-council", "PV1#3-7") in problems
    (tmp_path / "codes").mkdir()
    row = "system,from,to,note,decided\ncouncil-state,?,CRM,,contrato\n"
    (tmp_path / "codes" / "council-state.csv").write_text(row)
    records, problems = told(f"{number}^SOUZA^ANA", overlay=str(tmp_path))
    assert records["Practitioner"][0]["identifier"][0]["system"].startswith(f"{SID}/crm-") and not problems


@pytest.mark.parametrize("number", ["123456", "A12/SP", "123456/XX", "12/SP"])
def test_other_numbers_of_the_house_are_not(number: str) -> None:
    assert "semantic.number-without-council" not in [code for code, _ in told(f"{number}^SOUZA^ANA")[1]]


@pytest.mark.parametrize(
    "sent", ["TOTEM 02", "^TOTEM 02", "ANALISADOR^COBAS", "^RECEPÇÃO 01", "77^INTERFACEAMENTO LAB"]
)
def test_a_device_is_no_professional(sent: str) -> None:
    records, problems = told(sent)
    assert "Practitioner" not in records
    (participant,) = records["Encounter"][0]["participant"]
    assert participant["individual"] == {"display": sent.rpartition("^")[2]}
    assert problems == [("semantic.not-a-person", "PV1#3-7")]


def test_who_is_called_like_a_device_is_a_person() -> None:
    assert told("77^ROBO^ANA")[0]["Practitioner"][0]["name"][0]["family"] == "ROBO"


@pytest.mark.parametrize("word", ["SIGILO", "Confidencial", "S^SIGILOSO"])
def test_a_secret_visit_is_restricted_and_no_courtesy(word: str) -> None:
    visit = told(vip=word)[0]["Encounter"][0]
    assert visit["meta"]["security"][0]["code"] == "R" and "specialCourtesy" not in visit.get("hospitalization", {})
    (courtesy,) = told(vip="VIP")[0]["Encounter"][0]["hospitalization"]["specialCourtesy"]
    assert courtesy["coding"][0]["code"] == "VIP"


@pytest.mark.parametrize("sent", ["NOME SOCIAL: ROCHA^DIANA", "ROCHA^DIANA (NOME SOCIAL)", "ROCHA^DIANA^^^^^S"])
def test_a_social_name_is_not_the_mothers(sent: str) -> None:
    records, problems = told(mother=sent)
    patient = records["Patient"][0]
    assert [(one["use"], one["text"]) for one in patient["name"]] == [
        ("official", "DIEGO ROCHA"),
        ("usual", "DIANA ROCHA"),
    ]
    assert "extension" not in patient and ("field.misplaced", "PID#2-6") in problems
    assert told(name=f"ROCHA^DIEGO~{sent}")[0]["Patient"][0]["name"] == patient["name"]


def test_the_words_for_a_social_name_are_nobody() -> None:
    patient = told(mother="NOME SOCIAL")[0]["Patient"][0]
    assert len(patient["name"]) == 1 and "extension" not in patient
