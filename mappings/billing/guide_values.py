"""The closed list of conversions to guide texts: money, decimals, dates, codes. Each takes a value and an argument."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from canonical import local
from canonical.billing import money as money_text
from mappings.tables.table import codes


class Unmapped(Exception):
    """The value has no form in the guide; `code` is the finding's code. The value itself is not told."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


GuideConversion = Callable[[Any, str], Any]
CONVERSIONS: dict[str, GuideConversion] = {}


def guide_conversion(name: str) -> Callable[[GuideConversion], GuideConversion]:
    """Register a function under the name tables use."""

    def register(function: GuideConversion) -> GuideConversion:
        CONVERSIONS[name] = function
        return function

    return register


@guide_conversion("text")
def text(value: Any, argument: str) -> str:
    """The text without blanks around it."""
    return " ".join(str(value).split())


@guide_conversion("joined")
def joined(value: Any, argument: str) -> str:
    """A number without its blanks: a card shows it in groups (`0 123 4567`), and st_texto20 has 20 places for it."""
    return "".join(str(value).split())


@guide_conversion("each")
def each(value: Any, argument: str) -> list[str]:
    """A list of texts as repeated elements."""
    return [text(one, argument) for one in value]


@guide_conversion("date")
def date(value: Any, argument: str) -> str:
    """AAAA-MM-DD of a date; a moment has a day only where somebody is, so it is turned into one before."""
    found = local.date(str(value))
    if found is None:
        raise Unmapped("guide.date")
    return found.isoformat()


@guide_conversion("time")
def time(value: Any, argument: str) -> str:
    """HH:MM:SS without zone or fractions."""
    try:
        return datetime.time.fromisoformat(str(value)[:8]).strftime("%H:%M:%S")
    except ValueError:
        raise Unmapped("guide.date") from None


@guide_conversion("money")
def money(value: Any, argument: str) -> str:
    """Whole cents as `123.45`."""
    return money_text(int(value))


@guide_conversion("decimal")
def decimal(value: Any, argument: str) -> str:
    """A decimal with `argument` places; one that needs more places has no form."""
    try:
        exact = Decimal(str(value))
        shown = exact.quantize(Decimal(1).scaleb(-int(argument or 2)), ROUND_HALF_UP)
    except InvalidOperation:
        raise Unmapped("guide.number") from None
    if shown != exact:
        raise Unmapped("guide.number")
    return f"{shown:f}"


@guide_conversion("logic")
def logic(value: Any, argument: str) -> str:
    """xs:boolean of a truth."""
    return "true" if value else "false"


@guide_conversion("integer")
def integer(value: Any, argument: str) -> str:
    """A whole number; fractions have no form."""
    found: str = decimal(value, "0")
    return found


@guide_conversion("code")
def code(value: Any, argument: str) -> str:
    """A code through `codes/<argument>.csv`."""
    found = codes(argument).get(str(value))
    if not found:
        raise Unmapped("guide.code")
    return found


@guide_conversion("prefix")
def prefix(value: Any, argument: str) -> str:
    """The code of the longest prefix `codes/<argument>.csv` lists."""
    if found := longest(argument, str(value)):
        return found
    raise Unmapped("guide.code")


def longest(table: str, value: str) -> str:
    """What `codes/<table>.csv` says of the longest prefix of a value it lists; empty if it lists none."""
    known = codes(table)
    for length in range(len(value), 0, -1):
        if found := known.get(value[:length]):
            return found
    return ""


def in_range(table: str, value: str) -> str:
    """What `codes/<table>.csv` says of a value by its ranges `from-until` (same length, inclusive); empty if none."""
    for key, found in codes(table).items():
        low, _, high = key.partition("-")
        if len(low) == len(value) and low <= value <= (high or low):
            return found
    return ""
