"""JSON in and out without losing a digit: `1.50` stays `1.50` from request to store to answer."""

from __future__ import annotations

import re
from typing import Any

import jiter
import orjson
from jiter import LosslessFloat

from canonical.problem import Problem

DEEPEST = 100
_MARK = b"\xef\xbb\xbf"  # of UTF-8, which a reader may ignore (RFC 8259 §8.1)
_AT = re.compile(r"at line ([0-9]{1,9}) column ([0-9]{1,9})\Z")
_CONTAINERS = frozenset((dict, list))


def parse(raw: bytes) -> Any | Problem:
    """The parsed document with numbers kept as written; a Problem when it is no JSON or nests too deep."""
    try:
        document = jiter.from_json(
            raw.removeprefix(_MARK),
            float_mode="lossless-float",
            catch_duplicate_keys=True,
            allow_inf_nan=False,
            cache_mode="keys",
        )
    except ValueError as error:
        if "Detected duplicate key" in str(error):
            return Problem("fhir.json.duplicate-key", "$this")
        if "recursion limit" in str(error):
            return Problem("fhir.json.too-deep", "$this", args=(("limit", str(DEEPEST)),))
        return _syntax(raw, str(error))
    if raw.count(b"{") + raw.count(b"[") > DEEPEST and depth(document) > DEEPEST:
        return Problem("fhir.json.too-deep", "$this", args=(("limit", str(DEEPEST)),))
    if b"u0000" in raw and _has_nul(document):  # PostgreSQL text cannot hold it
        return Problem("fhir.json.nul", "$this")
    return document


def stored(text: str) -> dict[str, Any]:
    """The record of a text that the store keeps, which was parsed or made before it was kept; raises TypeError for any
    other text."""
    body = parse(text.encode())
    if not isinstance(body, dict):
        raise TypeError("a stored record is no JSON object")
    return body


def _syntax(raw: bytes, said: str) -> Problem:
    """That it is no JSON, and where it ceases to be; of what the parser says only the place is told."""
    if not raw.removeprefix(_MARK).strip():
        return Problem("fhir.json.empty", "$this")
    place = _AT.search(said)
    if place is None:
        return Problem("fhir.json.syntax", "$this")
    return Problem("fhir.json.syntax.at", "$this", args=(("line", place[1]), ("column", place[2])))


def text(document: Any, *, pretty: bool = False) -> str:
    """The document as JSON, compact or indented."""
    option = orjson.OPT_INDENT_2 if pretty else 0
    try:
        return orjson.dumps(document, default=_number, option=option).decode("utf-8")
    except TypeError:  # an integer beyond 64 bits, as a decimal may be written
        return orjson.dumps(_big_integers_as_written(document), default=_number, option=option).decode("utf-8")


def copied(document: Any) -> Any:
    """The document again, whose objects and arrays may be changed without changing it. What is copied are these: a
    number as written is a value that nothing can change, and that `copy.deepcopy` cannot take."""
    if isinstance(document, dict):
        return {key: copied(value) for key, value in document.items()}
    return [copied(value) for value in document] if isinstance(document, list) else document


def _big_integers_as_written(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _big_integers_as_written(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_big_integers_as_written(value) for value in node]
    if isinstance(node, int) and not isinstance(node, bool) and not -(2**63) <= node < 2**64:
        return orjson.Fragment(str(node))
    return node


def _has_nul(document: Any) -> bool:
    stack = [document]
    while stack:
        node = stack.pop()
        if isinstance(node, str) and "\0" in node:
            return True
        if isinstance(node, dict):
            stack += [*node, *node.values()]
        elif isinstance(node, list):
            stack += node
    return False


def _number(value: Any) -> Any:
    if isinstance(value, LosslessFloat):
        return orjson.Fragment(bytes(value))
    raise TypeError(type(value).__name__)


def depth(document: Any) -> int:
    """How many objects and arrays stand within each other; 0 for a bare value."""
    found, level = 0, [document] if type(document) in _CONTAINERS else []
    while level:
        found += 1
        within = [node.values() if type(node) is dict else node for node in level]
        level = [child for each in within for child in each if type(child) in _CONTAINERS]
    return found
