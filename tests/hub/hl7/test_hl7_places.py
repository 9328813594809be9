"""What a visit remembers of places, statuses and classes, in whatever order its messages come, on a real database."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hl7_feed import feed, msh, records

from hub.world import Tenant, World

T = "202611221000{:02d}"
UTC = "2026-11-22T10:00:{:02d}-03:00"


def visit(event: str, at: int, bed: str = "", **fields: str) -> str:
    """An ADT about visit V1; `bed` is PV1-3.2, keywords are further PV1 fields (f6, f11…), or `more` segments."""
    more = fields.pop("more", "")
    values = {2: "I", 3: f"UTI^{bed}^^HOSP" if bed else "", 19: "V1^^^HOSP"}
    values |= {int(name[1:]): text for name, text in fields.items()}
    pv1 = "|".join(["PV1", *(values.get(n, "") for n in range(1, 53))]).rstrip("|")
    head = msh(f"ADT^{event}", T.format(at))
    return (
        "\r".join(filter(None, [head, f"EVN|{event}|{T.format(at)}-0300", "PID|1||A^^^HOSP^MR||S^A", pv1, more])) + "\r"
    )


async def encounter(world: World, tenant: Tenant) -> dict[str, Any]:
    (found,) = await records(world, tenant, "Encounter")
    return found


def stays(body: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """(room, status, start second, end second) of each place."""
    return [
        (
            e["location"]["display"].rpartition(" / ")[2],
            e["status"],
            e.get("period", {}).get("start", "")[17:19],
            e.get("period", {}).get("end", "")[17:19],
        )
        for e in body.get("location", ())
    ]


MOVES = [visit("A01", 1, "1"), visit("A02", 2, "2", f6="UTI^1^^HOSP"), visit("A02", 3, "3", f6="UTI^2^^HOSP")]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_transfers_in_any_order_make_one_history(world: World, tenant: Tenant, order: tuple[int, ...]) -> None:
    await feed(world, tenant, *(MOVES[i] for i in order))
    assert stays(await encounter(world, tenant)) == [
        ("1", "completed", "01", "02"),
        ("2", "completed", "02", "03"),
        ("3", "active", "03", ""),
    ]


async def test_cancelled_transfer_pops_and_repeats_harmlessly(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, *MOVES, visit("A12", 4, "2"), visit("A12", 5, "2"))
    body = await encounter(world, tenant)
    assert stays(body) == [("1", "completed", "01", "02"), ("2", "active", "02", "")]
    await feed(world, tenant, visit("A12", 6, "1"))
    assert stays(await encounter(world, tenant)) == [("1", "active", "01", "")]


async def test_update_naming_the_same_bed_changes_nothing_and_another_one_moves(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, MOVES[0], visit("A08", 5, "1"), visit("A08", 6, "7"), visit("A08", 7))
    assert stays(await encounter(world, tenant)) == [("1", "completed", "01", "06"), ("7", "active", "06", "")]


async def test_discharge_closes_and_its_cancellation_opens(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, *MOVES, visit("A03", 8, "3", f36="12"))
    body = await encounter(world, tenant)
    assert stays(body)[-1] == ("3", "completed", "03", "08") and body["period"]["end"] == UTC.format(8)
    await feed(world, tenant, visit("A13", 9, "3"))
    body = await encounter(world, tenant)
    assert stays(body)[-1] == ("3", "active", "03", "") and "end" not in body.get("period", {})
    assert "hospitalization" not in body
    assert [(h["status"], h["period"]["end"]) for h in body["statusHistory"]] == [
        ("in-progress", UTC.format(8)),
        ("finished", UTC.format(9)),
    ]


async def test_leave_and_return(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, MOVES[0], visit("A21", 2), visit("A21", 2))
    assert (await encounter(world, tenant))["status"] == "onleave"
    await feed(world, tenant, visit("A22", 4), visit("A53", 5), visit("A52", 6))
    body = await encounter(world, tenant)
    assert body["status"] == "in-progress"
    assert [h["status"] for h in body["statusHistory"]] == ["in-progress", "onleave", "in-progress", "onleave"]
    assert stays(body) == [("1", "active", "01", "")], "the bed is kept"


async def test_class_history(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, visit("A04", 1, "1", f2="O"), visit("A06", 2, "2"), visit("A07", 3, "1", f2="O"))
    body = await encounter(world, tenant)
    assert body["class"]["code"] == "AMB"
    assert [(h["class"]["code"], h["period"].get("end", "")[17:19]) for h in body["classHistory"]] == [
        ("AMB", "02"),
        ("IMP", "03"),
    ]
    assert len(await records(world, tenant, "Encounter")) == 1


async def test_tracking_runs_beside_the_bed(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, MOVES[0], visit("A09", 2, "1", f11="RAD^X^^HOSP"))
    assert stays(await encounter(world, tenant)) == [("1", "active", "01", ""), ("X", "active", "02", "")]
    await feed(world, tenant, visit("A10", 3, "1", f43="RAD^X^^HOSP"))
    assert stays(await encounter(world, tenant)) == [("1", "active", "01", ""), ("X", "completed", "02", "03")]


async def test_pending_transfer_is_reserved_until_it_happens_or_is_cancelled(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, MOVES[0], visit("A15", 2, "1", f42="UTI^5^^HOSP"))
    assert stays(await encounter(world, tenant))[-1] == ("5", "reserved", "", "")
    await feed(world, tenant, visit("A26", 3, "1"))
    assert stays(await encounter(world, tenant)) == [("1", "active", "01", "")]
    await feed(world, tenant, visit("A15", 4, "1", f42="UTI^5^^HOSP"), visit("A02", 5, "5"))
    assert stays(await encounter(world, tenant)) == [("1", "completed", "01", "05"), ("5", "active", "05", "")]


async def test_planned_visit_begins(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, visit("A05", 1, "1", f2="P"))
    assert stays(await encounter(world, tenant)) == [("1", "planned", "", "")]
    await feed(world, tenant, visit("A01", 2, "1"))
    body = await encounter(world, tenant)
    assert stays(body) == [("1", "active", "02", "")] and body["statusHistory"][0]["status"] == "planned"


async def test_swap_of_two_patients(world: World, tenant: Tenant) -> None:
    other = MOVES[0].replace("A^^^HOSP^MR", "B^^^HOSP^MR").replace("V1^^^HOSP", "V2^^^HOSP").replace("UTI^1^", "UTI^2^")
    swap = (
        visit("A17", 5, "2").rstrip("\r") + "\rPID|2||B^^^HOSP^MR||S^B\rPV1|1|I|UTI^1^^HOSP" + "|" * 16 + "V2^^^HOSP\r"
    )
    await feed(world, tenant, MOVES[0], other, swap)
    both = {e["identifier"][0]["value"]: stays(e) for e in await records(world, tenant, "Encounter")}
    assert both == {
        "V1": [("1", "completed", "01", "05"), ("2", "active", "05", "")],
        "V2": [("2", "completed", "01", "05"), ("1", "active", "05", "")],
    }


@pytest.mark.parametrize("event", ["A11", "A12", "A13", "A23", "A25", "A26", "A27", "A38", "A52", "A53"])
async def test_taking_back_the_unknown_creates_nothing(world: World, tenant: Tenant, event: str) -> None:
    (outcome,) = await feed(world, tenant, visit(event, 1, "1"))
    assert "semantic.unknown-record" in outcome["problems"]
    assert await records(world, tenant, "Encounter") == [] and await records(world, tenant, "Patient") == []


@pytest.mark.parametrize(("event", "status"), [("A11", "cancelled"), ("A38", "cancelled"), ("A23", "entered-in-error")])
async def test_cancelled_and_deleted_visits_stay(world: World, tenant: Tenant, event: str, status: str) -> None:
    await feed(world, tenant, MOVES[0], visit(event, 3))
    body = await encounter(world, tenant)
    assert body["status"] == status and stays(body) == [("1", "completed", "01", "03")]


async def test_deleted_person_comes_back(world: World, tenant: Tenant) -> None:
    def person(event: str, at: int) -> str:
        return (
            f"{msh(f'ADT^{event}', T.format(at))}\rEVN|{event}|{T.format(at)}-0300\rPID|1||A^^^HOSP^MR||S^A\rPV1|1|N\r"
        )

    (unknown,) = await feed(world, tenant, person("A29", 1))
    assert "semantic.unknown-record" in unknown["problems"]
    for at, (event, active) in enumerate((("A28", True), ("A29", False), ("A31", False), ("A28", True)), start=2):
        await feed(world, tenant, person(event, at))
        (patient,) = await records(world, tenant, "Patient")
        assert patient["active"] is active, event
    assert await records(world, tenant, "Encounter") == [], "person level: no visit"


async def test_null_of_the_bed_takes_the_bed_and_keeps_the_history(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, *MOVES[:2], visit("A08", 4, f3='""'))
    assert stays(await encounter(world, tenant)) == [("1", "completed", "01", "02")]


async def test_protection_is_set_and_taken_away(world: World, tenant: Tenant) -> None:
    def label(flag: str, at: int) -> str:
        return visit("A08", at, more="PV2|" + "|" * 21 + flag)

    await feed(world, tenant, MOVES[0], label("Y", 2))
    assert (await encounter(world, tenant))["meta"]["security"][0]["code"] == "R"
    await feed(world, tenant, label("N", 3))
    assert "security" not in (await encounter(world, tenant))["meta"]


@pytest.mark.parametrize("event", ["A03", "A08"])
async def test_the_place_before_that_a_discharge_or_change_names_was_not_left_then(
    world: World, tenant: Tenant, event: str
) -> None:
    await feed(world, tenant, visit(event, 5, "2", f6="PS^9^^HOSP"))
    before = [stay for stay in stays(await encounter(world, tenant)) if stay[0] == "9"]
    assert before == [("9", "completed", "", "")]


async def test_a_change_that_names_an_unknown_place_before_leaves_the_bed_as_it_was(
    world: World, tenant: Tenant
) -> None:
    await feed(world, tenant, visit("A01", 1, "1"), visit("A08", 5, "1", f6="PS^9^^HOSP"))
    found = stays(await encounter(world, tenant))
    assert found == [("9", "completed", "", ""), ("1", "active", "01", "")]
