"""A council number without its state is two doctors' number in two states: only a name that agrees joins (real database)."""

from __future__ import annotations

from typing import Any

import pytest
from hl7_feed import feed, msh, records

from hub.world import Tenant, World

SID = "https://saude.gov.br/fhir/sid"
UNSURE = "semantic.council-without-state"


def visit(number: int, professional: str, *, referring: str = "") -> str:
    """An admission whose attending professional is this one."""
    return (
        f"{msh('ADT^A01', f'2026112210{number:02d}00')}\r"
        f"PID|1||P{number}^^^HOSP^MR||Souza^Ana||19800229|F\r"
        f"PV1|1|I|UTI^1^2||||{professional}|{referring}|||||||||||V{number}^^^HOSP\r"
    )


async def told(world: World, tenant: Tenant, *professionals: str) -> tuple[list[tuple[str, str]], list[list[str]]]:
    """The professionals there are, each by name and numbers, and the findings of each message."""
    found = await feed(world, tenant, *(visit(n, one) for n, one in enumerate(professionals, start=10)))
    return await people(world, tenant), [one["problems"] for one in found]


async def people(world: World, tenant: Tenant) -> list[tuple[str, str]]:
    return sorted(
        (
            one["name"][0]["text"] if "name" in one else "",
            " ".join(sorted(f"{i['system'].removeprefix(SID + '/')}:{i['value']}" for i in one["identifier"])),
        )
        for one in await records(world, tenant, "Practitioner")
    )


async def attending(world: World, tenant: Tenant) -> list[Any]:
    return [one["participant"][0]["individual"] for one in await records(world, tenant, "Encounter")]


async def test_two_names_of_one_number_are_two(world: World, tenant: Tenant) -> None:
    found, problems = await told(
        world, tenant, "12345^Lima^Rui^^^^^^CRM", "12345^Reis^Nora^^^^^^CRM", "12345^LIMA^RUI ALVES^^^^^^CRM"
    )
    assert found == [("Nora Reis", "crm:12345"), ("Rui Lima", "crm:12345")]
    assert [UNSURE in one for one in problems] == [False, True, False]
    first, second, third = await attending(world, tenant)
    assert first["reference"] == third["reference"] != second["reference"]


async def test_messages_worked_together_are_judged_alike(world: World, tenant: Tenant) -> None:
    names = ("12345^Lima^Rui^^^^^^CRM", "12345^Reis^Nora^^^^^^CRM", "12345^Lima^Rui^^^^^^CRM-SP")
    await feed(world, tenant, *(visit(n, one) for n, one in enumerate(names, start=10)), wave=True)
    assert await people(world, tenant) == [("Nora Reis", "crm:12345"), ("Rui Lima", "crm-sp:12345")]


@pytest.mark.parametrize("name", ["", "Lima", "Lima^R", "Dr. Lima", "de Lima^da"])
async def test_a_number_whose_name_says_too_little_is_nobodys_record(world: World, tenant: Tenant, name: str) -> None:
    short = "^".join([*f"12345^{name}".split("^"), *[""] * 8][:8]) + "^CRM"
    found, problems = await told(world, tenant, "12345^Lima^Rui^^^^^^CRM-SP", short)
    assert found == [("Rui Lima", "crm-sp:12345")] and UNSURE in problems[1]
    shown = (await attending(world, tenant))[1]
    assert "reference" not in shown and shown["identifier"] == {"system": f"{SID}/crm", "value": "12345"}


@pytest.mark.parametrize(
    "other", ["0012345^Lima^Rui^^^^^^CRM-SP", "012345-SP^Lima^Rui^^^^^^CRM", "0012345^Lima^Rui^^^^^^CRM"]
)
async def test_noughts_before_a_number_tell_nobody_apart(world: World, tenant: Tenant, other: str) -> None:
    found, _ = await told(world, tenant, "12345^Lima^Rui^^^^^^CRM-SP", other)
    assert found == [("Rui Lima", "crm-sp:12345")]


@pytest.mark.parametrize("stated_first", [True, False])
async def test_the_same_name_with_and_without_state_is_one(world: World, tenant: Tenant, stated_first: bool) -> None:
    pair = ["12345^Lima^Rui^^^^^^CRM-SP", "12345^LIMA^RUI^^^^^^CRM"]
    found, problems = await told(world, tenant, *(pair if stated_first else pair[::-1]))
    assert [numbers for _, numbers in found] == ["crm-sp:12345"] and UNSURE not in problems[0] + problems[1]
    # it is no longer the number of a namesake in another state
    await feed(world, tenant, visit(20, "12345^Lima^Rui^^^^^^CRM-RJ"))
    assert {numbers for _, numbers in await people(world, tenant)} == {"crm-sp:12345", "crm-rj:12345"}


async def test_a_name_in_two_states_decides_nothing(world: World, tenant: Tenant) -> None:
    found, problems = await told(
        world, tenant, "12345^Lima^Rui^^^^^^CRM-SP", "12345^Lima^Rui^^^^^^CRM-RJ", "12345^Lima^Rui^^^^^^CRM"
    )
    assert sorted(numbers for _, numbers in found) == ["crm-rj:12345", "crm-sp:12345"]
    assert UNSURE in problems[2]


@pytest.mark.parametrize("council", ["COREN", "CRO", "CRF", "CREFITO", "CRP", "CRN", "CRFA", "CRBM", "CRESS"])
async def test_other_councils_are_alike(world: World, tenant: Tenant, council: str) -> None:
    name, other = council.lower(), "crm-sp"
    at = "12345^{}^^^^^^{}"
    found, _ = await told(
        world, tenant, at.format("Lima^Rui", council), at.format("Reis^Nora", council), at.format("Lima^Rui", "CRM-SP")
    )
    assert found == sorted(
        [("Nora Reis", f"{name}:12345"), ("Rui Lima", f"{name}:12345"), ("Rui Lima", f"{other}:12345")]
    )


async def test_a_number_without_name_is_who_another_field_names(world: World, tenant: Tenant) -> None:
    (found,) = await feed(world, tenant, visit(10, "12345^Lima^Rui^^^^^^CRM", referring="12345^^^^^^^^CRM"))
    assert await people(world, tenant) == [("Rui Lima", "crm:12345")] and UNSURE not in found["problems"]


async def test_a_local_number_is_of_the_facility_that_gave_it(world: World, tenant: Tenant) -> None:
    """XCN-14, where XCN-9 names no authority (2.5.1 §2.A.88): one system sends the doctors of two houses."""
    at = "12345^{}^^^^^^^^^^DN^{}"
    found, _ = await told(world, tenant, at.format("Lima^Rui", "NORTE"), at.format("Reis^Nora", "SUL"))
    assert [numbers for _, numbers in found] == ["urn:ponte:sul:dn:12345", "urn:ponte:norte:dn:12345"]
