"""A mother told by PID-21 in one message and by NK1 in another is one person, where names and numbers allow it."""

from __future__ import annotations

from typing import Any

import pytest
from hl7_feed import adt, feed, records

from hub.world import Tenant, World

T = "202611221000{:02d}"
CPF, OTHER = "31415926590^^^^CPF", "52998224725^^^^CPF"


def by_pid(at: int, name: str, number: str, event: str = "A01") -> str:
    child = f"Souza^Lia|{name}|20261121|F|||||||||||||{number}"
    return adt(event, "31", "V1" if event != "A31" else "", T.format(at), pid=child)


def by_nk1(at: int, name: str, number: str, kin: str = "MTH^Mother^HL70063", event: str = "A01") -> str:
    nk1 = f"NK1|1|{name}|{kin}|Rua A^^Recife^PE|81988887777||||||||||F|19900102|||||||||||||||||{number}"
    return adt(event, "31", "V1" if event != "A31" else "", T.format(at), nk1, pid="Souza^Lia||20261121|F")


async def kin(world: World, tenant: Tenant, *messages: str) -> list[dict[str, Any]]:
    assert {told["status"] for told in await feed(world, tenant, *messages)} == {"TRANSFORMED"}
    return await records(world, tenant, "RelatedPerson")


@pytest.mark.parametrize("first", ["PID", "NK1"])
@pytest.mark.parametrize("number", [CPF, "77^^^HOSP^MR"])
@pytest.mark.parametrize("events", [("A01", "A08"), ("A28", "A31"), ("A01", "A31")])
async def test_she_is_one_whichever_came_first(
    world: World, tenant: Tenant, first: str, number: str, events: tuple[str, str]
) -> None:
    one, other = events
    if first == "PID":
        sent = [by_pid(1, "Souza^Ana Beatriz", number, one), by_nk1(2, "SOUZA^ANA BEATRIZ DE", CPF, event=other)]
    else:
        sent = [by_nk1(1, "SOUZA^ANA BEATRIZ DE", CPF, event=one), by_pid(2, "Souza^Ana Beatriz", number, other)]
    (mother,) = await kin(world, tenant, *sent, *(message.replace("1000", "1001") for message in sent))
    numbers = [item["value"] for item in mother["identifier"]]
    assert sorted(numbers) == sorted({"31415926590", number.partition("^")[0]})
    assert mother["birthDate"] == "1990-01-02" and mother["telecom"] and mother["address"]
    (child,) = await records(world, tenant, "Patient")
    assert mother["patient"] == {"reference": f"Patient/{child['id']}", "type": "Patient"} or mother["patient"][
        "reference"
    ].endswith(child["id"])


@pytest.mark.parametrize(
    ("pid", "nk1", "kinship"),
    [
        (("Souza^Ana Beatriz", OTHER), ("Souza^Ana Beatriz", CPF), "MTH^Mother^HL70063"),
        (("Souza^Ana", "77^^^HOSP^MR"), ("Lima^Rosa", CPF), "MTH^Mother^HL70063"),
        (("Souza", "77^^^HOSP^MR"), ("Souza", CPF), "MTH^Mother^HL70063"),
        (("Souza^Ana Beatriz", "77^^^HOSP^MR"), ("Souza^Ana Beatriz", CPF), "GRD^Guardian^HL70063"),
    ],
)
async def test_where_it_is_not_sure_they_are_two(
    world: World, tenant: Tenant, pid: tuple[str, str], nk1: tuple[str, str], kinship: str
) -> None:
    assert len(await kin(world, tenant, by_pid(1, *pid), by_nk1(2, *nk1, kinship, "A08"))) == 2


async def test_mothers_of_two_children_stay_apart(world: World, tenant: Tenant) -> None:
    """A RelatedPerson is of one patient (R4): her twin's mother is another record."""
    other = by_nk1(2, "Souza^Ana Beatriz", CPF).replace("|31^", "|32^").replace("Souza^Lia", "Souza^Eva")
    found = await kin(world, tenant, by_pid(1, "Souza^Ana Beatriz", CPF), other.replace("V1", "V2"))
    assert len({mother["patient"]["reference"] for mother in found}) == len(found) == 2


@pytest.mark.parametrize("first", ["PID", "NK1"])
async def test_two_messages_worked_together_tell_of_one(world: World, tenant: Tenant, first: str) -> None:
    sent = [by_pid(1, "Souza^Ana Beatriz", "77^^^HOSP^MR"), by_nk1(2, "SOUZA^ANA BEATRIZ", CPF, event="A08")]
    await feed(world, tenant, *(sent if first == "PID" else reversed(sent)), wave=True)
    (mother,) = await records(world, tenant, "RelatedPerson")
    assert {item["value"] for item in mother["identifier"]} == {"77", "31415926590"}


async def test_two_mothers_worked_together_stay_two(world: World, tenant: Tenant) -> None:
    sent = [by_pid(1, "Souza^Ana Beatriz", "77^^^HOSP^MR"), by_nk1(2, "Lima^Rosa Maria", CPF, event="A08")]
    await feed(world, tenant, *sent, wave=True)
    assert len(await records(world, tenant, "RelatedPerson")) == 2
