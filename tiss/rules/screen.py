"""Tells quickly that a guide breaks no rule, so that only the others are taken apart and explained.

A screen is made once for each different markup of a guide: which rules its elements could break at all, and where the
texts for those are. It errs on the careful side only: what it cannot judge is left to the rules themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tiss.rules.amounts import in_cents, item_cents, scaled
from tiss.rules.case import Given
from tiss.rules.checks import Check, checks
from tiss.rules.fragments import Fragment
from tiss.rules.items import FREE_TABLES, day
from tiss.rules.layout import Section
from tiss.rules.sums import part_roles, parts

Held = list[str]
_ITEMS = frozenset(("visit", "item-sadt", "expense"))
_KINDS = frozenset(("guiaConsulta", "guiaSP-SADT"))
_KEPT = ("operator", "number", "operator-number", "total")
_LINE = ("quantity", "factor", "unit", "total", "sequence", "table", "code", "date")
_VISIT = ("table", "code", "date", "total")
_LEFT = frozenset(("from", "until", "linked", "tooth"))  # roles whose rules are not screened
_FAR = "9999-12-31"


class _Part(NamedTuple):
    """A unit of the guide: its section and where each role's text is."""

    section: Section
    roles: dict[str, int]


@dataclass(slots=True, kw_only=True)
class Env:
    """What a check knows beside the message; remembers what the tables said of codes and units of measure."""

    given: Given
    wanted: frozenset[str]
    terms: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    measures: dict[str, bool] = field(default_factory=dict)

    def usable(self, table: str, code: str, on: str) -> bool:
        """Whether a code stands in its table and may be used on that day."""
        tables = self.given.tables
        if tables is None or table in FREE_TABLES:
            return True
        days = self.terms.get((table, code))
        if days is None:
            term = tables.tuss(table, code)
            days = (_FAR, "") if term is None else (term.since, term.until or _FAR)
            self.terms[table, code] = days
        return days[0] <= on <= days[1]

    def measured(self, code: str) -> bool:
        """Whether a unit of measure is in table 60."""
        known = self.measures.get(code)
        if known is None:
            tables = self.given.tables
            known = self.measures[code] = tables is None or tables.domain("60", code) is not None
        return known

    def __call__(self, fragment: Fragment, held: Held) -> tuple[Section, str, dict[str, str]] | None:
        """Section, path and the texts needed in any case of a guide that breaks no rule; None: look at it closely."""
        if self.wanted not in fragment.screens:
            fragment.screens[self.wanted] = make(fragment, self.wanted)
        screen = fragment.screens[self.wanted]
        if not isinstance(screen, Screen) or not screen.quiet(held, self):
            return None
        return screen.section, screen.path, {role: held[index] for role, index in screen.kept}


class Screen:
    """The screen of one markup."""

    __slots__ = ("_calls", "_compared", "_dates", "_guide", "_hours", "_lines", "_visit", "kept", "path", "section")

    def __init__(
        self, path: str, units: list[_Part], calls: list[tuple[int, Check]], compared: list[tuple[int, int]]
    ) -> None:
        guide, *rows = units
        self.section, self.path, self._guide = guide.section, path, guide.roles
        self.kept = [(role, guide.roles[role]) for role in _KEPT if role in guide.roles]
        self._calls: list[tuple[int, Check, dict[str, bool]]] = [(index, check, {}) for index, check in calls]
        self._compared = compared
        self._visit = guide.section.name == "guiaConsulta"
        if self._visit:
            self.kept.append(("total", rows[0].roles["total"]))
        self._dates = [row.roles["date"] for row in rows]
        self._hours = [(row.roles["begin"], row.roles["end"]) for row in rows if {"begin", "end"} <= row.roles.keys()]
        roles = _VISIT if self._visit else _LINE
        self._lines = [
            (tuple(row.roles[role] for role in roles), row.roles.get("expense", -1), row.roles.get("measure", -1))
            for row in rows
        ]

    def quiet(self, held: Held, env: Env) -> bool:
        """Whether no rule finds anything in a guide with these texts."""
        for index, check, known in self._calls:
            text = held[index]
            called = known.get(text)
            if called is None:
                called = known[text] = check.applies(text.strip())
            if called:
                return False
        for later, earlier in self._compared:
            if held[later] < held[earlier]:
                return False
        return (
            self._in_time(held, env.given.last_day)
            and self._placed(held, env)
            and self._distinct(held)
            and (self._seen(held, env) if self._visit else self._billed(held, env))
        )

    def _in_time(self, held: Held, limit: str) -> bool:
        days = {held[index] for index in self._dates}
        if not all(day(text) == text for text in days):
            return False
        first, last = min(days, default=_FAR), max(days, default="")
        authorised, expires = self._guide.get("authorised", -1), self._guide.get("password-until", -1)
        if limit and last > limit:
            return False
        if (authorised >= 0 and first < held[authorised]) or (expires >= 0 and last > held[expires]):
            return False
        return all(held[begin] <= held[end] for begin, end in self._hours)

    def _placed(self, held: Held, env: Env) -> bool:
        """The CNES is one of the CNPJ beside it, where the contract knows it."""
        cnpj, cnes = self._guide.get("provider-cnpj", -1), self._guide.get("provider-cnes", -1)
        known = env.given.contract.places.get(held[cnpj]) if cnpj >= 0 <= cnes else None
        return known is None or held[cnes] in known

    def _distinct(self, held: Held) -> bool:
        """No two lines with one code on one day at one hour."""
        code, on = (1, 2) if self._visit else (6, 7)
        if len(self._hours) == len(self._lines):
            keys = {
                (held[line[code]], held[line[on]], held[b])
                for (line, _, _), (b, _) in zip(self._lines, self._hours, strict=True)
            }
        else:
            keys = {(held[line[code]], held[line[on]], "") for line, _, _ in self._lines}
        return len(keys) == len(self._lines)

    def _seen(self, held: Held, env: Env) -> bool:
        return all(env.usable(held[table], held[code], held[on]) for (table, code, on, _), _, _ in self._lines)

    def _billed(self, held: Held, env: Env) -> bool:
        """Sequence, codes and sums of the lines, and the totals over them."""
        totals: dict[str, int] = {}
        for number, (line, expense, measure) in enumerate(self._lines, start=1):
            quantity, factor, unit, total, sequence, table, code, on = [held[index] for index in line]
            stated = _product(quantity, factor, unit, total)
            if stated is None or sequence != str(number) or not env.usable(table, code, on):
                return False
            part = "procedures"
            if expense >= 0:
                part = held[expense]
                known = parts().get(part)
                if known is None or known.anvisa or table not in known.tables:
                    return False
            elif table in ("19", "20") or code[:1] == "3":
                return False
            if measure >= 0 and not env.measured(held[measure]):
                return False
            totals[part] = totals.get(part, 0) + stated
        return self._totalled(held, totals)

    def _totalled(self, held: Held, totals: dict[str, int]) -> bool:
        get = self._guide.get
        for role, key, _ in part_roles():
            index = get(role, -1)
            if totals.get(key, 0) != (in_cents(held[index]) if index >= 0 else 0):
                return False
        index = get("total", -1)
        return index >= 0 and in_cents(held[index]) == sum(totals.values())


def _product(quantity: str, factor: str, unit: str, total: str) -> int | None:
    """The stated total in cents when it is the product; None when not."""
    amount, rate, price, stated = scaled(quantity), scaled(factor), scaled(unit), scaled(total)
    if not amount or not rate or price is None or stated is None or amount < 0 or rate < 0:
        return None
    cents = (stated + 50) // 100
    return cents if cents == item_cents(amount, price, rate) else None


def make(fragment: Fragment, wanted: frozenset[str]) -> Screen | None:
    """The screen of a guide's markup; None when it is no whole guide, or one whose rules are not screened."""
    units = _units(fragment)
    if not units or fragment.blank or units[0].section.name not in _KINDS:
        return None
    visit = units[0].section.name == "guiaConsulta"
    for row in units[1:]:
        needed = _VISIT if visit else _LINE
        if row.section.name not in _ITEMS or not set(needed) <= row.roles.keys():
            return None
    if any(_LEFT & unit.roles.keys() for unit in units) or len(units) < 2 or (visit and len(units) > 2):
        return None
    calls: list[tuple[int, Check]] = []
    compared: list[tuple[int, int]] = []
    for unit in units:
        for check in _rows(unit, wanted):
            if not _judge(check, unit, units[0], calls, compared):
                return None
    return Screen(fragment.groups[0].path, units, calls, compared)


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
    check: Check, unit: _Part, guide: _Part, calls: list[tuple[int, Check]], compared: list[tuple[int, int]]
) -> bool:
    """Put down what a check depends on; False when it cannot be screened, or fails by the markup alone."""
    roles = unit.roles
    if check.when:
        if check.when not in roles:
            return not check.applies("")
        if not check.state:
            calls.append((roles[check.when], check))
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
