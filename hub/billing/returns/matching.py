"""Which line of a statement judges which item of ours: by sequence and code, else by code, day and amount.

A payer may judge one item in several lines (a part of the quantity paid, a part denied) and may count items its own
way; what no item of ours can account for is nobody's.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from uuid import UUID

from hub.billing.returns.judgement import Line

NO_GUIDE, NO_ITEM = "sem guia correspondente", "sem item correspondente"


@dataclass(slots=True, kw_only=True)
class Item:
    """An item of ours and what has been accounted for of it."""

    sequence: int
    code: str
    on: datetime.date | None
    quantity: Decimal
    total: int
    lines: int = 0
    billed: int = 0
    counted: Decimal = Decimal(0)

    def takes(self, line: Line) -> bool:
        """Whether the line can be (another) part of the item: within its amount, or within its quantity."""
        if not self.lines:
            return True
        quantity = _decimal(line.quantity)
        return self.billed + line.billed <= self.total or (
            quantity is not None and self.counted > 0 and self.counted + quantity <= self.quantity
        )

    def add(self, line: Line) -> None:
        """Account for the line."""
        self.lines += 1
        self.billed += line.billed
        self.counted += _decimal(line.quantity) or Decimal(0)


@dataclass(slots=True, kw_only=True)
class Guide:
    """A guide of ours with its items; `whole` once it was judged as a whole."""

    id: UUID
    batch_id: UUID | None
    total: int
    professional: str
    items: dict[int, Item] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a line judges: a guide (None: the protocol as a whole), and of it an item (0: the guide as a whole)."""

    guide: Guide | None
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """The matches by position of the line, why others are nobody's, and items whose billed amount is not ours."""

    known: dict[int, Match]
    orphans: dict[int, str]
    differing: int


def match(lines: Sequence[Line], guides: dict[str, Guide]) -> Matched:
    """Match the lines of one protocol to our guides (by number); their accounts are changed."""
    known: dict[int, Match] = {}
    orphans: dict[int, str] = {}
    left: list[int] = []
    protocol_as_whole = False
    for position, line in enumerate(lines):
        guide = guides.get(line.guide_number)
        if not line.guide_number and _is_whole(line) and not protocol_as_whole:
            protocol_as_whole = True
            known[position] = Match(guide=None, sequence=0)
        elif guide is None:
            orphans[position] = NO_GUIDE
        elif _is_whole(line):
            _whole(position, guide, known, orphans)
        elif (item := _stated(line, guide)) is not None:
            item.add(line)
            known[position] = Match(guide=guide, sequence=item.sequence)
        else:
            left.append(position)
    for position in left:
        line, guide = lines[position], guides[lines[position].guide_number]
        item = min(_candidates(line, guide), key=lambda item: _rank(line, item), default=None)
        if item is None:
            orphans[position] = NO_ITEM
            continue
        item.add(line)
        known[position] = Match(guide=guide, sequence=item.sequence)
    return Matched(known=known, orphans=orphans, differing=_differing(guides))


def _is_whole(line: Line) -> bool:
    return not line.sequence and not line.code


def _whole(position: int, guide: Guide, known: dict[int, Match], orphans: dict[int, str]) -> None:
    """A guide is judged as a whole once."""
    if guide.whole:
        orphans[position] = NO_ITEM
    else:
        guide.whole = True
        known[position] = Match(guide=guide, sequence=0)


def _stated(line: Line, guide: Guide) -> Item | None:
    """The item that the line names by its sequence, when the code agrees and the item has room for it."""
    item = guide.items.get(line.sequence)
    if item is None or (line.code and item.code not in ("", line.code)) or not item.takes(line):
        return None
    return item


def _candidates(line: Line, guide: Guide) -> Iterator[Item]:
    for item in guide.items.values():
        if line.code and item.code == line.code and item.takes(line):
            yield item


def _rank(line: Line, item: Item) -> tuple[bool, bool, bool, int]:
    """The better an item fits, the smaller: free, of the same amount, of the same day, first in the guide."""
    return (item.lines > 0, item.total != line.billed, str(item.on) != line.on[:10], item.sequence)


def _differing(guides: dict[str, Guide]) -> int:
    return sum(
        item.lines > 0 and bool(item.code) and item.billed != item.total
        for guide in {guide.id: guide for guide in guides.values()}.values()
        for item in guide.items.values()
    )


def _decimal(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() and found > 0 else None
