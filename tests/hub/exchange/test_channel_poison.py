"""Poison and snapshots: a message that keeps failing holds up its lane only; a set that shrinks withdraws what left it."""

from __future__ import annotations

from typing import Any

import pytest
from channel_feed import put, send
from hl7_feed import adt, outcome, records, work_all

from hub.exchange.work import lanes, reading
from hub.operate.messages import replay
from hub.world import Tenant, World


async def lane_of(world: World, tenant: Tenant) -> Any:
    async with world.transaction(tenant) as tx:
        return await tx.row(
            "SELECT pending, paused, attempt, last_error FROM lane WHERE tenant_id = $1 ORDER BY pending DESC"
        )


async def pass_time(world: World, tenant: Tenant) -> None:
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE lane SET next_at = now() WHERE tenant_id = $1")


def breaking(monkeypatch: pytest.MonkeyPatch, poisoned: list[str]) -> None:
    real = reading.translate

    def translate(message: Any, **named: Any) -> Any:
        if message.text("PID", 3) in poisoned:
            raise ZeroDivisionError
        return real(message, **named)

    monkeypatch.setattr(reading, "translate", translate)


@pytest.mark.parametrize("then", ["skip", "pause"])
async def test_a_poison_message_is_tried_then_given_up(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """Check 11: the error queue after N tries, the channel goes on, and a replay works after the mending."""
    poisoned = ["BAD"]
    breaking(monkeypatch, poisoned)
    own = await put(
        world, tenant, f'name = "x"\ndoor = "mllp"\nlane = "patient"\n[poison]\nattempts = 3\nthen = "{then}"\n'
    )
    times = ("20261122080000", "20261122090000")
    sent = [adt("A01", "BAD", "V1", times[0]), adt("A08", "BAD", "V1", times[1]), adt("A01", "GOOD", "V2", times[0])]
    first, second, good = await send(world, tenant, own, *sent)
    assert (await outcome(world, tenant, good.message_id))["status"] == "TRANSFORMED", "other lanes go on"
    assert (await outcome(world, tenant, first.message_id))["status"] == "RECEIVED"
    assert (await outcome(world, tenant, second.message_id))["status"] == "RECEIVED", "its lane keeps the order"
    for _ in range(2):
        await pass_time(world, tenant)
        await work_all(world, tenant)
    found = await outcome(world, tenant, first.message_id)
    assert found["status"] == "ERROR" and "message.defect" in found["problems"]
    lane = await lane_of(world, tenant)
    if then == "pause":
        assert lane["paused"] and lane["last_error"] == "message.defect" and lane["pending"] == 1
        assert (await outcome(world, tenant, second.message_id))["status"] == "RECEIVED"
    (tried,) = await replay.rehearse(world, tenant, [first.message_id])
    assert not tried.would_pass and tried.after == ["message.defect"], "the others are tried all the same"
    poisoned.clear()
    await replay.replay(world, tenant, "ana", [first.message_id])
    async with world.transaction(tenant) as tx:
        for row in await tx.rows("SELECT id FROM lane WHERE tenant_id = $1"):
            await lanes.resume(tx, row["id"])
    await work_all(world, tenant)
    for answer in (first, second):
        assert (await outcome(world, tenant, answer.message_id))["status"] == "TRANSFORMED"


async def test_without_a_policy_a_defect_is_given_up_at_once(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, ["BAD"])
    own = await put(world, tenant, 'name = "x"\ndoor = "mllp"\n')
    (answer,) = await send(world, tenant, own, adt("A01", "BAD", "V1", "20261122080000"))
    assert (await outcome(world, tenant, answer.message_id))["status"] == "ERROR"
    assert (await lane_of(world, tenant))["pending"] == 0


def allergies(at: str, *codes: str, event: str = "A08") -> str:
    return adt(event, "M1", "V1", at, *(f"AL1|{n}|DA|{code}^{code}^L" for n, code in enumerate(codes, start=1)))


async def active(world: World, tenant: Tenant, kind: str = "AllergyIntolerance") -> dict[str, str]:
    found = {}
    for body in await records(world, tenant, kind):
        code = body["code"]["coding"][0]["code"]
        found[code] = (
            body["clinicalStatus"]["coding"][0]["code"] if "clinicalStatus" in body else body.get("status", "active")
        )
    return found


SNAPSHOT = 'name = "x"\ndoor = "mllp"\n[segments]\nAL1 = "snapshot"\nDG1 = "snapshot"\n'


async def test_a_snapshot_withdraws_what_left_the_set(world: World, tenant: Tenant) -> None:
    own = await put(world, tenant, SNAPSHOT)
    await send(world, tenant, own, allergies("20261122080000", "PEN", "DIP", event="A01"))
    await send(world, tenant, own, allergies("20261122090000", "DIP", "LAT"))
    assert await active(world, tenant) == {"PEN": "inactive", "DIP": "active", "LAT": "active"}
    await send(world, tenant, own, allergies("20261122100000"))
    assert (await active(world, tenant))["DIP"] == "active", "no segment at all says nothing"
    await send(world, tenant, own, allergies("20261122083000", "LAT"))
    assert (await active(world, tenant))["DIP"] == "active", "an older message withdraws nothing"


async def test_without_agreement_nothing_is_withdrawn(world: World, tenant: Tenant) -> None:
    own = await put(world, tenant, SNAPSHOT.replace('AL1 = "snapshot"', 'AL1 = "action"'))
    await send(world, tenant, own, allergies("20261122080000", "PEN", event="A01"))
    await send(world, tenant, own, allergies("20261122090000", "DIP"))
    assert await active(world, tenant) == {"PEN": "active", "DIP": "active"}


async def test_what_another_channel_told_of_stays(world: World, tenant: Tenant) -> None:
    own = await put(world, tenant, SNAPSHOT)
    other = await put(world, tenant, 'name = "y"\ndoor = "mllp"\n')
    await send(world, tenant, other, allergies("20261122080000", "PEN", event="A01"))
    await send(world, tenant, own, allergies("20261122090000", "DIP"))
    assert await active(world, tenant) == {"PEN": "active", "DIP": "active"}


async def test_diagnoses_of_another_visit_stay(world: World, tenant: Tenant) -> None:
    own = await put(world, tenant, SNAPSHOT)

    def diagnosed(visit: str, at: str, *codes: str) -> str:
        rows = (f"DG1|{n}||{code}^{code}^I10|||A" for n, code in enumerate(codes, start=1))
        return adt("A01", "M1", visit, at, *rows)

    await send(world, tenant, own, diagnosed("V1", "20261120080000", "J18", "I10"))
    await send(world, tenant, own, diagnosed("V2", "20261122080000", "E11"))
    await send(world, tenant, own, diagnosed("V1", "20261122090000", "I10"))
    assert await active(world, tenant, "Condition") == {"J18": "inactive", "I10": "active", "E11": "active"}
