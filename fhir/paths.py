"""The small part of FHIRPath that R4 search parameters use, compiled once to functions over parsed JSON.

Supported: dotted paths, `|`, `as`/`ofType`, `where(a = 'b')`, `where(resolve() is T)`, `exists()`, `extension('url')`.
Anything else raises UnsupportedExpression, so that a parameter is never half indexed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from fhir.definitions.table import Element, Type, choice_key, type_named

Typed = tuple[str, Any]  # type name, JSON value
Step = Callable[[Iterator[Typed]], Iterator[Typed]]
_TOKEN = re.compile(r"\s*(\w+\([^()]*(?:\([^()]*\)[^()]*)*\)|\w+)\s*(?:\.|\Z)")
_AS = re.compile(r"\(?\s*([\w.]+)\s+as\s+(\w+)\s*\)?((?:\.[\w()'=:/\s.\-]+)?)\Z")
_IS = re.compile(r"where\(\s*resolve\(\)\s+is\s+(\w+)\s*\)\Z")
_EQUALS = re.compile(r"where\(\s*([\w.]+)\s*=\s*'([^']*)'\s*\)\Z")


class UnsupportedExpression(Exception):
    """The expression needs more FHIRPath than this module knows."""


@cache
def compile_for(expression: str, base: str) -> tuple[tuple[Step, ...], ...]:
    """The alternatives of `expression` that start at resource type `base`, each as its steps."""
    alternatives = []
    for part in _split(expression):
        steps = _alternative(part, base)
        if steps is not None:
            alternatives.append(steps)
    return tuple(alternatives)


def evaluate(expression: str, base: str, resource: dict[str, Any]) -> list[Typed]:
    """All values of `expression` in `resource`, each with its type name."""
    found: list[Typed] = []
    for steps in compile_for(expression, base):
        stream: Iterator[Typed] = iter([(base, resource)])
        for step in steps:
            stream = step(stream)
        found.extend(stream)
    return found


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


def _alternative(part: str, base: str) -> tuple[Step, ...] | None:
    """The steps of one part, or None when it belongs to another resource type."""
    if match := _AS.match(part):
        part = f"{match[1]}.ofType({match[2]}){match[3]}"
    elif part.startswith("(") and part.endswith(")"):
        return _alternative(part[1:-1], base)
    root, _, rest = part.partition(".")
    if root not in (base, "Resource", "DomainResource"):
        if type_named(root) is not None:
            return None
        rest = part
    return tuple(_steps(rest))


def _steps(text: str) -> Iterator[Step]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UnsupportedExpression(text)
        yield _step(match[1])
        position = match.end()


def _step(token: str) -> Step:
    if "(" not in token:
        return _child(token)
    name = token.partition("(")[0]
    argument = token[len(name) + 1 : -1].strip()
    if name in ("ofType", "as"):
        return _of_type(argument)
    if match := _IS.match(token):
        return _resolves_to(match[1])
    if match := _EQUALS.match(token):
        return _where_equals(match[1].split("."), match[2])
    if name == "extension":
        return _extension(argument.strip("'"))
    if name == "exists" and not argument:
        return _exists
    raise UnsupportedExpression(token)


def _child(name: str) -> Step:
    def step(stream: Iterator[Typed]) -> Iterator[Typed]:
        for type_name, value in stream:
            if isinstance(value, dict):
                yield from children(type_name, value, name)

    return step


def children(type_name: str, value: dict[str, Any], name: str) -> Iterator[Typed]:
    """The values of element `name`, with their types; choice elements by their bare name."""
    found = type_named(type_name)
    element = found.elements.get(name) if found else None
    if element is None:
        return
    if not element.choice:
        child_type = element.types[0]
        content = value.get(name)
        if content is None:
            return
        for item in content if isinstance(content, list) else [content]:
            if item is not None:
                yield _actual(child_type, item), item
        return
    yield from _choice(element, value)


def _choice(element: Element, value: dict[str, Any]) -> Iterator[Typed]:
    for choice in element.types:
        content = value.get(choice_key(element, choice))
        if content is not None:
            yield choice, content


def _actual(declared: str, value: Any) -> str:
    if declared == "Resource" and isinstance(value, dict):
        return str(value.get("resourceType", declared))
    return declared


def _of_type(name: str) -> Step:
    def step(stream: Iterator[Typed]) -> Iterator[Typed]:
        return (item for item in stream if item[0] == name)

    return step


def _resolves_to(name: str) -> Step:
    """`resolve() is T` decided by the reference itself: literal type, stated type, or identifier-only of that type."""

    def step(stream: Iterator[Typed]) -> Iterator[Typed]:
        for item in stream:
            if item[0] == "canonical":
                yield item
                continue
            if isinstance(item[1], dict):
                literal = str(item[1].get("reference", "")).split("/_history/")[0].rsplit("/", 2)
                if name in literal[-2:-1] or item[1].get("type") == name:
                    yield item

    return step


def _where_equals(path: list[str], wanted: str) -> Step:
    def step(stream: Iterator[Typed]) -> Iterator[Typed]:
        for item in stream:
            values: Iterator[Typed] = iter([item])
            for name in path:
                values = _child(name)(values)
            if any(value == wanted for _, value in values):
                yield item

    return step


def _extension(url: str) -> Step:
    def step(stream: Iterator[Typed]) -> Iterator[Typed]:
        for _, value in stream:
            if isinstance(value, dict):
                for extension in value.get("extension", ()):
                    if extension.get("url") == url:
                        yield "Extension", extension

    return step


def _exists(stream: Iterator[Typed]) -> Iterator[Typed]:
    yield "boolean", any(True for _ in stream)


def element_type(found: Type, name: str) -> str:
    """The first type of an element; for tests of completeness."""
    return found.elements[name].types[0]
