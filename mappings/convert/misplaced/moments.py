"""Moments that stand before their place in a field, where what belongs there can be no moment; read, and told."""

from __future__ import annotations

from mappings.convert.misplaced.plausible import MOMENT
from mappings.convert.registry import Value


def early_moments(value: Value) -> tuple[str, str]:
    """The start of a TQ (ORC-7, OBR-27, RXE-1: TQ-4) where how often it is repeated (TQ-2) belongs, and the end (TQ-5)
    where its duration (TQ-3) does: `1^20261122080000`, if start and end are empty; or the start where the quantity
    (TQ-1) does, with nothing behind it up to there; two empty texts elsewhere."""
    start, end = value.text(2), value.text(3)
    if not start and not end and not value.text(4) and not value.text(5) and MOMENT.match(value.text(1)):
        return value.text(1), ""
    if value.text(4) or value.text(5) or not MOMENT.match(start) or (end and not MOMENT.match(end)):
        return "", ""
    return start, end
