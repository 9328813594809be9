"""One professional told by several numbers, each in a repetition of one field (XCN, 2.5.1 §2.A.88): CRM, CPF, local.

Two repetitions are one person where all words of the shorter name are in the longer, two at least, and each number is
of another register. Numbers of two councils (a CRM and a COREN) are two people's. Numbers of one council in two states
(CRM-SP, CRM-RJ) may be one's who moved: they are where three words agree; of two namesakes they are two people's, which
is told, as it is where a further number may be of either of two. The same number twice is another matter (`mentions`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from canonical.codes import council_of
from canonical.names import words
from canonical.records import Key
from mappings.convert.registry import Context, Value

TYPE = "Practitioner"
_ENOUGH = 2
_OF_TWO_STATES = 3  # words of a name that two numbers of one council must have in common
_MOST = 20  # people of one field who are looked at again; a list of more is none of one person's numbers


@dataclass(slots=True)
class _Person:
    """Who is told by repetitions of one field: the numbers in their order, the first of which names the record."""

    name: frozenset[str]
    keys: list[Key] = field(default_factory=list)


def told_before(value: Value, context: Context, key: Key, name: str) -> bool:
    """Whether an earlier repetition of the field is this person, who then has this number too."""
    people: list[_Person] = context.once(f"people {value.segment.index}-{value.source.field}", list)
    known = next((one for one in people if key in one.keys), None)
    if known is None:
        said = words({"text": name})
        alike = [one for one in people if _agree(one.name, said) and _is_further(key, one.keys)]
        sure = [one for one in alike if _is_sure(one, said, key)]
        known = sure[0] if len(alike) == len(sure) == 1 else None
        if alike and known is None:
            context.problems.append(value.problem("field.professional-unclear"))
        if known is None:
            if len(people) < _MOST:
                people.append(_Person(said, [key]))
            return False
        known.keys.append(key)
    if known.keys[0] == key:
        return False
    add(context, known.keys[0], key)
    return True


def _agree(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _ENOUGH and (one <= other or other <= one)


def _is_further(key: Key, keys: list[Key]) -> bool:
    """Whether a number is of a register, and of no council, that none of the others is of."""
    if any(key.system == one.system or key.value == one.value for one in keys):
        return False
    councils = {council[0] for one in (key, *keys) if (council := council_of(one.system)) is not None}
    return len(councils) < _ENOUGH


def _is_sure(one: _Person, said: frozenset[str], key: Key) -> bool:
    """Whether the names are enough for one person; numbers of one council in two states ask for more."""
    council = council_of(key.system)
    two_states = council is not None and any(council_of(each.system) is not None for each in one.keys)
    return not two_states or len(one.name & said) >= _OF_TWO_STATES


def add(context: Context, first: Key, key: Key) -> None:
    """Give the professional of the key `first` a further number."""
    draft = context.emitted[TYPE, first]
    if key not in draft.keys:
        draft.keys = (*draft.keys, key)
        identifiers = [*draft.initial.get("identifier", ()), {"system": key.system, "value": key.value}]
        draft.initial = {**draft.initial, "identifier": identifiers}
    if context.trace is not None:
        context.trace.emitted(draft.local)
