"""The rules of `checks.csv`, one per row: in a section, when a role has some value, another must be so and so.

`when` and `is`: a role and `present`, `absent`, values, or a beginning such as `3*`; blank is always. `must`:
`present`, `absent`, `in` and `not-in` values, `positive`, `at-most` and `at-least` another role (`^role` of the unit
around, `today`), `shape` of a kind, `one-of` it or other roles, `has` a unit of section `role` inside with role `than`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import cache

from tiss.rules.amounts import scaled
from tiss.rules.case import FOLDER, Findings, Given, off
from tiss.rules.layout import Unit

_MOST_KNOWN = 10_000
_OF_A_TEXT = frozenset(("positive", "at-most", "at-least", "shape"))  # silent where the text is absent
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SHAPES = {
    "digits": re.compile(r"[0-9]{1,10}\Z", re.ASCII),
    "anvisa": re.compile(r"[0-9]{11}(?:[0-9]{2})?\Z", re.ASCII),
}


class Check:
    """One row, ready to run."""

    __slots__ = ("begins", "code", "must", "role", "state", "than", "values", "when")

    def __init__(self, row: dict[str, str]) -> None:
        self.code, self.when, self.role = row["code"], row["when"], row["role"]
        self.must, self.than = row["must"], row["than"]
        words = row["is"].split()
        self.state = words[0] if words and words[0] in ("present", "absent") else ""
        self.values = frozenset(word for word in words if not word.endswith("*"))
        self.begins = tuple(word[:-1] for word in words if word.endswith("*"))

    def applies(self, text: str) -> bool:
        """Whether the text of the `when` role calls for this check."""
        if self.state:
            return bool(text) == (self.state == "present")
        return text in self.values or bool(self.begins and text.startswith(self.begins))

    def run(self, unit: Unit, given: Given, found: Findings) -> None:
        """Record a finding when the unit fails."""
        if self.must == "has":
            rows = unit.every(self.role)
            if not any(row.texts.get(self.than, "").strip() for row in rows):
                found.at(self.code, unit, self._inside(unit))
            return
        text = unit.texts.get(self.role, "").strip()
        if _TESTS[self.must](self, unit, given, text):
            return
        found.at(self.code, unit, self.role, element=_name(unit, self.role), other=_other(unit, self.than))

    def _inside(self, unit: Unit) -> str:
        """Where the wanted role would stand, as a path below the unit."""
        children = unit.section.children.items()
        path, inner = next((path, inner) for path, inner in children if inner.name == self.role)
        return f"/{path}/{inner.paths[self.than]}".rstrip("/")


def _name(unit: Unit, role: str) -> str:
    path = unit.section.paths.get(role, "") or unit.path
    return path.rpartition("/")[2]


def _other(unit: Unit, role: str) -> str:
    if role.startswith("^") and unit.parent is not None:
        return _name(unit.parent, role[1:])
    return _name(unit, role) if role in unit.section.paths else role


def _compared(text: str, other: str) -> int:
    """-1, 0 or 1 as `text` is below, equal or above `other`; 0 where they cannot be compared."""
    if not text or not other:
        return 0
    if _DAY.match(text) and _DAY.match(other):
        return (text[:10] > other[:10]) - (text[:10] < other[:10])
    one, two = scaled(text), scaled(other)
    return 0 if one is None or two is None else (one > two) - (one < two)


def _value(check: Check, unit: Unit, given: Given) -> str:
    """What `than` stands for."""
    if check.than == "today":
        return given.last_day
    if check.than.isdigit():
        return check.than
    if check.than.startswith("^"):
        return unit.parent.texts.get(check.than[1:], "").strip() if unit.parent is not None else ""
    return unit.texts.get(check.than, "").strip()


def _among(text: str, values: str) -> bool:
    return any(text.startswith(word[:-1]) if word.endswith("*") else text == word for word in values.split())


_TESTS: dict[str, Callable[[Check, Unit, Given, str], bool]] = {
    "present": lambda _check, _unit, _given, text: bool(text),
    "absent": lambda _check, _unit, _given, text: not text,
    "in": lambda check, _unit, _given, text: not text or _among(text, check.than),
    "not-in": lambda check, _unit, _given, text: not _among(text, check.than),
    "positive": lambda _check, _unit, _given, text: (value := scaled(text)) is None or value > 0,
    "at-most": lambda check, unit, given, text: _compared(text, _value(check, unit, given)) <= 0,
    "at-least": lambda check, unit, given, text: _compared(text, _value(check, unit, given)) >= 0,
    "shape": lambda check, _unit, _given, text: not text or _SHAPES[check.than].match(text) is not None,
    "one-of": lambda check, unit, _given, text: (
        bool(text) or any(unit.texts.get(role, "").strip() for role in check.than.split())
    ),
}


class Checks:
    """The checks of one section, by the role and text that call for them."""

    def __init__(self, rows: list[Check]) -> None:
        self.rows = tuple(rows)
        always = [row for row in rows if not row.when]
        self._given = [(row.role, row) for row in always if row.must in _OF_A_TEXT]
        self._always = [row for row in always if row.must not in _OF_A_TEXT]
        self._by_role: list[tuple[str, list[Check], dict[str, tuple[Check, ...]]]] = [
            (role, [row for row in rows if row.when == role], {}) for role in sorted({row.when for row in rows} - {""})
        ]

    def run(self, unit: Unit, given: Given, found: Findings) -> None:
        """Run the checks a unit calls for; most units call for none."""
        texts = unit.texts
        for role, check in self._given:
            if role in texts:
                check.run(unit, given, found)
        for check in self._always:
            check.run(unit, given, found)
        for role, checks, known in self._by_role:
            text = texts.get(role, "")
            chosen = known.get(text)
            if chosen is None:
                chosen = tuple(check for check in checks if check.applies(text.strip()))
                if len(known) < _MOST_KNOWN:
                    known[text] = chosen
            for check in chosen:
                check.run(unit, given, found)


@cache
def rows() -> tuple[dict[str, str], ...]:
    """The rows of `checks.csv`."""
    with (FOLDER / "checks.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def checks(wanted: frozenset[str]) -> dict[str, Checks]:
    """The checks of every section that has some; those that are off by default only where their code is wanted."""
    found: dict[str, list[Check]] = {}
    for row in rows():
        if row["code"] not in off() or row["code"] in wanted:
            found.setdefault(row["section"], []).append(Check(row))
    return {name: Checks(found[name]) for name in found}


@cache
def twins() -> dict[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """By section: code and roles of `twins.csv` that no two units beside each other may share."""
    found: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {}
    with (FOLDER / "twins.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["section"]] = (*found.get(row["section"], ()), (row["code"], tuple(row["keys"].split())))
    return found


def same(around: Unit, seen: dict[tuple[str, ...], int], found: Findings) -> None:
    """duplicate.*: units beside each other with the same key; `seen` holds what came in earlier pieces."""
    table = twins()
    counts: dict[str, int] = {}
    for unit in around.rows:
        name = unit.section.name
        counts[name] = counts.get(name, around.skipped or 0) + 1
        text = unit.texts.get
        for code, roles in table.get(name, ()):
            if not text(roles[0]):
                continue
            key = (code, *[text(role, "").strip() for role in roles])
            if not key[-1] or not key[1]:
                continue
            if key in seen:
                found.at(code, unit, roles[-1], first=seen[key], element=_name(unit, roles[-1]))
            else:
                seen[key] = counts[name]
