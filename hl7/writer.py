"""Writes ER7: segments from values by field, component and subcomponent, escaped, in a declared character set.

Nothing a value holds can break the message: delimiters, line ends and control characters are escaped or dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hl7 import charset
from hl7.er7 import STANDARD, Delimiters
from hl7.escapes import escape

_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
CHARSET_FIELDS: Mapping[str, str] = {"utf-8": "UNICODE UTF-8", "latin-1": "8859/1", "iso8859-15": "8859/15"}


@dataclass(slots=True)
class SegmentWriter:
    """One segment under construction: field → repetitions → component → subcomponent → text."""

    name: str
    fields: dict[int, list[dict[int, dict[int, str]]]] = field(default_factory=dict)

    def put(self, number: int, text: str, component: int = 1, sub: int = 1, repetition: int = 0) -> None:
        """Set one place; an empty text sets nothing."""
        if not text:
            return
        repetitions = self.fields.setdefault(number, [])
        while len(repetitions) <= repetition:
            repetitions.append({})
        repetitions[repetition].setdefault(component, {})[sub] = text

    def text(self, d: Delimiters = STANDARD) -> str:
        """The segment without its end, trailing empty places left out."""
        parts = [self._field(number, d) for number in range(1, max(self.fields, default=0) + 1)]
        if self.name == "MSH":
            parts = [d.encoding_characters, *parts[2:]]
        return d.field.join([self.name, *parts])

    def _field(self, number: int, d: Delimiters) -> str:
        shown = []
        for repetition in self.fields.get(number, ()):
            components = {
                n: _dense({k: _clean(v, d) for k, v in subs.items()}, d.sub) for n, subs in repetition.items()
            }
            shown.append(_dense(components, d.component))
        return d.repetition.join(shown)


def _clean(text: str, d: Delimiters) -> str:
    return escape(_CONTROL.sub(" ", text), d)


def _dense(parts: Mapping[int, str], separator: str) -> str:
    """The numbered parts in order, empty where a number is missing."""
    return separator.join(parts.get(n, "") for n in range(1, max(parts, default=0) + 1))


def write(segments: Sequence[SegmentWriter], codec: str = "utf-8", d: Delimiters = STANDARD) -> bytes:
    """The message's bytes, without framing; MSH-18 names the character set. Raises ValueError without MSH first."""
    if not segments or segments[0].name != "MSH":
        raise ValueError("MSH must come first")
    segments[0].fields.pop(18, None)
    segments[0].put(18, CHARSET_FIELDS[codec])
    return charset.encode("".join(segment.text(d) + "\r" for segment in segments), codec)
