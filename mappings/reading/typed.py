"""Contents of fields knowingly left in the message that their type cannot hold: another field's, lost where they stand.

A declaration (`hl7/ignored.csv`) says why a field is not read for what it is; not that a name, a time or a number of
another field, some separators off, may go without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from canonical.problem import Problem
from hl7.er7 import Segment
from hl7.versions.table import version_named
from mappings.convert.misplaced.nothing import says_nothing
from mappings.convert.misplaced.plausible import BARE_DAY, MOMENT, is_person
from mappings.convert.registry import Value
from mappings.tables.table import Source

_VERSION = "2.5.1"  # it types what later versions withdraw
_OF_THE_DOOR = frozenset(("MSH", "EVN", "MFI", "BHS", "FHS", "DSC"))
_CODE = 20  # characters: the length of IS (2.5.1 §2.A.36)
_LONG_NUMBER = re.compile(
    r"[0-9]{12,}\Z|0[0-9]{8,}\Z|[A-Z]+[0-9]{6,}\Z"
)  # of a card or an account: no amount, no count
_LONGEST = 80  # characters: a content that is longer is no time, name or number


def _no_amount(parts: Sequence[str]) -> bool:
    return bool(MOMENT.match(parts[0])) or _wordy(parts[0]) or bool(_LONG_NUMBER.match(parts[0]))


def _no_day(parts: Sequence[str]) -> bool:
    return len(parts) > 2 or _wordy(parts[0])


def _no_code(parts: Sequence[str]) -> bool:
    return len(parts) == 1 and bool(MOMENT.match(parts[0]))


def _no_short_code(parts: Sequence[str]) -> bool:
    numbered = len(parts) > 4 and any(map(str.isdigit, parts[0])) and not any(parts[1:3])  # a CX with its type
    day = len(parts) == 1 and bool(BARE_DAY.match(parts[0]))
    return numbered or day or _no_code(parts) or (len(parts) == 1 and len(parts[0]) > _CODE and " " in parts[0])


def _no_number(parts: Sequence[str]) -> bool:
    return any(MOMENT.match(part) for part in parts) or (" " in parts[0] and _wordy(parts[0]))


def _no_count(parts: Sequence[str]) -> bool:
    return len(parts) > 1 or _wordy(parts[0])


def _no_place(parts: Sequence[str]) -> bool:
    return any(MOMENT.match(part) for part in parts)


def _wordy(text: str) -> bool:
    return bool(text) and not any(map(str.isdigit, text)) and any(map(str.isalpha, text)) and not says_nothing(text)


_CANNOT: dict[str, Callable[[Sequence[str]], bool]] = {
    **dict.fromkeys(("NM", "CP", "MO", "CQ"), _no_amount),
    **dict.fromkeys(("DT", "TS", "DTM", "DIN"), _no_day),
    "SI": _no_count,
    **dict.fromkeys(("CE", "CWE", "CNE"), _no_code),
    **dict.fromkeys(("ID", "IS"), _no_short_code),
    **dict.fromkeys(("CX", "EI"), _no_number),
    **dict.fromkeys(("PL", "LA1", "LA2"), _no_place),
}


@cache
def typed(segment: str) -> int:
    """The fields of a segment whose type may show that a content is another field's, as bits."""
    version = version_named(_VERSION)
    fields = version.segments.get(segment, {}) if version is not None and segment not in _OF_THE_DOOR else {}
    return sum(1 << number for number, item in fields.items() if item.type in _CANNOT)


def of_others(segment: Segment, numbers: Sequence[int], told: dict[tuple[str, int], Problem]) -> None:
    """Adds to `told` which of these fields, all `typed`, hold what their type cannot: once for each field, since forty
    results would say it forty times."""
    version, marks = version_named(_VERSION), segment.delimiters
    if version is None:
        return
    for number in numbers:
        content = segment.raw_field(number)
        if len(content) > _LONGEST:
            continue
        said = content.split(marks.repetition, 1)[0].rstrip(marks.component).split(marks.component)
        parts = [" ".join(part.split(marks.sub)).strip() for part in said]
        person = is_person(Value(content, Source(segment.name, number), segment))
        if person or _CANNOT[version.segments[segment.name][number].type](parts):
            place = f"{segment.name}#{segment.index}-{number}"
            told.setdefault((segment.name, number), Problem("field.misplaced", place))
