"""A visit that went over to another patient (A45): what happened before, and comes late, is of this visit."""

from __future__ import annotations

import itertools

import pytest
from hl7_feed import adt, feed, msh, records

from hub.world import Tenant, World

T = "202611221000{:02d}"
TWO = "semantic.visit-of-two"
PULSE = "OBX|1|NM|8867-4^Pulso^LN||80|/min|||||F"
DIAGNOSIS = "DG1|1||I10^Hipertensão^CID10|||A"
MOVE = "\r".join(
    [
        msh("ADT^A45", T.format(5)),
        f"EVN|A45|{T.format(5)}-0300",
        "PID|1||B^^^HOSP^MR||Lima^Rui||19850707|M",
        "MRG|A^^^HOSP^MR||||V1^^^HOSP",
        "PV1|1|I|||||||||||||||||V1^^^HOSP",
    ]
)


async def owners(world: World, tenant: Tenant, kind: str) -> list[tuple[str, str]]:
    """Of each record of a type, the number of its patient, and the visit it is of."""
    people = {f"Patient/{p['id']}": p["identifier"][0]["value"] for p in await records(world, tenant, "Patient")}
    visits = {f"Encounter/{e['id']}": e["identifier"][0]["value"] for e in await records(world, tenant, "Encounter")}
    return sorted(
        (people[one["subject"]["reference"]], visits.get(one.get("encounter", {}).get("reference", ""), ""))
        for one in await records(world, tenant, kind)
    )


@pytest.mark.parametrize("event", ["A08", "A02", "A03"])
async def test_what_comes_late_is_of_the_moved_visit(world: World, tenant: Tenant, event: str) -> None:
    late = adt(event, "A", "V1", T.format(3), PULSE, DIAGNOSIS)
    outcomes = await feed(world, tenant, adt("A01", "A", "V1", T.format(1)), MOVE + "\r", late)
    assert [one["problems"] for one in outcomes] == [[]] * 3
    assert await owners(world, tenant, "Encounter") == [("B", "")]
    assert await owners(world, tenant, "Observation") == [("B", "V1")]
    assert await owners(world, tenant, "Condition") == [("B", "V1")]
    assert len(await records(world, tenant, "Patient")) == 2


async def test_in_order_it_is_the_same(world: World, tenant: Tenant) -> None:
    steps = [adt("A01", "A", "V1", T.format(1)), adt("A08", "A", "V1", T.format(3), PULSE, DIAGNOSIS), MOVE + "\r"]
    for order in itertools.islice(itertools.permutations(steps[1:]), 2):
        await feed(world, tenant, steps[0], *order)
        assert await owners(world, tenant, "Encounter") == [("B", "")]
        assert await owners(world, tenant, "Condition") == [("B", "V1")]


@pytest.mark.parametrize("known", [True, False])
async def test_a_visit_that_is_moved_before_its_admission_comes(world: World, tenant: Tenant, known: bool) -> None:
    """Whether the former patient is known by then or not."""
    registered = [adt("A04", "A", "V0", T.format(0))] if known else []
    admitted = adt("A01", "A", "V1", T.format(1), PULSE, DIAGNOSIS)
    *_, late = await feed(world, tenant, *registered, MOVE + "\r", admitted)
    assert late["problems"] == []
    assert ("B", "") in (found := await owners(world, tenant, "Encounter")) and len(found) == 1 + known
    assert await owners(world, tenant, "Observation") == await owners(world, tenant, "Condition") == [("B", "V1")]
    *_, later = await feed(world, tenant, adt("A08", "A", "V1", T.format(7), PULSE))
    assert later["problems"] == [TWO]


async def test_what_happens_later_under_the_former_patient_is_told(world: World, tenant: Tenant) -> None:
    sent = [adt("A01", "A", "V1", T.format(1)), MOVE + "\r", adt("A08", "A", "V1", T.format(7), PULSE)]
    *_, later = await feed(world, tenant, *sent)
    assert later["problems"] == [TWO]
    assert await owners(world, tenant, "Encounter") == [("A", ""), ("B", "")]


async def test_a_result_of_before_the_move(world: World, tenant: Tenant) -> None:
    head = [msh("ORU^R01", T.format(4), sender="LIS|HOSP"), "PID|1||A^^^HOSP^MR||Souza^Ana"]
    visit = "PV1|1|I|||||||||||||||||V1^^^HOSP"
    order = f"OBR|1|P1|F1|GLI^Glicose^L|||20261122090000|||||||||||||||{T.format(4)}-0300|||F"
    result = "\r".join([*head, visit, "ORC|RE|P1|F1", order, "OBX|1|NM|2345-7^Glicose^LN||90|mg/dL|||||F"]) + "\r"
    *_, told = await feed(world, tenant, adt("A01", "A", "V1", T.format(1)), MOVE + "\r", result)
    assert TWO not in told["problems"]
    assert await owners(world, tenant, "DiagnosticReport") == [("B", "V1")]
    assert await owners(world, tenant, "Observation") == [("B", "V1")]
