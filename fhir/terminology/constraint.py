"""What only expression constraints (SNOMED CT ECL) say of concepts: their relationships, descriptions, memberships.

These are nodes of the trees of `fhir.terminology.selection`, which has those that value set filters know too.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fhir.terminology.selection import Node


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers a value is compared with."""

    values: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts a value is compared with: `match` (beginnings of words), `wild` (with `*`), `exact`; and the text."""

    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """A truth a value is compared with."""

    value: bool


@dataclass(frozen=True, slots=True)
class Related:
    """Concepts with at least `low` and at most `high` (None: any number of) relationships `name` to a `value`.

    `reverse`: the concepts that are such a relationship's value instead. `operator`: `=`, `!=`, of numbers `<` `>=` …
    """

    name: Node
    operator: str
    value: Node | Numbers | Texts | Truth
    low: int = 1
    high: int | None = None
    reverse: bool = False

    @property
    def plain(self) -> bool:
        """Whether it asks for no more than that there is such a relationship to a concept."""
        literal = isinstance(self.value, Numbers | Texts | Truth)
        return not (literal or self.reverse) and (self.operator, self.low, self.high) == ("=", 1, None)


@dataclass(frozen=True, slots=True)
class Grouped:
    """Concepts with at least `low` and at most `high` groups of relationships that each meet all `of` says."""

    of: Node
    low: int = 1
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Dotted:
    """The values of the relationships `name` of the concepts of `of`."""

    of: Node
    name: Node


@dataclass(frozen=True, slots=True)
class Tips:
    """Those of `of` that stand under none of the others (`top`), or above none."""

    of: Node
    top: bool


@dataclass(frozen=True, slots=True)
class Test:
    """What a field of a concept, a description or a member is compared with; `ranks`: acceptabilities in a dialect."""

    field: str
    operator: str
    value: Node | Numbers | Texts | Truth
    ranks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """What members of the lists of `of` that pass all tests name in a field, by itself the member."""

    of: Node
    tests: tuple[Test, ...] = ()
    field: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """Concepts with a description that passes all tests."""

    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Defined:
    """Concepts that pass all tests themselves."""

    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Historic:
    """The concepts of `of` and those that lists of associations name as their predecessors."""

    of: Node
    lists: Node


OnlyHere = Related | Grouped | Dotted | Tips | Listed | Described | Defined | Historic
