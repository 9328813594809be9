"""Conversions of orders, appointments and charges: priorities, times, durations, prices, TUSS codes."""

from __future__ import annotations

import datetime
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from jiter import LosslessFloat

from canonical import codes as systems
from canonical import identifiers
from mappings.convert.datatypes import cwe
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import moment_text, number, parse_dtm

_MINUTES = frozenset(("MIN", "MINUTES", "MINUTE", "MINUTOS", "MINUTO", "M", "MN", "MINS", ""))
_HOURS = frozenset(("H", "HR", "HOUR", "HOURS", "HORA", "HORAS", "HRS"))
_AMOUNT = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]{1,4}\Z")


@conversion("authored")
def authored(value: Value, context: Context, argument: str) -> Any:
    """ORC-9 as authoredOn: the time of the transaction is the order's only when the order is new (NW)."""
    if value.other(1) not in ("NW", ""):
        return None
    return moment_text(value.whole(), value, context)


@conversion("effective")
def effective(value: Value, context: Context, argument: str) -> Any:
    """OBR-7 with OBR-8: a dateTime, or a Period when both are there and differ."""
    start = moment_text(value.whole(), value, context)
    end_raw = value.other(8)
    end = moment_text(end_raw, value, context) if end_raw and end_raw != value.whole() else None
    if start and end:
        return ("Period", {"start": start, "end": end})
    return ("DateTime", start) if start else None


@conversion("specimen-type")
def specimen_type(value: Value, context: Context, argument: str) -> Any:
    """SPS (OBR-15.1, a CE in subcomponents) as CodeableConcept."""
    code, text, system = (value.text(1, n) for n in (1, 2, 3))
    coding: dict[str, Any] = {}
    if code:
        coding = {"code": " ".join(code.split()), "system": systems.coding_system(system or "HL70070")}
        if text:
            coding["display"] = text
    label = text or ("" if coding else value.text(3))
    found: dict[str, Any] = {"coding": [coding]} if coding else {}
    return {**found, **({"text": label} if label else {})} or None


@conversion("minutes")
def minutes(value: Value, context: Context, argument: str) -> Any:
    """SCH-9 (or AIS-7) as minutes; it counts only when the next field says minutes or hours (facts: SIU)."""
    text = value.whole()
    unit = value.other(value.source.field + 1).upper()
    found = number(text)
    if isinstance(found, int) and found > 0 and unit in _MINUTES | _HOURS:
        return found * 60 if unit in _HOURS else found
    if text:
        context.problems.append(value.problem("field.duration"))
    return None


@conversion("start-instant")
def start_instant(value: Value, context: Context, argument: str) -> Any:
    """A start as instant; a bare date is not one."""
    moment = parse_dtm(value.whole(), context.zone)
    if isinstance(moment, datetime.datetime):
        return moment.isoformat()
    if value.whole():
        context.problems.append(value.problem("field.date"))
    return None


@conversion("end-instant")
def end_instant(value: Value, context: Context, argument: str) -> Any:
    """The end that follows from this start and the duration in field `argument` (unit in the field after it)."""
    moment = parse_dtm(value.whole(), context.zone)
    length = number(value.other(int(argument)))
    unit = value.other(int(argument) + 1).upper()
    if not isinstance(moment, datetime.datetime) or not isinstance(length, int) or unit not in _MINUTES | _HOURS:
        return None
    return (moment + datetime.timedelta(minutes=length * (60 if unit in _HOURS else 1))).isoformat()


@conversion("resource-actor")
def resource_actor(value: Value, context: Context, argument: str) -> Any:
    """AIG-3 or AIL-3 as participant: a room or a device by its name."""
    parts = [value.text(n) for n in (2, 1)] if argument == "Device" else [value.text(n) for n in (4, 1, 2, 3)]
    label = " / ".join(part for part in parts if part)
    return {"actor": {"type": argument, "display": label}, "status": "accepted"} if label else None


@conversion("charge-code")
def charge_code(value: Value, context: Context, argument: str) -> Any:
    """FT1-7 (or FT1-25) as CodeableConcept; a bare code with a TUSS check digit is TUSS of its chapter's table."""
    concept = cwe(value, context, "")
    if concept is None:
        return None
    for coding in concept.get("coding", ()):
        code = coding["code"]
        if "system" not in coding and identifiers.is_tuss(code):
            coding["system"] = systems.TUSS + systems.tuss_table(code)
        if coding.get("system", "").startswith(systems.TUSS) and not identifiers.is_tuss(code):
            context.problems.append(value.problem("code.tuss"))
    if text := value.other(8):
        concept.setdefault("text", text)
    return concept


@conversion("quantity")
def quantity(value: Value, context: Context, argument: str) -> Any:
    """FT1-10 as Quantity, the sign as sent."""
    found = number(value.whole())
    if found is None:
        context.problems.append(value.problem("field.number"))
        return None
    return {"value": found}


@conversion("total-price")
def total_price(value: Value, context: Context, argument: str) -> Any:
    """FT1-11, the extended amount, as Money: the exact decimal text; a credit (FT1-6 CD) is below zero."""
    return _money(amount(value), value, context)


@conversion("unit-price")
def unit_price(value: Value, context: Context, argument: str) -> Any:
    """FT1-12, the unit price, times FT1-10, as Money."""
    price = amount(value)
    count = number(value.other(10) or "1")
    if price is None or count is None:
        return None if not value.whole() else _money(price, value, context)
    product = Decimal(str(price)) * Decimal(str(count))
    return _money(product.quantize(Decimal("0.01"), ROUND_HALF_UP), value, context)


def amount(value: Value) -> Decimal | None:
    """The amount of a CP or MO (component 1.1); `1.234,56` and `12,50` are read as Brazilian amounts."""
    text = value.text(1).replace("R$", "").strip()
    if _AMOUNT.match(text):
        text = text.replace(".", "")
    found = number(text)
    return None if found is None else Decimal(str(found))


def _money(price: Decimal | None, value: Value, context: Context) -> Any:
    if price is None:
        if value.whole():
            context.problems.append(value.problem("field.number"))
        return None
    if value.other(6) == "CD" and price > 0:
        price = -price
    currency = value.text(1, 2)
    code = currency if re.fullmatch(r"[A-Z]{3}", currency) else "BRL"
    return {"value": LosslessFloat(format(price, "f").encode()), "currency": code}


@conversion("end-of-schedule")
def end_of_schedule(value: Value, context: Context, argument: str) -> Any:
    """The start in TQ1-7 plus the duration in SCH-9 and SCH-10."""
    schedule = context.message.first("SCH")
    moment = parse_dtm(value.whole(), context.zone)
    if schedule is None or not isinstance(moment, datetime.datetime):
        return None
    length, unit = number(schedule.text(9)), schedule.text(10).upper()
    if not isinstance(length, int) or unit not in _MINUTES | _HOURS:
        return None
    return (moment + datetime.timedelta(minutes=length * (60 if unit in _HOURS else 1))).isoformat()
