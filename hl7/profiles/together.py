"""Co-constraints: a value (OBX-3) binds others of its segment (OBX-2, OBX-5), and other segments beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from canonical.problem import Problem
from hl7.er7 import Segment
from hl7.profiles.conditions import evaluate, steps
from hl7.profiles.groups import field_of
from hl7.profiles.parts import Cell, CoConstraint, CoGroup, CoTable, Profile
from hl7.profiles.tree import Node, asked_of
from hl7.profiles.values import values_at


def judge(tree: Node, profile: Profile) -> Iterator[Problem]:
    """What the co-constraints of a profile say against a message."""
    for table in profile.tables:
        for context in _below(tree, table.context):
            yield from _table(context, table)


def _below(node: Node, path: str) -> list[Node]:
    way = steps(path) if path not in ("", ".") else []
    return [found for found, rest in node.reached(way or []) if not rest] if way is not None else []


def _table(context: Node, table: CoTable) -> Iterator[Problem]:
    where = context.where()
    holds = True if table.condition is None else evaluate(table.condition, context.ask)
    if holds is None:
        yield Problem("profile.unjudged", where, args=(("name", "ConditionalTable"),))
    if not holds:
        return
    left = [node.segment for node in _below(context, table.path) if node.segment is not None]
    for one in table.single:
        fit = _fitting(left, one)
        yield from _counted(one, fit, where)
        yield from _kept(one, fit)
        left = [segment for segment in left if segment not in fit]
    for group in table.groups:
        found, left = _sets(left, group, table.kin)
        yield from _group(group, found, where)


def _group(group: CoGroup, found: list[tuple[list[Segment], list[Segment]]], where: str) -> Iterator[Problem]:
    yield from _often(group.name, group.usage, (group.least, group.most), len(found), where)
    for primaries, rest in found:
        yield from _counted(group.primary, primaries, where)
        yield from _kept(group.primary, primaries)
        left, place = rest, f"{primaries[0].name}#{primaries[0].index}"
        for one in group.others:
            fit = _fitting(left, one)
            yield from _counted(one, fit, place)
            yield from _kept(one, fit)
            left = [segment for segment in left if segment not in fit]


def _sets(
    segments: list[Segment], group: CoGroup, kin: Sequence[str]
) -> tuple[list[tuple[list[Segment], list[Segment]]], list[Segment]]:
    """The sets that a primary segment opens, each as its primaries and the others of that value; and what is left."""
    primaries = _fitting(segments, group.primary)
    by_value: dict[str, tuple[list[Segment], list[Segment]]] = {}
    for segment in primaries:
        by_value.setdefault(_kin(segment, kin), ([], []))[0].append(segment)
    left = []
    for segment in (one for one in segments if one not in primaries):
        held = by_value.get(_kin(segment, kin)) if kin else next(iter(by_value.values()), None)
        if held is None:
            left.append(segment)
        else:
            held[1].append(segment)
    return list(by_value.values()), left


def _kin(segment: Segment, kin: Sequence[str]) -> str:
    """The value that tells which segments belong together: of the first path that has one."""
    return next((found[0] for path in kin if (found := values_at(segment, path))), "")


def _fitting(segments: list[Segment], one: CoConstraint) -> list[Segment]:
    return [segment for segment in segments if all(_selects(segment, cell) for cell in one.selectors)]


def _selects(segment: Segment, cell: Cell) -> bool:
    """Whether a selector chooses a segment: its field has a value, and the one that is asked for."""
    return bool(values_at(segment, cell.path)) and evaluate(cell.condition, asked_of(segment)) is True


def _counted(one: CoConstraint, found: list[Segment], where: str) -> Iterator[Problem]:
    yield from _often(one.name, one.usage, (one.least, one.most), len(found), where)


def _often(name: str, usage: str, limits: tuple[int, int], found: int, where: str) -> Iterator[Problem]:
    least, most = limits
    if not found and usage == "R":
        yield Problem("profile.together-missing", where, args=(("name", name[:60]),))
    elif found and (found < least or (most and found > most)):
        yield Problem("profile.together-count", where, args=(("name", name[:60]), ("count", str(found))))


def _kept(one: CoConstraint, segments: list[Segment]) -> Iterator[Problem]:
    """The constraints of the segments that were chosen."""
    for segment in segments:
        for cell in one.constraints:
            holds = evaluate(cell.condition, asked_of(segment))
            where = field_of(f"{segment.name}#{segment.index}", cell.path)
            if holds is None:
                yield Problem("profile.unjudged", where, args=(("name", one.name[:40]),))
            elif not holds:
                yield Problem("profile.together", where, args=(("name", one.name[:60]),))
