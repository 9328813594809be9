"""Charges as guide items: exact amounts, the TUSS term, the kind of expense, what qualifies an act, who took part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from canonical import local
from canonical.billing import BEYOND, Item, money
from canonical.problem import Problem
from hub.billing.visit import modifiers, teams
from hub.billing.visit.charges import Charge
from hub.billing.visit.prices import Price, in_force
from hub.billing.visit.surroundings import Surroundings
from mappings.billing.guide_values import in_range
from mappings.tables.table import codes
from tiss.tables.tables import Tables

PROCEDURES = ("22", "00", "90", "98")
_WITH_TEAM = ("sp-sadt", "internacao", "honorarios")
_OPME = "08"
_PUBLISHERS = ("05", "12")  # dm_tabelaGeral: Brasíndice and Simpro, which no guide may name
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


def items(
    of: tuple[str, UUID], charges: Sequence[Charge], around: Surroundings, known: teams.Known, tables: Tables
) -> Described:
    """The items of a guide's charges, procedures first, numbered through; `of` is the guide's kind and payer."""
    kind, payer_id = of
    found = Described(procedures=[], expenses=[], total={}, problems=[])
    totals: dict[str, int] = defaultdict(int)
    ordered = sorted(charges, key=lambda charge: charge.table not in PROCEDURES)
    for sequence, charge in enumerate(ordered, start=1):
        item = item_of(
            charge,
            sequence,
            tables,
            prices=around.prices.get((payer_id, charge.table, charge.code), ()),
            zone=around.zone,
        )
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


def item_of(charge: Charge, sequence: int, tables: Tables, *, zone: str, prices: Sequence[Price] = ()) -> Record:
    """A charge as a guide item with exact amounts; `problems` holds what is wrong with them.

    `prices` are those of the payer's contract for the item: they give the price a charge does not have, and the table
    and code a guide names it by. Hours are those of `zone`.
    """
    body, place = charge.body, f"ChargeItem[{sequence}]"
    agreed = in_force(prices, charge.on)
    table, code = (agreed.billed_table, agreed.billed_code) if agreed else (charge.table, charge.code)
    quantity = _decimal(body.get("quantity", {}).get("value", 1))
    factor = _decimal(body.get("factorOverride", 1))
    unit, total, problems = _amounts(charge, (quantity, factor), agreed, place)
    if table in _PUBLISHERS:
        problems.append(Problem("guide.no-billed-code", place, args=(("code", charge.code), ("table", table))))
    begin, end = _hours(body, zone)
    return {
        "charge_id": charge.id,
        "encounter_id": charge.encounter_id,
        "sequence": sequence,
        "date": charge.on,
        "time": begin,
        "end_time": end,
        "table": table,
        "code": code,
        "description": _description(charge, (table, code), tables) or (agreed.description if agreed else ""),
        "quantity": quantity,
        "unit": _unit(body, agreed),
        "factor": factor,
        "unit_cents": unit,
        "total_cents": total,
        "expense": _expense(charge, table, code),
        "cost_centre": _cost_centre(body),
        "problems": problems,
    }


def _amounts(
    charge: Charge, measures: tuple[Decimal | None, Decimal | None], agreed: Price | None, place: str
) -> tuple[int | None, int | None, list[Problem]]:
    """Unit price and total in cents, and what is wrong with them; of a charge without price, the contract's."""
    quantity, factor = measures
    total = _decimal(charge.body.get("priceOverride", {}).get("value"))
    if quantity is None or factor is None or not (0 < quantity < BEYOND and 0 < factor < BEYOND):
        return None, None, [Problem("guide.amount", place)]
    if total is None and agreed is not None and agreed.unit_cents > 0:
        item = Item(quantity=quantity, unit_cents=agreed.unit_cents, factor=factor)
        return agreed.unit_cents, item.total_cents, []
    if total is None:
        told = (("code", charge.code), ("table", charge.table), ("day", f"{charge.on:%d/%m/%Y}" if charge.on else "-"))
        return None, None, [Problem("guide.no-price", place, args=told)]
    if not 0 < total < BEYOND:
        return None, None, [Problem("guide.amount", place)]
    cents = int((total * 100).to_integral_value())
    unit = int((total * 100 / (quantity * factor)).to_integral_value())
    problems: list[Problem] = []
    if cents != total * 100 or Item(quantity=quantity, unit_cents=unit, factor=factor).total_cents != cents:
        problems.append(Problem("guide.unit-price", place))
    if agreed is not None and agreed.unit_cents != unit:
        both = (("stated", money(unit)), ("agreed", money(agreed.unit_cents)), ("code", charge.code))
        problems.append(Problem("guide.price-differs", place, args=both))
    return unit, cents, problems


def _unit(body: Mapping[str, Any], agreed: Price | None) -> str:
    quantity = body.get("quantity", {})
    return str(quantity.get("code") or quantity.get("unit") or (agreed.unit if agreed else "") or "1")


def _hours(body: Mapping[str, Any], zone: str) -> tuple[str, str]:
    """The local hours of a service, HH:MM:SS, empty where not told; an end on another day is no hour of it."""
    period = body.get("occurrencePeriod", {})
    start = local.moment(body.get("occurrenceDateTime") or period.get("start"), zone)
    end = local.moment(period.get("end"), zone)
    return start.time, end.time if start.time and end.date == start.date and end.time > start.time else ""


def _description(charge: Charge, billed: tuple[str, str], tables: Tables) -> str:
    """The term of the TUSS table, which the payer knows; the sender's words for codes the table does not hold."""
    term = tables.tuss(*billed)
    if term is not None:
        return term.name
    code = charge.body.get("code", {})
    shown = [coding.get("display") for coding in code.get("coding", ()) if coding.get("display")]
    return str((shown or [code.get("text", "")])[0])


def _expense(charge: Charge, table: str, code: str) -> str:
    """codigoDespesa of a charge that a guide names by table and code; empty for a procedure."""
    if charge.table in PROCEDURES:
        return ""
    kinds = codes("tiss-despesa")
    within = in_range("tiss-despesa-18", code) if table == "18" else ""
    return within or kinds.get(table, "") or kinds.get(charge.table, "")


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
