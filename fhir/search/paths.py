"""The small part of FHIRPath that R4 search parameters use, compiled once to functions over parsed JSON.

Supported: dotted paths, `[n]`, `|`, `as`/`ofType`, `where(a = 'b')`, `where(resolve() is T)`, `where(hasExtension(u))`,
`exists()`, `exists() and … != false`, `extension('url')`. Anything else raises UnsupportedExpression, so that a
parameter is never half indexed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fhir.definitions.table import choice_key, type_named

Typed = tuple[str, Any]  # type name, JSON value
Step = Callable[[list[Typed]], list[Typed]]
_TOKEN = re.compile(r"\s*(\w+\([^()]*(?:\([^()]*\)[^()]*)*\)|\w+(?:\[\d+\])?)\s*(?:\.|\Z)")
_AS = re.compile(r"\(?\s*([\w.]+)\s+as\s+(\w+)\s*\)?((?:\.[\w()'=:/\s.\-]+)?)\Z")
_IS = re.compile(r"where\(\s*resolve\(\)\s+is\s+(\w+)\s*\)\Z")
_EQUALS = re.compile(r"where\(\s*([\w.]+)\s*=\s*'([^']*)'\s*\)\Z")
_MARKED = re.compile(r"where\(\s*hasExtension\('([^']*)'\)\s*\)\Z")
_NARROWED = re.compile(r"(?:ofType|as)\((\w+)\)\Z")
_NOT_FALSE = re.compile(r"([\w.]+)\.exists\(\) and \1 != false\Z")


class UnsupportedExpression(Exception):
    """The expression needs more FHIRPath than this module knows."""


@dataclass(frozen=True, slots=True)
class Path:
    """One alternative of an expression: its steps, and the JSON keys of which one must be there for any value.

    `tokens` are the steps as written; none when the path is more than steps one after the other.
    """

    keys: frozenset[str]
    steps: tuple[Step, ...]
    tokens: tuple[str, ...] = ()


@lru_cache(maxsize=8192)  # tenants' own expressions come and go
def compile_for(expression: str, base: str) -> tuple[Path, ...]:
    """The alternatives of `expression` that start at resource type `base`."""
    paths = []
    for part in _split(expression):
        path = _alternative(part, base)
        if path is not None:
            paths.append(path)
    return tuple(paths)


def evaluate(expression: str, base: str, resource: dict[str, Any]) -> list[Typed]:
    """All values of `expression` in `resource`, each with its type name."""
    found: list[Typed] = []
    for path in compile_for(expression, base):
        found.extend(follow(path, base, resource))
    return found


def follow(path: Path, base: str, resource: dict[str, Any]) -> list[Typed]:
    """The values at the end of one path."""
    if path.keys and path.keys.isdisjoint(resource):
        return []
    values: list[Typed] = [(base, resource)]
    for step in path.steps:
        if not (values := step(values)) and path.keys:
            return values
    return values


@lru_cache(maxsize=8192)  # tenants' own expressions come and go
def compile_within(expression: str, base: str) -> tuple[Path, ...]:
    """The alternatives of an expression that starts at an element of type `base`, as components of composites do."""
    paths = []
    for part in _split(expression):
        tokens = _tokens(part)
        decided = any(token.startswith("exists(") for token in tokens)
        paths.append(Path(frozenset() if decided else _first_keys(base, tokens), tuple(map(_step, tokens))))
    return tuple(paths)


def follow_from(path: Path, start: Typed) -> list[Typed]:
    """The values at the end of a path that starts at an element."""
    values = [start]
    for step in path.steps:
        values = step(values)
    return values


def _split(expression: str) -> list[str]:
    """The parts between `|` that stand outside parentheses."""
    parts, depth, current = [], 0, ""
    for char in expression:
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += char
    return [*parts, current.strip()]


def _alternative(part: str, base: str) -> Path | None:
    """The path of one part, or None when it belongs to another resource type."""
    truth = _NOT_FALSE.match(part)
    if truth:
        part = truth[1]
    elif match := _AS.match(part):
        part = f"{match[1]}.ofType({match[2]}){match[3]}"
    elif part.startswith("(") and part.endswith(")"):
        return _alternative(part[1:-1], base)
    root, _, rest = part.partition(".")
    if root not in (base, "Resource", "DomainResource"):
        if type_named(root) is not None:
            return None
        rest = part
    tokens = _tokens(rest)
    steps = [_step(token) for token in tokens]
    if truth:
        return Path(frozenset(), (*steps, _not_false))
    decided = any(token.startswith("exists(") for token in tokens)  # `exists()` has a value for absent elements too
    if decided or not tokens:
        return Path(frozenset(), tuple(steps))
    return Path(_first_keys(base, tokens), tuple(steps), tuple(tokens))


def _first_keys(base: str, tokens: list[str]) -> frozenset[str]:
    """The JSON keys by which a path may begin; of a choice narrowed at once by `ofType`, only the one of that type."""
    found = type_named(base)
    element = found.elements.get(tokens[0].partition("[")[0]) if found else None
    if element is None:
        return frozenset()
    if not element.choice:
        return frozenset((element.name,))
    narrowed = _NARROWED.match(tokens[1]) if len(tokens) > 1 else None
    kept = tuple(name for name in element.types if narrowed and is_a(name, narrowed[1]))
    types = kept or element.types
    return frozenset(choice_key(element, name) for name in types)


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UnsupportedExpression(text)
        tokens.append(match[1])
        position = match.end()
    return tokens


def _step(token: str) -> Step:
    if "(" not in token:
        name, _, index = token.partition("[")
        return _indexed(_child(name), int(index[:-1])) if index else _child(name)
    name = token.partition("(")[0]
    argument = token[len(name) + 1 : -1].strip()
    if name in ("ofType", "as"):
        return _of_type(argument)
    if match := _IS.match(token):
        return _resolves_to(match[1])
    if match := _EQUALS.match(token):
        return _where_equals(match[1].split("."), match[2])
    if match := _MARKED.match(token):
        return _where_extended(match[1])
    if name == "extension":
        return _extension(argument.strip("'"))
    if name == "exists" and not argument:
        return _exists
    raise UnsupportedExpression(token)


def keeps(token: str) -> Callable[[Any], bool] | None:
    """Whether one JSON value passes the filter a step is; None when the step is no filter of single values.

    Of `extension('url')` the values are the extensions themselves; `resolve() is T` holds for canonicals untested.
    """
    if match := _IS.match(token):
        wanted = match[1]
        return lambda value: _names(value, wanted)
    if match := _EQUALS.match(token):
        name, text = match[1], match[2]
        return None if "." in name else lambda value: isinstance(value, dict) and _holds(value.get(name), text)
    if token.startswith("extension("):
        url = token[len("extension(") : -1].strip().strip("'")
        return lambda value: isinstance(value, dict) and value.get("url") == url
    return None


def _holds(content: Any, text: str) -> bool:
    return text in content if isinstance(content, list) else bool(content == text)


def _child(name: str) -> Step:
    known: dict[str, tuple[tuple[str, str], ...]] = {}  # by type: the JSON keys of the element, each with its type

    def step(values: list[Typed]) -> list[Typed]:
        found: list[Typed] = []
        for type_name, value in values:
            if not isinstance(value, dict):
                continue
            if type_name not in known:
                known[type_name] = _keys(type_name, name)
            for key, declared in known[type_name]:
                content = value.get(key)
                if content is None:
                    continue
                if isinstance(content, list):
                    found.extend([(_actual(declared, item), item) for item in content if item is not None])
                else:
                    found.append((_actual(declared, content), content))
        return found

    return step


def _keys(type_name: str, name: str) -> tuple[tuple[str, str], ...]:
    definition = type_named(type_name)
    element = definition.elements.get(name) if definition else None
    if element is None:
        return ()
    if element.choice:
        return tuple((choice_key(element, choice), choice) for choice in element.types)
    return ((element.name, element.types[0]),)


def _actual(declared: str, value: Any) -> str:
    if declared == "Resource" and isinstance(value, dict):
        return str(value.get("resourceType", declared))
    return declared


def _indexed(step: Step, index: int) -> Step:
    return lambda values: step(values)[index : index + 1]


_KINDS_OF = {
    "uri": frozenset(("uri", "url", "canonical", "oid", "uuid")),
    "string": frozenset(("string", "code", "id", "markdown")),
    "integer": frozenset(("integer", "positiveInt", "unsignedInt")),
    "Quantity": frozenset(("Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity", "MoneyQuantity")),
}


def is_a(kind: str, name: str) -> bool:
    """Whether type `kind` is `name` or one of its kinds, as `ofType` asks."""
    return kind == name or kind in _KINDS_OF.get(name, ())


def _of_type(name: str) -> Step:
    return lambda values: [item for item in values if is_a(item[0], name)]


def _resolves_to(name: str) -> Step:
    """`resolve() is T` decided by the reference itself: literal type, stated type, or identifier-only of that type."""

    def step(values: list[Typed]) -> list[Typed]:
        return [item for item in values if item[0] == "canonical" or _names(item[1], name)]

    return step


def _names(value: Any, type_name: str) -> bool:
    if not isinstance(value, dict):
        return False
    literal = str(value.get("reference", "")).split("/_history/")[0].rsplit("/", 2)
    return type_name in literal[-2:-1] or value.get("type") == type_name


def _where_equals(path: list[str], wanted: str) -> Step:
    steps = [_child(name) for name in path]

    def step(values: list[Typed]) -> list[Typed]:
        found = []
        for item in values:
            inner = [item]
            for child in steps:
                inner = child(inner)
            if any(value == wanted for _, value in inner):
                found.append(item)
        return found

    return step


def _where_extended(url: str) -> Step:
    inner = _extension(url)
    return lambda values: [item for item in values if inner([item])]


def _extension(url: str) -> Step:
    def step(values: list[Typed]) -> list[Typed]:
        return [
            ("Extension", extension)
            for _, value in values
            if isinstance(value, dict)
            for extension in value.get("extension", ())
            if extension.get("url") == url
        ]

    return step


def _exists(values: list[Typed]) -> list[Typed]:
    return [("boolean", bool(values))]


def _not_false(values: list[Typed]) -> list[Typed]:
    return [("boolean", any(value is not False for _, value in values))]
