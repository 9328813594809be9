"""Statements (demonstrativos de análise): every line kept as sent, matched to its guide item, summed to the cent.

A later statement of the same protocol replaces the earlier one; what belongs to none of our guides is an orphan.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from canonical.identity import new_id
from canonical.problem import Problem, json_of
from hub.billing import writing
from hub.billing.batch.responses import Said
from hub.billing.batch.submissions import SENT, STATEMENT_OPERATION, UNKNOWN, set_protocol
from hub.billing.message.replies import listen
from hub.billing.profiles import PayerProfile, profile_of
from hub.billing.returns import benefits, deadlines, payments, renumbered, replacing
from hub.billing.returns.following import Followed, follow
from hub.billing.returns.judgement import Line, lines_of, merged, refuse_unbelievable, sums, whole_protocol
from hub.billing.returns.matching import Guide, Item, Matched, match
from hub.billing.returns.payment_records import read_day
from hub.exchange.handlers import Reply, on_reply
from hub.records.saved import Origin
from hub.store import bulk
from hub.store.database import Row, Transaction
from hub.store.schema import billing as schema
from hub.world import Tenant, World
from tiss.answers import values as answers
from tiss.answers.payments import judged

OPEN = "aberta"
_STATEMENT = (
    "id", "payer_id", "submission_id", "number", "protocol", "scope", "payer_status", "issued_on", "billed_cents",
    "processed_cents", "paid_cents", "denied_cents", "copay_cents", "digest", "problems", "message_id",
)  # fmt: skip
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
    heard = await listen(tx, reply)
    await take_all(tx, Source(profile=profile_of(reply.partner), by=by), heard.answers)


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
    All protocols are written in one wave; each stands in a statement once (`merged`).
    """
    told = [_told(_numbered(protocol)) for protocol in statement.protocols]
    payer_id = source.profile.partner.id
    # one statement of a payer at a time: two replies must not both replace the former
    await tx.run("SELECT 1 FROM partner WHERE tenant_id = $1 AND id = $2 FOR UPDATE", payer_id)
    formers = await replacing.formers(tx, payer_id, [one.protocol.number for one in told], scope)
    submissions = await _submissions(tx, payer_id, [one.protocol for one in told], source.by)
    fresh = [one for one in told if one.digest != replacing.digest(formers.get(one.protocol.number))]
    place = _Place(source=source, statement=statement, scope=scope, submissions=submissions)
    await _store_all(tx, place, fresh, {one.protocol.number: formers.get(one.protocol.number) for one in fresh})
    states = [
        Followed(submission=submissions[p.number], protocol=p.number, status=p.status) for p in statement.protocols
    ]
    await follow(tx, payer_id, states)
    return len(fresh)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Protocol:
    """A protocol as told, its lines, and the digest by which it is known again."""

    protocol: answers.StatementProtocol
    lines: list[Line]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The statement that protocols stand in, and their submissions by number."""

    source: Source
    statement: answers.Statement
    scope: str
    submissions: dict[str, UUID | None]

    @property
    def on(self) -> datetime.date:
        """The statement's day."""
        return read_day(self.statement.issued_on) or self.source.on


def _numbered(protocol: answers.StatementProtocol) -> answers.StatementProtocol:
    """The protocol with the payer's own number of each guide for which it states no other."""
    if all(guide.provider_number or not guide.operator_number for guide in protocol.guides):
        return protocol
    named = (replace(one, provider_number=one.provider_number or one.operator_number) for one in protocol.guides)
    return replace(protocol, guides=tuple(named))


def _told(protocol: answers.StatementProtocol) -> _Protocol:
    lines = [line for guide in protocol.guides for line in lines_of(guide)]
    lines += whole_protocol(protocol, sum(line.denied for line in lines))
    refuse_unbelievable(protocol.number, lines)
    digest = hashlib.sha256(repr((protocol.number, lines)).encode()).hexdigest()
    return _Protocol(protocol=protocol, lines=lines, digest=digest)


async def _store_all(
    tx: Transaction, place: _Place, fresh: Sequence[_Protocol], formers: dict[str, replacing.Former | None]
) -> None:
    """The records and rows of protocols that are new, in place of the former ones."""
    if not fresh:
        return
    source, on = place.source, place.on
    numbers = [guide.provider_number for one in fresh for guide in one.protocol.guides]
    rows = await _guides(tx, source.profile.partner.id, numbers)
    renamed = await renumbered.ours(tx, _foreign(place, fresh, rows))
    mine = await _guides(tx, source.profile.partner.id, list(renamed.values())) if renamed else {}
    rows |= {told: mine[own] for told, own in renamed.items() if own in mine}
    replaced = [former.id for former in formers.values() if former is not None]
    listed = await replacing.listed(tx, replaced)
    parts = [_part(place, one, listed, formers[one.protocol.number]) for one in fresh]
    said = await benefits.save_lines(tx, parts, _named(_accounts(rows, rows)), source.by)
    await replacing.replace(tx, replaced)
    heads, entries = [], []
    for one, lines in zip(fresh, said, strict=True):
        found = match(lines, _accounts(rows, [guide.provider_number for guide in one.protocol.guides]))
        problems = json_of(_problems(one.protocol, lines, found, renamed))
        head = _head(place, one, lines, problems)
        heads.append(head)
        entries.append((head[0], one.protocol.number, lines, found))
    await bulk.insert(tx, schema.statement, _STATEMENT, heads)
    await _store(tx, source, on, entries)
    for one, head in zip(fresh, heads, strict=True):
        if (former := formers[one.protocol.number]) is not None:
            await replacing.carry_over(tx, former.id, head[0])


def _foreign(place: _Place, fresh: Sequence[_Protocol], rows: Mapping[str, Sequence[Row]]) -> list[renumbered.Foreign]:
    """The guides of new protocols that are not ours by their number, but have one of the payer's."""
    return [
        renumbered.Foreign(number=guide.provider_number, operator_number=guide.operator_number, submission=submission)
        for one in fresh
        if (submission := place.submissions[one.protocol.number]) is not None
        for guide in one.protocol.guides
        if guide.provider_number not in rows and guide.operator_number
    ]


def _part(
    place: _Place, one: _Protocol, listed: dict[UUID, list[str]], former: replacing.Former | None
) -> benefits.Part:
    told = benefits.Told(
        profile=place.source.profile,
        protocol=one.protocol,
        number=place.statement.number,
        on=place.on,
        scope=place.scope,
    )
    return benefits.Part(told=told, lines=one.lines, former=listed.get(former.id, []) if former is not None else [])


def _named(ours: dict[str, Guide]) -> dict[str, benefits.Guide]:
    """Our guides that a statement names, by number, as the records link them."""
    return {number: benefits.Guide(id=guide.id, batch_id=guide.batch_id) for number, guide in ours.items()}


def _head(place: _Place, one: _Protocol, lines: Sequence[Line], problems: str) -> tuple[Any, ...]:
    """A statement's own row: what it is about, sums, digest and findings."""
    source, protocol = place.source, one.protocol
    return (
        new_id(), source.profile.partner.id, place.submissions[protocol.number], place.statement.number,
        protocol.number, place.scope, protocol.status, place.on,
        sum(line.billed for line in lines), sum(line.processed for line in lines), sum(line.paid for line in lines),
        sum(line.denied for line in lines), sum(line.copay for line in lines), one.digest, problems,
        source.by.message_id,
    )  # fmt: skip


def _problems(
    protocol: answers.StatementProtocol, lines: Sequence[Line], found: Matched, renamed: Mapping[str, str]
) -> list[Problem]:
    """What does not fit: in the statement itself, and to our items."""
    problems = sums(protocol, lines)
    changed = len({line.guide_number for line in lines} & renamed.keys())
    counts = {
        "statement.orphan": len(found.orphans),
        "statement.billed": found.differing,
        "statement.renumbered": changed,
    }
    for code, count in counts.items():
        if count:
            problems.append(Problem(code, protocol.where, args=(("count", str(count)),)))
    return problems


async def _guides(tx: Transaction, payer_id: UUID, numbers: Sequence[str]) -> dict[str, list[Row]]:
    """Our guides of these numbers with their items: by number a row for each item."""
    rows = await tx.rows(
        "SELECT g.id, g.batch_id, g.number, g.total_cents AS whole, g.professional, i.sequence, i.code, "
        "i.executed_on, i.quantity, i.total_cents FROM guide g "
        "LEFT JOIN guide_item i ON i.tenant_id = $1 AND i.guide_id = g.id "
        "WHERE g.tenant_id = $1 AND g.payer_id = $2 AND g.number = ANY($3::text[]) ORDER BY i.sequence",
        payer_id,
        sorted(set(numbers) - {""}),
    )
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["number"], []).append(row)
    return found


def _accounts(rows: Mapping[str, Sequence[Row]], numbers: Iterable[str]) -> dict[str, Guide]:
    """Our guides of these numbers, nothing of them accounted for yet."""
    found: dict[str, Guide] = {}
    known: dict[UUID, Guide] = {}  # one account, also of a guide that is listed under two numbers
    for told, row in ((name, one) for name in dict.fromkeys(numbers) for one in rows.get(name, ())):
        new = Guide(id=row["id"], batch_id=row["batch_id"], total=row["whole"], professional=row["professional"])
        guide = found[told] = known.setdefault(row["id"], new)
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
    tx: Transaction, source: Source, on: datetime.date, entries: Sequence[tuple[UUID, str, Sequence[Line], Matched]]
) -> None:
    """The rows of statements' lines and their denials; entries are (statement, protocol, lines, matches)."""
    until = deadlines.last_day(source.profile, source.on, on)
    payer_id = source.profile.partner.id
    rows, denials = [], []
    for statement_id, protocol, lines, found in entries:
        for position, line in enumerate(lines):
            identity, one = new_id(), found.known.get(position)
            guide = one.guide if one else None
            guide_id = guide.id if guide else None
            rows.append(
                (identity, statement_id, payer_id, protocol, line.guide_number, line.sequence, line.table or None,
                 line.code or None, line.billed, line.processed, line.paid, line.denied, line.copay, guide_id,
                 one.sequence if one and guide else None, guide.professional if guide else "", on,
                 source.by.message_id, found.orphans.get(position, ""))
            )  # fmt: skip
            denials += [
                (new_id(), identity, payer_id, guide_id, glosa.code, glosa.text, glosa.cents or 0, OPEN, until)
                for glosa in line.glosas
            ]
    await bulk.insert(tx, schema.statement_line, _LINE, rows)
    await bulk.insert(tx, schema.denial, _DENIAL, denials)


async def _submissions(
    tx: Transaction, payer_id: UUID, protocols: Sequence[answers.StatementProtocol], by: Origin
) -> dict[str, UUID | None]:
    """The submissions that protocols were given for, by protocol; one whose reply was lost is found by its lote."""
    known = await renumbered.submissions(tx, payer_id, [protocol.number for protocol in protocols])
    found: dict[str, UUID | None] = {**known}
    absent = [protocol for protocol in protocols if protocol.number not in found]
    lost = (
        await tx.rows(_ANY_LOST, payer_id, [protocol.batch for protocol in absent], [UNKNOWN, SENT]) if absent else []
    )
    batches = {row["number"] for row in lost}
    for protocol in absent:
        told = protocol.batch in batches
        found[protocol.number] = await _lost(tx, payer_id, protocol, by) if told else None
    return found


async def _lost(tx: Transaction, payer_id: UUID, protocol: answers.StatementProtocol, by: Origin) -> UUID | None:
    """The submission whose reply was lost, found by its lote and guides; it learns its protocol."""
    numbers = [guide.provider_number for guide in protocol.guides]
    lost = await tx.row(_LOST, payer_id, protocol.batch, numbers, [UNKNOWN, SENT])
    if lost is None or not protocol.number:
        return None
    said = Said(protocol=protocol.number, status=protocol.status or "1")
    await set_protocol(tx, (lost["id"], lost["batch_id"]), said, by)
    return UUID(str(lost["id"]))


_ANY_LOST = """
SELECT DISTINCT b.number::text AS number FROM submission s JOIN batch b ON b.tenant_id = $1 AND b.id = s.batch_id
WHERE s.tenant_id = $1 AND s.payer_id = $2 AND s.protocol IS NULL AND NOT s.settled AND s.status = ANY($4::text[])
AND b.number::text = ANY($3::text[])
"""
_LOST = """
SELECT s.id, s.batch_id FROM submission s JOIN batch b ON b.tenant_id = $1 AND b.id = s.batch_id
WHERE s.tenant_id = $1 AND s.payer_id = $2 AND b.number::text = $3 AND s.protocol IS NULL AND NOT s.settled
AND s.status = ANY($5::text[]) AND EXISTS (
    SELECT 1 FROM guide g WHERE g.tenant_id = $1 AND g.batch_id = b.id AND g.number = ANY($4::text[]))
ORDER BY s.id DESC LIMIT 1 FOR UPDATE OF s
"""
