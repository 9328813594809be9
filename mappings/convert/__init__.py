"""The closed list of conversions. Each is a documented, tested function registered under its name in tables."""

from __future__ import annotations

from mappings.convert import datatypes, keys, text
from mappings.convert.registry import CONVERSIONS, Conversion, Value

__all__ = ["CONVERSIONS", "Conversion", "Value", "datatypes", "keys", "text"]
