"""Susceptibilities whose S, I or R stands as the value of a result (OBX-5) and not as its interpretation (OBX-8)."""

from __future__ import annotations

from typing import Any

from canonical.identity import unaccented
from hl7.er7 import Segment
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import coding_from, listed

_TABLE = "hl70078"
_SUSCEPTIBILITY = frozenset(("S", "I", "R", "SDD", "NS"))
_LONGEST = 80  # characters of a value that may be one
_WORDS = ("ANTIBIOGRAMA", "SENSIBILIDADE", "SUSCET", "SUSCEPT", "TSA ")
_MICROBIOLOGY = frozenset(("MB", "MCB", "MYC"))  # OBR-24, table 0074


@conversion("susceptibility")
def susceptibility(value: Value, context: Context, argument: str) -> Any:
    """OBX-5 as interpretation: a word for it (`SENSIVEL`) anywhere, a letter only in an antibiogram: `S` may be a yes,
    `R` a `reagente`, elsewhere. The value stays beside it."""
    if len(value.raw) > _LONGEST:
        return None
    words, code = value.text(2), value.text(1)
    said = next((text for text in (words, code) if text and listed(context.codes(_TABLE), text)), "")
    coded = coding_from(listed(context.codes(_TABLE), said) or "") if said else {}
    if coded.get("code") not in _SUSCEPTIBILITY:
        return None
    order = context.above("OBR", value.segment)
    spelled = len(said) > len("SDD")
    return {"coding": [coded]} if spelled or (order is not None and _is_antibiogram(order)) else None


def _is_antibiogram(order: Segment) -> bool:
    """Whether an order tests organisms of another result (OBR-26, OBR-29), is of that section, or is called so."""
    name = f"{unaccented(order.ask(4, 1))} {unaccented(order.ask(4, 2))} ".upper()
    known = order.ask(24) in _MICROBIOLOGY or any(word in name for word in _WORDS)
    return bool(order.ask(26) or order.ask(29) or known)
