"""Escape sequences of ER7 (2.5.1 §2.7): delimiters, hexadecimal bytes, text markup. Unknown ones stay as they are."""

from __future__ import annotations

import re

from hl7.delimiters import Delimiters

_MARKUP = {".br": "\n", ".sp": "\n", ".ce": "\n", ".fi": "", ".nf": "", "H": "", "N": ""}
_SWITCH = re.compile(r"(?:C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4}(?:[0-9A-Fa-f]{2})?)")
_COUNTED = re.compile(r"\.(sp|in|ti|sk)\s*([+-]?[0-9]*)\Z")


def unescape(text: str, delimiters: Delimiters) -> str:
    """`text` with its escape sequences resolved; hexadecimal bytes are read as UTF-8, else as Latin-1."""
    mark = delimiters.escape
    if not mark or mark not in text:
        return text
    parts = text.split(mark)
    out = [parts[0]]
    index = 1
    while index < len(parts):
        value = _value(parts[index], delimiters) if index + 1 < len(parts) else None
        if value is None:
            out.append(mark + parts[index])
            index += 1
            continue
        out.append(value)
        out.append(parts[index + 1])
        index += 2
    return "".join(out)


def has_unknown(text: str, delimiters: Delimiters) -> bool:
    """Whether `text` holds an escape sequence we do not know; it stays as it is, and the reader reports it."""
    mark = delimiters.escape
    if not mark or mark not in text:
        return False
    parts = text.split(mark)
    index = 1
    while index + 1 < len(parts):
        if _value(parts[index], delimiters) is None:
            return True
        index += 2
    return index < len(parts)


def switches(text: str, delimiters: Delimiters) -> int | None:
    """Where `text` switches to another character set (C and M escapes, 2.5.1 §2.7.2); None when it does not."""
    mark = delimiters.escape
    if not mark or (mark + "C" not in text and mark + "M" not in text):
        return None
    position = 0
    for number, part in enumerate(text.split(mark)):
        if number and _SWITCH.fullmatch(part):
            return position
        position += len(part) + len(mark)
    return None


def escape(text: str, delimiters: Delimiters) -> str:
    """`text` with delimiters and line ends escaped, ready for a component."""
    if text.isalnum() or not any(c in text for c in delimiters.encoding_characters + delimiters.field + "\r\n"):
        return text  # no delimiter is a letter or a digit (2.5.1 §2.5.4)
    mark = delimiters.escape
    table = {
        delimiters.escape: f"{mark}E{mark}",
        delimiters.field: f"{mark}F{mark}",
        delimiters.component: f"{mark}S{mark}",
        delimiters.sub: f"{mark}T{mark}",
        delimiters.repetition: f"{mark}R{mark}",
        "\r": f"{mark}.br{mark}",
        "\n": f"{mark}.br{mark}",
    }
    return "".join(table.get(c, c) for c in text.replace("\r\n", "\n"))


def _value(code: str, delimiters: Delimiters) -> str | None:
    """What the sequence `code` stands for; None when it is not one we know."""
    single = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.sub,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "P": delimiters.truncation,  # 2.7 §2.5.5.2
    }
    if single.get(code):
        return single[code]
    if code in _MARKUP:
        return _MARKUP[code]
    if code[:1] == "X":
        return _hexadecimal(code[1:], delimiters.codec)
    if match := _COUNTED.match(code):
        count = int(match.group(2) or 1)
        return "\n" * max(1, count) if match.group(1) == "sp" else " " * max(0, count)
    return None


def _hexadecimal(digits: str, codec: str) -> str | None:
    """Bytes in the message's character set; those that are UTF-8 are read so, whatever the message says it is."""
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        return None
    if b"\x00" in raw:
        return None
    single = "cp1252" if codec in ("", "ascii", "utf-8", "latin-1") else codec
    for name in ("utf-8", single):
        try:
            text = raw.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
        return None if "\ufffd" in text else text
    return None
