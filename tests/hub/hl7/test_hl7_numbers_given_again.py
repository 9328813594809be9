"""A hospital's number that is given to somebody else later: neither is taken for the other (real database)."""

from __future__ import annotations

from typing import Any

import pytest
from hl7_feed import a40, feed, msh, oru, records

from hub.world import Tenant, World

T = "202611221000{:02d}"
CPF = "52998224725^^^^CPF"
OTHER_CPF = "11144477735^^^^CPF"
ANA = "Souza^Ana||19800229|F"
RUI = "Lima^Rui||19650301|M"
REUSED, DOUBTFUL = "semantic.number-reused", "semantic.number-doubtful"


def person(at: int, ids: str, who: str, event: str = "A28") -> str:
    return f"{msh(f'ADT^{event}', T.format(at))}\rEVN|{event}|{T.format(at)}-0300\rPID|1||{ids}||{who}\r"


def mr(*numbers: str) -> str:
    return "~".join(f"{number}^^^HOSP^MR" for number in numbers)


async def people(world: World, tenant: Tenant) -> list[tuple[str, str]]:
    """Name and numbers of each patient who is in use, numbers that are old in brackets."""
    found = []
    for one in await records(world, tenant, "Patient"):
        if one.get("active") is not False:
            numbers = [f"({i['value']})" if i.get("use") == "old" else i["value"] for i in one["identifier"]]
            found.append((one["name"][0]["text"], " ".join(sorted(numbers))))
    return sorted(found)


async def whose(world: World, tenant: Tenant) -> list[str]:
    """The patient of each report, by name."""
    names = {f"Patient/{one['id']}": one["name"][0]["text"] for one in await records(world, tenant, "Patient")}
    return [names[one["subject"]["reference"]] for one in await records(world, tenant, "DiagnosticReport")]


def merged() -> tuple[str, ...]:
    """Ana, registered twice and merged: M2 leads to M1."""
    return person(1, mr("M1"), ANA), person(2, mr("M2"), ANA), a40(T.format(3), ("M1", "M2"))


@pytest.mark.parametrize("event", ["A28", "A08", "A31"])
async def test_a_number_merged_away_and_given_again(world: World, tenant: Tenant, event: str) -> None:
    *_, given = await feed(world, tenant, *merged(), person(10, mr("M2"), RUI, event))
    assert REUSED in given["problems"]
    assert await people(world, tenant) == [("Ana Souza", "(M2) M1"), ("Rui Lima", "M2")]
    # from then on it is the new one's, whatever else the message says
    plain = oru("M2", "7", "F", "90", T.format(12)).replace("Souza^Ana", "")
    (told, again) = await feed(world, tenant, plain, person(13, mr("M2"), "Lima^Rui Alves||19650301|M"))
    assert REUSED not in told["problems"] + again["problems"]
    assert await whose(world, tenant) == ["Rui Alves Lima"]
    assert await people(world, tenant) == [("Ana Souza", "(M2) M1"), ("Rui Alves Lima", "M2")]


async def test_late_messages_of_the_former_bearer_are_theirs(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, *merged(), person(10, mr("M2"), RUI))
    late = oru("M2", "7", "F", "90", T.format(5))
    update = person(6, mr("M2"), ANA, "A08")
    told = await feed(
        world, tenant, late, late.replace("Souza^Ana", "").replace("F7", "F8").replace("P7", "P8"), update
    )
    assert await whose(world, tenant) == ["Ana Souza", "Ana Souza"]
    assert all(REUSED not in one["problems"] for one in told)
    assert await people(world, tenant) == [("Ana Souza", "(M2) M1"), ("Rui Lima", "M2")]


async def test_the_former_bearer_sent_once_more_under_the_number(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, *merged(), person(10, mr("M2"), RUI), person(14, mr("M2"), ANA, "A08"))
    assert await people(world, tenant) == [("Ana Souza", "(M2) M1"), ("Rui Lima", "M2")]


@pytest.mark.parametrize("wave", [False, True])
async def test_a_number_given_again_without_a_merge(world: World, tenant: Tenant, wave: bool) -> None:
    told = await feed(world, tenant, person(1, mr("M1"), ANA), person(9, mr("M1"), RUI), wave=wave)
    assert REUSED in told[1]["problems"]
    assert await people(world, tenant) == [("Ana Souza", "(M1)"), ("Rui Lima", "M1")]
    (told,) = await feed(world, tenant, oru("M1", "7", "F", "90", T.format(12)).replace("Souza^Ana", ""))
    assert await whose(world, tenant) == ["Rui Lima"]


async def test_a_new_bearer_who_is_known_already_is_met(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, *merged(), person(5, CPF, RUI), person(10, f"{mr('M2')}~{CPF}", RUI))
    assert await people(world, tenant) == [("Ana Souza", "(M2) M1"), ("Rui Lima", "52998224725 M2")]


async def test_an_older_message_of_a_former_bearer(world: World, tenant: Tenant) -> None:
    """What comes late tells who had the number before: the one who has it keeps it."""
    await feed(world, tenant, person(9, mr("M1"), RUI), person(1, mr("M1"), ANA))
    assert await people(world, tenant) == [("Ana Souza", "(M1)"), ("Rui Lima", "M1")]
    await feed(world, tenant, oru("M1", "7", "F", "90", T.format(12)).replace("Souza^Ana", ""))
    assert await whose(world, tenant) == ["Rui Lima"]


DIFFERENT = {
    "documents and name": (f"{{}}~{CPF}", "Souza^Ana||19800229|F", f"{{}}~{OTHER_CPF}", "Souza^Eva||19800229|F"),
    "documents and birth": (f"{{}}~{CPF}", "Souza^Ana||19800229|F", f"{{}}~{OTHER_CPF}", "Souza^Ana||19610412|F"),
    "name and birth": ("{}", "Souza^Ana||19800229|F", "{}", "Souza^Rui||19650301|M"),
    "whole names in one part": ("{}", "ANA SOUZA||19800229|F", "{}", "RUI LIMA DE SOUZA||19650301|M"),
    "a whole name in one part": ("{}", "Souza^Ana||19800229|F", "{}", "RUI LIMA||19650301|M"),
    "a newborn": ("{}", "Souza^Ana||19800229|F", "{}", "Souza^RN de Eva||20261120|M"),
}


@pytest.mark.parametrize("case", DIFFERENT)
async def test_surely_somebody_else(world: World, tenant: Tenant, case: str) -> None:
    first, ana, second, other = DIFFERENT[case]
    await feed(world, tenant, person(1, first.format(mr("M1")), ana), person(9, second.format(mr("M1")), other))
    assert len(await people(world, tenant)) == 2


SAME = {
    "a birth date mended": ("Souza^Ana||19800229|F", "Souza^Ana||19900110|F"),
    "a slip in the birth date and a social name": ("Souza^Ana||19800229|F", "Souza^Leo||19800228|M"),
    "day and month exchanged": ("Souza^Ana||19800203|F", "Souza^Eva||19800302|F"),
    "a name on marriage": ("Souza^Ana||19800229|F", "Lima Prado^Ana||19800229|F"),
    "names exchanged": ("Souza^Ana||19800229|F", "Ana^Souza||19610412|F"),
    "the whole name in one part": ("Souza^Ana||19800229|F", "ANA SOUZA||19610412|F"),
    "whole names in one part, and a marriage": ("ANA SOUZA||19800229|F", "ANA LIMA||19610412|F"),
    "somebody not identified": ("NAO IDENTIFICADO^HOMEM||19800101|M", "Lima^Rui||19650301|M"),
    "a newborn named": ("Souza^RN de Ana||20261120|M", "Souza^Pedro||20261120|M"),
    "a birth date that fills the field": ("Souza^Ana||19000101|F", "Lima^Rosa||19650301|F"),
    "one mother": ("Souza^Ana|Reis^Eva|19800229|F", "Souza^Leo|Reis^Eva|19650301|M"),
    "one CPF": ("Souza^Ana||19800229|F", "Lima^Rosa||19650301|F"),
}


@pytest.mark.parametrize("case", SAME)
async def test_a_correction_is_no_other_person(world: World, tenant: Tenant, case: str) -> None:
    first, second = SAME[case]
    ids = mr("M1") + (f"~{CPF}" if case == "one CPF" else "")
    told = await feed(world, tenant, person(1, ids, first), person(9, ids, second, "A08"))
    (patient,) = await records(world, tenant, "Patient")
    assert REUSED not in told[1]["problems"] and patient["birthDate"].replace("-", "") == second.split("|")[2]


async def test_within_a_visit_another_name_and_birth_date_put_the_register_right(world: World, tenant: Tenant) -> None:
    """The same number in the same visit: whoever registered them had mistaken the papers. In another visit it is not."""
    visit = "PV1|1|E|PS^1||||||||||||||||{}^^^HOSP^VN\r"
    first = person(1, mr("M1"), ANA, "A04") + visit.format("V1")
    again, other = (person(at, mr("M1"), RUI, "A08") + visit.format(number) for at, number in ((9, "V1"), (10, "V2")))
    told = await feed(world, tenant, first, again)
    assert REUSED not in told[1]["problems"]
    assert await people(world, tenant) == [("Rui Lima", "M1")]
    (told,) = await feed(world, tenant, other.replace(RUI, ANA))
    assert REUSED in told["problems"] and len(await people(world, tenant)) == 2


@pytest.mark.parametrize("who", ["Souza^Eva||19800229|F", "Souza^Ana||19610412|F"])
async def test_under_a_number_merged_away_doubt_changes_nothing(world: World, tenant: Tenant, who: str) -> None:
    kin = "NK1|1|Lima^Rosa|MTH^Mother^HL70063||11988887777\r"
    *_, told = await feed(world, tenant, *merged(), person(10, mr("M2"), who, "A08") + kin)
    assert DOUBTFUL in told["problems"] and told["status"] == "TRANSFORMED"
    patient: Any = next(one for one in await records(world, tenant, "Patient") if one["active"] is True)
    assert (patient["name"][0]["text"], patient["birthDate"]) == ("Ana Souza", "1980-02-29")
    assert await records(world, tenant, "RelatedPerson") == []


async def test_merges_and_their_undoing_after_a_number_was_given_again(world: World, tenant: Tenant) -> None:
    """The new bearer is merged under the number, the former loser parted again: each by whose it was at the time."""
    await feed(world, tenant, *merged(), person(10, mr("M2"), RUI), person(11, mr("M5"), RUI))
    (united,) = await feed(world, tenant, a40(T.format(15), ("M5", "M2")).replace(ANA, RUI))
    assert united["status"] == "TRANSFORMED"
    assert await people(world, tenant) == [("Ana Souza", "(M2) M1"), ("Rui Lima", "(M2) M5")]
    (again,) = await feed(world, tenant, a40(T.format(3), ("M1", "M2")))
    assert again["status"] == "TRANSFORMED"
    assert await people(world, tenant) == [("Ana Souza", "(M2) M1"), ("Rui Lima", "(M2) M5")]
