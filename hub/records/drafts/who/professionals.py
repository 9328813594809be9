"""Which professional a council number means. Councils number by state: `12345` of the CRM is the number of as many
doctors as there are states, so that without a state it finds nobody by itself; the name must agree.

Two names agree where the shorter has two words or more and the longer has them all. What says too little to agree with
anybody (`12345^Lima`) is no record: number and name stay in the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canonical.codes import aliases, council_of
from canonical.identity import record_id
from canonical.names import words
from canonical.records import Draft, Key

Body = Mapping[str, Any]
TYPE = "Practitioner"
_ENOUGH = 2


def has_council(draft: Draft) -> bool:
    """Whether a draft is of a professional whom the number of a council names."""
    return draft.type == TYPE and any(council_of(key.system) for key in draft.keys)


def is_stateless(key: Key) -> bool:
    """Whether a key is the number of a council whose state is not told."""
    return (council_of(key.system) or ("", "told"))[1] == ""


def family(key: Key) -> str:
    """The council of a key; empty for numbers of other registers."""
    return (council_of(key.system) or ("", ""))[0]


def meant(draft: Draft, people: Mapping[str, Body]) -> str:
    """The id of the one of `people` whom a draft means; empty where that is nobody, or not sure.

    A number with its state, or of another register, decides; else the same number in one council under a name that
    agrees, where it is one person's only.
    """
    for key in draft.keys:
        for identity, body in people.items():
            if holds(body, key) and (not is_stateless(key) or agrees(draft, body)):
                return identity
    for key in draft.keys:
        found = [identity for identity, body in people.items() if _may_be(key, body) and agrees(draft, body)]
        if len(found) == 1:
            return found[0]
    return ""


def adds_nothing(draft: Draft, stored: Body | None) -> bool:
    """Whether a draft only names a stored professional by a number that it has already, and that is sure."""
    return (
        stored is not None
        and not draft.body
        and all(holds(stored, key) and not is_stateless(key) for key in draft.keys)
    )


def is_doubtful(draft: Draft, people: Mapping[str, Body]) -> bool:
    """Whether a draft that means none of `people` has a stateless number one of them has too, or a name that says too
    little for ever."""
    stateless = [key for key in draft.keys if is_stateless(key)]
    if len(stateless) < len(draft.keys):
        return False
    return not _telling(_names(draft)) or any(_same(key, body) for key in stateless for body in people.values())


def own_id(draft: Draft, people: Mapping[str, Body]) -> str:
    """The id of a new record of somebody with stateless numbers only: of number and name. Empty where the draft only
    names a professional and too little is told of whom, or it could be one of several."""
    key = draft.keys[0]
    several = any(_may_be(each, body) and agrees(draft, body) for each in draft.keys for body in people.values())
    unsure = several or not _telling(_names(draft))
    if unsure and not draft.body:
        return ""
    name = "|".join([key.value, *sorted(frozenset().union(*_names(draft))), *(["unsure"] if unsure else [])])
    return record_id(TYPE, Key(key.system, name))


def numbered(body: Body, initial: Body) -> list[Any]:
    """The identifiers of a professional: a council number that a mention adds, or all of a mention of several, and none
    without state beside the same number with its state. The very list where nothing changes."""
    present: list[Any] = body.get("identifier", [])
    told = initial.get("identifier", ())
    if len(present) == 1 and (not told or told == present):
        return present
    known = {(item.get("system"), item.get("value")) for item in present}
    several = len(told) > 1
    added = [i for i in told if (i.get("system"), i.get("value")) not in known and (several or council_of(_system(i)))]
    both = [*present, *added]
    kept = [item for item in both if not any(_outranks(other, item) for other in both)]
    return kept if kept != present else present


def grown(body: Body, draft: Draft) -> dict[str, Any]:
    """What tells a professional from others, after a draft that is this one: numbers and names."""
    own = {"identifier": [{"system": key.system, "value": key.value} for key in draft.keys]}
    names = [*body.get("name", ()), *(draft.body.get("name") or draft.initial.get("name") or ())]
    return {"identifier": numbered(body, own), "name": names}


def agrees(draft: Draft, body: Body) -> bool:
    """Whether one of the names of a draft is surely one of a stored professional's."""
    theirs = [words(name) for name in body.get("name", ())]
    return any(_agree(one, other) for one in _names(draft) for other in theirs)


def _agree(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _ENOUGH and (one <= other or other <= one)


def _names(draft: Draft) -> list[frozenset[str]]:
    return [words(name) for name in draft.body.get("name") or draft.initial.get("name") or ()]


def _telling(names: Sequence[frozenset[str]]) -> bool:
    return any(len(name) >= _ENOUGH for name in names)


def holds(body: Body, key: Key) -> bool:
    """Whether a professional has this number."""
    for item in body.get("identifier", ()):
        if item.get("value") == key.value:
            system = item.get("system")
            if system == key.system or system in aliases(key.system):
                return True
    return False


def _same(key: Key, body: Body) -> bool:
    """Whether somebody has this number in this council, whatever the state."""
    return any(
        i.get("value") == key.value and (council_of(_system(i)) or ("",))[0] == family(key)
        for i in body.get("identifier", ())
    )


def _may_be(key: Key, body: Body) -> bool:
    """Whether a council number may be this person's with a state that one of both does not tell."""
    if not family(key) or not _same(key, body):
        return False
    return is_stateless(key) or holds(body, Key(key.system.rpartition("-")[0], key.value))


def _outranks(one: Any, other: Any) -> bool:
    """Whether `one` is the number of `other`, which lacks its state, with a state."""
    first, second = council_of(_system(one)), council_of(_system(other))
    if first is None or second is None or one.get("value") != other.get("value"):
        return False
    return first[0] == second[0] and bool(first[1]) and not second[1]


def _system(identifier: Any) -> str:
    return str(identifier.get("system", ""))
