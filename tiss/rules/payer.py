"""payer.*: what one operator asks beyond the standard; every row is off or silent until a contract asks for it."""

from __future__ import annotations

from datetime import date

from tiss.rules.case import Findings, Given
from tiss.rules.items import day
from tiss.rules.layout import Unit


def size(stated: int, given: Given, found: Findings) -> None:
    """payer.size: the largest file in bytes that the operator takes (5015)."""
    most = given.contract.largest_bytes
    if most and stated > most:
        found.add("payer.size", "", limit=most, stated=stated)


def late(guide: Unit, given: Given, found: Findings) -> None:
    """payer.late: how many days after its execution an item may be sent (3214)."""
    days = given.contract.days
    if not days or not given.registered:
        return
    sent = date.fromisoformat(given.registered)
    for row in guide.rows:
        on = day(row.texts.get("date"))
        if on and (sent - _date(on, sent)).days > days:
            found.at("payer.late", row, "date", limit=days)


def place(guide: Unit, given: Given, found: Findings) -> None:
    """payer.place: the CNES beside a CNPJ is one of that establishment, as far as the contract knows it (5063)."""
    known = given.contract.places.get(guide.texts.get("provider-cnpj", "").strip())
    stated = guide.texts.get("provider-cnes", "").strip()
    if known and stated and stated not in known:
        found.at("payer.place", guide, "provider-cnes", right=" ou ".join(sorted(known)))


def _date(text: str, otherwise: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return otherwise
