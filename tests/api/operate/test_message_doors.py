"""/api/v1/messages: an operator's program finds what failed, sees why, and has it worked or sent again."""

from __future__ import annotations

import uuid
from typing import Any

from hub.exchange.out.outbox import Outgoing, enqueue
from hub.exchange.partners import Partner, save_partner
from hub.operate.messages import find
from hub.operate.messages.find import Query
from hub.world import Tenant, World
from tests.hub.test_operate import GOOD, put, work

AT = "/api/v1/messages"


async def failed(world: World, tenant: Tenant, *controls: str) -> None:
    """Messages the channel read in the wrong character set."""
    async with world.transaction(tenant) as tx:
        await tx.run('UPDATE channel SET settings = \'{"charset": "ASCII"}\' WHERE tenant_id = $1')
    for control in controls:
        await put(world, tenant, GOOD.format(control=control, mrn=control))
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE channel SET settings = '{}' WHERE tenant_id = $1")


async def gave_up(world: World, tenant: Tenant) -> uuid.UUID:
    """A delivery that was given up; the id of its message."""
    partner = Partner(id=tenant.id, kind="lab", code="apoio", name="Apoio", adapter="", active=True, settings={})
    async with world.transaction(tenant) as tx:
        await save_partner(tx, partner)
        sent = Outgoing(operation="t", format="hl7", type="OML^O21", content=b"MSH|", control_id="out")
        delivery = await enqueue(tx, partner, sent)
        await tx.run("UPDATE delivery SET status = 'DEAD', last_error = 'x' WHERE tenant_id = $1")
        message: uuid.UUID = await tx.value(
            "SELECT message_id FROM delivery WHERE id = $2 AND tenant_id = $1", delivery
        )
    return message


async def test_what_failed_is_found_page_by_page_with_its_repair(world: World, tenant: Tenant, client_for: Any) -> None:
    await failed(world, tenant, "m1", "m2", "m3")
    await put(world, tenant, GOOD.format(control="good", mrn="9"))
    client = await client_for(tenant, scopes=["channels/read"])
    first = (await client.get(AT, params={"status": "ERROR", "limit": 2, "since": "1h"})).json()
    assert [one["control_id"] for one in first["messages"]] == ["m3", "m2"]
    assert first["messages"][0]["problems"][0]["remedy"] and "Conceição" not in str(first)
    rest = (await client.get(AT, params={"status": "ERROR", "limit": 2, "before": first["next"]})).json()
    assert [one["control_id"] for one in rest["messages"]] == ["m1"] and rest["next"] is None
    (cause,) = (await client.get(f"{AT}/causes")).json()["causes"]
    assert (cause["code"], cause["count"], cause["channel"]) == ("charset.undecodable", 3, "his-mllp")
    assert (await client.get(f"{AT}/{cause['example']}")).json()["status"] == "ERROR"
    assert (await client.get(f"{AT}/{uuid.uuid4()}")).status_code == 404
    for wrong in ({"status": "BROKEN"}, {"since": "gestern"}, {"limit": 0}, {"before": "x"}, {"colour": "red"}):
        answer = await client.get(AT, params=wrong)
        assert 400 <= answer.status_code < 500, wrong


async def test_it_is_tried_then_worked_again(world: World, tenant: Tenant, client_for: Any) -> None:
    await failed(world, tenant, "m1", "m2")
    looking = await client_for(tenant, scopes=["channels/read"])
    wish = {"status": "ERROR", "code": "charset", "dry_run": True}
    assert (await looking.post(f"{AT}/replay", json=wish)).status_code == 403
    client = await client_for(tenant, scopes=["channels/write"])
    tried = (await client.post(f"{AT}/replay", json=wish)).json()
    assert [one["would_pass"] for one in tried["would"]] == [True, True] and tried["queued"] == []
    (first,) = (await client.get(AT, params={"control_id": "m1"})).json()["messages"]
    done = (await client.post(f"{AT}/replay", json={"ids": [first["id"]]})).json()
    assert done == {"queued": [first["id"]], "sent": []}
    await work(world, tenant)
    assert (await client.get(f"{AT}/{first['id']}")).json()["status"] == "TRANSFORMED"
    assert len((await client.post(f"{AT}/replay", json={**wish, "dry_run": False})).json()["queued"]) == 1
    for wrong in ({}, {"ids": [first["id"]], "status": "ERROR"}, {"status": "SENT"}, {"status": "RECEIVED"}):
        assert (await client.post(f"{AT}/replay", json=wrong)).status_code == 400, wrong
    async with world.transaction(tenant) as tx:
        audited = "SELECT count(*) FROM audit_event WHERE tenant_id = $1 AND action = 'replay' AND actor = 'test'"
        assert await tx.value(audited) == 2


async def test_what_was_given_up_is_sent_again(world: World, tenant: Tenant, client_for: Any) -> None:
    message = await gave_up(world, tenant)
    client = await client_for(tenant, scopes=["channels/write"])
    tried = (await client.post(f"{AT}/replay", json={"status": "DEAD", "partner": "apoio", "dry_run": True})).json()
    assert [one["message_id"] for one in tried["sent"]] == [str(message)]
    assert (await client.get(f"{AT}/{message}")).json()["delivery"]["status"] == "DEAD"
    done = (await client.post(f"{AT}/replay", json={"ids": [str(message)]})).json()
    assert [one["message_id"] for one in done["sent"]] == [str(message)] and done["queued"] == []
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT status FROM delivery WHERE tenant_id = $1") == "QUEUED"


async def test_messages_of_another_tenant_are_not_there(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: Any
) -> None:
    await failed(world, tenant, "m1")
    message = await gave_up(world, tenant)
    async with world.transaction(tenant) as tx:
        ids = [str(one.id) for one in await find.messages(tx, Query())]
    stranger = await client_for(other_tenant, scopes=["admin/*"])
    assert (await stranger.get(AT)).json()["messages"] == [] and (await stranger.get(f"{AT}/causes")).json()[
        "causes"
    ] == []
    assert {(await stranger.get(f"{AT}/{one}")).status_code for one in ids} == {404}
    done = (await stranger.post(f"{AT}/replay", json={"ids": ids})).json()
    assert done == {"queued": [], "sent": []} and str(message) in ids
    async with world.transaction(tenant) as tx:
        assert {one.status for one in await find.messages(tx, Query())} == {"ERROR", "QUEUED"}
        assert await tx.value("SELECT status FROM delivery WHERE tenant_id = $1") == "DEAD"
