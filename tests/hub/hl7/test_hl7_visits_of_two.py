"""The number of one visit told of two patients, and an only number that goes to another patient, are told."""

from __future__ import annotations

import json

import pytest
from hl7_feed import a40, adt, by_number, feed, msh, records

from hub.world import Tenant, World

T = "202611221000{:02d}"
TWO = "semantic.visit-of-two"
RUI = "Lima^Rui||19850707|M"
BABY = "Lima^RN de Nora||20261121|M"


@pytest.mark.parametrize("wave", [False, True])
async def test_a_visit_of_two_patients_is_told_once(world: World, tenant: Tenant, wave: bool) -> None:
    sent = [adt("A01", "A", "V1", T.format(1)), adt("A01", "B", "V1", T.format(2), pid=RUI)]
    one, two = await feed(world, tenant, *sent, wave=wave)
    assert (one["problems"], two["problems"]) == ([], [TWO])
    assert len(await records(world, tenant, "Encounter")) == 2, "as before"
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT problems FROM message WHERE tenant_id = $1 AND problems::text LIKE '%visit-of-two%'"
        )
    (told,) = [problem for row in rows for problem in json.loads(row["problems"])]
    patients = {f"Patient/{one['id']}" for one in await records(world, tenant, "Patient")}
    assert all(one in str(told) for one in patients) and "Lima" not in str(told), told
    (later,) = await feed(world, tenant, adt("A08", "B", "V1", T.format(3), pid=RUI))
    assert later["problems"] == [] and len(await records(world, tenant, "Encounter")) == 2


async def test_a_newborn_under_the_mothers_number_is_not_told(world: World, tenant: Tenant) -> None:
    for mother, child, visit in (("A", "B", "V1"), ("D", "C", "V2")):
        sent = [adt("A01", mother, visit, T.format(1)), adt("A01", child, visit, T.format(2), pid=BABY)]
        for told in await feed(world, tenant, *(sent if mother == "A" else reversed(sent))):
            assert TWO not in told["problems"]


async def test_a_merged_patient_has_one_visit(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, adt("A01", "A", "V1", T.format(1)), adt("A04", "B", "", T.format(1)))
    _, told = await feed(world, tenant, a40(T.format(2), ("B", "A")), adt("A08", "B", "V1", T.format(3)))
    assert told["problems"] == [] and len(await records(world, tenant, "Encounter")) == 1


async def test_an_only_number_that_moves_is_told_as_a_merge(world: World, tenant: Tenant) -> None:
    """Its holder keeps nothing: the records are one from then on (A43), as a merge makes them."""
    await feed(world, tenant, adt("A01", "A", "V1", T.format(1)), adt("A01", "B", "V2", T.format(1), pid=RUI))
    head = [msh("ADT^A43^ADT_A43", T.format(2)), f"EVN|A43|{T.format(2)}-0300"]
    move = "\r".join([*head, "PID|1||B^^^HOSP^MR~A^^^HOSP^MR||Lima^Rui||19850707|M", "MRG|A^^^HOSP^MR", ""])
    (told,) = await feed(world, tenant, move)
    assert told["status"] == "TRANSFORMED" and "semantic.move-merges" in told["problems"]
    b = by_number(await records(world, tenant, "Patient"), "B")
    assert {e["subject"]["reference"] for e in await records(world, tenant, "Encounter")} == {f"Patient/{b['id']}"}
