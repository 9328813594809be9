"""Notifications of many records changed together: queued in sets, told one by one and in their order."""

from __future__ import annotations

import json
from typing import Any

import httpx
import peers
import pytest

from hub.store import database
from hub.world import Tenant, World
from tests.api.fhir.test_subscriptions import app, backport, open_world, sent, subscribe, subscription, taken

__all__ = ["app", "open_world"]
NAMES = [[f"o{count}-{n:02d}" for n in range(count)] for count in (5, 40)]


def entry(name: str) -> dict[str, Any]:
    code = {"text": "Glicose"}
    body = {"resourceType": "Observation", "id": name, "status": "final", "code": code}
    return {"resource": body, "request": {"method": "PUT", "url": f"Observation/{name}"}}


async def test_many_at_once_are_queued_together_in_their_order(
    fhir: httpx.AsyncClient, open_world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Bundle of many costs the database as many statements as one of few, and each record is told, in order."""
    plain, asked = database._sent, [0]

    def counted(query: str) -> str:
        asked[-1] += 1
        return plain(query)

    async with peers.http(taken) as peer:
        await subscribe(fhir, subscription(peer.port, "Observation?status=final", **backport("id-only")))
        await sent(open_world, tenant)
        peer.received.clear()
        monkeypatch.setattr(database, "_sent", counted)
        for names in NAMES:
            asked.append(0)
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry(name) for name in names]}
            assert (await fhir.post("/fhir", json=bundle)).status_code == 200
        assert asked[1] == asked[2]
        monkeypatch.undo()
        await sent(open_world, tenant)
    told = [json.loads(content)["entry"][0]["resource"]["parameter"] for _, content in peer.received]
    events = [part for each in told for part in each[-1]["part"]]
    assert [part["valueString"] for part in events[::3]] == [str(n) for n in range(1, 46)]
    focus = [part["valueReference"]["reference"] for part in events[2::3]]
    assert focus == [f"Observation/{name}" for names in NAMES for name in names]
