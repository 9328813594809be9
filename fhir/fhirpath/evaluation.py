"""What surrounds an evaluation: the scope, what it may cost, and what all steps need of collections.

A step takes the scope (what `%resource`, `$this` and the clock are) and the items before the dot, and gives items.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fhir.fhirpath import compare, items
from fhir.fhirpath.items import Item, is_a, truth

Items = list[Item]
Step = Callable[["Scope", Items], Items]
Resolver = Callable[[Item], Item | None]
MOST_STEPS = 2_000_000
MOST_SECONDS = 1.0  # of processor, for the expressions of one resource: a door answers nobody else meanwhile
_SLICE = 5_000  # steps between two looks at the clock, so that most resources never look


class PathError(Exception):
    """The expression cannot be evaluated here: a function it names does not exist, or an operand is not single."""


class TooCostly(PathError):
    """The evaluation takes more steps, or longer, than it may."""


class Budget:
    """How many steps evaluations may still take together, and until when.

    `until` is a reading of this thread's processor time (see `deadline`), not of the day: what others do at the same
    time costs a resource nothing. None: only the steps count. `own` are the seconds it has at most itself, from its
    first look at the clock, which most resources never take.
    """

    __slots__ = ("_kept", "_own", "_until", "left", "walked")

    def __init__(self, steps: int = MOST_STEPS, *, until: float | None = None, own: float | None = None) -> None:
        self.left = steps if until is None else min(steps, _SLICE)
        self._kept = steps - self.left
        self._until = until
        self._own = own
        self.walked: dict[tuple[int, str], tuple[Any, Items]] = {}  # what is below a value, by identity and type

    def spend(self, steps: int) -> None:
        """Take steps; raises TooCostly when there are none left, or it is too late."""
        self.left -= steps
        if self.left < 0:
            self._refill()

    def _refill(self) -> None:
        if self._until is not None:
            now = time.thread_time()
            if self._own is not None:
                self._until, self._own = min(self._until, now + self._own), None
            if now > self._until:
                self._kept = 0
        granted = min(self._kept, _SLICE - self.left)
        self.left += granted
        self._kept -= granted
        if self.left < 0:
            raise TooCostly("too many steps")

    def charge(self, made: Sequence[Any]) -> None:
        """Take steps for a text or list that was made, which needs room; raises TooCostly."""
        self.spend(1 + len(made) // 16)


def deadline(seconds: float = MOST_SECONDS) -> float:
    """The reading of this thread's processor time when so many seconds of it have passed."""
    return time.thread_time() + seconds


class Scope:
    """What surrounds an evaluation. `resource` holds the item, `root` is the resource `resource` is contained in.

    `member` answers `memberOf` (None: not known), `resolver` follows references, `now` is the clock.
    """

    __slots__ = (
        "budget", "context", "index", "member", "now", "resolver", "resource", "root", "this", "total", "variables",
    )  # fmt: skip

    def __init__(
        self,
        context: Item,
        resource: Item | None = None,
        root: Item | None = None,
        *,
        resolver: Resolver | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.context = context
        self.resource = resource or context
        self.root = root or self.resource
        self.resolver = resolver
        self.budget = budget or Budget()
        self.member: Callable[[Item, str], bool | None] | None = None
        self.now: datetime.datetime | None = None
        self.variables: Mapping[str, Items] = {}
        self.this = [context]
        self.index = 0
        self.total: Items = []

    def within(self, this: Items, index: int, step: Step) -> Items:
        """`step` for one item (`$this`, `$index`), as functions with criteria evaluate them."""
        before, place = self.this, self.index
        self.this, self.index = this, index
        self.budget.spend(1)
        try:
            return step(self, this)
        finally:
            self.this, self.index = before, place


def single(found: Items) -> Item | None:
    """The only item, None when there is none; raises PathError for several."""
    if len(found) > 1:
        raise PathError("several items where one is meant")
    return found[0] if found else None


def boolean(found: Items) -> bool | None:
    """A collection as a truth (N1 §4.5): a single item that is no boolean is true, nothing is None."""
    item = single(found)
    if item is None:
        return None
    if item.kind == "Boolean":
        return item.value if isinstance(item.value, bool) else None
    return True


def type_test(inner: Step, name: str, *, keeps: bool) -> Step:
    """`is` (a truth) or `as` (the items of that type); raises PathError for a type that does not exist."""
    if not items.is_known(name):
        raise PathError(f"there is no type {name[:64]}")

    def step(scope: Scope, focus: Items) -> Items:
        found = inner(scope, focus)
        if keeps:
            return [item for item in found if is_a(item, name)]
        item = single(found)
        return [] if item is None else truth(is_a(item, name))

    return step


def distinct(found: Sequence[Item], budget: Budget | None = None) -> Items:
    """The items without those equal to one before; raises TooCostly."""
    kept: Items = []
    seen: set[Any] = set()
    for item in found:
        value = item.value
        if isinstance(value, (str, bool)) and item.beside is None and item.kind == "String":
            if value not in seen:
                seen.add(value)
                kept.append(item)
            continue
        if budget is not None:
            budget.spend(len(kept))
        if not any(compare.equal_items(item, each) for each in kept):
            kept.append(item)
    return kept
