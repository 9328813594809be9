"""From where an event comes: the peer, or whom a trusted proxy names; in the trail, over FHIR, and under the seal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.http.whence import caller
from canonical.errors import Misconfigured
from hub.guard import audit, whence
from hub.guard.limits import Limits
from hub.settings import Settings, from_environment
from hub.world import Tenant, World

FOR = "x-forwarded-for"
PROXY = Settings(data=Path("x"), trusted_proxies="127.0.0.1, 10.0.0.0/8 ::1").proxies


@pytest.mark.parametrize(
    ("peer", "headers", "found"),
    [
        ("192.0.2.1", {}, "192.0.2.1"),
        ("192.0.2.1", {FOR: "203.0.113.9"}, "192.0.2.1"),  # not a proxy of ours: its word does not count
        ("127.0.0.1", {FOR: "203.0.113.9"}, "203.0.113.9"),
        ("127.0.0.1", {FOR: "198.51.100.7, 203.0.113.9, 10.1.1.1"}, "203.0.113.9"),  # before it is his own word
        ("127.0.0.1", {FOR: "203.0.113.9:4711"}, "203.0.113.9"),
        ("127.0.0.1", {FOR: "[2001:db8::1]:4711"}, "2001:db8::1"),
        ("::ffff:127.0.0.1", {FOR: "203.0.113.9"}, "203.0.113.9"),
        ("127.0.0.1", {FOR: "203.0.113.9, nonsense"}, "127.0.0.1"),
        ("127.0.0.1", {FOR: ""}, "127.0.0.1"),
        ("127.0.0.1", {FOR: "10.1.1.1"}, "10.1.1.1"),
        ("127.0.0.1", {FOR: ", ".join(["203.0.113.9"] + ["10.1.1.1"] * 50)}, "10.1.1.1"),
        ("127.0.0.1", {"forwarded": 'for=198.51.100.7, For="[2001:db8::1]:80";proto=https'}, "2001:db8::1"),
        ("127.0.0.1", {"forwarded": "by=10.1.1.1;for=203.0.113.9"}, "203.0.113.9"),
        ("127.0.0.1", {"forwarded": "for=_hidden"}, "127.0.0.1"),
        ("testclient", {FOR: "203.0.113.9"}, "testclient"),
    ],
)
def test_who_called(peer: str, headers: dict[str, str], found: str) -> None:
    assert caller(peer, headers, PROXY) == found
    assert caller(peer, headers, ()) == peer, "where nobody is trusted the peer is who called"


def test_the_setting_is_read_at_the_start() -> None:
    at = Path("x")
    assert from_environment({}, data=at).proxies, "the proxy of the how-to stands on this machine"
    assert from_environment({"PONTE_TRUSTED_PROXIES": "none"}, data=at).proxies == ()
    with pytest.raises(Misconfigured):
        from_environment({"PONTE_TRUSTED_PROXIES": "proxy.example"}, data=at)


async def test_events_name_the_address_they_come_from(
    app: FastAPI, fhir: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    body: dict[str, Any] = {"resourceType": "Patient", "id": "p"}
    await fhir.put("/fhir/Patient/p", json=body, headers={FOR: "203.0.113.9"})
    calls = (fhir.get("/fhir/Patient/p", headers={FOR: f"198.51.100.{n}"}) for n in range(1, 9))
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
    stranger = httpx.ASGITransport(app=app, client=("192.0.2.1", 5000))
    async with httpx.AsyncClient(transport=stranger, base_url="http://hub", headers=fhir.headers) as client:
        await client.get("/fhir/Patient/p", headers={FOR: "203.0.113.9"})
    await app.state.ponte.reading.flush()
    found = (await fhir.get("/fhir/AuditEvent?entity=Patient/p")).json()["entry"]
    told = [one["resource"]["agent"][0].get("network") for one in found]
    assert {one["address"] for one in told} == {f"198.51.100.{n}" for n in range(1, 9)} | {"192.0.2.1", "203.0.113.9"}
    assert {one["type"] for one in told} == {"2"}
    made = (await fhir.get("/fhir/AuditEvent?address=203.0.113.9")).json()["entry"]
    assert [one["resource"]["subtype"][0]["code"] for one in made] == ["create"]
    assert (await fhir.post("/fhir/AuditEvent/$validate", json=made[0]["resource"])).json()["issue"][0][
        "severity"
    ] != "error"
    async with world.transaction(tenant) as tx:
        await audit.note(tx, "operator", "replay", "Message/x")
        assert await tx.value("SELECT detail FROM audit_event WHERE tenant_id = $1 AND action = 'replay'") == "{}"
    async with world.transaction(tenant) as tx:
        await audit.seal(tx)
    async with world.transaction(tenant) as tx:
        assert await audit.broken_seal(tx) is None
    assert whence.address() == "", "what a request set ends with it"


async def test_limits_go_by_who_called(app: FastAPI, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy one guesser does not lock all others out."""
    seen: list[str] = []

    async def take(self: Limits, wanted: Sequence[tuple[str, object]]) -> dict[str, str]:
        seen.extend(key for key, _ in wanted)
        return {}

    monkeypatch.setattr(Limits, "take", take)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as client:
        await client.post("/oauth/token", data={"grant_type": "x"}, headers={FOR: "203.0.113.1"})
    assert any("203.0.113.1" in key for key in seen) and not any("127.0.0.1" in key for key in seen)
