"""The trial hub's RNDS: fresh TLS material at each start, settings that stay, and the demonstration's records."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import rnds_records
from rnds_server import settle, store

from api.demo import network as demo
from api.simulators import lab, serve
from api.simulators.rnds import keys
from api.simulators.rnds.network import Config, Network
from hub.rnds import desk, settings
from hub.rnds.trial import trial_network
from hub.world import Tenant, World


async def started(folder: Path, world: World, tenant: Tenant) -> Network:
    keys.prepare(folder, datetime.datetime.now(datetime.UTC))
    network = Network(Config())
    auth, ehr = await network.start(*keys.contexts(folder))
    base = "https://127.0.0.1"
    await trial_network(world, tenant, f"{base}:{auth}/api", f"{base}:{ehr}/api", folder)
    return network


def records() -> list[dict[str, Any]]:
    """The demonstration's records, for the tests' patient."""
    text = demo._RECORDS.read_text(encoding="utf-8").replace("{patient}", "Patient/ana")
    return list(json.loads(text.replace("{day}", "2026-11-20")))


async def test_the_demonstrations_records_reach_the_simulated_network(
    world: World, tenant: Tenant, tmp_path: Path
) -> None:
    network = await started(tmp_path / "rnds", world, tenant)
    try:
        async with world.transaction(tenant) as tx:
            first = (await settings.show(tx)).as_json()
        assert not any(one["active"] for one in first["documents"].values())
        for kind in demo.KINDS:
            first["documents"][kind]["active"] = True
        await desk.configure(world, tenant, first, "test")
        await store(world, tenant, rnds_records.PATIENT, *records())
        found = await settle(world, tenant)
        assert {one.kind: one.status for one in found} == dict.fromkeys(demo.KINDS, "enviado"), found
        assert Counter(one.kind for one in network.book.documents) == dict.fromkeys(demo.KINDS, 1)
        assert not network.book.refused
        await network.stop()
        network = await started(tmp_path / "rnds", world, tenant)  # other ports, other keys: the settings stay
        async with world.transaction(tenant) as tx:
            second = (await settings.show(tx)).as_json()
        assert second["url"] != first["url"] and second["documents"] == first["documents"]
    finally:
        await network.stop()


async def test_the_control_switches_faults() -> None:
    network = Network(Config())
    simulated = lab.Lab(lab.Config(port=0, results_host="127.0.0.1", results_port=1))
    transport = httpx.ASGITransport(app=serve.create_app(simulated, network))
    async with httpx.AsyncClient(transport=transport, base_url="http://sim") as client:
        assert (await client.get("/rnds/control")).json() == {"documents": [], "requests": {}, "refused": {}}
        wanted = {"fault": "refuse", "code": "ERR820", "times": 2}
        assert (await client.post("/rnds/control/fault", json=wanted)).status_code == 200
        assert (network.fault.kind, network.fault.code, network.fault.times) == ("refuse", "ERR820", 2)
        assert (await client.post("/rnds/control/fault", json={"fault": "fire"})).status_code == 422
    assert (await client_of(serve.create_app(simulated)).get("/rnds/control")).status_code == 404


def client_of(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sim")
