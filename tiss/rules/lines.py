"""Rules on one guide and its lines: sums, sequence, dates, codes, validation, OPME, stay. One function per `rule`."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

from tiss.amounts import text as money
from tiss.rules.case import FOLDER, Findings, Given, Guide, Row, rules, shown
from tiss.tables import Tables

Function = Callable[[Guide, Given, Findings], None]
FREE_TABLES = frozenset(("00", "90", "98"))
_SCALE = 10_000
_NUMBER = re.compile(r"\s*([+-]?)(\d+)(?:\.(\d{0,4}))?\s*\Z", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d:\d\d", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One codigoDespesa: the total it adds to, the TUSS tables its items come from, whether ANVISA fields are asked."""

    element: str
    tables: frozenset[str]
    anvisa: bool


@cache
def parts() -> dict[str, Part]:
    """The parts of a guide's total by codigoDespesa (`parts.csv`)."""
    with (FOLDER / "parts.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["expense"]: Part(
                element=row["part"], tables=frozenset(row["tables"].split()), anvisa=row["anvisa"] == "required"
            )
            for row in csv.DictReader(file)
        }


@cache
def functions(kind: str) -> tuple[Function, ...]:
    """The rule functions that apply to a guide kind, each once."""
    asked = {row.rule for row in rules().values() if not row.kinds or kind in row.kinds}
    return tuple(function for name, function in _RULES.items() if name in asked)


@lru_cache(maxsize=65_536)
def scaled(text: str) -> int | None:
    """A decimal of up to four places as a whole number of ten-thousandths; None when it is none."""
    match = _NUMBER.match(text)
    if match is None:
        return None
    value = int(match[2]) * _SCALE + int((match[3] or "").ljust(4, "0"))
    return -value if match[1] == "-" else value


def item_cents(quantity: int, unit: int, factor: int) -> int:
    """quantidade × valorUnitario × reducaoAcrescimo in cents, half up, from ten-thousandths."""
    return (quantity * unit * factor + 5 * 10**9) // 10**10


def sums(guide: Guide, given: Given, found: Findings) -> None:
    """sum.*: each item's total, each part, the parts' sum and the guide's total."""
    totals: dict[str, int] = {}
    for row in guide.rows:
        total = _item(guide, row, given, found)
        if total is None:
            return  # the schema tells of a value that is missing or no number; sums over it would mislead
        part = row.texts.get("expense", "") if row.layout.role == "expense" else "procedures"
        totals[part] = totals.get(part, 0) + total
    if "procedures" in guide.paths:
        _parts(guide, totals, found)
    elif (stated := _cents(guide.texts.get("total"))) is not None and stated != sum(totals.values()):
        found.add(
            "sum.total",
            guide.at("total"),
            guide=guide.position,
            stated=money(stated),
            right=money(sum(totals.values())),
        )


def _item(guide: Guide, row: Row, given: Given, found: Findings) -> int | None:
    """The stated total of a line in cents, after comparing it with the product."""
    texts = row.texts
    quantity, factor = scaled(texts.get("quantity", "")), scaled(texts.get("factor", ""))
    unit, stated = scaled(texts.get("unit", "")), _cents(texts.get("total"))
    if quantity is None or factor is None or unit is None or stated is None:
        return None
    if quantity <= 0:
        found.add("sum.quantity", guide.in_row(row, "quantity"), guide=guide.position, item=_sequence(row))
    if factor <= 0:
        found.add("sum.factor", guide.in_row(row, "factor"), guide=guide.position, item=_sequence(row))
    right = item_cents(quantity, unit, factor)
    if abs(right - stated) > given.contract.tolerance_cents and quantity > 0 and factor > 0:
        found.add(
            "sum.item",
            guide.in_row(row, "total"),
            guide=guide.position,
            item=_sequence(row),
            stated=money(stated),
            right=money(right),
        )
    return stated


def _parts(guide: Guide, totals: dict[str, int], found: Findings) -> None:
    stated_sum, names = 0, {"procedures": "valorProcedimentos"} | {code: part.element for code, part in parts().items()}
    for key, name in names.items():
        role = key if key == "procedures" else f"part-{key}"
        stated, right = _cents(guide.texts.get(role)) or 0, totals.get(key, 0)
        stated_sum += stated
        if stated != right:
            code = "sum.procedures" if key == "procedures" else "sum.part"
            found.add(code, guide.at(role), guide=guide.position, part=name, stated=money(stated), right=money(right))
    total = _cents(guide.texts.get("total"))
    if total is None:
        return
    if total != sum(totals.values()):
        right = sum(totals.values())
        found.add("sum.total", guide.at("total"), guide=guide.position, stated=money(total), right=money(right))
    elif total != stated_sum:
        found.add("sum.parts", guide.at("total"), guide=guide.position, stated=money(total), right=money(stated_sum))


def _cents(text: str | None) -> int | None:
    value = scaled(text) if text is not None else None
    return None if value is None else (value + 50) // 100


def _named(guide: Guide, row: Row) -> dict[str, str | int]:
    """How a finding names a line: the guide's position in the batch and the line's number."""
    return {"guide": guide.position, "item": _sequence(row)}


def _sequence(row: Row) -> str:
    text = row.texts.get("sequence", "").strip()
    return text if text.isascii() and text.isdigit() and len(text) <= 4 else str(row.position)


def sequence(guide: Guide, _given: Given, found: Findings) -> None:
    """sum.sequence, duplicate.sequence, sum.linked: sequencialItem runs 1, 2, 3 … over all lines, each once."""
    seen: dict[int, Row] = {}
    for row in guide.rows:
        text = row.texts.get("sequence")
        if text is None or not text.strip().isdigit():
            return
        number = int(text)
        if number in seen:
            found.add("duplicate.sequence", guide.in_row(row, "sequence"), guide=guide.position, item=number)
        seen.setdefault(number, row)
    missing = next((n for n in range(1, len(seen) + 1) if n not in seen), 0)
    if missing:
        row = seen[min((n for n in seen if n > missing), default=max(seen))]
        found.add(
            "sum.sequence", guide.in_row(row, "sequence"), guide=guide.position, item=_sequence(row), missing=missing
        )
    for row in guide.rows:
        linked = row.texts.get("linked", "").strip()
        if linked.isdigit() and int(linked) not in seen:
            found.add("sum.linked", guide.in_row(row, "linked"), guide=guide.position, item=_sequence(row))


@lru_cache(maxsize=4096)
def day(text: str | None) -> str:
    """The ISO day of an xs:date without zone; empty when it is none."""
    return text.strip()[:10] if text and _DAY.match(text.strip()) else ""


def dates(guide: Guide, given: Given, found: Findings) -> None:
    """date.*: nothing done in the future or outside the stay, begin before end, authorisation before execution."""
    texts = guide.texts
    limit = given.last_day
    first, last = day(texts.get("from")), day(texts.get("until"))
    authorised, expires = day(texts.get("authorised")), day(texts.get("password-until"))
    if first and last and (first, texts.get("from-time", "")) > (last, texts.get("until-time", "~")):
        found.add("date.order", guide.at("until"), guide=guide.position)
    for row in guide.rows:
        on = day(row.texts.get("date"))
        if not on:
            continue
        if limit and on > limit:
            found.add("date.future", guide.in_row(row, "date"), **_named(guide, row))
        if (first and on < first) or (last and on > last):
            found.add("date.stay", guide.in_row(row, "date"), **_named(guide, row))
        if expires and on > expires:
            found.add("date.password", guide.in_row(row, "date"), **_named(guide, row))
        if authorised and on < authorised:
            found.add("date.authorisation", guide.in_row(row, "date"), **_named(guide, row))
        begin, end = row.texts.get("begin", ""), row.texts.get("end", "")
        if begin > end and _TIME.match(begin) and _TIME.match(end) and begin[8:] == end[8:]:
            found.add("date.hours", guide.in_row(row, "end"), **_named(guide, row))


def duplicates(guide: Guide, _given: Given, found: Findings) -> None:
    """duplicate.item: two lines with the same table, code, day and hour."""
    seen: set[tuple[str | None, ...]] = set()
    key: tuple[str | None, ...]
    for row in guide.rows:
        texts = row.texts
        key = (texts.get("table"), texts.get("code"), texts.get("date"), texts.get("begin"), texts.get("end"))
        if texts.get("begin") is None:
            key += (texts.get("quantity"), texts.get("total"))
        if key in seen and texts.get("code"):
            found.add("duplicate.item", row.place, guide=guide.position, item=_sequence(row))
        seen.add(key)


def codes(guide: Guide, given: Given, found: Findings) -> None:
    """table.code, table.wrong-table, table.not-in-force, table.expense-kind, table.measure."""
    tables, known = given.tables, parts()
    for row in guide.rows:
        texts = row.texts
        table, code, kind = texts.get("table", "").strip(), texts.get("code", "").strip(), texts.get("expense", "")
        if tables is not None and table and code and table not in FREE_TABLES:
            verdict = _judge(tables, table, code, day(texts.get("date")))
            if verdict is not None:
                name, args = verdict
                found.add(
                    name, guide.in_row(row, "code"), **_named(guide, row), code=shown(code), table=shown(table), **args
                )
        part = known.get(kind)
        if part is not None and table and table not in part.tables:
            found.add("table.expense-kind", guide.in_row(row, "expense"), **_named(guide, row), table=shown(table))
        measure = texts.get("measure")
        if measure and tables is not None and tables.domain("60", measure.strip()) is None:
            found.add("table.measure", guide.in_row(row, "measure"), **_named(guide, row))


def _judge(tables: Tables, table: str, code: str, on: str) -> tuple[str, dict[str, str]] | None:
    term = tables.tuss(table, code)
    if term is None:
        others = tables.tables_of(code)
        return ("table.wrong-table", {"right": others[0]}) if others else ("table.code", {})
    if on and not term.on_day(on):
        return "table.not-in-force", {"since": term.since or "-", "until": term.until or "-"}
    return None


def opme(guide: Guide, _given: Given, found: Findings) -> None:
    """table.anvisa: OPME carries registroANVISA, codigoRefFabricante and autorizacaoFuncionamento."""
    for row in guide.rows:
        part = parts().get(row.texts.get("expense", ""))
        if part is None or not part.anvisa:
            continue
        for role in ("anvisa", "reference", "licence"):
            if not row.texts.get(role, "").strip():
                name = row.layout.paths[role].rpartition("/")[2]
                found.add(
                    "table.anvisa", guide.in_row(row, role), guide=guide.position, item=_sequence(row), field=name
                )


def validation(guide: Guide, _given: Given, found: Findings) -> None:
    """table.validation: codValidacao or its absence, not both."""
    if guide.texts.get("absence", "").strip() and guide.texts.get("validation", "").strip():
        found.add("table.validation", guide.at("absence"), guide=guide.position)


def visit(guide: Guide, _given: Given, found: Findings) -> None:
    """table.visit-kind: tipoAtendimento 04 needs tipoConsulta."""
    if guide.texts.get("attendance", "").strip() == "04" and not guide.texts.get("visit-kind", "").strip():
        found.add("table.visit-kind", guide.at("visit-kind"), guide=guide.position)


def stay(guide: Guide, _given: Given, found: Findings) -> None:
    """table.death for motivos 41-43, table.birth for 61-67 without a declaration."""
    ending = guide.texts.get("ending", "").strip()
    if ending in ("41", "42", "43") and not guide.texts.get("death", "").strip():
        found.add("table.death", guide.at("death"), guide=guide.position)
    if ending in ("61", "62", "63", "64", "65", "66", "67") and not guide.texts.get("born", "").strip():
        found.add("table.birth", guide.at("born"), guide=guide.position)


_RULES: dict[str, Function] = {
    "sums": sums,
    "sequence": sequence,
    "dates": dates,
    "duplicates": duplicates,
    "codes": codes,
    "opme": opme,
    "validation": validation,
    "visit": visit,
    "stay": stay,
}
