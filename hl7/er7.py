"""ER7, the pipe-and-hat encoding of HL7 v2 (chapter 2): a lazy reader that splits a field only when it is asked for.

A message is its segments in order; nothing is dropped, nothing guessed. Delimiters come from MSH-1 and MSH-2.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from canonical.problem import Problem
from hl7 import charset
from hl7.escapes import has_unknown, switches, unescape

NULL = '""'
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}\Z")
MAXIMUM_SEGMENTS = 250_000
_DOUBLED = "MSH|^~\\\\&"


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The five separators of one message, and the truncation character of 2.7."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    sub: str = "&"
    truncation: str = ""
    codec: str = dataclasses.field(default="", compare=False)
    """The character set of the message, which its hexadecimal escapes are written in."""

    @property
    def encoding_characters(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.sub + self.truncation


STANDARD = Delimiters()


class Segment:
    """One segment: its name, its 1-based place in the message, and its fields on demand.

    `asked` is for whoever accounts for fields: bit n is set when something asked for field n beside its own.
    """

    __slots__ = ("_fields", "asked", "delimiters", "index", "name", "raw")

    def __init__(self, raw: str, index: int, delimiters: Delimiters) -> None:
        self.raw = raw
        self.index = index
        self.asked = 0
        self.delimiters = delimiters
        self.name = raw[:3]
        self._fields: list[str] | None = None

    def fields(self) -> list[str]:
        """The raw fields; position n is field n (MSH-1 is the separator itself)."""
        if self._fields is None:
            parts = self.raw.split(self.delimiters.field)
            if self.name in ("MSH", "FHS", "BHS"):
                parts.insert(1, self.delimiters.field)
            self._fields = parts
        return self._fields

    def raw_field(self, number: int) -> str:
        """Field `number` as sent, all repetitions; empty when absent."""
        fields = self._fields or self.fields()
        return fields[number] if number < len(fields) else ""

    def repetitions(self, number: int) -> list[str]:
        """The raw repetitions of a field; an empty field has none."""
        raw = self.raw_field(number)
        return self.split(raw, number) if raw else []

    def split(self, raw: str, number: int) -> list[str]:
        """The repetitions of `raw`, the content of field `number`."""
        if number == 2 and self.name in ("MSH", "FHS", "BHS"):
            return [raw]
        mark = self.delimiters.repetition
        return raw.split(mark) if mark in raw else [raw]

    def text(self, number: int, component: int = 1, sub: int = 1, repetition: int = 0) -> str:
        """The unescaped value at a place (1-based component and subcomponent); empty when absent.

        A component that was sent where the receiver asks for a subcomponent answers for its first one, and the
        reverse: HL7 lets a type grow that way (2.5.1 §2.5.3).
        """
        raw = self.raw_field(number)
        if not raw:
            return ""
        delimiters = self.delimiters
        if delimiters.repetition in raw:
            repetitions = self.repetitions(number)
            if repetition >= len(repetitions):
                return ""
            raw = repetitions[repetition]
        elif repetition:
            return ""
        return component_text(raw, delimiters, component, sub)

    def ask(self, number: int, component: int = 1, sub: int = 1) -> str:
        """The same, noted in `asked`: a conversion looks at a field beside the one its row names."""
        self.asked |= 1 << number
        return self.text(number, component, sub)

    def __repr__(self) -> str:
        """The name and place only: a segment's content is patient data."""
        return f"<{self.name} #{self.index}>"


def component_text(raw: str, delimiters: Delimiters, component: int = 1, sub: int = 1) -> str:
    """The unescaped value of a component of one raw repetition."""
    if delimiters.component in raw:
        components = raw.split(delimiters.component)
        if component > len(components):
            return ""
        raw = components[component - 1]
    elif component > 1:
        return ""
    if delimiters.sub in raw:
        subs = raw.split(delimiters.sub)
        if sub > len(subs):
            return ""
        raw = subs[sub - 1]
    elif sub > 1:
        return ""
    return unescape(raw, delimiters) if delimiters.escape in raw else raw


_ONLY_EVENT = {"ORU": "R01", "ORM": "O01", "ORR": "O02", "DFT": "P03", "VXU": "V04"}


@dataclass(slots=True)
class Message:
    """A message: segments in order, its delimiters, and the character set it was read in."""

    segments: list[Segment]
    delimiters: Delimiters
    charset: str = "ascii"
    problems: list[Problem] = field(default_factory=list)
    _type: str | None = field(default=None, repr=False, compare=False)

    @property
    def header(self) -> Segment:
        """MSH."""
        return self.segments[0]

    def named(self, name: str) -> Iterator[Segment]:
        """All segments called `name`, in order."""
        return (segment for segment in self.segments if segment.name == name)

    def first(self, name: str) -> Segment | None:
        """The first segment called `name`, or None."""
        return next(self.named(name), None)

    def text(self, name: str, number: int, component: int = 1, sub: int = 1) -> str:
        """The unescaped value in the first segment called `name`; empty when absent."""
        segment = self.first(name)
        return segment.text(number, component, sub) if segment else ""

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.header.text(10)

    @property
    def version(self) -> str:
        """MSH-12.1."""
        return self.header.text(12)

    @property
    def type(self) -> str:
        """MSH-9 as `ADT^A01`; for old senders the event falls back to EVN-1, or to the only one the code had (2.1)."""
        if self._type is None:
            code, event = self.header.text(9), self.header.text(9, 2)
            if not event and code not in ("ACK", ""):
                event = self.text("EVN", 1) or _ONLY_EVENT.get(code, "")
            self._type = f"{code}^{event}" if event else code
        return self._type


def read(raw: bytes, *, fixed_charset: str = "", fallback_charset: str = "cp1252") -> Message | Problem:
    """The message in `raw`, or the Problem that makes it unreadable; softer findings are in `Message.problems`.

    `fixed_charset` overrides MSH-18 for a channel; `fallback_charset` is used where MSH-18 is silent and the
    bytes are not UTF-8.
    """
    decoded = charset.decode(raw, fixed=fixed_charset, fallback=fallback_charset)
    if isinstance(decoded, Problem):
        return decoded
    text = decoded.text.lstrip("\ufeff\r\n \t\x0b").rstrip("\x1c\r\n")
    if not text.startswith("MSH"):
        return Problem("er7.no-header", "MSH")
    doubled = text.startswith(_DOUBLED)
    if doubled:  # the escape character written as in a source file of a programming language
        text = text[:7] + text[8:]
    delimiters = read_delimiters(text)
    if isinstance(delimiters, Problem):
        return delimiters
    delimiters = dataclasses.replace(delimiters, codec=decoded.name)
    message = Message([], delimiters, decoded.name, list(decoded.problems))
    if doubled:
        message.problems.append(Problem("er7.doubled-escape", "MSH-2"))
    return _segments(text, message)


def read_delimiters(text: str) -> Delimiters | Problem:
    """The separators that MSH-1 and MSH-2 (or FHS, BHS) declare."""
    separator = text[3:4]
    declared = text[4:].split(separator, 1)[0] if separator else ""
    characters = declared.split("\r", 1)[0]
    if not separator or separator.isalnum() or separator in "\r\n" or not 2 <= len(characters) <= 5:
        return Problem("er7.delimiters", "MSH-2")
    if len(set(characters + separator)) != len(characters) + 1 or any(c.isalnum() for c in characters):
        return Problem("er7.delimiters", "MSH-2")
    padded = characters + "\\&"[len(characters) - 2 :] if len(characters) < 4 else characters
    return Delimiters(separator, padded[0], padded[1], padded[2], padded[3], padded[4:5])


@lru_cache(maxsize=4096)
def _is_name(text: str) -> bool:
    return _NAME.match(text) is not None


def _segments(text: str, message: Message) -> Message | Problem:
    if "\n" in text:
        message.problems.append(Problem("er7.line-feed", "MSH"))
        text = text.replace("\r\n", "\r").replace("\n", "\r")
    lines = text.split("\r")
    if len(lines) > MAXIMUM_SEGMENTS:
        return Problem("er7.too-many-segments", "MSH", args=(("limit", str(MAXIMUM_SEGMENTS)),))
    for line in lines:
        if not line.strip():
            continue
        if line[:3] == "MSH" and message.segments:
            return Problem("er7.second-header", f"#{len(message.segments) + 1}")
        index = len(message.segments) + 1
        if not _is_name(line[:3]) or (len(line) > 3 and line[3] != message.delimiters.field):
            return Problem("er7.segment", f"#{index}")
        message.segments.append(Segment(line, index, message.delimiters))
    if (switch := switches(text, message.delimiters)) is not None:
        return Problem("charset.switching", _place_of(text, switch, message))
    for segment in message.segments[1:]:
        if message.delimiters.escape in segment.raw and has_unknown(segment.raw, message.delimiters):
            message.problems.append(Problem("field.escape", f"{segment.name}#{segment.index}"))
            break
    return message


def _place_of(text: str, position: int, message: Message) -> str:
    """The segment at a position of the text."""
    index = sum(1 for line in text[:position].split("\r") if line.strip())
    segment = message.segments[max(0, min(index, len(message.segments)) - 1)]
    return f"{segment.name}#{segment.index}"
