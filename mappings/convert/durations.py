"""Lengths of time as senders write them: letters of HL7 (`D5`), words of several languages (`5 dias`), UCUM."""

from __future__ import annotations

import re
from typing import Any

from canonical import codes as systems

UNITS = {"S": "s", "M": "min", "H": "h", "D": "d", "W": "wk", "L": "mo"}
_UCUM_TIMES = frozenset(("s", "min", "h", "d", "wk", "mo", "a"))
_SPELLED = {
    "sec": "s", "second": "s", "seconds": "s", "m": "min", "minute": "min", "minutes": "min", "minuto": "min",
    "minutos": "min", "hr": "h", "hour": "h", "hours": "h", "hora": "h", "horas": "h", "day": "d", "days": "d",
    "dia": "d", "dias": "d", "w": "wk", "week": "wk", "weeks": "wk", "semana": "wk", "semanas": "wk", "l": "mo",
    "month": "mo", "months": "mo", "mês": "mo", "mes": "mo", "meses": "mo", "y": "a", "year": "a", "years": "a",
    "ano": "a", "anos": "a", "日": "d", "週": "wk", "月": "mo", "年": "a", "時間": "h", "分": "min",
    "일": "d", "주": "wk", "개월": "mo", "년": "a", "시간": "h", "분": "min",
}  # fmt: skip


def duration(text: str) -> dict[str, Any] | None:
    """`D5`, `H8`, `5 dias`, `30min` as Duration in UCUM; None for indefinite or unreadable ones."""
    match = re.match(r"\s*+([^\W\d_]*+)\s*+([0-9]{1,4}+)\s*+([^\W\d_]*+)\s*+\Z", text)
    if match is None:
        return None
    prefix, count, suffix = match.groups()
    unit = UNITS.get(prefix.upper(), "") if prefix and not suffix else unit_of_time(suffix)
    return {"value": int(count), "unit": unit, "system": systems.UCUM, "code": unit} if unit else None


def unit_of_time(text: str) -> str:
    """The UCUM unit of time a sender's word means; empty when it is none."""
    low = text.strip().lower()
    return low if low in _UCUM_TIMES else _SPELLED.get(low, "")
