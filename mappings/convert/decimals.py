"""How a sender writes numbers: HL7 has the decimal point alone (2.5.1 §2.A.47), senders write as their country does.

`15.300` is fifteen where a point is the decimal sign, and fifteen thousand where it parts thousands. What the other
numbers of a message show decides: those of results, doses and amounts. Where they do not, or contradict each other, the
text is no number.
"""

from __future__ import annotations

import re

from canonical.identity import unaccented
from mappings.convert.registry import Context, Value
from mappings.convert.text import decimal_sign
from mappings.tables.table import codes

_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}([.,])[0-9]{3}\Z")
_WRITTEN = re.compile(r"[0-9]+(?:[.,][0-9]+)+")
_MEASURE = re.compile(r"[<>=+-]*\s?[0-9]+[.,][0-9]+\s?[^0-9]{0,12}\Z")  # `36,8 ºC` as a text
_ALONE = "?"
_SURELY = "!"
_MULTIPLE = re.compile(r"10\s*[*^]?\s*[3-9³⁶⁹]|\b(?:mil|milh(?:ão|ões|ao|oes)|k)\b", re.I)
_VOLUME = r"\s*(?:/|p/|por\s)\s*(?:mm\s*\^?[3³]|[uµμ]l|mcl)\Z"
_COUNT = re.compile(r"(?:\{?c[eé]l(?:s|ls|ulas)?\.?\}?|\{?cells?\}?|#)?" + _VOLUME, re.I)  # cells, not in thousands
# What is counted whole by its unit alone: colonies, copies of a virus, named cells.
_COUNTED = re.compile(
    r"(?:ufc|cfu|\[cfu\]|c[oó]pias|copies)\s*/\s*ml\Z|(?:plaquetas|leuc[oó]citos|hem[aá]cias)" + _VOLUME, re.I
)
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


def may_part(text: str) -> bool:
    """Whether the point or comma of a number may part thousands: only then others of its message say how it is read."""
    return _GROUPED.match(text.strip()) is not None


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
    counts = _counts(value)
    if counts == _SURELY:
        return _parted(text.strip().replace(own, ""), "field.number-thousands", value, context)
    signs = context.once("decimal signs", lambda: _signs(context))
    contested = doubtful or counts or _ALONE + other in signs
    if other not in signs and not counts and (own in signs or (own == "." and not contested)):
        return text  # as the others are written, or as the standard has it and nothing speaks against it
    parted = other in signs and own not in signs and not _unlikely(text.strip(), value)
    if parted:
        return _parted(text.strip().replace(own, ""), "field.number-thousands", value, context)
    return _parted(None, "field.number-ambiguous", value, context)


def _parted(found: str | None, code: str, value: Value, context: Context) -> str | None:
    told = value.problem(code)
    if told not in context.problems[-1:]:  # both limits of a range
        context.problems.append(told)
    return found


def _counts(value: Value) -> str:
    """Whether a result counts whole cells, colonies or copies, of which there is no thousandth.

    `_SURELY` where its unit (OBX-6) and a second thing say so: its name or code (OBX-3), the unit's own word, or a
    range (OBX-7) whose limits are written as it is. `_ALONE` where one of the unit and the name does.
    """
    if value.source.segment != "OBX":
        return ""
    unit = (value.other(6) or value.other(6, 2)).strip()
    if _COUNTED.match(unit):
        return _SURELY
    if not _COUNT.match(unit):
        return _ALONE if not unit and _of_cells(value) else ""
    limits = _WRITTEN.findall(value.other(7))
    ranged = len(limits) > 1 and all(_GROUPED.match(limit) for limit in limits) and bool(_GROUPED.match(value.other(5)))
    return _SURELY if ranged or _of_cells(value) else _ALONE


def _of_cells(value: Value) -> bool:
    """Whether OBX-3 names cells of the blood, by a code of LOINC or a word of the table `cell-counts`."""
    known = codes("cell-counts")
    if any(value.other(3, part) in known for part in (1, 4)):
        return True
    words = unaccented(" ".join(value.other(3, part) for part in (1, 2, 5))).upper().split()
    return any(word.startswith(start) for word in words for start in known if start.isalpha())


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
