"""Numbers a payer must never see twice: guides, batches, transactions, appeals and documents, counted per payer.

The counter row is locked until the transaction ends, so a number is either used or, when nothing was written, free.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from hub.store.database import Transaction

Name = Literal["guia", "lote", "transacao", "recurso", "documento"]


async def take(tx: Transaction, payer_id: UUID, name: Name, count: int = 1) -> int:
    """The first of `count` fresh numbers of a payer's sequence."""
    last = await tx.value(
        "INSERT INTO payer_sequence AS s (tenant_id, payer_id, name, last) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (tenant_id, payer_id, name) DO UPDATE SET last = s.last + excluded.last RETURNING last",
        payer_id,
        name,
        count,
    )
    return int(last) - count + 1
