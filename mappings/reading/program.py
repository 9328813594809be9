"""A record plan's rows made ready to run: functions looked up, paths and places checked, once for each plan."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from mappings.convert import CONVERSIONS, GATHERERS, LINKS
from mappings.convert.misplaced.never import guarded
from mappings.reading.step import Step
from mappings.reading.twins import twins
from mappings.tables.body import compiled
from mappings.tables.plan import RecordPlan
from mappings.tables.table import Row, Source, TableError, table

_ELSEWHERE = "mappings.convert.misplaced."
_DECIDE = frozenset(
    ("@skip", "@essential", "@known-only", "@must-exist", "@action", "@clear", "@movement", "@distinct")
)
_NOWHERE = Source("", 0)
_SAID: dict[str, Any] = {"true": True, "false": False}


@cache
def program(plan: RecordPlan) -> tuple[Step, ...]:
    """The steps of a record plan in table order; raises TableError for a row that cannot work."""
    return tuple(_step(row, plan) for name in plan.tables for row in table(name, plan.overlay))


@cache
def looked_at(plan: RecordPlan) -> tuple[tuple[str, bool], ...]:
    """The segments whose fields the plain steps of a record plan read, each with whether the record owns them."""
    return tuple(dict.fromkeys((step.segment, step.owned) for step in program(plan) if step.plain))


@lru_cache(maxsize=4096)
def telling(plan: RecordPlan, said: tuple[int, ...], around: tuple[str, ...]) -> tuple[Step, ...]:
    """The steps that find something to read, in table order, when the fields `said` (as bits, for each segment of
    `looked_at`) are filled and the records `around` are there: those above, a blank, those below.

    Most rows of a table are about fields that a sender leaves empty and records it does not send, time after time.
    """
    filled = dict(zip((name for name, _ in looked_at(plan)), said, strict=True))
    above, below = around[: around.index("")], around[around.index("") + 1 :]

    def tells(step: Step) -> bool:
        if step.plain:
            return bool(filled[step.segment] >> step.number & 1)
        row = step.row
        return row.reference in above if row.reference else not row.children or row.children in below

    return tuple(step for step in program(plan) if tells(step))


@cache
def reads(plan: RecordPlan) -> dict[str, int]:
    """The fields that the rows of a record plan read, by segment, as bits: bit n stands for field n.

    A row that looks for what is of another field (`mappings.convert.misplaced`) does not read a field for what it is.
    """
    found: dict[str, int] = {}
    for step in program(plan):
        if step.row.source is not None and not step.function.__module__.startswith(_ELSEWHERE):
            found[step.segment] = found.get(step.segment, 0) | 1 << step.number
    for segment, bits in _grouped_by(plan).items():
        found[segment] = found.get(segment, 0) | bits
    return found


@cache
def decides(plan: RecordPlan) -> dict[str, int]:
    """The fields that say whether there is a record, which segments are of it and what the event does, by segment, as
    bits: they need not become a value."""
    found = dict(_grouped_by(plan))
    for step in program(plan):
        if step.row.source is not None and step.path in _DECIDE:
            found[step.segment] = found.get(step.segment, 0) | 1 << step.number
    return found


def _grouped_by(plan: RecordPlan) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in (plan.where, *plan.join):
        segment, _, number = name.partition("-")
        if number:
            found[segment] = found.get(segment, 0) | 1 << int(number)
    return found


def _step(row: Row, plan: RecordPlan) -> Step:
    path = row.path
    if row.target.partition(".")[0] != plan.type:
        raise TableError(f"{row.place}: {row.target} is not of {plan.type}")
    _check_path(row, path, plan)
    source = row.source or _NOWHERE
    gathers = row.convert in GATHERERS
    if not gathers and row.convert not in CONVERSIONS and not (row.children and row.convert in LINKS):
        raise TableError(f"{row.place}: conversion {row.convert!r}")
    if (row.constant or row.reference) and row.convert:
        raise TableError(f"{row.place}: a constant or reference takes no conversion")
    return Step(
        row=row,
        path=path,
        source=source,
        segment=source.segment,
        number=source.field,
        bit=1 << source.field,
        special=path.startswith("@"),
        owned=plan.owns(source.segment),
        plain=row.source is not None and not gathers,
        late=row.when in ("absent", "new"),
        new=row.when == "new",
        way=None if path.startswith("@") or path.endswith("[x]") else compiled(plan.type, path),
        made=_SAID.get(row.constant, row.constant),
        argument=row.argument,
        function=guarded(CONVERSIONS.get(row.convert, _none), source),
        gather=GATHERERS.get(row.convert, _nothing),
        gathers=gathers,
        equals=row.when[7:] if row.when.startswith("equals:") else "",
        clears=_clears(path),
        twins=twins().get(f"{source.segment}-{source.field}", frozenset()),
    )


def _check_path(row: Row, path: str, plan: RecordPlan) -> None:
    if path.startswith("@") or path.endswith("[x]"):
        return
    try:
        compiled(plan.type, path)
    except LookupError:
        raise TableError(f"{row.place}: R4 has no {row.target}") from None


def _clears(path: str) -> str:
    """What an explicit null removes: a plain path whole, a place inside a list with its list, a choice by its name."""
    if path.startswith("@"):
        return ""
    parts = path.split(".")
    if path.endswith("[x]"):
        return path
    return path if "[" not in path and len(parts) <= 2 else parts[0].split("[")[0]


def _none(value: Any, context: Any, argument: str) -> Any:
    return None


def _nothing(values: Any, context: Any, argument: str) -> Any:
    return None
