"""Movements with numbers (IHE PAM, ZBE): told late, corrected and cancelled by number, on a real database."""

from __future__ import annotations

from typing import Any

from hl7_feed import feed, msh, records

from hub.world import Tenant, World

DAY = "2026112210{:02d}00"
FIRST, SECOND, THIRD = ("A01", 1, "1", "M1"), ("A02", 3, "2", "M2"), ("A02", 5, "3", "M3")


def told(event: str, at: int, bed: str, number: str, *, sent: int = 0, zbe: str = "INSERT|N", more: str = "") -> str:
    """An ADT of visit V1 with a movement that began at minute `at`, recorded at minute `sent`; `more` follows PV1-3."""
    when = DAY.format(sent or at)
    ward = f"UTI^{bed}^^HOSP" if bed else ""
    pv1 = f"PV1|1|I|{ward}|{more}" + "|" * (15 - more.count("|")) + "V1^^^HOSP"
    lines = [msh(f"ADT^{event}", when), f"EVN|{event}|{when}", "PID|1||A^^^HOSP^MR||S^A", pv1]
    return "\r".join([*lines, f"ZBE|{number}^HIS|{DAY.format(at)}||{zbe}||^^^^^^^^^U{number}"]) + "\r"


MOVES = [told(*FIRST), told(*SECOND), told(*THIRD)]


def stays(body: dict[str, Any]) -> list[str]:
    """`room first-last` of each stay, in minutes, `*` behind the one in use."""
    found = []
    for entry in body.get("location", ()):
        start, end = (entry.get("period", {}).get(name, "")[14:16] for name in ("start", "end"))
        mark = "*" if entry["status"] == "active" else ""
        found.append(f"{entry['location']['display'][-1]} {start}-{end}{mark}")
    return found


async def seen(world: World, tenant: Tenant) -> dict[str, Any]:
    (found,) = await records(world, tenant, "Encounter")
    return found


LATER = {
    "corrected place and time": (told("Z99", 2, "7", "M2", sent=9, zbe="UPDATE|Y|A02"), "1 01-02,7 02-05,3 05-*"),
    "corrected time alone": (told("Z99", 4, "", "M2", sent=9, zbe="UPDATE|Y|A02"), "1 01-04,2 04-05,3 05-*"),
    "corrected as it stands": (told("Z99", 6, "4", "M3", sent=9, zbe="UPDATE|N|A02"), "1 01-03,2 03-06,4 06-*"),
    "corrected admission": (told("Z99", 0, "1", "M1", sent=9, zbe="UPDATE|Y|A01"), "1 00-03,2 03-05,3 05-*"),
    "the place of the one before": (told("Z99", 3, "1", "M2", sent=9, zbe="UPDATE|Y|A02"), "1 01-05,3 05-*"),
    "cancelled in between": (told("A12", 3, "1", "M2", sent=9, zbe="CANCEL|Y|A02"), "1 01-05,3 05-*"),
    "cancelled last": (told("A12", 5, "2", "M3", sent=9, zbe="CANCEL|N|A02"), "1 01-03,2 03-*"),
    "told late": (told("A02", 4, "9", "M9", sent=9, zbe="INSERT|Y"), "1 01-03,2 03-04,9 04-05,3 05-*"),
    "told again": (MOVES[1], "1 01-03,2 03-05,3 05-*"),
    "only referred to": (told("A08", 3, "3", "M2", sent=9, zbe="REFERENCE|N"), "1 01-03,2 03-05,3 05-*"),
}


async def test_a_movement_is_found_by_its_number(world: World, tenant: Tenant) -> None:
    feeds = [
        text.replace("V1^^^HOSP", f"V{n}^^^HOSP")
        for n, (last, _) in enumerate(LATER.values())
        for text in (*MOVES, last)
    ]
    outcomes = await feed(world, tenant, *(text.replace("|T", f"|{n}T", 1) for n, text in enumerate(feeds)))
    assert not [outcome for outcome in outcomes if "semantic.unknown-movement" in outcome["problems"]]
    visits = {body["identifier"][0]["value"]: stays(body) for body in await records(world, tenant, "Encounter")}
    assert {case: ",".join(visits[f"V{n}"]) for n, case in enumerate(LATER)} == {
        case: expected for case, (_, expected) in LATER.items()
    }


async def test_what_is_told_late_leaves_the_present_alone(world: World, tenant: Tenant) -> None:
    now, then = "||||" + "22^Agora^B^^^^^^CRM-SP", "||||" + "11^Antes^A^^^^^^CRM-SP"
    last = told("A08", 7, "3", "M3", zbe="REFERENCE|N", more=now)
    await feed(world, tenant, *MOVES, last, told("A02", 4, "9", "M9", sent=9, zbe="INSERT|Y", more=then))
    body = await seen(world, tenant)
    assert [p["individual"]["display"] for p in body["participant"]] == ["B Agora"]
    assert body["status"] == "in-progress" and stays(body)[-1] == "3 05-*"
    wards = [
        entry["extension"][0]["extension"][-1]["valueReference"]["identifier"]["value"] for entry in body["location"]
    ]
    assert wards == ["UM1", "UM2", "UM9", "UM3"]


async def test_admission_and_discharge_are_corrected_with_the_visit(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, *MOVES, told("A03", 8, "3", "M4"))
    body = await seen(world, tenant)
    assert (body["period"]["end"][14:16], stays(body)[-1]) == ("08", "3 05-08")
    await feed(world, tenant, told("Z99", 7, "", "M4", sent=9, zbe="UPDATE|N|A03"))
    await feed(world, tenant, told("Z99", 0, "1", "M1", sent=10, zbe="UPDATE|Y|A01"))
    body = await seen(world, tenant)
    assert (body["period"]["start"][14:16], body["period"]["end"][14:16], body["status"]) == ("00", "07", "finished")
    assert stays(body) == ["1 00-03", "2 03-05", "3 05-07"]


async def test_a_movement_nobody_told_of_is_reported(world: World, tenant: Tenant) -> None:
    wrong = [
        told("A12", 3, "1", "X1", sent=8, zbe="CANCEL|Y|A02"),
        told("Z99", 4, "9", "X2", sent=9, zbe="UPDATE|Y|A02"),
    ]
    outcomes = await feed(world, tenant, *MOVES, *wrong)
    assert all("semantic.unknown-movement" in outcome["problems"] for outcome in outcomes[-2:])
    assert stays(await seen(world, tenant)) == ["1 01-03", "2 03-04", "9 04-05", "3 05-*"]


async def test_a_movement_without_a_place_is_told(world: World, tenant: Tenant) -> None:
    """Its number stands nowhere, so no later message can correct it."""
    outcomes = await feed(world, tenant, told(*FIRST), told("A02", 3, "", "M2"), told("A02", 5, "3", "M3"))
    assert ["semantic.movement-unplaced" in outcome["problems"] for outcome in outcomes] == [False, True, False]
