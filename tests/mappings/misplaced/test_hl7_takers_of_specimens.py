"""A participation (PRT) is of the record that stands right above it: behind a specimen it is who collected it."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

ORDER, RESULT, SPECIMEN = "OBR|1|P1^HIS|F1^LIS|X1^Exame^L", "OBX|1|ST|Y1^Parte^L||bom||||||F", "SPM|1|A1||BLD"


def part(role: str, number: int) -> str:
    return f"PRT||UC||{role}^Papel^HL70912|{number}^Lima^Rui^^^^^^CRM-SP"


def read(kind: str, *lines: str) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """Who performed or collected what, and when it was received, by the type of record; and what is told."""
    head = (f"MSH|^~\\&|LIS|LAB|B|C|20261122||{kind}|1|P|2.8.2", "PID|1||7^^^H^MR")
    message = er7.read("".join(f"{line}\r" for line in (*head, *lines)).encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    found: dict[str, list[str]] = {}
    for draft in translation.drafts:
        body: dict[str, Any] = draft.body
        people = [*body.get("performer", ()), body.get("collection", {}).get("collector")]
        found.setdefault(draft.type, []).extend(p["identifier"]["value"] for p in people if p)
        found[draft.type] += [body["receivedTime"]] if "receivedTime" in body else []
    return {name: numbers for name, numbers in found.items() if numbers}, [
        (p.code, p.where) for p in translation.problems
    ]


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("ORU^R01", (ORDER, RESULT, part("RO", 42), SPECIMEN, part("SC", 43))),
        ("OUL^R22", (SPECIMEN, part("SC", 43), ORDER, RESULT, part("RO", 42))),
        ("OUL^R22", (SPECIMEN, "SAC|||C1", part("SC", 43), ORDER, RESULT, part("RO", 42))),
    ],
)
def test_who_collected_a_specimen_performed_no_result(kind: str, lines: tuple[str, ...]) -> None:
    assert read(kind, *lines) == ({"Observation": ["42"], "Specimen": ["43"]}, [])


def test_the_specimen_of_an_order() -> None:
    assert read("OML^O33", SPECIMEN, part("SC", 43), "ORC|NW|P1^HIS", ORDER)[0] == {"Specimen": ["43"]}


def test_another_role_at_a_specimen_is_told() -> None:
    found, told = read("ORU^R01", ORDER, RESULT, SPECIMEN, part("RO", 43))
    assert found == {} and told == [("field.nothing-made", "PRT#6-5")]


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("ORU^R01", ("ORC|RE|P1^HIS", "{order}", "{part}", RESULT)),
        ("OML^O21", ("ORC|NW|P1^HIS", "{order}", "{part}")),
    ],
)
def test_who_collected_behind_an_examination_collected_its_specimen(kind: str, lines: tuple[str, ...]) -> None:
    blood = f"{ORDER}|||||||||||BLD&Sangue&HL70070"
    said = [line.format(order=blood, part=part("SC", 43)) for line in lines]
    assert read(kind, *said) == ({"Specimen": ["43"]}, [])


@pytest.mark.parametrize("role", ["SC", "EP", "RP"])
@pytest.mark.parametrize(("kind", "control"), [("ORU^R01", "RE"), ("OML^O21", "NW")])
def test_who_performed_nothing_is_no_performer_and_is_told(role: str, kind: str, control: str) -> None:
    rest = (RESULT,) if kind == "ORU^R01" else ()
    found, told = read(kind, f"ORC|{control}|P1^HIS", ORDER, part(role, 43), *rest)
    assert found == {} and told == [("field.nothing-made", "PRT#5-5")]


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("ORU^R01", (ORDER, part("SC", 43), RESULT, "SPM|1|A1||BLD", "SPM|2|A2||BLD")),
        ("OML^O21", ("ORC|NW|P1^HIS", ORDER, part("SC", 43), "SPM|1|A1||BLD", "SPM|2|A2||BLD")),
        ("OUL^R22", (SPECIMEN, ORDER, part("SC", 43), RESULT, "SPM|2|A2||BLD", ORDER, part("SC", 43), RESULT)),
        ("OML^O33", (SPECIMEN, "ORC|NW|P1^HIS", ORDER, part("SC", 43), "SPM|2|A2||BLD", ORDER, part("SC", 43))),
    ],
)
def test_who_collected_behind_an_examination_collected_each_specimen(kind: str, lines: tuple[str, ...]) -> None:
    assert read(kind, *lines) == ({"Specimen": ["43", "43"]}, [])


@pytest.mark.parametrize(("own", "collector"), [("", "43"), (part("SC", 44), "44")])
def test_what_an_examination_says_of_the_specimen_beside_it(own: str, collector: str) -> None:
    collected = f"{ORDER}|||20261122|||43^Lima^Rui^^^^^^CRM-SP||||20261122093000-0300"
    lines = ["ORU^R01", collected, RESULT, SPECIMEN, *([own] if own else [])]
    assert read(*lines)[0] == {"Specimen": [collector, "2026-11-22T09:30:00-03:00"]}


@pytest.mark.parametrize("role", ["PP", "FHCP", "AT", "AD", "CP", "DP", "WAY", "WAYR", "PB", "AAP", "OS"])
@pytest.mark.parametrize(("kind", "control"), [("ORU^R01", "RE"), ("OML^O21", "NW")])
def test_a_role_without_a_part_in_an_examination_is_told(role: str, kind: str, control: str) -> None:
    with_place = part(role, 43) + "|||Lab Sul^^^^^H^XX^^^9|UTI^1^1^H"
    found, told = read(kind, f"ORC|{control}|P1^HIS", ORDER, with_place, *((RESULT,) if kind == "ORU^R01" else ()))
    assert found == {} and told == [("field.nothing-made", f"PRT#5-{number}") for number in (5, 8, 9)]


@pytest.mark.parametrize(
    ("role", "order", "result"),
    [("PO", True, True), ("RO", True, True), ("RT", True, False), ("POMD", False, True), ("TR", False, True)],
)
def test_the_roles_that_perform(role: str, order: bool, result: bool) -> None:
    found, _ = read("OML^O21", "ORC|NW|P1^HIS", ORDER, part(role, 43))
    assert found == ({"ServiceRequest": ["43"]} if order else {})
    found, _ = read("ORU^R01", ORDER, RESULT, part(role, 43))
    assert found == ({"Observation": ["43"]} if result else {})
