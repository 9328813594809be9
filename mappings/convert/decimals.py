"""How a sender writes numbers: HL7 has the decimal point alone (2.5.1 §2.A.47), senders write as their country does.

`15.300` is fifteen where a point is the decimal sign, and fifteen thousand where it parts thousands. What the other
numbers of the results in a message show decides; where they do not, or contradict each other, the text is no number.
"""

from __future__ import annotations

import re

from mappings.convert.registry import Context, Value
from mappings.convert.text import decimal_sign

_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}([.,])[0-9]{3}\Z")
_WRITTEN = re.compile(r"[0-9]+(?:[.,][0-9]+)+")
_NUMERIC = frozenset(("NM", "SN", "NR", "NA", "MA"))


def settled(text: str, value: Value, context: Context) -> str | None:
    """The text as a number is written in HL7, as far as it is one; None, and told, where its point or comma may be
    either a decimal sign or part thousands. Thousands that were parted are told too."""
    match = _GROUPED.match(text.strip())
    if match is None:
        return text
    own = match[1]
    other = "," if own == "." else "."
    signs = context.once("decimal signs", lambda: _signs(context))
    if other not in signs and (own in signs or own == "."):
        return text  # as the others are written, or as the standard has it and nothing speaks against it
    parted = other in signs and own not in signs
    told = value.problem("field.number-thousands" if parted else "field.number-ambiguous")
    if told not in context.problems[-1:]:  # both limits of a range
        context.problems.append(told)
    return text.strip().replace(own, "") if parted else None


def _signs(context: Context) -> frozenset[str]:
    """The decimal signs that the results and reference ranges of a message use."""
    found: set[str] = set()
    for segment in context.message.named("OBX"):
        measured = segment.text(2) in _NUMERIC or segment.raw_field(6)
        for field in (5, 7) if measured else (7,):
            found.update(decimal_sign(one) for one in _WRITTEN.findall(segment.raw_field(field)[:200]))
    return frozenset(found - {""})
