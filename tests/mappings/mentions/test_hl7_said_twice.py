"""A field that says the same twice says it once: the same records under the same numbers come of it."""

from __future__ import annotations

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

HEAD = "MSH|^~\\&|A|B|C|D|20261122||{}|1|P|2.5.1\rPID|1||7^^^H^MR||Souza^Ana\r"
RESULT = "OBR|1|P1|F1|X^Exame^L\rOBX|1|{kind}|{code}||{value}|mg|70-99|H|||F|||20261122\r"
VISIT = "PV1||I|UTI^1" + "|" * 41 + "{}\r"
WHOLE = {"kind": "NM", "code": "Y^Z^L", "value": "92"}


def said(kind: str, rest: str) -> str:
    message = er7.read((HEAD.format(kind) + rest).encode())
    assert isinstance(message, Message)
    return repr([(d.type, d.keys, d.part, d.body, d.initial) for d in translate(message, zone="UTC").drafts])


@pytest.mark.parametrize("name", ["kind", "code", "value"])
def test_a_result_said_twice_is_one_value(name: str) -> None:
    twice = {**WHOLE, name: f"{WHOLE[name]}~{WHOLE[name]}"}
    assert said("ORU^R01", RESULT.format(**twice)) == said("ORU^R01", RESULT.format(**WHOLE))


def test_a_visit_without_number_is_the_same_whether_its_start_is_said_once_or_twice() -> None:
    once, twice = (
        said("ADT^A01", VISIT.format(start)) for start in ("20261122080000", "20261122080000~20261122080000")
    )
    assert once == twice


@pytest.mark.parametrize("value", ["92~93", "92~92~92"])
def test_several_values_stay_several(value: str) -> None:
    assert "component" in said("ORU^R01", RESULT.format(**{**WHOLE, "value": value}))


def test_two_equal_lines_of_a_text_stay_two() -> None:
    text = {**WHOLE, "kind": "TX", "value": "Nada digno de nota~Nada digno de nota"}
    assert "Nada digno de nota\\nNada digno de nota" in said("ORU^R01", RESULT.format(**text))
