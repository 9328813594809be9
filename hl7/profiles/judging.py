"""A message judged by a profile: structure, usage, cardinality, length, values, conditions, co-constraints.

Of a segment that a profile defines at several places the definition that fits best is taken; where the profile divides
its place, the one of its slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from canonical.problem import Problem
from hl7.er7 import NULL, Message, Segment
from hl7.escapes import unescape
from hl7.grammar import misfits_of
from hl7.profiles import groups, slices, together
from hl7.profiles.conditions import Ask, evaluate, steps
from hl7.profiles.parts import FORBIDDEN, Part, Profile, Rule
from hl7.profiles.tree import asked_of, ordinals, placed
from hl7.profiles.values import values_below
from hl7.structure import structure

Lists = Callable[[str, str], bool | None]
"""Whether an HL7 table (`0001`) has a code; None where nobody can say."""
_UNKNOWN: Lists = lambda table, code: None  # noqa: E731


def judge(message: Message, profile: Profile, lists: Lists = _UNKNOWN) -> list[Problem]:
    """What of `message` deviates from the profile; places are as in `hl7.grammar.conform`.

    `lists` knows the codes of HL7's tables.
    """
    profile = next((one for one in (profile, *profile.others) if _serves(one, message)), profile)
    if not _serves(profile, message):
        return [Problem("profile.type", "MSH-9", args=(("type", profile.type),))]
    shape = structure(profile.root.inside())
    judged = [s for s in message.segments if s.name in shape.names or s.name[0] != "Z"]
    found = [*misfits_of(shape, judged, profile.type), *_acknowledgements(message, profile)]
    tree = placed(profile.root, message.segments)
    told, decided = groups.judge(tree, profile)
    due = ordinals(tree)
    chosen, unsure = slices.of_segments(tree)
    for segment in message.segments:
        asked, own = asked_of(segment, due.get(segment.index, "")), chosen.get(segment.index)
        wholes = profile.segments.get(segment.name, ()) if own is None else (own,)
        ways = [list(_segment(segment, whole, lists, asked, decided)) for whole in wholes]
        found += sorted(ways, key=len)[0] if ways else []
    found += [*told, *unsure, *together.judge(tree, profile)]
    found += [Problem("profile.unread", "MSH#1", args=(("kind", kind[:40]),)) for kind in profile.unread]
    return _once(found)


def _serves(profile: Profile, message: Message) -> bool:
    return not profile.type or f"{message.type}^".startswith(f"{profile.type}^")


def _once(found: list[Problem]) -> list[Problem]:
    """Each rule that is not judged is told once, at the first place it concerns."""
    told: set[object] = set()
    kept = []
    for problem in found:
        if problem.code != "profile.unjudged" or problem.args not in told:
            kept.append(problem)
        told.add(problem.args)
    return kept


def _acknowledgements(message: Message, profile: Profile) -> Iterator[Problem]:
    """MSH-15 and MSH-16 against the dynamic definition; both empty ask for an application's answer alone (§2.9.2)."""
    accept, application = message.header.text(15).strip(), message.header.text(16).strip()
    asked = (accept or "NE", application or "NE") if accept or application else ("NE", "AL")
    for number, said, agreed in zip((15, 16), asked, (profile.accept, profile.application), strict=True):
        if agreed and said != agreed:
            yield Problem("profile.acknowledgement", f"MSH#1-{number}", args=(("agreed", agreed[:2]),))


def _segment(segment: Segment, whole: Part, lists: Lists, ask: Ask, decided: groups.Decided) -> Iterator[Problem]:
    place = f"{segment.name}#{segment.index}"
    for number, field in enumerate(whole.parts, start=1):
        raw = segment.raw_field(number)
        if segment.name == "MSH" and number <= 2:
            continue
        usage = decided.get((segment.index, number)) or _usage(field, whole.rules.get(number), ask)
        yield from _field(segment, raw, field, usage, f"{place}-{number}", lists)
    for number in range(len(whole.parts) + 1, len(segment.fields())):
        if whole.parts and segment.raw_field(number):
            yield Problem("profile.not-supported", f"{place}-{number}")
    yield from _constraints(whole, ask, place)


def _usage(part: Part, rule: Rule | None, ask: Ask) -> str:
    """How a part is used here: as its condition decides; where that cannot be judged `C`, of what may be empty `RE`."""
    if not part.conditional:
        return part.usage
    holds = evaluate(rule.condition, ask) if rule else None
    if holds is None or rule is None:
        return "RE" if part.usage == "CE" else "C"
    return rule.usage(holds, part.choice())


def _constraints(part: Part, ask: Ask, place: str) -> Iterator[Problem]:
    for rule in part.constraints:
        yield from groups.constraint(rule, ask, place)


def _field(segment: Segment, raw: str, field: Part, usage: str, place: str, lists: Lists) -> Iterator[Problem]:
    if not raw:
        yield from _missing(usage, place)
        return
    if usage in FORBIDDEN:
        yield Problem("profile.not-supported", place)
        return
    repetitions = segment.split(raw, int(place.rpartition("-")[2]))
    if field.most and len(repetitions) > field.most:
        yield Problem("field.repeat", place, args=(("most", str(field.most)),))
    if len([each for each in repetitions if each]) < field.least:
        yield Problem("profile.too-few", place, args=(("least", str(field.least)),))
    marks = (segment.delimiters.component, segment.delimiters.sub)
    for nth, each in enumerate(repetitions, start=1):
        own, unsure = slices.of_value(segment, each, field, nth) if each and field.slices else (field, [])
        yield from slices.told(unsure, f"{place}[{nth}]")
        yield from _value(segment, each, own, f"{place}[{nth}]", marks, lists)


def _missing(usage: str, place: str) -> Iterator[Problem]:
    """What is to be said of a place that is empty."""
    if usage == "R":
        yield Problem("structure.required", place)
    elif usage == "C":
        yield Problem("profile.condition", place)


def _value(
    segment: Segment, raw: str, part: Part, place: str, marks: tuple[str, ...], lists: Lists
) -> Iterator[Problem]:
    """The deviations of one value; `marks` are the separators that still divide it."""
    if not raw or raw == NULL:
        return
    text = unescape(raw, segment.delimiters)
    if part.length and len(text) > part.length:
        yield Problem("field.length", place, args=(("most", str(part.length)),))
    if part.shortest and len(text) < part.shortest:
        yield Problem("profile.too-short", place, args=(("least", str(part.shortest)),))
    if part.constant and text != part.constant:
        yield Problem("profile.constant", place)
    given = [unescape(each, segment.delimiters).strip() for each in raw.split(marks[0])] if marks else [text.strip()]
    yield from _code([given[nth - 1] for nth in part.located or (1,) if nth <= len(given)], part, place, lists)
    if part.parts and marks:
        yield from _inner(segment, raw, part, place, marks, lists)
    elif not part.parts:  # what a simple data type asks of its value
        yield from _constraints(part, lambda path: [text] if path in ("", ".") else None, place)


def _code(given: list[str], part: Part, place: str, lists: Lists) -> Iterator[Problem]:
    """Codes none of which the profile's value set, or the HL7 table it names, has."""
    table, said = part.table.removeprefix("HL7"), [code for code in given if code]
    if not said or not table:
        return
    if all(code not in part.values if part.values else lists(table.zfill(4), code) is False for code in said):
        yield Problem("profile.table", place, args=(("table", part.table[:20]),))


def _inner(
    segment: Segment, raw: str, part: Part, place: str, marks: tuple[str, ...], lists: Lists
) -> Iterator[Problem]:
    """The deviations of the components or subcomponents of a value."""
    given = raw.split(marks[0])

    def ask(path: str) -> list[str] | None:
        return values_below(given, steps(path), marks[1:])

    for number, inner in enumerate(part.parts, start=1):
        own, where = given[number - 1] if number <= len(given) else "", f"{place}.{number}"
        usage = _usage(inner, part.rules.get(number), ask)
        if own and usage in FORBIDDEN:
            yield Problem("profile.not-supported", where)
        elif own:
            yield from _value(segment, own, inner, where, marks[1:], lists)
        else:
            yield from _missing(usage, where)
    for number in range(len(part.parts) + 1, len(given) + 1):
        if given[number - 1]:
            yield Problem("profile.not-supported", f"{place}.{number}")
    yield from _constraints(part, ask, place)
