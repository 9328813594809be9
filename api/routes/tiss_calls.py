"""What the routes of /api/v1/tiss about requests share: scopes, examples, and the answer that may be waited for."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.state import Caller, State
from hub.billing import listing
from hub.requests import sending
from hub.requests.sending import Put
from hub.world import Tenant, World

_LOOK_SECONDS = 0.1
Wait = Annotated[float, Query(ge=0, le=30, description="seconds to wait for the payer's answer")]


REQUEST: dict[str, Any] = {
    "payer": "999806",
    "id": "019ab3c4-7d00-7c1e-9f5e-0a1b2c3d4e5f",
    "kind": "elegibilidade",
    "detail": "",
    "number": "",
    "status": "elegivel",
    "payer_status": "S",
    "protocol": None,
    "reason": None,
    "patient_id": "p-001",
    "encounter_id": None,
    "coverage_id": "c-001",
    "tiss_version": "4.02.00",
    "hash": "5d41402abc4b2a76b9719d911017c592",
    "problems": [],
    "created_at": "2026-11-26T10:00:00+00:00",
    "answered_at": "2026-11-26T10:00:01+00:00",
    "settled": True,
}
FINDING = {"code": "request.missing", "severity": "error", "where": "…", "text": "Falta no pedido: …", "remedy": "…"}


def example(document: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of an answer with its example."""
    return {status: {"content": {"application/json": {"example": document}}}}


def writer(caller: Caller) -> None:
    """Refuse a caller who may not write; raises a Refusal."""
    caller.require("tiss/write")


def reader(caller: Caller) -> None:
    """Refuse a caller who may not read; raises a Refusal."""
    caller.require("tiss/read", "tiss/write")


async def answer(state: State, caller: Caller, put: Put, wait: float) -> Response:
    """The request as it stands, at the latest after `wait` seconds: 202 while it is under way, 201 when it is not."""
    row = await waited(state.world, caller.tenant, put.id, wait)
    return json_answer(row, 202 if row["status"] == sending.SENDING else 201)


async def waited(world: World, tenant: Tenant, request: UUID, wait: float) -> dict[str, Any]:
    """The request's row as soon as it is no longer under way, at the latest after `wait` seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    while True:
        async with world.transaction(tenant) as tx:
            row = await listing.one(tx, "requests", request)
        if row["status"] != sending.SENDING or loop.time() >= until:
            return row
        await asyncio.sleep(_LOOK_SECONDS)
