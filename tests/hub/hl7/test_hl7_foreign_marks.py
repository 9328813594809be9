"""What the hub notes in records may have been changed by whoever may write them: no message is lost for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hl7_feed import a40, adt, feed, msh, oru, records

from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.world import Tenant, World

T = "202611221000{:02d}"
OTHER: list[dict[str, Any]] = [
    {"valueString": "x"},
    {"valueInstant": "2016-12-31T23:59:60Z"},
    {"extension": [{"url": "z", "valueCode": "c"}]},
    {
        "extension": [
            {"url": "from", "valueReference": {"reference": "Patient/x"}},
            {"url": "numero", "valueIdentifier": {"value": "1"}},
        ]
    },
    {"extension": [{"url": "value", "valueCodeableConcept": {"text": "x"}}]},
]


def pid(number: str) -> str:
    return f"PID|1||{number}^^^HOSP^MR||Silva^Ana||19800229|F"


def event(code: str, at: str, *lines: str) -> str:
    return "\r".join([msh(f"ADT^{code}", at), f"EVN|{code}|{at}", *lines]) + "\r"


def changed(node: Any, other: dict[str, Any]) -> Any:
    """The record with every extension of the hub's own replaced by one of the same address and another form."""
    if isinstance(node, list):
        return [changed(item, other) for item in node]
    if not isinstance(node, dict):
        return node
    if str(node.get("url", "")).startswith("urn:ponte:"):
        return {"url": node["url"], **other}
    return {key: changed(value, other) for key, value in node.items()}


def rounds(first: int) -> Iterator[str]:
    at = iter(range(first, first + 30))
    yield adt("A01", "A", f"VA{first}", T.format(next(at)))
    yield adt("A02", "A", f"VA{first}", T.format(next(at)))
    yield adt("A12", "A", f"VA{first}", T.format(next(at)))
    yield adt("A01", "B", f"VB{first}", T.format(next(at)))
    yield oru("A", f"F{first}", "F", "90", T.format(next(at)))
    yield a40(T.format(next(at)), ("B", "A"))
    yield event("A37", T.format(next(at)), pid("B"), "PV1|1|N", pid("A"), "PV1|1|N")
    yield a40(T.format(next(at)), ("B", "A"))
    yield adt("A08", "A", f"VA{first}", T.format(next(at)))
    yield adt("A03", "B", f"VB{first}", T.format(next(at)))


@pytest.mark.parametrize("other", OTHER, ids=lambda each: next(iter(each)))
async def test_marks_of_another_form(world: World, tenant: Tenant, other: dict[str, Any]) -> None:
    await feed(world, tenant, *rounds(1))
    kinds = ("Patient", "Encounter", "Observation", "DiagnosticReport", "ServiceRequest", "Practitioner", "Location")
    writes = [
        Write(type=kind, id=body["id"], body={k: v for k, v in changed(body, other).items() if k != "id"})
        for kind in kinds
        for body in await records(world, tenant, kind)
    ]
    assert len(writes) > 6
    async with world.transaction(tenant) as tx:
        await save(tx, writes, Origin(actor="partner", now=world.now(), zone=tenant.zone))
    outcomes = await feed(world, tenant, *rounds(15), *rounds(30))
    assert {(each["code"], each["status"]) for each in outcomes} == {("AA", "TRANSFORMED")}


async def test_a_number_taken_out_of_a_merged_account(world: World, tenant: Tenant) -> None:
    """The survivor's own number is gone, the merged one leads to it: the merge told again finds one record, not two."""
    merge = event("A36", T.format(1), pid("A") + "||||||||||AC5^^^HOSP", "MRG|B^^^HOSP^MR||AC4^^^HOSP")
    again = event("A36", T.format(2), pid("A") + "||||||||||AC5^^^HOSP", "MRG|B^^^HOSP^MR||AC4^^^HOSP")
    await feed(world, tenant, merge)
    (account,) = (each for each in await records(world, tenant, "Account") if each["status"] == "active")
    left = [each for each in account["identifier"] if each["value"] != "AC5"]
    assert [each["value"] for each in left] == ["AC4"]
    body = {key: value for key, value in account.items() if key != "id"}
    async with world.transaction(tenant) as tx:
        by = Origin(actor="partner", now=world.now(), zone=tenant.zone)
        await save(tx, [Write(type="Account", id=account["id"], body={**body, "identifier": left})], by)
    (outcome,) = await feed(world, tenant, again)
    assert (outcome["code"], outcome["status"]) == ("AA", "TRANSFORMED")
    (kept,) = (each for each in await records(world, tenant, "Account") if each["status"] == "active")
    assert kept["id"] == account["id"]
    assert {each["value"] for each in kept["identifier"]} == {"AC4", "AC5"}


async def test_a_stay_that_begins_in_a_leap_second(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, adt("A01", "A", "VA", T.format(1)))
    (visit,) = await records(world, tenant, "Encounter")
    places = [{**each, "period": {"start": "2016-12-31T23:59:60Z"}} for each in visit["location"]]
    body = {key: value for key, value in visit.items() if key != "id"}
    async with world.transaction(tenant) as tx:
        by = Origin(actor="partner", now=world.now(), zone=tenant.zone)
        await save(tx, [Write(type="Encounter", id=visit["id"], body={**body, "location": places})], by)
    (outcome,) = await feed(world, tenant, adt("A02", "A", "VA", T.format(2)))
    assert (outcome["code"], outcome["status"]) == ("AA", "TRANSFORMED")
