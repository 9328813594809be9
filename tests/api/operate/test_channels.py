"""Channels over the API and the live doors: a new version takes effect without a restart, each change is audited."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from bells import heard

from api.doors import board
from api.doors.board import Board
from hub.exchange.door.keep import Keeper
from hub.redis import CHANNELS
from hub.servers.process import free_port
from hub.world import Tenant, World, opened

ADMIN = ["admin/*", "hl7/write"]
MESSAGE = "MSH|^~\\&|{app}|HOSP|P|H|20261122080000||ADT^A04^ADT_A01|{id}|P|2.5\rEVN|A04|20261122080000\rPID|1||1^^^HOSP^MR||Silva^Ana\r"


async def ask(port: int, control: str, app: str = "HIS") -> str:
    """The MSA-1 of one message; empty when nobody listens or the connection was closed."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return ""
    writer.write(b"\x0b" + MESSAGE.format(app=app, id=control).encode() + b"\x1c\r")
    try:
        answer = await asyncio.wait_for(reader.read(65536), 30)
    except ConnectionResetError:  # closed before the message was read
        return ""
    finally:
        writer.close()
    return answer.partition(b"MSA|")[2][:2].decode()


async def until(wanted: str, port: int, app: str = "HIS") -> None:
    async with asyncio.timeout(30):
        number = 0
        while await ask(port, f"{wanted}{port}{number}", app) != wanted:
            number += 1
            await asyncio.sleep(0.03)


@contextlib.asynccontextmanager
async def doors(world: World) -> AsyncIterator[Board]:
    stop = asyncio.Event()
    found = Board(world, Keeper(world.database))
    await found.start()
    task = asyncio.create_task(found.follow(stop))
    try:
        yield found
    finally:
        stop.set()
        await task
        await found.close()


async def test_a_document_is_tried_before_it_is_kept(client_for: Any, tenant: Tenant) -> None:
    client = await client_for(tenant, ["channels/write"])
    text = MESSAGE.format(app="HIS", id="trial-1")
    url = "/api/v1/channels/lis/test"
    tried = (await client.post(url, json={"document": {"door": "http"}, "message": text.replace("\r", "\n")})).json()
    [one] = tried["messages"]
    assert (one["type"], one["control_id"], one["version"]) == ("ADT^A04", "trial-1", 0)
    assert (one["acknowledgement"], one["status"], one["ok"]) == ("AA", "RECEIVED", True)
    assert one["records"]["Patient"] == 1 and tried["ok"] and not tried["more"]
    skip = {"door": "http", "filters": [{"action": "skip", "types": ["ADT^*"]}]}
    content = base64.b64encode(b"\r".join(MESSAGE.format(app="HIS", id=f"m{n}").encode() for n in range(25))).decode()
    many = (await client.post(url, json={"document": skip, "content": content})).json()
    assert len(many["messages"]) == 20 and many["more"] and {one["status"] for one in many["messages"]} == {"FILTERED"}
    assert (await client.post(url, json={"message": text})).status_code == 404  # nothing was kept
    assert (await client.post("/api/v1/channels/his-http/test", json={"message": text})).json()["ok"]
    wrong = await client.post(url, json={"document": {"door": "window"}, "message": text})
    assert wrong.status_code == 422 and wrong.json()["problems"]
    both = await client.post(url, json={"document": {"door": "http"}, "version": 1, "message": text})
    assert both.status_code == 400
    assert (await client.post(url, json={"document": {"door": "http"}})).status_code == 404  # no message
    reader = await client_for(tenant, ["channels/read"])
    assert (await reader.post(url, json={"document": {"door": "http"}, "message": text})).status_code == 403


async def test_versions_are_compared_over_what_was_received(
    client_for: Any, tenant: Tenant, other_tenant: Tenant
) -> None:
    client = await client_for(tenant, ["channels/write", "hl7/write"])
    for number in range(3):
        sent = await client.post("/hl7/his-http", content=MESSAGE.format(app="HIS", id=f"c{number}").encode())
        assert sent.status_code == 200
    url = "/api/v1/channels/his-http/compare"
    same = (await client.post(url, json={})).json()
    assert (same["messages"], same["differing"], same["differences"]) == (3, 0, [])
    skip = {"door": "http", "filters": [{"action": "skip", "types": ["ADT^*"]}]}
    told = (await client.post(url, json={"document": skip, "since": "7d", "limit": 2})).json()
    assert (told["old"], told["new"], told["messages"], told["differing"]) == (1, 0, 2, 2)
    assert {("message", "status", "changed", 2)} <= {
        (d["what"], d["path"], d["kind"], d["count"]) for d in told["differences"]
    }
    assert "Silva" not in json.dumps(told)
    assert (await client.post(url, json={"since": "soon"})).status_code == 404
    assert (await client.post("/api/v1/channels/none/compare", json={})).status_code == 404
    other = await client_for(other_tenant, ["channels/write"])
    assert (await other.post(url, json={"document": skip})).json()["messages"] == 0


async def test_put_read_diff_and_roll_back(client_for: Any, tenant: Tenant) -> None:
    client = await client_for(tenant, ADMIN)
    first = await client.put("/api/v1/channels/lis", json={"document": {"door": "http"}, "note": "novo"})
    assert first.status_code == 200 and (first.json()["version"], first.json()["note"]) == (1, "novo")
    wanted = {"door": "http", "filters": [{"action": "skip", "types": ["ADT^*"]}]}
    assert (await client.put("/api/v1/channels/lis", json={"document": wanted})).json()["version"] == 2
    diff = await client.get("/api/v1/channels/lis/diff", params={"old": 1, "new": 2})
    assert diff.json()["changes"] == [
        {"key": "filters[1].action", "old": None, "new": "skip"},
        {"key": "filters[1].types", "old": None, "new": ["ADT^*"]},
    ]
    back = await client.post("/api/v1/channels/lis/activate", json={"version": 1})
    assert back.json()["version"] == 1 and back.json()["active"]
    history = (await client.get("/api/v1/channels/lis/versions")).json()["versions"]
    assert [(v["version"], v["active"]) for v in history] == [(2, False), (1, True)]
    assert (await client.get("/api/v1/channels/lis/versions/2")).json()["document"]["filters"]
    assert (await client.post("/api/v1/channels/lis/deactivate")).json()["active"] is False
    names = [c["channel"] for c in (await client.get("/api/v1/channels")).json()["channels"]]
    assert names == ["his-http", "his-mllp", "lis"]


async def test_a_destination_without_its_partner_is_told_when_it_is_put(client_for: Any, tenant: Tenant) -> None:
    client = await client_for(tenant, ADMIN)
    document = {"door": "http", "destinations": [{"name": "a", "partner": "ninguem"}]}
    stored = await client.put("/api/v1/channels/adiante", json={"document": document})
    assert stored.status_code == 200 and stored.json()["active"] is True
    (told,) = stored.json()["problems"]
    assert (told["code"], told["severity"], told["where"]) == (
        "channel.no-partner", "warning", "destinations[1].partner")  # fmt: skip
    plain = await client.put("/api/v1/channels/adiante", json={"document": {"door": "http"}})
    assert plain.json()["problems"] == []


async def test_every_fault_is_told_with_its_key(client_for: Any, tenant: Tenant) -> None:
    client = await client_for(tenant, ADMIN)
    wrong = {"door": "mllp", "port": "x", "colour": 1, "filters": [{"action": "maybe"}]}
    answer = await client.put("/api/v1/channels/lis", json={"document": wrong})
    assert answer.status_code == 422
    problems = {(p["code"], p["where"]) for p in answer.json()["problems"]}
    assert problems == {
        ("channel.type", "port"),
        ("channel.unknown-key", "colour"),
        ("channel.one-of", "filters[1].action"),
    }
    for name, body in (
        ("lis", {"document": {"name": "other", "door": "http"}}),
        ("A B", {"document": {"door": "http"}}),
    ):
        assert (await client.put(f"/api/v1/channels/{name}", json=body)).status_code == 422
    assert (await client.get("/api/v1/channels/lis")).status_code == 404


@pytest.mark.parametrize("scopes", [["system/*.*"], ["hl7/write"], ["channels/read"]])
async def test_a_change_needs_its_scope(client_for: Any, tenant: Tenant, scopes: list[str]) -> None:
    client = await client_for(tenant, scopes)
    assert (await client.put("/api/v1/channels/x", json={"document": {"door": "http"}})).status_code == 403
    assert (await client.post("/api/v1/channels/his-http/deactivate")).status_code == 403
    assert (await client.get("/api/v1/channels")).status_code == (200 if scopes == ["channels/read"] else 403)


async def test_another_tenants_channel_is_not_there(client_for: Any, tenant: Tenant, other_tenant: Tenant) -> None:
    mine, other = await client_for(tenant, ADMIN), await client_for(other_tenant, ADMIN)
    assert (await mine.put("/api/v1/channels/mine", json={"document": {"door": "http"}})).status_code == 200
    for call in (other.get("/api/v1/channels/mine"), other.post("/api/v1/channels/mine/activate", json={"version": 1})):
        assert (await call).status_code == 404


async def test_messages_by_http_go_to_the_channel_named(client_for: Any, tenant: Tenant) -> None:
    client = await client_for(tenant, ADMIN)
    document = {"door": "http", "filters": [{"action": "skip"}], "acknowledge": {"filtered": "AR"}}
    await client.put("/api/v1/channels/lis", json={"document": document})
    body = MESSAGE.format(app="HIS", id="h1").encode()
    assert b"MSA|AA" in (await client.post("/hl7", content=body)).content
    assert b"MSA|AR" in (await client.post("/hl7/lis", content=body)).content
    assert (await client.post("/hl7/nobody", content=body)).status_code == 404


async def test_ports_open_change_and_close_while_the_hub_runs(
    client_for: Any, world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "LOOK_SECONDS", 0.05)
    client: httpx.AsyncClient = await client_for(tenant, ADMIN)
    one, two = free_port(), free_port()
    async with doors(world):
        assert await ask(one, "x0") == ""
        await client.put("/api/v1/channels/lis", json={"document": {"door": "mllp", "port": one}})
        await until("AA", one)
        only = {"door": "mllp", "port": one, "sender": {"applications": ["LIS"]}}
        reader, writer = await asyncio.open_connection("127.0.0.1", one)
        await client.put("/api/v1/channels/lis", json={"document": only})
        await until("AR", one)
        writer.write(b"\x0b" + MESSAGE.format(app="LIS", id="same-connection").encode() + b"\x1c\r")
        assert b"MSA|AA" in await asyncio.wait_for(reader.read(65536), 30), "an open connection goes on"
        writer.close()
        await client.put("/api/v1/channels/lis", json={"document": {**only, "port": two}})
        await until("AA", two, "LIS")
        async with asyncio.timeout(60):
            while await ask(one, "x1") != "":
                await asyncio.sleep(0.03)
        await client.post("/api/v1/channels/lis/deactivate")
        await until("", two)
    async with world.transaction(tenant) as tx:
        versions = await tx.rows(
            "SELECT DISTINCT m.channel_version FROM message m JOIN channel c ON c.tenant_id = $1 AND c.id = m.channel_id "
            "WHERE m.tenant_id = $1 AND c.name = 'lis' ORDER BY 1"
        )
    assert [row[0] for row in versions] == [1, 2, 3], "each message remembers the version it was received under"


async def test_a_taken_port_delays_no_other_door(world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    from channel_feed import put

    monkeypatch.setattr(board, "LOOK_SECONDS", 0.05)
    good, held = free_port(), free_port()
    with contextlib.closing(socket.socket()) as taken:
        async with doors(world):
            taken.bind(("127.0.0.1", held))
            taken.listen()
            await put(world, tenant, f'name = "a"\ndoor = "mllp"\nport = {held}\n')
            await put(world, tenant, f'name = "b"\ndoor = "mllp"\nport = {good}\n')
            await until("AA", good)
            taken.close()
            await until("AA", held)


async def test_a_change_is_heard_at_once(
    cluster: Any, redis_url: str, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Valkey no look is waited for."""
    import dataclasses

    from channel_feed import put

    monkeypatch.setattr(board, "LOOK_SECONDS", 3600.0)
    port = free_port()
    async with opened(dataclasses.replace(cluster[0], redis_url=redis_url), size=4) as world, doors(world):
        await heard(redis_url, CHANNELS)
        await put(world, tenant, f'name = "a"\ndoor = "mllp"\nport = {port}\n')
        await until("AA", port)


async def test_the_first_page_tells_of_each_channel(app: Any, world: World, tenant: Tenant) -> None:
    from channel_feed import channel, put, send
    from hl7_feed import adt

    from hub.guard import tokens

    await put(world, tenant, 'name = "novo"\ndoor = "mllp"\n')
    own = await put(world, tenant, 'name = "novo"\ndoor = "mllp"\ncharset = "8859/1"\n')
    await send(world, tenant, own, adt("A01", "M1", "V1", "20261122080000"), "MSH|^~\\&|nothing\r", work=False)
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as browser:
        token = await tokens.issue(world, tenant, "operator", roles=["ADMIN"], scopes=["admin/*"])
        await browser.post("/console/login", data={"token": token})
        text = (await browser.get("/?lang=en")).text
    row = text.partition(">novo</a></th>")[2].partition("</tr>")[0]
    cells = [part.partition("</td>")[0].partition(">")[2].strip() for part in row.split("<td")[1:]]
    assert cells[:5] == ["mllp", "2", "on", "2", "1"] and "structure.required" in cells[7]
    assert "Souza" not in text and (await channel(world, tenant, "novo")).version == 2
