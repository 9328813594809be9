"""What the parameters of a search settle together: the order, and whether contained resources are searched for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from canonical.problem import Problem
from fhir.search import nested
from fhir.search.conditions import BadQuery, Clause, Condition, Near, Setting, Words, problem
from fhir.search.options import Sort

_SHOWN_AS = "_containedType"


def settled(
    stated: dict[str, Any], used: list[tuple[str, str]], types: Sequence[str], setting: Setting
) -> tuple[list[tuple[str, str]], list[Problem]]:
    """Takes out of `stated` what cannot take effect; the parameters that do, and what is wrong with others.

    Raises BadQuery for what cannot be joined with `_contained`.
    """
    wrong: list[Problem] = []
    if stated.get("contained"):
        _check_joined(used, types, setting)
    elif stated.pop("inner_shown", None) is not None:  # there is nothing contained to be shown (R4 §3.1.1.5.8)
        wrong.append(problem("no-effect", _SHOWN_AS))
        used = [pair for pair in used if pair[0] != _SHOWN_AS]
    if "sort" in stated:
        stated["sort"], used, wrong = _sorted(stated["sort"], used, types, setting)
    if stated.get("summary") == "text" and stated.pop("includes", ()):  # they cannot be mixed (R4 §3.1.1.5.9)
        wrong += [problem("no-effect", name) for name, _ in used if _is_include(name)]
        used = [pair for pair in used if not _is_include(pair[0])]
    return used, wrong


def _sorted(
    fields: Sequence[Sort], used: list[tuple[str, str]], types: Sequence[str], setting: Setting
) -> tuple[tuple[Sort, ...], list[tuple[str, str]], list[Problem]]:
    """Only those sort fields that every type has, the parameters that took effect, and what is wrong with others."""
    kept, wrong = [], []
    for field_ in fields:
        kinds = {_sort_kind(kind, field_.code, setting) for kind in types}
        if None in kinds or len(kinds) > 1 or (len(types) > 1 and not field_.is_column):
            wrong.append(problem("unsupported-sort", field_.code))
        else:
            kept.append(replace(field_, kind=str(kinds.pop())))
    if wrong:
        used = [pair for pair in used if pair[0] != "_sort"]
        if kept:
            used.append(("_sort", ",".join(("-" if f.down else "") + f.code for f in kept)))
    return tuple(kept), used, wrong


def _is_include(name: str) -> bool:
    return name.partition(":")[0] in ("_include", "_revinclude")


def _sort_kind(type_name: str, code: str, setting: Setting) -> str | None:
    if code in ("_id", "_lastUpdated"):
        return "column"
    parameter = setting.parameter(type_name, code)
    return parameter.type if parameter is not None and parameter.type != "composite" else None


def _check_joined(used: Sequence[tuple[str, str]], types: Sequence[str], setting: Setting) -> None:
    """Raise BadQuery where contained resources are asked for and cannot be: by whom, of what, or in which order.

    What is contained has no time and no links of its own, so it is neither sorted nor a start of includes.
    """
    if not setting.inner or len(types) != 1:
        raise BadQuery(problem("contained", "_contained"))
    for name, _ in used:
        if name == "_sort" or _is_include(name):
            raise BadQuery(problem("contained", name))


def held(branches: Sequence[tuple[str, Sequence[Condition]]], setting: Setting) -> tuple[Condition, ...]:
    """The conditions of a search as those on contained resources; raises BadQuery for one that has no such."""
    ((kind, conditions),) = branches
    found: list[Condition] = []
    for condition in conditions:
        inner = nested.moved(condition, kind, nested.INNER, kind)
        if inner is None:
            raise BadQuery(problem("contained", _named(condition)))
        found.append(inner)
    return tuple(found) or (nested.there(kind),)


def _named(condition: Condition) -> str:
    """The parameter of a condition, as far as it tells."""
    if isinstance(condition, Words):
        return "_text" if condition.narrative else "_content"
    return "near" if isinstance(condition, Near) else condition.code if isinstance(condition, Clause) else "_contained"
