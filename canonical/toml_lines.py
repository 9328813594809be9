"""Where each key of a TOML text stands, so that a fault can name its line. Serves messages only, never meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping

_HEADER = re.compile(r"\s*+(\[{1,2})([^\]]+)\]{1,2}\s*+(#.*)?\Z")
_NAME = r"(?:[\w\-]+|\"[^\"]*\"|'[^']*')"
_KEY = re.compile(rf"\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([\w\-]+)")


def lines_of(text: str) -> dict[str, int]:
    """The line of each key and table: `filters[1].field` → 12; tables of a list are counted from one."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _path(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, 0) + 1
                table = f"{table}[{counts[table]}]"
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            found = _path(key[1])
            lines.setdefault(f"{table}.{found}" if table else found, number)
    return lines


def line_of(key: str, lines: Mapping[str, int]) -> int:
    """The line of a key, else of the nearest table around it; 0 when nothing is known."""
    while key and key not in lines:
        key = key[: key.rfind("[")] if key.endswith("]") else key.rpartition(".")[0]
    return lines.get(key, 1 if lines else 0)


def _path(text: str) -> str:
    return ".".join(next(part for part in match if part) for match in _PART.findall(text) if any(match))
