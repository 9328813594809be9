"""What is nobody's number, no order of birth, no unit, and whose a note is."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate
from tests.mappings.misplaced.test_hl7_parts_elsewhere import made


def patient(tail: str) -> tuple[dict[str, Any], int]:
    """The patient of a registration whose PID goes on with `tail` behind PID-18, and the number of keys."""
    head = "MSH|^~\\&|A|B|C|D|20261122||ADT^A31|1|P|2.5.1\rPID|1||7^^^H^MR||Souza^Ana||20261121|F||||||||||"
    message = er7.read((head + tail + "\r").encode())
    assert isinstance(message, Message)
    draft = next(draft for draft in translate(message, zone="America/Sao_Paulo").drafts if draft.type == "Patient")
    return {**draft.initial, **draft.body}, len(draft.keys)


@pytest.mark.parametrize("number", ["000-00-0000", "999999999", "111-11-1111", "0", "000.000.000-00"])
def test_one_digit_over_and_over_is_nobodys_social_security_number(number: str) -> None:
    body, keys = patient("|" + number)
    assert keys == 1 and [one["value"] for one in body["identifier"]] == ["7"]


def test_a_social_security_number_of_several_digits_is_the_patients() -> None:
    body, keys = patient("|123-45-0000")
    assert keys == 2 and len(body["identifier"]) == 2


@pytest.mark.parametrize(
    ("several", "order", "said"),
    [
        ("N", "1", False), ("N", "0", False), ("N", "", False), ("Y", "0", True), ("Y", "", True), ("", "0", None),
        ("Y", "1", 1), ("", "1", 1), ("", "2", 2), ("N", "2", 2),
    ],
)  # fmt: skip
def test_the_only_child_of_a_birth_is_no_first_twin(several: str, order: str, said: bool | int | None) -> None:
    body, _ = patient("|" * 6 + f"{several}|{order}")
    found = [body[name] for name in ("multipleBirthBoolean", "multipleBirthInteger") if name in body]
    assert [(type(one), one) for one in found] == ([] if said is None else [(type(said), said)])


@pytest.mark.parametrize(
    ("timing", "quantity"),
    [
        ("2^BID", {"value": 2}),
        ("2&frascos^BID&08:00:05^D5", {"value": 2, "unit": "frascos"}),
        ("12&mL&mililitros^Q6H", {"value": 12, "unit": "mililitros"}),
        ("1&frasco^BID", None),
    ],
)
def test_how_often_is_no_unit_of_how_many(timing: str, quantity: dict[str, Any] | None) -> None:
    bodies, _ = made("ORM^O01", f"ORC|NW|P1|||||{timing}\rOBR|1|P1||X^Exame^L\r")
    assert bodies["ServiceRequest"][0].get("quantityQuantity") == quantity
    bodies, _ = made("ORM^O01", f"ORC|NW|P1\rOBR|1|P1||X^Exame^L{'|' * 23}{timing}\r")
    assert bodies["ServiceRequest"][0].get("quantityQuantity") == quantity


def test_a_note_below_the_order_of_a_document_is_the_orders() -> None:
    order = "ORC|RE|P1\rOBR|1|P1|F1|ECO^Ecocardiograma^L\rNTE|1||com o marca-passo\r"
    document = "TXA|1|DI|TX|||||||||D1\rOBX|1|TX|ECO^Laudo^L||Normal||||||F\rNTE|1||visto por dois\r"
    bodies, _ = made("MDM^T02", "EVN||20261122\r" + order + document)
    assert [note["text"] for note in bodies["ServiceRequest"][0]["note"]] == ["com o marca-passo"]
    assert bodies["DocumentReference"][0]["description"] == "visto por dois"
    assert "extension" not in bodies["Patient"][0]


def test_a_note_below_the_order_of_a_result_is_the_reports() -> None:
    first = "NTE|1||da paciente\rOBR|1|P1|F1|A^Primeiro^L|||||||||||||||||||||F\rNTE|1||do primeiro\r"
    bodies, _ = made("ORU^R01", first + "OBR|2|P1|F2|B^Segundo^L|||||||||||||||||||||F\r")
    assert all("note" not in order for order in bodies["ServiceRequest"])


@pytest.mark.parametrize("word", ["NEW", "Novo", "MRN", "pendente"])
def test_a_word_for_a_number_to_come_is_nobodys(word: str) -> None:
    message = er7.read(f"MSH|^~\\&|A|B|C|D|20261122||ADT^A31|1|P|2.5.1\rPID|1||{word}||Souza^Ana\r".encode())
    assert isinstance(message, Message)
    draft = next(draft for draft in translate(message, zone="America/Sao_Paulo").drafts if draft.type == "Patient")
    assert not draft.keys and "identifier" not in draft.body


@pytest.mark.parametrize(
    ("species", "animal", "told"),
    [
        ("337915000^Homo sapiens (organism)^SCT^Human^Human^L", False, False),
        ("HUMANO", False, False),
        ("10000017", False, True),
        ("448771007^Canis lupus^SCT", True, False),
        ("Cachorro", True, False),
    ],
)
def test_a_person_is_no_animal(species: str, animal: bool, told: bool) -> None:
    bodies, places = made("ADT^A31", "", licence="|" * 15 + species)
    assert any("patient-animal" in one["url"] for one in bodies["Patient"][0].get("extension", [])) is animal
    assert places == ({"PID#2-35"} if told else set())


def test_a_mother_named_in_an_order_without_her_number_is_kept() -> None:
    bodies, _ = made("OML^O21", "ORC|NW|P1\rOBR|1|P1||X^Exame^L\r", licence="|REIS^BEATRIZ^NORA")
    assert bodies["RelatedPerson"][0]["name"][0]["text"] == "BEATRIZ NORA REIS"


@pytest.mark.parametrize(("flag", "code"), [("HI", "H"), ("LO", "L")])
def test_high_and_low_in_two_letters(flag: str, code: str) -> None:
    bodies, _ = made("ORU^R01", f"OBR|1|P1|F1|X^Exame^L\rOBX|1|NM|G^Glicose^L||296|mg/dL|70-99|{flag}|||F\r")
    assert bodies["Observation"][0]["interpretation"][0]["coding"][0]["code"] == code


@pytest.mark.parametrize(
    ("volume", "said"),
    [
        ("2^mL&mililitro&UCUM", {"unit": "mililitro", "system": "http://unitsofmeasure.org", "code": "mL"}),
        ("2^mL&mililitro&L", {"unit": "mililitro"}),
        ("2^mL", {"unit": "mL"}),
    ],
)
def test_the_code_of_a_volumes_unit(volume: str, said: dict[str, str]) -> None:
    bodies, _ = made("ORU^R01", f"OBR|1|P1|F1|X^Exame^L|||||||||||||||||||||F\rSPM|1|T1||SER|||||||| {volume}\r")
    assert bodies["Specimen"][0]["collection"]["quantity"] == {"value": 2, **said}


def test_the_bytes_of_a_file_tell_what_octet_stream_does_not() -> None:
    for kind, data, media in (
        ("Octet-stream", "JVBERi0xLjUNCg==", "application/pdf"),
        ("Octet-stream", "AAECAwQ=", "multipart/octet-stream"),
        ("ZPDF", "JVBERi0xLjUNCg==", "application/pdf"),
    ):
        rest = f"TXA|1|LAUDO|TX|||||||||D1\rOBX|1|ED|X^Laudo^L||^multipart^{kind}^Base64^{data}||||||F\r"
        bodies, _ = made("MDM^T02", "EVN||20261122\r" + rest)
        assert bodies["DocumentReference"][0]["content"][0]["attachment"]["contentType"] == media


def test_sequences_of_a_sender_that_doubles_every_backslash() -> None:
    text = "MSH|^~\\\\&|A|B|C|D|20261122||ORU^R01|1|P|2.5.1\rPID|1||7^^^H^MR||Souza^Ana\rOBR|1|P1|F1|X^Exame^L\r"
    message = er7.read((text + "OBX|1|TX|X^Laudo^L||um\\\\.br\\\\\\\\.br\\\\dois \\\\T\\\\ tres||||||F\r").encode())
    assert isinstance(message, Message)
    drafts = translate(message, zone="America/Sao_Paulo").drafts
    found = next(draft.body for draft in drafts if draft.type == "Observation")
    assert found["valueString"] == "um\n\ndois & tres"


@pytest.mark.parametrize(
    ("account", "social", "taken"),
    [
        ("7", "", False), ("111-22-3333", "111-22-3333", False), ("7001", "", True), ("7^^^CONTAS^AN", "", True),
        ("7^^^CONTAS", "", True),
    ],
)  # fmt: skip
def test_a_number_of_the_patient_is_no_visit_of_a_whole_life(account: str, social: str, taken: bool) -> None:
    pid = f"EVN||20261122\rPID|1||7^^^H^MR||Souza^Ana|||||||||||||{account}|{social}\rPV1||I|4N\r"
    message = er7.read(("MSH|^~\\&|A|B|C|D|20261122||ADT^A08|1|P|2.5.1\r" + pid).encode())
    assert isinstance(message, Message)
    drafts = {draft.type: draft for draft in translate(message, zone="America/Sao_Paulo").drafts}
    assert ("Account" in drafts, bool(drafts["Encounter"].body.get("identifier"))) == (taken, taken)


@pytest.mark.parametrize(
    ("kind", "severity", "said"),
    [
        ("DRUG", "SEVERE", (["medication"], "allergy", "high", "severe")),
        ("Food", "Mild", (["food"], "allergy", "low", "mild")),
        ("allergy", "MODERATE", (None, "allergy", None, "moderate")),
    ],
)
def test_kinds_and_severities_of_allergies_in_english_words(kind: str, severity: str, said: tuple[Any, ...]) -> None:
    bodies, _ = made("ADT^A31", f"AL1|1|{kind}|P^Penicilina^L|{severity}|urticária\r")
    one = bodies["AllergyIntolerance"][0]
    found = (one.get("category"), one.get("type"), one.get("criticality"), one["reaction"][0]["severity"])
    assert found == said


@pytest.mark.parametrize(
    ("code", "born", "patient", "holder"),
    [
        ("CHD^Child^HL70063", "19750627", "CHILD", "PRN"), ("MTH", "19750627", "CHILD", "MTH"),
        ("GCH", "19350101", "GRNDCHILD", "GRPRN"), ("MAE", "19750627", "CHILD", "MTH"),
        ("CHD", "20450101", "PRN", "CHILD"), ("PAR", "20450101", "PRN", "CHILD"),
        ("CHD", "", "CHILD", "CHILD"), ("MTH", "20100101", "MTH", "MTH"), ("SPO", "19750627", "SPS", "SPS"),
    ],
)  # fmt: skip
def test_days_of_birth_show_whose_relationship_a_code_says(code: str, born: str, patient: str, holder: str) -> None:
    pid = "EVN||20261122\rPID|1||7^^^H^MR||Souza^Ana||20160223|F\rPV1||I|4N\r"
    in1 = f"IN1|1|P1|77|Convenio||||||||||||Souza^Rita|{code}|{born}\r"
    message = er7.read(("MSH|^~\\&|A|B|C|D|20261122||ADT^A01|1|P|2.5.1\r" + pid + in1).encode())
    assert isinstance(message, Message)
    drafts = {draft.type: {**draft.initial, **draft.body} for draft in translate(message, zone="UTC").drafts}
    assert drafts["Coverage"]["relationship"]["coding"][0]["code"] == patient
    assert drafts["RelatedPerson"]["relationship"][0]["coding"][0]["code"] == holder


@pytest.mark.parametrize(
    ("kin", "told", "address", "numbers"),
    [
        ("|SPOUSE|Rua A 12^^Porto^^4000-001^PT|+351918765432", {"NK1#3-4", "NK1#3-5"}, None, ["+351918765432"]),
        ("|MTH|1155550133", {"NK1#3-4"}, None, ["1155550133"]),
        ("SPO|Rua A 12^^Porto^^4000-001^PT|918765432", set(), "Porto", ["918765432"]),
        ("|Vila Mae|918765432", set(), None, ["918765432"]),
        ("SPO||Ramal doze 12^PRN^Celular^^55", set(), None, ["Ramal doze 12"]),
    ],
)
def test_a_relative_a_field_late(kin: str, told: set[str], address: str | None, numbers: list[str]) -> None:
    """An address is no telephone and a relationship no street."""
    bodies, places = made("ADT^A31", f"NK1|1|Reis^Nora|{kin}\r")
    contact = bodies["Patient"][0]["contact"][0]
    assert places == told and contact.get("address", {}).get("city") == address
    assert [point["value"] for point in contact["telecom"]] == numbers
