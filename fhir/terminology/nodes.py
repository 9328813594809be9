"""Which concepts of one code system are meant, as a tree: what value set filters and ECL say, before anybody looks.

First what filters know too, then what only expression constraints (SNOMED CT ECL) say of concepts: their
relationships, descriptions, memberships.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Every:
    """All concepts."""


@dataclass(frozen=True, slots=True)
class Codes:
    """Concepts by code."""

    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """What lies above or below (`down`) the concepts of `of`, one step or `far`, themselves too (`itself`)."""

    of: Node
    down: bool
    far: bool
    itself: bool


@dataclass(frozen=True, slots=True)
class MemberOf:
    """The members of the lists (reference sets, answer lists) whose concepts are `of`."""

    of: Node


@dataclass(frozen=True, slots=True)
class Has:
    """Concepts with one of the values of a property."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stated:
    """Concepts that have a property at all."""

    name: str


@dataclass(frozen=True, slots=True)
class All:
    """What all of the parts mean."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """What one of the parts means."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Without:
    """What `of` means and `taken` does not."""

    of: Node
    taken: Node


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
Node = Every | Codes | Lineage | MemberOf | Has | Stated | All | Either | Without | OnlyHere


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a tree means, narrowed to the folded words of a name, to what may be recorded, to what may be picked."""

    node: Node
    words: tuple[str, ...] = ()
    active: bool = False
    selectable: bool = False
