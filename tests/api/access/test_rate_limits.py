"""Limits of a tenant, its clients and the token address: counted over all processes in a real Valkey, told in headers."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from api.http.app import create_app
from hub.exchange.door.keep import Keeper
from hub.guard import clients, limits, tokens
from hub.guard.limits import Limits, Throttled
from hub.world import Tenant, World

AT = 1_800_000_000.0  # the start of a minute


class Clock:
    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> float:
        return self.now


async def taken(one: Limits, key: str, most: int, times: int) -> int:
    """How many of so many requests pass."""
    passed = 0
    for _ in range(times):
        try:
            await one.take([(key, most)])
        except Throttled:
            continue
        passed += 1
    return passed


@pytest.mark.parametrize("most", [1, 7, 60, 1000])
async def test_processes_share_a_limit(redis_url: str, most: int) -> None:
    clock = Clock()
    several = [Limits(redis_url, clock) for _ in range(3)]
    key = f"shared-{most}-{id(clock)}"
    passed = sum(await asyncio.gather(*(taken(one, key, most, most) for one in several)))
    assert passed <= most and passed >= most - 3 * max(1, most // limits.LOTS), "never more; less by what lies unused"
    clock.now += 59
    assert await taken(several[0], key, most, 1) == 0
    clock.now += 1
    assert await taken(several[0], key, most, 1) == 1
    for one in several:
        await one.close()


async def test_headers_count_down(redis_url: str) -> None:
    clock = Clock()
    clock.now += 10
    one = Limits(redis_url, clock)
    wide, tight = (f"wide-{id(clock)}", 1000), (f"tight-{id(clock)}", 3)
    remaining = [(await one.take([wide, tight]))["RateLimit-Remaining"] for _ in range(3)]
    assert remaining == ["2", "1", "0"]
    with pytest.raises(Throttled) as refused:
        await one.take([wide, tight])
    assert refused.value.headers == {
        "RateLimit-Limit": "3", "RateLimit-Remaining": "0", "RateLimit-Reset": "50", "Retry-After": "50",
    }  # fmt: skip
    await one.close()


async def test_without_valkey_each_process_counts_alone(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    alone = [Limits("redis://127.0.0.1:1", clock) for _ in range(2)]
    with caplog.at_level(logging.ERROR, "ponte.limits"):
        passed = [await taken(one, "alone", 20, 50) for one in alone]
    assert passed == [20, 20]
    assert len([r for r in caplog.records if "each process alone" in r.getMessage()]) == 2  # one alarm each, not fifty
    assert await taken(Limits("", clock), "none", 5, 9) == 5


async def test_valkey_comes_back(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    one, key = Limits("redis://127.0.0.1:1", clock), f"back-{id(clock)}"
    assert await taken(one, key, 100, 10) == 10
    monkeypatch.setattr(limits, "RECONNECT_SECONDS", 0.0)
    one._url, one._client, one._down_until = redis_url, None, 0.0
    assert await taken(one, key, 100, 100) == 90
    await one.close()


async def set_limits(world: World, tenant: Tenant, **stated: Any) -> None:
    settings = json.dumps({**tenant.settings, "limits": stated})
    await world.database.global_rows("UPDATE tenant SET settings = $2 WHERE id = $1", tenant.id, settings)


@pytest_asyncio.fixture
async def limited(world: World, redis_url: str) -> AsyncIterator[FastAPI]:
    """The application with limits whose minute stands still: no test waits for a minute, or meets its turn."""
    app = create_app(world, Keeper(world.database))
    app.state.ponte.limits = Limits(redis_url, Clock())
    yield app
    await app.state.ponte.limits.close()


async def test_the_application_counts_by_the_real_clock(world: World, redis_url: str) -> None:
    settings = dataclasses.replace(world.settings, redis_url=redis_url)
    used = create_app(dataclasses.replace(world, settings=settings), Keeper(world.database)).state.ponte.limits
    key, before = f"real-{id(used)}", time.time()
    left = int((await used.take([(key, 5)]))["RateLimit-Reset"])
    turns = before - before % limits.WINDOW + limits.WINDOW  # the end of this minute, or of the next if it turned
    assert min(abs(before + left - turns), abs(before + left - turns - limits.WINDOW)) < 20
    await used.close()


def caller(app: FastAPI, token: str = "") -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub", headers=headers)


async def test_over_http(world: World, tenant: Tenant, other_tenant: Tenant, limited: FastAPI) -> None:
    await set_limits(world, tenant, requests_per_minute=40, client_requests_per_minute=5)
    ids = [(await clients.create(world, tenant, name, scopes=["system/*.rs"]))[0] for name in ("one", "two")]
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE client SET rate = 8 WHERE tenant_id = $1 AND client_id = $2", ids[1])
    statuses: dict[str, list[int]] = {}
    for identity in ids:
        token = await tokens.issue(world, tenant, identity, roles=[], scopes=["system/*.rs"])
        async with caller(limited, token) as hub:
            answers = [await hub.get("/fhir/Patient/none") for _ in range(10)]
        statuses[identity] = [answer.status_code for answer in answers]
        first, last = answers[0], answers[-1]
        assert first.headers["ratelimit-limit"] in ("5", "8", "40") and int(first.headers["ratelimit-reset"]) <= 60
        assert last.status_code == 429 and int(last.headers["retry-after"]) >= 1
        issue = last.json()["issue"][0]
        assert issue["code"] == "throttled" and "Retry-After" in issue["details"]["text"]
    passed = {identity: codes.count(404) for identity, codes in statuses.items()}
    assert passed == {ids[0]: 5, ids[1]: 8}, "each as many as it may, its own rate before the tenant's for clients"
    token = await tokens.issue(world, other_tenant, "x", roles=[], scopes=["system/*.rs"])
    async with caller(limited, token) as theirs:
        answer = await theirs.get("/fhir/Patient/none")
        assert answer.status_code == 404 and "ratelimit-limit" not in answer.headers


@pytest.mark.parametrize("address", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
async def test_where_clients_prove_themselves(world: World, tenant: Tenant, limited: FastAPI, address: str) -> None:
    await set_limits(world, tenant, token_requests_per_minute=4)
    identity, _ = await clients.create(world, tenant, "eager", scopes=["system/*.rs"])
    form = {"grant_type": "client_credentials", "client_id": identity, "client_secret": "wrong", "token": "x"}
    async with caller(limited) as hub:
        codes = [(await hub.post(address, data=form)).status_code for _ in range(9)]
        assert codes == [401] * 4 + [429] * 5
        refused = await hub.post(address, data=form)
        assert refused.status_code == 429
        assert refused.json()["error"] == "slow_down" and int(refused.headers["retry-after"]) >= 1
        other, _ = await clients.create(world, tenant, "calm", scopes=["system/*.rs"])
        assert (await hub.post("/oauth/token", data={**form, "client_id": other})).status_code == 401
        assert (await hub.post("/oauth/token", data=form, headers={"authorization": "Basic !"})).status_code == 401


def test_what_is_typed_as_a_client_is_no_key() -> None:
    keys = [key for key, _ in limits.token_limits(None, "demo.Maria da Silva", "2001:db8::1")]
    assert "Maria" not in "".join(keys)
    assert keys == [key for key, _ in limits.token_limits(None, "demo.Maria da Silva", "2001:db8::ffff:2")]
    assert keys[1] != limits.token_limits(None, "demo.Mario", "2001:db8::1")[1][0]
