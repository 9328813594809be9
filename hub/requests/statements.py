"""Demonstrativos asked for: the analysis of protocols, or the payments (medical or dental) of a day or a month.

What comes back is read by billing like any statement; the request only says whether and when it came.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from hub.billing import writing
from hub.billing.message.replies import Refusal
from hub.billing.profiles import PayerProfile, payer
from hub.billing.returns import statements
from hub.requests import hearing, sending
from hub.requests.hearing import Answered
from hub.requests.matter import provider
from hub.requests.sending import Asked, Kind, Put, Told
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from tiss.answers import values as answers

TRANSACTION = "SOLIC_DEMONSTRATIVO_RETORNO"
KIND: Kind = "demonstrativo"
RECEIVED, NOT_READY = "recebido", "em analise"
MOST_PROTOCOLS = 30
_KINDS = {"pagamento": "1", "odonto": "3"}
Detail = Literal["analise", "pagamento", "odonto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which statement: of analysis by protocols (31 make two requests), of payments by day or by month (AAAAMM)."""

    payer_id: UUID
    detail: Detail
    protocols: tuple[str, ...] = ()
    paid_on: datetime.date | None = None
    competence: str = ""


async def ask(world: World, tenant: Tenant, tx: Transaction, wish: Wish, actor: str) -> list[Put]:
    """Ask for statements; raises NotFound. A statement of analysis holds the answers to at most 30 protocols."""
    if wish.detail != "analise":
        return [await _ask(world, tenant, tx, wish, actor)]
    made = []
    for part in _parts(wish.protocols):
        one = Wish(payer_id=wish.payer_id, detail=wish.detail, protocols=tuple(part))
        made.append(await _ask(world, tenant, tx, one, actor))
    return made


def _parts(protocols: Sequence[str]) -> Iterator[Sequence[str]]:
    distinct = list(dict.fromkeys(protocols))
    for start in range(0, len(distinct) or 1, MOST_PROTOCOLS):
        yield distinct[start : start + MOST_PROTOCOLS]


async def _ask(world: World, tenant: Tenant, tx: Transaction, wish: Wish, actor: str) -> Put:
    profile = await payer(tx, wish.payer_id)
    analysis = wish.detail == "analise"
    name = "demonstrativo-analise" if analysis else "demonstrativo-pagamento"
    record = {
        "provider": provider(profile),
        "request": {
            "asked_on": writing.today(writing.origin(world, tenant)),
            "protocols": list(wish.protocols),
            "statement_kind": _KINDS.get(wish.detail, ""),
            "paid_on": wish.paid_on,
            "competence": "" if wish.paid_on else wish.competence,
        },
    }
    tree, problems = sending.body_of(name, record, profile)
    asked = Asked(
        profile=profile,
        kind=KIND,
        detail=wish.detail,
        transaction=TRANSACTION,
        body={sending.element_of(name): tree},
        problems=tuple(problems),
        actor=actor,
    )
    return await sending.put(world, tenant, tx, asked)


async def ask_again(world: World, tenant: Tenant, tx: Transaction, profile: PayerProfile, row: Row) -> None:
    """Ask anew for a statement that was not ready, under a transaction number of its own."""
    content = await sending.question(world, tenant, tx, profile, (TRANSACTION, json.loads(row["tree"])))
    await sending.queue(tx, profile, row["id"], TRANSACTION, content)


async def _take(tx: Transaction, found: Answered) -> bool:
    """A statement is read by billing; one that is not ready yet leaves the request open, and the poll asks again."""
    source = statements.Source(profile=found.profile, by=found.by)
    taken = await statements.take_all(tx, source, found.heard.answers)
    if taken.protocols or taken.payments:
        count = f"{taken.protocols} protocolos, {taken.payments} pagamentos"
        await sending.answered(tx, found.row["id"], Told(status=RECEIVED, reason=count))
        return True
    pending = found.heard.first(answers.StatementPending)
    if not isinstance(pending, answers.StatementPending):
        return False
    told = Told(status=NOT_READY, payer_status=pending.status, protocol=pending.request, settled=False)
    await sending.answered(tx, found.row["id"], told)
    return True


async def _refuse(tx: Transaction, found: Answered, why: Refusal) -> None:
    """The refusal stands in the request's row; there is no record of it."""


hearing.answers_to(TRANSACTION, _take, _refuse)
hearing.safe_again(TRANSACTION)
