"""Contents of fields knowingly left in the message that their type cannot hold: another field's, lost where they stand.

A declaration (`hl7/ignored.csv`) says why a field is not read for what it is; not that a name, a time or a number of
another field, some separators off, may go without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from canonical.problem import Problem
from hl7.er7 import Segment
from hl7.versions.table import version_named
from mappings.convert.misplaced.nothing import says_nothing
from mappings.convert.misplaced.plausible import MOMENT

_VERSION = "2.5.1"  # it types what later versions withdraw
_OF_THE_DOOR = frozenset(("MSH", "EVN", "MFI", "BHS", "FHS", "DSC"))
_LONGEST = 80  # characters: a content that is longer is no time, name or number


def _no_amount(first: str, parts: int) -> bool:
    return bool(MOMENT.match(first)) or _wordy(first)


def _no_day(first: str, parts: int) -> bool:
    return parts > 2 or _wordy(first)


def _no_code(first: str, parts: int) -> bool:
    return parts == 1 and bool(MOMENT.match(first))


def _wordy(text: str) -> bool:
    return bool(text) and not any(map(str.isdigit, text)) and any(map(str.isalpha, text)) and not says_nothing(text)


_CANNOT: dict[str, Callable[[str, int], bool]] = {
    **dict.fromkeys(("NM", "CP", "MO", "CQ"), _no_amount),
    **dict.fromkeys(("DT", "TS", "DTM"), _no_day),
    **dict.fromkeys(("ID", "IS", "CE", "CWE", "CNE"), _no_code),
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
        parts = content.split(marks.repetition, 1)[0].rstrip(marks.component).split(marks.component)
        first = parts[0].partition(marks.sub)[0].strip()
        if _CANNOT[version.segments[segment.name][number].type](first, len(parts)):
            place = f"{segment.name}#{segment.index}-{number}"
            told.setdefault((segment.name, number), Problem("field.misplaced", place))
