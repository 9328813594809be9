"""What Brazilian senders put into fields of PID, XCN, OBX and FT1, and how codes and numbers are told apart there."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from canonical.codes import CNS, SID, TUSS, coding_system, identifier_system, professional_system
from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import Translation, translate

NEW_CARD = "707574911862529"


def read(kind: str, *lines: str, pid: dict[int, str] | None = None) -> Translation:
    """The translation of a message; `pid` are further fields of its patient."""
    fields = {3: "4711^^^HOSP^MR", 5: "Souza^Ana", 7: "19551231", 8: "F", **(pid or {})}
    patient = "PID|1|" + "|".join(fields.get(n, "") for n in range(2, 31))
    head = f"MSH|^~\\&|HIS|HOSP|HUB||20261127090000||{kind}|T1|P|2.4||||||UNICODE UTF-8\rEVN||20261127090000\r"
    message = er7.read((head + "\r".join((patient, *lines)) + "\r").encode())
    assert isinstance(message, Message)
    return translate(message, zone="America/Sao_Paulo")


def first(told: Translation, kind: str) -> dict[str, Any]:
    return next(d.body for d in told.drafts if d.type == kind)


def patient(**fields: str) -> dict[str, Any]:
    return first(read("ADT^A08", pid={int(name[3:]): text for name, text in fields.items()}), "Patient")


@pytest.mark.parametrize(
    ("sent", "system", "value"),
    [
        ("8.765.432-1 SSP/PR", "urn:ponte:ssp-pr:rg", "8.765.432-1"),
        ("RG 12345678 SSP-SP", "urn:ponte:ssp-sp:rg", "12345678"),
        ("12.345.678-X", "urn:ponte:hosp:rg", "12.345.678-X"),
        ("123456789^DETRAN/RJ", "urn:ponte:detran-rj:rg", "123456789"),
        ("01234567890 DETRAN/RJ", "urn:ponte:hosp:dl", "01234567890 DETRAN/RJ"),
        ("01234567890^SP", "urn:ponte:sp:dl", "01234567890"),
        ("123456789^PA", "urn:ponte:pa:dl", "123456789"),
    ],
)
def test_an_identity_card_is_no_licence(sent: str, system: str, value: str) -> None:
    found = patient(pid20=sent)["identifier"][-1]
    assert (found["system"], found["value"]) == (system, value)
    assert found["type"]["coding"][0]["code"] == ("RG" if system.endswith(":rg") else "DL")


def test_a_health_card_as_social_security_is_the_health_card() -> None:
    assert identifier_system("SS", "HOSP", "", NEW_CARD) == (CNS, NEW_CARD)
    assert identifier_system("SS", "HOSP", "", NEW_CARD[:-1] + "8")[0] == "urn:ponte:hosp:ss"
    assert patient(pid19=NEW_CARD)["identifier"][-1]["system"] == CNS


def test_words_of_the_sender_claim_no_table() -> None:
    found = patient(pid15="PORTUGUES", pid17="CATOLICA APOSTOLICA", pid28="BRASILEIRA")
    codings = [found["communication"][0]["language"]["coding"][0]]
    codings += [e["valueCodeableConcept"]["coding"][0] for e in found["extension"] if "valueCodeableConcept" in e]
    codings += [e["extension"][0]["valueCodeableConcept"]["coding"][0] for e in found["extension"] if "extension" in e]
    assert codings == [{"code": "PORTUGUES"}, {"code": "CATOLICA APOSTOLICA"}, {"code": "BRASILEIRA"}]
    found = patient(pid15="pt-BR", pid17="CAT", pid28="BRA")
    assert found["communication"][0]["language"]["coding"][0]["system"].endswith("v2-0296")
    assert [e["valueCodeableConcept"]["coding"][0]["system"][-4:] for e in found["extension"][:1]] == ["0006"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("SOLTEIRO(A)", "S"), ("União Estável", "T"), ("viúva(o)", "W"), ("Casado/a", "M"), ("IGNORADO", "UNK")],
)
def test_words_are_found_without_accents_and_with_both_genders(sent: str, expected: str) -> None:
    assert patient(pid16=sent)["maritalStatus"]["coding"][0]["code"] == expected


def test_a_word_for_a_marital_status_is_no_religion() -> None:
    told = read("ADT^A08", pid={17: "DIVORCIADO"})
    found = first(told, "Patient")
    assert found["maritalStatus"]["coding"][0]["code"] == "D" and "extension" not in found
    assert ("field.out-of-place", "PID#3-17") in [(p.code, p.where) for p in told.problems]


@pytest.mark.parametrize("number", ["1234 CRM PR", "1234-CRM/PR", "1.234 CRM-PR", "CRM PR 1234", "CRM/PR: 1234"])
def test_a_council_may_stand_behind_the_number(number: str) -> None:
    assert professional_system("", "", "", number) == (f"{SID}/crm-pr", "1234")


def test_a_title_before_a_name_in_one_component_is_no_part_of_it() -> None:
    told = read("ADT^A08", "PV1|1|I|||||77^DR. PEDRO LIMA|77^PEDRO LIMA^^^^^^^CRM-SP")
    names = [draft.initial["name"] for draft in told.drafts if draft.type == "Practitioner"]
    assert len(names) == 1 and names[0][0]["family"] == "PEDRO LIMA"
    told = read("ADT^A08", "PV1|1|I|||||77^DRA. ANA REIS~78^DRACO REIS")
    assert [draft.initial["name"][0] for draft in told.drafts if draft.type == "Practitioner"] == [
        {"text": "DRA. ANA REIS", "prefix": ["DRA."], "family": "ANA REIS"},
        {"text": "DRACO REIS", "family": "DRACO REIS"},
    ]


def test_a_table_of_tiss_named_by_its_number_is_that_table() -> None:
    assert coding_system("22", "40304361") == f"{TUSS}22" and coding_system("18", "60000694") == f"{TUSS}18"
    assert coding_system("22", "40304362") == "urn:ponte:codes:22" and coding_system("90", "40304361").endswith(":90")


@pytest.mark.parametrize(
    ("value", "limits", "flag", "expected"),
    [
        ("9,8", "12,0 a 16,0", "B", "L"),
        ("13,0", "12,0 a 16,0", "B", "B"),
        ("18,2", "12,0 a 16,0", "ALTO", "H"),
        ("9,8", "12,0 a 16,0", "Baixo", "L"),
        ("0,1", "", "NÃO REAGENTE", "NR"),
        (">16", "", "Resistente", "R"),
    ],
)
def test_flags_in_words(value: str, limits: str, flag: str, expected: str) -> None:
    told = read("ORU^R01", "OBR|1||F1|HB^Hemograma", f"OBX|1|NM|HB^Hemoglobina||{value}|g/dL|{limits}|{flag}|||F")
    assert first(told, "Observation")["interpretation"][0]["coding"][0]["code"] == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("URGENTE", "urgent"), ("Emergência", "stat"), ("ROTINA", "routine"), ("Eletivo", "routine")],
)
def test_urgency_in_words(sent: str, expected: str) -> None:
    told = read("ORM^O01", f"ORC|NW|P1|||||^^^^^{sent}\rOBR|1|P1||HB^Hemograma")
    assert first(told, "ServiceRequest")["priority"] == expected


def test_charges_and_what_takes_them_back_in_words() -> None:
    lines = [
        f"FT1|{n}|T{n}||20261126||{w}|40304361^HEMOGRAMA^22|||1|12,50" for n, w in enumerate(("DEBITO", "Crédito"))
    ]
    bodies = [draft.body for draft in read("DFT^P03", *lines).drafts if draft.type == "ChargeItem"]
    assert [body["status"] for body in bodies] == ["billable", "not-billable"]
    assert [float(body["priceOverride"]["value"]) for body in bodies] == [12.5, -12.5]
    assert bodies[0]["code"]["coding"][0]["system"] == f"{TUSS}22"


@pytest.mark.parametrize("kin", ["MTH", "MÃE", "1^Mae"])
def test_a_newborn_with_the_numbers_of_the_mother_is_not_her(kin: str) -> None:
    mother = f"NK1|1|Souza^Rita|{kin}" + "|" * 30 + f"778700^^^HOSP^MR~08301661305^^^RFB^CPF~{NEW_CARD}^^^SUS^CNS"
    sent = {3: f"778812^^^HOSP^MR~{NEW_CARD}^^^^CNS", 5: "RN DE RITA SOUZA", 19: "083.016.613-05"}
    told = read("ADT^A01", mother, "PV1|1|I", pid=sent)
    newborn = next(d for d in told.drafts if d.type == "Patient")
    assert [key.value for key in newborn.keys] == ["778812"]
    assert [number["value"] for number in newborn.body["identifier"]] == ["778812"]
    assert {p.where for p in told.problems if p.code == "semantic.number-of-mother"} == {"PID#3-3", "PID#3-19"}
    other = read("ADT^A01", mother.replace(f"|{kin}|", "|FTH|"), "PV1|1|I", pid=sent)
    assert len(next(d for d in other.drafts if d.type == "Patient").keys) == 3


def test_nought_is_no_number_of_a_payer() -> None:
    lines = [f"IN1|{n}|{name}|{'0' * n}|{name}" + "|" * 32 + f"55{n}" for n, name in ((1, "SUS"), (6, "PARTICULAR"))]
    told = read("ADT^A01", "PV1|1|I", *lines)
    covers = [draft.body for draft in told.drafts if draft.type == "Coverage"]
    assert [cover["payor"] for cover in covers] == [
        [{"type": "Organization", "display": "SUS"}],
        [{"type": "Organization", "display": "PARTICULAR"}],
    ]
    assert [cover["identifier"][0]["system"] for cover in covers] == ["urn:ponte:sus:mb", "urn:ponte:particular:mb"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("8/8H", (1, 8, "h")),
        ("12/12 horas", (1, 12, "h")),
        ("de 6 em 6 horas", (1, 6, "h")),
        ("A CADA 4 HORAS", (1, 4, "h")),
        ("3X AO DIA", (3, 1, "d")),
        ("2 vezes por dia", (2, 1, "d")),
        ("8/6H", None),
        ("CADA 0 HORAS", None),
        ("SE NECESSARIO", None),
    ],
)
def test_how_often_in_words(sent: str, expected: tuple[int, int, str] | None) -> None:
    told = read("RDE^O11", f"ORC|NW|P1|||||^{sent}", "RXE||7^Dipirona^L|500||mg")
    instruction = first(told, "MedicationRequest")["dosageInstruction"][0]
    repeat = instruction["timing"].get("repeat", {})
    assert tuple(repeat.get(name) for name in ("frequency", "period", "periodUnit")) == (expected or (None, None, None))
    assert instruction["timing"]["code"]["text"] == sent
    assert instruction.get("asNeededBoolean") == (True if sent == "SE NECESSARIO" else None)


def test_an_rtf_sent_as_text_is_an_rtf() -> None:
    told = read("MDM^T02", "TXA|1|LAUDO|FT|||||||||L1", "OBX|1|FT|LAUDO||{\\rtf1\\ansi T\\'f3rax\\par}||||||F")
    attachment = first(told, "DocumentReference")["content"][0]["attachment"]
    assert attachment["contentType"] == "application/rtf"
    assert base64.b64decode(attachment["data"]) == b"{\\rtf1\\ansi T\\'f3rax\\par}"
