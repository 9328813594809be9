"""Numbers as senders write them: a point or comma that may part thousands never changes a result by a thousand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7 import er7
from hl7.er7 import Message
from mappings.convert.text import decimal_sign, number
from mappings.reading.engine import Translation, translate

HEAD = (
    "MSH|^~\\&|LIS|LAB|HIS|HOSP|20261127143000||ORU^R01^ORU_R01|L1|P|2.5.1||||||UNICODE UTF-8\r"
    "PID|1||4711^^^HOSP^MR||Silva^Maria||19800102|F\rOBR|1|P1^HIS|F1^LAB|HEMO^Hemograma^L|||20261127103000||||||||||||||||||F\r"
)


def read(*results: tuple[str, str, str, str]) -> Translation:
    """The translation of results: type, value, unit, range."""
    lines = [f"OBX|{n}|{t}|X{n}^Exame {n}^L||{v}|{u}|{r}||||F\r" for n, (t, v, u, r) in enumerate(results, start=1)]
    message = er7.read((HEAD + "".join(lines)).encode())
    assert isinstance(message, Message)
    return translate(message, zone="America/Sao_Paulo")


def values(*results: tuple[str, str, str, str]) -> list[Any]:
    """What the results became: a number, or a text."""
    drafts = [draft.body for draft in read(*results).drafts if draft.type == "Observation"]
    return [float(b["valueQuantity"]["value"]) if "valueQuantity" in b else b.get("valueString") for b in drafts]


COMMA = ("NM", "4,52", "10*6/uL", "3,90 a 5,00")
POINT = ("NM", "4.52", "10*6/uL", "3.90-5.00")
LEUKOCYTES = ("NM", "15.300", "/mm³", "4.000 a 10.000")


def test_where_the_comma_is_the_decimal_sign_a_point_parts_thousands() -> None:
    told = read(COMMA, LEUKOCYTES)
    leukocytes = [draft.body for draft in told.drafts if draft.type == "Observation"][1]
    assert leukocytes["valueQuantity"] == {"value": 15300, "unit": "/mm³"}
    assert [leukocytes["referenceRange"][0][end]["value"] for end in ("low", "high")] == [4000, 10000]
    found = sorted((p.code, p.where) for p in told.problems)
    assert found == [("field.number-thousands", "OBX#5-5"), ("field.number-thousands", "OBX#5-7")]


def test_where_the_point_is_the_decimal_sign_a_comma_parts_thousands() -> None:
    assert values(POINT, ("NM", "150,000", "/uL", "130,000-400,000")) == [4.52, 150000.0]
    assert values(POINT, ("NM", "1.025", "", "")) == [4.52, 1.025]


def test_alone_a_point_is_what_the_standard_says_and_a_comma_is_no_number() -> None:
    assert values(("NM", "1.150", "mg/dL", "0.700-1.200")) == [1.15]
    assert values(("NM", "15,300", "/mm³", "")) == ["15,300"]
    assert [p.code for p in read(("NM", "15,300", "/mm³", "")).problems] == ["field.number-ambiguous"]


@pytest.mark.parametrize("kind", ["NM", "SN", "ST", "NR"])
def test_a_message_that_writes_both_leaves_no_number(kind: str) -> None:
    value = {"SN": ">^15.300", "NR": "15.300^20.500"}.get(kind, "15.300")
    drafts = read(COMMA, POINT, (kind, value, "/mm³", "")).drafts
    third = [draft.body for draft in drafts if draft.type == "Observation"][2]
    assert not {"valueQuantity", "valueRange"} & set(third) and "15.300" in third["valueString"]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("NM", "> 600.000", 600000.0),
        ("SN", ">^600.000", 600000.0),
        ("ST", "600.000", 600000.0),
        ("NM", "1.234,5", 1234.5),
        ("NM", "1.234.567", 1234567.0),
        ("NM", "0,850", 0.85),
    ],
)
def test_every_way_a_number_is_sent(kind: str, value: str, expected: float) -> None:
    assert values(COMMA, (kind, value, "/mm³", ""))[1] == expected


def test_what_is_surely_parted_needs_no_other_number() -> None:
    assert values(("NM", "1.234,5", "g", ""), ("NM", "1.234.567", "g", "")) == [1234.5, 1234567.0]
    assert values(("NM", "01.02.2026", "", "")) == ["01.02.2026"], "a date is no number"


@given(st.integers(0, 10**12), st.integers(0, 999_999), st.sampled_from((".", ",")))
def test_parted_thousands_are_the_number(whole: int, fraction: int, sign: str) -> None:
    parting = "," if sign == "." else "."
    written = f"{whole:,}".replace(",", parting) + f"{sign}{fraction:06d}"
    assert float(str(number(written))) == float(f"{whole}.{fraction:06d}")
    assert decimal_sign(written) == sign


@given(st.text(alphabet="0123456789.,+-", max_size=20))
def test_no_text_is_two_numbers(text: str) -> None:
    """Whatever is read as a number has its digits, in order."""
    found = number(text)
    if found is not None:
        digits = [c for c in text if c.isdigit()]
        said = [c for c in str(found) if c.isdigit()]
        assert "".join(said).lstrip("0").rstrip("0") in "".join(digits)
    assert decimal_sign(text) in ("", ".", ",")


def test_where_a_thousand_more_cannot_be_meant_the_text_stays() -> None:
    """A unit that counts in thousands, and a density, are not a thousand times themselves."""
    told = read(COMMA, ("NM", "7.200", "x10³/µL", "4.000 a 11.000"), ("NM", "1.020", "", "1.005 a 1.030"))
    bodies = [draft.body for draft in told.drafts if draft.type == "Observation"][1:]
    assert [body["valueString"] for body in bodies] == ["7.200", "1.020"]
    assert [set(body["referenceRange"][0]) for body in bodies] == [{"text"}, {"text"}]
    assert {p.code for p in told.problems if p.where.startswith("OBX")} == {"field.number-ambiguous"}
    assert values(COMMA, ("NM", "245", "mil/mm3", ""), ("NM", "1.020", "/mm3", "")) == [4.52, 245.0, 1020.0]


@pytest.mark.parametrize(
    ("name", "value", "unit", "limits", "expected", "told"),
    [
        ("X^Exame^L", "15.300", "/mm³", "4.000 a 10.000", 15300.0, "field.number-thousands"),
        ("777-3^Platelets^LN", "250.000", "/uL", "", 250000.0, "field.number-thousands"),
        ("LEU^Leucócitos^L", "7.200", "céls/mm3", "", 7200.0, "field.number-thousands"),
        ("URO^Urocultura^L", "100.000", "UFC/mL", "", 100000.0, "field.number-thousands"),
        ("HIV^Carga viral^L", "15.300", "cópias/mL", "", 15300.0, "field.number-thousands"),
        ("X^Exame^L", "15.300", "/mm³", "", "15.300", "field.number-ambiguous"),  # the unit alone
        ("PLAQ^Plaquetas^L", "250.000", "", "150.000 a 450.000", "250.000", "field.number-ambiguous"),  # the name alone
        ("PLAQ^Plaquetas^L", "250.000", "mil/mm³", "", 250.0, ""),
        ("LEU^Leucócitos^L", "7.200", "x10³/µL", "4.000-11.000", 7.2, ""),
        ("CREA^Creatinina^L", "1.150", "mg/dL", "0.700-1.200", 1.15, ""),
        ("DENS^Densidade^L", "1.020", "", "1.005 a 1.030", 1.02, ""),
    ],
)
def test_what_is_counted_whole_has_no_thousandth(
    name: str, value: str, unit: str, limits: str, expected: object, told: str
) -> None:
    """A count of cells, colonies or copies: its unit and a second thing say that the point parts thousands."""
    message = er7.read(f"{HEAD}OBX|1|NM|{name}||{value}|{unit}|{limits}||||F\r".encode())
    assert isinstance(message, Message)
    found = translate(message, zone="America/Sao_Paulo")
    body = next(draft.body for draft in found.drafts if draft.type == "Observation")
    assert (float(body["valueQuantity"]["value"]) if "valueQuantity" in body else body["valueString"]) == expected
    assert {p.code for p in found.problems} == ({told} if told else set())
