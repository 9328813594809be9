"""Rules of groups and of the whole message: what a value in one segment makes of another segment or of its fields."""

from __future__ import annotations

from collections.abc import Iterator

from canonical.problem import Problem
from hl7.profiles.conditions import Ask, evaluate, steps
from hl7.profiles.parts import FORBIDDEN, Place, Profile, Rule, choice_of
from hl7.profiles.tree import Node, Way
from hl7.profiles.values import values_at

Decided = dict[tuple[int, int], str]
"""How a field is used, by index of its segment and number, where a rule of a group decides."""


def judge(tree: Node, profile: Profile) -> tuple[list[Problem], Decided]:
    """What groups and the message say against the segments in them, and how their rules decide over fields."""
    found: list[Problem] = []
    decided: Decided = {}
    for node in tree.walk():
        if node.segment is None:
            found += _conditional(node, profile)
            for rule in node.place.rules:
                found += _predicate(node, rule, decided, profile)
            for rule in node.place.constraints:
                found += constraint(rule, node.ask, node.where())
    return found, decided


def constraint(rule: Rule, ask: Ask, place: str) -> Iterator[Problem]:
    """A constraint that does not hold, or that nobody here can judge."""
    holds = evaluate(rule.condition, ask)
    if holds is None:
        yield Problem("profile.unjudged", place, args=(("name", rule.name[:40]),))
    elif not holds and rule.table:
        where = field_of(place, rule.table)
        yield Problem("profile.table", where, args=(("table", rule.name[:20]),))
    elif not holds:
        yield Problem("profile.constraint", place, args=(("name", rule.name[:40]),))


def field_of(place: str, path: str) -> str:
    """The place of a field or component below the one of its segment or value."""
    way = steps(path)
    if not way:
        return place
    mark = "." if "-" in place else "-"
    return f"{place}{mark}{'.'.join(str(number) for number, _ in way)}"


def _conditional(node: Node, profile: Profile) -> Iterator[Problem]:
    """Segments and groups whose condition is in words, or in no file: told where they are absent."""
    ruled = {way[0][0] for rule in node.place.rules if (way := steps(rule.target)) and len(way) == 1}
    for number, child in enumerate(node.place.children, start=1):
        if child.usage[:1] == "C" and number not in ruled and not node.children[number - 1]:
            yield Problem("profile.condition", child.name)


def _predicate(node: Node, rule: Rule, decided: Decided, profile: Profile) -> Iterator[Problem]:
    way = steps(rule.target)
    if not way:
        return
    holds = evaluate(rule.condition, node.ask)
    for holder, last in _targets(node, way):
        if holder.segment is None:
            yield from _used(holder, last[0][0], rule, holds, profile)
            continue
        usage = rule.usage(holds, ("R", "X"))
        if len(last) == 1:
            decided[holder.segment.index, last[0][0]] = usage
        else:
            yield from _part(holder, last, usage)


def _targets(node: Node, way: Way) -> Iterator[tuple[Node, Way]]:
    """The nodes that hold the target, each with the way to it: one step in a group, the fields in a segment."""
    if node.segment is not None or len(way) == 1:
        yield node, way
        return
    number = way[0][0]
    for child in node.children[number - 1] if 0 < number <= len(node.children) else ():
        yield from _targets(child, way[1:])


def _used(node: Node, number: int, rule: Rule, holds: bool | None, profile: Profile) -> Iterator[Problem]:
    """A segment or group that a rule makes required or not supported."""
    if not 0 < number <= len(node.place.children):
        return
    place, found = node.place.children[number - 1], node.children[number - 1]
    usage = rule.usage(holds, choice_of(place.usage))
    if not found and usage == "R":
        yield Problem("structure.segment-missing", _named(place), args=(("structure", profile.type),))
    elif not found and usage == "C":
        yield Problem("profile.condition", _named(place))
    elif usage in FORBIDDEN:
        yield from (Problem("profile.not-supported", one.where()) for one in found)


def _part(node: Node, way: Way, usage: str) -> Iterator[Problem]:
    """A component that a rule of a group makes required or not supported."""
    if node.segment is None:
        return
    values = values_at(node.segment, ".".join(f"{number}[{nth}]" for number, nth in way))
    place = field_of(node.where(), ".".join(str(number) for number, _ in way))
    if not values and usage in ("R", "C"):
        yield Problem("structure.required" if usage == "R" else "profile.condition", place)
    elif values and usage in FORBIDDEN:
        yield Problem("profile.not-supported", place)


def _named(place: Place) -> str:
    """What is named when a place is empty: its segment, the first of a group."""
    return place.name if place.segment or not place.children else _named(place.children[0])
