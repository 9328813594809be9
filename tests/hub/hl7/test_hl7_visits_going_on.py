"""A visit that goes on under another number (A06, A07 with MRG-5): the former one ends, and is part of the new one."""

from __future__ import annotations

import itertools

import pytest
from hl7_feed import adt, feed, msh, records

from hub.world import Tenant, World

T = "202611221000{:02d}"
AT = "2026-11-22T10:00:{:02d}-03:00"


def visit(event: str, at: int, number: str, former: str = "", *, kind: str = "I", place: str = "ENF^4^2") -> str:
    lines = [msh(f"ADT^{event}", T.format(at)), f"EVN|{event}|{T.format(at)}-0300"]
    lines += ["PID|1||A^^^HOSP^MR||Souza^Ana||19800229|F"]
    lines += [f"MRG|A^^^HOSP^MR||||{former}^^^HOSP"] if former else []
    return "\r".join([*lines, f"PV1|1|{kind}|{place}||||||||||||||||{number}^^^HOSP"]) + "\r"


ARRIVES = visit("A04", 1, "E1", kind="E", place="PS^1^1")
STAYS = visit("A06", 5, "I9", "E1")


async def visits(world: World, tenant: Tenant) -> dict[str, dict]:
    return {one["identifier"][0]["value"]: one for one in await records(world, tenant, "Encounter")}


async def state(world: World, tenant: Tenant) -> dict[str, tuple]:
    """Of each visit its status, its class, when it began and ended, and whether it is part of another."""
    found = await visits(world, tenant)
    names = {f"Encounter/{one['id']}": number for number, one in found.items()}
    return {
        number: (
            one["status"],
            one["class"]["code"],
            one.get("period", {}).get("end", ""),
            names.get(one.get("partOf", {}).get("reference", ""), ""),
        )
        for number, one in found.items()
    }


GONE_ON = {"E1": ("finished", "EMER", AT.format(5), "I9"), "I9": ("in-progress", "IMP", "", "")}


@pytest.mark.parametrize(
    "order", [*itertools.permutations([ARRIVES, STAYS]), [ARRIVES, STAYS, STAYS.replace("|T", "|U")]]
)
@pytest.mark.parametrize("wave", [False, True])
async def test_the_former_visit_ends_in_the_new_one(world: World, tenant: Tenant, order: list[str], wave: bool) -> None:
    for outcome in await feed(world, tenant, *order, wave=wave):
        assert outcome["status"] == "TRANSFORMED" and not outcome["problems"]
        assert outcome["segments"]["unmapped"] == 0
    assert await state(world, tenant) == GONE_ON
    former = (await visits(world, tenant))["E1"]
    assert [(p["status"], p["period"]) for p in former["location"]] == [
        ("completed", {"start": AT.format(1), "end": AT.format(5)})
    ]


async def test_a_number_that_does_not_change_ends_nothing(world: World, tenant: Tenant) -> None:
    (_, same) = await feed(world, tenant, ARRIVES, visit("A06", 5, "E1", "E1"))
    assert same["problems"] == [] and same["segments"]["unmapped"] == 0
    assert await state(world, tenant) == {"E1": ("in-progress", "IMP", "", "")}


@pytest.mark.parametrize("order", [*itertools.permutations([STAYS, visit("A07", 8, "E1", "I9", kind="E")])])
async def test_back_to_the_old_number(world: World, tenant: Tenant, order: list[str]) -> None:
    await feed(world, tenant, ARRIVES, *order)
    assert await state(world, tenant) == {
        "E1": ("in-progress", "EMER", "", ""),
        "I9": ("finished", "IMP", AT.format(8), "E1"),
    }
    await feed(world, tenant, STAYS.replace("|T", "|U"))
    assert (await state(world, tenant))["E1"] == ("in-progress", "EMER", "", ""), "sent again, late"


@pytest.mark.parametrize("event", ["A11", "A23"])
@pytest.mark.parametrize("wave", [False, True])
async def test_a_new_visit_taken_back_lets_the_former_go_on(
    world: World, tenant: Tenant, event: str, wave: bool
) -> None:
    *_, off = await feed(world, tenant, ARRIVES, STAYS, visit(event, 7, "I9"), wave=wave)
    assert off["problems"] == ["semantic.visit-goes-on"] or wave
    now = await state(world, tenant)
    assert now["E1"] == ("in-progress", "EMER", "", "") and now["I9"][0] in ("cancelled", "entered-in-error")
    former = (await visits(world, tenant))["E1"]
    assert former["location"][0]["status"] == "active" and "went-on" not in str(former)
    await feed(world, tenant, STAYS.replace("|T", "|U"))
    assert await state(world, tenant) == now, "the admission sent again changes nothing"
    await feed(world, tenant, visit("A06", 9, "I9", "E1"))
    assert (await state(world, tenant))["E1"][:1] + (await state(world, tenant))["E1"][2:] == (
        "finished", AT.format(9), "I9",
    )  # fmt: skip


async def test_a_late_admission_that_was_taken_back_ends_nothing(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, ARRIVES, visit("A08", 6, "I9"), visit("A11", 7, "I9"))
    (late,) = await feed(world, tenant, STAYS)
    assert late["problems"] == ["semantic.visit-goes-on"]
    assert (await state(world, tenant))["E1"] == ("in-progress", "EMER", "", "")


async def test_a_discharge_of_its_own_stands(world: World, tenant: Tenant) -> None:
    """Who left the emergency room by its own A03 did not come back to it when the admission is taken back."""
    left = adt("A03", "A", "E1", T.format(6), pv1="|" * 25 + "20261122095500-0300")
    await feed(world, tenant, ARRIVES, STAYS, left, visit("A11", 7, "I9"))
    found = (await visits(world, tenant))["E1"]
    assert (found["status"], found["period"]["end"]) == ("finished", "2026-11-22T09:55:00-03:00")


async def test_an_update_does_not_open_it_again(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, ARRIVES, STAYS, visit("A08", 6, "E1", kind="E", place="PS^1^1"))
    assert await state(world, tenant) == GONE_ON
    await feed(world, tenant, visit("A13", 7, "E1", kind="E", place="PS^1^1"))
    assert (await state(world, tenant))["E1"] == ("in-progress", "EMER", "", "")


async def test_a_visit_that_went_on_further_opens_nothing_when_taken_back(world: World, tenant: Tenant) -> None:
    further = visit("A07", 7, "O3", "I9", kind="O")
    _, _, _, off = await feed(world, tenant, ARRIVES, STAYS, further, visit("A11", 8, "I9"))
    assert off["problems"] == [] and (await state(world, tenant))["E1"] == GONE_ON["E1"]
    assert (await state(world, tenant))["O3"][0] == "in-progress"


async def test_a_former_visit_that_was_merged_stays_retired(world: World, tenant: Tenant) -> None:
    merged = visit("A42", 6, "I9", "E1").replace("ADT^A42", "ADT^A42^ADT_A39")
    outcomes = await feed(world, tenant, ARRIVES, STAYS, merged, visit("A11", 7, "I9"))
    assert [one["problems"] for one in outcomes] == [[]] * 4
    assert sorted(one["status"] for one in await records(world, tenant, "Encounter")) == [
        "cancelled", "entered-in-error",
    ]  # fmt: skip


FIRST = visit("A01", 1, "V1", place="ENF^4^2")
SECOND = visit("A01", 3, "V2", place="UTI^1^1")
BARE = visit("A01", 3, "V2", place="")
MERGED = visit("A42", 5, "V2", "V1", place="").replace("ADT^A42", "ADT^A42^ADT_A39")


async def beds(world: World, tenant: Tenant) -> dict[str, list[tuple]]:
    """Of each visit, by its own number or as the retired one, its places with their status and period."""
    return {
        "V2" if "identifier" in one else "retired": [
            (
                place["location"]["identifier"]["value"],
                place["status"],
                place.get("period", {}).get("start", "")[17:19],
                place.get("period", {}).get("end", "")[17:19],
            )
            for place in one.get("location", ())
        ]
        for one in await records(world, tenant, "Encounter")
    }


@pytest.mark.parametrize("second", [SECOND, BARE])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_merged_visit_leaves_no_bed_taken(
    world: World, tenant: Tenant, order: tuple[int, ...], second: str
) -> None:
    steps = [FIRST, second, MERGED]
    outcomes = await feed(world, tenant, *(steps[i] for i in order))
    assert [one["problems"] for one in outcomes] == [[]] * 3
    found = await beds(world, tenant)
    assert [place[1] for place in found["V2"]].count("active") == 1, "the patient lies in one bed"
    assert all(place[1] == "completed" and place[3] for place in found.get("retired", [])), "and in none of the retired"
    if second == BARE:
        assert found["V2"] == [("ENF / 4 / 2", "active", "01", "")], "the only bed there is goes over"
    else:
        assert found["V2"] == [("ENF / 4 / 2", "completed", "01", "03"), ("UTI / 1 / 1", "active", "03", "")]


async def test_a_visit_that_is_over_takes_no_bed_of_a_merged_one(world: World, tenant: Tenant) -> None:
    left = visit("A03", 4, "V2", place="UTI^1^1")
    await feed(world, tenant, FIRST, SECOND, left, MERGED)
    found = await beds(world, tenant)
    assert found["V2"] == [("ENF / 4 / 2", "completed", "01", "03"), ("UTI / 1 / 1", "completed", "03", "04")]
    assert found["retired"] == [("ENF / 4 / 2", "completed", "01", "05")]
    (again,) = await feed(world, tenant, MERGED.replace("|T", "|U"))
    assert again["problems"] == [] and await beds(world, tenant) == found, "the same merge again changes nothing"


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
async def test_a_planned_visit_that_takes_one_under_way_has_begun(
    world: World, tenant: Tenant, order: tuple[int, ...]
) -> None:
    steps = [visit("A05", 0, "V2", kind="P", place="CIR^1^1"), FIRST, MERGED]
    outcomes = await feed(world, tenant, *(steps[i] for i in order))
    told = [problem for one in outcomes for problem in one["problems"]]
    assert told == ["semantic.visit-begun-by-merge"] * (order == (0, 1, 2))
    (kept,) = (one for one in await records(world, tenant, "Encounter") if "identifier" in one)
    assert kept["status"] == "in-progress"
    assert [place["status"] for place in kept["location"]] == ["active"], "the bed, and no plan beside it"
    left = visit("A03", 9, "V1", place="")
    await feed(world, tenant, left)
    assert {one["status"] for one in await records(world, tenant, "Encounter")} <= {"finished", "entered-in-error"}


async def test_a_cancelled_discharge_beside_another_visit_with_a_bed_is_told(world: World, tenant: Tenant) -> None:
    left, back = visit("A03", 2, "V1"), visit("A13", 4, "V1")
    *_, alone = await feed(world, tenant, FIRST, left, back)
    assert alone["problems"] == [], "there is one bed"
    left, back = visit("A03", 5, "V1"), visit("A13", 7, "V1")
    *_, beside = await feed(world, tenant, left, visit("A01", 6, "V2", place="UTI^1^1"), back)
    assert beside["problems"] == ["semantic.two-beds"]
    (again,) = await feed(world, tenant, visit("A13", 8, "V1"))
    assert again["problems"] == [], "said once"
