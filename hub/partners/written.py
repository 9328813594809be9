"""A partner's document as TOML, as a person would write it: what `put` reads again as the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_\-]+\Z")


def toml(document: Mapping[str, Any]) -> str:
    """The document: its plain keys, then its tables in their order."""
    return "\n".join(_lines(document, "")).strip() + "\n"


def _lines(table: Mapping[str, Any], name: str) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    if name and (plain or not table):
        yield f"\n[{name}]"
    for key, value in plain.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{name}.{_key(key)}" if name else _key(key))


def _key(text: str) -> str:
    return text if _BARE.match(text) else _value(text)


def _value(value: Any) -> str:
    """A number, flag, text or list; a JSON text is a basic TOML string but for DEL, which TOML wants escaped."""
    if isinstance(value, list):
        return f"[{', '.join(_value(one) for one in value)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
