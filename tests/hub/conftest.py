"""What the hub maps and writes by itself keeps the constraints of R4: looked at after every test, so that writes need not.

And handlers of a test's own, which the next test does not meet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from fhir import jsontext
from fhir.validation import invariants
from hub.exchange import handlers
from hub.world import Tenant, World

MOST = 400


@pytest.fixture
def own_handlers() -> Iterator[None]:
    """What a test registers is forgotten; all rooms' handlers are there before, since modules register only once."""
    handlers.load()
    tables: tuple[dict[str, Any], ...] = (handlers.REPLIES, handlers.RECONCILE, handlers.JOBS)
    kept = [dict(table) for table in tables]
    yield
    for table, before in zip(tables, kept, strict=True):
        table.clear()
        table.update(before)


@pytest_asyncio.fixture
async def tenant(tenant: Tenant, world: World) -> AsyncIterator[Tenant]:
    """A fresh tenant, whose records of messages and bills are checked when the test is over."""
    yield tenant
    rows = await world.database.ask(
        tenant.id,
        f"SELECT type, body FROM resource WHERE tenant_id = c.tenant AND NOT deleted ORDER BY rid DESC LIMIT {MOST}",
    )
    broken = {}
    for row in rows:
        body = jsontext.parse(row["body"].encode())
        assert isinstance(body, dict)
        for problem in invariants.check(body, blocking=True):
            broken[row["type"], dict(problem.args)["key"]] = problem.where
    assert not broken, broken
