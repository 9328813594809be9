"""Who is never joined by itself, and how it is listed for a person to decide (real database)."""

from __future__ import annotations

import pytest
from hl7_feed import a40, feed, msh, records

from hub.operate.persons import reviews
from hub.world import Tenant, World

T = "202611221000{:02d}"
CPF = "52998224725^^^^CPF"


def person(at: int, ids: str, name: str, born: str, sex: str) -> str:
    return f"{msh('ADT^A28', T.format(at))}\rPID|1||{ids}||{name}||{born}|{sex}\r"


async def listed(world: World, tenant: Tenant) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    async with world.transaction(tenant) as tx:
        return [(pair.alike, pair.unlike) for pair in await reviews.pairs(tx)]


@pytest.mark.parametrize(
    ("name", "born", "sex", "unlike"),
    [
        ("Souza^RN de Ana", "20261122", "M", ("other name", "other birth date", "other sex")),
        ("Souza^Ana", "19910101", "F", ("other birth date",)),
        ("Souza^Ana", "19900101", "M", ("other sex",)),
    ],
)
async def test_same_cpf_of_somebody_else(
    world: World, tenant: Tenant, name: str, born: str, sex: str, unlike: tuple[str, ...]
) -> None:
    mother = person(1, f"M1^^^HOSP^MR~{CPF}", "Souza^Ana", "19900101", "F")
    (_, second) = await feed(world, tenant, mother, person(2, f"{CPF}~B1^^^HOSP^MR", name, born, sex))
    assert "semantic.identity-review" in second["problems"]
    assert len(await records(world, tenant, "Patient")) == 2
    ((alike, other),) = await listed(world, tenant)
    assert alike[0] == "same CPF" and other == unlike


async def test_own_number_first_and_no_false_alarm(world: World, tenant: Tenant) -> None:
    """A corrected birth date comes under CPF and prontuário: the prontuário says who it is."""
    await feed(world, tenant, person(1, f"{CPF}~M1^^^HOSP^MR", "Souza^Ana", "19900101", "F"))
    (fixed,) = await feed(world, tenant, person(2, f"{CPF}~M1^^^HOSP^MR", "Souza^Ana", "19900110", "F"))
    assert "semantic.identity-review" not in fixed["problems"]
    (patient,) = await records(world, tenant, "Patient")
    assert patient["birthDate"] == "1990-01-10" and await listed(world, tenant) == []


async def test_a_number_added_that_is_somebody_elses_is_told(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, person(1, f"M1^^^HOSP^MR~{CPF}", "Souza^Ana", "19900101", "F"))
    await feed(world, tenant, person(2, "Z9^^^HOSP^MR", "Lima^Rui", "19700101", "M"))
    (told,) = await feed(world, tenant, person(3, f"Z9^^^HOSP^MR~{CPF}", "Lima^Rui", "19700101", "M"))
    assert "semantic.identity-review" in told["problems"]


async def test_homonyms_stay_two_until_somebody_merges_them(world: World, tenant: Tenant) -> None:
    await feed(
        world,
        tenant,
        person(1, f"M1^^^HOSP^MR~{CPF}", "Souza^Ana", "19900101", "F"),
        person(2, "M2^^^HOSP^MR~11144477735^^^^CPF", "SOUZA^ANA", "19900101", "F"),
    )
    assert len(await records(world, tenant, "Patient")) == 2
    assert await listed(world, tenant) == [
        (("same name", "same birth date", "same sex"), ()),
    ]
    await feed(world, tenant, a40(T.format(3), ("M1", "M2")))
    assert await listed(world, tenant) == []
