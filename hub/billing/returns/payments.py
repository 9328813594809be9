"""Payment statements (demonstrativo de pagamento): every guide and entry kept as sent, matched, summed to the cent.

A later statement of the same number replaces the earlier one; what belongs to none of our guides is an orphan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.billing import money
from canonical.errors import Refused
from canonical.identity import new_id
from canonical.problem import Problem, json_of
from hub.billing import writing
from hub.billing.profiles import PayerProfile
from hub.billing.returns import benefits, payment_records, renumbered
from hub.billing.returns.payment_records import Lot, Paid, Place, read_day
from hub.records.saved import Origin
from hub.store import bulk
from hub.store.database import Row, Transaction
from hub.store.schema import billing as schema
from tiss.answers import values as answers
from tiss.answers.payments import CREDIT, DEBIT, FIRST

_LARGEST_CENTS = 10**14
_LONGEST_NUMBER = 100
_UNNUMBERED = "sem numero "
_NOT_OURS = "sem guia correspondente"
_HEAD = (
    "id", "payer_id", "number", "dental", "issued_on", "billed_cents", "processed_cents", "paid_cents", "denied_cents",
    "copay_cents", "debit_cents", "credit_cents", "net_cents", "digest", "problems", "message_id",
)  # fmt: skip
_PAYMENT = (
    "id", "remittance_id", "payer_id", "paid_on", "turn", "kind", "protocol", "batch_number", "guide_number",
    "operator_number", "processed_cents", "paid_cents", "denied_cents", "copay_cents", "guide_id", "message_id",
    "orphan",
)  # fmt: skip
_ENTRY = ("id", "remittance_id", "payer_id", "paid_on", "turn", "indicator", "kind", "description", "amount_cents")


async def take_in(tx: Transaction, profile: PayerProfile, told: answers.Remittance, by: Origin) -> bool:
    """Store a payment statement; False when the same content is there already."""
    refuse_unbelievable(told)
    payer_id = profile.partner.id
    digest = hashlib.sha256(repr(_plain(told)).encode()).hexdigest()
    # one statement of a payer at a time: two replies must not both replace the former
    await tx.run("SELECT 1 FROM partner WHERE tenant_id = $1 AND id = $2 FOR UPDATE", payer_id)
    key = told.number or await _unnumbered(tx, payer_id, told) or f"{_UNNUMBERED}{digest[:16]}"
    former = await tx.row(
        "SELECT id, digest FROM remittance WHERE tenant_id = $1 AND payer_id = $2 AND number = $3 AND dental = $4 "
        "AND NOT replaced",
        payer_id,
        key,
        told.dental,
    )
    if former is not None and former["digest"] == digest:
        return False
    on = read_day(told.issued_on) or writing.today(by)
    found = list(payment_records.lots(told, on))
    ours = await _ours(tx, payer_id, [one for lot in found for one in lot.paid])
    place = Place(
        profile=profile,
        number=told.number,
        key=f"odonto {key}" if told.dental else key,
        on=on,
        note=told.note,
        claims={number: str(guide_id) for number, guide_id in ours.items()},
        benefits=await _benefits(tx, profile, found, f"odonto {told.number}" if told.dental else ""),
        by=by,
    )
    stored = await payment_records.save(tx, place, found, await _former_records(tx, former, place))
    if former is not None:
        await _replace(tx, former["id"])
    made = _Made(id=new_id(), payer_id=payer_id, key=key, digest=digest, message_id=by.message_id)
    await _insert(tx, made, (told, on), stored, ours)
    problems = [*judge(told, stored, ours), *await _compared(tx, made)]
    await tx.run("UPDATE remittance SET problems = $3 WHERE tenant_id = $1 AND id = $2", made.id, json_of(problems))
    return True


_LISTED = """
SELECT r.number, p.paid_on, p.protocol, p.guide_number FROM remittance r
JOIN payment p ON p.tenant_id = $1 AND p.remittance_id = r.id
WHERE r.tenant_id = $1 AND r.payer_id = $2 AND r.dental = $3 AND r.number LIKE $4 AND NOT r.replaced
AND r.id IN (SELECT remittance_id FROM payment WHERE tenant_id = $1 AND payer_id = $2 AND protocol = ANY($5::text[]))
ORDER BY r.number
"""


async def _unnumbered(tx: Transaction, payer_id: UUID, told: answers.Remittance) -> str:
    """What the former statement is known by that a statement without number corrects; empty when it is a new one.

    It pays the same protocols on the same days, and guides of the former, or both list none.
    """
    protocols = {(read_day(day.on), one.number) for day in told.days for one in day.protocols}
    paid = {guide.provider_number for day in told.days for one in day.protocols for guide in one.guides} - {""}
    if not protocols:
        return ""
    numbers = sorted({number for _, number in protocols})
    former: dict[str, list[Row]] = {}
    for row in await tx.rows(_LISTED, payer_id, told.dental, f"{_UNNUMBERED}%", numbers):
        former.setdefault(row["number"], []).append(row)
    for number, rows in former.items():
        before = {row["guide_number"] for row in rows} - {""}
        same = {(row["paid_on"], row["protocol"]) for row in rows} == protocols
        if same and (before & paid or not (before or paid)):
            return number
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """The keys of a stored statement."""

    id: UUID
    payer_id: UUID
    key: str
    digest: str
    message_id: UUID | None


def _plain(told: answers.Remittance) -> tuple[Any, ...]:
    """What a statement says, without the places in its message."""
    days = [
        (day.on, day.form, day.net_cents, [_plain_protocol(one) for one in day.protocols], _plain_entries(day.entries))
        for day in told.days
    ]
    totals = (told.billed_cents, told.processed_cents, told.paid_cents, told.denied_cents, told.net_cents)
    return (told.number, told.issued_on, told.note, totals, days, _plain_entries(told.entries))


def _plain_protocol(protocol: answers.PaidProtocol) -> tuple[Any, ...]:
    listed = [
        (g.provider_number, g.operator_number, g.kind, g.processed_cents, g.paid_cents, g.denied_cents, g.copay_cents)
        for g in protocol.guides
    ]
    return (protocol.number, protocol.batch, protocol.billed_cents, protocol.paid_cents, listed)


def _plain_entries(entries: Sequence[answers.Entry]) -> list[tuple[Any, ...]]:
    return [(entry.indicator, entry.kind, entry.text, entry.cents) for entry in entries]


def refuse_unbelievable(told: answers.Remittance) -> None:
    """Raise Refused for numbers no statement can mean, as for statements of analysis."""
    protocols = [protocol for day in told.days for protocol in day.protocols]
    paid = [guide for protocol in protocols for guide in protocol.guides]
    texts = [told.number, *(p.number for p in protocols), *(p.batch for p in protocols)]
    texts += [text for guide in paid for text in (guide.provider_number, guide.operator_number)]
    entries = [*told.entries, *(entry for day in told.days for entry in day.entries)]
    amounts = [entry.cents for entry in entries] + [day.net_cents for day in told.days]
    parts: list[answers.Remittance | answers.PaidDay | answers.PaidProtocol | answers.PaidGuide]
    parts = [told, *told.days, *protocols, *paid]
    for one in parts:
        amounts += [one.billed_cents or 0, one.processed_cents, one.paid_cents, one.denied_cents, one.copay_cents]
    if max(map(len, texts)) > _LONGEST_NUMBER or any(abs(amount) > _LARGEST_CENTS for amount in amounts):
        raise Refused("the statement holds a number out of range", code="statement.range")


async def _ours(tx: Transaction, payer_id: UUID, paid: Sequence[Paid]) -> dict[str, UUID]:
    """Our guides among those paid, by the number told, also where that is one the payer made."""
    known = await _numbered(tx, payer_id, [one.guide_number for one in paid])
    strange = [one for one in paid if one.guide_number and one.guide_number not in known and one.operator_number]
    if not strange:
        return known
    submissions = await renumbered.submissions(tx, payer_id, [one.protocol for one in strange])
    foreign = [
        renumbered.Foreign(number=one.guide_number, operator_number=one.operator_number, submission=submission)
        for one in strange
        if (submission := submissions.get(one.protocol)) is not None
    ]
    renamed = await renumbered.ours(tx, foreign)
    own = await _numbered(tx, payer_id, list(renamed.values()))
    return known | {told: own[number] for told, number in renamed.items() if number in own}


async def _numbered(tx: Transaction, payer_id: UUID, numbers: Sequence[str]) -> dict[str, UUID]:
    """Our guides among the numbers."""
    rows = await tx.rows(
        "SELECT number, id FROM guide WHERE tenant_id = $1 AND payer_id = $2 AND number = ANY($3::text[])",
        payer_id,
        sorted(set(numbers) - {""}),
    )
    return {row["number"]: row["id"] for row in rows}


async def _benefits(tx: Transaction, profile: PayerProfile, found: Sequence[Lot], scope: str) -> dict[str, str]:
    """The records of the judgement of paid guides, where they are, by guide number."""
    wanted = {
        benefits.identity_of(profile.ans, one.protocol, one.guide_number, scope): one.guide_number
        for lot in found
        for one in lot.paid
        if one.guide_number
    }
    rows = await tx.rows(
        "SELECT id FROM resource WHERE tenant_id = $1 AND type = $2 AND id = ANY($3::text[]) AND NOT deleted",
        benefits.TYPE,
        list(wanted),
    )
    return {wanted[row["id"]]: row["id"] for row in rows}


async def _former_records(tx: Transaction, former: Row | None, place: Place) -> list[str]:
    """The ids of the records of the statement that is replaced."""
    if former is None:
        return []
    rows = await tx.rows(
        "SELECT paid_on, turn FROM payment WHERE tenant_id = $1 AND remittance_id = $2 "
        "UNION SELECT paid_on, turn FROM payment_entry WHERE tenant_id = $1 AND remittance_id = $2",
        former["id"],
    )
    return [payment_records.identity_of(place, row["paid_on"], row["turn"]) for row in rows]


async def _replace(tx: Transaction, remittance_id: UUID) -> None:
    await tx.run("UPDATE remittance SET replaced = true WHERE tenant_id = $1 AND id = $2", remittance_id)
    for table in ("payment", "payment_entry"):
        await tx.run(f"UPDATE {table} SET replaced = true WHERE tenant_id = $1 AND remittance_id = $2", remittance_id)


async def _insert(
    tx: Transaction, made: _Made, head: tuple[answers.Remittance, Any], stored: Sequence[Lot], ours: dict[str, UUID]
) -> None:
    """The rows of a statement: its own (stated sums), its guides and its entries."""
    told, on = head
    row = (
        made.id, made.payer_id, made.key, told.dental, on, told.billed_cents, told.processed_cents, told.paid_cents,
        told.denied_cents, told.copay_cents, told.debit_cents, told.credit_cents, told.net_cents, made.digest, "[]",
        made.message_id,
    )  # fmt: skip
    await bulk.insert(tx, schema.remittance, _HEAD, [row])
    paid = [
        (new_id(), made.id, made.payer_id, one.on, lot.turn, one.kind, one.protocol, one.batch, one.guide_number,
         one.operator_number, one.processed, one.paid, one.denied, one.copay, ours.get(one.guide_number),
         made.message_id, _orphan(one, ours))
        for lot in stored
        for one in lot.paid
    ]  # fmt: skip
    await bulk.insert(tx, schema.payment, _PAYMENT, paid)
    entries = [
        (new_id(), made.id, made.payer_id, one.on, lot.turn, one.indicator, one.kind, one.text, one.cents)
        for lot in stored
        for one in lot.adjustments
    ]
    await bulk.insert(tx, schema.payment_entry, _ENTRY, entries)


def _orphan(one: Paid, ours: dict[str, UUID]) -> str:
    return _NOT_OURS if one.guide_number and one.guide_number not in ours else ""


def judge(told: answers.Remittance, stored: Sequence[Lot], ours: dict[str, UUID]) -> list[Problem]:
    """Where the statement's own amounts disagree, whose guides are not ours, and what it does not say."""
    found = [Problem("payment.sum", told.where, args=(("what", what),)) for what in sums(told)]
    orphans = sum(bool(_orphan(one, ours)) for lot in stored for one in lot.paid)
    if orphans:
        found.append(Problem("payment.orphan", told.where, args=(("count", str(orphans)),)))
    if not told.number:
        found.append(Problem("payment.number", told.where))
    undated = sum(read_day(day.on) is None for day in told.days)
    if undated:
        found.append(Problem("payment.day", told.where, args=(("count", str(undated)),)))
    return found


def sums(told: answers.Remittance) -> list[str]:
    """The totals of a statement that are not the sums of their parts, in words a biller can look up."""
    wrong: list[str] = []

    def differ(name: str, stated: int, *counted: int) -> None:
        if stated not in counted:
            wrong.append(f"{name} {money(stated)}, soma das partes {money(counted[0])}")

    for day in told.days:
        for protocol in day.protocols:
            if protocol.guides:
                place = f"liberado do protocolo {protocol.number}"
                differ(place, protocol.paid_cents, sum(guide.paid_cents for guide in protocol.guides))
        differ(f"liberado de {day.on}", day.paid_cents, sum(one.paid_cents for one in day.protocols))
        debits, credits_ = _entries(day.entries)
        differ(f"débitos de {day.on}", day.debit_cents, debits)
        differ(f"créditos de {day.on}", day.credit_cents, credits_)
        differ(f"líquido de {day.on}", day.net_cents, day.paid_cents - debits + credits_)
    debits, credits_ = _entries(told.entries)
    by_day = [_entries(day.entries) for day in told.days]
    all_debits, all_credits = debits + sum(d for d, _ in by_day), credits_ + sum(c for _, c in by_day)
    differ("liberado do demonstrativo", told.paid_cents, sum(day.paid_cents for day in told.days))
    # some payers total the entries of the days in, some state those of the whole only
    differ("débitos do demonstrativo", told.debit_cents, all_debits, debits)
    differ("créditos do demonstrativo", told.credit_cents, all_credits, credits_)
    differ("líquido do demonstrativo", told.net_cents, told.paid_cents - all_debits + all_credits)
    return wrong


def _entries(entries: Sequence[answers.Entry]) -> tuple[int, int]:
    """Debits and credits in cents."""
    by = {DEBIT: 0, CREDIT: 0}
    for entry in entries:
        by[DEBIT if entry.indicator == DEBIT else CREDIT] += entry.cents
    return by[DEBIT], by[CREDIT]


_COMPARED = """
SELECT count(*) FILTER (WHERE j.paid IS NOT NULL AND j.paid <> p.paid) AS differ,
       count(*) FILTER (WHERE j.paid IS NULL) AS ahead
FROM (SELECT guide_id, sum(paid_cents) AS paid FROM payment WHERE tenant_id = $1 AND NOT replaced AND kind = $3
      AND guide_id IN (SELECT guide_id FROM payment WHERE tenant_id = $1 AND remittance_id = $2 AND kind = $3)
      GROUP BY guide_id) p
LEFT JOIN (SELECT guide_id, sum(paid_cents) AS paid FROM statement_line WHERE tenant_id = $1 AND NOT replaced
      AND guide_id IN (SELECT guide_id FROM payment WHERE tenant_id = $1 AND remittance_id = $2 AND kind = $3)
      GROUP BY guide_id) j ON j.guide_id = p.guide_id
"""
_REPEATED = """
SELECT count(*) FROM payment n WHERE n.tenant_id = $1 AND n.remittance_id = $2 AND n.guide_id IS NOT NULL AND EXISTS (
    SELECT 1 FROM payment o WHERE o.tenant_id = $1 AND o.guide_id = n.guide_id AND o.remittance_id <> $2
    AND NOT o.replaced AND o.kind = n.kind AND o.paid_on = n.paid_on AND o.paid_cents = n.paid_cents
    AND o.paid_cents <> 0)
"""


async def _compared(tx: Transaction, made: _Made) -> list[Problem]:
    """Guides paid otherwise than judged, paid before any judgement, or paid by another statement as well."""
    row = await tx.row(_COMPARED, made.id, FIRST)
    counts = {"payment.differs": row["differ"] if row else 0, "payment.ahead": row["ahead"] if row else 0}
    counts["payment.repeated"] = await tx.value(_REPEATED, made.id)
    return [Problem(code, args=(("count", str(count)),)) for code, count in counts.items() if count]
