"""Conditions on a resource that stands within a record, as conditions on the record.

What is contained in a record (R4 §3.1.1.4.5: a chain is evaluated inside contained resources too), or leads a document,
is no record of its own. Its index entries stand under the record's, behind the place where the record names it
(`medication:Medication.code`), and one more says that something stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from fhir.search import values
from fhir.search.composites import stored_as
from fhir.search.conditions import Chain, Clause, Condition, Either, Inside, Setting, Without
from fhir.search.parameters import HELD, SHAPE, has_bare_codes

Found = tuple[str, str, tuple[Any, ...]]
INNER = "#."
"""The place of the entries of a contained resource as itself, which stand under a number of its own."""
Read = Callable[[dict[str, Any], ZoneInfo], Iterable[Found]]


def under(place: str, resource: dict[str, Any], found: Iterable[Found]) -> Iterator[Found]:
    """The entries `found` of `resource` under a place, which ends with a dot."""
    yield place, "token", ("", resource["resourceType"])
    yield from ((place + code, kind, columns) for code, kind, columns in found if code not in (SHAPE, HELD))


def beside(chain: Chain, setting: Setting) -> Condition:
    """The chain over records and, where the tenant has such, over what is contained in those that are searched."""
    held = []
    for kind, inner in chain.targets:
        if f"{chain.type_name}.{chain.code}:{kind}" in setting.held:
            found = moved(inner, chain.type_name, f"{chain.code}:{kind}.", kind)
            held += [(found,)] if found is not None else []
    return Either(chain.type_name, ((chain,), *held)) if held else chain


def moved(condition: Condition, owner: str, place: str, kind: str) -> Condition | None:
    """`condition` on the resource of type `kind` at `place` as one on its `owner`.

    None where the index does not tell: ids, times of storing, composites, `_has`, words.
    """
    match condition:
        case Clause(kind="id" | "updated" | "composite"):
            return None
        case Clause():
            return _clause(condition, owner, place, kind)
        case Inside(codes=codes):
            return replace(condition, type_name=owner, codes=tuple(place + code for code in codes))
        case Chain():
            stored = replace(condition, type_name=owner, code=place + condition.code)
            held = [moved(inner, owner, f"{place}{condition.code}:{name}.", name) for name, inner in condition.targets]
            return Either(owner, ((stored,), *((each,) for each in held if each is not None)))
        case Either():
            found = [[moved(each, owner, place, kind) for each in each_of] for each_of in condition.alternatives]
            kept = tuple(tuple(each for each in each_of if each is not None) for each_of in found)
            return Either(owner, kept) if all(map(all, found)) else None
        case Without(condition=inner):
            there = moved(inner, owner, place, kind)
            return _lacking(there, owner, place, kind) if there is not None else None
        case _:
            return None


def _clause(clause: Clause, owner: str, place: str, kind: str) -> Condition:
    bare = has_bare_codes(clause.type_name, clause.code)
    asked = tuple(replace(each, bare=bare) if isinstance(each, values.Concepts) else each for each in clause.values)
    form = clause.form if clause.form in ("other", "present") else "match"
    codes = [place + code for code in stored_as(clause.code)]  # those of `combo-` have no entries of their own
    each_of = [replace(clause, type_name=owner, code=code, values=asked, form=form) for code in codes]
    found = each_of[0] if len(each_of) == 1 else Either(owner, tuple((each,) for each in each_of))
    return _lacking(found, owner, place, kind) if clause.form in ("not", "missing") else found


def _lacking(condition: Condition, owner: str, place: str, kind: str) -> Condition:
    """Something stands at the place, and does not meet the condition."""
    return Either(owner, ((_standing(owner, place, kind), Without(owner, condition)),))


def there(kind: str) -> Condition:
    """Any contained resource of a type; a bare code of no system, so that the index has them in order."""
    return Clause(kind, INNER, "token", (values.token(f"|{kind}"),))


def _standing(owner: str, place: str, kind: str) -> Condition:
    return there(kind) if place == INNER else Clause(owner, place, "token", (values.token(kind),))
