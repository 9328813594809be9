"""Doses and amounts as senders write them: what may be a thousand times as much is a number only where it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import Translation, translate

PID = "PID|1||4711^^^HOSP^MR||Silva^Maria||19800102|F\r"


def read(kind: str, *lines: str) -> Translation:
    head = f"MSH|^~\\&|HIS|HOSP|HUB||20261127143000||{kind}|1|P|2.5.1\rEVN||20261127143000\r{PID}"
    message = er7.read((head + "\r".join(lines) + "\r").encode())
    assert isinstance(message, Message)
    return translate(message, zone="America/Sao_Paulo")


def prescribed(*doses: str) -> tuple[list[Any], list[str]]:
    """The doses of prescriptions (RXE-3, RXE-4 and unit), and the findings at them."""
    lines = [f"ORC|NW|P{n}\rRXE||M{n}^Medicamento {n}^L|{dose}" for n, dose in enumerate(doses, start=1)]
    told = read("RDE^O11^RDE_O11", *lines)
    bodies = [draft.body for draft in told.drafts if draft.type == "MedicationRequest"]
    return [said(body) for body in bodies], [p.code for p in told.problems if p.where.startswith("RXE")]


def said(body: dict[str, Any]) -> Any:
    """The dose of a prescription: a number, two numbers, or in words."""
    for one in body.get("dosageInstruction", ()):
        for rate in one.get("doseAndRate", ()):
            if "doseQuantity" in rate:
                return float(rate["doseQuantity"]["value"])
            return [float(end["value"]) for end in rate["doseRange"].values()]
    return [note["text"] for note in body.get("note", ())]


def test_where_another_dose_has_a_comma_a_point_parts_thousands() -> None:
    assert prescribed("0,5||mL", "1.500||UI") == ([0.5, 1500.0], ["field.number-thousands"])
    assert prescribed("2,5|1.000|mg") == ([[2.5, 1000.0]], ["field.number-thousands"])


def test_where_another_dose_has_a_point_it_is_the_decimal_sign() -> None:
    assert prescribed("0.5||mL", "1.500||g") == ([0.5, 1.5], [])


@pytest.mark.parametrize("dose", ["1.500", "1,500"])
def test_a_dose_that_may_be_two_is_said_in_words(dose: str) -> None:
    assert prescribed(f"{dose}||UI") == ([[f"Dose: {dose} UI"]], ["field.number-ambiguous"])
    assert prescribed("0,5||mL", "0.5||mL", f"{dose}||UI")[0] == [0.5, 0.5, [f"Dose: {dose} UI"]]


def test_half_of_a_range_is_no_dose() -> None:
    assert prescribed("500|1.000|mg") == ([["Dose: 500 a 1.000 mg"]], ["field.number-ambiguous"])


def test_what_was_given_and_dispensed_too() -> None:
    given = "RXA|0|1|20261127||7^Heparina^L|{}|UI||||||||||||||CP"
    told = read("RAS^O17^RAS_O17", "ORC|RE|P1", given.format("0,5"), "ORC|RE|P2", given.format("1.500"))
    found = [d.body["dosage"]["dose"]["value"] for d in told.drafts if d.type == "MedicationAdministration"]
    assert [float(value) for value in found] == [0.5, 1500.0]
    told = read("RAS^O17^RAS_O17", "ORC|RE|P1", given.format("1.500"))
    body = next(d.body for d in told.drafts if d.type == "MedicationAdministration")
    assert "dosage" not in body and {"text": "Dose: 1.500 UI"} in body["note"]
    told = read("RDS^O13^RDS_O13", "ORC|RE|P1", "RXD|1|7^Heparina^L|20261127|2,5|mL\rRXD|2|8^Soro^L|20261127|1.000|mL")
    amounts = [float(d.body["quantity"]["value"]) for d in told.drafts if d.type == "MedicationDispense"]
    assert amounts == [2.5, 1000.0]


def charged(*parts: tuple[str, str, str]) -> tuple[list[float | None], list[tuple[str, str]]]:
    """The prices of charges (FT1-10, 11, 12), and the findings at them."""
    lines = [f"FT1|{n}|T{n}||20261126||CG|7{n}^Item^L|||{a}|{b}|{c}" for n, (a, b, c) in enumerate(parts, start=1)]
    told = read("DFT^P03^DFT_P03", *lines)
    prices = [draft.body.get("priceOverride") for draft in told.drafts if draft.type == "ChargeItem"]
    return [float(p["value"]) if p else None for p in prices], [
        (p.code, p.where.partition("-")[2]) for p in told.problems if p.where.startswith("FT1")
    ]


def test_amounts_are_read_as_the_others_of_the_message_are_written() -> None:
    assert charged(("1", "12,50", ""), ("1", "1.500", ""))[0] == [12.5, 1500.0]
    assert charged(("1", "12.50", ""), ("1", "1,500", ""))[0] == [12.5, 1500.0]
    assert charged(("1", "R$ 3.000,00", ""), ("2", "", "1.500"))[0] == [3000.0, 3000.0]
    assert charged(("1.000", "", "0,25"))[0] == [250.0]


def test_a_total_that_may_be_two_is_none_and_a_unit_price_is_what_the_standard_says() -> None:
    assert charged(("1", "1.500", "")) == ([None], [("field.number-ambiguous", "11")])
    assert charged(("2", "", "1.125"))[0] == [2.25]


def test_how_many_decides_what_a_unit_price_makes() -> None:
    assert charged(("2 PAR", "", "8,40")) == ([16.8], [])
    assert charged(("duas", "", "8,40")) == ([None], [("field.number", "10"), ("field.nothing-made", "12")])


@pytest.mark.parametrize(
    ("counted", "count", "price", "late"),
    [
        ("|2|150.00", 2, 300, True),
        ("|1|150&BRL", 1, 150, True),
        ("|300.00|150.00", None, 300, False),
        ("|20|1.50", None, 20, False),
        ("2|20|150.00", 2, 20, False),
    ],
)
def test_a_count_where_the_total_belongs(counted: str, count: int | None, price: int, late: bool) -> None:
    """FT1-10 to 12 a field late: a total of 2 would be below the price of one."""
    told = read("DFT^P03^DFT_P03", f"FT1|1|||20261122||CG|40301630^Hemograma^TUSS|||{counted}")
    (charge,) = [draft.body for draft in told.drafts if draft.type == "ChargeItem"]
    assert charge.get("quantity", {}).get("value") == count and float(charge["priceOverride"]["value"]) == price
    assert (("field.misplaced", "FT1#4-11") in [(p.code, p.where) for p in told.problems]) is late


@pytest.mark.parametrize(
    ("counted", "count", "price", "note"),
    [
        ("5|||175.00", 5, 875, None),
        ("5||175.00|175.00", None, 175, "5"),
        ("5|1||175.00", 1, 175, "5"),
        ("580000|||175.00", None, 175, "580000"),
    ],
)
def test_a_count_where_a_description_belongs(counted: str, count: int | None, price: int, note: str | None) -> None:
    told = read("DFT^P03^DFT_P03", f"FT1|1|||20261122||CG|40301630^Hemograma^TUSS||{counted}")
    (charge,) = [draft.body for draft in told.drafts if draft.type == "ChargeItem"]
    assert charge.get("quantity", {}).get("value") == count and float(charge["priceOverride"]["value"]) == price
    assert [one["text"] for one in charge.get("note", [])] == ([note] if note else [])
    assert (("field.out-of-place", "FT1#4-9") in [(p.code, p.where) for p in told.problems]) is (note is None)


@pytest.mark.parametrize(("count", "price"), [("20261123090000", "20261123090000"), ("9" * 30, "25.90")])
def test_a_moment_where_count_or_price_belongs_makes_no_price(count: str, price: str) -> None:
    told = read("DFT^P03", f"FT1|1|T1||20261122||CG|40304361^Hemograma^TUSS|||{count}||{price}")
    (charge,) = [draft.body for draft in told.drafts if draft.type == "ChargeItem"]
    assert "priceOverride" not in charge
    assert ("field.number", "FT1#4-12") in {(p.code, p.where) for p in told.problems}
