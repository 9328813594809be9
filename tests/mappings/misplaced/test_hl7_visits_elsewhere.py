"""Visits, doses, urgencies and people where others belong."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate
from tests.mappings.misplaced.test_hl7_parts_elsewhere import HEAD, made

MOMENT = "20261120080000"
VISIT = (
    "PV1||I|4N^1^2^H||||{doctor}||||||||||{admitter}|{sort}|{number}|{payer}||||||||||||||||||||||{held}|{was}|{came}\r"
)


def visit(
    kind: str = "ADT^A01", event: str = "EVN||20261122\r", rest: str = "", **said: str
) -> tuple[dict[str, list[dict[str, Any]]], set[str]]:
    fields = ("doctor", "admitter", "sort", "number", "payer", "held", "was", "came")
    return made(kind, event + VISIT.format(**{**dict.fromkeys(fields, ""), **said}) + rest)


@pytest.mark.parametrize(
    ("said", "number", "system", "place"),
    [
        ({"sort": "V123456"}, "V123456", "a", 18),
        ({"sort": "V7001^^^HIB^VN"}, "V7001", "hib", 18),
        ({"admitter": "V7001^^^HIB^VN", "sort": "OSDE^OSDE 410"}, "V7001", "hib", 17),
        ({"admitter": "V900100", "doctor": "D900100^Reis^Nora"}, "V900100", "a", 17),
        ({"payer": "RSK202604010001"}, "RSK202604010001", "a", 20),
        ({"payer": "HSLB26INT00000123"}, "HSLB26INT00000123", "a", 20),
    ],
)
def test_a_visit_number_beside_its_field(said: dict[str, str], number: str, system: str, place: int) -> None:
    bodies, told = visit(**said)
    stay = bodies["Encounter"][0]
    assert [(i["value"], i["type"]["coding"][0]["code"]) for i in stay["identifier"]] == [(number, "VN")]
    assert stay["identifier"][0]["system"].endswith(f"{'b' if system == 'a' else system}:vn")
    assert told == {f"PV1#4-{place}"}
    assert not [p for p in stay.get("participant", ()) if p["type"][0]["coding"][0]["code"] == "ADM"]


@pytest.mark.parametrize(
    "said",
    [
        {"sort": "V1"},
        {"sort": "VIP"},
        {"admitter": "V900100", "doctor": "V800200^Reis^Nora"},
        {"admitter": "V900100"},
        {"payer": "COM"},
        {"payer": "1234"},
        {"sort": "V123456", "number": "88"},
        {"payer": "RSK202604010001", "number": "88"},
        {"payer": "RSK202604010001", "came": MOMENT},
    ],
)
def test_no_other_code_becomes_a_visit(said: dict[str, str]) -> None:
    bodies, told = visit(**said)
    numbers = [i["value"] for i in bodies["Encounter"][0].get("identifier", ())]
    assert numbers == ([said["number"]] if "number" in said else []) and not told


@pytest.mark.parametrize(("number", "told"), [("", {"PV1#4-18"}), ("88", set())])
def test_a_long_number_as_type_of_patient_is_told_where_the_visit_has_none(number: str, told: set[str]) -> None:
    bodies, found = visit(sort="900877", number=number)
    assert [one["value"] for one in bodies["Encounter"][0].get("identifier", ())] == ([number] if number else [])
    assert found == told


@pytest.mark.parametrize(
    ("payer", "came", "number"), [("CASO20001", MOMENT, "CASO20001"), ("CASO20001", "", None), ("COM", MOMENT, None)]
)
def test_a_case_where_the_payer_belongs_and_the_times_are_late(payer: str, came: str, number: str | None) -> None:
    line = f"PV1||I|4N{'|' * 17}{payer}{'|' * 27}{came}\r"
    bodies, told = made("ADT^A01", "EVN||20261122\r" + line)
    assert [i["value"] for i in bodies["Encounter"][0].get("identifier", ())] == ([number] if number else [])
    assert ("PV1#4-20" in told) is bool(number) and ("PV1#4-47" in told) is bool(came)


def test_an_admission_where_a_place_belongs() -> None:
    for said in ({"held": MOMENT}, {"was": MOMENT}):
        bodies, told = visit(**said)
        assert bodies["Encounter"][0]["period"] == {"start": "2026-11-20T08:00:00-03:00"}
        assert told == {"PV1#4-42" if "held" in said else "PV1#4-43"}
    order = "ORC|NW|P1\rOBR|1|P1||X^Raio X^L\r"
    bodies, _ = visit("ORM^O01", "", number="8", was=MOMENT, rest=order)
    assert bodies["Encounter"][0]["period"]["start"].startswith("2026-11-20T08")


@pytest.mark.parametrize("kind", ["ADT^A02", "ADT^A03", "ADT^A08"])
def test_the_time_of_a_later_event_there_is_no_admission(kind: str) -> None:
    bodies, told = visit(kind, number="8", was=MOMENT)
    assert "start" not in bodies["Encounter"][0].get("period", {})
    assert told == {"PV1#4-43"}


def test_a_yes_or_no_makes_no_animal_of_a_person() -> None:
    for sent in ("N", "Y"):
        bodies, told = made("ADT^A31", "EVN||20261122\r", licence=f"{'|' * 15}{sent}")
        assert "extension" not in bodies["Patient"][0], sent
        assert told == {"PID#2-35"}
    bodies, told = made("ADT^A31", "EVN||20261122\r", licence=f"{'|' * 15}L-80700^Cão^SNM")
    assert bodies["Patient"][0]["extension"][0]["url"].endswith("patient-animal") and not told


DRUG = "ORC|NW|P1\rRXO|0123^DIPIRONA^L|{low}||{unit}||{word}||{where}\r"


def test_a_dose_two_fields_late_with_its_unit_and_route() -> None:
    bodies, told = made("ORM^O01", DRUG.format(low="", unit="500", word="mg", where="PO^Oral^HL70162"))
    request = bodies["MedicationRequest"][0]
    dosage = request["dosageInstruction"][0]
    assert dosage["doseAndRate"][0]["doseQuantity"] == {"value": 500, "unit": "mg"}
    assert dosage["route"]["coding"][0]["code"] == "PO"
    assert "note" not in request
    assert told == {"RXO#4-4", "RXO#4-8"}


@pytest.mark.parametrize("word", ["", "com água", "5"])
def test_a_number_as_unit_without_unit_is_told_and_no_dose(word: str) -> None:
    bodies, told = made("ORM^O01", DRUG.format(low="", unit="500", word=word, where=""))
    assert "dosageInstruction" not in bodies["MedicationRequest"][0]
    assert told == {"RXO#4-4"}


def test_a_word_to_the_pharmacy_stays_one_beside_a_dose() -> None:
    bodies, told = made("ORM^O01", DRUG.format(low="500", unit="mg", word="SEDE", where=""))
    assert [n["text"] for n in bodies["MedicationRequest"][0]["note"]] == ["Instrução à farmácia: SEDE"] and not told


ORDER = "ORC|NW|P1\rOBR|1|P1||X^Raio X^L|{old}||||||||||||||||||||||||{parent}\r"


@pytest.mark.parametrize(("sent", "priority"), [("STAT", "stat"), ("R^ROUTINE", "routine"), ("urgent", "urgent")])
def test_an_urgency_where_the_parent_belongs(sent: str, priority: str) -> None:
    bodies, told = made("ORM^O01", ORDER.format(old="", parent=sent))
    request = bodies["ServiceRequest"][0]
    assert "basedOn" not in request and request["priority"] == priority
    assert told == {"OBR#4-29"}


def test_a_parent_in_its_place_is_one() -> None:
    bodies, told = made("ORM^O01", ORDER.format(old="S", parent="P0^HIS"))
    assert bodies["ServiceRequest"][0]["basedOn"] and bodies["ServiceRequest"][0]["priority"] == "stat" and not told


def test_the_status_of_a_document_a_field_late() -> None:
    rest = "EVN||20261122\rTXA|1|CN|TX|20261122|41^Reis^Nora|||||||DOC9||||||{}\rOBX|1|TX|N^Nota^L||bom||||||F\r"
    bodies, told = made("MDM^T02", rest.format("AU"))
    assert bodies["DocumentReference"][0]["docStatus"] == "final" and told == {"TXA#4-18"}
    bodies, told = made("MDM^T02", rest.format("R"))
    assert "docStatus" not in bodies["DocumentReference"][0] and bodies["DocumentReference"][0]["securityLabel"]


def test_a_card_holder_of_whom_nothing_is_said_is_nobody() -> None:
    days = "20250101|20261231|||1^Titular^HL70072|Souza^Ana|01^Self^HL70063|19800101"
    bodies, told = made("ADT^A01", f"EVN||20261122\rPV1||I|4N\rIN1|1|P1|77|Convenio|Rua 1|||||||||||{days}\r")
    assert "RelatedPerson" not in bodies
    coverage = bodies["Coverage"][0]
    assert "order" not in coverage  # a reference to who is not made goes with the bundle
    assert told == {"IN1#5-16", "IN1#5-17", "IN1#5-22", "IN1#5-23"}


@pytest.mark.parametrize("sent", ["D1^Reis^Nora^^^^^L^^^DR", "110^Reis^Nora^^^^^^^L^^^^^I"])
def test_a_person_as_resource_by_the_type_of_the_name(sent: str) -> None:
    rest = "SCH|1^A|2^A|||||CHECK|||30|min|^^^20261122080000^20261122083000\r"
    bodies, _ = made("SIU^S12", rest + f"RGS|1\rAIG|1||{sent}\r")
    actors = [p["actor"] for p in bodies["Appointment"][0]["participant"]]
    assert [a.get("type") for a in actors if "Device" in str(a)] == []
    assert bodies["Practitioner"][0]["name"][0]["family"] == "Reis"


@pytest.mark.parametrize("own", ["SOUA800102MDFXXX09", "0201805558", "X19800102Y"])
def test_the_patients_own_number_makes_no_mother(own: str) -> None:
    text = "PV1||I|4N\r"
    bodies, told = born(text, own)
    assert "RelatedPerson" not in bodies and told == {"PID#2-21"}
    bodies, told = born(text, own, mother="Lima^Rosa")
    mother = bodies["RelatedPerson"][0]
    assert mother["name"][0]["family"] == "Lima" and "identifier" not in mother and told == {"PID#2-21"}


@pytest.mark.parametrize("number", ["SOUA550102MDFXXX09^^^CURP", "77001", "800102"])
def test_a_mothers_number_makes_one(number: str) -> None:
    bodies, told = born("PV1||I|4N\r", number)
    assert bodies["RelatedPerson"][0]["identifier"][0]["value"] == number.partition("^")[0] and not told


def born(rest: str, number: str, mother: str = "") -> tuple[dict[str, list[dict[str, Any]]], set[str]]:
    """The bodies of a registration of somebody born on 2 January 1980, with PID-6 and PID-21."""
    text = HEAD.format(kind="ADT^A01", address="", phone="", account="", licence=f"|{number}")
    message = er7.read((text.replace("Souza^Ana||", f"Souza^Ana|{mother}|19800102", 1) + rest).encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    bodies: dict[str, list[dict[str, Any]]] = {}
    for draft in translation.drafts:
        bodies.setdefault(draft.type, []).append({**draft.initial, **draft.body})
    return bodies, {p.where for p in translation.problems if p.code == "field.misplaced"}


WHO = "D41^Reis^Nora^^^LKT^Lääkäri"


@pytest.mark.parametrize("place", [14, 15, 17])
@pytest.mark.parametrize("kind", ["ORM^O01", "ORU^R01"])
def test_who_ordered_beside_the_field(kind: str, place: int) -> None:
    result = "|" * (25 - place) + "F\rOBX|1|ST|Y^Z^L||bom||||||F" if kind == "ORU^R01" else ""
    bodies, told = made(
        kind, f"ORC|{'RE' if result else 'NW'}|P1\rOBR|1|P1|F1|X^Raio X^L{'|' * (place - 4)}{WHO}{result}\r"
    )
    assert bodies["ServiceRequest"][0]["requester"]["identifier"]["value"] == "D41"
    assert "Specimen" not in bodies and told == {f"OBR#4-{place}"}


def test_a_material_with_two_codes_stays_one() -> None:
    bodies, told = made("ORM^O01", "ORC|NW|P1\rOBR|1|P1||X^Exame^L|||||||||||B2^Sangue^L^SG^Soro^LAB\r")
    assert bodies["Specimen"][0]["type"]["coding"][0]["code"] == "B2" and not told


@pytest.mark.parametrize("kind", ["ORM^O01", "ORU^R01"])
def test_the_patient_is_nobody_who_ordered(kind: str) -> None:
    result = "|||||||||F\rOBX|1|ST|Y^Z^L||bom||||||F" if kind == "ORU^R01" else ""
    order = "ORC|RE|P1\rOBR|1|P1|F1|X^Raio X^L||||||||||||{}" + result + "\r"
    bodies, told = made(kind, order.format("7^SOUZA^Ana M"))
    assert "Practitioner" not in bodies and "requester" not in bodies["ServiceRequest"][0]
    assert told == {"OBR#4-16"}
    for other in ("7^Reis^Ana", "8^Souza^Ana", "7^Souza^Ana^^^^^^CRM-SP"):
        bodies, told = made(kind, order.format(other))
        assert bodies["Practitioner"] and not told, other


def test_a_discharge_behind_a_visit_number_that_is_early() -> None:
    stay = "PV1||I|4N|||||||||||||||V12345|||||||||||||||||||||||||||20261120080000\r"
    order = "ORC|NW|P1\rOBR|1|P1||X^Raio X^L\r"
    body = made("ORM^O01", stay + order)[0]["Encounter"][0]
    assert (body["status"], body["period"]) == ("in-progress", {"start": "2026-11-20T08:00:00-03:00"})
    bodies, told = made("ADT^A08", "EVN||20261122\r" + stay)
    assert "period" not in bodies["Encounter"][0] and told == {"PV1#4-18", "PV1#4-45"}
    bodies, told = made("ADT^A03", "EVN||20261120080000\r" + stay)
    assert bodies["Encounter"][0]["period"] == {"end": "2026-11-20T08:00:00-03:00"} and told == {"PV1#4-18"}


def test_who_told_of_a_dose_is_no_place() -> None:
    dose = "ORC|RE|P1\rRXA|0|1|20261120|20261120|08^Hep B^CVX|999||||{}|{}\r"
    bodies, told = made("VXU^V04", dose.format("", "00^New record^NIP001"))
    assert "location" not in bodies["Immunization"][0] and told == {"RXA#4-11"}
    bodies, told = made("VXU^V04", dose.format("", "^^^CLINICA"))
    assert bodies["Immunization"][0]["location"]["display"] == "CLINICA" and not told


def test_a_part_of_an_orders_number_is_no_number_of_many_orders() -> None:
    bodies, _ = made("ORM^O01", "ORC|NW|P78|F78~001\rOBR|1|P78|F78~001|X^Raio X^L\r")
    assert [n["value"] for n in bodies["ServiceRequest"][0]["identifier"]] == ["P78", "F78"]


ABROAD = "MSH|^~\\&|A|B|C|D|20261122||ADT^A31|1|P|2.5||||||{country}|UNICODE UTF-8\r"
BORN = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"


def person(address: str, born: str = "", country: str = "", kind: str = "PID") -> dict[str, Any]:
    text = ABROAD.format(country=country).replace("||||||", "|||||", 1)
    message = er7.read(f"{text}{kind}|1||7^^^H^MR||Souza^Ana||||||{address}||||||||||||{born}\r".encode())
    assert isinstance(message, Message)
    return next(d.body for d in translate(message, zone="UTC").drafts if d.type == "Patient")


@pytest.mark.parametrize("kind", ["BDL", "N", "bdl"])
def test_where_somebody_was_born_is_no_home(kind: str) -> None:
    """Table 0190: BDL and N are addresses of the birth."""
    home, birth = "Rua A 1^^Lyon^^69003^FRA^H", f"Rua B 2^^Nantes^^^^{kind}^^44109"
    place = {"line": ["Rua B 2"], "city": "Nantes", "district": "44109"}
    for sent in (f"{home}~{birth}", f"{birth}~{home}"):
        body = person(sent)
        assert [a["city"] for a in body["address"]] == ["Lyon"]
        assert [e["valueAddress"] for e in body["extension"] if e["url"] == BORN] == [place]
    body = person(birth, "Maternidade Sul")
    assert "address" not in body
    assert [e["valueAddress"] for e in body["extension"] if e["url"] == BORN] == [{**place, "text": "Maternidade Sul"}]


@pytest.mark.parametrize(
    ("sent", "country", "code"),
    [
        ("Rua A^^X^^^BRA^H^^355030", "", "355030"),
        ("Rua A^^X^^^^H^^3550308", "BRA", "3550308"),
        ("Rua A^^X^^^^H^^355030", "", "355030"),
        ("Rua A^^X^^^CHN^H^^320102", "", None),  # a code of an authority of its own
        ("Rua A^^X^^^^H^^320102", "CHN", None),
        ("Rua A^^X^^^^H^^990102", "", None),  # no state
    ],
)
def test_a_district_of_another_country_is_no_municipality(sent: str, country: str, code: str | None) -> None:
    address = person(sent, country=country)["address"][0]
    assert ("_city" in address) == (code is not None)
    assert address.get("district") == (None if code else sent[-6:])


def test_a_birth_place_of_another_country_is_no_municipality() -> None:
    def born(country: str) -> dict[str, Any]:
        return next(e["valueAddress"] for e in person("", "3550308", country)["extension"] if e["url"] == BORN)

    assert "_city" in born("") and "_city" in born("BRA") and born("POL") == {"text": "3550308"}


@pytest.mark.parametrize(
    ("phone", "told"), [("^PRN^PH", False), ("^^PH", False), ("^WPN^CP~^^PH", False), ("^PRN^PH^Reis", True)]
)
def test_the_kind_of_a_telephone_that_is_not_there(phone: str, told: bool) -> None:
    bodies, places = made("ADT^A31", "EVN||20261122\r", phone=phone)
    assert "telecom" not in bodies["Patient"][0] and bool(places) == told


def test_a_length_without_unit_differs_from_no_end() -> None:
    """SCH-11 says when it ends: start and bare length make no other end of it."""
    head = "MSH|^~\\&|A|B|C|D|20261122||SIU^S12|1|P|2.5.1\rSCH|A1|A2|||||||1800||^^M30^202612010800^202612010830\r"
    message = er7.read(f"{head}TQ1|1||||||202612010800|202612010830\rPID|1||7^^^H^MR||Souza^Ana\r".encode())
    assert isinstance(message, Message)
    assert "field.differs" not in {p.code for p in translate(message, zone="UTC").problems}


def test_an_admission_four_fields_early() -> None:
    stay = "|".join(["PV1", "", "I", "4N", *[""] * 36, MOMENT]) + "\r"
    bodies, told = made("ADT^A01", "EVN||20261122\r" + stay)
    assert bodies["Encounter"][0]["period"]["start"] == "2026-11-20T08:00:00-03:00" and told == {"PV1#4-40"}
    bodies, told = made("ADT^A01", "EVN||20261122\r" + stay.replace(MOMENT, "C"))
    assert "period" not in bodies["Encounter"][0] and not told


@pytest.mark.parametrize(
    ("field", "sent", "rest", "told"),
    [
        (6, "16626", "", True),  # the number of the physician in PV1-7
        (11, "1173^COSTA^IVO^A", "TXA|1|CN||20261122|1173^COSTA^IVO\r", True),
        (6, "16627", "", False),
        (11, "1173^SALA^LEITO", "TXA|1|CN||20261122|1173^COSTA^IVO\r", False),
    ],
)
def test_a_person_of_the_message_is_no_place(field: int, sent: str, rest: str, told: bool) -> None:
    fields = ["PV1", "", "I", "4N^1^2^H", "", "", "", "16626^REIS^NORA", *[""] * 11, "V100200"]
    fields[field] = sent
    bodies, places = made("MDM^T02" if rest else "ADT^A08", "|".join(fields) + "\r" + rest)
    assert (f"PV1#3-{field}" in places) == told
    assert len(bodies["Encounter"][0]["location"]) == (1 if told else 2)
