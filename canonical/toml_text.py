"""Writes TOML as a person would: plain keys first, then tables, and lists of tables, in their order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_\-]+\Z")


def text(document: Mapping[str, Any]) -> str:
    """The document's text; `tomllib` gives the same document again. Values are texts, numbers, flags and lists."""
    return "\n".join(_lines(document, "")).strip() + "\n"


def _lines(table: Mapping[str, Any], name: str, header: str = "") -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping) and not _tables(value)}
    if name and (plain or not table or header):
        yield header or f"\n[{name}]"
    for key, value in plain.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        inner = f"{name}.{_key(key)}" if name else _key(key)
        if isinstance(value, Mapping):
            yield from _lines(value, inner)
        elif _tables(value):
            for one in value:
                yield from _lines(one, inner, f"\n[[{inner}]]")


def _tables(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, Mapping) for one in value)


def _key(name: str) -> str:
    return name if _BARE.match(name) else _value(name)


def _value(value: Any) -> str:
    """A basic string of TOML is one of JSON, but for DEL; numbers, flags and lists are the same."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
