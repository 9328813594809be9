"""Rules on the lines of a guide, request, annex or appeal: numbering, days, TUSS codes, repeated lines."""

from __future__ import annotations

import re
from functools import lru_cache

from canonical.codes import TUSS_TABLES
from tiss.rules.case import Findings, Given, shown
from tiss.rules.layout import Unit
from tiss.rules.sums import ITEMS, parts
from tiss.tables.tables import Tables

FREE_TABLES = frozenset(("00", "90", "98"))
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TEAMS = ("team-sadt", "team-fee", "team-stay")
_MEMBER = ("degree", "council-number", "cpf", "provider")
_PUNCTUATION = re.compile(r"[.\-/ ]")
_TIME = re.compile(r"\d\d:\d\d:\d\d", re.ASCII)


@lru_cache(maxsize=4096)
def day(text: str | None) -> str:
    """The ISO day of an xs:date without zone; empty when it is none."""
    return text.strip()[:10] if text and _DAY.match(text.strip()) else ""


def _is_number(text: str) -> bool:
    """Whether a text is a whole number in plain digits (`²` is a digit to Python, and no number)."""
    plain = text.strip()
    return plain.isascii() and plain.isdigit()


def sequence(guide: Unit, _given: Given, found: Findings) -> None:
    """sum.sequence, duplicate.sequence, sum.linked: sequencialItem runs 1, 2, 3 … over all lines, each once.

    A number used twice leaves a hole where it should have been, and links to that: only the number is told of.
    """
    rows = [row for row in guide.rows if row.section.name in ITEMS]
    texts = [row.texts.get("sequence", "") for row in rows]
    seen: dict[int, Unit] = {}
    if texts != [str(number) for number in range(1, len(rows) + 1)]:
        for row, text in zip(rows, texts, strict=True):
            if not _is_number(text):
                return
            number = int(text)
            if number in seen:
                found.at("duplicate.sequence", row, "sequence")
            seen.setdefault(number, row)
        if len(seen) == len(rows):
            _hole(seen, found)
    there = {*seen, *range(1, len(rows) + 1)}
    for row in rows:
        linked = row.texts.get("linked")
        if linked and _is_number(linked) and int(linked) not in there:
            found.at("sum.linked", row, "linked")


def _hole(seen: dict[int, Unit], found: Findings) -> None:
    missing = next((n for n in range(1, len(seen) + 1) if n not in seen), 0)
    if missing:
        row = seen[min((n for n in seen if n > missing), default=max(seen))]
        found.at("sum.sequence", row, "sequence", missing=missing)


def dates(guide: Unit, given: Given, found: Findings) -> None:
    """date.*: nothing done in the future or outside the stay, begin before end, authorisation before execution.

    A period that ends before it begins, or a password that does before it was given, says nothing of the lines.
    """
    texts = guide.texts
    limit = given.last_day
    first, last = day(texts.get("from")), day(texts.get("until"))
    authorised, expires = day(texts.get("authorised")), day(texts.get("password-until"))
    if first and last and (first, texts.get("from-time", "")) > (last, texts.get("until-time", "~")):
        found.at("date.order", guide, "until")
        first = last = ""
    if expires and expires < authorised:
        expires = ""
    for row in guide.rows:
        get = row.texts.get
        on = day(get("date"))
        if on:
            if limit and on > limit:
                found.at("date.future", row, "date")
            if (first and on < first) or (last and on > last):
                found.at("date.stay", row, "date")
            if expires and on > expires:
                found.at("date.password", row, "date")
            if on < authorised:
                found.at("date.authorisation", row, "date")
        begin, end = get("begin", ""), get("end", "")
        if begin > end and _TIME.match(begin) and _TIME.match(end) and begin[8:] == end[8:]:
            found.at("date.hours", row, "end")


def duplicates(guide: Unit, _given: Given, found: Findings) -> None:
    """duplicate.item: two lines with the same table, code, day and hour, and nobody else who acted."""
    seen: dict[tuple[str | None, ...], list[Unit]] = {}
    key: tuple[str | None, ...]
    for row in guide.rows:
        get = row.texts.get
        code = get("code")
        if not code:
            continue
        key = (get("table"), code, get("date"), get("begin"), get("end"), get("tooth"), get("region"), get("face"))
        if get("begin") is None:
            key += (get("quantity"), get("total"))
        if key in seen and _acted(row) in [_acted(other) for other in seen[key]]:
            found.at("duplicate.item", row, "")
        seen.setdefault(key, []).append(row)


def _acted(row: Unit) -> frozenset[tuple[str | None, ...]]:
    """Who acted in a line: degree and numbers of each member of its team."""
    return frozenset(tuple(member.texts.get(name) for name in _MEMBER) for member in row.every(*_TEAMS))


def codes(unit: Unit, given: Given, found: Findings) -> None:
    """table.code, table.wrong-table, table.not-in-force, table.expense-kind, table.section, table.measure."""
    tables, known = given.tables, parts()
    for row in unit.rows:
        get = row.texts.get
        table, code = get("table"), get("code")
        if not table or not code:
            continue
        if tables is not None and table.strip() in TUSS_TABLES:
            on = _day_of(row, unit, given)
            verdict = _judge(tables, table.strip(), code.strip(), "" if _astray(on, unit, given) else on)
            if verdict is not None:
                name, args = verdict
                found.at(name, row, "code", code=shown(code.strip()), table=shown(table.strip()), **args)
                continue
        kind = get("expense")
        if kind is None:
            if table in ("19", "20") and row.section.name in ("item-sadt", "item-stay"):
                found.at("table.section", row, "table", table=shown(table))
        elif kind in known and table not in known[kind].tables:
            found.at("table.expense-kind", row, "expense", table=shown(table.strip()))
        measure = get("measure")
        if measure and tables is not None and tables.domain("60", measure.strip()) is None:
            found.at("table.measure", row, "measure")


def _day_of(row: Unit, unit: Unit, given: Given) -> str:
    """The day a line was done; of a request the day of asking, else the day of the message."""
    own = row.texts.get("date") or row.texts.get("begin") or unit.texts.get("requested")
    return day(own) or given.registered


def _astray(on: str, unit: Unit, given: Given) -> bool:
    """Whether a day is told of as impossible, so that nothing can be said of the code on it."""
    first, last = day(unit.texts.get("from")), day(unit.texts.get("until"))
    outside = bool(first and last) and first <= last and not first <= on <= last
    return outside or bool(given.last_day and on > given.last_day)


def _judge(tables: Tables, table: str, code: str, on: str) -> tuple[str, dict[str, str]] | None:
    term = tables.tuss(table, code)
    if term is None:
        others = tables.tables_of(code)
        if others:
            return "table.wrong-table", {"right": others[0]}
        right = _PUNCTUATION.sub("", code).lstrip("0")
        meant = right != code and tables.tuss(table, right) is not None
        return ("table.code.spelled", {"right": right}) if meant else ("table.code", {})
    if on and not term.on_day(on):
        return "table.not-in-force", {"since": term.since or "-", "until": term.until or "-"}
    return None


def opme(guide: Unit, _given: Given, found: Findings) -> None:
    """table.anvisa: OPME under a code outside TUSS carries its registration (Componente de Conteúdo e Estrutura).

    What TUSS lists, it lists by registration. The maker's reference is asked of all OPME (`checks.csv`), the licence of
    whom it was bought from depends on who bought it: only a contract can ask for it.
    """
    for row in guide.rows:
        part = parts().get(row.texts.get("expense", ""))
        if part is not None and row.texts.get("table", "") in part.anvisa and not row.texts.get("anvisa", "").strip():
            found.at("table.anvisa", row, "anvisa", field="registroANVISA")


def team(guide: Unit, _given: Given, found: Findings) -> None:
    """table.route-several: of several surgical procedures at one sitting each names its via de acesso."""
    surgery = [row for row in guide.rows if row.texts.get("table") == "22" and _surgical(row.texts.get("code", ""))]
    if len(surgery) < 2:
        return
    sittings: dict[str, list[Unit]] = {}
    for row in surgery:
        sittings.setdefault(row.texts.get("date", ""), []).append(row)
    for rows in sittings.values():
        for row in rows if len(rows) > 1 else ():
            if not row.texts.get("route", "").strip():
                found.at("table.route-several", row, "route")


def _surgical(code: str) -> bool:
    """Chapter 3 of TUSS 22, less the acts of the anaesthetist (3.16), which have neither route nor technique."""
    return code[:1] == "3" and code[:3] != "316"
