"""Routes: which changed records some partner wants, and the outbox rows for them, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hub.exchange import announce, orders
from hub.rnds import changes as rnds
from hub.store.database import Transaction
from hub.subscriptions import events

if TYPE_CHECKING:
    from hub.records.write import Origin, Saved


async def enqueue(tx: Transaction, changed: Sequence[Saved], origin: Origin) -> None:
    """Queue the deliveries that follow from `changed`."""
    requests = [saved for saved in changed if saved.type == "ServiceRequest" and saved.body is not None]
    if requests:
        await orders.enqueue(tx, requests, origin)
    await events.enqueue(tx, changed, origin)
    people = [saved for saved in changed if saved.type in announce.TYPES and saved.body is not None]
    if people:
        await announce.enqueue(tx, people, origin)
    national = [saved for saved in changed if saved.type in rnds.types()]
    if national:
        await rnds.enqueue(tx, national, origin)
