"""What a pharmacy encoded (RXE and what follows it) beside what was asked for (RXO and what follows it)."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate
from tests.mappings.misplaced.test_hl7_parts_elsewhere import made

HEAD = "MSH|^~\\&|A|B|C|D|20261122||RDE^O11|1|P|2.5.1\rPID|1||77^^^H^MR||Reis^Nora\r"
ASKED = "ORC|NW|P1\rRXO|1^Soro glicosado^L|1000||mL\r"
SUGAR, SALT = "RXC|B|S5^Glicose 5%^L|1000|mL\r", "RXC|A|K1^Cloreto de potássio^L|20|mEq\r"
ENCODED = "RXE|1^^^20261122|11^Soro da casa^L|1000||mL\r"


def mixtures(rest: str) -> tuple[list[tuple[str, list[str]]], set[str]]:
    """The code of each prescription's mixture with the codes of its ingredients, and where something differs."""
    message = er7.read((HEAD + rest).encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    held = [draft.body["contained"][0] for draft in translation.drafts if draft.type == "MedicationRequest"]
    return [
        (
            one["code"]["coding"][0]["code"],
            [each["itemCodeableConcept"]["coding"][0]["code"] for each in one["ingredient"]],
        )
        for one in held
    ], {problem.where for problem in translation.problems if problem.code == "field.differs"}


def test_components_told_twice_are_in_the_mixture_once() -> None:
    assert mixtures(ASKED + SUGAR + SALT + ENCODED + SUGAR + SALT) == ([("11", ["S5", "K1"])], set())


def test_components_of_the_order_alone_have_the_code_of_their_own_order() -> None:
    other = ASKED.replace("P1", "P2") + "RXC|B|S9^Salina 0,9%^L|500|mL\r" + ENCODED.replace("11^", "22^")
    assert mixtures(ASKED + SUGAR + ENCODED + other)[0] == [("11", ["S5"]), ("22", ["S9"])]


def test_another_component_that_was_asked_for_is_told() -> None:
    assert mixtures(ASKED + SUGAR + SALT + ENCODED + SUGAR) == ([("11", ["S5"])], {"RXC#6-2"})


def request(rest: str, kind: str = "RDE^O11") -> dict[str, Any]:
    return made(kind, rest)[0]["MedicationRequest"][0]


@pytest.mark.parametrize(
    ("kind", "given"), [("RDE^O11", ""), ("RDS^O13", "RXD|1|11^Soro da casa^L|20261122|1\r"), ("RGV^O15", "RXG|1\r")]
)
def test_the_route_and_the_timing_behind_rxe_are_the_pharmacys(kind: str, given: str) -> None:
    dosage = request(ASKED + "RXR|PO\r" + "RXE||11^Soro^L|1||mL\rTQ1|||Q8H\rRXR|IV\r" + given, kind)[
        "dosageInstruction"
    ][0]
    assert dosage["route"]["coding"][0]["code"] == "IV" and dosage["timing"]["code"]["text"] == "Q8H"


def test_the_route_asked_for_counts_where_the_pharmacy_says_none() -> None:
    dosage = request(ASKED + "RXR|PO\r" + ENCODED)["dosageInstruction"][0]
    assert dosage["route"]["coding"][0]["code"] == "PO"


@pytest.mark.parametrize(
    ("asked", "encoded", "note"),
    [
        ("1^Docusato^L", "2^Ampicilina^L", ["Medicamento pedido: Docusato"]),
        ("1^Docusato^L", "1^Laxante da casa^L", []),
        ("1^Docusato^L^2^Docusato^M", "2^Laxante da casa^M", []),
        ("1^Docusato^L", "9^DOCUSATO 100 mg^L", []),
        ("1^Docusato^L", "", []),
        ("", "2^Ampicilina^L", []),
    ],
)
def test_another_medicine_than_was_asked_for_is_noted(asked: str, encoded: str, note: list[str]) -> None:
    body = request(f"ORC|NW|P1\rRXO|{asked}|1||un\rRXE||{encoded}|1||un\rORC|NW|P2\rRXE||3^Outro^L|1||un\r")
    assert [one["text"] for one in body.get("note", [])] == note


@pytest.mark.parametrize(
    ("strength", "notes", "reasons", "told"),
    [
        ("|25|mg", ["Concentração: 25 mg"], None, {"RXO#4-20"}),
        ("25|mg|", ["Concentração: 25 mg"], None, set()),
        ("||dor", [], [{"coding": [{"code": "dor"}]}], set()),
        ("5|mg|dor", ["Concentração: 5 mg"], [{"coding": [{"code": "dor"}]}], set()),
    ],
)
def test_a_strength_a_field_late_is_no_indication(
    strength: str, notes: list[str], reasons: list[Any] | None, told: set[str]
) -> None:
    bodies, where = made("OMP^O09", f"ORC|NW|P1\rRXO|1^Metoprolol^L|1||un{'|' * 14}{strength}\r")
    body = bodies["MedicationRequest"][0]
    assert [one["text"] for one in body.get("note", [])] == notes and body.get("reasonCode") == reasons
    assert where == told


@pytest.mark.parametrize("kind", ["PPR^PC1", "PGL^PC6", "PPP^PCB"])
def test_a_prescription_of_a_problem_a_goal_or_a_pathway_is_one(kind: str) -> None:
    above = {
        "PPR^PC1": "PRB|AD|20261122|I10^Hipertensão^L|9\r",
        "PGL^PC6": "GOL|AD|20261122|1^Meta^L|9\r",
        "PPP^PCB": "PTH|AD|1^Protocolo^L|9\r",
    }
    bodies, _ = made(kind, above[kind] + "ORC|NW|P1\rRXO|1^Metoprolol^L|25||mg\rRXR|PO\r")
    (body,) = bodies["MedicationRequest"]
    assert body["medicationCodeableConcept"]["text"] == "Metoprolol"
    assert body["dosageInstruction"][0]["route"]["coding"][0]["code"] == "PO"
