"""Billing values: money in whole cents and the kinds of guia. Formats on the wire never import this."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

Kind = Literal["consulta", "sp-sadt", "internacao", "honorarios", "odonto"]
_CENT = Decimal("0.01")
BEYOND = Decimal(10) ** 12
"""No quantity, factor or amount of a bill reaches it: a moment or a number stands there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One billed item: quantity and factor are exact decimals, money is whole cents."""

    quantity: Decimal
    unit_cents: int
    factor: Decimal = Decimal(1)

    @property
    def total_cents(self) -> int:
        """quantidade × valorUnitario × reducaoAcrescimo, rounded half up to the cent."""
        amount = self.quantity * self.unit_cents * self.factor
        return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def money(cents: int) -> str:
    """Cents as the decimal text TISS and FHIR carry: 1050 gives `10.50`."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def reais(cents: int) -> str:
    """Cents as people in Brazil read them: 123450 gives `1.234,50`."""
    return f"{cents / 100:,.2f}".translate(str.maketrans(",.", ".,"))


def cents(text: str) -> int:
    """A decimal text as whole cents, rounded half up; raises ValueError when it is no number."""
    try:
        return int((Decimal(text).quantize(_CENT, ROUND_HALF_UP) * 100).to_integral_value())
    except ArithmeticError:
        raise ValueError("not an amount") from None
