"""What an operator asks: find, rehearse, replay, explain, health; other tenants' rows are never among the answers."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from canonical.errors import NotFound
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.exchange.out.outbox import Outgoing, enqueue
from hub.exchange.partners import Partner, save_partner
from hub.exchange.work import inbound
from hub.operate import explain
from hub.operate.books import figures
from hub.operate.database import check
from hub.operate.messages import find, redeliver, replay
from hub.operate.messages.find import Query
from hub.world import Tenant, World

GOOD = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122080000||ADT^A01^ADT_A01|{control}|P|2.5||||||UNICODE UTF-8\r"
    "EVN|A01|20261122080000\r"
    "PID|1||{mrn}^^^HOSP^MR||Conceição^Ana||19800229|F\r"
    "PV1|1|I|||||||||||||||||V{mrn}^^^HOSP\r"
)


async def put(world: World, tenant: Tenant, text: str) -> None:
    channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
    await receive(Keeper(world.database), channel, text.encode())


async def work(world: World, tenant: Tenant) -> None:
    while await inbound.work(world, tenant):
        pass


async def found(world: World, tenant: Tenant, **query: object) -> list[find.Found]:
    async with world.transaction(tenant) as tx:
        return await find.messages(tx, Query(**query))  # type: ignore[arg-type]


async def test_find_by_control_id_status_and_type(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    await put(world, tenant, GOOD.format(control="find-1", mrn="1"))
    await put(world, tenant, "MSH|nothing")
    await work(world, tenant)
    assert [m.type for m in await found(world, tenant, control_id="find-1")] == ["ADT^A01"]
    assert [m.status for m in await found(world, tenant, type="ADT^A01")] == ["TRANSFORMED"]
    errors = await found(world, tenant, status="ERROR")
    assert len(errors) == 1 and errors[0].problems[0]["remedy"] and errors[0].place == "his-mllp"
    assert len(await found(world, tenant)) == 2 and len(await found(world, tenant, limit=1)) == 1
    assert await found(world, tenant, direction="out") == []
    assert await found(world, other_tenant, control_id="find-1") == []
    assert set(errors[0].as_json()) >= {"id", "control_id", "status", "problems", "segments"}


async def test_a_reused_control_id_is_found_by_its_code(world: World, tenant: Tenant) -> None:
    """Both are kept, the second with a mark; the code it was answered with finds it, and so does the code's beginning."""
    for mrn in ("11", "12", "12"):
        await put(world, tenant, GOOD.format(control="same", mrn=mrn))
    await put(world, tenant, GOOD.format(control="else", mrn="13"))
    await work(world, tenant)
    for code in ("message.conflict", "message"):
        (second,) = await found(world, tenant, code=code)
        assert (second.control_id, second.conflict, second.receipts) == ("same", True, 2)
        assert [(one["code"], one["where"]) for one in second.problems] == [("message.conflict", "MSH-10")]
        assert second.problems[0]["text"] and second.problems[0]["severity"] == "warning"
    assert await found(world, tenant, code="mess") == [] and await found(world, tenant, code="message.conflict.x") == []


async def test_replay_of_a_sound_message_changes_no_record(world: World, tenant: Tenant) -> None:
    await put(world, tenant, GOOD.format(control="again", mrn="2"))
    await work(world, tenant)
    message = (await found(world, tenant, control_id="again"))[0]
    assert await replay.replay(world, tenant, "test", [message.id]) == [message.id]
    assert await replay.replay(world, tenant, "test", [message.id]) == []  # it waits already
    await work(world, tenant)
    async with world.transaction(tenant) as tx:
        assert (await find.message(tx, message.id)).status == "TRANSFORMED"  # type: ignore[union-attr]
        assert await tx.value("SELECT max(version) FROM resource WHERE tenant_id = $1") == 1
        assert (await figures.waiting(tx)).get("inbound", 0) == 0
        entity = f"Message/{message.id}"
        assert await tx.value("SELECT count(*) FROM audit_event WHERE tenant_id = $1 AND entity = $2", entity) == 1


async def test_replay_of_errors_after_a_repair(world: World, tenant: Tenant) -> None:
    """The channel read the wrong character set; once it is set right, the kept bytes pass."""
    async with world.transaction(tenant) as tx:
        await tx.run('UPDATE channel SET settings = \'{"charset": "ASCII"}\' WHERE tenant_id = $1')
    await put(world, tenant, GOOD.format(control="charset", mrn="3"))
    assert [m.status for m in await found(world, tenant)] == ["ERROR"]
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE channel SET settings = '{}' WHERE tenant_id = $1")
    rehearsal = await replay.rehearse(world, tenant, [], "ERROR")
    assert [r.would_pass for r in rehearsal] == [True] and rehearsal[0].records["Patient"] == 1
    assert rehearsal[0].before == ["charset.undecodable"] and "charset.undecodable" not in rehearsal[0].after
    assert [m.status for m in await found(world, tenant)] == ["ERROR"]  # a rehearsal changes nothing
    assert len(await replay.replay(world, tenant, "test", [], "ERROR")) == 1
    await work(world, tenant)
    assert [m.status for m in await found(world, tenant)] == ["TRANSFORMED"]


async def test_explain_names_the_message_of_each_version(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    await put(world, tenant, GOOD.format(control="first", mrn="4"))
    await work(world, tenant)
    changed = (
        GOOD.format(control="second", mrn="4")
        .replace("Conceição", "Falcão")
        .replace("20261122080000", "20261122090000")
    )
    await put(world, tenant, changed)
    await work(world, tenant)
    async with world.transaction(tenant) as tx:
        patient = await tx.value("SELECT id FROM patient WHERE tenant_id = $1")
        causes = await explain.record(tx, "Patient", patient)
        with pytest.raises(NotFound):
            await explain.record(tx, "Patient", "unknown")
    assert [cause.control_id for cause in causes] == ["first", "second"]
    assert [cause.version for cause in causes] == [1, 2] and causes[0].actor == "hl7"
    async with world.transaction(other_tenant) as tx:
        with pytest.raises(NotFound):
            await explain.record(tx, "Patient", patient)


async def test_health_tells_what_waits_and_whether_the_chain_holds(world: World, tenant: Tenant) -> None:
    await put(world, tenant, GOOD.format(control="waits", mrn="5"))
    health = await check.health(world, tenant)
    assert health.broken_seal is None and health.waiting == {"inbound": 1} and health.messages == {"RECEIVED": 1}
    at, wanted = await check.revision(world.settings.database_url)
    assert at == wanted


async def test_dead_deliveries_go_back_into_their_lane(world: World, tenant: Tenant) -> None:
    partner = Partner(id=uuid.uuid4(), kind="lab", code="lab-x", name="Lab", adapter="", active=True, settings={})
    async with world.transaction(tenant) as tx:
        await save_partner(tx, partner)
        wanted = Outgoing(operation="test", format="hl7", type="OML^O21", content=b"MSH|...")
        identity = await enqueue(tx, partner, wanted)
        await tx.run("UPDATE delivery SET status = 'DEAD', attempt = 8 WHERE tenant_id = $1 AND id = $2", identity)
        await tx.run("UPDATE lane SET pending = 0, paused = true WHERE tenant_id = $1 AND kind = 'outbound'")
    assert [one.id for one in await redeliver.redeliver(world, tenant, "test", redeliver.Wanted())] == [identity]
    async with world.transaction(tenant) as tx:
        assert await redeliver.ended(tx, redeliver.Wanted()) == []
        assert (await figures.waiting(tx))["outbound"] == 1
        assert not await tx.value("SELECT paused FROM lane WHERE tenant_id = $1 AND kind = 'outbound'")
        assert await tx.value("SELECT count(*) FROM audit_event WHERE tenant_id = $1 AND action = 'redeliver'") == 1


async def test_the_newest_messages_are_found_by_the_primary_key(world: World, tenant: Tenant) -> None:
    """A list of the newest may not sort all messages of a tenant."""
    for number in range(3):
        await put(world, tenant, GOOD.format(control=f"order-{number}", mrn="6"))
        await asyncio.sleep(0.002)  # ids are ordered to the millisecond
    assert [m.control_id for m in await found(world, tenant)] == ["order-2", "order-1", "order-0"]
    async with world.transaction(tenant) as tx:
        await tx.connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        plan = await tx.rows("EXPLAIN SELECT m.id FROM message m WHERE m.tenant_id = $1 ORDER BY m.id DESC LIMIT 5")
    text = "\n".join(row[0] for row in plan)
    assert "Backward" in text and "message_pk" in text and "Sort" not in text, text
