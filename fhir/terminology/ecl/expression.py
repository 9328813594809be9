"""Expressions and refinements of ECL 2.2: operators, members, AND, OR, MINUS, dots, attributes, groups, how many."""

from __future__ import annotations

from collections.abc import Callable

from fhir.terminology.ecl import filters
from fhir.terminology.ecl.scanner import Scanner
from fhir.terminology.nodes import (
    All,
    Codes,
    Dotted,
    Either,
    Every,
    Grouped,
    Lineage,
    Listed,
    MemberOf,
    Node,
    Related,
    Tips,
    Without,
)

_WORDS = {
    "descendantorselfof": "<<", "descendantof": "<", "childorselfof": "<<!", "childof": "<!",
    "ancestororselfof": ">>", "ancestorof": ">", "parentorselfof": ">>!", "parentof": ">!",
    "top": "!!>", "bottom": "!!<",
}  # fmt: skip
_OPERATOR = r"!!>|!!<|<<!|<<|<!|<(?![=>])|>>!|>>|>!|>(?!=)|(?:" + "|".join(_WORDS) + r")\b"
_COMPARED = r"!=|<>|not\s*=|<=|>=|=|<|>"
_JOINED = r"and\b|or\b|minus\b|,"
_FIELD = r"[A-Za-z][A-Za-z0-9_]*"
_WAYS = {
    "<": (True, True, False),
    "<<": (True, True, True),
    "<!": (True, False, False),
    "<<!": (True, False, True),
    ">": (False, True, False),
    ">>": (False, True, True),
    ">!": (False, False, False),
    ">>!": (False, False, True),
}


def parse(text: str) -> Node:
    """The tree of an expression; raises Unanswered for one that is malformed, with the place."""
    scanner = Scanner(text)
    found = _whole(scanner)
    if scanner.see(r"\Z") is None:
        raise scanner.refused()
    return found


def _whole(scanner: Scanner) -> Node:
    """expressionConstraint: refined, joined, dotted or a part alone."""
    with scanner.deeper():
        found = part(scanner)
        if scanner.take(":"):
            return All((found, _joined(scanner, _refined(scanner), _refined)))
        if scanner.see(r"\.") is not None:
            while scanner.take(r"\.(?!\.)"):
                found = Dotted(found, part(scanner))
            return found
        if scanner.take(r"minus\b"):
            found = Without(found, part(scanner))
            if scanner.see(_JOINED) is not None:
                raise scanner.refused()
            return found
        return _joined(scanner, found, part)


def _joined(scanner: Scanner, first: Node, following: Callable[[Scanner], Node]) -> Node:
    """Parts joined by one kind of word; two kinds want parentheses."""
    word = r"or\b" if scanner.see(r"or\b") is not None else r"and\b|,"
    parts = [first]
    while scanner.take(word):
        parts.append(following(scanner))
    if scanner.see(_JOINED) is not None:
        raise scanner.refused()
    if len(parts) == 1:
        return first
    return (Either if word == r"or\b" else All)(tuple(parts))


def part(scanner: Scanner) -> Node:
    """subExpressionConstraint: an operator, members, a focus, filters."""
    with scanner.deeper():
        operator = (scanner.take(_OPERATOR) or "").lower()
        member = scanner.take(r"\^|memberof\b")
        field = _field(scanner) if member and scanner.take(r"\[") else ""
        found = _focus(scanner)
        blocks = filters.read(scanner, part)
        if member:
            found = _members(scanner, found, field, blocks)
        elif any(block.kind == "m" for block in blocks):
            raise scanner.refused()
        if operator:
            operator = _WORDS.get(operator, operator)
            found = Tips(found, operator == "!!>") if operator in ("!!>", "!!<") else Lineage(found, *_WAYS[operator])
        return filters.applied(found, blocks)


def _focus(scanner: Scanner) -> Node:
    if scanner.take(r"\("):
        found = _whole(scanner)
        scanner.need(r"\)")
        return found
    if scanner.take(r"\*|any\b"):
        return Every()
    return Codes((filters.code(scanner),))


def _field(scanner: Scanner) -> str:
    """The name behind `^ [`; several, or all, are rows of a table and no concepts."""
    found = scanner.need(_FIELD)
    scanner.need(r"\]")
    return "" if found.lower() == "referencedcomponentid" else found


def _members(scanner: Scanner, of: Node, named: str, blocks: tuple[filters.Block, ...]) -> Node:
    tests = [block.tests for block in blocks if block.kind == "m"]
    if not tests:
        return Listed(of, (), named) if named else MemberOf(of)
    if named and len(tests) > 1:
        raise scanner.refused()
    found = tuple(Listed(of, each, named) for each in tests)
    return found[0] if len(found) == 1 else All(found)


def _refined(scanner: Scanner) -> Node:
    """subRefinement: an attribute, a group, or either in parentheses."""
    with scanner.deeper():
        if scanner.see(r"\[[^\]]*\]\s*\{(?!\{)|\{(?!\{)") is not None:
            low, high = _cardinality(scanner)
            scanner.need(r"\{")
            found = _joined(scanner, _attribute(scanner), _attribute)
            scanner.need(r"\}")
            return Grouped(found, low, high)
        return _attribute(scanner, _refined)


def _attribute(scanner: Scanner, inner: Callable[[Scanner], Node] | None = None) -> Node:
    """eclAttribute, or attributes in parentheses (of the kind `inner`)."""
    with scanner.deeper():
        if scanner.see(r"\(") is not None and not scanner.closes_before(_COMPARED + r"|\{\{"):
            scanner.need(r"\(")
            following = inner or _attribute
            found = _joined(scanner, following(scanner), following)
            scanner.need(r"\)")
            return found
        low, high = _cardinality(scanner)
        reverse = scanner.take(r"reverseof\b|r\b") is not None
        name = part(scanner)
        operator = filters.operator(scanner, _COMPARED)
        value = filters.literal(scanner, operator)
        if value is None:
            if operator not in ("=", "!="):
                raise scanner.refused()
            return Related(name, operator, part(scanner), low, high, reverse)
        if reverse:
            raise scanner.refused()
        return Related(name, operator, value, low, high)


def _cardinality(scanner: Scanner) -> tuple[int, int | None]:
    if not scanner.take(r"\["):
        return 1, None
    low = int(scanner.need(r"0|[1-9]\d{0,8}"))
    scanner.need(r"\.\.|to\b")
    most = scanner.need(r"0|[1-9]\d{0,8}|\*|many\b")
    scanner.need(r"\]")
    high = int(most) if most.isdigit() else None
    if high is not None and high < low:
        raise scanner.refused()
    return low, high
