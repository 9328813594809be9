"""What a message says in another field than the usual one: durations without frequency, results without OBX-3, relations
of places. It is kept, or told."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from hub.records.drafts.offline import bundle
from mappings.reading.engine import translate

HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||{kind}|c1|P|2.5.1||||||UNICODE UTF-8"
PID = "PID|1||31^^^HOSP^MR||Souza^Ana"
DAYS = {"value": 30, "unit": "d", "system": "http://unitsofmeasure.org", "code": "d"}
SPAN = {"start": "2026-01-01", "end": "2026-01-30"}


def made(kind: str, *lines: str) -> tuple[dict[str, list[dict[str, Any]]], list[tuple[str, str]]]:
    """The records of a message by type, and its findings."""
    message = er7.read("\r".join([HEAD.format(kind=kind), *lines]).encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    found, wrong = bundle(translation.drafts, "s")
    assert wrong == []
    records: dict[str, list[dict[str, Any]]] = {}
    for entry in found["entry"]:
        records.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return records, [(problem.code, problem.where) for problem in translation.problems]


WHEN = [
    ("TQ1|1|||||30^d|20260101", ("occurrencePeriod", SPAN), {"boundsPeriod": SPAN}, ()),
    ("TQ1|1|||||30^日|20260101", ("occurrencePeriod", SPAN), {"boundsPeriod": SPAN}, ()),
    ("TQ1|1|||||30^dias||20260130", ("occurrencePeriod", SPAN), {"boundsPeriod": SPAN}, ()),
    ("TQ1|1|||||30^d", ("occurrenceTiming", {"repeat": {"boundsDuration": DAYS}}), {"boundsDuration": DAYS}, ()),
    ("TQ1|1|||||INDEF|20260101", ("occurrenceDateTime", "2026-01-01"), {"boundsPeriod": {"start": "2026-01-01"}}, ()),
    ("TQ1|1|||||||20260130", ("occurrencePeriod", {"end": "2026-01-30"}), {"boundsPeriod": {"end": "2026-01-30"}}, ()),
    ("TQ1|1|||0800~2000", ("occurrenceTiming", {"repeat": {"timeOfDay": ["08:00:00", "20:00:00"]}}), {"timeOfDay": ["08:00:00", "20:00:00"]}, ()),
    ("TQ1|1|||||30^?|20260101", ("occurrenceDateTime", "2026-01-01"), {"boundsPeriod": {"start": "2026-01-01"}}, ("field.duration-form",)),
    ("TQ1|1|||||muito", (), None, ("field.duration-form",)),
]  # fmt: skip


@pytest.mark.parametrize("row", WHEN, ids=lambda row: row[0])
def test_a_duration_without_frequency(row: tuple[str, Any, dict[str, Any] | None, tuple[str, ...]]) -> None:
    records, told = made("OML^O21^OML_O21", PID, "ORC|NW|P1", row[0], "OBR|1|P1||X^Exame^L")
    (order,) = records["ServiceRequest"]
    assert [pair for pair in order.items() if pair[0].startswith("occurrence")] == ([row[1]] if row[1] else [])
    assert told == [(code, "TQ1#4-6") for code in row[3]]
    records, told = made("RDE^O11^RDE_O11", PID, "ORC|NW|P1", "RXE||X^Droga^L|1||mg", row[0], "RXR|PO")
    (dosage,) = records["MedicationRequest"][0]["dosageInstruction"]
    assert dosage.get("timing", {}).get("repeat") == row[2]
    assert told == [(code, "TQ1#5-6") for code in row[3]]


def test_a_condition_and_an_instruction_of_a_timing_are_kept_wherever_it_stands() -> None:
    """TQ1-10 and TQ1-11 of orders, gives and dispenses, as those of prescriptions."""
    when = "TQ1|1||BID|||||||se dor|com água"
    records, told = made("OML^O21^OML_O21", PID, "ORC|NW|P1", when, "OBR|1|P1||X^Exame^L")
    (order,) = records["ServiceRequest"]
    assert order["asNeededCodeableConcept"] == {"text": "se dor"} and order["note"] == [{"text": "com água"}]
    give = ("ORC|NW|P1", "RXG|1|1||X^Droga^L|1||mg", when, "RXR|PO")
    dispense = ("ORC|RE|P1", "RXD|1|X^Droga^L|20260101|1|mg||9", when, "RXR|PO")
    for kind, lines, name in (
        ("RGV^O15^RGV_O15", give, "MedicationRequest"),
        ("RDS^O13^RDS_O13", dispense, "MedicationDispense"),
    ):
        records, found = made(kind, PID, *lines)
        (dosage,) = next(one for one in records[name] if "dosageInstruction" in one)["dosageInstruction"]
        assert (dosage["asNeededCodeableConcept"], dosage["text"]) == ({"text": "se dor"}, "com água")
        told += [one for one in found if "TQ1" in one[1]]
    assert told == []


def test_a_priority_where_the_condition_stands_is_told_and_is_no_condition() -> None:
    records, told = made(
        "OML^O21^OML_O21", PID, "ORC|NW|P1", "TQ1|1||BID|||||||S^Urgente^HL70485", "OBR|1|P1||X^Exame^L"
    )
    assert not any(name.startswith("asNeeded") for name in records["ServiceRequest"][0])
    assert told == [("field.misplaced", "TQ1#4-10")]


OBR = "OBR|1|P1|F1|718-7^Hb^LN|||20260101||||||||||||||||||F"


def test_results_without_obx_3_have_the_examination_of_their_order() -> None:
    """Each stays a result of its own; it is told once that they were not named."""
    rows = ("OBX|1|NM|||13.2|g/dL|||||F", "OBX|2|NM|||14.2|g/dL|||||F", "OBX|3|NM|8^Outro^L||1||||||F")
    records, told = made("ORU^R01^ORU_R01", PID, OBR, *rows)
    codes = [one["code"]["coding"][0]["code"] for one in records["Observation"]]
    assert codes == ["718-7", "718-7", "8"] and len({one["id"] for one in records["Observation"]}) == 3
    assert [float(one["valueQuantity"]["value"]) for one in records["Observation"]] == [13.2, 14.2, 1]
    assert len(records["DiagnosticReport"][0]["result"]) == 3 and told == [("semantic.code-of-order", "OBR#3-4")]


def test_a_bare_suffix_is_a_part_of_the_examination_of_its_order() -> None:
    records, told = made("ORU^R01^ORU_R01", PID, OBR, "OBX|1|TX|&GDT||a||||||F", "OBX|2|TX|&IMP||b||||||F")
    codes = [one["code"] for one in records["Observation"]]
    assert [code["text"] for code in codes] == ["Hb: Descrição", "Hb: Impressão"] and told == []
    assert {code["coding"][0]["code"] for code in codes} == {"718-7"}


def test_a_result_of_an_order_that_names_nothing_is_told() -> None:
    _, told = made("ORU^R01^ORU_R01", PID, OBR.replace("718-7^Hb^LN", ""), "OBX|1|TX|||a||||||F", "OBX|2|TX|&IMP||b")
    assert {("structure.segment-unmapped", "OBX#4"), ("structure.segment-unmapped", "OBX#5")} <= set(told)


@pytest.mark.parametrize(
    ("address", "district", "lines"),
    [
        ("Rua A 1^^Recife^PE^50000-000^BRA^H^Boa Vista", "Boa Vista", ["Rua A 1"]),
        ("Rua A 1^^Recife^PE^50000-000^BRA^H^Zona Sul^Boa Vista", "Boa Vista", ["Rua A 1", "Zona Sul"]),
        ("Rua A 1^^Recife^PE^50000-000^BRA^H^Boa Vista^Boa Vista", "Boa Vista", ["Rua A 1"]),
        ("Rua A 1^^Recife^PE^50000-000^BRA^H^Boa Vista^2611606", "Boa Vista", ["Rua A 1"]),
        ("Rua A 1^^Recife^PE^50000-000^BRA^H^H", None, ["Rua A 1"]),
    ],
)
def test_another_geographic_designation_of_an_address_is_kept(
    address: str, district: str | None, lines: list[str]
) -> None:
    records, told = made("ADT^A28^ADT_A05", f"{PID}||||||{address}")
    (found,) = records["Patient"][0]["address"]
    assert (found.get("district"), found["line"], found["city"]) == (district, lines, "Recife") and told == []


PLACE = ("MFI|LOC||UPD|||AL", "MFE|MAD|||UTI^1^2|PL", "LOC|UTI^1^2||N")


def test_the_place_a_place_is_part_of() -> None:
    records, told = made("MFN^M05^MFN_M05", *PLACE, "LRL|UTI^1^2|AD||PAR^Parte^L||UTI^1")
    bed = next(one for one in records["Location"] if one["name"] == "UTI / 1 / 2")
    room = next(one for one in records["Location"] if one["name"] == "UTI / 1")
    assert bed["partOf"]["reference"] == f"Location/{room['id']}" and told == []


@pytest.mark.parametrize("line", ["LRL|UTI^1^2|||LAB^Lab^L|Lab^^1", "LRL|UTI^1^2|DE||PAR||UTI^1", "LRL|UTI^1^2|||PAR"])
def test_other_relations_of_places_are_told(line: str) -> None:
    records, told = made("MFN^M05^MFN_M05", *PLACE, line)
    assert "partOf" not in records["Location"][0] and ("semantic.place-relation", "LRL#5-4") in told


@pytest.mark.parametrize(("twins", "told"), [("Y|2", False), ("N|2", True)])
def test_the_order_of_birth_says_a_multiple_birth(twins: str, told: bool) -> None:
    """PID-25 beside PID-24: R4 holds one of them; one that denies it is told."""
    fields = "|".join(["PID", "1", "", "7^^^H^MR", "", "Souza^Ana", "", "20260301", "F", *[""] * 15, twins])
    message = er7.read(f"MSH|^~\\&|A|B|C|D|20261122||ADT^A28|1|P|2.5.1\rEVN||20261122\r{fields}\r".encode())
    assert isinstance(message, Message)
    found = [(p.code, p.where) for p in translate(message, zone="UTC").problems if p.where.startswith("PID#3-2")]
    assert found == ([("field.differs", "PID#3-24")] if told else [])
