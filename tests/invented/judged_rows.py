"""Judged lines of the past, as statements leave them: what the history of denials counts."""

from __future__ import annotations

import datetime
from typing import Any
from uuid import UUID

from canonical.identity import new_id
from hub.world import Tenant, World

TODAY = datetime.date(2026, 11, 26)
DOCTOR = "crm-sp 123456"


async def judged(world: World, tenant: Tenant, payer_id: UUID, count: int, denied: int, **changed: Any) -> None:
    """`count` judged lines of the exam, `denied` of them with glosa 1705 of 5.40."""
    values = {
        "on": TODAY - datetime.timedelta(days=30),
        "professional": DOCTOR,
        "code": "40304361",
        "replaced": False,
        **changed,
    }
    statement = new_id()
    async with world.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO statement (tenant_id, id, payer_id, number, protocol, payer_status, billed_cents, processed_cents, "
            "paid_cents, denied_cents, digest) VALUES ($1, $2, $3, '1', 'p', '3', 0, 0, 0, 0, '')",
            statement, payer_id,
        )  # fmt: skip
        await tx.run(
            "INSERT INTO statement_line (tenant_id, id, statement_id, payer_id, protocol, guide_number, sequence, tiss_table, "
            "code, billed_cents, processed_cents, paid_cents, denied_cents, professional, judged_on, replaced) "
            "SELECT $1, gen_random_uuid(), $2, $3, 'p', n::text, 1, '22', $4, 2540, 2540, 2540, "
            "CASE WHEN n <= $5 THEN 540 ELSE 0 END, $6, $7, $8 FROM generate_series(1, $9) n",
            statement, payer_id, values["code"], denied, values["professional"], values["on"], values["replaced"], count,
        )  # fmt: skip
        await tx.run(
            "INSERT INTO denial (tenant_id, id, statement_line_id, payer_id, glosa_code, amount_cents, status, granted_cents) "
            "SELECT $1, gen_random_uuid(), l.id, $2, '1705', 540, 'aberta', 100 FROM statement_line l "
            "WHERE l.tenant_id = $1 AND l.statement_id = $3 AND l.denied_cents > 0",
            payer_id, statement,
        )  # fmt: skip
