"""A client of bulk jobs, and a worker that runs them."""

from __future__ import annotations

import json
from typing import Any

import httpx

from hub.exchange import handlers
from hub.exchange.work import jobs
from hub.world import Tenant, World

ASYNC = {"prefer": "respond-async", "accept": "application/fhir+json"}


async def worked(world: World, tenant: Tenant) -> None:
    """Run the tenant's jobs until none is due."""
    handlers.load()
    while await jobs.work(world, tenant):
        pass


async def put(client: httpx.AsyncClient, kind: str, identity: str, **rest: Any) -> None:
    answer = await client.put(f"/fhir/{kind}/{identity}", json={"resourceType": kind, "id": identity, **rest})
    assert answer.status_code in (200, 201), answer.text


async def began(client: httpx.AsyncClient, path: str, **options: Any) -> str:
    """The path of the status of a job that was accepted."""
    answer = await client.request(
        "POST" if "json" in options or "content" in options else "GET",
        path,
        headers={**ASYNC, **options.pop("headers", {})},
        **options,
    )
    assert answer.status_code == 202, answer.text
    return "/" + answer.headers["content-location"].split("/", 3)[3]


async def manifest(client: httpx.AsyncClient, status: str) -> dict[str, Any]:
    answer = await client.get(status)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def lines(client: httpx.AsyncClient, listed: list[dict[str, Any]], **headers: str) -> list[dict[str, Any]]:
    """The records of the files of a manifest, whose counts must be right."""
    found: list[dict[str, Any]] = []
    for item in listed:
        answer = await client.get(
            "/" + item["url"].split("/", 3)[3], headers={"accept": "application/fhir+ndjson", **headers}
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/fhir+ndjson"
        records = [json.loads(line) for line in answer.text.splitlines()]
        assert len(records) == item["count"] and all(record["resourceType"] == item["type"] for record in records)
        found += records
    return found


async def exported(
    world: World, tenant: Tenant, client: httpx.AsyncClient, path: str, **options: Any
) -> tuple[dict[str, Any], list[str]]:
    """The manifest of an export, and `Type/id` of all its records."""
    status = await began(client, path, **options)
    await worked(world, tenant)
    found = await manifest(client, status)
    return found, [f"{r['resourceType']}/{r['id']}" for r in await lines(client, found["output"])]
