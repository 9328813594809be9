"""table.document-*: what an attached document claims to be against its first bytes; sums of an appeal."""

from __future__ import annotations

import base64
import binascii

from tiss.rules.amounts import in_cents
from tiss.rules.case import Findings, Given
from tiss.rules.layout import Unit
from tiss.wire.amounts import text as money

APPEALED = ("appeal-item", "appeal-dental-item")
"""The sections whose totals an appeal sums up."""
TOTAL, WHOLE = "total", "whole"
# formatoDocumento -> how such a file begins
_BEGINNINGS = {
    "01": (b"\xff\xd8\xff",),
    "02": (b"%PDF-",),
    "03": (b"\x89PNG\r\n\x1a\n",),
    "04": (b"II*\0", b"MM\0*"),
    "05": (b"\x30",),
    "06": (b"\x30",),
    "07": (b"\x30",),
    "08": (b"\x30",),
    "09": (b"%PDF-",),
}


def document(paper: Unit, _given: Given, found: Findings) -> None:
    """table.document-format, table.document-empty."""
    held = "".join(paper.texts.get("content", "")[:256].split())
    if not held:
        found.at("table.document-empty", paper, "content")
        return
    try:
        begin = base64.b64decode(held[: len(held) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        return  # the schema tells of it
    wanted = _BEGINNINGS.get(paper.texts.get("format", "").strip())
    if wanted is not None and not begin.startswith(wanted):
        found.at("table.document-format", paper, "format")


def appeal(paper: Unit, _given: Given, found: Findings) -> None:
    """sum.appeal: valorTotalRecursado is the sum of the items, where only items are appealed."""
    stated = in_cents(paper.texts.get("total"))
    below = list(paper.below())
    items = [unit for unit in below if unit.section.name in APPEALED]
    whole = any(unit.texts.get(WHOLE) for unit in (paper, *below))
    values = [in_cents(unit.texts.get(TOTAL)) for unit in items]
    if stated is None or whole or not values or None in values:
        return
    right = sum(value or 0 for value in values)
    if stated != right:
        found.at("sum.appeal", paper, "total", stated=money(stated), right=money(right))


def denied(item: Unit, _given: Given, found: Findings) -> None:
    """sum.glosa: the glosas of a statement's item explain what was not released."""
    glosas = [in_cents(row.texts.get("amount")) for row in item.every("statement-glosa")]
    informed, processed = in_cents(item.texts.get("informed")), in_cents(item.texts.get("processed"))
    released = in_cents(item.texts.get("released"))
    if informed is None or processed is None or released is None or None in glosas:
        return
    total = sum(amount or 0 for amount in glosas)
    if total not in (informed - released, processed - released, informed - processed):
        found.at("sum.glosa", item, "released", stated=money(total), right=money(informed - released))
