"""Lines find their items: split quantities, other numbering, repeated codes; what nothing accounts for is nobody's."""

from __future__ import annotations

import datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.billing.returns.judgement import Line
from hub.billing.returns.matching import NO_GUIDE, NO_ITEM, Guide, Item, match

DAY = datetime.date(2026, 11, 20)


def line(sequence: int, code: str, billed: int, **changed: object) -> Line:
    values = {
        "guide_number": "1", "sequence": sequence, "table": "22", "code": code, "billed": billed, "processed": billed,
        "paid": billed, "glosas": (), "on": "2026-11-20", "quantity": "1", **changed,
    }  # fmt: skip
    return Line(**values)  # type: ignore[arg-type]


def guide(*items: tuple[int, str, int, str]) -> dict[str, Guide]:
    found = Guide(id=uuid4(), batch_id=None, total=sum(item[2] for item in items), professional="")
    for sequence, code, total, quantity in items:
        found.items[sequence] = Item(sequence=sequence, code=code, on=DAY, quantity=Decimal(quantity), total=total)
    return {"1": found}


TWO = ((1, "A", 900, "3"), (2, "B", 500, "1"))


@pytest.mark.parametrize(
    ("items", "lines", "expected", "differing"),
    [
        pytest.param(TWO, [line(1, "A", 900), line(2, "B", 500)], [1, 2], 0, id="as sent"),
        pytest.param(TWO, [line(1, "A", 300), line(1, "A", 600, quantity="2"), line(2, "B", 500)], [1, 1, 2], 0, id="split by amount"),
        pytest.param(TWO, [line(1, "A", 900), line(1, "A", 900, quantity="2")], [1, 1], 1, id="split by quantity, amount repeated"),
        pytest.param(TWO, [line(1, "A", 900, quantity="3"), line(1, "A", 900, quantity="3")], [1, NO_ITEM], 0, id="twice the same"),
        pytest.param(TWO, [line(7, "B", 500), line(8, "A", 900)], [2, 1], 0, id="other numbering"),
        pytest.param(TWO, [line(0, "B", 500), line(0, "A", 900)], [2, 1], 0, id="no numbering"),
        pytest.param(TWO, [line(2, "A", 900), line(1, "B", 500)], [1, 2], 0, id="swapped"),
        pytest.param(TWO, [line(3, "C", 100)], [NO_ITEM], 0, id="foreign item"),
        pytest.param(TWO, [line(1, "A", 900, guide_number="9")], [NO_GUIDE], 0, id="foreign guide"),
        pytest.param(TWO, [line(1, "A", 950)], [1], 1, id="other amount"),
        pytest.param(TWO, [line(0, "", 1400), line(0, "", 1)], [0, NO_ITEM], 0, id="as a whole, once"),
        pytest.param(TWO, [line(0, "", 1400, guide_number="")], [0], 0, id="the protocol as a whole"),
        pytest.param(((1, "A", 300, "1"), (2, "A", 700, "1")), [line(0, "A", 700), line(0, "A", 300)], [2, 1], 0, id="by amount"),
    ],
)  # fmt: skip
def test_matches(
    items: tuple[tuple[int, str, int, str], ...], lines: list[Line], expected: list[int | str], differing: int
) -> None:
    found = match(lines, guide(*items))
    told = [
        found.known[position].sequence if position in found.known else found.orphans[position]
        for position in range(len(lines))
    ]
    assert told == expected and found.differing == differing


LINES = st.builds(
    line, st.integers(0, 4), st.sampled_from(("", "A", "B", "C")), st.integers(0, 1000),
    guide_number=st.sampled_from(("1", "2", "")), quantity=st.sampled_from(("", "1", "2", "x")),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=8))
def test_every_line_is_ours_or_nobodys_and_no_item_takes_more_than_it_billed(lines: list[Line]) -> None:
    ours = guide(*TWO)
    found = match(lines, ours)
    assert sorted([*found.known, *found.orphans]) == list(range(len(lines)))
    for item in ours["1"].items.values():
        assert item.lines <= 1 or item.billed <= item.total or item.counted <= item.quantity
