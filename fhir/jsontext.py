"""JSON in and out without losing a digit: `1.50` stays `1.50` from request to store to answer."""

from __future__ import annotations

from typing import Any

import jiter
import orjson
from jiter import LosslessFloat

from canonical.problem import Problem

_DEEPEST = 100


def parse(raw: bytes) -> Any | Problem:
    """The parsed document with numbers kept as written; a Problem when it is no JSON or nests too deep."""
    try:
        document = jiter.from_json(
            raw, float_mode="lossless-float", catch_duplicate_keys=True, allow_inf_nan=False, cache_mode="keys"
        )
    except ValueError as error:
        if "Detected duplicate key" in str(error):
            return Problem("fhir.json.duplicate-key", "$this")
        return Problem("fhir.json.syntax", "$this")
    if _depth(document) > _DEEPEST:
        return Problem("fhir.json.too-deep", "$this", args=(("limit", str(_DEEPEST)),))
    return document


def text(document: Any) -> str:
    """The document as compact JSON."""
    return orjson.dumps(document, default=_number).decode("utf-8")


def _number(value: Any) -> Any:
    if isinstance(value, LosslessFloat):
        return orjson.Fragment(bytes(value))
    raise TypeError(type(value).__name__)


def _depth(document: Any) -> int:
    deepest, stack = 0, [(document, 1)]
    while stack:
        node, level = stack.pop()
        deepest = max(deepest, level)
        if isinstance(node, dict):
            stack.extend((child, level + 1) for child in node.values() if isinstance(child, (dict, list)))
        elif isinstance(node, list):
            stack.extend((child, level + 1) for child in node if isinstance(child, (dict, list)))
    return deepest
