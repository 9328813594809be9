"""One row of a table, ready to run: what a program consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mappings.convert import Conversion, Gatherer
from mappings.tables.body import Way
from mappings.tables.table import Row, Source


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """One row, ready to run.

    `owned`: the record has such segments of its own and looks at none above it. `plain`: it reads a field, one
    repetition at a time. `late`: it counts only when no earlier row gave its target a value; `twins` are the fields it
    should agree with then. `special`: its target is of the form `@name`; `way` is where it puts a value, None for
    those and for a choice (`value[x]`), of which the value says the type. `bit` stands for the field it reads.
    """

    row: Row
    path: str
    source: Source
    segment: str
    number: int
    bit: int
    special: bool
    owned: bool
    plain: bool
    late: bool
    new: bool
    way: Way | None
    made: Any
    argument: str
    function: Conversion
    gather: Gatherer
    gathers: bool
    equals: str
    clears: str
    twins: frozenset[str]
