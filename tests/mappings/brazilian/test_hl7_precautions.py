"""What a ward must know before it comes near a patient: isolation (PV2-41) and what is not to be done (PV2-45)."""

from __future__ import annotations

from tests.mappings.misplaced.test_hl7_parts_elsewhere import made


def visit(precaution: str, directive: str) -> str:
    return f"PV1|1|I|UTI^01^A\rPV2|||^Sepse{'|' * 38}{precaution}||||{directive}\r"


def test_a_precaution_is_an_arrangement_of_the_stay() -> None:
    bodies, _ = made("ADT^A08", visit("C^ISOLAMENTO DE CONTATO~^GOTÍCULAS", ""))
    stay = bodies["Encounter"][0]
    assert [one["text"] for one in stay["hospitalization"]["specialArrangement"]] == [
        "ISOLAMENTO DE CONTATO", "GOTÍCULAS",
    ]  # fmt: skip
    assert stay["reasonCode"] == [{"text": "Sepse"}] and "Observation" not in bodies


def test_a_directive_of_the_stay_and_that_it_was_taken_back() -> None:
    (told,) = made("ADT^A08", visit("", "DNR^NÃO REANIMAR"))[0]["Observation"]
    assert told["code"]["coding"][0]["code"] == "75320-2" and told["encounter"]
    assert told["valueCodeableConcept"]["text"] == "NÃO REANIMAR"
    (gone,) = made("ADT^A08", visit("", '""'))[0]["Observation"]
    assert "valueCodeableConcept" not in gone and gone["code"] == told["code"]
