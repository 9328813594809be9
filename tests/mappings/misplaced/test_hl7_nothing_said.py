"""Zeros, one digit over and over, signs and words for nothing are no telephone and no address; and a number with two
names where the material belongs is told as doubtful."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mappings.codes.test_hl7_unknown_codes import mapped

NOTHING = "field.says-nothing"


def patient(address: str = "", phone: str = "") -> tuple[dict[str, Any], list[str]]:
    bodies, told = mapped("ADT^A31", f"PID|1||31^^^HOSP^MR||Souza^Ana||||||{address}||{phone}\r")
    return bodies[0], sorted(where for code, where in told if code == NOTHING)


@pytest.mark.parametrize(
    "phone",
    [
        "0000000000",
        "999999999^PRN^PH",
        "(81) 99999-9999",
        "+55 81 9999-9999",
        "^PRN^PH^^55^81^00000000",
        "NAO INFORMADO",
        "Não possui^PRN^PH",
        "XXX",
        ".",
        "^^^NAO TEM",
    ],
)
def test_a_telephone_of_nobody_is_told_and_not_kept(phone: str) -> None:
    body, told = patient(phone=phone)
    assert "telecom" not in body and told == ["PID#2-13"]


@pytest.mark.parametrize("phone", ["8133331234", "(11) 99999-9998", "190", "^PRN^PH^^55^81^988887777", "5550133"])
def test_a_telephone_of_somebody_stays(phone: str) -> None:
    body, told = patient(phone=phone)
    assert body["telecom"] and not told


def test_an_email_beside_a_telephone_of_nobody_stays() -> None:
    body, told = patient(phone="0000000000^NET^Internet^ana@example.test")
    assert [point["value"] for point in body["telecom"]] == ["ana@example.test"] and told == ["PID#2-13"]


def test_an_address_that_says_nothing_is_none() -> None:
    body, told = patient("SEM ENDEREÇO^.^NAO INFORMADO^^00000-000")
    assert "address" not in body and told == ["PID#2-11"]


def test_of_an_address_what_says_something_stays() -> None:
    body, told = patient("Rua Nova^S/N^Olinda^PE^00000000^BRA")
    assert body["address"] == [{"line": ["Rua Nova", "S/N"], "city": "Olinda", "state": "PE", "country": "BRA"}]
    assert told == ["PID#2-11"]
    body, told = patient("Rua Nova^5^Olinda^PE^53110-000^BRA")
    assert body["address"][0]["postalCode"] == "53110-000" and not told


@pytest.mark.parametrize(
    ("material", "orderer", "doubtful"),
    [
        ("4410^Tavares^Nilo", "", True),
        ("4410^Tavares^Nilo", "52^Luz^Ida", False),
        ("4410^Soro^Coagulado", "", False),
        ("4410^Tavares", "", False),
        ("SER&Soro&HL70070", "", False),
    ],
)
def test_a_number_and_two_names_for_a_material_are_told(material: str, orderer: str, doubtful: bool) -> None:
    order = f"PID|1||31^^^HOSP^MR\rORC|NW|P1\rOBR|1|P1||X^Exame^L|||||||||||{material}|{orderer}\r"
    bodies, told = mapped("ORM^O01", order)
    assert (("field.person-doubtful", "OBR#4-15") in told) is doubtful
    assert "Specimen" in {body["resourceType"] for body in bodies}
