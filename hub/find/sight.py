"""What a caller may see: of each type everything, nothing, or the records that meet one of several alternatives.

A search is guarded as a whole: its own type, the far side of every chain and `_has`, and what includes add. So a
record that a token may not see is neither shown nor counted, and no condition tells what stands in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from urllib.parse import parse_qsl

from fhir.definitions.table import compartments, resource_types
from fhir.search import nested
from fhir.search.conditions import BadQuery, Chain, Clause, Condition, Either, Has, Inside, Setting, Without
from fhir.search.matching import is_fixed
from fhir.search.parameters import parameters_of
from fhir.search.query import Query, parse
from fhir.search.values import Kin, Target
from hub.find.conditions.criteria import rids
from hub.find.statement import Statement
from hub.guard.scopes import Grant
from hub.records.requests.refusal import refused

Alternatives = tuple[tuple[Condition, ...], ...]
Sight = Callable[[str, str], Alternatives]  # of a type and an action (a letter of `cruds`)
WHOLE: Alternatives = ((),)


def everything(_type_name: str, _action: str) -> Alternatives:
    """The sight of the hub itself."""
    return WHOLE


@lru_cache(maxsize=512)
def members(compartment: str) -> dict[str, tuple[str, ...]]:
    """The types of a compartment with the indexed reference parameters that put a record into it."""
    return {
        name: kept
        for name, codes in compartments().get(compartment, {}).items()
        if (kept := tuple(code for code in codes if code in parameters_of(name)))
    }


@lru_cache(maxsize=1)
def of_patients() -> dict[str, tuple[str, ...]]:
    """By type: the reference parameters by which a record is of a patient, of types outside the compartment too.

    R4's compartment has no Device, Task, Contract or GuidanceResponse, which name their patient all the same.
    """
    named = (name for name in resource_types() if (found := parameters_of(name).get("patient")) is not None and found)
    return {**dict.fromkeys(named, ("patient",)), **members("Patient")}


def alternative(grant: Grant, type_name: str, patient: str, setting: Setting) -> tuple[Condition, ...] | None:
    """The conditions a grant sets on records of a type; None when it grants none of them."""
    conditions: list[Condition] = []
    if grant.context == "patient":
        if not patient:
            return None
        if type_name == "Patient":
            conditions.append(Clause("Patient", "_id", "id", (Target(("Patient",), patient),)))
        elif codes := members("Patient").get(type_name):
            conditions.append(Inside(type_name, "Patient", patient, codes))
        else:
            return None
    if grant.query:
        stated = narrowed_by(type_name, grant.query, setting)
        if stated is None:
            return None
        conditions += stated
    return tuple(conditions)


def narrowed_by(type_name: str, query: str, setting: Setting) -> tuple[Condition, ...] | None:
    """The conditions of a scope's query; None unless all of it is a fixed condition on records of the type."""
    try:
        found = parse(type_name, parse_qsl(query, keep_blank_values=True, max_num_fields=10), setting)
    except (BadQuery, ValueError):
        return None
    conditions = found.conditions
    if found.unknown or not conditions or len(found.used) != len(conditions):
        return None
    return conditions if all(is_fixed(condition) for condition in conditions) else None


def guarded(query: Query, sight: Sight, action: str = "s") -> Query:
    """The query over what `sight` shows; raises a Refusal that names the scope where it shows nothing of a type."""
    if () in sight("*", action) and (action == "s" or () in sight("*", "s")):
        return query
    branches = []
    for kind, conditions in query.branches:
        kept = tuple(_guarded(condition, sight) for condition in conditions)
        branches.append((kind, (*kept, *limits(kind, _shown(kind, sight, action)))))
    found = tuple(branches)
    return query if found == query.branches else replace(query, branches=found)


def inner_conditions(query: Query, sight: Sight) -> tuple[Condition, ...]:
    """The conditions of `query` on contained resources, over what `sight` shows; raises Refusal like `guarded`.

    Where it shows only some records of the type they must be like these: without what the index tells, none is shown.
    """
    kind = query.type_name
    kept = tuple(_guarded(condition, sight) for condition in query.held)
    alternatives = _shown(kind, sight, "s")
    if () in alternatives:
        return kept
    return (*kept, nested.moved(Either(kind, alternatives), kind, nested.INNER, kind) or Either(kind, ()))


def limits(kind: str, alternatives: Alternatives) -> tuple[Condition, ...]:
    """`alternatives` as conditions to be met beside others."""
    if () in alternatives:
        return ()
    return alternatives[0] if len(alternatives) == 1 else (Either(kind, alternatives),)


def _shown(kind: str, sight: Sight, action: str) -> Alternatives:
    found = sight(kind, action)
    if not found:
        raise refused("forbidden", "failure.denied.scope", scope=f"system/{kind}.{action}")
    return found


def _guarded(condition: Condition, sight: Sight) -> Condition:
    match condition:
        case Chain():
            targets = [(kind, inner) for kind, inner in condition.targets if sight(kind, "s")]
            if not targets:
                _shown(condition.targets[0][0], sight, "s")
            return replace(condition, targets=tuple((kind, _far(kind, inner, sight)) for kind, inner in targets))
        case Has():
            _shown(condition.source, sight, "s")
            return replace(condition, condition=_far(condition.source, condition.condition, sight))
        case Either():
            kept = (tuple(_guarded(each, sight) for each in conditions) for conditions in condition.alternatives)
            return replace(condition, alternatives=tuple(kept))
        case Without():
            return replace(condition, condition=_guarded(condition.condition, sight))
        case Clause(kind="reference"):
            _walked(condition, sight)
            return condition
        case _:
            return condition


def _walked(clause: Clause, sight: Sight) -> None:
    """A hierarchy tells of records of its type: of one that is not seen whole it is refused."""
    for kind in {value.type for value in clause.values if isinstance(value, Kin)}:
        if () not in _shown(kind, sight, "s"):
            raise refused("forbidden", "failure.denied.scope", scope=f"system/{kind}.s")


def _far(kind: str, inner: Condition, sight: Sight) -> Condition:
    """The condition on the far side of a reference, over what may be seen there."""
    kept = _guarded(inner, sight)
    alternatives = sight(kind, "s")
    return kept if () in alternatives else Either(kind, tuple((kept, *each) for each in alternatives))


def visible_sql(statement: Statement, sight: Sight, alias: str = "r") -> str:
    """A test of rows of `resource` by what may be read of their types; empty when that is everything."""
    if () in sight("*", "r"):
        return ""
    shown = {kind: sight(kind, "r") for kind in resource_types()}
    whole = [kind for kind, alternatives in shown.items() if () in alternatives]
    tests = [f"{alias}.type = ANY({statement.argument(whole)}::text[])"]
    for kind, alternatives in shown.items():
        if alternatives and () not in alternatives:
            found = rids(statement, Either(kind, alternatives))
            tests.append(
                f"({alias}.type = {statement.argument(kind)} AND EXISTS "
                f"(SELECT 1 FROM ({found}) v WHERE v.rid = {alias}.rid))"
            )
    return f"({' OR '.join(tests)})"
