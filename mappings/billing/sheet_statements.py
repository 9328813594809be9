"""A payer's sheet as a statement of analysis or payment, in the same values that its XML is read into."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from canonical.problem import Problem
from mappings.billing.sheet_plan import SheetPlan
from mappings.billing.sheet_rows import Record, Records, records
from tiss.answers import values as answers
from tiss.answers.payments import CREDIT, DEBIT, FIRST
from tiss.sheets.cells import Sheet

_CODES = re.compile(r"[;,/|\s]+")
Told = answers.Statement | answers.Remittance


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The statements of a sheet, how many rows they came from, and findings; an error means there are none."""

    told: tuple[Told, ...]
    rows: int
    problems: tuple[Problem, ...]


def statements(plan: SheetPlan, sheets: Sequence[Sheet], operator: str, number: str = "") -> Read:
    """Read a payer's sheet; `number` stands in for a statement number it does not tell."""
    found = records(plan, sheets)
    if not found.records:
        problems = found.problems or [Problem("sheet.empty")]
        return Read(told=(), rows=0, problems=tuple(problems))
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in found.records:
        place = (record.text("number") or found.head.get("number", number), _issued(record, found))
        groups.setdefault(place, []).append(record)
    told: list[Told] = [
        _analysis(plan, operator, place, group) if plan.kind == "analysis" else _payment(operator, place, group)
        for place, group in groups.items()
    ]
    return Read(told=tuple(told), rows=len(found.records), problems=tuple(found.problems))


def _issued(record: Record, found: Records) -> str:
    return record.text("issued_on") or found.head.get("issued_on", "")


def _analysis(plan: SheetPlan, operator: str, place: tuple[str, str], group: Sequence[Record]) -> answers.Statement:
    by_protocol: dict[str, list[Record]] = {}
    for record in group:
        by_protocol.setdefault(record.text("protocol"), []).append(record)
    protocols = tuple(_protocol(plan, number, found) for number, found in by_protocol.items())
    return answers.Statement(
        number=place[0],
        operator=operator,
        operator_cnpj="",
        issued_on=place[1],
        protocols=protocols,
        billed_cents=sum(one.billed_cents for one in protocols),
        processed_cents=sum(one.processed_cents for one in protocols),
        paid_cents=sum(one.paid_cents for one in protocols),
        glosa_cents=sum(one.glosa_cents or 0 for one in protocols),
        where="planilha",
    )


def _protocol(plan: SheetPlan, number: str, found: Sequence[Record]) -> answers.StatementProtocol:
    by_guide: dict[str, list[Record]] = {}
    for record in found:
        by_guide.setdefault(record.text("guide"), []).append(record)
    guides = tuple(_guide(plan, name, rows) for name, rows in by_guide.items())
    return answers.StatementProtocol(
        number=number,
        batch=_first(found, "batch"),
        on="",
        status=_first(found, "status"),
        guides=guides,
        glosas=(),
        billed_cents=sum(guide.billed_cents for guide in guides),
        processed_cents=sum(guide.processed_cents for guide in guides),
        paid_cents=sum(guide.paid_cents for guide in guides),
        glosa_cents=sum(guide.glosa_cents or 0 for guide in guides),
        where=_where(found),
    )


def _guide(plan: SheetPlan, number: str, rows: Sequence[Record]) -> answers.StatementGuide:
    items = _items(plan, rows)
    return answers.StatementGuide(
        provider_number=number,
        operator_number=_first(rows, "operator_guide"),
        authorization="",
        status="",
        items=tuple(items),
        glosas=(),
        billed_cents=sum(item.billed_cents for item in items),
        processed_cents=sum(item.processed_cents for item in items),
        paid_cents=sum(item.paid_cents for item in items),
        glosa_cents=sum(glosa.cents or 0 for item in items for glosa in item.glosas),
        note="",
        where=_where(rows),
    )


def _items(plan: SheetPlan, rows: Sequence[Record]) -> list[answers.StatementItem]:
    """The items of a guide; rows that repeat an item for another glosa are one where the plan says so."""
    if plan.one_row_per == "item":
        return [_item(record) for record in rows]
    found: dict[tuple[object, ...], answers.StatementItem] = {}
    for record in rows:
        item = _item(record)
        key = (item.sequence, item.table, item.code, item.on, item.quantity, item.billed_cents, item.paid_cents)
        known = found.get(key)
        found[key] = item if known is None else replace(known, glosas=(*known.glosas, *item.glosas))
    return list(found.values())


def _item(record: Record) -> answers.StatementItem:
    billed, processed, paid, denied, copay = amounts(record)
    sequence = record.text("sequence")
    return answers.StatementItem(
        sequence=int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) <= 6 else 0,
        on=record.text("date"),
        table=record.text("table"),
        code=record.text("code"),
        quantity=record.text("quantity").replace(",", "."),
        participation=record.text("participation"),
        billed_cents=billed,
        processed_cents=processed,
        paid_cents=paid,
        copay_cents=copay,
        glosas=_glosas(record, denied),
        where=f"linha {record.row}",
    )


def amounts(record: Record) -> tuple[int, int, int, int, int]:
    """Billed, processed, paid, denied and copay; one that the sheet does not state follows from the others."""
    stated = record.cents
    copay = stated.get("copay", 0)
    if "billed" in stated:
        billed = stated["billed"]
    elif "processed" in stated and "denied" not in stated:
        billed = stated["processed"]
    else:
        billed = stated.get("paid", 0) + stated.get("denied", 0) + copay
    if "denied" in stated:
        denied = stated["denied"]
        paid = stated.get("paid", billed - denied - copay)
    else:
        paid = stated.get("paid", 0 if record.text("glosa") else billed - copay)
        denied = max(0, billed - paid - copay) if record.text("glosa") else 0
    return billed, stated.get("processed", billed), paid, denied, copay


def _glosas(record: Record, denied: int) -> tuple[answers.Glosa, ...]:
    """The glosas of a row; one amount for several codes stands on the first, an amount without code stays a glosa."""
    codes = [code for code in _CODES.split(record.text("glosa")) if code]
    where, words = f"linha {record.row}", record.text("glosa_text")
    if not codes:
        return (answers.Glosa(code="", text=words, cents=denied, where=where),) if denied else ()
    first = answers.Glosa(code=codes[0], text=words, cents=denied, where=where)
    return (first, *(answers.Glosa(code=code, cents=0, where=where) for code in codes[1:]))


def _payment(operator: str, place: tuple[str, str], group: Sequence[Record]) -> answers.Remittance:
    by_day: dict[str, list[Record]] = {}
    for record in group:
        by_day.setdefault(record.text("paid_on"), []).append(record)
    days = tuple(_day(on, found) for on, found in by_day.items())
    return answers.Remittance(
        number=place[0],
        operator=operator,
        issued_on=place[1],
        dental=False,
        days=days,
        entries=(),
        billed_cents=sum(day.billed_cents for day in days),
        processed_cents=sum(day.processed_cents for day in days),
        paid_cents=sum(day.paid_cents for day in days),
        denied_cents=sum(day.denied_cents for day in days),
        copay_cents=sum(day.copay_cents for day in days),
        debit_cents=sum(day.debit_cents for day in days),
        credit_cents=sum(day.credit_cents for day in days),
        net_cents=sum(day.net_cents for day in days),
        note="",
        where="planilha",
    )


def _day(on: str, found: Sequence[Record]) -> answers.PaidDay:
    entries = tuple(_entry(record) for record in found if record.text("entry"))
    by_protocol: dict[str, list[Record]] = {}
    for record in found:
        if not record.text("entry"):
            by_protocol.setdefault(record.text("protocol"), []).append(record)
    protocols = tuple(_paid_protocol(number, rows) for number, rows in by_protocol.items())
    debit = sum(entry.cents for entry in entries if entry.indicator == DEBIT)
    credit = sum(entry.cents for entry in entries if entry.indicator == CREDIT)
    paid = sum(one.paid_cents for one in protocols)
    return answers.PaidDay(
        on=on,
        form=_first(found, "form"),
        protocols=protocols,
        entries=entries,
        billed_cents=sum(one.billed_cents for one in protocols),
        processed_cents=sum(one.processed_cents for one in protocols),
        paid_cents=paid,
        denied_cents=sum(one.denied_cents for one in protocols),
        copay_cents=sum(one.copay_cents for one in protocols),
        debit_cents=debit,
        credit_cents=credit,
        net_cents=paid - debit + credit,
        where=_where(found),
    )


def _entry(record: Record) -> answers.Entry:
    """A debit or credit: a value of the plan such as `1:01` (dm_debitoCreditoIndicador and -Tipo), else by its sign."""
    text = record.text("entry")
    indicator, mark, kind = text.partition(":")
    cents = record.cents.get("paid", 0)
    if not mark or indicator not in (DEBIT, CREDIT):
        indicator, kind = (DEBIT if cents < 0 else CREDIT), ""
    return answers.Entry(indicator=indicator, kind=kind, text=text, cents=abs(cents), where=f"linha {record.row}")


def _paid_protocol(number: str, rows: Sequence[Record]) -> answers.PaidProtocol:
    guides = tuple(_paid_guide(record) for record in rows)
    return answers.PaidProtocol(
        number=number,
        batch=_first(rows, "batch"),
        on="",
        guides=guides,
        billed_cents=sum(guide.billed_cents or 0 for guide in guides),
        processed_cents=sum(guide.processed_cents for guide in guides),
        paid_cents=sum(guide.paid_cents for guide in guides),
        denied_cents=sum(guide.denied_cents for guide in guides),
        copay_cents=sum(guide.copay_cents for guide in guides),
        where=_where(rows),
    )


def _paid_guide(record: Record) -> answers.PaidGuide:
    billed, processed, paid, denied, copay = amounts(record)
    return answers.PaidGuide(
        provider_number=record.text("guide"),
        operator_number=record.text("operator_guide"),
        authorization="",
        kind=record.text("kind") or FIRST,
        items=(),
        billed_cents=billed,
        processed_cents=processed,
        paid_cents=paid,
        denied_cents=denied,
        copay_cents=copay,
        note="",
        where=f"linha {record.row}",
    )


def _first(found: Sequence[Record], name: str) -> str:
    return next((text for record in found if (text := record.text(name))), "")


def _where(found: Sequence[Record]) -> str:
    return f"linhas {found[0].row} a {found[-1].row}"
