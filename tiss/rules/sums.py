"""sum.*: items, parts and totals of a guide to the cent; `totals.csv` for every other message that states a sum."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

from tiss.rules.amounts import in_cents, item_cents, scaled
from tiss.rules.case import FOLDER, Findings, Given
from tiss.rules.layout import Unit
from tiss.wire.amounts import text as money

ITEMS = frozenset(("visit", "item-sadt", "item-stay", "item-fee", "expense", "tooth"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One codigoDespesa: the total it adds to, the TUSS tables its items come from, those that ask for the ANVISA's
    registration.
    """

    element: str
    tables: frozenset[str]
    anvisa: frozenset[str]


@cache
def parts() -> dict[str, Part]:
    """The parts of a guide's total by codigoDespesa (`parts.csv`)."""
    with (FOLDER / "parts.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["expense"]: Part(
                element=row["part"],
                tables=frozenset(row["tables"].split()),
                anvisa=frozenset(row["anvisa"].split()),
            )
            for row in csv.DictReader(file)
        }


def sums(guide: Unit, given: Given, found: Findings) -> None:
    """sum.item, sum.quantity, sum.factor, sum.no-items, sum.procedures, sum.part, sum.total.

    A total that holds the right products is right, though a line in it is not: only the line is told of.
    """
    stated: dict[str, int] = {}
    right: dict[str, int] = {}
    for row in guide.rows:
        if row.section.name not in ITEMS:
            continue
        line = _item(row, given, found)
        part = row.texts.get("expense", "") if row.section.name == "expense" else "procedures"
        if line is None or (part != "procedures" and part not in parts()):
            return  # the schema tells of a value that is missing or unknown; sums over it would mislead
        stated[part] = stated.get(part, 0) + line[0]
        right[part] = right.get(part, 0) + line[1]
    if not stated and _billed_without_items(guide, found):
        return
    if "procedures" in guide.section.paths:
        _parts(guide, stated, right, found)
    _total(guide, sum(stated.values()), sum(right.values()), found)


def _billed_without_items(guide: Unit, found: Findings) -> bool:
    """sum.no-items: a guide that states amounts and has nothing they could be the sum of; no total of it is wrong."""
    for role in ("total", *(role for role, _, _ in part_roles())):
        if amount := in_cents(guide.texts.get(role)):
            found.at("sum.no-items", guide, role, stated=money(amount))
            return True
    return False


def _total(guide: Unit, lines: int, products: int, found: Findings) -> None:
    total = in_cents(guide.texts.get("total"))
    if total is not None and total not in (lines, products):
        found.at("sum.total", guide, "total", stated=money(total), right=money(lines))


def _item(row: Unit, given: Given, found: Findings) -> tuple[int, int] | None:
    """The stated total of a line in cents, and the right one; the product is compared with the stated one."""
    get = row.texts.get
    quantity, factor = scaled(get("quantity", "")), scaled(get("factor", ""))
    unit, total = scaled(get("unit", "")), scaled(get("total", ""))
    if quantity is None or factor is None or unit is None or total is None:
        return None
    stated = (total + 50) // 100
    if quantity > 0 and factor > 0:
        right = item_cents(quantity, unit, factor)
        if right == stated or abs(right - stated) <= given.contract.tolerance_cents:
            return stated, stated
        found.at("sum.item", row, "total", stated=money(stated), right=money(right))
        return stated, right
    if quantity <= 0:
        found.at("sum.quantity", row, "quantity")
    if factor <= 0:
        found.at("sum.factor", row, "factor")
    return stated, stated


def _parts(guide: Unit, lines: dict[str, int], products: dict[str, int], found: Findings) -> None:
    off: dict[str, int] = {}
    for role, key, _ in part_roles():
        text = guide.texts.get(role)
        stated = (in_cents(text) or 0) if text else 0
        if stated not in (lines.get(key, 0), products.get(key, 0)):
            off[role] = stated
    if off and _misfiled(guide, off, lines):
        return
    for role, key, name in part_roles():
        if role in off:
            code = "sum.procedures" if key == "procedures" else "sum.part"
            found.at(code, guide, role, part=name, stated=money(off[role]), right=money(lines.get(key, 0)))


def _misfiled(guide: Unit, off: dict[str, int], lines: dict[str, int]) -> bool:
    """Whether expenses under the wrong kind, which is told of at each, are why these parts (role, cents) are off."""
    keys = {role: key for role, key, _ in part_roles()}
    if sum(stated - lines.get(keys[role], 0) for role, stated in off.items()):
        return False
    moved: set[str] = set()
    for row in guide.rows:
        kind, table = row.texts.get("expense"), row.texts.get("table", "")
        if kind in parts() and table not in parts()[kind].tables:
            moved |= {kind, *(other for other, part in parts().items() if table in part.tables)}
    return {keys[role] for role in off} <= moved


@cache
def part_roles() -> tuple[tuple[str, str, str], ...]:
    """Role, key and element of each part of a total: procedures, and every codigoDespesa."""
    rest = tuple((f"part-{code}", code, part.element) for code, part in parts().items())
    return (("procedures", "procedures", "valorProcedimentos"), *rest)


def dental(guide: Unit, _given: Given, found: Findings) -> None:
    """sum.dental: the totals of a dental guide are the sums of its lines, counted once or times their quantity."""
    rows = list(guide.every("tooth", "request-tooth"))
    for role in ("total", "units", "franchise"):
        stated = in_cents(guide.texts.get(role))
        values = [in_cents(row.texts.get(role) or "0") for row in rows]
        if stated is None or None in values or not any(row.texts.get(role) for row in rows):
            continue
        once = sum(value or 0 for value in values)
        times = sum((value or 0) * _whole(row.texts.get("quantity")) for value, row in zip(values, rows, strict=True))
        if stated not in (once, times):
            found.at(
                "sum.dental", guide, role, element=guide.section.paths[role], stated=money(stated), right=money(once)
            )


def _whole(text: str | None) -> int:
    value = scaled(text or "")
    return value // 10_000 if value else 1


class Total:
    """One row of `totals.csv`: `role` of a unit is the sum of `plus` less `minus` over the units of `of` inside it,
    or, with `of` empty, of its own roles.
    """

    __slots__ = ("code", "minus", "of", "plus", "role")

    def __init__(self, row: dict[str, str]) -> None:
        self.code, self.role, self.of = row["code"], row["role"], frozenset(row["of"].split())
        self.plus, self.minus = tuple(row["plus"].split()), tuple(row["minus"].split())

    def check(self, unit: Unit, found: Findings) -> None:
        """Record a finding when the stated value differs; silent where a value is missing or no number."""
        stated = in_cents(unit.texts.get(self.role))
        inside = [row for row in unit.below() if row.section.name in self.of] if self.of else [unit]
        if stated is None or not inside:
            return
        right = 0
        for row in inside:
            for sign, roles in ((1, self.plus), (-1, self.minus)):
                for role in roles:
                    value = in_cents(row.texts.get(role))
                    if value is None:
                        return
                    right += sign * value
        if stated != right:
            name = unit.section.paths[self.role].rpartition("/")[2]
            found.at(self.code, unit, self.role, element=name, stated=money(stated), right=money(right))


@cache
def totals() -> dict[str, tuple[Total, ...]]:
    """The rows of `totals.csv` by section."""
    found: dict[str, tuple[Total, ...]] = {}
    with (FOLDER / "totals.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["section"]] = (*found.get(row["section"], ()), Total(row))
    return found
