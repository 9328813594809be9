"""What only says that there is nothing: words of the table `no-content`, signs, zeros, one digit over and over.

As a telephone or an address it would be alike in all that have none, and find them as one person.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from canonical.identity import fold
from mappings.convert.registry import Context, Value
from mappings.tables.table import codes

_LONGEST = 40  # characters of a text whose plain form is remembered
_CROSSES = re.compile(r"X{3,}\Z")
_COUNTRY = "55"  # Brazil's, before area and number
_LOCAL = 8  # digits of a Brazilian number without its area, at the least
_FOREIGN = 7  # of one abroad
_NUMBERS = (1, 4, 7, 12)  # XTN
_NAMED = ("city", "state", "country", "district")


def says_nothing(text: str) -> bool:
    """Whether a text that is there is a word for nothing, signs or crosses alone."""
    if not text:
        return False
    said = _folded(text) if len(text) <= _LONGEST else _folded.__wrapped__(text)
    return bool(said) and (not any(map(str.isalnum, said)) or bool(_CROSSES.match(said)) or said in codes("no-content"))


@lru_cache(maxsize=4096)  # cities, states, countries, areas: the same few thousand
def _folded(text: str) -> str:
    return " ".join(fold(text).upper().split())


def no_telephone(text: str) -> bool:
    """Whether a telephone is no number of anybody: a word for nothing, zeros, or one digit repeated, behind its country
    and area or without them (`(81) 99999-9999`)."""
    if says_nothing(text):
        return True
    digits = "".join(c for c in text.partition(" x")[0] if c.isdigit())
    if any(map(str.isalpha, text.partition(" x")[0])) or not digits:
        return False
    if not digits.strip("0"):
        return True
    if len(digits) > _LOCAL + 3 and digits.startswith(_COUNTRY):
        digits = digits[2:]
    local = digits[2:] if len(digits) >= _LOCAL + 2 else digits
    return len(set(local)) == 1 and len(local) >= _FOREIGN


def no_contact(value: Value, context: Context) -> bool:
    """Whether all that an XTN has for number or e-mail says that there is none; told."""
    said = [text for number in _NUMBERS if (text := value.text(number))]
    if not said or not all(map(no_telephone, said)):
        return False
    context.problems.append(value.problem("field.says-nothing"))
    return True


def in_one_part(value: Value, context: Context) -> Value:
    """An XTN whose first parts are digits alone, area and number (`53^32221234`, `0^06128764`), put
    together: no use or kind of a telephone is digits. It is told; any other as it is."""
    second, third = value.text(2), value.text(3)
    if not second.isdigit() or not value.text(1).isdigit() or (third and not third.isdigit()):
        return value
    context.problems.append(value.problem("field.out-of-place"))
    parts = value.raw.split(value.delimiters.component)
    said = " ".join(part.strip() for part in parts[:3] if part.strip("0 "))
    return Value(value.delimiters.component.join((said, "", "", *parts[3:])), value.source, value.segment)


def somebodys(number: str, value: Value, context: Context) -> str:
    """The number of an XTN beside an e-mail; none where it is nobody's, which is told."""
    if not number or not no_telephone(number):
        return number
    context.problems.append(value.problem("field.says-nothing"))
    return ""


def without_nothing(address: dict[str, Any], value: Value, context: Context) -> dict[str, Any]:
    """An address without the parts that say nothing, and no postal code of zeros alone; told."""
    gone = {name for name in _NAMED if says_nothing(str(address.get(name, "")))}
    code = str(address.get("postalCode", ""))
    if says_nothing(code) or (code and not code.strip("0.- ")):
        gone.add("postalCode")
    lines = [line for line in address.get("line", ()) if not says_nothing(line)]
    if not gone and len(lines) == len(address.get("line", ())):
        return address
    context.problems.append(value.problem("field.says-nothing"))
    kept = {name: part for name, part in address.items() if name not in gone and name != "line"}
    return {**kept, **({"line": lines} if lines else {})}
