"""A file of any system beside what the hub has sent: numbers of lots and guides are never used twice (glosa 1308).

The hub's own message, known by its hash, is no second use of its numbers.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from lxml import etree

from canonical.problem import Problem
from hub.billing.profiles import PayerProfile
from hub.store.database import Transaction
from tiss.checking.report import Report
from tiss.rules.case import rules, shown
from tiss.wire import message as messages
from tiss.wire.message import Tiss
from tiss.wire.versions import NAMESPACE

_NS = f"{{{NAMESPACE}}}"
_LOT = """
SELECT min(s.sent_at) AS sent_at, b.hash FROM batch b JOIN submission s ON s.tenant_id = $1 AND s.batch_id = b.id
WHERE b.tenant_id = $1 AND b.payer_id = $2 AND b.number::text = $3 GROUP BY b.id, b.hash
"""
_GUIDES = """
SELECT g.number, b.number AS lot FROM guide g JOIN batch b ON b.tenant_id = $1 AND b.id = g.batch_id
WHERE g.tenant_id = $1 AND g.payer_id = $2 AND g.number = ANY($3::text[])
AND EXISTS (SELECT 1 FROM submission s WHERE s.tenant_id = $1 AND s.batch_id = b.id)
"""


async def problems(tx: Transaction, profile: PayerProfile, read: Tiss, report: Report, zone: str) -> list[Problem]:
    """duplicate.lot.sent, duplicate.guide.sent: numbers of a batch file that a batch of the hub's own has."""
    box = next(read.root.iter(f"{_NS}guiasTISS"), None)
    lot = next(box.itersiblings(f"{_NS}numeroLote", preceding=True), None) if box is not None else None
    if box is None or lot is None:
        return []
    number = (lot.text or "").strip()
    row = await tx.row(_LOT, profile.partner.id, number.lstrip("0"))
    if row is not None and row["hash"] and row["hash"].lower() == report.hash.computed.lower():
        return []
    found = []
    if row is not None:
        day = f"{row['sent_at'].astimezone(ZoneInfo(zone)):%d/%m/%Y}" if row["sent_at"] else "-"
        found.append(_problem("duplicate.lot", "sent", lot, lot=shown(number), day=day))
    return [*found, *await _guides(tx, profile, box)]


async def _guides(tx: Transaction, profile: PayerProfile, box: etree._Element) -> list[Problem]:
    nodes = [next(guide.iter(f"{_NS}numeroGuiaPrestador"), None) for guide in box.iterchildren(etree.Element)]
    stated = {(node.text or "").strip() for node in nodes if node is not None}
    known = {row["number"]: row["lot"] for row in await tx.rows(_GUIDES, profile.partner.id, sorted(stated))}
    return [
        _problem("duplicate.guide", "sent", node, at=f"Guia {position}", guide=str(position), lot=str(known[number]))
        for position, node in enumerate(nodes, start=1)
        if node is not None and (number := (node.text or "").strip()) in known
    ]


def _problem(rule: str, kind: str, node: etree._Element, **args: str) -> Problem:
    glosa = rules()[rule].glosa
    return Problem(f"{rule}.{kind}", messages.place(node), args=(*args.items(), ("glosa", glosa)))
