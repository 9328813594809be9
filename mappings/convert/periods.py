"""Periods of two moments; one that ends before it begins is none (R4 per-1), and that is told."""

from __future__ import annotations

from typing import Any

from fhir.periods import reverses
from mappings.convert.registry import Context, Value
from mappings.convert.text import moment_text


def period(value: Value, context: Context, start: str, end: str) -> dict[str, str]:
    """The Period of two DTM texts, either of which may be empty; `{}` for none, and for one that is reversed."""
    begun, over = (moment_text(text, value, context) for text in (start, end))
    if begun and over and reverses(begun, over):
        context.problems.append(value.problem("field.period"))
        return {}
    return {name: text for name, text in (("start", begun), ("end", over)) if text}


def moment_or_period(value: Value, context: Context, start: str, end: str) -> Any:
    """What began at the DTM `start`: ("DateTime", …), or ("Period", …) when it ended at another moment.

    Of a reversed period the beginning stays, since it says by itself when something was.
    """
    begun = moment_text(start, value, context)
    if begun is None:
        return None
    over = moment_text(end, value, context) if end and end != start else None
    if over is None or over == begun:
        return ("DateTime", begun)
    if reverses(begun, over):
        context.problems.append(value.problem("field.period"))
        return ("DateTime", begun)
    return ("Period", {"start": begun, "end": over})
