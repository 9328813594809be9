"""Subscriptions: who is told of changed records, in which form, signed and once; and what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import peers
import pytest
import pytest_asyncio
from fastapi import FastAPI

from api.http.app import create_app
from fhir.validation.validator import validate
from hub.exchange import handlers
from hub.exchange.door.keep import Keeper
from hub.exchange.out import delivery
from hub.subscriptions.topics import FILTER, topics
from hub.world import Tenant, World
from tests.api.conftest import NewClient

KEY = "uma-chave-de-assinatura"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content"


@pytest_asyncio.fixture
async def open_world(world: World) -> AsyncIterator[World]:
    """One that may send to this machine."""
    handlers.load()
    yield dataclasses.replace(world, settings=dataclasses.replace(world.settings, allow_private_targets=True))


@pytest_asyncio.fixture
async def app(open_world: World) -> AsyncIterator[FastAPI]:
    """Its doors let endpoints of this machine be named."""
    found = create_app(open_world, Keeper(open_world.database))
    yield found
    await found.state.ponte.reading.flush()


def taken(_number: int, _body: bytes) -> tuple[int, str, bytes]:
    return 200, "text/plain", b"ok"


def subscription(port: int, criteria: str, **channel: Any) -> dict[str, Any]:
    given = {"type": "rest-hook", "endpoint": f"http://127.0.0.1:{port}/avisos", **channel}
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "teste",
        "criteria": criteria,
        "channel": given,
    }


def backport(content: str) -> dict[str, Any]:
    return {
        "payload": "application/fhir+json",
        "_payload": {"extension": [{"url": BACKPORT, "valueCode": content}]},
    }


async def subscribe(fhir: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await fhir.post("/fhir/Subscription", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def observed(fhir: httpx.AsyncClient, identity: str, code: str, status: str = "final") -> None:
    body = {
        "resourceType": "Observation",
        "id": identity,
        "status": status,
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
    }
    answer = await fhir.put(f"/fhir/Observation/{identity}", json=body)
    assert answer.status_code in (200, 201), answer.text


async def sent(world: World, tenant: Tenant) -> None:
    while await delivery.work(world, tenant):
        pass


async def test_an_empty_notification(fhir: httpx.AsyncClient, open_world: World, tenant: Tenant) -> None:
    async with peers.http(taken) as peer:
        header = ["Authorization: Bearer segredo", f"Ponte-Signing-Key: {KEY}"]
        made = await subscribe(fhir, subscription(peer.port, "Observation?code=http://loinc.org|2345-7", header=header))
        assert made["status"] == "active" and "segredo" not in json.dumps(made) and KEY not in json.dumps(made)
        await observed(fhir, "a", "2345-7")
        await observed(fhir, "b", "718-7")
        await observed(fhir, "a", "2345-7", "amended")
        await sent(open_world, tenant)
        assert [(h[":method"], h[":path"], body) for h, body in peer.received] == [("POST", "/avisos", b"")] * 2
        headers = peer.received[0][0]
        assert headers["authorization"] == "Bearer segredo" and "ponte-signing-key" not in headers
        seal = hmac.new(KEY.encode(), headers["ponte-timestamp"].encode() + b".", hashlib.sha256).hexdigest()
        assert headers["ponte-signature"] == f"sha256={seal}"
        assert len({h["ponte-delivery"] for h, _ in peer.received}) == 2


async def test_the_record_itself(fhir: httpx.AsyncClient, open_world: World, tenant: Tenant) -> None:
    async with peers.http(taken) as peer:
        await subscribe(fhir, subscription(peer.port, "Observation", payload="application/fhir+json"))
        await observed(fhir, "a", "2345-7")
        await sent(open_world, tenant)
        ((headers, body),) = peer.received
        assert (headers[":method"], headers[":path"]) == ("PUT", "/avisos/Observation/a")
        assert headers["content-type"].startswith("application/fhir+json")
        assert json.loads(body) == (await fhir.get("/fhir/Observation/a")).json()


async def test_what_is_deleted_is_told(fhir: httpx.AsyncClient, open_world: World, tenant: Tenant) -> None:
    """By its last content: to whom that met the criteria, and to no topic of beginnings."""
    async with peers.http(taken) as peer:
        criteria = "Observation?status=final"
        for channel in ({}, {"payload": "application/fhir+json"}, backport("id-only"), backport("full-resource")):
            made = await subscribe(fhir, subscription(peer.port, criteria, **channel))
        topic = next(name for name, one in topics().items() if one.begins)
        await subscribe(fhir, subscription(peer.port, topic, **backport("id-only")))
        await sent(open_world, tenant)
        await observed(fhir, "a", "1")
        await observed(fhir, "b", "1", "amended")
        await fhir.put("/fhir/Encounter/e", json={
            "resourceType": "Encounter", "id": "e", "status": "in-progress", "class": {"code": "AMB"}})  # fmt: skip
        await sent(open_world, tenant)
        peer.received.clear()
        for place in ("Observation/a", "Observation/b", "Observation/a", "Encounter/e"):
            assert (await fhir.delete(f"/fhir/{place}")).status_code == 204
        await sent(open_world, tenant)
        plain = sorted((h[":method"], h[":path"]) for h, body in peer.received if not body)
        assert plain == [("DELETE", "/avisos/Observation/a"), ("POST", "/avisos")]
        told = [json.loads(body) for _, body in peer.received if body]
        for one in told:
            assert validate(one) == [] and len(one["entry"]) == 2 and "resource" not in one["entry"][1]
            assert one["entry"][1]["request"] == {"method": "DELETE", "url": "Observation/a"}
        assert len(told) == 2
        again = (await fhir.get(f"/fhir/Subscription/{made['id']}/$events?eventsSinceNumber=2")).json()
        assert [e["request"]["method"] for e in again["entry"][1:]] == ["DELETE"] and validate(again) == []


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
async def test_the_backport(fhir: httpx.AsyncClient, open_world: World, tenant: Tenant, content: str) -> None:
    async with peers.http(taken) as peer:
        made = await subscribe(fhir, subscription(peer.port, "Observation?status=final", **backport(content)))
        assert made["status"] == "requested"
        await observed(fhir, "before", "1")
        await sent(open_world, tenant)
        address = f"/fhir/Subscription/{made['id']}"
        assert (await fhir.get(address)).json()["status"] == "active"
        await observed(fhir, "a", "2345-7")
        await observed(fhir, "b", "2345-7")
        await sent(open_world, tenant)
        found = [json.loads(body) for _, body in peer.received]
        assert [kind(one) for one in found] == ["handshake", "event-notification", "event-notification"]
        for number, (one, name) in enumerate(zip(found[1:], ("a", "b"), strict=True), start=1):
            assert validate(one) == []
            event = next(p for p in one["entry"][0]["resource"]["parameter"] if p["name"] == "notification-event")
            parts = {part["name"]: part for part in event["part"]}
            assert parts["event-number"]["valueString"] == str(number)
            focus = parts.get("focus", {}).get("valueReference", {}).get("reference")
            assert focus == (None if content == "empty" else f"Observation/{name}")
            records = [entry["resource"]["id"] for entry in one["entry"][1:]]
            assert records == ([name] if content == "full-resource" else [])
        again = (await fhir.get(address + "/$events?eventsSinceNumber=2&content=full-resource")).json()
        assert kind(again) == "query-event" and [e["resource"]["id"] for e in again["entry"][1:]] == ["b"]
        answer = (await fhir.get(address + "/$status")).json()
        assert (answer["type"], answer["total"]) == ("searchset", 1) and validate(answer) == []
        for asked, total in ((f"?id={made['id']}", 1), ("?status=active", 1), ("?status=off", 0), ("", 1)):
            several = (await fhir.get(f"/fhir/Subscription/$status{asked}")).json()
            assert several["total"] == total and validate(several) == [], asked
            assert [e["resource"]["parameter"] for e in several.get("entry", ())] == [
                answer["entry"][0]["resource"]["parameter"]
            ] * total
        told = answer["entry"][0]["resource"]
        said = {p["name"]: next(v for k, v in p.items() if k != "name") for p in told["parameter"]}
        assert (said["status"], said["type"], said["events-since-subscription-start"]) == (
            "active",
            "query-status",
            "2",
        )


async def test_a_topic_is_told_when_it_begins(fhir: httpx.AsyncClient, open_world: World, tenant: Tenant) -> None:
    async def visit(identity: str, status: str, kind: str) -> None:
        coding = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": kind}
        body = {"resourceType": "Encounter", "id": identity, "status": status, "class": coding}
        assert (await fhir.put(f"/fhir/Encounter/{identity}", json=body)).status_code in (200, 201)

    stated = (await fhir.get("/fhir/metadata")).json()["rest"][0]["resource"]
    listed = next(one for one in stated if one["type"] == "Subscription")["extension"]
    topic = "urn:ponte:SubscriptionTopic:encounter-start"
    assert topic in [one["valueCanonical"] for one in listed]
    async with peers.http(taken) as peer:
        extension = {"url": FILTER, "valueString": "Encounter?class=IMP"}
        asked = subscription(peer.port, topic, **backport("id-only")) | {"_criteria": {"extension": [extension]}}
        await subscribe(fhir, asked)
        await sent(open_world, tenant)
        for status, kind_of in (
            ("planned", "IMP"),
            ("in-progress", "IMP"),
            ("in-progress", "IMP"),
            ("finished", "IMP"),
        ):
            await visit("v", status, kind_of)
        await visit("w", "in-progress", "AMB")
        await visit("v", "in-progress", "IMP")
        await sent(open_world, tenant)
        told = [json.loads(body) for _, body in peer.received]
        assert [kind(one) for one in told] == ["handshake", *["event-notification"] * 2]
        for one in (*told, (await fhir.get("/fhir/Subscription/$status")).json()):
            parameters = one["entry"][0]["resource"]["parameter"]
            assert [p["valueCanonical"] for p in parameters if p["name"] == "topic"] == [topic], one
        wrong = {"url": FILTER, "valueString": "Patient?gender=male"}
        answer = await fhir.post("/fhir/Subscription", json=asked | {"_criteria": {"extension": [wrong]}})
        assert answer.status_code == 422


def kind(bundle: dict[str, Any]) -> str:
    assert bundle["type"] == "history"
    status = bundle["entry"][0]["resource"]
    return str(next(p["valueCode"] for p in status["parameter"] if p["name"] == "type"))


async def test_tried_again_under_the_same_key(fhir: httpx.AsyncClient, open_world: World, tenant: Tenant) -> None:
    def second(number: int, _body: bytes) -> tuple[int, str, bytes]:
        return (500 if number == 1 else 200), "text/plain", b""

    async with peers.http(second) as peer:
        made = await subscribe(fhir, subscription(peer.port, "Observation"))
        await observed(fhir, "a", "1")
        await sent(open_world, tenant)
        status = (await fhir.get(f"/fhir/Subscription/{made['id']}/$status")).json()
        assert "transport.http-500" in json.dumps(status)
        async with open_world.transaction(tenant) as tx:
            await tx.run(
                "UPDATE lane SET next_at = now(), lease_until = NULL WHERE tenant_id = $1 AND kind = 'outbound'"
            )
        await sent(open_world, tenant)
        keys = [headers["ponte-delivery"] for headers, _ in peer.received]
        assert len(keys) == 2 and len(set(keys)) == 1


async def test_given_up_it_is_switched_off_says_so_and_goes_on_when_asked(
    fhir: httpx.AsyncClient, open_world: World, tenant: Tenant
) -> None:
    answers = [500]

    def moody(number: int, _body: bytes) -> tuple[int, str, bytes]:
        return answers[-1], "text/plain", b""

    async def due() -> None:
        """The next attempt is the last one, and its time has come."""
        async with open_world.transaction(tenant) as tx:
            await tx.run("UPDATE delivery SET attempt = 59 WHERE tenant_id = $1 AND status = 'QUEUED'")
            await tx.run(
                "UPDATE lane SET next_at = now(), lease_until = NULL WHERE tenant_id = $1 AND kind = 'outbound'"
            )

    async with peers.http(moody) as peer:
        made = await subscribe(fhir, subscription(peer.port, "Observation"))
        address = f"/fhir/Subscription/{made['id']}"
        await observed(fhir, "a", "1")
        await due()
        await sent(open_world, tenant)
        off = (await fhir.get(address)).json()
        assert off["status"] == "error" and "transport.http-500" in off["error"]
        answers.append(200)
        await observed(fhir, "b", "1")
        await sent(open_world, tenant)
        assert len(peer.received) == 1  # nothing is sent to one that is switched off
        await fhir.put(address, json={**made, "status": "requested"})
        await sent(open_world, tenant)
        assert len(peer.received) == 2 and (await fhir.get(address)).json()["status"] == "active"
        assert "error" not in (await fhir.get(address)).json()
        events = (await fhir.get(f"{address}/$events?eventsSinceNumber=1")).text
        assert "Observation/a" in events and "Observation/b" in events  # the dead one can be caught up with
        answers.append(500)
        await observed(fhir, "c", "1")
        await due()
        await sent(open_world, tenant)
        assert (await fhir.get(address)).json()["status"] == "error"
        answers.append(200)
        async with open_world.transaction(tenant) as tx:
            dead = await tx.value(
                "SELECT id FROM delivery WHERE tenant_id = $1 AND status = 'DEAD' ORDER BY seq DESC LIMIT 1"
            )
            await delivery.requeue(tx, dead)
        await sent(open_world, tenant)
        assert (await fhir.get(address)).json()["status"] == "active"


async def test_who_says_that_it_is_gone_is_told_nothing_more(
    fhir: httpx.AsyncClient, open_world: World, tenant: Tenant
) -> None:
    async with peers.http(lambda n, b: (410 if n == 1 else 200, "text/plain", b"")) as peer:
        made = await subscribe(fhir, subscription(peer.port, "Observation"))
        for name in "ab":
            await observed(fhir, name, "1")
            await sent(open_world, tenant)
        found = (await fhir.get(f"/fhir/Subscription/{made['id']}")).json()
        assert found["status"] == "error" and "transport.http-410" in found["error"] and len(peer.received) == 1
        await fhir.put(f"/fhir/Subscription/{made['id']}", json={**made, "status": "requested"})
        await observed(fhir, "c", "1")
        await sent(open_world, tenant)
        assert len(peer.received) == 2  # asked for again, it is told what happens from now on


async def test_switched_off_it_is_told_nothing(fhir: httpx.AsyncClient, open_world: World, tenant: Tenant) -> None:
    async with peers.http(taken) as peer:
        made = await subscribe(fhir, subscription(peer.port, "Observation"))
        await fhir.put(f"/fhir/Subscription/{made['id']}", json={**made, "status": "off"})
        await observed(fhir, "a", "1")
        await sent(open_world, tenant)
        await fhir.put(f"/fhir/Subscription/{made['id']}", json={**made, "status": "requested"})
        await observed(fhir, "b", "1")
        await fhir.delete(f"/fhir/Subscription/{made['id']}")
        await observed(fhir, "c", "1")
        await sent(open_world, tenant)
        assert peer.received == []  # what was queued for b waits: the subscriber is switched off


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"criteria": "Nothing?x=1"}, "fhir.subscription.criteria"),
        ({"criteria": "Observation?subject.name=x"}, "fhir.subscription.criteria"),
        ({"criteria": "Observation?_has:Provenance:target:agent=x"}, "fhir.subscription.criteria"),
        ({"_criteria": {"extension": [{"url": FILTER, "valueString": "Observation?code=1"}]}}, "criteria"),
        (
            {
                "criteria": "urn:ponte:SubscriptionTopic:encounter-start",
                "_criteria": {
                    "extension": [{"url": FILTER.replace("uv/", "5.0/"), "valueString": "Encounter?class=IMP"}]
                },
            },
            "criteria",
        ),
        ({"channel": {"type": "email", "endpoint": "mailto:a@example.org"}}, "fhir.subscription.channel"),
        ({"channel": {"type": "rest-hook"}}, "fhir.subscription.endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://a:b@example.org/"}}, "fhir.subscription.endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://example.org/", "payload": "text/html"}}, "payload"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://example.org/", "header": ["Host: x"]}}, "header"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://example.org/", "header": ["no colon"]}}, "header"),
        (
            {"channel": {"type": "rest-hook", "endpoint": "https://example.org/", "header": ["Ponte-Signing-Key: x"]}},
            "header",
        ),
    ],
)
async def test_what_cannot_be_is_refused(fhir: httpx.AsyncClient, change: dict[str, Any], code: str) -> None:
    answer = await fhir.post("/fhir/Subscription", json={**subscription(1, "Observation"), **change})
    assert answer.status_code == 422 and code in answer.text


async def test_only_what_the_caller_may_read(client_for: NewClient, tenant: Tenant) -> None:
    client = await client_for(tenant, ["system/Subscription.cruds", "system/Patient.rs"])
    answer = await client.post("/fhir/Subscription", json=subscription(1, "Observation"))
    assert answer.status_code == 403
    answer = await client.post("/fhir/Subscription", json=subscription(1, "Patient?gender=female"))
    assert answer.status_code == 201


async def test_a_narrow_token_is_told_what_it_may_read(
    fhir: httpx.AsyncClient, client_for: NewClient, open_world: World, tenant: Tenant
) -> None:
    """The grants are kept with the subscription: changes outside of them are told to nobody."""
    scopes = ["system/Subscription.c", "system/Observation.r?status=final", "system/Observation.r?status=amended"]
    narrow = await client_for(tenant, scopes=scopes)
    async with peers.http(taken) as peer:
        await subscribe(narrow, subscription(peer.port, "Observation?code=1", payload="application/fhir+json"))
        for name, code, status in (
            ("a", "1", "final"),
            ("b", "1", "preliminary"),
            ("c", "2", "final"),
            ("d", "1", "amended"),
        ):
            await observed(fhir, name, code, status)
        await observed(fhir, "a", "1", "cancelled")
        await sent(open_world, tenant)
        told = [h[":path"].rpartition("/")[2] for h, _ in peer.received]
        assert told == ["a", "d"]


async def test_a_kept_header_stays(fhir: httpx.AsyncClient, open_world: World, tenant: Tenant) -> None:
    async with peers.http(taken) as peer:
        made = await subscribe(fhir, subscription(peer.port, "Observation", header=["Authorization: Bearer segredo"]))
        assert (await fhir.put(f"/fhir/Subscription/{made['id']}", json=made)).status_code == 200
        await observed(fhir, "a", "1")
        await sent(open_world, tenant)
        assert peer.received[0][0]["authorization"] == "Bearer segredo"
