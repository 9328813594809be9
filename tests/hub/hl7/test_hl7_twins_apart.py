"""Children born together, and others who share a number that only one of them can have, stay apart (real database)."""

from __future__ import annotations

import pytest
from hl7_feed import feed, msh, records

from hub.world import Tenant, World

T = "202611221000{:02d}"
CPF = "52998224725^^^^CPF"
CNS = "700000000000005^^^^CNS"
REVIEW = "semantic.identity-review"
BORN = "20261122"
MOTHER = ("M1^^^HOSP^MR~" + CPF, "Souza^Ana", "19900101", "F")


def person(at: int, ids: str, name: str, born: str, sex: str) -> str:
    return f"{msh('ADT^A28', T.format(at))}\rPID|1||{ids}||{name}||{born}|{sex}\r"


async def names(world: World, tenant: Tenant) -> list[str]:
    return sorted(one["name"][0]["text"] for one in await records(world, tenant, "Patient"))


TWINS = {
    "the mother's number, each their own": (f"B1^^^HOSP^MR~{CPF}", f"B2^^^HOSP^MR~{CPF}"),
    "the mother's number first": (f"{CPF}~B1^^^HOSP^MR", f"{CPF}~B2^^^HOSP^MR"),
    "one CNS": (f"B1^^^HOSP^MR~{CNS}", f"B2^^^HOSP^MR~{CNS}"),
}


@pytest.mark.parametrize("wave", [False, True])
@pytest.mark.parametrize("mother", [False, True])
@pytest.mark.parametrize("numbers", TWINS)
async def test_twins_with_numbers_of_their_own(
    world: World, tenant: Tenant, numbers: str, mother: bool, wave: bool
) -> None:
    first, second = TWINS[numbers]
    messages = [
        *([person(1, *MOTHER)] if mother else []),
        person(2, first, "Souza^RN1 de Ana", BORN, "M"),
        person(3, second, "Souza^RN2 de Ana", BORN, "M"),
    ]
    outcomes = await feed(world, tenant, *messages, wave=wave)
    expected = ["RN1 de Ana Souza", "RN2 de Ana Souza"]
    assert await names(world, tenant) == [*(["Ana Souza"] if mother else []), *expected]
    assert any(REVIEW in one["problems"] for one in outcomes)


@pytest.mark.parametrize("wave", [False, True])
async def test_twins_with_the_mothers_number_alone(world: World, tenant: Tenant, wave: bool) -> None:
    await feed(world, tenant, person(1, *MOTHER))
    twins = [person(n, CPF, f"Souza^RN{n} de Ana", BORN, "M") for n in (2, 3)]
    await feed(world, tenant, *twins, wave=wave)
    assert await names(world, tenant) == ["Ana Souza", "RN2 de Ana Souza", "RN3 de Ana Souza"]
    await feed(world, tenant, person(4, CPF, "Souza^RN3 de Ana", BORN, "M"))
    assert len(await names(world, tenant)) == 3, "each is found again by the name"


@pytest.mark.parametrize(
    ("one", "other"), [("Maria Clara", "Maria Eduarda"), ("Paulo", "Pedro"), ("RN I de Ana", "RN II de Ana")]
)
async def test_similar_names(world: World, tenant: Tenant, one: str, other: str) -> None:
    ids = f"{{}}^^^HOSP^MR~{CNS}"
    first, second = (person(n, ids.format(f"B{n}"), f"Souza^{name}", BORN, "F") for n, name in ((1, one), (2, other)))
    await feed(world, tenant, first, second)
    assert await names(world, tenant) == [f"{one} Souza", f"{other} Souza"]


async def test_a_person_registered_twice_is_still_one(world: World, tenant: Tenant) -> None:
    """Two numbers of one hospital, one CPF, one name; and a changed given name under one's own number."""
    await feed(world, tenant, person(1, *MOTHER), person(2, f"M2^^^HOSP^MR~{CPF}", "Lima^Ana", "19900101", "F"))
    await feed(world, tenant, person(3, f"M1^^^HOSP^MR~{CPF}", "Souza^Eva", "19900101", "F"))
    assert await names(world, tenant) == ["Eva Souza"]


async def test_without_birth_date_the_names_must_not_disagree(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, person(1, CPF, "Souza^Ana", "", ""), person(2, CPF, "Lima^Rui", "", ""))
    assert await names(world, tenant) == ["Ana Souza", "Rui Lima"]
    await feed(world, tenant, person(3, CPF, "Souza^Ana Maria", "", "F"))
    assert len(await names(world, tenant)) == 2


@pytest.mark.parametrize("filler", ["00000000000^^^^CPF", "000.000.000-00^^^^CPF", "99999999999", "1" * 15 + "^^^^CNS"])
async def test_fillers_join_nobody(world: World, tenant: Tenant, filler: str) -> None:
    same = ("19800101", "F")
    alone, *others = await feed(
        world,
        tenant,
        person(1, filler, "Souza^Ana", *same),
        person(2, f"{filler}~M1^^^HOSP^MR", "Reis^Eva", *same),
        person(3, f"{filler}~M2^^^HOSP^MR", "Lima^Ana", *same),
    )
    assert await names(world, tenant) == ["Ana Lima", "Eva Reis"]
    assert "identifier.nobodys" in alone["problems"] and {one["status"] for one in others} == {"TRANSFORMED"}
