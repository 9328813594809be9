"""Statements (demonstrativos de análise): every line kept as sent, matched to its guide item, summed to the cent.

A later statement of the same protocol replaces the earlier one; what belongs to none of our guides is an orphan.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from canonical.identity import new_id
from canonical.problem import Problem
from hub.billing import benefits, guides, writing
from hub.billing.judgement import Line, lines_of, merged, refuse_unbelievable, sums, whole_protocol
from hub.billing.profiles import PayerProfile, profile_of
from hub.billing.replies import hear
from hub.billing.responses import Said
from hub.billing.returns import deadlines, payments
from hub.billing.returns.following import follow
from hub.billing.returns.matching import Guide, Item, Matched, match
from hub.billing.submissions import SENT, STATEMENT_OPERATION, UNKNOWN, set_protocol
from hub.exchange.handlers import Reply, on_reply
from hub.records.write import Origin
from hub.store import bulk
from hub.store.database import Row, Transaction
from hub.store.schema import billing as schema
from hub.world import Tenant, World
from tiss import answers
from tiss.payments import judged

OPEN = "aberta"
_LINE = (
    "id", "statement_id", "payer_id", "protocol", "guide_number", "sequence", "tiss_table", "code", "billed_cents",
    "processed_cents", "paid_cents", "denied_cents", "copay_cents", "guide_id", "item_sequence",
    "professional", "judged_on", "message_id", "orphan",
)  # fmt: skip
_DENIAL = (
    "id", "statement_line_id", "payer_id", "guide_id", "glosa_code", "description", "amount_cents", "status",
    "appeal_until",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a statement came from: the payer, and who takes it in, when and out of which message."""

    profile: PayerProfile
    by: Origin

    @property
    def on(self) -> datetime.date:
        """The tenant's day of its receipt."""
        return writing.today(self.by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How many protocols and payment statements were told, and how many of each were new."""

    protocols: int = 0
    fresh: int = 0
    payments: int = 0
    fresh_payments: int = 0

    def plus(self, other: Taken) -> Taken:
        """Both together."""
        return Taken(
            protocols=self.protocols + other.protocols,
            fresh=self.fresh + other.fresh,
            payments=self.payments + other.payments,
            fresh_payments=self.fresh_payments + other.fresh_payments,
        )


@on_reply(STATEMENT_OPERATION)
async def received(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """Read the statements of a reply; a submission ends when the payer says its protocol has ended."""
    by = writing.origin(world, tenant, message_id=reply.message_id)
    await take_all(tx, Source(profile=profile_of(reply.partner), by=by), hear(reply.content).answers)


async def take_all(tx: Transaction, source: Source, found: Sequence[answers.Answer]) -> Taken:
    """Store the statements and payments among a payer's answers; the same content again changes nothing."""
    taken = Taken()
    for statement in merged([one for one in found if isinstance(one, answers.Statement)]):
        taken = taken.plus(Taken(protocols=len(statement.protocols), fresh=await take_in(tx, source, statement)))
    for told in found:
        if isinstance(told, answers.Remittance):
            taken = taken.plus(await _payment(tx, source, told))
    return taken


async def _payment(tx: Transaction, source: Source, told: answers.Remittance) -> Taken:
    """A payment statement; a dental one judges items as well, and those of another number stay valid beside it."""
    statement, fresh = judged(told), 0
    if statement is not None:
        (joined,) = merged([statement])
        fresh = await take_in(tx, source, joined, scope=f"odonto {told.number}")
    new = await payments.take_in(tx, source.profile, told, source.by)
    protocols = len(statement.protocols) if statement else 0
    return Taken(protocols=protocols, fresh=fresh, payments=1, fresh_payments=int(new))


async def take_in(tx: Transaction, source: Source, statement: answers.Statement, scope: str = "") -> int:
    """Store a statement's protocols; returns how many were new. The same content again changes nothing.

    It replaces what was said of the same protocol in the same `scope` (the number of a dental statement, else empty).
    """
    return sum([await _protocol(tx, source, (statement, scope), protocol) for protocol in statement.protocols])


async def _protocol(
    tx: Transaction, source: Source, told_in: tuple[answers.Statement, str], protocol: answers.StatementProtocol
) -> bool:
    statement, scope = told_in
    told = [line for guide in protocol.guides for line in lines_of(guide)]
    told += whole_protocol(protocol, sum(line.denied for line in told))
    refuse_unbelievable(protocol.number, told)
    payer_id = source.profile.partner.id
    digest = hashlib.sha256(repr((protocol.number, told)).encode()).hexdigest()
    # one statement of a payer at a time: two replies must not both replace the former
    await tx.run("SELECT 1 FROM partner WHERE tenant_id = $1 AND id = $2 FOR UPDATE", payer_id)
    former = await tx.row(
        "SELECT id, digest FROM statement WHERE tenant_id = $1 AND payer_id = $2 AND protocol = $3 AND scope = $4 "
        "AND NOT replaced",
        payer_id,
        protocol.number,
        scope,
    )
    submission = await _submission(tx, payer_id, protocol, source.by)
    if former is not None and former["digest"] == digest:
        await follow(tx, payer_id, submission, protocol.number, protocol.status)
        return False
    on = _day(statement.issued_on) or source.on
    ours = await _guides(tx, payer_id, [guide.provider_number for guide in protocol.guides])
    place = benefits.Told(
        profile=source.profile, protocol=protocol, number=statement.number, on=on, by=source.by, scope=scope
    )
    lines = await benefits.save_lines(tx, place, told, _named(ours), await _listed(tx, former))
    if former is not None:
        await _replace(tx, former["id"])
    found = match(lines, ours)
    problems = _problems(protocol, lines, found)
    head = (submission, statement.number, protocol.number, scope, protocol.status, on)
    statement_id = await _insert(tx, source, head, lines, (digest, guides.told(problems)))
    await _store(tx, source, (statement_id, protocol.number, on), lines, found)
    if former is not None:
        await _carry_over(tx, former["id"], statement_id)
    await follow(tx, payer_id, submission, protocol.number, protocol.status)
    return True


def _named(ours: dict[str, Guide]) -> dict[str, benefits.Guide]:
    """Our guides that a statement names, by number, as the records link them."""
    return {number: benefits.Guide(id=guide.id, batch_id=guide.batch_id) for number, guide in ours.items()}


async def _listed(tx: Transaction, former: Row | None) -> list[str]:
    """The guide numbers of the statement that is replaced."""
    if former is None:
        return []
    rows = await tx.rows(
        "SELECT DISTINCT guide_number FROM statement_line WHERE tenant_id = $1 AND statement_id = $2", former["id"]
    )
    return [row["guide_number"] for row in rows]


async def _insert(
    tx: Transaction, source: Source, head: tuple[Any, ...], lines: Sequence[Line], marks: tuple[str, str]
) -> UUID:
    """The statement's own row: head (submission, number, protocol, scope, status, day), sums, digest and findings."""
    statement_id = new_id()
    await tx.run(
        "INSERT INTO statement (tenant_id, id, payer_id, submission_id, number, protocol, scope, payer_status, "
        "issued_on, billed_cents, processed_cents, paid_cents, denied_cents, copay_cents, digest, problems, "
        "message_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        statement_id,
        source.profile.partner.id,
        *head,
        sum(line.billed for line in lines),
        sum(line.processed for line in lines),
        sum(line.paid for line in lines),
        sum(line.denied for line in lines),
        sum(line.copay for line in lines),
        *marks,
        source.by.message_id,
    )
    return statement_id


def _problems(protocol: answers.StatementProtocol, lines: Sequence[Line], found: Matched) -> list[Problem]:
    """What does not fit: in the statement itself, and to our items."""
    problems = sums(protocol, lines)
    for code, count in (("statement.orphan", len(found.orphans)), ("statement.billed", found.differing)):
        if count:
            problems.append(Problem(code, protocol.where, args=(("count", str(count)),)))
    return problems


async def _guides(tx: Transaction, payer_id: UUID, numbers: Sequence[str]) -> dict[str, Guide]:
    """Our guides of these numbers with their items, nothing of them accounted for yet."""
    rows = await tx.rows(
        "SELECT g.id, g.batch_id, g.number, g.total_cents AS whole, g.professional, i.sequence, i.code, "
        "i.executed_on, i.quantity, i.total_cents FROM guide g "
        "LEFT JOIN guide_item i ON i.tenant_id = $1 AND i.guide_id = g.id "
        "WHERE g.tenant_id = $1 AND g.payer_id = $2 AND g.number = ANY($3::text[]) ORDER BY i.sequence",
        payer_id,
        sorted(set(numbers) - {""}),
    )
    found: dict[str, Guide] = {}
    for row in rows:
        new = Guide(id=row["id"], batch_id=row["batch_id"], total=row["whole"], professional=row["professional"])
        guide = found.setdefault(row["number"], new)
        if row["sequence"] is not None:
            guide.items[row["sequence"]] = Item(
                sequence=row["sequence"],
                code=row["code"],
                on=row["executed_on"],
                quantity=Decimal(str(row["quantity"])),
                total=row["total_cents"],
            )
    return found


async def _store(
    tx: Transaction,
    source: Source,
    place: tuple[UUID, str, datetime.date],
    lines: Sequence[Line],
    found: Matched,
) -> None:
    """The rows of a statement's lines and their denials; place is (statement, protocol, day)."""
    statement_id, protocol, on = place
    until = deadlines.last_day(source.profile, source.on, on)
    payer_id = source.profile.partner.id
    rows, denials = [], []
    for position, line in enumerate(lines):
        identity, one = new_id(), found.known.get(position)
        guide = one.guide if one else None
        guide_id = guide.id if guide else None
        rows.append(
            (identity, statement_id, payer_id, protocol, line.guide_number, line.sequence, line.table or None,
             line.code or None, line.billed, line.processed, line.paid, line.denied, line.copay, guide_id,
             one.sequence if one and guide else None, guide.professional if guide else "", on, source.by.message_id,
             found.orphans.get(position, ""))
        )  # fmt: skip
        denials += [
            (new_id(), identity, payer_id, guide_id, glosa.code, glosa.text, glosa.cents or 0, OPEN, until)
            for glosa in line.glosas
        ]
    await bulk.insert(tx, schema.statement_line, _LINE, rows)
    await bulk.insert(tx, schema.denial, _DENIAL, denials)


async def _replace(tx: Transaction, statement_id: UUID) -> None:
    """Mark a statement and its lines replaced; its denials that nobody appealed are void."""
    await tx.run("UPDATE statement SET replaced = true WHERE tenant_id = $1 AND id = $2", statement_id)
    await tx.run("UPDATE statement_line SET replaced = true WHERE tenant_id = $1 AND statement_id = $2", statement_id)
    await tx.run(
        "UPDATE denial SET status = 'substituida' FROM statement_line l WHERE denial.tenant_id = $1 "
        "AND l.tenant_id = $1 AND l.id = denial.statement_line_id AND l.statement_id = $2 AND denial.status = 'aberta'",
        statement_id,
    )


_CARRIED = """
WITH told AS (
    SELECT d.id, d.appeal_id, l.statement_id, l.guide_number, l.sequence, d.glosa_code, row_number() OVER (
        PARTITION BY l.statement_id, l.guide_number, l.sequence, d.glosa_code ORDER BY d.amount_cents, d.id) AS turn
    FROM denial d JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id
    WHERE d.tenant_id = $1 AND l.statement_id IN ($2, $3)),
pairs AS (
    SELECT o.id AS old, n.id AS new FROM told o JOIN told n USING (guide_number, sequence, glosa_code, turn)
    WHERE o.statement_id = $2 AND n.statement_id = $3 AND o.appeal_id IS NOT NULL),
kept AS (
    UPDATE denial SET appeal_id = o.appeal_id, status = o.status, justification = o.justification,
        granted_cents = o.granted_cents, level = o.level, appeal_until = o.appeal_until
    FROM pairs, denial o WHERE denial.tenant_id = $1 AND denial.id = pairs.new AND o.tenant_id = $1 AND o.id = pairs.old
    RETURNING pairs.old)
UPDATE denial SET status = 'substituida', appeal_id = NULL FROM kept
WHERE denial.tenant_id = $1 AND denial.id = kept.old
"""


async def _carry_over(tx: Transaction, former: UUID, statement_id: UUID) -> None:
    """An appealed denial that the new statement repeats stays appealed there; the old row is void."""
    await tx.run(_CARRIED, former, statement_id)


async def _submission(tx: Transaction, payer_id: UUID, protocol: answers.StatementProtocol, by: Origin) -> UUID | None:
    """The submission a protocol was given for; one whose reply was lost is found by its lote and its guides."""
    found = await tx.value(
        "SELECT id FROM submission WHERE tenant_id = $1 AND payer_id = $2 AND protocol = $3 ORDER BY settled LIMIT 1",
        payer_id,
        protocol.number,
    )
    if found is not None:
        return UUID(str(found))
    lost = await tx.row(
        _LOST, payer_id, protocol.batch, [guide.provider_number for guide in protocol.guides], [UNKNOWN, SENT]
    )
    if lost is None or not protocol.number:
        return None
    said = Said(protocol=protocol.number, status=protocol.status or "1")
    await set_protocol(tx, (lost["id"], lost["batch_id"]), said, by)
    return UUID(str(lost["id"]))


_LOST = """
SELECT s.id, s.batch_id FROM submission s JOIN batch b ON b.tenant_id = $1 AND b.id = s.batch_id
WHERE s.tenant_id = $1 AND s.payer_id = $2 AND b.number::text = $3 AND s.protocol IS NULL AND NOT s.settled
AND s.status = ANY($5::text[]) AND EXISTS (
    SELECT 1 FROM guide g WHERE g.tenant_id = $1 AND g.batch_id = b.id AND g.number = ANY($4::text[]))
ORDER BY s.id DESC LIMIT 1 FOR UPDATE OF s
"""


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text[:10])
    except ValueError:
        return None
