"""One professional told by several numbers in the repetitions of one field is one record (real database)."""

from __future__ import annotations

from typing import Any

import pytest
from hl7_feed import feed, msh, records

from hub.world import Tenant, World

CRM, CPF, OWN = "41234^Lima^Rui Alves^^^^^^CRM-SP", "52998224725^Lima^Rui^^^^^^CPF", "7711^Lima^Rui^^^^^^HOSP&1.2.3&ISO"
TWICE = "semantic.professional-twice"


def order(number: int, *, attending: str = "", requester: str = "") -> str:
    return "\r".join(
        (
            msh("ORM^O01", f"2026112210{number:02d}00"),
            f"PID|1||P{number}^^^HOSP^MR||Souza^Ana||19800229|F",
            f"PV1|1|I|UTI^1^2||||{attending}||||||||||||V{number}^^^HOSP",
            f"ORC|NW|R{number}|||||||||{requester}".replace("|||||||||", "||||||||||"),
            f"OBR|1|R{number}||GLI^Glicose^L",
            "",
        )
    )


async def people(world: World, tenant: Tenant) -> list[list[str]]:
    found = await records(world, tenant, "Practitioner")
    return sorted(sorted(item["value"] for item in one["identifier"]) for one in found)


async def attending(world: World, tenant: Tenant) -> list[Any]:
    return [
        [p["individual"]["reference"] for p in one["participant"]] for one in await records(world, tenant, "Encounter")
    ]


@pytest.mark.parametrize("numbers", [(CRM, CPF, OWN), (OWN, CRM), (CPF, OWN)])
async def test_one_person_with_all_numbers(world: World, tenant: Tenant, numbers: tuple[str, ...]) -> None:
    (told,) = await feed(world, tenant, order(1, attending="~".join(numbers), requester="~".join(numbers)))
    assert told["problems"] == [], "nothing of it is lost"
    assert await people(world, tenant) == [sorted(one.partition("^")[0] for one in numbers)]
    assert [len(one) for one in await attending(world, tenant)] == [1]
    await feed(world, tenant, *(order(n, attending=one) for n, one in enumerate(reversed(numbers), start=2)))
    assert len(await people(world, tenant)) == 1, "each number finds the one"
    assert len({each for one in await attending(world, tenant) for each in one}) == 1


@pytest.mark.parametrize(
    "others",
    [
        "52998224725^Reis^Nora^^^^^^CPF",
        "55555^Lima^Rui^^^^^^CRM-SP",
        "52998224725^^^^^^^^CPF",
        "52998224725^Lima^^^^^^^CPF",
        "88221^Lima^Rui^^^^^^COREN-SP",
    ],
)
async def test_two_stay_two(world: World, tenant: Tenant, others: str) -> None:
    await feed(world, tenant, order(1, attending=f"{CRM}~{others}"))
    assert len(await people(world, tenant)) == 2
    assert [len(one) for one in await attending(world, tenant)] == [2]


@pytest.mark.parametrize("wave", [False, True])
async def test_a_number_told_later_is_learned(world: World, tenant: Tenant, wave: bool) -> None:
    first, both, alone = order(1, attending=CRM), order(2, attending=f"{CRM}~{CPF}"), order(3, attending=CPF)
    await feed(world, tenant, first)
    ((before,),) = await attending(world, tenant)
    await feed(world, tenant, both, alone, wave=wave)
    assert await people(world, tenant) == [["41234", "52998224725"]]
    assert {each for one in await attending(world, tenant) for each in one} == {before}


async def test_two_records_of_before_stay_two_and_that_is_told(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, order(1, attending=CRM), order(2, attending=CPF))
    before = await attending(world, tenant)
    (told,) = await feed(world, tenant, order(3, attending=f"{CRM}~{CPF}~{OWN}"))
    assert told["problems"] == [TWICE]
    assert await people(world, tenant) == [["41234", "7711"], ["52998224725"]]
    await feed(world, tenant, order(4, attending=CPF), order(5, attending=OWN))
    found = await attending(world, tenant)
    assert found[:2] == before and found[2] == before[0] and found[3] == before[1] and found[4] == before[0]


UNCLEAR = "field.professional-unclear"


@pytest.mark.parametrize(
    ("sent", "told", "found"),
    [
        ("41234^Lima^Rui^^^^^^CRM-SP~52345^Lima^Rui^^^^^^CRM-RJ", [UNCLEAR], 2),
        ("41234^Lima^Rui Alves^^^^^^CRM-SP~52345^Lima^Rui Alves^^^^^^CRM-RJ", [], 1),
        ("41234^Lima^Rui^^^^^^CRM-SP~52345^Lima^Rui^^^^^^CRM-SP~52998224725^Lima^Rui^^^^^^CPF", [UNCLEAR], 3),
        ("41234^Lima^Rui^^^^^^CRM-SP~52998224725^Reis^Nora^^^^^^CPF", [], 2),
    ],
)
async def test_namesakes_of_one_field(world: World, tenant: Tenant, sent: str, told: list[str], found: int) -> None:
    (outcome,) = await feed(world, tenant, order(1, attending=sent))
    assert outcome["problems"] == told
    assert len(await people(world, tenant)) == found
    assert [len(one) for one in await attending(world, tenant)] == [found], "all of them are there"
