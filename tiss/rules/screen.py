"""Tells quickly that guides break no rule, so that only the others are taken apart and explained.

A screen is made once for each different markup of a guide: which rules its elements could break at all, and where the
texts for those are. It looks at all guides of that markup at once, text by text (`columns`), and names those that may
break a rule. It errs on the careful side only: what it cannot judge is left to the rules themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import add
from typing import NamedTuple

from tiss.rules.amounts import all_in_cents, in_cents, item_cents, scaled
from tiss.rules.case import Given
from tiss.rules.checks import Check, checks
from tiss.rules.columns import Column, Columns, apart, complete, different, distinct, exact, less, others, pairs
from tiss.rules.items import FREE_TABLES, day
from tiss.rules.layout import Section
from tiss.rules.pieces import Fragment
from tiss.rules.runs import Passed, Run
from tiss.rules.sums import part_roles, parts

_ITEMS = frozenset(("visit", "item-sadt", "expense"))
_KINDS = frozenset(("guiaConsulta", "guiaSP-SADT"))
_KEPT = ("operator", "number", "operator-number", "total")
_LINE = ("quantity", "factor", "unit", "total", "sequence", "table", "code", "date")
_VISIT = ("table", "code", "date", "total")
_LEFT = frozenset(("from", "until", "linked", "tooth"))  # roles whose rules are not screened
_FAR = "9999-12-31"
_MOST_KNOWN = 10_000
_PROCEDURES = "procedures"
_EXPENSES = ("19", "20")  # tables of materials and medicines


class _Part(NamedTuple):
    """A unit of the guide: its section and where each role's text is."""

    section: Section
    roles: dict[str, int]


class _Line(NamedTuple):
    """Where the texts of a line are; -1 where it has none."""

    table: int
    code: int
    date: int
    total: int
    begin: int = -1
    end: int = -1
    quantity: int = -1
    factor: int = -1
    unit: int = -1
    sequence: int = -1
    expense: int = -1
    measure: int = -1


class _Judged:
    """Texts of one place that call for a closer look, or do not; each different one is judged once."""

    __slots__ = ("_calls", "_good", "index")

    def __init__(self, index: int, calls: list[Callable[[str], bool]]) -> None:
        self.index, self._calls = index, calls
        self._good: set[str] = set()

    def suspects(self, column: Column) -> Iterator[int]:
        """The rows with a text that calls for a look."""
        if self._good.issuperset(column):
            return iter(())
        new = set(column) - self._good
        called = {text for text in new if any(call(text.strip()) for call in self._calls)}
        if len(self._good) > _MOST_KNOWN:
            self._good.clear()
        self._good |= new - called
        return (row for row, text in enumerate(column) if text in called)


@dataclass(slots=True, kw_only=True)
class Env:
    """What a check knows beside the message; remembers what the tables said of codes and units of measure."""

    given: Given
    wanted: frozenset[str]
    terms: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    measures: dict[str, bool] = field(default_factory=dict)

    def term(self, table: str, code: str) -> tuple[str, str]:
        """The first and last day a code may be used; the last before the first for one its table does not have."""
        tables = self.given.tables
        if tables is None or table in FREE_TABLES:
            return "", _FAR
        days = self.terms.get((table, code))
        if days is None:
            known = tables.tuss(table, code)
            days = (_FAR, "") if known is None else (known.since, known.until or _FAR)
            self.terms[table, code] = days
        return days

    def usable(self, pairs: Iterable[tuple[str, str]], first: str, last: str) -> bool:
        """Whether all codes (table, code) may be used from the first to the last day."""
        terms = [self.term(*pair) for pair in pairs]
        return all(since <= first and last <= until for since, until in terms)

    def unusable(self, tables: Column, codes: Column, days: Column) -> Iterator[int]:
        """The rows with a code that does not stand in its table or may not be used on that day."""
        for row, (table, code, on) in enumerate(zip(tables, codes, days, strict=True)):
            since, until = self.term(table, code)
            if not since <= on <= until:
                yield row

    def measured(self, code: str) -> bool:
        """Whether a unit of measure is in table 60."""
        known = self.measures.get(code)
        if known is None:
            tables = self.given.tables
            known = self.measures[code] = tables is None or tables.domain("60", code) is not None
        return known

    def __call__(self, run: Run) -> Passed | None:
        """What is left to look at of the guides of a run; None: look closely at every one."""
        screens = run.fragment.screens
        if self.wanted not in screens:
            screens[self.wanted] = make(run.fragment, self.wanted)
        screen = screens[self.wanted]
        if not isinstance(screen, Screen):
            return None
        kept = [run.columns[index] for index in screen.kept.values()]
        return Passed(screen.section, screen.path, tuple(screen.kept), kept, screen.suspects(run.columns, self))


class Screen:
    """The screen of one markup."""

    __slots__ = ("_compared", "_guide", "_judged", "_lines", "_visit", "kept", "path", "section")

    def __init__(
        self, path: str, guide: _Part, lines: list[_Line], judged: list[_Judged], compared: list[tuple[int, int]]
    ) -> None:
        self.section, self.path, self._guide = guide.section, path, guide.roles
        self._lines, self._judged, self._compared = lines, judged, compared
        self._visit = guide.section.name == "guiaConsulta"
        self.kept = {role: guide.roles[role] for role in _KEPT if role in guide.roles}
        if self._visit:
            self.kept["total"] = lines[0].total

    def suspects(self, columns: Columns, env: Env) -> set[int]:
        """The rows a rule might find something in."""
        found = set(self._misbilled(columns, env)) if not self._visit else set()
        for judged in self._judged:
            found.update(judged.suspects(columns[judged.index]))
        for later, earlier in self._compared:
            found.update(less(columns[later], columns[earlier]))
        found.update(self._untimely(columns, env))
        found.update(self._misplaced(columns, env))
        found.update(self._repeated(columns))
        return found

    def _untimely(self, columns: Columns, env: Env) -> Iterator[int]:
        """Days after the last possible one, outside the authorisation's or the code's; hours that end too early."""
        limit = env.given.last_day
        authorised, expires = self._guide.get("authorised", -1), self._guide.get("password-until", -1)
        dates = different(columns[line.date] for line in self._lines)
        days = set[str]().union(*dates)
        wrong = {text for text in days if day(text) != text or (limit and text > limit)}
        codes = (pairs(columns[line.table], columns[line.code]) for line in self._lines)
        usable = env.usable(set[tuple[str, str]]().union(*codes), min(days), max(days))
        for own in dates:
            if wrong:
                yield from (row for row, text in enumerate(own) if text in wrong)
            if authorised >= 0:
                yield from less(own, columns[authorised])
            if expires >= 0:
                yield from less(columns[expires], own)
        for line in self._lines:
            if not usable:
                yield from env.unusable(columns[line.table], columns[line.code], columns[line.date])
            if line.begin >= 0 and line.end >= 0:
                yield from less(columns[line.end], columns[line.begin])

    def _misplaced(self, columns: Columns, env: Env) -> Iterator[int]:
        """A CNES that is none of the CNPJ beside it, where the contract knows those."""
        cnpj, cnes = self._guide.get("provider-cnpj", -1), self._guide.get("provider-cnes", -1)
        places = env.given.contract.places
        if not places or cnpj < 0 or cnes < 0:
            return
        for row, (owner, place) in enumerate(zip(columns[cnpj], columns[cnes], strict=True)):
            if owner in places and place not in places[owner]:
                yield row

    def _repeated(self, columns: Columns) -> Iterator[int]:
        """Two lines with one code on one day at one hour."""
        lines = self._lines
        timed = all(line.begin >= 0 and line.end >= 0 for line in lines)
        if len(lines) < 2 or (timed and distinct([columns[line.begin] for line in lines])):
            return
        keys = [
            list(zip(columns[line.code], columns[line.date], columns[line.begin if timed else line.date], strict=True))
            for line in lines
        ]
        yield from (row for row, of_row in enumerate(zip(*keys, strict=True)) if len(set(of_row)) < len(lines))

    def _misbilled(self, columns: Columns, env: Env) -> Iterator[int]:
        """Wrong sequences, kinds of expense, units of measure, sums of lines and totals over them."""
        sums: dict[str, list[int]] = {}
        for number, line in enumerate(self._lines, start=1):
            yield from others(columns[line.sequence], str(number))
            if line.measure >= 0:
                unknown = {text for text in set(columns[line.measure]) if not env.measured(text)}
                yield from (row for row, text in enumerate(columns[line.measure]) if text in unknown)
            told = all_in_cents(columns[line.total])
            totals = told if complete(told) else [cents or 0 for cents in told]
            yield from _wrong_product(columns, line, totals)
            for part, amounts in _of_parts(columns, line, totals):
                sums[part] = list(map(add, sums[part], amounts)) if part in sums else amounts
            if line.expense >= 0:
                yield from _unknown_expense(columns[line.expense], columns[line.table])
        none = [0] * len(columns[0])
        for role, key, _ in part_roles():
            index = self._guide.get(role, -1)
            if index >= 0 or key in sums:
                yield from apart(all_in_cents(columns[index]) if index >= 0 else none, sums.get(key, none))
        whole = none
        for amounts in sums.values():
            whole = list(map(add, whole, amounts))
        yield from apart(all_in_cents(columns[self._guide["total"]]), whole)


def _of_parts(columns: Columns, line: _Line, totals: list[int]) -> Iterator[tuple[str, list[int]]]:
    """The totals of a line, in cents, by the part of the guide's total they belong to."""
    if line.expense < 0:
        yield _PROCEDURES, totals
        return
    kinds = columns[line.expense]
    different = set(kinds)
    for kind in different:
        alone = len(different) == 1
        yield kind, totals if alone else [n if k == kind else 0 for n, k in zip(totals, kinds, strict=True)]


def _unknown_expense(kinds: Column, tables: Column) -> Iterator[int]:
    """Rows whose kind of expense is unknown, wants the fields of ANVISA, or does not go with the table."""
    wrong = set()
    for kind, table in pairs(kinds, tables):
        known = parts().get(kind)
        if known is None or known.anvisa or table not in known.tables:
            wrong.add((kind, table))
    if wrong:
        yield from (row for row, pair in enumerate(zip(kinds, tables, strict=True)) if pair in wrong)


def _wrong_product(columns: Columns, line: _Line, totals: list[int]) -> Iterator[int]:
    """The rows of a line whose total is not, to the cent, quantity times price times factor."""
    amounts, prices, rates = columns[line.quantity], columns[line.unit], columns[line.factor]
    if exact(prices, (amounts, rates), totals):
        return
    for row, texts in enumerate(zip(amounts, prices, rates, columns[line.total], strict=True)):
        amount, price, rate = map(scaled, texts[:3])
        good = amount is not None and price is not None and rate is not None and amount > 0 and rate > 0
        if not good or in_cents(texts[3]) != item_cents(amount or 0, price or 0, rate or 0):
            yield row


def make(fragment: Fragment, wanted: frozenset[str]) -> Screen | None:
    """The screen of a guide's markup; None when it is no whole guide, or one whose rules are not screened."""
    units = _units(fragment)
    if len(units) < 2 or fragment.blank or units[0].section.name not in _KINDS:
        return None
    guide, *rows = units
    visit = guide.section.name == "guiaConsulta"
    needed = frozenset(_VISIT if visit else _LINE)
    if any(row.section.name not in _ITEMS or not needed <= row.roles.keys() for row in rows):
        return None
    if any(_LEFT & unit.roles.keys() for unit in units) or (visit and len(rows) > 1):
        return None
    if not visit and "total" not in guide.roles:
        return None
    calls: dict[int, list[Callable[[str], bool]]] = {}
    compared: list[tuple[int, int]] = []
    for unit in units:
        for check in _rows(unit, wanted):
            if not _judge(check, unit, guide, calls, compared):
                return None
    lines = [_Line(**{role: index for role, index in row.roles.items() if role in _Line._fields}) for row in rows]
    for line in () if visit else lines:
        if line.expense < 0:
            calls.setdefault(line.table, []).append(_EXPENSES.__contains__)
            calls.setdefault(line.code, []).append(lambda code: code[:1] == "3")
    judged = [_Judged(index, asked) for index, asked in calls.items()]
    return Screen(fragment.groups[0].path, guide, lines, judged, compared)


def _units(fragment: Fragment) -> list[_Part]:
    """The guide and its lines; empty when the piece is something else."""
    units: list[_Part] = []
    stack: list[_Part] = []
    for group in fragment.groups:
        for _ in range(min(group.ends, len(stack))):
            stack.pop()
        if group.section is not None:
            if len(stack) > 1 or (units and not stack):
                return []
            stack.append(_Part(group.section, dict(zip(group.roles, group.indexes, strict=True))))
            units.append(stack[-1])
        elif stack:
            stack[-1].roles.update(zip(group.roles, group.indexes, strict=True))
        elif group.roles:
            return []
        if group.empty:
            return []
    return units if not stack else []


def _rows(unit: _Part, wanted: frozenset[str]) -> Iterator[Check]:
    known = checks(wanted).get(unit.section.name)
    return iter(known.rows if known is not None else ())


def _judge(
    check: Check,
    unit: _Part,
    guide: _Part,
    calls: dict[int, list[Callable[[str], bool]]],
    compared: list[tuple[int, int]],
) -> bool:
    """Put down what a check depends on; False when it cannot be screened, or fails by the markup alone."""
    roles = unit.roles
    if check.when:
        if check.when not in roles:
            return not check.applies("")
        if not check.state:
            calls.setdefault(roles[check.when], []).append(check.applies)
            return True
        return not check.applies("x") or (check.must == "absent" and check.role not in roles)
    if check.must == "present":
        return check.role in roles
    if check.must == "one-of":
        return any(role in roles for role in (check.role, *check.than.split()))
    if check.must not in ("at-least", "at-most"):
        return check.must in ("positive", "shape") and check.role not in roles
    if check.role not in roles:
        return True
    around = guide.roles if check.than.startswith("^") else roles
    other = around.get(check.than.lstrip("^"))
    if other is None:
        return check.than in unit.section.paths or check.than.startswith("^")
    pair = (roles[check.role], other)
    compared.append(pair if check.must == "at-least" else pair[::-1])
    return True
