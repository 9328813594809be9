"""A channel document as the TOML an operator edits: only what it says, in the order of the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from hub.channels.document import Document, as_json

_BARE = re.compile(r"[A-Za-z0-9_\-]+\Z")


def to_toml(document: Document) -> str:
    """The text; `hub.channels.reading.from_toml` gives the same document again."""
    said = as_json(document)
    lines = _values(said)
    for key, value in said.items():
        if isinstance(value, dict):
            lines += ["", f"[{_key(key)}]", *_values(value)]
        elif _tables(value):
            for item in value:
                lines += ["", f"[[{_key(key)}]]", *_values(item)]
    return "\n".join(lines) + "\n"


def _values(table: Mapping[str, Any]) -> list[str]:
    return [
        f"{_key(key)} = {_value(value)}"
        for key, value in table.items()
        if not isinstance(value, dict) and not _tables(value)
    ]


def _tables(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _key(name: str) -> str:
    return name if _BARE.match(name) else _value(name)


def _value(value: Any) -> str:
    """A basic string of TOML is one of JSON, but for DEL; numbers, booleans and lists are the same."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
