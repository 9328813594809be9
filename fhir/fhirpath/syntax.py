"""Reads a FHIRPath expression into a tree (FHIRPath N1, the grammar's precedence climbed from implies to `.`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

LONGEST = 20_000
DEEPEST = 100
_TOKEN = re.compile(
    r"(?P<blank>(?:\s+|//[^\n]*|/\*.*?\*/)+)"
    r"|(?P<moment>@(?:T\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?|\d{4}(?:-\d{2}(?:-\d{2})?)?"
    r"(?:T(?:\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?)?(?:Z|[+-]\d{2}:\d{2})?)?))"
    r"|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<string>'(?:[^'\\]|\\.)*')"
    r"|(?P<quoted>`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<variable>%(?:\w+(?:-\w+)*|`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))"
    r"|(?P<special>\$(?:this|index|total))"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<mark><=|>=|!=|!~|[=~<>+\-*/&|.,()\[\]{}])",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
# Binding powers of infix operators, the weakest first.
_POWERS = {
    name: power
    for power, names in enumerate(
        (
            ("implies",), ("or", "xor"), ("and",), ("in", "contains"), ("=", "~", "!=", "!~"), ("<=", "<", ">", ">="),
            ("|",), ("is", "as"), ("+", "-", "&"), ("*", "/", "div", "mod"),
        ),
        start=1,
    )
    for name in names
}  # fmt: skip
_UNARY = 11
_UNITS = frozenset(
    name + plural
    for name in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for plural in ("", "s")
)


class BadExpression(Exception):
    """The text is no FHIRPath expression, or one too long or too deep; `place` is where reading ended."""

    def __init__(self, place: int = 0) -> None:
        super().__init__(f"no FHIRPath expression at {place}")
        self.place = place


@dataclass(frozen=True, slots=True)
class Node:
    """One node: `kind` is literal, name, call, path, index, operator, negative, type, variable, special or nothing.

    `value` is the literal (with its System type before it), name or operator; `parts` are the nodes under it.
    """

    kind: str
    value: Any = None
    parts: tuple[Node, ...] = ()


@lru_cache(maxsize=5000)
def parse(text: str) -> Node:
    """The tree of an expression; raises BadExpression."""
    if len(text) > LONGEST:
        raise BadExpression
    reader = _Reader(list(_tokens(text)))
    found = reader.expression(0)
    if reader.kind:
        raise BadExpression(reader.place)
    return found


def _tokens(text: str) -> Any:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise BadExpression(position)
        if match.lastgroup != "blank":
            yield match.lastgroup, match[0], position
        position = match.end()


def unescaped(text: str) -> str:
    """The text of a string or delimited name without its marks and escapes; raises BadExpression for half a letter
    (`\\uD83D` alone), which no answer could hold."""
    found = _ESCAPE.sub(
        lambda m: chr(int(m[1][1:], 16)) if m[1][0] == "u" and len(m[1]) == 5 else _ESCAPES.get(m[1], m[1]), text[1:-1]
    )
    try:
        return found if found.isascii() else found.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise BadExpression from None


class _Reader:
    """Tokens under way."""

    def __init__(self, tokens: list[tuple[str, str, int]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    @property
    def kind(self) -> str:
        """The kind of the next token; empty at the end."""
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    @property
    def text(self) -> str:
        """The next token."""
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    @property
    def place(self) -> int:
        """Where the next token stands."""
        return self._tokens[self._at][2] if self._at < len(self._tokens) else -1

    def take(self, wanted: str = "") -> str:
        """The next token, which must be `wanted` when that is stated."""
        text = self.text
        if not text or (wanted and text != wanted):
            raise BadExpression(self.place)
        self._at += 1
        return text

    def expression(self, power: int) -> Node:
        """An expression whose operators bind more strongly than `power`."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise BadExpression(self.place)
        left = self._unary()
        while self.kind in ("mark", "name") and _POWERS.get(self.text, 0) > power:
            operator = self.take()
            if operator in ("is", "as"):
                left = Node("type", operator, (left, Node("name", self._type())))
            else:
                left = Node("operator", operator, (left, self.expression(_POWERS[operator])))
        self._depth -= 1
        return left

    def _type(self) -> str:
        name = self._name()
        if self.text == ".":
            self.take()
            name += "." + self._name()
        return name

    def _unary(self) -> Node:
        if self.kind == "mark" and self.text in ("+", "-"):
            sign = self.take()
            inner = self.expression(_UNARY - 1)
            return Node("negative", None, (inner,)) if sign == "-" else inner
        return self._suffixed(self._term())

    def _suffixed(self, left: Node) -> Node:
        while self.kind == "mark" and self.text in (".", "["):
            if self.take() == ".":
                left = Node("path", None, (left, self._invocation()))
            else:
                left = Node("index", None, (left, self.expression(0)))
                self.take("]")
        return left

    def _term(self) -> Node:
        kind = self.kind
        if kind == "mark":
            return self._bracketed()
        if kind == "string":
            return Node("literal", ("String", unescaped(self.take())))
        if kind == "number":
            return self._number()
        if kind == "moment":
            return _moment(self.take()[1:])
        if kind == "variable":
            name = self.take()[1:]
            return Node("variable", unescaped(name) if name[0] in "`'\"" else name)
        if kind == "name" and self.text in ("true", "false"):
            return Node("literal", ("Boolean", self.take() == "true"))
        return self._invocation()

    def _bracketed(self) -> Node:
        mark = self.take()
        if mark == "{":
            self.take("}")
            return Node("nothing")
        if mark != "(":
            raise BadExpression(self.place)
        found = self.expression(0)
        self.take(")")
        return found

    def _number(self) -> Node:
        text = self.take()
        unit = ""
        if self.kind == "string":
            unit = unescaped(self.take())
        elif self.kind == "name" and self.text in _UNITS:
            unit = self.take().removesuffix("s")
        if unit:
            return Node("literal", ("Quantity", (Decimal(text), unit)))
        return Node("literal", ("Decimal", Decimal(text)) if "." in text else ("Integer", int(text)))

    def _invocation(self) -> Node:
        if self.kind == "special":
            return Node("special", self.take())
        name = self._name()
        if self.text != "(" or self.kind != "mark":
            return Node("name", name)
        self.take("(")
        arguments = []
        while self.text != ")":
            arguments.append(self.expression(0))
            if self.text != ")":
                self.take(",")
        self.take(")")
        return Node("call", name, tuple(arguments))

    def _name(self) -> str:
        if self.kind == "name":
            return self.take()
        if self.kind == "quoted":
            return unescaped(self.take())
        raise BadExpression(self.place)


def _moment(text: str) -> Node:
    if text.startswith("T"):
        return Node("literal", ("Time", text[1:]))
    return Node("literal", ("DateTime", text.removesuffix("T")) if "T" in text else ("Date", text))
