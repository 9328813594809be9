"""What was ended or taken back, and is there again by a later event: a deleted person, a discharged or expected one."""

from __future__ import annotations

import itertools

import pytest
from hl7_feed import feed, msh, records

from hub.world import Tenant, World

T = "202611221000{:02d}"
PID = "PID|1||A^^^HOSP^MR||Souza^Ana||19800229|F"
AGAIN = "semantic.person-active-again"


def visit(event: str, at: int, *, place: str = "UTI^1^2", end: str = "") -> str:
    pv1 = f"PV1|1|I|{place}||||||||||||||||V1^^^HOSP" + "|" * 17 + ("01" if end else "") + "|" * 8
    head = [msh(f"ADT^{event}", T.format(at)), f"EVN|{event}|{T.format(at)}-0300", PID]
    return "\r".join([*head, f"{pv1}20261122095500-0300|{end}"]) + "\r"


def person(event: str, at: int) -> str:
    return "\r".join([msh(f"ADT^{event}", T.format(at)), f"EVN|{event}|{T.format(at)}-0300", PID]) + "\r"


async def state(world: World, tenant: Tenant) -> tuple:
    """Of the visit its status and end, and its places with status and period."""
    (found,) = await records(world, tenant, "Encounter")
    places = [
        (place["status"], *(place.get("period", {}).get(limit, "")[14:19] for limit in ("start", "end")))
        for place in found.get("location", ())
    ]
    return found["status"], found["period"].get("end", "")[14:19], places


@pytest.mark.parametrize("event", ["A01", "A04", "A05", "A13", "A14"])
async def test_a_deleted_person_who_is_admitted_is_there_again(world: World, tenant: Tenant, event: str) -> None:
    await feed(world, tenant, visit("A01", 1), person("A29", 2))
    (patient,) = await records(world, tenant, "Patient")
    assert patient["active"] is False
    (late,) = await feed(world, tenant, visit("A08", 3))
    assert AGAIN not in late["problems"], "an update alone brings nobody back"
    (back,) = await feed(world, tenant, visit(event, 4))
    (patient,) = await records(world, tenant, "Patient")
    assert patient["active"] is True and back["problems"] == [AGAIN]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_event_decides_not_the_order(world: World, tenant: Tenant, order: tuple[int, ...]) -> None:
    steps = [person("A28", 1), visit("A01", 2), person("A29", 3)]
    await feed(world, tenant, *(steps[i] for i in order))
    (patient,) = await records(world, tenant, "Patient")
    assert patient["active"] is False, "deleted after the admission, whenever that is told"


@pytest.mark.parametrize("event", ["A01", "A02"])
async def test_a_visit_that_goes_on_after_its_discharge_has_no_end(world: World, tenant: Tenant, event: str) -> None:
    place = "ENF^1^1" if event == "A02" else "UTI^1^2"
    await feed(world, tenant, visit("A01", 1), visit("A03", 2, end="20261122100002-0300"))
    assert (await state(world, tenant))[:2] == ("finished", "00:02")
    await feed(world, tenant, visit(event, 5, place=place))
    assert (await state(world, tenant))[:2] == ("in-progress", "")
    (found,) = await records(world, tenant, "Encounter")
    assert "hospitalization" not in found, "nor the disposition of a discharge"
    await feed(world, tenant, visit("A03", 2, end="20261122100002-0300"))
    assert (await state(world, tenant))[:2] == ("in-progress", ""), "the discharge sent again, late"


@pytest.mark.parametrize(("planned", "off"), [("A05", "A38"), ("A14", "A27"), ("A05", "A11"), ("A05", "A23")])
async def test_who_did_not_come_was_in_no_bed(world: World, tenant: Tenant, planned: str, off: str) -> None:
    await feed(world, tenant, visit(planned, 1), visit(off, 2))
    assert (await state(world, tenant))[2] == []
    await feed(world, tenant, visit("A01", 3))
    assert await state(world, tenant) == ("in-progress", "", [("active", "55:00", "")])


@pytest.mark.parametrize("event", ["A02", "A21"])
async def test_an_admission_told_late_began_when_it_says(world: World, tenant: Tenant, event: str) -> None:
    place = "ENF^1^1" if event == "A02" else "UTI^1^2"
    steps = [visit("A01", 1), visit(event, 2, place=place)]
    await feed(world, tenant, *reversed(steps))
    first = (await state(world, tenant))[2][0]
    assert first[1] == "55:00", "the admission (PV1-44), not the message"


@pytest.mark.parametrize("event", ["A08", "A04"])
async def test_an_event_without_a_visit_is_told_as_no_loss(world: World, tenant: Tenant, event: str) -> None:
    (told,) = await feed(world, tenant, person(event, 1))
    assert "field.nothing-made" not in told["problems"]


def pending(event: str, at: int, place: str = "") -> str:
    head = [msh(f"ADT^{event}", T.format(at)), f"EVN|{event}|{T.format(at)}-0300", PID]
    pv1 = f"PV1|1|I|UTI^1^2||||||||||||||||V1^^^HOSP{'|' * 23}{place}||20261122095500-0300"
    return "\r".join([*head, pv1]) + "\r"


async def reserved(world: World, tenant: Tenant) -> list[str]:
    (found,) = await records(world, tenant, "Encounter")
    return [one["location"]["identifier"]["value"] for one in found.get("location", ()) if one["status"] == "reserved"]


async def test_a_pending_transfer_behind_its_cancellation_reserves_nothing(world: World, tenant: Tenant) -> None:
    steps = [pending("A15", 2, "ENF^1^1"), pending("A26", 3)]
    await feed(world, tenant, visit("A01", 1), *reversed(steps))
    assert await reserved(world, tenant) == []
    await feed(world, tenant, visit("A08", 6), pending("A15", 4, "CC^1^1"))
    assert await reserved(world, tenant) == ["CC / 1 / 1"], "planned anew after that, though told late"
    await feed(world, tenant, pending("A15", 7, "ENF^2^1"))
    assert await reserved(world, tenant) == ["ENF / 2 / 1"]
