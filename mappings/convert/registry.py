"""What a conversion is: it gets one repetition of a field, the context, an argument, and gives a value or None."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from canonical.problem import Problem
from canonical.records import Draft
from hl7.er7 import NULL, Delimiters, Message, component_text
from mappings.table import Source


@dataclass(slots=True)
class Context:
    """What conversions may know beyond their field: the message, the zone, and where findings go.

    `emitted` collects side records (a Practitioner named in PV1-7); `zone` completes times sent without one.
    """

    message: Message
    zone: str
    problems: list[Problem] = field(default_factory=list)
    emitted: list[Draft] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Value:
    """One repetition of a field as a conversion sees it; `component` 0 means the whole repetition."""

    raw: str
    source: Source
    delimiters: Delimiters
    segment: Any

    def text(self, component: int = 1, sub: int = 1) -> str:
        """The unescaped text of a component; `""` reads as empty here."""
        found = component_text(self.raw, self.delimiters, component, sub)
        return "" if found == NULL else found.strip()

    def whole(self) -> str:
        """The unescaped text of the place the row names."""
        return self.text(self.source.component or 1, self.source.sub or 1)

    def problem(self, code: str, /, **args: str) -> Problem:
        """A finding at this place."""
        place = f"{self.segment.name}-{self.source.field}"
        if self.source.component:
            place += f".{self.source.component}"
        return Problem(code, place, args=tuple(args.items()))


Conversion = Callable[[Value, Context, str], Any]
CONVERSIONS: dict[str, Conversion] = {}


def conversion(name: str) -> Callable[[Conversion], Conversion]:
    """Register a function under the name tables use."""

    def register(function: Conversion) -> Conversion:
        CONVERSIONS[name] = function
        return function

    return register
