"""Times, numbers and names that stand some fields from their own place."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate
from mappings.tables.serving import missing, plans
from tests.mappings.misplaced.test_hl7_parts_elsewhere import made

ADMITTED, LEFT = "20261118101100", "20261122081100"
VISIT = "{event}PV1||I|4N^1^2^H||||41^Reis^Nora||||||||||{admitter}||{number}" + "|" * 25


def visit(kind: str, times: str, admitter: str = "", number: str = "V1") -> tuple[dict[str, Any], set[str]]:
    """The visit of a message whose PV1-44 and the fields behind it are `times`, and the places told."""
    event = f"EVN||{LEFT}\r" if kind.startswith("ADT") else ""
    before = "PRD|RP|Lima^Rui\r" if kind.startswith("REF") else ""
    bodies, told = made(kind, before + VISIT.format(event=event, admitter=admitter, number=number) + times + "\r")
    return bodies["Encounter"][0], told


@pytest.mark.parametrize("kind", ["ADT^A03", "REF^I12"])
def test_a_discharge_behind_the_admission_is_the_end_and_the_admission_is_none(kind: str) -> None:
    found, told = visit(kind, f"|{ADMITTED}|||{LEFT}")
    assert found["period"] == {"start": "2026-11-18T10:11:00-03:00", "end": "2026-11-22T08:11:00-03:00"}
    assert found["status"] == "finished"
    assert {place.split("-")[1] for place in told} == {"45", "48"}


def test_both_times_among_the_amounts_of_an_account_are_read() -> None:
    found, told = visit("ADT^A03", f"||{ADMITTED}|||{LEFT}")
    assert found["period"] == {"start": "2026-11-18T10:11:00-03:00", "end": "2026-11-22T08:11:00-03:00"}
    assert {place.split("-")[1] for place in told} == {"46", "49"}


@pytest.mark.parametrize("times", [f"{ADMITTED}|{LEFT}|150.00", f"{ADMITTED}|{LEFT}||{LEFT}"])
def test_times_in_their_own_fields_stay(times: str) -> None:
    found, told = visit("ADT^A03", times)
    assert found["period"] == {"start": "2026-11-18T10:11:00-03:00", "end": "2026-11-22T08:11:00-03:00"}
    assert not told


def test_a_number_made_of_a_day_and_a_count_is_the_visits_and_nobody() -> None:
    found, told = visit("ADT^A01", "", admitter="REL20261122001", number="")
    assert [n["value"] for n in found["identifier"]] == ["REL20261122001"]
    assert len(found["participant"]) == 1
    assert told == {"PV1#4-17"}


BOOKED = "SCH|P1|F1|||||||{}\rRGS|1\r"


@pytest.mark.parametrize(
    ("sent", "places"),
    [
        (f"|30|min|^^30^{ADMITTED}^20261118104100||41^Reis^Nora^^^Dr.", set()),  # told as a run
        (f"30|min||||||{ADMITTED}|20261118104100", {"SCH#3-16", "SCH#3-17"}),
    ],
)
def test_the_times_of_an_appointment_behind_a_length_or_in_two_fields(sent: str, places: set[str]) -> None:
    bodies, told = made("SIU^S12", BOOKED.format(sent))
    found = bodies["Appointment"][0]
    assert (found["start"], found["end"]) == ("2026-11-18T10:11:00-03:00", "2026-11-18T10:41:00-03:00")
    assert told == places


@pytest.mark.parametrize("contact", ["^^30", "41^Reis^Nora^^^Dr."])
def test_no_times_come_of_what_is_none(contact: str) -> None:
    bodies, _ = made("SIU^S12", BOOKED.format(f"|30|min|{contact}|||{LEFT}|{ADMITTED}"))
    assert "start" not in bodies["Appointment"][0]


ORDER = "ORC|{control}|P1|F1|||||{parent}|{when}\rOBR|1|P1|F1|X^Exame^L|||{when}{rest}\r"


def test_a_bare_day_is_no_parent_of_all_orders_of_that_day() -> None:
    bodies, told = made("ORM^O01", ORDER.format(control="NW", parent="20261122", when="", rest=""))
    order = bodies["ServiceRequest"][0]
    assert "basedOn" not in order
    assert order["authoredOn"] == "2026-11-22"
    assert told == {"ORC#3-8"}


def test_a_moment_before_who_entered_the_order_is_no_parent() -> None:
    bodies, told = made("ORM^O01", ORDER.format(control="NW", parent="20261122080000", when="T1^Luz^Ida", rest=""))
    order = bodies["ServiceRequest"][0]
    assert "basedOn" not in order
    assert order["authoredOn"] == "2026-11-22T08:00:00-03:00"
    assert "ORC#3-8" in told


@pytest.mark.parametrize(("parent", "when"), [("20261122^LAB", ""), ("20261122", "20261122080000"), ("20261372", "")])
def test_a_number_that_may_be_one_stays_the_parents(parent: str, when: str) -> None:
    bodies, told = made("ORM^O01", ORDER.format(control="NW", parent=parent, when=when, rest=""))
    assert bodies["ServiceRequest"][0]["basedOn"]
    assert not told


@pytest.mark.parametrize("kind", ["ORM^O01", "ORU^R01"])
def test_a_section_is_no_reason_for_a_study(kind: str) -> None:
    control = "NW" if kind == "ORM^O01" else "RE"
    rest = "|" * 18 + "F||||||RAD" + ("" if kind == "ORM^O01" else "\rOBX|1|ST|Y^Z^L||bom||||||F")
    bodies, told = made(kind, ORDER.format(control=control, parent="", when="", rest=rest))
    for body in (*bodies["ServiceRequest"], *bodies.get("DiagnosticReport", ())):
        assert body["category"][0]["coding"][0]["code"] == "RAD"
        assert "reasonCode" not in body
    assert told == {"OBR#4-31"}


@pytest.mark.parametrize(("section", "reason"), [("LAB", "CH"), ("", "CH^Cefaleia"), ("", "TOSSE")])
def test_a_reason_stays_a_reason(section: str, reason: str) -> None:
    rest = "|" * 17 + f"{section}|||||||{reason}"
    bodies, told = made("ORM^O01", ORDER.format(control="NW", parent="", when="", rest=rest))
    assert bodies["ServiceRequest"][0]["reasonCode"][0]["coding"][0]["code"] == reason.partition("^")[0]
    assert not told


@pytest.mark.parametrize("word", ["RS", "GPX", "Y"])
def test_a_few_letters_are_no_species(word: str) -> None:
    bodies, told = made("ADT^A31", "", licence="|" * 15 + word)
    assert "extension" not in bodies["Patient"][0]
    assert told == {"PID#2-35"}


@pytest.mark.parametrize("species", ["CANINE", "L-80700^Canine^SCT", "CAT^gato"])
def test_a_species_stays_one(species: str) -> None:
    bodies, told = made("ADT^A31", "", licence="|" * 15 + species)
    assert bodies["Patient"][0]["extension"][0]["extension"][0]["url"] == "species"
    assert not told


@pytest.mark.parametrize("who", ["Nr ext^Reis^Nora^^^^^^EXT", "4", "REIS^Nora", "1^1"])
def test_words_or_one_digit_make_no_record_of_a_professional(who: str) -> None:
    found, _ = made("ADT^A01", f"PV1||I|4N|||||{who}\r")
    assert "Practitioner" not in found
    assert found["Encounter"][0]["participant"][0]["individual"]["display"]


@pytest.mark.parametrize(
    ("who", "display"),
    [
        ("REIS^Nora", "Nora REIS"),
        ("DRA REIS^Nora^^^^^MD", "DRA Nora REIS"),
        ("Dra. Nora Reis^Dra.", "Dra. Nora Reis"),
        ("NREIS^REIS", "REIS"),
        ("LAB^Equipe do laboratório", "Equipe do laboratório"),
        ("nora^Reis^Nora", "Nora Reis"),
    ],
)
def test_a_name_that_begins_where_the_number_belongs_is_said_whole(who: str, display: str) -> None:
    found, _ = made("ADT^A01", f"PV1||I|4N|||||{who}\r")
    assert found["Encounter"][0]["participant"][0]["individual"]["display"] == display


@pytest.mark.parametrize("who", ["nreis^Reis^Nora^^^^^^EXT", "4^Reis^Nora", "44", "4^^^^^^^^EXT"])
def test_other_numbers_of_a_professional_make_one(who: str) -> None:
    found, _ = made("ADT^A01", f"PV1||I|4N|||||{who}\r")
    assert found["Practitioner"][0]["identifier"][0]["value"] == who.partition("^")[0]


def test_the_reference_of_a_devices_term_is_not_its_code() -> None:
    line = "OBR|1||F1|X^Exame^L\rOBX|1|NM|{}||75|mm[Hg]|||||F\r"
    for sent, system in (
        ("MDC_PRESS_BLD_DIA^MDC_PRESS_BLD_DIA^MDC", "urn:ponte:codes:mdc"),
        ("150035^MDC_PRESS_BLD_DIA^MDC", "urn:iso:std:iso:11073:10101"),
        ("MDC_PRESS_BLD_DIA^150035^MDC", "urn:iso:std:iso:11073:10101"),
    ):
        bodies, _ = made("ORU^R01", line.format(sent))
        assert bodies["Observation"][0]["code"]["coding"][0]["system"] == system, sent


STAFF = "MFI|STF^Pessoal^HL70175||UPD|||AL\rMFE|MUP||20261122|{key}|CE\rSTF|{key}||{name}\r"


def test_a_person_as_key_of_a_master_file_has_a_name_and_no_system() -> None:
    bodies, told = made("MFN^M02", STAFF.format(key="DOC9^Reis^Nora^^^Dra.", name="CARDIOLOGIA"))
    (found,) = bodies["Practitioner"]
    assert (found["name"][0]["family"], found["name"][0]["given"]) == ("Reis", ["Nora"])
    assert [n["system"] for n in found["identifier"]] == ["urn:ponte:b:stf"]
    assert told == {"STF#5-3"}


def test_a_key_with_its_system_and_a_name_stay() -> None:
    bodies, told = made("MFN^M02", STAFF.format(key="DOC9^Reis Nora^L", name="Reis^Nora"))
    (found,) = bodies["Practitioner"]
    assert (found["name"][0]["family"], found["identifier"][0]["system"]) == ("Reis", "urn:ponte:l:stf")
    assert not told


def test_an_answer_to_a_referral_needs_no_acknowledgement_which_the_standard_leaves_open() -> None:
    head = "MSH|^~\\&|A|B|C|D|20261122||RRI^I12|1|P|2.5.1\r{}PID|1||7^^^H^MR||Souza^Ana\r"
    for provider, lacking in (("PRD|CP|Lima^Rui\r", []), ("", ["PRD"])):
        message = er7.read(head.format(provider).encode())
        assert isinstance(message, Message)
        plan = plans()["RRI^I12"]
        assert missing(message, plan, "RRI^I12") == lacking


def test_a_city_is_no_number_of_a_payer_or_an_organization() -> None:
    line = "IN1|1|P1||{}||||||||20260101\rPV1||O\r"
    bodies, _ = made("ADT^A01", line.format("Convênio Azul^^Pelotas^^BR"))
    assert bodies["Coverage"][0]["payor"] == [{"type": "Organization", "display": "Convênio Azul"}]
    assert "Organization" not in bodies
    for numbered in ("Convênio Azul^^77", "Convênio Azul^^AZUL^^^ANS&1.2&ISO", "Convênio Azul^^^^^^^^^AZUL"):
        bodies, _ = made("ADT^A01", line.format(numbered))
        assert bodies["Organization"], numbered


def test_a_status_is_no_electronic_address() -> None:
    bodies, told = made("MFN^M02", "MFE|MAD||20261122|D9|CE\rSTF|D9||Reis^Nora||||||||||||A^Active\r")
    assert "telecom" not in bodies["Practitioner"][0]
    assert told == {"STF#4-15"}


def test_an_identifier_is_no_place_of_birth() -> None:
    bodies, told = made("ADT^A31", "", licence="|||21^^^HOSP^DI")
    assert "extension" not in bodies["Patient"][0]
    assert told == {"PID#2-23"}


def test_the_state_of_an_account_is_no_diet() -> None:
    line = f"EVN||{ADMITTED}\rPV1||I|4N" + "|" * 35 + "{}|||{}\r"
    bodies, told = made("ADT^A01", line.format("ADM", ADMITTED))
    assert "dietPreference" not in bodies["Encounter"][0].get("hospitalization", {})
    assert told == {"PV1#4-38", "PV1#4-41"}
    bodies, _ = made("ADT^A01", line.format("HIPO", ""))
    assert bodies["Encounter"][0]["hospitalization"]["dietPreference"]


def test_a_ward_and_a_bed_as_parts_of_the_bed_are_both_the_place() -> None:
    for sent, name in (("^^UTI&Leito5&0&0", "UTI / Leito5"), ("^^L5&1.2.3&ISO", "L5"), ("4N^^L5&X", "4N / L5")):
        bodies, _ = made("ADT^A01", f"PV1||I|{sent}\r")
        assert bodies["Location"][0]["name"] == name


@pytest.mark.parametrize(("country", "race"), [("", "04"), ("BRA", "04"), ("AUS", "")])
def test_a_race_of_another_country_is_none_of_this_one(country: str, race: str) -> None:
    head = f"MSH|^~\\&|A|B|C|D|20261122||ADT^A31|1|P|2.5.1|||||{country}\rPID|1||7^^^H^MR||Souza^Ana|||||4\r"
    message = er7.read(head.encode())
    assert isinstance(message, Message)
    (patient,) = (draft.body for draft in translate(message, zone="UTC").drafts if draft.type == "Patient")
    codes = [e["valueCodeableConcept"]["coding"][0]["code"] for e in patient.get("extension", ())]
    assert codes == ([race] if race else [])


GIVEN = "PV1||O\rORC|RE|P1\rRXA|0|1|20261122080000||207^Vacina^CVX|0.5|mL||{note}|{giver}|\r"
RECORDS = {"VXU^V04": "Immunization", "RAS^O17": "MedicationAdministration"}


@pytest.mark.parametrize("kind", list(RECORDS))
@pytest.mark.parametrize("note", ["41^Reis^Nora^^^Dra.", "^Reis^Nora"])
def test_who_gave_a_dose_a_field_early_is_no_note(kind: str, note: str) -> None:
    bodies, told = made(kind, GIVEN.format(note=note, giver=""))
    (found,) = bodies[RECORDS[kind]]
    assert found["performer"][0]["actor"]["display"].endswith("Nora Reis")
    assert "note" not in found
    assert told == {"RXA#5-9"}


@pytest.mark.parametrize(("note", "giver"), [("^Dose dada em casa", ""), ("DR4^Reis^Nora^^^Dra.", "42^Lima^Rui")])
def test_a_note_of_a_dose_stays_one(note: str, giver: str) -> None:
    bodies, told = made("VXU^V04", GIVEN.format(note=note, giver=giver))
    (found,) = bodies["Immunization"]
    assert found["note"]
    assert len(found.get("performer", ())) == (1 if giver else 0)
    assert not told


@pytest.mark.parametrize(("condition", "needed"), [("dias", False), ("일", False), ("dor", True), ("se febre", True)])
def test_a_unit_of_time_alone_is_no_condition(condition: str, needed: bool) -> None:
    order = f"ORC|NW|P1\rRXE|^^^20261122^^^{condition}|7^Dipirona^L|500||mg\r"
    bodies, told = made("RDE^O11", order)
    dosage = bodies["MedicationRequest"][0]["dosageInstruction"][0]
    assert any(name.startswith("asNeeded") for name in dosage) == needed
    assert told == (set() if needed else {"RXE#4-1"})


def test_the_state_of_an_account_is_no_pending_place() -> None:
    line = f"EVN||{ADMITTED}\rPV1||I|4N" + "|" * 39 + "{}|||{}\r"
    bodies, told = made("ADT^A01", line.format("ADM", ADMITTED))
    assert [p["name"] for p in bodies["Location"]] == ["4N"]
    assert told == {"PV1#4-42", "PV1#4-45"}
    bodies, _ = made("ADT^A01", line.format("5N", ""))
    assert {p["name"] for p in bodies["Location"]} == {"4N", "5N"}


PROVIDER = "PRD|RP|Reis^Nora^^^Dra.|{}||77^CRM^RS\rRF1|A\r"
HOME, PHONE = "Rua Azul 9^^Pelotas^RS^96010-001^BR", "^WPN^PH^^^^^^^^^(53)5550133"


def test_the_address_of_a_provider_a_field_late_is_no_bed() -> None:
    bodies, told = made("REF^I12", PROVIDER.format(f"|{HOME}|^^CLINICA|{PHONE}").replace("||77", "|77"))
    assert "Location" not in bodies
    (person,) = bodies["Practitioner"]
    assert person["address"][0]["city"] == "Pelotas"
    assert person["telecom"][0]["value"] == "(53)5550133"
    assert told == {"PRD#3-4", "PRD#3-5"}


def test_a_providers_place_and_telephone_in_their_own_fields_stay() -> None:
    bodies, told = made("REF^I12", PROVIDER.format(f"{HOME}|^^^CLINICA|{PHONE}"))
    assert bodies["Location"][0]["name"] == "CLINICA"
    assert bodies["Practitioner"][0]["telecom"][0]["value"] == "(53)5550133"
    assert not told
