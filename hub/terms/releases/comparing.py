"""The comparisons of expression constraints as conditions: concrete values, and fields of concepts, names, members.

A text `match`es by beginnings of its words in any order, `wild` as a whole with `*` for any characters, `exact` as a
whole; letter case and accents do not count but for `exact`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol, cast

from canonical.identity import fold
from fhir.terminology.nodes import Codes, Node, Numbers, Test, Texts, Truth

Argument = Callable[[Any], str]
_WORD = re.compile(r"[^\W_]+")
_NUMBER = r"'^[+-]?\d{1,100}(\.\d{1,100})?$'"
_PRIMITIVE, _DEFINED = "900000000000074008", "900000000000073002"


class Steps(Protocol):
    """What works out the concepts that a value is compared with."""

    def codes(self, node: Node) -> str:
        """A query of the codes a tree means."""

    def argument(self, value: Any) -> str:
        """The placeholder of a value."""


def _sign(operator: str) -> str:
    return {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}[operator]


def _any(operator: str, one: Callable[[Any], str], values: tuple[Any, ...]) -> str:
    """That one of several values holds; with `!=` that none does."""
    found = "(" + " OR ".join(one(value) for value in values) + ")"
    return f"NOT {found}" if operator == "!=" else found


def concrete(operator: str, value: Numbers | Texts | Truth, argument: Argument) -> str:
    """A condition on the value of a relationship `r`."""
    if isinstance(value, Truth):
        return f"r.value IS NOT NULL AND (lower(r.value) {_sign(operator)} '{str(value.value).lower()}')"
    if isinstance(value, Texts):
        return f"(r.value IS NOT NULL AND r.amount IS NULL AND {_texts(operator, value, 'r.value', argument)})"
    return f"(r.amount IS NOT NULL AND {_numbers(operator, value, 'r.amount', argument)})"


def _numbers(operator: str, value: Numbers, column: str, argument: Argument) -> str:
    sign = "=" if operator == "!=" else _sign(operator)
    return _any(operator, lambda each: f"{column} {sign} {argument(each)}::numeric", value.values)


def _texts(operator: str, value: Texts, column: str, argument: Argument, *, folded: bool = False) -> str:
    whole = column if folded else f"lower({column})"

    def one(each: tuple[str, str]) -> str:
        kind, text = each
        if kind == "exact":
            return f"{column} = {argument(text)}::text"
        shown = fold(text) if folded else text.lower()
        if kind == "wild":
            return f"{whole} LIKE {argument(_like(shown))}::text"
        words = [f"{whole} ~ {argument(chr(92) + 'm' + word)}::text" for word in _WORD.findall(shown)]
        return "(" + (" AND ".join(words) or "false") + ")"

    return _any(operator, one, value.values)


def _like(text: str) -> str:
    """A pattern with `*` as LIKE has it; behind a backslash a sign is itself."""
    found = ""
    for escaped, sign in re.findall(r"(\\?)(.)", text, re.DOTALL):
        special = sign in "%_\\" or (escaped and sign != "*")
        found += "%" if sign == "*" and not escaped else f"\\{sign}" if special else sign
    return found


def _negated(operator: str, condition: str) -> str:
    return f"NOT {condition}" if operator == "!=" else condition


def _shared(test: Test, alias: str, steps: Steps) -> str | None:
    """Module, time and state, which descriptions and members have alike."""
    match test.field.lower():
        case "moduleid":
            return _negated(test.operator, f"({alias}.module IN ({steps.codes(cast(Node, test.value))}))")
        case "effectivetime":
            return _times(test, f"{alias}.since", steps)
        case "active":
            return _negated(test.operator, _state(f"{alias}.active", test))
    return None


def _state(column: str, test: Test) -> str:
    return f"({column} = {str(cast(Truth, test.value).value).lower()})"


def _times(test: Test, column: str, steps: Steps) -> str:
    sign = "=" if test.operator == "!=" else _sign(test.operator)
    values = cast(Texts, test.value).values
    return _any(test.operator, lambda each: f"{column} {sign} {steps.argument(each[1])}::text", values)


def of_member(test: Test, steps: Steps) -> str:
    """A condition on a member `m`; a field its list has not is never met."""
    shared = _shared(test, "m", steps)
    if shared is not None:
        return shared
    if test.field.lower() == "referencedcomponentid":
        own = "(SELECT own.code FROM term_concept own WHERE own.number = m.number)"
        if isinstance(test.value, Texts | Numbers | Truth):
            return "false"
        return _negated(test.operator, f"({own} IN ({steps.codes(test.value)}))")
    column = f"(m.fields->>{steps.argument(test.field)}::text)"
    return f"({column} IS NOT NULL AND {_field(test, column, steps)})"


def _field(test: Test, column: str, steps: Steps) -> str:
    match test.value:
        case Numbers() as value:
            number = f"(CASE WHEN {column} ~ {_NUMBER} THEN {column}::numeric END)"
            return f"({number} IS NOT NULL AND {_numbers(test.operator, value, number, steps.argument)})"
        case Texts() as value:
            return _texts(test.operator, value, column, steps.argument)
        case Truth(value=value):
            wanted = "('1', 'true')" if value else "('0', 'false')"
            return _negated(test.operator, f"(lower({column}) IN {wanted})")
        case node:
            return _negated(test.operator, f"({column} IN ({steps.codes(node)}))")


def of_description(test: Test, steps: Steps) -> str:
    """A condition on a description `n`."""
    shared = _shared(test, "n", steps)
    if shared is not None:
        return shared
    match test.field:
        case "term":
            return _texts(test.operator, cast(Texts, test.value), "n.folded", steps.argument, folded=True)
        case "language":
            wanted = [text.lower() for _, text in cast(Texts, test.value).values]
            return _negated(test.operator, f"(n.language = ANY({steps.argument(wanted)}::text[]))")
        case "id":
            ids = [int(text) for _, text in cast(Texts, test.value).values]
            return _negated(test.operator, f"(n.ref = ANY({steps.argument(ids)}::bigint[]))")
        case "typeid":
            return _negated(test.operator, f"(n.kind IN ({steps.codes(cast(Node, test.value))}))")
    return _negated(test.operator, f"(n.ranks && {_dialects(test, steps)})")


def _dialects(test: Test, steps: Steps) -> str:
    """The marks of a description in the dialects, with the acceptabilities asked for."""
    if isinstance(test.value, Texts):
        marks = [f"{code}={rank}" for ranks, code in test.value.values for rank in (ranks or "PA")]
        return f"{steps.argument(marks)}::text[]"
    ranks = list(test.ranks or ("P", "A"))
    return (
        f"ARRAY(SELECT d.code || '=' || k.rank FROM ({steps.codes(cast(Node, test.value))}) d, "
        f"unnest({steps.argument(ranks)}::text[]) AS k(rank))"
    )


def of_concept(test: Test, steps: Steps) -> str:
    """A condition on a concept `c`."""
    match test.field:
        case "active":
            return _negated(test.operator, _state("(NOT c.inactive)", test))
        case "effectivetime":
            since = "(SELECT substr(k, 15) FROM unnest(c.marks) AS k WHERE starts_with(k, 'effectiveTime=') LIMIT 1)"
            return _times(test, since, steps)
        case "definitionstatusid" if isinstance(test.value, Codes):
            states = {_PRIMITIVE: "false", _DEFINED: "true"}
            marks = [f"sufficientlyDefined={states[code]}" for code in test.value.codes if code in states]
            return _negated(test.operator, f"(c.marks && {steps.argument(marks)}::text[])")
        case "definitionstatusid":
            state = f"CASE WHEN c.marks && '{{sufficientlyDefined=true}}' THEN '{_DEFINED}' ELSE '{_PRIMITIVE}' END"
            return _negated(test.operator, f"(({state}) IN ({steps.codes(cast(Node, test.value))}))")
    modules = f"ARRAY(SELECT 'moduleId=' || d.code FROM ({steps.codes(cast(Node, test.value))}) d)"
    return _negated(test.operator, f"(c.marks && {modules})")
