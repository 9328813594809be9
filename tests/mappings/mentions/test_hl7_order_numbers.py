"""Numbers of ORC and OBR that differ in one order, and events that are none of their message code."""

from __future__ import annotations

import pytest

from canonical.records import DRAFT
from hl7 import er7
from hl7.er7 import Message
from hub.exchange.door.receive import judge_header
from mappings.reading.engine import Translation, translate

HEAD = "MSH|^~\\&|A|B|C|D|20261122||{}|1|P|2.5.1\rPID|1||7^^^H^MR||Souza^Ana\r"


def read(kind: str, rest: str) -> tuple[Message, Translation]:
    message = er7.read((HEAD.format(kind) + rest).encode())
    assert isinstance(message, Message)
    return message, translate(message, zone="America/Sao_Paulo")


def differing(translation: Translation) -> list[tuple[str, str]]:
    return [(p.where, p.args[0][1]) for p in translation.problems if p.code == "field.number-differs"]


@pytest.mark.parametrize("kind", ["OML^O21", "ORM^O01", "ORU^R01"])
def test_other_numbers_in_orc_than_in_obr_are_told_and_kept(kind: str) -> None:
    rest = "ORC|NW|P1|F1\rOBR|1|P2|F2|X^Exame^L\rOBX|1|ST|Y^Z^L||bom||||||F\r"
    _, translation = read(kind, rest)
    assert sorted(differing(translation)) == [("ORC#3-2", "OBR-2"), ("ORC#3-3", "OBR-3")]
    order = next(d for d in translation.drafts if d.type == "ServiceRequest")
    assert [n["value"] for n in order.body["identifier"]] == ["P2", "P1", "F2", "F1"]
    assert [key.value for key in order.keys] == ["P2", "P1", "F2", "F1"]


@pytest.mark.parametrize("numbers", [("P1", "P1^HIS"), ("P1", ""), ("", "P1"), ('""', "P1")])
def test_numbers_that_agree_are_not_told(numbers: tuple[str, str]) -> None:
    assert not differing(read("OML^O21", "ORC|NW|{}\rOBR|1|{}||X^Exame^L\r".format(*numbers))[1])


def test_one_number_above_two_orders_of_one_examination_is_no_key_of_either() -> None:
    orders = "".join(f"ORC|NW|R1\rOBR|{n}|P{n}||{code}^Exame^L\r" for n, code in enumerate(("X", "X", "Y"), start=1))
    _, translation = read("OML^O21", orders)
    found = [d for d in translation.drafts if d.type == "ServiceRequest"]
    assert [[key.value for key in d.keys] for d in found] == [["P1"], ["P2"], ["P3", "R1"]]
    assert all({n["value"] for n in d.body["identifier"]} == {f"P{i}", "R1"} for i, d in enumerate(found, start=1))


def test_a_second_obr_below_one_orc_inherits_what_it_does_not_say_but_no_number() -> None:
    orc = "ORC|NW|P1|F1|G1|||||20261122095500-0300|||12^Lima^Rui^^^^^^CRM-SP\rTQ1|1||||||||S\rNTE|1||todos\r"
    others = "OBR|2|P2||Y^Outro^L\rOBR|3|||Z^Mais^L||||||||||||34^Prado^Lia^^^^^^CRM-SP|||||||||||^^^^^R\r"
    _, translation = read("OML^O21", f"{orc}OBR|1|P1||X^Exame^L\r{others}")
    first, second, third = (d for d in translation.drafts if d.type == "ServiceRequest")
    for each in (first, second, third):
        assert each.body["authoredOn"] == "2026-11-22T09:55:00-03:00"
        assert each.body["requisition"]["value"] == "G1"
        assert each.body["note"] == [{"text": "todos"}]
        assert each.event_at == first.event_at
    assert [d.body["priority"] for d in (first, second, third)] == ["stat", "stat", "routine"]
    assert [d.body["requester"]["display"] for d in (first, second, third)] == ["Rui Lima", "Rui Lima", "Lia Prado"]
    assert [[key.value for key in d.keys] for d in (second, third)] == [["P2"], []]
    assert [n["value"] for n in second.body["identifier"]] == ["P2"]
    assert not [p for p in translation.problems if p.code.startswith("field.")]


def test_what_is_cancelled_below_one_orc_is_no_new_order() -> None:
    _, translation = read("ORM^O01", "ORC|CA|P1\rOBR|1|P1||X^Exame^L\rOBR|2|P2||Y^Outro^L\r")
    assert [d.known_only for d in translation.drafts if d.type == "ServiceRequest"] == [True, True]


def test_an_orc_that_leads_another_record_is_not_inherited() -> None:
    rest = "ORC|CA|P1\rOBR|1|P1||X^Exame^L\rORC|NW|P2\rRXO|1^Soro^L|1||mL\rOBR|2|P3||Y^Outro^L\r"
    _, translation = read("ORM^O01", rest)
    assert [d.known_only for d in translation.drafts if d.type == "ServiceRequest"] == [True, False]


ORDER = "ORC|NW|P1\rOBR|1|P1||X^Exame^L\r"
PRIOR = "OBR|2|{}||Y^Outro^L|||20261101||||||||||||||||||{}\rOBX|1|NM|Z^Valor^L||13|g/dL|||||F\r"
PATIENT = "PID|1||7^^^H^MR||Souza^Ana\r"


@pytest.mark.parametrize(
    "told",
    [
        PATIENT + PRIOR.format("", ""),
        PATIENT + "ORC|RE|P0\r" + PRIOR.format("P0", ""),
        PATIENT + "PV1|1|O\r" + PRIOR.format("P0", "F"),
        PRIOR.format("", "F"),
        "ORC||P0\r" + PRIOR.format("P0", "C"),
    ],
)
def test_results_told_before_are_no_orders(told: str) -> None:
    _, translation = read("OML^O21", ORDER + told + "ORC|NW|P3\rOBR|3|P3||W^Mais^L\r")
    assert [d.part.split("|")[-2] for d in translation.drafts if d.type == "ServiceRequest"] == ["X", "W"]
    (report,) = (d for d in translation.drafts if d.type == "DiagnosticReport")
    (result,) = (d for d in translation.drafts if d.type == "Observation")
    assert report.initial["result"] == [{"reference": DRAFT + result.local}]
    assert not result.body, "it fills gaps: the result may have been corrected since"
    assert "basedOn" not in result.initial
    assert set(translation.account.fate.values()) == {"mapped"}


@pytest.mark.parametrize(
    "told",
    [
        PRIOR.format("", ""),  # the answer to a question about the order
        PATIENT + "ORC|NW|P0\r" + PRIOR.format("P0", ""),
        PATIENT + "OBR|2|P0||Y^Outro^L\r",
    ],
)
def test_an_examination_without_results_or_with_a_command_is_an_order(told: str) -> None:
    _, translation = read("OML^O21", ORDER + told)
    assert sum(d.type == "ServiceRequest" for d in translation.drafts) == 2
    assert not any(d.type == "DiagnosticReport" for d in translation.drafts)


GIVEN = "RXA|0|1|20261122100000|20261122100000|0123^DIPIRONA^L|500|mg\r"
NOTE = "TXA|1|CN|TX|||||||||D2^HIS|D1^HIS\rOBX|1|TX|X^Nota^L||bom||||||F\r"
RESULT = "OBR|1|P1|F1|X^Exame^L\rOBX|1|ST|Y^Z^L||bom||||||F\r"


@pytest.mark.parametrize(
    ("sent", "rest", "read_as", "made"),
    [
        ("RDE^O13", "ORC|NW|P1\rRXE|1^Q6H|0123^DIPIRONA^L|500||mg\r", "RDE^O11", "MedicationRequest"),
        ("RDE", "ORC|NW|P1\rRXE|1^Q6H|0123^DIPIRONA^L|500||mg\r", "RDE^O11", "MedicationRequest"),
        ("RAS^O18", f"ORC|RE|P1\r{GIVEN}", "RAS^O17", "MedicationAdministration"),
        ("ORU^O01", RESULT, "ORU^R01", "DiagnosticReport"),
        ("OML^O99^OML_O21", "ORC|NW|P1\rOBR|1|P1||X^Exame^L\r", "OML^O21", "ServiceRequest"),
        ("ADT^A99^ADT_A01", "EVN|A04|20261122\rPV1||O|4N\r", "ADT^A04", "Encounter"),
        ("ADT^ENTRADA", "EVN|A03|20261122\rPV1||I|4N\r", "ADT^A03", "Encounter"),
        ("ADT^A1", "PV1||I|4N\r", "ADT^A01", "Encounter"),
        ("MDM^T99", "EVN|T11|20261122\rTXA|1|CN|TX|||||||||D1^HIS\r", "MDM^T11", "DocumentReference"),
        ("MDM^T99^MDM_T02", f"EVN|T10|20261122\r{NOTE}", "MDM^T10", "DocumentReference"),
    ],
)
def test_an_event_that_is_none_of_its_code(sent: str, rest: str, read_as: str, made: str) -> None:
    message, translation = read(sent, rest)
    told = [p for p in judge_header(message) if p.code.startswith("type.")]
    assert [(p.code, p.where, p.args) for p in told] == [("type.event", "MSH-9", (("type", read_as),))]
    assert made in [d.type for d in translation.drafts]
    whole = read(read_as, rest)[1]
    assert [d.body for d in translation.drafts] == [d.body for d in whole.drafts]


@pytest.mark.parametrize(
    ("sent", "rest"),
    [
        ("ADT^A99^ADT_A01", "PV1||I|4N\r"),
        ("ADT^A99^ADT_A03", "PV1||I|4N\r"),
        ("ADT^A99^ADT_A39", "EVN|A01|20261122\rPV1||I|4N\r"),
        ("ADT^A1", "EVN|A03|20261122\rPV1||I|4N\r"),
        ("ADT^A99", "EVN|A98|20261122\rPV1||I|4N\r"),
        ("MDM^T99", "EVN|T10|20261122\r"),
        ("MDM^T99^MDM_T02", NOTE),
        ("SIU^S99^SIU_S12", "SCH|A1|A2|||||||30|min|^^^20261201090000\r"),
        ("RDE^O13", "ORC|NW|P1\rRXD|1|0123|20261122|1\r"),
        ("OML^O99", "ORC|NW|P1\rOBR|1|P1||X^Exame^L\r"),
        ("OML^O99^ORU_R01", RESULT),
    ],
)
def test_a_type_that_cannot_be_told_stays_unmapped(sent: str, rest: str) -> None:
    message, translation = read(sent, rest)
    assert [p.code for p in judge_header(message) if p.code.startswith("type.")] == ["type.unmapped"]
    assert not translation.drafts


def test_what_a_result_says_of_its_order_fills_an_order_that_only_it_tells() -> None:
    """Each of several fields for one list, none for the first: OBR-12, 17, 30, 36, 44, 46, 47, 53, ORC-16, 28, 29."""
    said = {4: "X^Exame^L", 12: "BIO^Risco^L", 13: "Em jejum", 17: "^PRN^PH^^^81^33334444", 25: "F", 30: "CART"}
    said |= {36: "20261122080000", 44: "A1^Ato^L", 46: "S1^Um^L", 47: "S2^Dois^L~S3^Tres^L", 53: "ALT1^HIS"}
    obr, orc = (
        "|".join(fields.get(n, "") for n in range(1, 54)) for fields in (said, {16: "R1^Motivo^L", 28: "R", 29: "O"})
    )
    _, translation = read("ORU^R01", f"ORC|{orc}\rOBR|{obr}\rOBX|1|ST|Y^Z^L||bom||||||F\r".replace("OBR||", "OBR|1|P1"))
    order = next(d for d in translation.drafts if d.type == "ServiceRequest")
    first = order.initial
    assert [one["text"] for one in first["note"]] == ["Em jejum", "Alerta: Risco", "Transporte: CART"]
    assert [one["text"] for one in first["orderDetail"]] == ["Um", "Dois", "Tres", "Ato"]
    assert len(first["extension"]) == 2 and first["occurrenceDateTime"].startswith("2026-11-22T08")
    assert first["meta"]["security"][0]["code"] == "R" and first["locationCode"][0]["coding"][0]["code"] == "O"
    assert "ALT1" in [one["value"] for one in order.body["identifier"]]
    assert translation.account.fields["unmapped"] == 0
