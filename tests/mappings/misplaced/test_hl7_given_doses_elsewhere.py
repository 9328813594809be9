"""A dose that was given, its lot and maker; whose a number is; what no unit is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mappings.misplaced.test_hl7_parts_elsewhere import made

DOSE = "ORC|RE||F1\rRXA|0|1|20261122100000|20261122100000|08^Hepatite B^CVX|0.5|mL||00||||"


def vaccine(tail: str) -> tuple[dict[str, Any], set[str]]:
    """The vaccination whose RXA goes on with `tail` at RXA-13, and what is told to belong elsewhere."""
    bodies, told = made("VXU^V04", f"{DOSE}{tail}\r")
    return bodies["Immunization"][0], told


@pytest.mark.parametrize("sent", ["CP", "CP^Complete^HL70322", "PA^Partial", "CP^Completa"])
def test_a_completion_where_the_reason_for_no_dose_belongs_says_that_it_was_given(sent: str) -> None:
    body, told = vaccine(f"||L22|20271122||{sent}")
    assert body["status"] == "completed" and "statusReason" not in body
    assert told == {"RXA#4-18"}


@pytest.mark.parametrize("sent", ["03^Patient decision^NIP002", "RE", "CP^Contraindicado^99LOCAL", "Febre"])
def test_any_other_reason_says_that_the_dose_was_not_given(sent: str) -> None:
    body, told = vaccine(f"||L22|20271122||{sent}")
    assert body["status"] == "not-done" and body["statusReason"] and not told


def test_what_the_completion_says_in_its_own_field_holds() -> None:
    body, told = vaccine("||L22|20271122||CP^Complete^HL70322||RE")
    assert body["status"] == "not-done" and "Complete" not in str(body["statusReason"]) and told == {"RXA#4-18"}


def test_a_dose_given_by_the_pharmacy_likewise() -> None:
    rest = "ORC|RE|P1\rRXA|0|1|20261122100000||0123^DIPIRONA^L|500|mg|||||||||||CP^Complete^HL70322\r"
    bodies, told = made("RAS^O17", rest)
    assert bodies["MedicationAdministration"][0]["status"] == "completed" and told == {"RXA#4-18"}


def test_lot_and_expiry_two_fields_early_as_the_manufacturer_shows() -> None:
    body, told = vaccine("L22|20271122|MSD^Merck^MVX")
    assert (body["lotNumber"], body["expirationDate"]) == ("L22", "2027-11-22")
    assert body["manufacturer"]["identifier"]["value"] == "MSD" and told == {"RXA#4-15"}


def test_a_manufacturer_one_field_early_beside_its_lot() -> None:
    body, _ = vaccine("||L22|MSD^Merck^MVX")
    assert body["lotNumber"] == "L22" and body["manufacturer"]["display"] == "Merck" and "expirationDate" not in body


@pytest.mark.parametrize(("sent", "lot", "places"), [("A", None, {"RXA#4-15"}), ("A1", "A1", set()), ("7", "7", set())])
def test_the_action_is_no_lot(sent: str, lot: str | None, places: set[str]) -> None:
    body, told = vaccine(f"||{sent}")
    assert body.get("lotNumber") == lot and told == places


def test_a_strength_and_a_lot_in_their_places_stay() -> None:
    body, told = vaccine("5|mg^mg^UCUM|L22|20271122|MSD^Merck^MVX")
    assert (body["lotNumber"], body["expirationDate"], told) == ("L22", "2027-11-22", set())


@pytest.mark.parametrize(("sent", "mothers"), [("N", 0), ("H^Hispanic", 0), ("88", 1), ("N^^^H^MR", 1)])
def test_a_letter_alone_is_no_mothers_number(sent: str, mothers: int) -> None:
    bodies, told = made("ADT^A01", "PV1|1|I\r", licence=f"|{sent}")
    assert len(bodies.get("RelatedPerson", [])) == mothers
    assert told == (set() if mothers else {"PID#2-21"})


def test_an_authority_with_parts_is_no_number_of_a_laboratory() -> None:
    place = "LAB7^Laboratório Sete^CLIA&1.2.3.4&ISO^XX^^^77"
    bodies, told = made("ORU^R01", f"OBR|1||E1|88^Glicose\rOBX|1|NM|88^Glicose||90|mg/dL|||||F||||||||||||{place}\r")
    assert bodies["Observation"][0]["performer"] == [{"type": "Organization", "display": "LAB7"}]
    assert told == {"OBX#4-23"}


@pytest.mark.parametrize("table", ["HL70335", "HL70162", "0163"])
def test_a_code_of_a_route_or_a_repeat_pattern_is_no_unit(table: str) -> None:
    bodies, told = made("ORM^O01", f"ORC|NW|P1\rRXO|0123^DIPIRONA^L|500||mg|||||||10|QD^Uma vez^{table}\r")
    assert bodies["MedicationRequest"][0]["dispenseRequest"]["quantity"] == {"value": 10}
    assert told == {"RXO#4-12"}


@pytest.mark.parametrize(("rest", "route"), [("", "SC"), ("RXR|IV^Intravenosa^HL70162\r", "IV")])
def test_a_route_where_the_one_who_gives_is_instructed_is_the_route(rest: str, route: str) -> None:
    order = "ORC|NW|P1\rRXE|1^Q6H|0123^DIPIRONA^L|500||mg||SC^Subcutânea^HL70162\r"
    bodies, told = made("RDE^O11", order + rest)
    dosage = bodies["MedicationRequest"][0]["dosageInstruction"][0]
    assert dosage["route"]["coding"][0]["code"] == route and "additionalInstruction" not in dosage
    assert told == {"RXE#4-7"}


@pytest.mark.parametrize(("behind", "number"), [("", "77"), ("|88&Lima&Rui", "88")])
def test_a_person_where_the_reason_belongs_is_who_interpreted(behind: str, number: str) -> None:
    order = f"OBR|1||E1|88^Glicose|||||||||||||||||||||F||||||77^Dias^Eva^^^^MD{behind}\r"
    bodies, told = made("ORU^R01", f"{order}OBX|1|NM|88^Glicose||90|mg/dL|||||F\r")
    assert "reasonCode" not in bodies["ServiceRequest"][0] and told == {"OBR#3-31"}
    interpreters = bodies["DiagnosticReport"][0]["resultsInterpreter"]
    assert [one["identifier"]["value"] for one in interpreters] == [number]


def test_a_reason_with_three_parts_stays_one() -> None:
    rest = "OBR|1||E1|88^Glicose|||||||||||||||||||||F||||||E11^Diabete^99L\rOBX|1|NM|88^Glicose||90|mg/dL|||||F\r"
    bodies, told = made("ORU^R01", rest)
    assert bodies["ServiceRequest"][0]["reasonCode"] and "resultsInterpreter" not in bodies["DiagnosticReport"][0]
    assert not told
