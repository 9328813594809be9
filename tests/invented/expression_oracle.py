"""Expression constraints as nested tuples: made by chance, written as text, and answered by looking at every row.

Nothing of the product is used: what a tuple means is worked out from the rows of an invented release.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from expression_release import (
    ASSOCIATIONS,
    ATTRIBUTES,
    DATE,
    FINDINGS,
    FLAG,
    GB,
    LATER,
    MAPS,
    MODULES,
    NOTE,
    REPLACED,
    SAME,
    SIMPLE,
    STRENGTH,
    VALUES,
    Made,
)  # fmt: skip
from hypothesis import strategies as st
from release_packages import ACCEPTABLE, FSN, PREFERRED, SYNONYM, US

Tree = tuple[Any, ...]


def plain(told: str) -> str:
    """A text without case and accents."""
    return "".join(c for c in unicodedata.normalize("NFD", told.lower()) if not unicodedata.combining(c))


LONG = {
    "<": "descendantOf ", "<<": "descendantOrSelfOf ", "<!": "childOf ", "<<!": "childOrSelfOf ", ">": "ancestorOf ",
    ">>": "ancestorOrSelfOf ", ">!": "parentOf ", ">>!": "parentOrSelfOf ", "!!>": "top ", "!!<": "bottom ",
}  # fmt: skip

# --- making ---------------------------------------------------------------------------------------------------------

_codes = st.sampled_from((*FINDINGS, *VALUES, *FINDINGS, *ATTRIBUTES)).map(lambda c: ("code", c))
_names = st.one_of(st.just(("any",)), st.sampled_from(ATTRIBUTES).map(lambda c: ("code", c)),
                   st.sampled_from(ATTRIBUTES).map(lambda c: ("op", "<<", ("code", c))))  # fmt: skip
_bounds = st.sampled_from(((1, None), (1, None), (1, None), (0, 0), (0, 1), (1, 1), (2, None), (0, None), (2, 3)))
_equal = st.sampled_from(("=", "=", "!="))
_order = st.sampled_from(("=", "!=", "<", "<=", ">", ">="))
_times = st.tuples(st.just("effectiveTime"), _order, st.sampled_from((DATE, LATER)))
_active = st.tuples(st.just("active"), _equal, st.booleans())
_module = st.tuples(st.just("moduleId"), _equal, st.sampled_from(MODULES))
_dialect = st.tuples(st.just("dialectId"), _equal, st.sampled_from((US, GB)),
                     st.sampled_from(((), (PREFERRED,), (ACCEPTABLE,), (PREFERRED, ACCEPTABLE))))  # fmt: skip
_term = st.tuples(
    st.just("term"),
    _equal,
    st.sampled_from(
        (
            ("match", "lu"),
            ("match", "MARE al"),
            ("match", "baixa lua"),
            ("wild", "*nova"),
            ("wild", "lua*"),
            ("wild", "l*a"),
        )
    ),
)
_described = st.one_of(_term, _term, _dialect, _times, _active, _module, st.tuples(st.just("language"), _equal, st.sampled_from(("en", "pt"))),
                       st.tuples(st.just("typeId"), _equal, st.sampled_from((FSN, SYNONYM))))  # fmt: skip
_defined = st.one_of(
    _times, _active, _module, st.tuples(st.just("definitionStatus"), _equal, st.sampled_from(("primitive", "defined")))
)
_mapped = st.one_of(_times, _active, _module, st.tuples(st.just("mapGroup"), _order, st.sampled_from((1, 2))),
                    st.tuples(st.just("mapTarget"), _equal, st.sampled_from((("exact", "A00"), ("wild", "A00*")))))  # fmt: skip


def _some(one: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(one, min_size=1, max_size=3).map(tuple)


def _attribute(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    literal = st.one_of(
        st.tuples(st.just(("code", STRENGTH)), _order, st.sampled_from(("1", "5", "7.5", "-2")).map(lambda n: ("#", n))),
        st.tuples(st.just(("code", NOTE)), _equal, st.sampled_from((("text", "exact", "maré"), ("text", "match", "lu"), ("text", "wild", "*5")))),
        st.tuples(st.just(("code", FLAG)), _equal, st.booleans().map(lambda b: ("truth", b))),
    )  # fmt: skip
    plain = st.tuples(_bounds, st.booleans(), _names, _equal, inner).map(lambda x: ("attr", *x))
    return st.one_of(plain, plain, st.tuples(_bounds, literal).map(lambda x: ("attr", x[0], False, *x[1])))


def _refinement(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    one = _attribute(inner)
    several = st.tuples(st.sampled_from(("and", "or")), st.lists(one, min_size=2, max_size=3).map(tuple))
    group = st.tuples(st.just("group"), _bounds, st.one_of(one, several, several))
    part = st.one_of(one, group, group)
    return st.one_of(part, st.tuples(st.sampled_from(("and", "or")), st.lists(part, min_size=2, max_size=3).map(tuple)))


def _further(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    history = st.sampled_from(("-MIN", "-MOD", "-MAX", "", SAME, REPLACED))
    return st.one_of(
        st.tuples(st.just("op"), st.sampled_from(tuple(LONG)), inner),
        st.tuples(st.sampled_from(("and", "or")), st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.tuples(st.just("minus"), inner, inner),
        st.tuples(st.just("dot"), inner, _names),
        *[st.tuples(st.just("refined"), st.one_of(st.just(("any",)), inner), _refinement(inner))] * 4,
        st.tuples(st.just("described"), inner, _some(_described)),
        st.tuples(st.just("defined"), inner, _some(_defined)),
        st.tuples(st.just("history"), inner, history),
        st.tuples(st.just("member"), st.just(("code", MAPS)), _some(_mapped), st.just("")),
        st.tuples(st.just("member"), st.sampled_from((SAME, REPLACED)).map(lambda c: ("code", c)), st.just(()), st.just("targetComponentId")),
        st.tuples(st.just("member"), st.one_of(st.just(("code", SIMPLE)), st.just(("any",)), st.just(("op", "<", ("code", ASSOCIATIONS)))), st.just(()), st.just("")),
    )  # fmt: skip


TREES = st.recursive(
    st.one_of(_codes, _codes, st.just(("any",)), _codes.map(lambda c: ("op", "<<", c))), _further, max_leaves=6
)

# --- writing --------------------------------------------------------------------------------------------------------


def text(tree: Tree, long: bool = False) -> str:
    """The tree as a whole expression."""
    match tree:
        case ("and" | "or" as word, parts):
            return f" {word.upper() if not long else word} ".join(_part(each, long) for each in parts)
        case ("minus", found, taken):
            return f"{_part(found, long)} MINUS {_part(taken, long)}"
        case ("dot", found, name):
            return f"{_part(found, long)} . {_part(name, long)}"
        case ("refined", found, how):
            return f"{_part(found, long)} : {_refined(how, long)}"
    return _part(tree, long)


def _part(tree: Tree, long: bool) -> str:
    """The tree as a part of one: in parentheses unless it is a focus with what may stand around it."""
    match tree:
        case ("any",):
            return "ANY" if long else "*"
        case ("code", code):
            return f"{code} |Invented, of course| /* so */" if long else str(code)
        case ("op", operator, of):
            simple = of[0] in ("any", "code") or (of[0] == "member" and not of[2])
            return (LONG[operator] if long else operator) + (_part(of, long) if simple else f"({text(of, long)})")
        case ("member", of, tests, name):
            focus = _part(of, long) if of[0] in ("any", "code") else f"({text(of, long)})"
            block = f" {{{{ M {_tests(tests, long)} }}}}" if tests else ""
            return f"{'memberOf ' if long else '^'}{f'[{name}] ' if name else ''}{focus}{block}"
        case ("described" | "defined" as kind, of, tests):
            mark = "C " if kind == "defined" else "D " if long else ""
            return f"({text(of, long)}) {{{{ {mark}{_tests(tests, long)} }}}}"
        case ("history", of, how):
            return f"({text(of, long)}) {{{{ + HISTORY{f' ({how})' if how.isdigit() else how} }}}}"
    return f"({text(tree, long)})"


def _refined(how: Tree, long: bool, joined: bool = False) -> str:
    match how:
        case ("and" | "or" as word, parts):
            mark = ", " if word == "and" and not long else f" {word} "
            found = mark.join(_refined(each, long, True) for each in parts)
            return f"({found})" if joined else found
        case ("group", bounds, of):
            return f"{_bounds_text(bounds, long)}{{ {_refined(of, long)} }}"
    _, bounds, reverse, name, operator, value = how
    flag = ("reverseOf " if long else "R ") if reverse else ""
    compared = "NOT =" if long and operator == "!=" else operator
    return f"{_bounds_text(bounds, long)}{flag}{_part(name, long)} {compared} {_value(value, long)}"


def _bounds_text(bounds: tuple[int, int | None], long: bool) -> str:
    low, high = bounds
    if (low, high) == (1, None) and not long:
        return ""
    return f"[{low}{' to ' if long else '..'}{'*' if high is None else high}] "


def _value(value: Tree, long: bool) -> str:
    match value:
        case ("#", number):
            return f"#{number}"
        case ("text", kind, told):
            return f'"{told}"' if kind == "exact" else f'{kind}:"{told}"'
        case ("truth", truth):
            return str(truth).lower()
    return _part(value, long)


def _tests(tests: tuple[Tree, ...], long: bool) -> str:
    told = []
    for name, operator, value, *ranks in tests:
        if name == "active":
            written = ("true" if value else "false") if long else str(int(value))
        elif name in ("term", "mapTarget"):
            written = (
                f'"{value[1]}"' if value[0] == ("match" if name == "term" else "exact") else f'{value[0]}:"{value[1]}"'
            )
        else:
            written = {"effectiveTime": f'"{value}"', "mapGroup": f"#{value}"}.get(name, str(value))
        told.append(f"{name} {operator} {written}" + (f" ({' '.join(ranks[0])})" if ranks and ranks[0] else ""))
    return ", ".join(told)


# --- answering ------------------------------------------------------------------------------------------------------


class Oracle:
    """Answers trees by looking at all rows of a release."""

    def __init__(self, made: Made) -> None:
        self.made = made
        self.rows = [
            (source, (source, group or -1 - place), kind, target, value)
            for place, (source, group, kind, target, value) in enumerate(made.relations)
        ]

    def above(self, code: str) -> set[str]:
        """All a concept stands under."""
        near = self.made.parents.get(code, set())
        return near.union(*(self.above(each) for each in near))

    def of(self, tree: Tree) -> set[str]:
        """The codes a tree means."""
        everything = set(self.made.concepts)
        match tree:
            case ("any",):
                return everything
            case ("code", code):
                return {code}
            case ("op", operator, of):
                return self._lineage(operator, self.of(of))
            case ("and", parts):
                return set.intersection(*map(self.of, parts))
            case ("or", parts):
                return set().union(*map(self.of, parts))
            case ("minus", found, taken):
                return self.of(found) - self.of(taken)
            case ("dot", found, name):
                starts, kinds = self.of(found), self.of(name)
                return {
                    target for source, _, kind, target, _ in self.rows if target and source in starts and kind in kinds
                }
            case ("refined", found, how):
                return {code for code in self.of(found) if self._fits(code, how)}
            case ("described", found, tests):
                return {n["concept"] for n in self.made.names if self._passes(n, tests)} & self.of(found)
            case ("defined", found, tests):
                return {code for code in self.of(found) if self._passes(self._told(code), tests)}
            case ("member", of, tests, name):
                rows = [
                    m
                    for m in self.made.members
                    if m["list"] in self.of(of) and self._passes({**m, **m["fields"]}, tests)
                ]
                return {m["fields"][name] if name else m["code"] for m in rows}
        _, found, how = tree
        lists = {"-MIN": {SAME}, "": {SAME, REPLACED}}.get(how, {how} if how.isdigit() else {SAME, REPLACED})
        old = (m for m in self.made.members if m["active"] and m["list"] in lists)
        known = self.of(found)
        return known | {m["code"] for m in old if m["fields"].get("targetComponentId") in known}

    def _told(self, code: str) -> dict[str, Any]:
        active, module, time, defined = self.made.concepts[code]
        return {
            "active": active,
            "module": module,
            "time": time,
            "status": "defined" if defined else "primitive",
            "code": code,
        }

    def _lineage(self, operator: str, of: set[str]) -> set[str]:
        everything = set(self.made.concepts)
        if operator == "!!>":
            return {code for code in of if not self.above(code) & of}
        if operator == "!!<":
            return of.difference(*(self.above(code) for code in of)) if of else of
        near: Callable[[str], set[str]] = (lambda c: self.made.parents.get(c, set())) if "!" in operator else self.above
        if operator.startswith("<"):
            found = {code for code in everything if near(code) & of}
        else:
            found = set().union(*(near(code) for code in of)) if of else set()
        return found | of if operator[:2] in ("<<", ">>") else found

    def _fits(self, code: str, how: Tree) -> bool:
        match how:
            case ("and", parts):
                return all(self._fits(code, part) for part in parts)
            case ("or", parts):
                return any(self._fits(code, part) for part in parts)
            case ("group", bounds, of):
                units = {row[1] for row in self.rows if code in (row[0], row[3])}
                return _within(sum(self._unit(code, unit, of) for unit in units), bounds)
        return _within(len(self._matching(code, how)), how[1])

    def _unit(self, code: str, unit: Any, how: Tree) -> bool:
        """Whether a group meets an attribute or several; a bound of none holds where a group has a row of its way."""
        match how:
            case ("and", parts):
                positive = [p for p in parts if p[1][0]]
                if not positive:
                    return all(self._unit(code, unit, p) for p in parts)
                return all(self._unit(code, unit, p) for p in positive) and all(
                    _within(self._count(code, unit, p), p[1]) for p in parts if not p[1][0]
                )
            case ("or", parts):
                return any(self._unit(code, unit, p) for p in parts)
        side = 3 if how[2] else 0
        there = any(row[side] == code and row[1] == unit for row in self.rows)
        return there and _within(self._count(code, unit, how), how[1])

    def _count(self, code: str, unit: Any, how: Tree) -> int:
        return sum(row[1] == unit for row in self._matching(code, how))

    def _matching(self, code: str, how: Tree) -> list[Any]:
        _, _, reverse, name, operator, value = how
        kinds = self.of(name)
        own, other = (3, 0) if reverse else (0, 3)
        rows = [row for row in self.rows if row[own] == code and row[2] in kinds]
        match value:
            case ("#", number):
                numbers = [(row, Decimal(row[4][1:])) for row in rows if row[4].startswith("#")]
                return [row for row, told in numbers if _compare(operator, told, Decimal(number))]
            case ("text", kind, told):
                texts = [(row, row[4].strip('"')) for row in rows if row[4] and not row[4].startswith("#")]
                return [row for row, own in texts if _text(kind, told, own, str.lower) is (operator == "=")]
            case ("truth", truth):
                return [row for row in rows if row[4] and (row[4] == str(truth).lower()) is (operator == "=")]
            case ("any",):
                return rows if operator == "=" else []
        values = self.of(value)
        return [row for row in rows if row[other] and (row[other] in values) is (operator == "=")]

    def _passes(self, row: dict[str, Any], tests: tuple[Tree, ...]) -> bool:
        if "status" not in row and not row["active"] and all(test[0] != "active" for test in tests):
            return False
        return all(_test(row, *test) for test in tests)


def _within(count: int, bounds: tuple[int, int | None]) -> bool:
    low, high = bounds
    return count >= low and (high is None or count <= high)


def _compare(operator: str, one: Any, other: Any) -> bool:
    return {
        "=": one == other,
        "!=": one != other,
        "<": one < other,
        "<=": one <= other,
        ">": one > other,
        ">=": one >= other,
    }[operator]


def _text(kind: str, wanted: str, told: str, folded: Callable[[str], str]) -> bool:
    if kind == "exact":
        return told == wanted
    if kind == "wild":
        return fnmatch.fnmatchcase(folded(told), folded(wanted))
    words = re.findall(r"\w+", folded(told))
    return all(any(word.startswith(each) for word in words) for each in folded(wanted).split())


def _test(row: dict[str, Any], name: str, operator: str, value: Any, ranks: tuple[str, ...] = ()) -> bool:
    match name:
        case "effectiveTime":
            return _compare(operator, row["time"], value)
        case "mapGroup":
            return "mapGroup" in row and _compare(operator, int(row["mapGroup"]), value)
        case "mapTarget":
            return "mapTarget" in row and _text(*value, row["mapTarget"], str.lower) is (operator == "=")
        case "term":
            held = _text(*value, row["term"], plain)
        case "dialectId":
            held = row["ranks"].get(value) in (ranks or (PREFERRED, ACCEPTABLE))
        case _:
            held = row[{"moduleId": "module", "definitionStatus": "status", "typeId": "kind"}.get(name, name)] == value
    return bool(held is (operator == "="))
