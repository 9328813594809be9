"""Routes: which changed records some partner wants, and the outbox rows for them, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hub.exchange.out import announce, orders
from hub.exchange.partners import Partner
from hub.records.saved import Origin, Saved
from hub.rnds import changes as rnds
from hub.rnds.settings import KIND as NETWORK
from hub.store.database import Transaction
from hub.subscriptions import events


def kinds(changed: Sequence[Saved]) -> list[str]:
    """The kinds of partners that may want to hear of `changed`."""
    types = {saved.type for saved in changed}
    wanted = (
        ("webhook", True),
        ("lab", "ServiceRequest" in types),
        ("subscriber", not types.isdisjoint(announce.TYPES)),
        (NETWORK, not types.isdisjoint(rnds.types())),
    )
    return [kind for kind, is_wanted in wanted if is_wanted]


async def enqueue(
    tx: Transaction, changed: Sequence[Saved], origin: Origin, partners: Mapping[str, Sequence[Partner]]
) -> None:
    """Queue the deliveries that follow from `changed`; `partners` are the active ones of `kinds`, by kind."""
    requests = [saved for saved in changed if saved.type == "ServiceRequest" and saved.body is not None]
    if requests and partners.get("lab"):
        await orders.enqueue(tx, requests, origin, partners["lab"])
    if partners.get("webhook"):
        await events.enqueue(tx, changed, origin, partners["webhook"])
    people = [saved for saved in changed if saved.type in announce.TYPES and saved.body is not None]
    if people and partners.get("subscriber"):
        await announce.enqueue(tx, people, origin, partners["subscriber"])
    national = [saved for saved in changed if saved.type in rnds.types()]
    if national and partners.get(NETWORK):
        await rnds.enqueue(tx, national, origin, partners[NETWORK][0])
