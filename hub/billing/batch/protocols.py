"""Whether what a payer says of one batch or appeal is another one's: a protocol it has given before, or a strange lote.

Each lote and each recurso has a protocol of its own (protocoloRecebimento, reciboGlosaStatus). A payer that hands the
same number out twice would have statements and denials of one land at the other: nothing is recorded then, and the
finding says whose it is.
"""

from __future__ import annotations

from uuid import UUID

from canonical.problem import Problem, json_of
from hub.store.database import Transaction

MIXED_UP = "returned.of-another"  # what the codes of such findings begin with
TAKEN = f"{MIXED_UP}.protocol"
OTHER = f"{MIXED_UP}.batch"
APPEAL = f"{MIXED_UP}.appeal"
_HOLDER = """
SELECT o.batch_id FROM submission o WHERE o.tenant_id = $1 AND o.payer_id = $3 AND o.protocol = $4
AND o.batch_id IS DISTINCT FROM $2 LIMIT 1
"""
_NAMESAKE = "SELECT id FROM batch WHERE tenant_id = $1 AND payer_id = $3 AND number::text = $4 AND id <> $2 LIMIT 1"
_NUMBER = "SELECT number FROM batch WHERE tenant_id = $1 AND id = $2"
_APPEAL = """
SELECT o.number FROM appeal a JOIN appeal o ON o.tenant_id = $1 AND o.payer_id = a.payer_id AND o.id <> a.id
AND o.protocol = $3 WHERE a.tenant_id = $1 AND a.id = $2 LIMIT 1
"""


async def holder(tx: Transaction, batch: UUID, protocol: str) -> UUID | None:
    """Another batch of the same payer that has this protocol; None when there is none."""
    payer = await tx.value("SELECT payer_id FROM batch WHERE tenant_id = $1 AND id = $2", batch)
    found: UUID | None = await tx.value(_HOLDER, batch, payer, protocol) if protocol else None
    return found


async def astray(tx: Transaction, batch: UUID, protocol: str, number: str = "", where: str = "") -> Problem | None:
    """Why an answer to `batch` is another batch's, by its protocol and the numeroLote it names; None: it is not.

    A numeroLote that is of no batch of ours says nothing: some payers put a number of their own there.
    """
    payer = await tx.value("SELECT payer_id FROM batch WHERE tenant_id = $1 AND id = $2", batch)
    other, code = await holder(tx, batch, protocol), TAKEN
    if other is None and number and not await _is(tx, batch, number):
        other, code = await tx.value(_NAMESAKE, batch, payer, number.lstrip("0")), OTHER
    if other is None:
        return None
    args = (("lote", str(await tx.value(_NUMBER, batch))), ("other", str(await tx.value(_NUMBER, other))))
    return Problem(code, where, args=args)


async def _is(tx: Transaction, batch: UUID, number: str) -> bool:
    return str(await tx.value(_NUMBER, batch)) == number.lstrip("0")


async def appeal_astray(tx: Transaction, appeal: UUID, protocol: str) -> Problem | None:
    """returned.of-another.appeal: the protocol is another appeal's of the same payer; None when it is not."""
    other = await tx.value(_APPEAL, appeal, protocol) if protocol else None
    return Problem(APPEAL, args=(("other", str(other)),)) if other else None


async def note(tx: Transaction, message_id: UUID, problem: Problem) -> None:
    """Put a finding on the message an answer is kept as, beside those that stand there."""
    await tx.run(
        "UPDATE message SET problems = (problems::jsonb || $3::jsonb)::text WHERE tenant_id = $1 AND id = $2",
        message_id,
        json_of([problem]),
    )
