"""What is no number of one person joins nobody: zeros, words, wrong check digits, one number of two houses."""

from __future__ import annotations

import pytest
from hl7_feed import feed, msh, records

from hub.world import Tenant, World

T = "202611221000{:02d}"
WRONG_CPF, WRONG_CNS = "52998224724", "700000000000004"


def person(at: int, ids: str, who: str) -> str:
    return f"{msh('ADT^A28', T.format(at))}\rPID|1||{ids}||{who}\r"


async def people(world: World, tenant: Tenant) -> list[tuple[str, str]]:
    return sorted(
        (one["name"][0]["text"], " ".join(sorted(i["value"] for i in one["identifier"])))
        for one in await records(world, tenant, "Patient")
    )


@pytest.mark.parametrize(
    "number", ["0", "00", "000000", "-", "***", "NAO INFORMADO", "Sem numero", "S/N", "NÃO CONSTA"]
)
async def test_what_says_there_is_no_number(world: World, tenant: Tenant, number: str) -> None:
    at = f"{number}^^^HOSP^MR~{{}}^^^LAB^PI"
    await feed(
        world,
        tenant,
        person(1, at.format("1"), "Souza^Ana||19800229|F"),
        person(2, at.format("2"), "Lima^Ana||19800229|F"),
    )
    assert await people(world, tenant) == [("Ana Lima", "2"), ("Ana Souza", "1")]


@pytest.mark.parametrize("number", ["0", "SEM NUMERO"])
async def test_nobody_is_made_of_no_number(world: World, tenant: Tenant, number: str) -> None:
    (told,) = await feed(world, tenant, person(1, f"{number}^^^HOSP^MR", "Souza^Ana||19800229|F"))
    assert told["status"] == "ERROR" and "identifier.nobodys" in told["problems"] and await people(world, tenant) == []


async def test_one_number_of_two_houses_of_one_sender(world: World, tenant: Tenant) -> None:
    """CX-6, where CX-4 is empty (2.5.1 §2.A.14.6)."""
    north, south = "77^^^^MR^NORTE", "77^^^^MR^SUL"
    await feed(world, tenant, person(1, north, "Souza^Ana||19800229|F"), person(2, south, "Souza^Ana||19800229|F"))
    assert len(await people(world, tenant)) == 2
    await feed(world, tenant, person(3, north, "Souza^Ana Maria||19800229|F"))
    assert [name for name, _ in await people(world, tenant)] == ["Ana Maria Souza", "Ana Souza"]


@pytest.mark.parametrize(("number", "kind"), [(WRONG_CPF, "CPF"), (WRONG_CNS, "CNS")])
@pytest.mark.parametrize("who", ["Lima^Rosa||19800229|F", "Lima^Ana|||F", "||19800229|F"])
async def test_wrong_check_digits_join_nobody(world: World, tenant: Tenant, number: str, kind: str, who: str) -> None:
    ids = f"{number}^^^^{kind}"
    first, second = await feed(world, tenant, person(1, ids, "Souza^Ana||19800229|F"), person(2, ids, who))
    assert len(await records(world, tenant, "Patient")) == 2
    assert f"identifier.{kind.lower()}" in first["problems"] and "semantic.identity-review" in second["problems"]
    shown = [[i["value"] for i in one["identifier"]] for one in await records(world, tenant, "Patient")]
    assert shown == [[number], [number]], "it stays as it was sent"


async def test_the_same_person_with_a_wrong_number_is_found_again(world: World, tenant: Tenant) -> None:
    ids, who = f"{WRONG_CPF}^^^^CPF", "Souza^Ana||19800229|F"
    await feed(world, tenant, person(1, ids, who), person(2, ids, who), person(3, f"{ids}~M1^^^HOSP^MR", who))
    await feed(world, tenant, person(4, "M1^^^HOSP^MR", "Souza^Ana Maria||19800229|F"))
    assert await people(world, tenant) == [("Ana Maria Souza", f"{WRONG_CPF} M1")]


async def test_a_professional_and_a_payer_with_wrong_check_digits(world: World, tenant: Tenant) -> None:
    """Their number is one of the house that sends it."""

    def visit(at: int, house: str, doctor: str, payer: str) -> str:
        return (
            f"{msh('ADT^A01', T.format(at), sender=f'HIS|{house}')}\rPID|1||P{at}^^^HOSP^MR||Souza^Ana||19800229|F\r"
            f"PV1|1|I|UTI^1^2||||{WRONG_CPF}^{doctor}^^^^^^CPF||||||||||||V{at}^^^HOSP\r"
            f"IN1|1|OURO|11222333000182^^^^CNPJ|{payer}\r"
        )

    told = await feed(
        world, tenant, visit(1, "NORTE", "Lima^Rui", "Unimed Recife"), visit(2, "SUL", "Reis^Nora", "Plano Azul")
    )
    assert sorted(one["name"][0]["text"] for one in await records(world, tenant, "Practitioner")) == [
        "Nora Reis", "Rui Lima",
    ]  # fmt: skip
    payers = [one["name"] for one in await records(world, tenant, "Organization")]
    assert sorted(payers) == ["Plano Azul", "Unimed Recife"]
    assert all({"identifier.cpf", "identifier.cnpj"} <= set(one["problems"]) for one in told)
