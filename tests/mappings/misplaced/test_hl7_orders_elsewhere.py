"""Whole fields beside their own in orders, prescriptions and registrations."""

from __future__ import annotations

import pytest

from tests.mappings.misplaced.test_hl7_parts_elsewhere import made

WHO = "41^Reis^Nora^^^Dr."
ORDER = "ORC|NW|P1\rOBR|1|P1||X^Raio X^L|||20261122||||||{clinical}||{material}|{orderer}||||||||{section}|||{times}\r"
RESULT = "ORC|RE|P1\rOBR|1|P1|F1|X^Raio X^L|||20261122||||||||{material}|||||||||F\rOBX|1|ST|Y^Z^L||bom||||||F\r"


def order(**said: str) -> str:
    return ORDER.format(**{"clinical": "", "material": "", "orderer": "", "section": "", "times": "", **said})


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("ORM^O01", order(material=WHO)),
        ("ORU^R01", RESULT.format(material=WHO)),
        ("ORM^O01", order(material="41^Reis^Nora^MD")),
    ],
)
def test_who_ordered_a_field_early_is_no_specimen(kind: str, body: str) -> None:
    bodies, told = made(kind, body)
    assert "Specimen" not in bodies
    assert "specimen" not in bodies["ServiceRequest"][0]
    assert bodies["ServiceRequest"][0]["requester"]["identifier"]["value"] == "41"
    assert told == {"OBR#4-15"}


def test_a_person_for_specimen_beside_who_ordered_is_nobody() -> None:
    bodies, _ = made("ORM^O01", order(material=WHO, orderer="52^Luz^Ida^^^Dr."))
    assert "Specimen" not in bodies
    assert bodies["ServiceRequest"][0]["requester"]["identifier"]["value"] == "52"


def test_a_specimen_stays_one() -> None:
    bodies, told = made("ORM^O01", order(material="SER&Soro&HL70070", orderer=WHO))
    assert bodies["Specimen"][0]["type"]["coding"][0]["code"] == "SER"
    assert not told


def test_times_three_fields_early_are_no_section() -> None:
    bodies, told = made("ORM^O01", order(section="1^^^20261123080000^^S"))
    request = bodies["ServiceRequest"][0]
    assert "category" not in request
    assert (request["occurrenceDateTime"], request["priority"]) == ("2026-11-23T08:00:00-03:00", "stat")
    assert told == {"OBR#4-24"}
    bodies, _ = made("ORM^O01", order(section="1^^^20261123080000^^S", times="1^^^20261124080000^^R"))
    request = bodies["ServiceRequest"][0]
    assert (request["occurrenceDateTime"], request["priority"]) == ("2026-11-24T08:00:00-03:00", "routine")


def test_words_in_a_later_part_of_the_clinical_information_lose_their_marks() -> None:
    for sent in ("^^Dor torácica", "^Dor torácica", "Dor torácica"):
        bodies, _ = made("ORM^O01", order(clinical=sent))
        assert [n["text"] for n in bodies["ServiceRequest"][0]["note"]] == ["Dor torácica"], sent


def test_a_number_of_the_patient_is_no_account() -> None:
    text = "EVN||20261122\rPV1||I|4N^1^2^H\r"
    bodies, told = made("ADT^A01", text, account="7^^^H^MR")
    assert "Account" not in bodies
    assert told == {"PID#2-18"}
    bodies, told = made("ADT^A01", text, account="52998224725^^^CPF")
    assert "Account" not in bodies and told == {"PID#2-18"}
    bodies, told = made("ADT^A01", text, account="7^^^H^AN")
    assert bodies["Account"][0]["identifier"][0]["value"] == "7"
    assert not told


DRUG = "ORC|NW|P1\rRXE|{times}|D^Droga^L|10||mg|COMP||{where}|||||||{number}||||||||||||{why}\rRXR|PO^Oral^HL70162\r"


def drug(**said: str) -> str:
    return DRUG.format(**{"times": "^^^20261122080000^^R", "where": "", "number": "", "why": "", **said})


def test_how_often_where_the_ward_belongs_is_not_lost() -> None:
    for sent in ("BID^Duas vezes ao dia", "Q12H"):
        bodies, told = made("RDE^O11", drug(where=sent))
        timing = bodies["MedicationRequest"][0]["dosageInstruction"][0]["timing"]
        assert timing["code"]["coding"][0]["code"] == sent.partition("^")[0]
        assert timing["repeat"]["boundsPeriod"] == {"start": "2026-11-22T08:00:00-03:00"}
        assert timing["repeat"]["period"] == (1 if sent[0] == "B" else 12)
        assert told == {"RXE#4-8"}


def test_how_often_where_it_belongs_is_taken_before_a_ward() -> None:
    bodies, told = made("RDE^O11", drug(times="^TID^^20261122080000^^R", where="BID"))
    assert bodies["MedicationRequest"][0]["dosageInstruction"][0]["timing"]["repeat"]["frequency"] == 3
    bodies, told = made("RDE^O11", drug(where="PC^4^1"))
    timing = bodies["MedicationRequest"][0]["dosageInstruction"][0]["timing"]
    assert "code" not in timing and not told


def test_a_unit_is_no_prescription_and_a_no_is_no_indication() -> None:
    bodies, told = made("RDE^O11", drug(number="COMP", why="N"))
    request = bodies["MedicationRequest"][0]
    assert [n["value"] for n in request["identifier"]] == ["P1"]
    assert "reasonCode" not in request
    assert told == {"RXE#4-15", "RXE#4-27"}
    bodies, told = made("RDE^O11", drug(number="RX77", why="DOR^Dor^L"))
    assert [n["value"] for n in bodies["MedicationRequest"][0]["identifier"]] == ["P1", "RX77"]
    assert not told


LATE = "OBR|1|P1|F1|X^Raio X^L|||20261122070000||||||||||||||||{charge}||{status}|{parent}|||{who}\r"
LATE += "OBX|1|ST|Y^Z^L||bom||||||F\r"


def test_the_status_of_a_result_a_field_late_is_no_result_it_examines() -> None:
    bodies, told = made("ORU^R01", LATE.format(charge="20261122080000", status="", parent="F", who=WHO))
    (report,) = bodies["DiagnosticReport"]
    assert (report["status"], report["issued"]) == ("final", "2026-11-22T08:00:00-03:00")
    assert len(bodies["Observation"]) == 1
    assert "basedOn" not in bodies["ServiceRequest"][0]
    assert told == {"OBR#3-22"}  # with its time and who gets a copy


def test_a_person_is_no_parent_of_results() -> None:
    bodies, told = made("ORU^R01", LATE.format(charge="", status="F", parent="600-7&Cultura&LN^1", who=WHO))
    assert len(bodies["DiagnosticReport"]) == 1
    assert told == {"OBR#3-29"}
    bodies, told = made("ORU^R01", LATE.format(charge="", status="F", parent="600-7&Cultura&LN^1", who="P0^F0"))
    assert len(bodies["DiagnosticReport"]) == 2
    assert not told


@pytest.mark.parametrize("kind", ["ORM^O01", "ORU^R01"])
def test_an_order_a_field_early_keeps_who_ordered_and_when(kind: str) -> None:
    body = f"ORC|NW|P1||||||20261122080000|||{WHO}\rOBR|1|P1||X^Raio X^L\r"
    bodies, told = made(kind, body + ("OBX|1|ST|Y^Z^L||bom||||||F\r" if kind == "ORU^R01" else ""))
    request = bodies["ServiceRequest"][0]
    assert request["requester"]["identifier"]["value"] == "41"
    assert kind == "ORU^R01" or request["authoredOn"] == "2026-11-22T08:00:00-03:00"
    assert told == {"ORC#3-8", "ORC#3-11"}
    bodies, told = made(kind, body.replace("||||||2026", "|||||||2026"))
    assert bodies["ServiceRequest"][0]["requester"]["identifier"]["value"] == "41"
    assert not told


INSURED = "EVN||20261122\rPV1||I|4N\rIN1|1|OURO|9|Plano A|||||||||||{}\r"


def test_the_card_holder_a_field_late_is_nobody_called_by_the_plan() -> None:
    bodies, _ = made("ADT^A01", INSURED.format("|PPO|Souza^Ana^B|Self|19800102"))
    assert "RelatedPerson" not in bodies
    cover = bodies["Coverage"][0]
    assert cover["relationship"]["coding"][0]["code"] == "ONESELF"
    assert cover["subscriber"]["type"] == "Patient"
    for oneself in ("Self", "self", "TITULAR", "Titular"):
        bodies, _ = made("ADT^A01", INSURED.format(f"PPO|Souza^Ana^B|{oneself}|19800102"))
        assert "RelatedPerson" not in bodies, oneself
        assert bodies["Coverage"][0]["relationship"]["coding"][0]["code"] == "ONESELF"
    for shifted in ("|PPO|Souza^Rui^B|FTH|19500102", "PPO|Souza^Rui^B|FTH|19500102"):
        bodies, _ = made("ADT^A01", INSURED.format(shifted))
        assert bodies["RelatedPerson"][0]["name"][0]["family"] == "Souza", shifted


def test_a_moment_is_no_method() -> None:
    bodies, told = made("ORU^R01", "OBR|1|P1|F1|X^Raio X^L\rOBX|1|ST|Y^Z^L||bom||||||F||||||20261122080000\r")
    assert "method" not in bodies["Observation"][0]
    assert told == {"OBX#4-17"}


def test_a_route_among_the_words_to_the_pharmacy_is_the_route() -> None:
    bodies, told = made("ORM^O01", "ORC|NW|P1\rRXO|D^Droga^L|5||mg||PO^Oral^HL70162\r")
    request = bodies["MedicationRequest"][0]
    assert request["dosageInstruction"][0]["route"]["coding"][0]["code"] == "PO"
    assert "note" not in request
    assert told == {"RXO#4-6"}


def test_a_professional_of_another_script_is_no_specimen() -> None:
    bodies, told = made("ORM^O01", order(material="D20^鍾雅慧^^^醫師"))
    assert "Specimen" not in bodies
    assert bodies["ServiceRequest"][0]["requester"]["identifier"]["value"] == "D20"
    assert told == {"OBR#4-15"}


def test_how_often_as_priority_and_how_long_as_condition_are_read() -> None:
    bodies, told = made("RDE^O11", drug(times="^^^20261122^^BID^90^Day"))
    dosage = bodies["MedicationRequest"][0]["dosageInstruction"][0]
    assert dosage["timing"]["repeat"] == {
        "frequency": 2,
        "period": 1,
        "periodUnit": "d",
        "boundsPeriod": {"start": "2026-11-22", "end": "2027-02-19"},
    }
    assert "asNeededCodeableConcept" not in dosage and "text" not in dosage
    assert not told


def test_a_timing_of_a_day_among_the_instructions_is_no_code() -> None:
    bodies, told = made("ORM^O01", "ORC|NW|P1\rRXO|D^Droga^L|5||mg|||^^^20261122^^QD\r")
    dosage = bodies["MedicationRequest"][0]["dosageInstruction"][0]
    assert "additionalInstruction" not in dosage
    assert dosage["timing"]["code"]["coding"][0]["code"] == "QD"
    assert told == {"RXO#4-7"}
    bodies, _ = made("ORM^O01", "ORC|NW|P1|||||^^^20261122080000^^R\rRXO|D^Droga^L|5||mg|||^^^20261122^^QD\r")
    assert bodies["MedicationRequest"][0]["dosageInstruction"][0]["timing"]["code"]["coding"][0]["code"] == "QD"


def test_a_diagnosis_is_nobody() -> None:
    bodies, told = made(
        "DFT^P03", f"EVN||20261122\rFT1|1|T1||20261122||CG|C^Consulta^L{'|' * 13}I25.1^Doença^ICD-10-CM\r"
    )
    assert "Practitioner" not in bodies and "performer" not in bodies["ChargeItem"][0]
    assert told == {"FT1#4-20"}


def test_the_time_of_a_discharge_is_no_admission() -> None:
    visit = "EVN||20261122100000\rPV1||I|4N" + "|" * 38 + "{}\r"
    bodies, _ = made("ADT^A03", visit.format("20261122100000"))
    assert bodies["Encounter"][0]["period"] == {"end": "2026-11-22T10:00:00-03:00"}
    bodies, _ = made("ADT^A03", visit.format("20261120100000"))
    assert bodies["Encounter"][0]["period"]["start"] == "2026-11-20T10:00:00-03:00"


def test_the_number_of_a_document_a_field_late_is_no_parent() -> None:
    text = "EVN||20261122\rTXA|1|DS^Alta^L|FT|20261122{}\rOBX|1|FT|DS^Alta^L||bem||||||F\r"
    bodies, told = made("MDM^T02", text.format("|" * 9 + "DOC1" + "|" * 6 + "AU"))
    (document,) = bodies["DocumentReference"]
    assert (document["masterIdentifier"]["value"], document["docStatus"]) == ("DOC1", "final")
    assert "related" not in document.get("context", {})
    assert told == {"TXA#4-13", "TXA#4-19"}
    bodies, told = made("MDM^T02", text.format("|" * 8 + "DOC1|DOC0" + "|" * 4 + "AU"))
    assert {d.get("masterIdentifier", {}).get("value") for d in bodies["DocumentReference"]} >= {"DOC1"}
    assert not told


def test_the_number_of_an_original_document_is_no_parent_where_it_has_none() -> None:
    text = "EVN||20261122\rTXA|1|DS^Alta^L|FT|20261122" + "|" * 9 + "DOC1||||AU\rOBX|1|FT|DS^Alta^L||bem||||||F\r"
    bodies, told = made("MDM^T02", text)
    (document,) = bodies["DocumentReference"]
    assert (document["masterIdentifier"]["value"], document["docStatus"]) == ("DOC1", "final")
    assert "related" not in document.get("context", {})
    assert told == {"TXA#4-13"}
    bodies, told = made("MDM^T06", text)  # an addendum has a parent
    assert not told
    assert not any("masterIdentifier" in d and d.get("docStatus") for d in bodies["DocumentReference"])


def test_when_a_specimen_was_taken_a_field_early() -> None:
    text = "ORC|NW|P1\rOBR|1|P1||X^Exame^L\rSPM|1|||SER^Soro^HL70487{}\r"
    bodies, told = made("OML^O21", text.format("|" * 12 + "20261122073000|20261122074000"))
    specimen = bodies["Specimen"][0]
    assert specimen["collection"]["collectedDateTime"] == "2026-11-22T07:30:00-03:00"
    assert specimen["receivedTime"] == "2026-11-22T07:40:00-03:00"
    assert told == {"SPM#5-16"}


def test_the_house_that_gave_a_parents_number_is_no_number() -> None:
    for parent, number, system in (
        ("77^LAB", "77", "urn:ponte:lab:plac"),
        ("77&LAB^88&LIS", "88", "urn:ponte:lis:fill"),
    ):
        bodies, told = made("ORM^O01", f"ORC|NW|P1||||||{parent}\rOBR|1|P1||X^Raio X^L\r")
        (based,) = bodies["ServiceRequest"][0]["basedOn"]
        assert (based["identifier"]["value"], based["identifier"]["system"]) == (number, system)
        assert not told


def test_who_ordered_two_fields_early_is_not_lost() -> None:
    for kind, lead in (("ORM^O01", "NW"), ("ORU^R01", "RE")):
        order = f"ORC|{lead}|P1\rOBR|1|P1||X^Raio X^L|||20261122|||||||{WHO}\r"
        bodies, told = made(kind, order + ("OBX|1|ST|Y^Z^L||bom||||||F\r" if lead == "RE" else ""))
        assert bodies["ServiceRequest"][0]["requester"]["identifier"]["value"] == "41"
        assert told == {"OBR#4-14"}
