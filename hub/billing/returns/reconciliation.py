"""Billed = paid + glosa + copay + open, for every item, guide and protocol; and what of it has been received.

`paid` is what the payer released in its analysis (or, where none came yet, what it paid), `received` what its payment
statements say it transferred, `granted` what appeals won, `to_receive` = paid + granted - received. Whole cents.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from canonical.errors import NotFound
from hub.billing.listing import plain, plain_text
from hub.store.database import Row, Transaction
from tiss.answers.payments import APPEAL

_ITEMS = """
SELECT g.id, g.number, i.sequence, i.code, i.total_cents AS billed, coalesce(l.paid, 0) AS paid,
       coalesce(l.denied, 0) AS denied, coalesce(l.copay, 0) AS copay
FROM submission s
JOIN guide g ON g.tenant_id = $1 AND g.batch_id = s.batch_id
JOIN guide_item i ON i.tenant_id = $1 AND i.guide_id = g.id
LEFT JOIN (
    SELECT guide_id, item_sequence, sum(paid_cents) AS paid, sum(denied_cents) AS denied, sum(copay_cents) AS copay
    FROM statement_line
    WHERE tenant_id = $1 AND payer_id = $2 AND protocol = $3 AND NOT replaced AND guide_id IS NOT NULL
    GROUP BY guide_id, item_sequence
) l ON l.guide_id = g.id AND l.item_sequence = i.sequence
WHERE s.tenant_id = $1 AND s.payer_id = $2 AND s.protocol = $3 AND s.status <> 'substituido'
ORDER BY length(g.number), g.number, i.sequence
"""
# what was judged of guides as wholes, and whether anything of them was judged at all
_WHOLE = """
SELECT guide_id, coalesce(sum(paid_cents) FILTER (WHERE item_sequence = 0), 0) AS paid,
       coalesce(sum(denied_cents) FILTER (WHERE item_sequence = 0), 0) AS denied,
       coalesce(sum(copay_cents) FILTER (WHERE item_sequence = 0), 0) AS copay
FROM statement_line
WHERE tenant_id = $1 AND payer_id = $2 AND protocol = $3 AND NOT replaced AND guide_id IS NOT NULL
GROUP BY guide_id
"""
_PROTOCOL = """
SELECT coalesce(sum(paid_cents), 0) AS paid, coalesce(sum(denied_cents), 0) AS denied,
       coalesce(sum(copay_cents), 0) AS copay FROM statement_line
WHERE tenant_id = $1 AND payer_id = $2 AND protocol = $3 AND NOT replaced AND guide_number = '' AND sequence = 0
"""
_RECEIVED = """
SELECT guide_id, coalesce(sum(paid_cents) FILTER (WHERE kind <> $3), 0) AS first,
       coalesce(sum(paid_cents) FILTER (WHERE kind = $3), 0) AS appeal,
       coalesce(sum(denied_cents) FILTER (WHERE kind <> $3), 0) AS denied,
       coalesce(sum(copay_cents) FILTER (WHERE kind <> $3), 0) AS copay, max(paid_on) AS last
FROM payment WHERE tenant_id = $1 AND guide_id = ANY($2::uuid[]) AND NOT replaced GROUP BY guide_id
"""
_RECEIVED_AS_WHOLE = """
SELECT coalesce(sum(paid_cents) FILTER (WHERE kind <> $4), 0) AS first,
       coalesce(sum(paid_cents) FILTER (WHERE kind = $4), 0) AS appeal FROM payment
WHERE tenant_id = $1 AND payer_id = $2 AND protocol = $3 AND guide_number = '' AND NOT replaced
"""
_GRANTED = """
SELECT d.guide_id, sum(d.granted_cents) AS granted FROM denial d
JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id
WHERE d.tenant_id = $1 AND l.payer_id = $2 AND l.protocol = $3 AND NOT l.replaced AND d.granted_cents > 0
GROUP BY d.guide_id
"""
_ORPHANS = """
SELECT guide_number, sequence, code, billed_cents, paid_cents, denied_cents FROM statement_line
WHERE tenant_id = $1 AND payer_id = $2 AND protocol = $3 AND NOT replaced AND orphan <> '' ORDER BY id
"""
_ORPHAN_PAYMENTS = """
SELECT guide_number, kind, paid_on, paid_cents FROM payment
WHERE tenant_id = $1 AND payer_id = $2 AND protocol = $3 AND NOT replaced AND orphan <> '' ORDER BY id
"""
_SUMMED = ("billed", "paid", "denied", "copay", "received", "received_on_appeal", "granted")
Figures = dict[str, Any]


async def of_protocol(tx: Transaction, protocol: str, payer: UUID) -> Figures:
    """The equation for every item, guide and the protocol, and what is not ours; raises NotFound."""
    rows = await tx.rows(_ITEMS, payer, plain_text(protocol))
    if not rows:
        raise NotFound("there is no such protocol")
    guides = _guides(rows, {row["guide_id"]: row for row in await tx.rows(_WHOLE, payer, protocol)})
    received = {row["guide_id"]: row for row in await tx.rows(_RECEIVED, list(guides), APPEAL)}
    granted = {row["guide_id"]: int(row["granted"]) for row in await tx.rows(_GRANTED, payer, protocol)}
    for identity, guide in guides.items():
        _settle(guide, received.get(identity), granted.get(identity, 0))
    total = {name: sum(guide[name] for guide in guides.values()) for name in _SUMMED}
    await _above_guides(tx, total, (payer, protocol), granted.get(None, 0))
    orphans = [plain(dict(row)) for row in await tx.rows(_ORPHANS, payer, protocol)]
    paid_orphans = [plain(dict(row)) for row in await tx.rows(_ORPHAN_PAYMENTS, payer, protocol)]
    return {
        "protocol": protocol,
        **_closed(total),
        "guides": list(guides.values()),
        "orphans": orphans,
        "orphan_payments": paid_orphans,
    }


async def _above_guides(tx: Transaction, total: Figures, place: tuple[UUID, str], granted: int) -> None:
    """What was judged, granted and paid of the protocol beyond its guides."""
    above = await tx.row(_PROTOCOL, *place)
    for name in ("paid", "denied", "copay"):
        total[name] += int(above[name]) if above else 0
    paid = await tx.row(_RECEIVED_AS_WHOLE, *place, APPEAL)
    total["received"] += int(paid["first"]) if paid else 0
    total["received_on_appeal"] += int(paid["appeal"]) if paid else 0
    total["granted"] += granted


def _guides(rows: list[Row], whole: dict[UUID, Row]) -> dict[UUID, Figures]:
    found: dict[UUID, Figures] = {}
    for row in rows:
        extra = whole.get(row["id"])
        start = {name: int(extra[name]) if extra else 0 for name in ("paid", "denied", "copay")}
        new = {"number": row["number"], "judged": extra is not None, "billed": 0, **start, "items": []}
        guide = found.setdefault(row["id"], new)
        item = {name: int(row[name]) for name in ("sequence", "billed", "paid", "denied", "copay")}
        guide["items"].append({**item, "code": row["code"], "open": _open(item)})
        for name in ("billed", "paid", "denied", "copay"):
            guide[name] += item[name]
    return found


def _settle(guide: Figures, received: Row | None, granted: int) -> None:
    """Add what was received; a guide nobody judged yet is as paid and denied as its payments say."""
    guide["received"] = int(received["first"]) if received else 0
    guide["received_on_appeal"] = int(received["appeal"]) if received else 0
    guide["paid_on"] = received["last"].isoformat() if received else None
    guide["granted"] = granted
    if received is not None and not guide["judged"]:
        guide.update(paid=int(received["first"]), denied=int(received["denied"]), copay=int(received["copay"]))
    guide.update(_closed(guide))


def _closed(figures: Figures) -> Figures:
    """The figures with what is open and what is still to be received."""
    due = figures["paid"] + figures["granted"] - figures["received"] - figures["received_on_appeal"]
    return {**figures, "open": _open(figures), "to_receive": due}


def _open(figures: Figures) -> int:
    return int(figures["billed"] - figures["paid"] - figures["denied"] - figures["copay"])
