"""The `_filter` parameter (R4 §3.1.3): comparisons joined by `and`, `or`, `not` and parentheses, as conditions.

`and` binds closer than `or`. A path is a parameter's name, after references and dots for chains. What a comparison
means is told by `_Comparisons`: by the letter of the table of operations, over the values the index has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NoReturn

from fhir.definitions.table import Parameter
from fhir.search import leading, nested, values
from fhir.search.conditions import (
    BadQuery,
    Chain,
    Clause,
    Condition,
    Either,
    Setting,
    UnknownParameter,
    Without,
    problem,
)
from fhir.search.values import BadValue, Moment, Text

NAME = "_filter"
MOST_CHARACTERS = 4000
MOST_DEPTH = 20
MOST_STEPS = 8  # of a chain
MOST_COMPARISONS = 400
_TOKEN = re.compile(r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>[()])|(?P<word>[^\s()"]+))')
_PREFIXES = frozenset(("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"))
_OPERATORS = _PREFIXES | {"co", "sw", "ew", "pr", "po", "ss", "sb", "in", "ni", "re"}
_MODIFIERS = {("token", "in"): "in", ("token", "ni"): "not-in", ("token", "ss"): "below", ("token", "sb"): "above",
              ("uri", "ss"): "below", ("uri", "sb"): "above"}  # fmt: skip
_PLAIN = frozenset(("token", "reference", "uri", "id"))
_SPANS = frozenset(("date", "number", "quantity", "updated"))
_TEXTS: dict[str, Literal["start", "whole", "end"]] = {
    "eq": "whole",
    "ne": "whole",
    "sw": "start",
    "ew": "end",
    "co": "start",
}
Read = Callable[[str, str, str], Condition]  # of a type, a parameter's name and a value: as the search itself reads it


def read(type_name: str, text: str, setting: Setting, plain: Read) -> Condition:
    """The condition of a filter; raises BadQuery with the place where it cannot be read."""
    if len(text) > MOST_CHARACTERS:
        _wrong("")
    return _Filter(type_name, text, setting, plain).whole()


def _wrong(place: str) -> NoReturn:
    raise BadQuery(problem("filter", place or NAME))


class _Filter:
    """A filter being read, token by token."""

    __slots__ = ("comparisons", "depth", "place", "tokens", "type_name")

    def __init__(self, type_name: str, text: str, setting: Setting, plain: Read) -> None:
        self.type_name = type_name
        self.comparisons = _Comparisons(setting, plain)
        self.tokens: list[tuple[str, str]] = []
        self.place = self.depth = 0
        start, end = 0, len(text.rstrip())
        while start < end:
            found = _TOKEN.match(text, start)
            if found is None:
                _wrong("")
            kind = str(found.lastgroup)
            self.tokens.append((kind, found[kind]))
            start = found.end()

    def whole(self) -> Condition:
        """All of the text is one filter."""
        found = self._either()
        if self.place < len(self.tokens):
            _wrong(self.tokens[self.place][1])
        return found

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._takes("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(self.type_name, tuple(together(part) for part in parts))

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Either(self.type_name, (tuple(parts),))

    def _one(self) -> Condition:
        if self._takes("not"):
            return _without(self.type_name, self._group())
        if self._next() == ("mark", "("):
            return self._group()
        path, operator, value = self._word(), self._word(), self._value()
        if operator not in _OPERATORS:
            _wrong(operator)
        return self.comparisons.one(self.type_name, path, operator, value)

    def _group(self) -> Condition:
        self.depth += 1
        if self.depth > MOST_DEPTH or self._next() != ("mark", "("):
            _wrong(self._next()[1])
        self.place += 1
        found = self._either()
        if self._next() != ("mark", ")"):
            _wrong(self._next()[1])
        self.place += 1
        self.depth -= 1
        return found

    def _next(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def _takes(self, word: str) -> bool:
        if self._next() != ("word", word):
            return False
        self.place += 1
        return True

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word":
            _wrong(text)
        self.place += 1
        return text

    def _value(self) -> str:
        kind, text = self._next()
        if kind not in ("word", "string"):
            _wrong(text)
        self.place += 1
        if kind == "word":
            return text
        try:
            return str(json.loads(text))
        except ValueError:
            _wrong(text)


def together(part: Condition) -> tuple[Condition, ...]:
    """The conditions that one without any "or" sets together."""
    only = isinstance(part, Either) and len(part.alternatives) == 1
    return part.alternatives[0] if only and isinstance(part, Either) else (part,)


def _without(type_name: str, inner: Condition) -> Condition:
    if isinstance(inner, Without):
        return inner.condition
    if isinstance(inner, Clause) and inner.form in ("not", "missing"):
        return replace(inner, form="match" if inner.form == "not" else "present")
    return Without(type_name, inner)


class _Comparisons:
    """Each `path operation value` as a condition; `seen` bounds what chains over many types may grow to."""

    __slots__ = ("plain", "seen", "setting", "written")

    def __init__(self, setting: Setting, plain: Read) -> None:
        self.setting, self.plain = setting, plain
        self.written, self.seen = "", 0

    def one(self, type_name: str, path: str, operator: str, value: str) -> Condition:
        """The condition of one comparison, as written."""
        self.written = path
        return self._of(type_name, path, operator, value)

    def _of(self, type_name: str, path: str, operator: str, value: str, depth: int = 0) -> Condition:
        self.seen += 1
        if self.seen > MOST_COMPARISONS:
            _wrong(self.written)
        if path.startswith("_has:") and operator == "eq":
            return self._read(type_name, path, value)
        head, dot, rest = path.partition(".")
        name, _, wanted = head.partition(":")
        parameter = self.setting.parameter(type_name, name)
        if parameter is None or depth > MOST_STEPS or "[" in path or (wanted and not dot):
            _wrong(self.written)
        return (
            self._chain(type_name, (name, wanted), (rest, operator, value), depth)
            if dot
            else self._leaf(type_name, parameter, operator, value)
        )

    def _chain(self, type_name: str, head: tuple[str, str], rest: tuple[str, str, str], depth: int) -> Condition:
        name, wanted = head
        if type_name == "Bundle" and name in leading.LEADERS:
            return leading.chained(head, rest[0], lambda kind, _: self._of(kind, *rest, depth + 1))
        parameter = self.setting.parameter(type_name, name)
        allowed = self.setting.targets(type_name, name)
        if parameter is None or parameter.type != "reference" or (wanted and wanted not in allowed):
            _wrong(self.written)
        targets = []
        for target in (wanted,) if wanted else allowed:
            try:
                targets.append((target, self._of(target, *rest, depth + 1)))
            except BadQuery:
                continue
        if not targets:
            _wrong(self.written)
        return nested.beside(Chain(type_name, name, tuple(targets)), self.setting)

    def _leaf(self, type_name: str, parameter: Parameter, operator: str, value: str) -> Condition:
        code = parameter.code
        kind = {"_id": "id", "_lastUpdated": "updated"}.get(code, parameter.type)
        if operator == "pr":
            return self._read(type_name, f"{code}:missing", {"true": "false", "false": "true"}.get(value.lower(), ""))
        if modifier := _MODIFIERS.get((kind, operator)):
            return self._read(type_name, f"{code}:{modifier}", value)
        if kind == "string" and operator in _TEXTS:
            return self._text(type_name, code, operator, value)
        if kind in _SPANS and operator in _PREFIXES:
            return self._read(type_name, code, operator + value)
        if kind == "date" and operator == "po":
            return self._overlap(type_name, code, value)
        if kind in _PLAIN and operator in ("eq", "ne", *(("re",) if kind == "reference" else ())):
            return self._alike(self._read(type_name, code, value), operator)
        if kind == "composite" and operator == "eq":
            return self._read(type_name, code, value)
        _wrong(f"{code} {operator}")

    def _read(self, type_name: str, name: str, value: str) -> Condition:
        """As the search itself reads it; a comma is a part of the value here."""
        if not value:
            _wrong(self.written)
        try:
            return self.plain(type_name, name, value.replace("\\", "\\\\").replace(",", "\\,"))
        except (BadValue, LookupError, UnknownParameter):
            _wrong(self.written)

    def _alike(self, found: Condition, operator: str) -> Condition:
        """`ne`: some value is another one; an id is the only one there is."""
        if operator == "ne" and isinstance(found, Either):  # canonicals of one version
            _wrong(self.written)
        if operator != "ne" or not isinstance(found, Clause):
            return found
        return Without(found.type_name, found) if found.kind == "id" else replace(found, form="other")

    def _text(self, type_name: str, code: str, operator: str, value: str) -> Condition:
        try:
            words = values.folded_words(value)
        except BadValue:
            _wrong(self.written)
        way = _TEXTS[operator]
        text = Text(words, inside=operator == "co", way=way)
        return Clause(type_name, code, "string", (text,), "other" if operator == "ne" else "match")

    def _overlap(self, type_name: str, code: str, value: str) -> Condition:
        """`po`: the periods have a moment in common."""
        found = self._read(type_name, code, "eq" + value)
        if not isinstance(found, Clause):
            _wrong(self.written)
        spans = [replace(each, prefix="ap") for each in found.values if isinstance(each, Moment)]
        return replace(found, values=tuple(spans))
