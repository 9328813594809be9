"""No regular expression of ours takes time that explodes: what one can repeat is repeated, and then does not fit.

An expression with two ways to read the same text tries all their combinations before it gives up, and holds the
interpreter meanwhile: one file of twenty comments stopped a whole door.
"""

from __future__ import annotations

import importlib
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir import xmltext
from mappings.convert.durations import duration
from tiss.rules.hashes import blanked
from tiss.wire import message

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("canonical", "hl7", "tiss", "fhir", "mappings", "signatures", "hub")
TIMES, SECONDS = 28, 2.0
_parser: Any = importlib.import_module("re._parser")
_KNOWN = {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a"}


def expressions() -> dict[str, re.Pattern[Any]]:
    found: dict[str, re.Pattern[Any]] = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "re.compile" not in path.read_text(encoding="utf-8") or "migrations" in path.parts:
                continue
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for key, value in vars(importlib.import_module(name)).items():
                pattern = value if isinstance(value, re.Pattern) else getattr(value, "__self__", None)
                if isinstance(pattern, re.Pattern):
                    found[f"{name}.{key}"] = pattern
    return found


def sample(tree: Any, way: int) -> str:
    """A text that nodes match, most often; `way` chooses among branches."""
    made = ""
    for operation, value in tree:
        name = str(operation)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            made += sample(value[2], way) * max(value[0], 1)
        elif name == "SUBPATTERN":
            made += sample(value[3], way)
        elif name == "ATOMIC_GROUP":
            made += sample(value, way)
        elif name == "BRANCH":
            made += sample(value[1][way % len(value[1])], way)
        elif name == "LITERAL":
            made += chr(value)
        elif name == "IN":
            made += next((one for kind, inner in value if (one := _letter(str(kind), inner))), "a")
        elif name in ("ANY", "NOT_LITERAL"):
            made += "a"
    return made


def _letter(kind: str, value: Any) -> str:
    if kind == "NEGATE":
        return "~"
    if kind in ("LITERAL", "RANGE"):
        return chr(value if kind == "LITERAL" else value[0])
    return _KNOWN.get(str(value), "a")


def repeated(tree: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """What stands before each thing that may be repeated without end, and the thing."""
    for operation, value in tree:
        name = str(operation)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            if value[1] > TIMES:
                yield from ((before, sample(value[2], way)) for way in range(4))
            yield from repeated(value[2], before)
        elif name == "SUBPATTERN":
            yield from repeated(value[3], before)
        elif name == "BRANCH":
            for way in value[1]:
                yield from repeated(way, before)
        before += sample([(operation, value)], 0)


def _too_long(number: int, frame: Any) -> None:
    raise TimeoutError


def test_no_expression_explodes() -> None:
    slow = []
    before = signal.signal(signal.SIGALRM, _too_long)
    try:
        for name, pattern in expressions().items():
            plain = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
            tree = _parser.parse(
                plain, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
            )
            for start, again in dict.fromkeys(repeated(tree)):
                text: Any = start + again * TIMES + "\0"
                signal.setitimer(signal.ITIMER_REAL, SECONDS)
                try:
                    pattern.match(text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text)
                except TimeoutError:
                    slow.append(name)
                    break
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert slow == []


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("hl7.grammar._NUMBER", "1" * 500_000 + "x"),
        ("mappings.convert.measures._COMPARED", "<" + "1" * 500_000 + "x"),
        ("mappings.convert.measures._RANGE", "1" * 500_000 + "-x"),
        ("canonical.toml_lines._HEADER", "[" + " " * 100_000 + "a"),
        ("fhir.pathpatch._STEP", " " * 200_000 + "("),
        ("fhir.validation.slicing._CALL", "ofType(" + " " * 100_000 + "("),
    ],
)
def test_time_grows_with_the_text_only(place: str, text: str) -> None:
    pattern = expressions()[place]
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, 5 * SECONDS)  # a square of these lengths takes minutes
    try:
        assert pattern.match(text) is None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_what_is_written_where_it_is_used_grows_with_the_text_too() -> None:
    began = time.process_time()
    assert not message.nearly("/" * 100_000 + "x")
    assert duration(" " * 100_000 + "x") is None
    text = xmltext.text({"resourceType": "Patient", "text": {"status": "generated", "div": "<" * 100_000}})
    assert "&lt;&lt;" in text
    assert blanked(b"<a><![CDATA[" + b"<hash " * 50_000 + b"]]><b/></a>")
    assert time.process_time() - began < 10 * SECONDS
