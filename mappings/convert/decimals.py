"""How a sender writes numbers: HL7 has the decimal point alone (2.5.1 §2.A.47), senders write as their country does.

`15.300` is fifteen where a point is the decimal sign, and fifteen thousand where it parts thousands. What the other
numbers of a message show decides: those of results, doses and amounts. Where they do not, or contradict each other, the
text is no number.
"""

from __future__ import annotations

import re

from mappings.convert.registry import Context, Value
from mappings.convert.text import decimal_sign

_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}([.,])[0-9]{3}\Z")
_WRITTEN = re.compile(r"[0-9]+(?:[.,][0-9]+)+")
_MEASURE = re.compile(r"[<>=+-]*\s?[0-9]+[.,][0-9]+\s?[^0-9]{0,12}\Z")  # `36,8 ºC` as a text
_ALONE = "?"
_MULTIPLE = re.compile(r"10\s*[*^]?\s*[3-9³⁶⁹]|\b(?:mil|milh(?:ão|ões|ao|oes)|k)\b", re.I)
_ABOUT_ONE = re.compile(r"1[.,]0[0-9]{2}\Z")
_NUMERIC = frozenset(("NM", "SN", "NR", "NA", "MA"))
# Fields that hold numbers, beside OBX: charges, doses, rates, amounts.
_NUMBERS = {
    "FT1": (10, 11, 12, 22),
    "RXE": (3, 4, 10, 19, 23),
    "RXO": (2, 3, 11, 21),
    "RXD": (4, 12),
    "RXG": (5, 6, 15),
    "RXA": (6,),
    "RXC": (3,),
}


def settled(text: str, value: Value, context: Context, *, doubtful: bool = False) -> str | None:
    """The text as a number is written in HL7, as far as it is one; None, and told, where its point or comma may be
    either a decimal sign or part thousands. Thousands that were parted are told too.

    Where nothing in the message speaks of it, a point is the decimal sign, as the standard has it; a `doubtful` number,
    which a wrong reading makes dangerous, is none then, nor is one beside a number that may part thousands by a comma
    (`1.150` mL and `71,400` kg): one of the two signs is the decimal one.
    """
    match = _GROUPED.match(text.strip())
    if match is None:
        return text
    own = match[1]
    other = "," if own == "." else "."
    signs = context.once("decimal signs", lambda: _signs(context))
    contested = doubtful or _ALONE + other in signs
    if other not in signs and (own in signs or (own == "." and not contested)):
        return text  # as the others are written, or as the standard has it and nothing speaks against it
    parted = other in signs and own not in signs and not _unlikely(text.strip(), value)
    told = value.problem("field.number-thousands" if parted else "field.number-ambiguous")
    if told not in context.problems[-1:]:  # both limits of a range
        context.problems.append(told)
    return text.strip().replace(own, "") if parted else None


def _unlikely(text: str, value: Value) -> bool:
    """Whether a result of thousands would be one of another order: its unit counts in thousands or millions already
    (`7.200`, `x10³/µL`), or it has no unit and is about one, as a density (`1.020`)."""
    if value.source.segment != "OBX":
        return False
    unit = value.other(6) or value.other(6, 2)
    return bool(_MULTIPLE.search(unit)) if unit else bool(_ABOUT_ONE.match(text))


def _signs(context: Context) -> frozenset[str]:
    """The decimal signs that the results, reference ranges, doses and amounts of a message use.

    `_ALONE` and a sign tell of a number in which it may be either.
    """
    found: set[str] = set()
    for segment in context.message.segments:
        fields = _NUMBERS.get(segment.name, ())
        if segment.name == "OBX":
            numeric = segment.text(2) in _NUMERIC or segment.raw_field(6) or _MEASURE.match(segment.raw_field(5))
            fields = (5, 7) if numeric else (7,)
        for field in fields:
            for one in _WRITTEN.findall(segment.raw_field(field)[:200]):
                alone = _GROUPED.match(one)
                found.update((decimal_sign(one), _ALONE + alone[1] if alone else ""))
    return frozenset(found - {""})
