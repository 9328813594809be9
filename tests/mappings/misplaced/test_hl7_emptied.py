"""A field that says only that there is nothing (`NULL`, `N/A`, a sign, `UNKNOWN` for a person) is empty, and told."""

from __future__ import annotations

from typing import Any

import pytest

from mappings.reading.emptied import FILE, understood
from mappings.tables.table import TableError
from tests.mappings.codes.test_hl7_unknown_codes import mapped

NOTHING = "field.says-nothing"
PID = "PID|1||31^^^HOSP^MR||Souza^Ana\r"


def read(segments: str, pid: str = PID) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    bodies, told = mapped("ADT^A01", pid + segments)
    kinds: dict[str, list[dict[str, Any]]] = {}
    for body in bodies:
        kinds.setdefault(body["resourceType"], []).append(body)
    return kinds, sorted(where for code, where in told if code == NOTHING)


@pytest.mark.parametrize("word", ["NULL", "null", "(null)", "undefined", "N/A", "n/a", "-", "."])
def test_a_visit_of_words_for_nothing_has_none_of_them(word: str) -> None:
    kinds, told = read(f"PV1|1|I|UTI^3^1|{word}||{word}|{word}|||{word}|{word}|||{word}|||||V9\r")
    (visit,) = kinds["Encounter"]
    assert [place["name"] for place in kinds["Location"]] == ["UTI / 3 / 1"]
    assert not {"type", "serviceType", "participant", "hospitalization"} & visit.keys()
    assert told == sorted(f"PV1#3-{number}" for number in (4, 6, 7, 10, 11, 14))


@pytest.mark.parametrize("word", ["NULL", "UNKNOWN", "N/A", "Não informado", "ND"])
def test_a_card_and_a_payer_of_nobody_are_none(word: str) -> None:
    kinds, told = read(
        f"PV1|1|I||||||||||||||||||V9\rIN1|1|ENF^Enfermaria|{word}|AZUL SAUDE||||{word}{'|' * 28}{word}\r"
    )
    (coverage,) = kinds["Coverage"]
    assert coverage["payor"] == [{"display": "AZUL SAUDE", "type": "Organization"}]
    assert not {"identifier", "subscriberId"} & coverage.keys() and len(coverage["class"]) == 1
    assert told == ["IN1#4-3", "IN1#4-36", "IN1#4-8"]


def test_a_part_that_a_program_printed_is_empty() -> None:
    kinds, told = read("", "PID|1||31^^^NULL^MR||NULL^Ana^null||||||Rua Nova 5^null^Olinda^PE^null\r")
    (patient,) = kinds["Patient"]
    assert [name["text"] for name in patient["name"]] == ["Ana"]
    assert patient["identifier"][0]["system"] == "urn:ponte:hosp:mr"
    assert patient["address"] == [{"line": ["Rua Nova 5"], "city": "Olinda", "state": "PE"}]
    assert told == ["PID#2-11", "PID#2-3", "PID#2-5"]


@pytest.mark.parametrize("name", ["Null^Ana", "NULL^ANA^MARIA", "Ni^Wei", "Souza^N.A.", "UNKNOWN^UNKNOWN"])
def test_who_is_called_so_stays(name: str) -> None:
    kinds, told = read("", f"PID|1||31^^^HOSP^MR||{name}\r")
    assert kinds["Patient"][0]["name"][0]["family"] == name.partition("^")[0] and not told


def test_codes_and_results_stay() -> None:
    bodies, told = mapped(
        "ORU^R01",
        PID + "OBR|1|P1|F1|HIV^HIV^L|||20261122080000\r"
        "OBX|1|ST|HIV^HIV^L||NULL||-|||N|F\rOBX|2|ST|RH^Rh^L||-|||||N|F\rNTE|1||N/A\r",
    )
    values = [body["valueString"] for body in bodies if body["resourceType"] == "Observation"]
    assert values == ["NULL", "-"] and NOTHING not in {code for code, _ in told}


def test_an_unknown_code_and_a_ward_of_two_letters_stay() -> None:
    kinds, told = read("PV1|1|I|ND^3^1|||NI||||UNK||||UNKNOWN|||||V9\r")
    assert sorted(place["name"] for place in kinds["Location"]) == ["ND / 3 / 1", "NI"] and not told
    assert kinds["Encounter"][0]["serviceType"]["coding"][0]["code"] == "UNK"


def test_a_row_without_its_reason_is_refused() -> None:
    row = {"words": "X", "where": "*", "inside": "", "but": "", "note": "", "spec": ""}
    with pytest.raises(TableError, match="nothing-said"):
        understood([(2, row)])
    assert FILE.name == "nothing-said.csv"
