"""What one operator agreed with the provider beyond the standard, as far as a file can be checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from canonical.problem import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Empty fields and zeros ask for nothing. `hash_encoding` is `declared`, `iso-8859-1` or `utf-8`; `known_operator`
    accepts a registro ANS the register does not list; `tolerance_cents` lets an item total differ by rounding;
    `levels` overrides the severity of a finding by its code, and switches on those that are off by default;
    `silent` are the codes nobody is told of;
    `until` tells to which day (ISO) the operator takes a version; `days` how old an item may be when it is sent;
    `largest_bytes` how large a file; `places` the CNES of each CNPJ the provider bills by; `provider` how the operator
    knows the provider, by the element of identificacaoPrestador.
    """

    version: str = ""
    operator: str = ""
    hash_encoding: str = "declared"
    known_operator: bool = False
    tolerance_cents: int = 0
    days: int = 0
    largest_bytes: int = 0
    until: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, Severity] = field(default_factory=dict)
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)
    provider: Mapping[str, str] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
