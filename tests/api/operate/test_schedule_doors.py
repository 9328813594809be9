"""/api/v1/schedules and `ponte schedule`: the same schedules by program and by hand, each in its own tenant."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from api.cli.main import main
from api.demo.run import rest
from hub.exchange.work import usual
from hub.operate import agenda
from hub.seed import demo_tenant
from hub.settings import Settings
from hub.world import Tenant, World, opened


async def test_schedules_over_http(world: World, tenant: Tenant, client_for: Any) -> None:
    await usual.seed(world, tenant, usual.UPKEEP)
    await usual.seed(world, tenant, usual.PAYER)
    looking = await client_for(tenant, scopes=["schedules/read"])
    shown = {one["name"]: one for one in (await looking.get("/api/v1/schedules")).json()["schedules"]}
    assert shown["close-batches"]["active"] is False and shown["seal-audit"]["kept"] is True
    assert (await looking.put("/api/v1/schedules/close-batches", json={"active": True})).status_code == 403

    client = await client_for(tenant, scopes=["schedules/write"])
    answer = await client.put("/api/v1/schedules/close-batches", json={"active": True, "cron": "30 19 * * 1-5"})
    assert answer.status_code == 200 and answer.json()["next_at"] and answer.json()["cron"] == "30 19 * * 1-5"
    assert (await client.post("/api/v1/schedules/close-batches/run")).status_code == 202
    assert (await client.get("/api/v1/schedules/close-batches")).json()["last"]["status"] == "QUEUED"
    wrong = await client.put("/api/v1/schedules/close-batches", json={"cron": "99 * * * *"})
    assert wrong.status_code == 422 and wrong.json()["type"] == "urn:ponte:problem:schedule.cron"
    kept = await client.delete("/api/v1/schedules/seal-audit")
    assert kept.status_code == 409 and kept.json()["problems"][0]["code"] == "schedule.kept"
    assert (await client.delete("/api/v1/schedules/close-batches")).status_code == 204
    gone = await client.get("/api/v1/schedules/close-batches")
    assert gone.status_code == 404 and gone.json()["problems"][0]["code"] == "schedule.unknown"


async def test_schedules_of_another_tenant_are_not_there(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: Any
) -> None:
    await usual.seed(world, tenant, usual.PAYER)
    stranger = await client_for(other_tenant, scopes=["admin/*"])
    names = {one["name"] for one in (await stranger.get("/api/v1/schedules")).json()["schedules"]}
    assert names.isdisjoint(one.name for one in usual.kit(usual.PAYER))
    assert (await stranger.post("/api/v1/schedules/poll-protocols/run")).status_code == 404


async def test_the_clock_starts_nothing_of_the_business_during_the_demonstration(world: World, tenant: Tenant) -> None:
    await usual.seed(world, tenant, usual.PAYER, all_active=True)
    await rest(world, tenant)
    async with world.transaction(tenant) as tx:
        running = {entry.name for entry in await agenda.listed(tx) if entry.active}
    assert running and running.isdisjoint(one.name for one in usual.kit(usual.PAYER))


async def _demo(settings: Settings, slug: str) -> None:
    async with opened(settings, size=1) as world:
        await usual.seed(world, await demo_tenant(world, slug, "Hospital de Teste"), usual.PAYER)


def test_schedules_by_command(
    cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slug = f"ag{uuid.uuid4().hex[:10]}"
    monkeypatch.setenv("PONTE_DATABASE_URL", cluster[0].database_url)
    asyncio.run(_demo(cluster[0], slug))

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["schedule", words[0], "--tenant", slug, *words[1:]])
        found = capsys.readouterr()
        return code, found.out, found.err

    code, out, _ = call("list")
    assert code == 0 and "Monta guias e fecha os lotes" in out
    assert next(line for line in out.splitlines() if line.startswith("close-batches")).endswith("PAUSED")
    code, out, _ = call("set", "close-batches", "--cron", "30 19 * * 1-5", "--set", "payer=999806", "--json")
    made = json.loads(out)
    assert code == 0 and (made["cron"], made["arguments"], made["active"]) == (
        "30 19 * * 1-5",
        {"payer": "999806"},
        False,
    )
    code, out, _ = call("resume", "close-batches")
    assert code == 0 and "next 20" in out and "payer=999806" in out
    code, out, _ = call("run", "close-batches")
    assert code == 0 and out == "run: close-batches\n"
    code, out, _ = call("list", "--json")
    last = {one["name"]: one["last"] for one in map(json.loads, out.splitlines())}["close-batches"]
    assert last["status"] == "QUEUED"
    code, _, err = call("pause", "seal-audit")
    assert code == 1 and "upkeep" in err
    code, _, err = call("set", "poll-protocols", "--cron", "daily at eight")
    assert code == 1 and "cannot be read" in err
    assert call("remove", "close-batches")[0] == 0
    assert call("pause", "close-batches")[0] == 1
