"""Charges as guide items: exact amounts, the TUSS term, the kind of expense, what qualifies an act, who took part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from canonical.billing import Item
from canonical.problem import Problem
from hub.billing import modifiers, teams
from hub.billing.charges import Charge
from hub.billing.surroundings import Surroundings
from mappings.guide_values import in_range
from mappings.table import codes
from tiss.tables import Tables

PROCEDURES = ("22", "00", "90", "98")
_WITH_TEAM = ("sp-sadt", "internacao", "honorarios")
_OPME = "08"
_MATERIALS = "03"
_COST_CENTRES = frozenset(str(number) for number in range(1, 11))
Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The items of a guide: procedures, expenses, the sums by kind of expense, and what is wrong with them."""

    procedures: list[Record]
    expenses: list[Record]
    total: dict[str, int]
    problems: list[Problem]


def items(kind: str, charges: Sequence[Charge], around: Surroundings, known: teams.Known, tables: Tables) -> Described:
    """The items of a guide's charges, procedures first, numbered through."""
    found = Described(procedures=[], expenses=[], total={}, problems=[])
    totals: dict[str, int] = defaultdict(int)
    ordered = sorted(charges, key=lambda charge: charge.table not in PROCEDURES)
    for sequence, charge in enumerate(ordered, start=1):
        item = item_of(charge, sequence, tables)
        found.problems.extend(item.pop("problems"))
        _qualify(item, charge, around)
        if not item["expense"] and kind in _WITH_TEAM:
            members = teams.team(charge.body, around.acts(charge), charge.code, known)
            place = f"ChargeItem[{sequence}]"
            item["team"], told = teams.complete(members, place, needed=kind == "honorarios")
            found.problems.extend(told)
        (found.expenses if item["expense"] else found.procedures).append(item)
        totals[item["expense"] or "procedures"] += item["total_cents"] or 0
    totals["all"] = sum(totals.values())
    found.total.update(totals)
    return found


def _qualify(item: Record, charge: Charge, around: Surroundings) -> None:
    """Route, technique and tooth of an act, register numbers of a material."""
    if not item["expense"]:
        item |= modifiers.qualities(charge.body, around.acts(charge))
        return
    item |= modifiers.product(charge.body, around.devices)
    if item["expense"] == _MATERIALS and item.get("anvisa") and item.get("reference"):
        item["expense"] = _OPME


def item_of(charge: Charge, sequence: int, tables: Tables) -> Record:
    """A charge as a guide item with exact amounts; `problems` holds what is wrong with them."""
    body, place, problems = charge.body, f"ChargeItem[{sequence}]", []
    quantity = _decimal(body.get("quantity", {}).get("value", 1))
    factor = _decimal(body.get("factorOverride", 1))
    total = _decimal(body.get("priceOverride", {}).get("value"))
    unit: int | None = None
    total_cents: int | None = None
    if total is None or quantity is None or factor is None or total <= 0 or quantity <= 0 or factor <= 0:
        problems.append(Problem("guide.amount", place))
    else:
        total_cents = int((total * 100).to_integral_value())
        unit = int((total * 100 / (quantity * factor)).to_integral_value())
        if (
            total_cents != total * 100
            or Item(quantity=quantity, unit_cents=unit, factor=factor).total_cents != total_cents
        ):
            problems.append(Problem("guide.unit-price", place))
    begin, end = _hours(body)
    return {
        "charge_id": charge.id,
        "sequence": sequence,
        "date": charge.on,
        "time": begin,
        "end_time": end,
        "table": charge.table,
        "code": charge.code,
        "description": _description(charge, tables),
        "quantity": quantity,
        "unit": str(body.get("quantity", {}).get("code") or body.get("quantity", {}).get("unit") or "1"),
        "factor": factor,
        "unit_cents": unit,
        "total_cents": total_cents,
        "expense": _expense(charge),
        "cost_centre": _cost_centre(body),
        "problems": problems,
    }


def _hours(body: Mapping[str, Any]) -> tuple[str, str]:
    """The hours of a service, HH:MM:SS as sent, empty where not told; an end on another day is no hour of it."""
    period = body.get("occurrencePeriod", {})
    start = str(body.get("occurrenceDateTime") or period.get("start", ""))
    end = str(period.get("end", ""))
    begin = start[11:19] if len(start) >= 19 else ""
    return begin, end[11:19] if begin and len(end) >= 19 and end[:10] == start[:10] and end[11:19] > begin else ""


def _description(charge: Charge, tables: Tables) -> str:
    """The term of the TUSS table, which the payer knows; the sender's words for codes the table does not hold."""
    term = tables.tuss(charge.table, charge.code)
    if term is not None:
        return term.name
    code = charge.body.get("code", {})
    shown = [coding.get("display") for coding in code.get("coding", ()) if coding.get("display")]
    return str((shown or [code.get("text", "")])[0])


def _expense(charge: Charge) -> str:
    """codigoDespesa of a charge; empty for a procedure."""
    if charge.table in PROCEDURES:
        return ""
    kinds = codes("tiss-despesa")
    within = in_range(f"tiss-despesa-{charge.table}", charge.code) if charge.table == "18" else ""
    return within or kinds.get(charge.table, "")


def _cost_centre(body: Mapping[str, Any]) -> str:
    value = str(body.get("costCenter", {}).get("identifier", {}).get("value", ""))
    return value if value in _COST_CENTRES else ""


def _decimal(value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
