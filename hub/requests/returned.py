"""What a payer hands over unasked: a file in the return folder, or a message at our own SOAP door. Kept, then matched.

Each answer finds what it answers by the payer's own numbers (lote, protocolo, guia); what belongs to nothing of ours is
kept and said so. Nothing is taken twice: the same answer again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from canonical.identity import bytes_number, new_id
from canonical.problem import Problem, json_of
from hub.billing import writing
from hub.billing.appeal import appeals
from hub.billing.batch import submissions
from hub.billing.message.replies import Heard, hear
from hub.billing.profiles import PayerProfile
from hub.billing.returns import statements
from hub.guard import audit
from hub.records.saved import Origin
from hub.requests import annexes, cancellation, decision, documents, eligibility, stays
from hub.requests.hearing import Answered, Take
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from tiss.answers import values as answers
from tiss.wire import message, soap

_TAKES: dict[str, Take] = {
    "autorizacao": decision.take,
    "anexo": annexes.take,
    "elegibilidade": eligibility.take,
    "comunicacao": stays.take,
    "cancelamento": cancellation.take,
    "documento": documents.take,
}
_BY_NUMBER = (
    "SELECT * FROM payer_request WHERE tenant_id = $1 AND payer_id = $2 AND kind = $3 AND number = $4 "
    "AND number <> '' AND NOT status IN ('bloqueado', 'substituido') ORDER BY id DESC LIMIT 1 FOR UPDATE"
)
_BATCH = """
SELECT s.id, s.batch_id, s.protocol FROM batch b JOIN submission s ON s.tenant_id = $1 AND s.batch_id = b.id
WHERE b.tenant_id = $1 AND b.payer_id = $2 AND (b.number::text = $3 OR s.protocol = $4) AND s.status <> 'substituido'
ORDER BY (b.number::text = $3) DESC, s.id DESC LIMIT 1 FOR UPDATE OF s
"""
_APPEAL = """
SELECT id FROM appeal WHERE tenant_id = $1 AND payer_id = $2 AND batch_protocol = $3
AND CASE WHEN $4 THEN status = 'recebido' ELSE status IN ('enviando', 'enviado', 'incerto') END
ORDER BY id LIMIT 1 FOR UPDATE
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of something returned: the id it is kept under, how many answers found their place, what is wrong."""

    message_id: UUID
    matched: int
    problems: tuple[Problem, ...]

    @property
    def good(self) -> bool:
        """Whether something was told and all of it found its place."""
        return self.matched > 0 and not any(problem.blocks for problem in self.problems)


async def take(world: World, tenant: Tenant, profile: PayerProfile, raw: bytes, actor: str) -> Taken:
    """Keep what a payer handed over, then work on it; never raises for its content."""
    message_id = new_id()
    async with world.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO message (tenant_id, id, direction, format, type, partner_id, status, payload_key, content) "
            "VALUES ($1, $2, 'in', 'tiss', $3, $4, 'KEPT', $5, $6)",
            message_id,
            kind_of(raw),
            profile.partner.id,
            bytes_number(raw),
            raw,
        )
        await audit.note(tx, actor, "take-returned", f"message/{message_id}")
    async with world.transaction(tenant) as tx:
        by = writing.origin(world, tenant, actor, message_id)
        matched, problems = await _work(world, tenant, tx, profile, hear(raw, profile), by)
        bad = not matched or any(problem.blocks for problem in problems)
        await tx.run(
            "UPDATE message SET status = $3, problems = $4, finished_at = now() WHERE tenant_id = $1 AND id = $2",
            message_id,
            "ERROR" if bad else "TRANSFORMED",
            json_of(problems),
        )
    return Taken(message_id=message_id, matched=matched, problems=tuple(problems))


def kind_of(raw: bytes) -> str:
    """The tipoTransacao a message states; empty when it cannot be read."""
    body = soap.read(raw)
    found = message.read(body.content) if isinstance(body, soap.Body) else None
    return found.transaction[:60] if isinstance(found, message.Tiss) else ""


async def _work(
    world: World, tenant: Tenant, tx: Transaction, profile: PayerProfile, heard: Heard, by: Origin
) -> tuple[int, list[Problem]]:
    """How many answers found what they answer, and what did not."""
    if heard.refusal is not None and all(isinstance(one, answers.Error) for one in heard.answers):
        return 0, [Problem("returned.fault")]
    if not heard.answers:
        return 0, [Problem(heard.unreadable or "header.no-answer"), *heard.problems]
    source = statements.Source(profile=profile, by=by)
    read = await statements.take_all(tx, source, heard.answers)
    matched, problems = read.protocols + read.payments, list(heard.problems)
    for one in heard.answers:
        if isinstance(one, answers.Statement | answers.Remittance):
            continue  # they were read
        found = await _place(tx, profile, one, by)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            matched += found
    return matched, problems


async def _place(tx: Transaction, profile: PayerProfile, one: answers.Answer, by: Origin) -> int | Problem:
    """1 when an answer found what it answers, else why not: that is not ours, or it is another one's."""
    unknown = Problem("returned.unknown", one.where)
    if isinstance(one, answers.Protocol | answers.Status):
        return await _batch(tx, profile, one, by) or unknown
    if isinstance(one, answers.AppealProtocol | answers.AppealAnswer):
        return await _appeal(tx, profile, one, by) or unknown
    row = await _request(tx, profile, one)
    if row is None:
        return unknown
    found = Answered(row=row, profile=profile, heard=Heard(answers=(one,)), by=by)
    return int(await _TAKES[row["kind"]](tx, found)) or unknown


async def _batch(
    tx: Transaction, profile: PayerProfile, one: answers.Protocol | answers.Status, by: Origin
) -> int | Problem:
    """The protocol or the state of a batch of ours."""
    row = await tx.row(_BATCH, profile.partner.id, one.batch, one.number)
    if row is None:
        return 0
    return await submissions.returned(tx, row, one, by) or 1


async def _appeal(
    tx: Transaction, profile: PayerProfile, one: answers.AppealProtocol | answers.AppealAnswer, by: Origin
) -> int | Problem:
    """The protocol of an appeal of ours, or the decision on it; both name the batch's protocol."""
    protocol = one.appealed_protocol if isinstance(one, answers.AppealProtocol) else one.protocol
    appeal = await tx.value(_APPEAL, profile.partner.id, protocol, isinstance(one, answers.AppealAnswer))
    if appeal is None:
        return 0
    if isinstance(one, answers.AppealProtocol):
        return await appeals.taken(tx, appeal, one.number, by) or 1
    await appeals.decided(tx, profile, appeal, one, by)
    return 1


async def _request(tx: Transaction, profile: PayerProfile, one: answers.Answer) -> Row | None:
    """The request of ours an answer is about, by its number."""
    kind, number = "", ""
    match one:
        case answers.Authorisation():
            kind, number = "autorizacao", one.provider_number
        case answers.DocumentReceipt():
            kind, number = "documento", one.number
        case answers.CancelReceipt():
            kind, number = "cancelamento", one.entries[0].batch if one.entries else ""
    if not kind:
        return await _last(tx, profile, one)
    row = await tx.row(_BY_NUMBER, profile.partner.id, kind, number)
    if row is None and kind == "autorizacao":
        row = await tx.row(_BY_NUMBER, profile.partner.id, "anexo", number)
    return row


async def _last(tx: Transaction, profile: PayerProfile, one: answers.Answer) -> Row | None:
    """The open request an answer without number of ours is about: by the card it names, or by the batch of annexes."""
    if isinstance(one, answers.AnnexProtocol):
        where, value = "r.tree::jsonb ->> 'numeroLote'", one.batch
        kind = "anexo"
    elif isinstance(one, answers.StayReceipt):
        where, value = "r.tree::jsonb #>> '{dadosBeneficiario,numeroCarteira}'", one.card
        kind = "comunicacao"
    elif isinstance(one, answers.Eligibility):
        where, value = "r.tree::jsonb ->> 'numeroCarteira'", one.card
        kind = "elegibilidade"
    else:
        return None
    return await tx.row(
        "SELECT r.* FROM payer_request r WHERE r.tenant_id = $1 AND r.payer_id = $2 AND r.kind = $3 AND NOT r.settled "
        f"AND {where} = $4 AND ($5 = '' OR r.detail = $5) ORDER BY r.id LIMIT 1 FOR UPDATE",
        profile.partner.id,
        kind,
        value,
        one.event if isinstance(one, answers.StayReceipt) else "",
    )
