"""ADT out to subscribers, mapped from the records: the event follows the change, however the change came in."""

from __future__ import annotations

from typing import Any

import peers
import pytest
from channel_feed import deliver, partner, put, queued, send
from hl7_feed import a40, adt, oru

from hl7 import er7
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.world import Tenant, World
from mappings.outward import events

ADT: dict[str, Any] = {"application": "PEP", "facility": "CLIN"}


def read(raw: bytes) -> er7.Message:
    found = er7.read(raw)
    assert isinstance(found, er7.Message)
    return found


async def told(world: World, tenant: Tenant) -> list[str]:
    return [row["purpose"].partition('"event": "')[2][:3] for row in await queued(world, tenant)]


def body(status: str, kind: str = "AMB", **more: Any) -> dict[str, Any]:
    return {"status": status, "class": {"code": kind}, **more}


def bed(name: str) -> list[dict[str, Any]]:
    return [{"location": {"display": name}, "status": "active"}]


EVENTS = [
    (None, body("planned"), "A05"), (None, body("in-progress"), "A04"), (None, body("in-progress", "IMP"), "A01"),
    (None, body("finished"), "A03"), (None, body("cancelled"), "A11"), (None, body("unknown"), "A08"),
    (body("planned"), body("in-progress", "IMP"), "A01"), (body("planned"), body("cancelled"), "A38"),
    (body("in-progress"), body("finished"), "A03"), (body("finished"), body("in-progress"), "A13"),
    (body("in-progress"), body("cancelled"), "A11"), (body("in-progress"), body("in-progress", "IMP"), "A06"),
    (body("in-progress", "IMP"), body("in-progress"), "A07"), (body("in-progress"), body("in-progress"), "A08"),
    (body("cancelled"), body("in-progress", "IMP"), "A01"), (body("in-progress"), body("onleave"), "A21"),
    (body("onleave"), body("in-progress"), "A22"), (body("onleave"), body("finished"), "A03"),
    (body("finished"), body("cancelled"), "A11"), (body("in-progress"), body("entered-in-error"), "A23"),
    (body("in-progress", location=bed("A")), body("in-progress", location=bed("B")), "A02"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "event"), EVENTS, ids=[f"{n}-{e}" for n, (_, _, e) in enumerate(EVENTS)])
def test_events_of_visits(before: Any, after: Any, event: str) -> None:
    assert events.visit_event(before, after) == event
    assert events.message_type(event).startswith(f"ADT^{event}^ADT_A")


async def test_a_stay_is_told_from_admission_to_discharge(world: World, tenant: Tenant) -> None:
    async with peers.mllp() as peer:
        await partner(world, tenant, "pep", peer.port, adt=ADT)
        own = await put(world, tenant, 'name = "x"\ndoor = "mllp"\n')
        await send(world, tenant, own, adt("A01", "M1", "V1", "20261122080000"))
        await send(world, tenant, own, adt("A08", "M1", "V1", "20261122090000", pid="Souza^Ana Maria||19800229|F"))
        await send(world, tenant, own, adt("A03", "M1", "V1", "20261123100000", pv1="|" * 25 + "20261123100000"))
        await send(world, tenant, own, adt("A03", "M1", "V1", "20261123100000", pv1="|" * 25 + "20261123100000"))
        found = await told(world, tenant)
        assert found[0] == "A01" and found[-1] == "A03" and set(found[1:-1]) <= {"A31", "A08"}, found
        assert await deliver(world, tenant) == len(found)
    first = read(peer.received[0])
    assert (first.type, first.text("MSH", 5), first.text("MSH", 6)) == ("ADT^A01", "PEP", "CLIN")
    assert (first.text("PID", 3), first.text("PV1", 2), first.text("PV1", 19)) == ("M1", "I", "V1")
    assert first.text("EVN", 1) == "A01" and read(peer.received[-1]).text("PV1", 45).startswith("20261123")


async def test_a_census_learns_when_and_from_where(world: World, tenant: Tenant) -> None:
    """A transfer names the bed it came from, a discharge the bed it left; EVN-6 is when it happened, EVN-2 when told."""
    await partner(world, tenant, "pep", 1, adt={**ADT, "events": ["A01", "A02", "A03", "A13", "A11"]})
    own = await put(world, tenant, 'name = "x"\ndoor = "mllp"\n')
    other = [adt(event, "M1", "V1", f"2026112{day}090000").replace("UTI^1^2", "UTI^7^1") for event, day in (("A02", 2), ("A03", 3))]  # fmt: skip
    out = other[1].replace("|20261122080000", "|20261122080000|20261123083000")
    await send(world, tenant, own, adt("A01", "M1", "V1", "20261121090000"), other[0], out)
    found = [read(row["content"]) for row in await queued(world, tenant)]
    place = [["^".join(m.text("PV1", field, n) for n in (1, 2, 3)) for field in (3, 6)] for m in found]
    seen = [(m.text("EVN", 1), *there, m.text("EVN", 6)[:10]) for m, there in zip(found, place, strict=True)]
    assert seen == [
        ("A01", "UTI^1^2", "^^", "2026112109"),
        ("A02", "UTI^7^1", "UTI^1^2", "2026112209"),
        ("A03", "UTI^7^1", "^^", "2026112309"),
    ]


async def test_what_comes_over_fhir_is_told_too(world: World, tenant: Tenant) -> None:
    await partner(world, tenant, "pep", 1, adt=ADT)
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:x", "value": "7"}],
        "name": [{"family": "Lima", "given": ["Rui"]}],
    }
    for number, family in enumerate(("Lima", "Lima", "Prado")):
        async with world.transaction(tenant) as tx:
            wanted = {**patient, "name": [{"family": family, "given": ["Rui"]}]}
            write = Write(type="Patient", id="p1", body=wanted, skip_unchanged=True)
            await save(tx, [write], Origin(actor="fhir", now=world.now(), zone=tenant.zone))
        assert await told(world, tenant) == ["A28", "A28", "A28"][:1] + ["A31"] * (number == 2)
    assert read((await queued(world, tenant))[1]["content"]).text("PID", 5) == "Prado"


async def test_a_merge_names_both_numbers(world: World, tenant: Tenant) -> None:
    await partner(world, tenant, "pep", 1, adt={**ADT, "events": ["A40"]})
    own = await put(world, tenant, 'name = "x"\ndoor = "mllp"\n')
    both = [adt("A04", "KEEP", "", "20261122080000"), adt("A04", "GONE", "", "20261122080000")]
    await send(world, tenant, own, *both, a40("20261122090000", ("KEEP", "GONE")))
    (row,) = await queued(world, tenant)
    message = read(row["content"])
    numbers = {field: [message.first(field).text(n, repetition=r) for r in range(len(message.first(field).repetitions(n)))] for field, n in (("PID", 3), ("MRG", 1))}  # type: ignore[union-attr]  # fmt: skip
    assert message.type == "ADT^A40" and "KEEP" in numbers["PID"] and "GONE" in numbers["MRG"]


async def test_only_wanted_events_nothing_to_its_sender_and_no_old_ones(world: World, tenant: Tenant) -> None:
    own = await put(world, tenant, 'name = "x"\ndoor = "mllp"\npartner = "his"\n')
    await send(world, tenant, own, adt("A01", "M0", "V0", "20261122080000"))
    await partner(world, tenant, "his", 1, adt=ADT)
    await partner(world, tenant, "bed", 1, adt={**ADT, "events": ["A03"]})
    await partner(world, tenant, "quiet", 1)
    assert await queued(world, tenant) == [], "what was before a subscriber came is not told"
    await send(world, tenant, own, adt("A01", "M1", "V1", "20261122080000"), oru("M1", "1", "F", "9", "20261122100000"))
    await send(world, tenant, own, adt("A03", "M1", "V1", "20261123100000", pv1="|" * 25 + "20261123100000"))
    assert [(row["code"], row["purpose"][-6:-2]) for row in await queued(world, tenant)] == [("bed", '"A03')]


async def test_a_subscriber_hears_of_names_as_they_are(world: World, tenant: Tenant) -> None:
    """The social name is told as such, and a doctor's title is no part of the name."""
    await partner(world, tenant, "pep", 1, adt=ADT)
    own = await put(world, tenant, 'name = "x"\ndoor = "mllp"\n')
    doctor = "123456^Lima^Ana^Maria^^Dra.^^^CRM-SP^L^^^CRM"
    named = "Silva^João^^^^^L~Silva^Joana^^^^^D||19800229|F"
    await send(
        world,
        tenant,
        own,
        adt("A01", "M1", "V1", "20261122080000", pid=named).replace("1234^Lima^Rui^^^^^^CRM-SP", doctor),
    )
    message = read((await queued(world, tenant))[0]["content"])
    names = message.first("PID").repetitions(5)  # type: ignore[union-attr]
    assert names == ["Silva^João^^^^^L", "Silva^Joana^^^^^D"]
    assert [message.text("PV1", 7, n) for n in (1, 2, 3, 4, 6, 9)] == [
        "123456",
        "Lima",
        "Ana",
        "Maria",
        "Dra.",
        "CRM-SP",
    ]
