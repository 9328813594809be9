"""Retention by rule: what is old and done goes, in small audited steps; what is open, failed or held stays."""

from __future__ import annotations

import dataclasses
import datetime
import uuid

import pytest

from canonical.errors import NotFound, Refused
from hub.exchange.out.outbox import Outgoing, enqueue
from hub.exchange.partners import Partner, save_partner
from hub.guard import audit
from hub.operate import explain
from hub.operate.messages import replay
from hub.operate.persons import subject
from hub.retention import holds, messages, rules, run
from hub.world import Tenant, World
from tests.hub.test_operate import GOOD, found, put, work

DAY = datetime.timedelta(days=1)


def later(world: World, days: int) -> World:
    """The same world so many days from now."""
    moment = world.now() + days * DAY
    return dataclasses.replace(world, now=lambda: moment)


async def received(world: World, tenant: Tenant, control: str, mrn: str, text: str = GOOD) -> uuid.UUID:
    await put(world, tenant, text.format(control=control, mrn=mrn))
    await work(world, tenant)
    return (await found(world, tenant, control_id=control))[0].id


async def bytes_of(world: World, tenant: Tenant, identity: uuid.UUID) -> bytes:
    async with world.transaction(tenant) as tx:
        return bytes(await tx.value("SELECT content FROM message WHERE tenant_id = $1 AND id = $2", identity))


def line(lines: list[run.Line], name: str) -> run.Line:
    return next(one for one in lines if one.rule == name)


def test_every_rule_names_its_law_and_keeps_within_it() -> None:
    found = rules.rules()
    assert set(messages.RULES) | {"requests", "jobs", "jobs-failed", "bulk", "audit"} == set(found)
    for name, rule in found.items():
        assert rule.least > 0 and rule.allows(rule.usual) and not rule.allows(rule.least - 1), name
        assert all(len(rule.law[language]) > 20 for language in ("pt", "en")), name
    assert all(
        "13.787" in found[name].law["pt"] and found[name].least >= 20 * 365 for name in ("received-only", "audit")
    )
    assert all(rule.usual is None for name, rule in found.items() if not name.startswith("jobs") and name != "bulk")


async def test_days_are_set_within_the_law(world: World, tenant: Tenant) -> None:
    assert rules.days_of(tenant, "received") is None
    for name, days in (("received", 89), ("audit", 7000), ("bulk", None), ("bulk", 31), ("billing", 365)):
        with pytest.raises(Refused):
            await rules.set_days(world, tenant, name, days, actor="dpo")
    with pytest.raises(NotFound):
        await rules.set_days(world, tenant, "all", 90, actor="dpo")
    set_ = await rules.set_days(world, tenant, "received", 90, actor="dpo")
    assert rules.days_of(set_, "received") == 90 and rules.is_own(set_, "received")
    again = await rules.set_days(world, set_, "received", None, usual=True, actor="dpo")
    assert rules.days_of(again, "received") is None and not rules.is_own(again, "received")
    stale = dataclasses.replace(tenant, settings={"retention": {"days": {"audit": 1, "received": True}}})
    assert rules.days_of(stale, "audit") is None and rules.days_of(stale, "received") is None


async def test_old_bytes_go_and_everything_open_stays(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    old = await received(world, tenant, "old", "601")
    elsewhere = await received(world, other_tenant, "old", "601")
    only = await received(world, tenant, "only", "602", GOOD + "ZZZ|1|so aqui\r")
    await put(world, tenant, "MSH|nothing")
    failed = (await found(world, tenant, status="ERROR"))[0].id
    await put(world, tenant, GOOD.format(control="waiting", mrn="603"))
    waiting = (await found(world, tenant, control_id="waiting"))[0].id
    async with world.transaction(tenant) as tx:
        partner = Partner(id=tenant.id, kind="lab", code="lab-x", name="Lab", adapter="", active=True, settings={})
        await save_partner(tx, partner)
        await enqueue(
            tx, partner, Outgoing(operation="test", format="hl7", type="ADT^A01", content=b"MSH|", subject="")
        )
    for each in (tenant, other_tenant):
        tried = await run.tried(later(world, 200), each)
        assert all(one.count == 0 for one in tried), "nobody set a rule: for ever"
    await rules.set_days(world, tenant, "received", 100, actor="dpo")
    held = await rules.set_days(world, tenant, "sent", 100, actor="dpo")
    assert line(await run.tried(later(world, 99), held), "received").count == 0
    tried = await run.tried(later(world, 101), held)
    assert (line(tried, "received").count, line(tried, "received").kept) == (1, 2)
    assert (line(tried, "sent").count, line(tried, "sent").kept) == (0, 1), "it waits in a lane"
    assert line(tried, "received").years == {world.now().year: 1} and line(tried, "received").bytes > 100
    assert await bytes_of(world, tenant, old), "a trial changes nothing"
    done, more = await run.removed(later(world, 101), held)
    assert {name: one.count for name, one in done.items()} == {"received": 1} and not more
    assert await bytes_of(world, tenant, old) == b""
    for kept in (only, failed, waiting):
        assert await bytes_of(world, tenant, kept)
    assert await bytes_of(world, other_tenant, elsewhere)
    assert (await run.removed(later(world, 101), held))[0] == {}, "a second run finds nothing"


async def test_what_was_removed_is_told_and_is_no_message_again(world: World, tenant: Tenant) -> None:
    old = await received(world, tenant, "told", "611")
    held = await rules.set_days(world, tenant, "received", 90, actor="dpo")
    future = later(world, 100)
    await run.removed(future, held)
    async with world.transaction(tenant) as tx:
        patient = (await subject.patients_of(tx, "611"))[0]
        (cause,) = await explain.record(tx, "Patient", patient)
        assert cause.removed_at == future.now() and cause.message_id == old
        events = await tx.rows("SELECT entity, detail FROM audit_event WHERE tenant_id = $1 AND action = 'retention'")
    assert [row["entity"] for row in events] == ["Retention/received"]
    assert '"count": 1' in events[0]["detail"] and "611" not in events[0]["detail"]
    with pytest.raises(Refused, match="removed by retention"):
        await replay.replay(world, tenant, "test", [old])
    await put(world, tenant, GOOD.format(control="told", mrn="611"))  # the same bytes once more
    await work(world, tenant)
    resent = await found(world, tenant, control_id="told")
    assert [(one.id, one.receipts) for one in resent] == [(old, 2)] and resent[0].removed_at is not None


async def test_a_hold_keeps_a_persons_messages_until_it_is_lifted(world: World, tenant: Tenant) -> None:
    mine = await received(world, tenant, "mine", "990621")
    unchanged = await received(world, tenant, "same", "990621")  # made no new version
    yours = await received(world, tenant, "yours", "990622")
    held = await rules.set_days(world, tenant, "received", 90, actor="dpo")
    async with world.transaction(tenant) as tx:
        with pytest.raises(Refused):
            await holds.place(tx, "990621", "  ", actor="dpo")
        with pytest.raises(NotFound):
            await holds.place(tx, "nobody", "processo", actor="dpo")
        hold = await holds.place(tx, "990621", "processo 0001", actor="dpo")
    assert line(await run.tried(later(world, 100), held), "received").kept == 2
    await run.removed(later(world, 100), held)
    assert await bytes_of(world, tenant, mine) and await bytes_of(world, tenant, unchanged)
    assert await bytes_of(world, tenant, yours) == b""
    async with world.transaction(tenant) as tx:
        everybody = await holds.place(tx, "", "inquérito", actor="dpo")
        await holds.lift(tx, hold.id, actor="dpo")
    assert (await run.removed(later(world, 100), held))[0] == {}
    async with world.transaction(tenant) as tx:
        await holds.lift(tx, everybody.id, actor="dpo")
        with pytest.raises(NotFound):
            await holds.lift(tx, everybody.id, actor="dpo")
    await run.removed(later(world, 100), held)
    assert await bytes_of(world, tenant, mine) == await bytes_of(world, tenant, unchanged) == b""
    async with world.transaction(tenant) as tx:
        assert await audit.broken_seal(tx) is None
        assert await tx.value("SELECT count(*) FROM audit_event WHERE tenant_id = $1 AND action LIKE 'hold-%'") == 4


async def test_a_hold_covers_a_message_about_several_records(world: World, tenant: Tenant) -> None:
    await received(world, tenant, "several", "990622")
    async with world.transaction(tenant) as tx:
        (patient,) = await subject.patients_of(tx, "990622")
        partner = Partner(id=tenant.id, kind="lab", code="lab-y", name="Lab", adapter="", active=True, settings={})
        await save_partner(tx, partner)
        first, others = "ServiceRequest/of-nobody", (f"Patient/{patient}",)
        sent = Outgoing(operation="t", format="hl7", type="OML^O21", content=b"MSH|", subject=first, others=others)
        delivery = await enqueue(tx, partner, sent)
        message = await tx.value("SELECT message_id FROM delivery WHERE tenant_id = $1 AND id = $2", delivery)
        await holds.place(tx, "990622", "processo 0002", actor="dpo")
        assert message in (await holds.held(tx)).messages
