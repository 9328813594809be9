"""Own search parameters adopted by a process that dies at any commit: what is found in the end is found all the same."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from bulk_client import worked
from endings import at_every_commit

from canonical.identity import number
from hub.exchange.work import jobs
from hub.records import custom, reindex
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.world import Tenant, World

PARAMETER = {
    "resourceType": "SearchParameter", "status": "active", "url": "urn:cor", "name": "cor", "code": "cor", "base": ["Patient"],
    "type": "token", "description": "x", "expression": "Patient.extension.where(url='urn:cor').value.ofType(code)",
}  # fmt: skip


async def test_adoption(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reindex, "BATCH", 2)
    monkeypatch.setattr(custom, "SECONDS", 0.0)
    monkeypatch.setattr(reindex, "_SKEW", datetime.timedelta(0))

    async def begin(tenant: Tenant) -> None:
        body = {"resourceType": "Patient", "extension": [{"url": "urn:cor", "valueCode": "azul"}]}
        writes = [Write(type="Patient", id=f"p{each}", body=body) for each in range(5)]
        async with world.transaction(tenant) as tx:
            by = Origin(actor="test", now=world.now(), zone=tenant.zone)
            await save(tx, [*writes, Write(type="SearchParameter", id="cor", body=PARAMETER)], by)

    async def work(tenant: Tenant, _: None) -> None:
        async with world.transaction(tenant) as tx:
            types, problems = await custom.adopt(tx)
            assert not problems
            if types:
                await jobs.enqueue(tx, reindex.NAME, {"types": types, "adopted": world.now().isoformat()})
        await worked(world, tenant)

    async def state(tenant: Tenant, _: None) -> Any:
        async with world.transaction(tenant) as tx:
            found = await tx.rows(
                "SELECT r.id, count(*) AS n FROM idx_token t JOIN resource r ON r.tenant_id = $1 AND r.rid = t.rid "
                "WHERE t.tenant_id = $1 AND t.key = $2 GROUP BY r.id ORDER BY r.id",
                number("Patient", "cor"),
            )
            ended = await tx.rows("SELECT status, last_error FROM job WHERE tenant_id = $1 AND name = $2", reindex.NAME)
        assert [row["id"] for row in found] == [f"p{each}" for each in range(5)]
        return [row["n"] for row in found], [tuple(row) for row in ended]

    assert await at_every_commit(world, begin, work, state) >= 10
