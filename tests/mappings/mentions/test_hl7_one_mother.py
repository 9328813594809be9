"""The mother whom PID-21 names and NK1 tells of once more is one person where that is sure, with the fuller data."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||ADT^A01|c1|P|2.5.1||||||UNICODE UTF-8\r"
CPF = "31415926590^^^^CPF"
CHILD = "PID|1||31^^^HOSP^MR||Souza^RN de Ana|{name}|20261122|F|||||||||||||{number}\r"
VISIT = "PV1|1|I|A^1^1||||||||||||||||V1^^^HOSP\r"
KIN = "NK1|1|{name}|{kin}|Rua A^^Recife^PE|81988887777||||||||||F|19900102|||||||||||||||||{number}\r"


def mothers(pid: tuple[str, str], nk1: tuple[str, str], kin: str = "MTH^Mother^HL70063") -> list[dict[str, Any]]:
    text = HEAD + CHILD.format(name=pid[0], number=pid[1]) + KIN.format(name=nk1[0], number=nk1[1], kin=kin) + VISIT
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    drafts = translate(message, zone="America/Sao_Paulo").drafts
    return [{**draft.initial, **draft.body} for draft in drafts if draft.type == "RelatedPerson"]


@pytest.mark.parametrize(
    ("pid", "nk1"),
    [
        (("Souza^Ana", CPF), ("Souza^Ana Beatriz", CPF)),
        (("Souza^Ana Beatriz", CPF), ("Souza^Ana", CPF)),
        (("Souza^Ana Beatriz", "77^^^HOSP^MR"), ("SOUZA^ANA BEATRIZ", CPF)),
        (("ANA BEATRIZ DE SOUZA", "77^^^HOSP^MR"), ("Souza^Ana Beatriz", CPF)),
    ],
)
def test_a_mother_told_twice_is_one(pid: tuple[str, str], nk1: tuple[str, str]) -> None:
    (one,) = mothers(pid, nk1)
    assert one["birthDate"] == "1990-01-02" and one["telecom"] and one["address"]
    numbers = [item["value"] for item in one["identifier"]]
    assert len(numbers) == len(set(numbers)) == len({pid[1], nk1[1]})
    assert "beatriz" in str(one["name"]).lower()
    assert one["relationship"][0]["coding"][0]["code"] == "MTH"


@pytest.mark.parametrize(
    ("pid", "nk1", "kin"),
    [
        (("Souza^Ana", "77^^^HOSP^MR"), ("Lima^Rosa", CPF), "MTH^Mother^HL70063"),
        (("Souza^Ana", "77^^^HOSP^MR"), ("Souza^Ana Beatriz", CPF), "MTH^Mother^HL70063"),
        (("Souza", "77^^^HOSP^MR"), ("Souza", CPF), "MTH^Mother^HL70063"),
        (("Souza^Ana", "77^^^HOSP^MR"), ("Souza^Ana", CPF), "GRD^Guardian^HL70063"),
    ],
)
def test_where_it_is_not_sure_both_are_told(pid: tuple[str, str], nk1: tuple[str, str], kin: str) -> None:
    assert len(mothers(pid, nk1, kin)) == 2
