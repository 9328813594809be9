"""Rows of a sheet as records of a column plan: the header row found, cells read by their column, totals told apart.

Every row that is no header, no total and not blank becomes a record; a cell that cannot be read is a finding with its
row and column and counts as blank (an amount as zero). Nothing is dropped.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from canonical.billing import BEYOND, money
from canonical.problem import Problem
from mappings.billing.sheet_plan import AMOUNTS, DAYS, SheetPlan
from tiss.sheets.cells import Cell, Row, Sheet, text_of
from tiss.sheets.sheets import title

_DEEPEST_HEADER = 60
_CENT = Decimal("0.01")
_EPOCH = datetime.date(1899, 12, 30)
_LONGEST = 100


@dataclass(slots=True, kw_only=True)
class Record:
    """One row: its number, its texts by column (days as AAAA-MM-DD), and the amounts it states in cents."""

    row: int
    texts: dict[str, str] = field(default_factory=dict)
    cents: dict[str, int] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The text of a column; empty when the plan or the row has none."""
        return self.texts.get(name, "")


@dataclass(slots=True, kw_only=True)
class Records:
    """What a sheet holds: records, the values named above the header row, and findings."""

    records: list[Record] = field(default_factory=list)
    head: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def records(plan: SheetPlan, sheets: Sequence[Sheet]) -> Records:
    """The records of the sheet that the plan names (else the first one with its header row)."""
    found = Records()
    wanted = [sheet for sheet in sheets if not plan.sheet or title(sheet.name) == title(plan.sheet)] or list(sheets)
    for sheet in wanted:
        header = _header(plan, sheet.rows)
        if header is not None:
            _read(plan, sheet.rows, header, found)
            return found
    missing = [column.names[0] for column in plan.columns.values() if column.required]
    found.problems.append(Problem("sheet.header", args=(("columns", ", ".join(missing) or plan.name),)))
    return found


def _header(plan: SheetPlan, rows: Sequence[Row]) -> tuple[int, dict[str, int]] | None:
    """Position of the header row and of each column in it: the first row that names all that are required."""
    for position, row in enumerate(rows[:_DEEPEST_HEADER]):
        names = [title(text_of(cell)) for cell in row.cells]
        places = {
            key: names.index(title(name))
            for key, column in plan.columns.items()
            for name in reversed(column.names)
            if title(name) in names
        }
        needed = {key for key, column in plan.columns.items() if column.required}
        if places and needed <= set(places):
            return position, places
    return None


def _read(plan: SheetPlan, rows: Sequence[Row], header: tuple[int, dict[str, int]], found: Records) -> None:
    position, places = header
    titles = [title(text_of(cell)) for cell in rows[position].cells]
    _head(plan, rows[:position], found)
    above: dict[str, str] = {}
    sums = _Sums()
    for row in rows[position + 1 :]:
        if [title(text_of(cell)) for cell in row.cells] == titles:
            continue  # the header again, at the top of a printed page
        cells: list[Problem] = []
        record = _record(plan, row, places, cells)
        if _is_total(plan, row, record):
            found.problems += sums.compared(record)
            continue
        if _is_remark(plan, record):
            found.problems.append(_problem("sheet.outside", row.number))
            continue
        found.problems += cells
        for key, column in plan.columns.items():
            if column.fill:
                record.texts[key] = above[key] = record.text(key) or above.get(key, "")
            if column.required and not record.text(key) and key not in record.cents:
                found.problems.append(_problem("sheet.blank", row.number, column.names[0]))
        sums.add(record)
        found.records.append(record)


def _head(plan: SheetPlan, rows: Sequence[Row], found: Records) -> None:
    """Values above the header row: in the cell of their label after a colon, or in the next cell that is not blank."""
    for key, label in plan.head.items():
        for row in rows:
            texts = [text_of(cell) for cell in row.cells]
            for position, text in enumerate(texts):
                if not title(text).startswith(title(label)):
                    continue
                beside = [*(one for one in texts[position + 1 :] if one and one != text), ""]
                value = text.partition(":")[2].strip() or beside[0]
                found.head.setdefault(key, _day(plan, value) or value if key in DAYS else value)


def _record(plan: SheetPlan, row: Row, places: Mapping[str, int], problems: list[Problem]) -> Record:
    record = Record(row=row.number)
    for key, place in places.items():
        cell = row.cells[place] if place < len(row.cells) else None
        column = plan.columns[key]
        if key in AMOUNTS:
            _amount(plan, record, (key, column.names[0], cell), problems)
            continue
        text = text_of(cell)
        if key in DAYS and text:
            read = cell.isoformat() if isinstance(cell, datetime.date) else _day(plan, text)
            if not read:
                problems.append(_problem("sheet.cell", row.number, column.names[0]))
            text = read
        text = plan.values.get(key, {}).get(text, text) or column.default
        if len(text) > _LONGEST and key != "glosa_text":
            problems.append(_problem("sheet.cell", row.number, column.names[0]))
            text = ""
        record.texts[key] = text.zfill(column.width) if column.width and text.isdigit() else text
    for key, column in plan.columns.items():
        if key not in places and column.default and key not in AMOUNTS:
            record.texts[key] = column.default
    return record


def _amount(plan: SheetPlan, record: Record, one: tuple[str, str, Cell], problems: list[Problem]) -> None:
    key, title, cell = one
    text = text_of(cell)
    if not text or text == "-":
        return
    exact = cell if isinstance(cell, Decimal) else number(text, plan.decimal)
    rounded = None if exact is None or abs(exact) >= BEYOND else exact.quantize(_CENT, ROUND_HALF_UP)
    if exact is None or rounded is None or abs(exact - rounded) > Decimal("0.0001"):
        problems.append(_problem("sheet.cell", record.row, title))
    cents = int(rounded * 100) if rounded is not None else 0
    record.cents[key] = abs(cents) if key == "denied" else cents  # some payers write what they take off as negative


def number(text: str, decimal: str) -> Decimal | None:
    """An amount as people write it: currency, thousands marked, minus before, behind or as brackets; None for none."""
    plain = re.sub(r"(?i)^\s*\(?\s*r\$|\s", lambda found: "(" if "(" in found[0] else "", text)
    negative = plain.startswith(("(", "-")) or plain.endswith("-")
    plain = plain.strip("()-").removeprefix("R$")
    thousands = "." if decimal == "," else ","
    whole = rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|\d+"
    if not re.fullmatch(rf"(?:{whole})(?:{re.escape(decimal)}\d+)?", plain, re.ASCII):
        return None
    exact = Decimal(plain.replace(thousands, "").replace(decimal, "."))
    return -exact if negative else exact


def _day(plan: SheetPlan, text: str) -> str:
    """A day by one of the plan's formats, as AAAA-MM-DD; empty for none."""
    for shape in plan.dates:
        if shape == "serial":
            if re.fullmatch(r"\d{5}", text, re.ASCII):
                return (_EPOCH + datetime.timedelta(days=int(text))).isoformat()
            continue
        pattern = shape.replace("DD", "%d").replace("MM", "%m").replace("YYYY", "%Y").replace("YY", "%y")
        for candidate in (text, text.partition(" ")[0]):
            try:
                return datetime.datetime.strptime(candidate, pattern).replace(tzinfo=datetime.UTC).date().isoformat()
            except ValueError:
                continue
    return ""


def _is_total(plan: SheetPlan, row: Row, record: Record) -> bool:
    """A row that begins with a word for totals and names no item."""
    first = next((title(text_of(cell)) for cell in row.cells if text_of(cell)), "")
    words = tuple(title(word) for word in plan.totals)
    return first.startswith(words) and not record.text("code") and not record.text("entry")


def _is_remark(plan: SheetPlan, record: Record) -> bool:
    """A row that states no amount and lacks what every row of its own must say: a note, a page number."""
    needed = [key for key, one in plan.columns.items() if one.required and not one.fill and key not in AMOUNTS]
    return not record.cents and (not needed or not all(record.text(key) for key in needed))


@dataclass(slots=True)
class _Sums:
    """Sums since the last total and over all, to hold totals against."""

    part: dict[str, int] = field(default_factory=dict)
    whole: dict[str, int] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        for name, cents in record.cents.items():
            self.part[name] = self.part.get(name, 0) + cents
            self.whole[name] = self.whole.get(name, 0) + cents

    def compared(self, record: Record) -> Iterator[Problem]:
        """A finding for each amount of a total row that is neither the sum of its part nor of all rows above."""
        for name, cents in record.cents.items():
            if cents not in (self.part.get(name, 0), self.whole.get(name, 0)):
                args = (("row", str(record.row)), ("stated", money(cents)), ("counted", money(self.whole.get(name, 0))))
                yield Problem("sheet.total", f"linha {record.row}", args=args)
        self.part = {}


def _problem(code: str, row: int, column: str = "") -> Problem:
    where = f"linha {row}, coluna {column}" if column else f"linha {row}"
    return Problem(code, where, args=(("row", str(row)), ("column", column)))
