"""JSON Patch (RFC 6902) on a parsed resource: all operations or none, numbers compared by value."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from jiter import LosslessFloat

from canonical.problem import Problem
from fhir.jsontext import copied

MOST_OPERATIONS = 1000
MOST_COPIED = 100_000
"""Values that `copy` may make in one patch: each copy of a whole record into itself doubles it."""
_INDEX = re.compile(r"(0|[1-9][0-9]{0,8})\Z")


class Unpatched(Exception):
    """The patch does not apply; `problem` names the operation."""

    def __init__(self, code: str, where: str = "", **named: str) -> None:
        super().__init__(code)
        self.problem = Problem(f"fhir.patch.{code}", where, args=tuple(named.items()))


def apply(document: Any, operations: Any) -> Any:
    """`document` changed by a list of operations; the document itself is left alone. Raises Unpatched."""
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise Unpatched("form")
    if len(operations) > MOST_OPERATIONS:
        raise Unpatched("too-long", limit=str(MOST_OPERATIONS))
    found, room = copied(document), _Room()
    for number, operation in enumerate(operations):
        try:
            found = _one(found, operation, room)
        except (KeyError, IndexError, TypeError, ValueError, RecursionError):
            raise Unpatched("operation", f"[{number}]", number=str(number)) from None
    return found


class _Room:
    """How many values may still be copied."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST_COPIED

    def copied(self, value: Any) -> Any:
        """The value again; raises ValueError when there is no room left."""
        nodes = [value]
        while nodes:
            self.left -= len(nodes)
            if self.left < 0:
                raise ValueError
            nodes = [
                child
                for node in nodes
                for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
            ]
        return copied(value)


def _one(document: Any, operation: dict[str, Any], room: _Room) -> Any:
    path = _steps(operation["path"])
    match operation["op"]:
        case "add":
            return _added(document, path, copied(operation["value"]))
        case "remove":
            _taken(document, path)
        case "replace":
            _at(document, path)
            if not path:
                return copied(operation["value"])
            _put(_at(document, path[:-1]), path[-1], copied(operation["value"]))
        case "move":
            source = _steps(operation["from"])
            if path[: len(source)] == source and path != source:
                raise ValueError
            return _added(document, path, _taken(document, source))
        case "copy":
            return _added(document, path, room.copied(_at(document, _steps(operation["from"]))))
        case "test":
            if not same(_at(document, path), operation["value"]):
                raise Unpatched("test", operation["path"][:200])
        case _:
            raise ValueError
    return document


def _steps(pointer: Any) -> list[str]:
    """The steps of a JSON Pointer (RFC 6901)."""
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise ValueError
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def _at(node: Any, steps: list[str]) -> Any:
    for step in steps:
        node = node[_index(step, len(node) - 1)] if isinstance(node, list) else node[step]
    return node


def _index(step: str, last: int) -> int:
    if _INDEX.match(step) is None or int(step) > last:
        raise IndexError
    return int(step)


def _put(holder: Any, step: str, value: Any) -> None:
    if isinstance(holder, list):
        holder[_index(step, len(holder) - 1)] = value
    elif isinstance(holder, dict):
        holder[step] = value
    else:
        raise TypeError


def _added(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    holder, step = _at(document, path[:-1]), path[-1]
    if isinstance(holder, list):
        holder.insert(len(holder) if step == "-" else _index(step, len(holder)), value)
    else:
        _put(holder, step, value)
    return document


def _taken(document: Any, path: list[str]) -> Any:
    holder, step = _at(document, path[:-1]), path[-1]
    return holder.pop(_index(step, len(holder) - 1)) if isinstance(holder, list) else holder.pop(step)


def same(one: Any, other: Any) -> bool:
    """Whether two parsed values are equal; `1.50` equals `1.5`, and `true` is no number."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if _is_number(one) and _is_number(other):
        return Decimal(str(one)) == Decimal(str(other))
    return type(one) is type(other) and bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, LosslessFloat)) and not isinstance(value, bool)
