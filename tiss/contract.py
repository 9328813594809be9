"""What one operator agreed with the provider beyond the standard, as far as a file can be checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from canonical.problem import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Empty fields ask for nothing. `hash_encoding` is `declared`, `iso-8859-1` or `utf-8`; `known_operator` accepts
    a registro ANS the register does not list; `tolerance_cents` lets an item total differ by rounding; `levels`
    overrides the severity of a finding by its code.
    """

    version: str = ""
    operator: str = ""
    hash_encoding: str = "declared"
    known_operator: bool = False
    tolerance_cents: int = 0
    levels: Mapping[str, Severity] = field(default_factory=dict)
