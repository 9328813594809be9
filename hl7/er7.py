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

    def extend(self, text: str) -> None:
        """Add what belongs to the end of this segment and came behind it."""
        self.raw += text
        self._fields = None

    def __repr__(self) -> str:
        """The name and place only: a segment's content is patient data."""
        return f"<{self.name} #{self.index}>"


def component_text(raw: str, delimiters: Delimiters, component: int = 1, sub: int = 1) -> str:
    """The unescaped value of a component of one raw repetition.

    A subcomponent separator between blanks (`Silva & Filhos`) is text that was not escaped, and divides nothing.
    """
    if delimiters.component in raw:
        components = raw.split(delimiters.component)
        if component > len(components):
            return ""
        raw = components[component - 1]
    elif component > 1:
        return ""
    if delimiters.sub in raw:
        subs = [raw] if f" {delimiters.sub} " in raw else raw.split(delimiters.sub)
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
        """MSH-9 as `ADT^A01`; for old senders the event falls back to EVN-1, or to the only one the code had (2.1).

        Lower case is read as upper case; a structure in the place of the code (`ADT_A01`) as its code and event.
        """
        if self._type is None:
            code, event = self.header.text(9).upper(), self.header.text(9, 2).upper()
            if not event and code not in ("ACK", ""):
                code, _, named = code.partition("_")
                event = self.text("EVN", 1).upper() or named or _ONLY_EVENT.get(code, "")
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
        problem = _line(line, message) if line.strip() else None
        if problem is not None:
            return problem
    if (switch := switches(text, message.delimiters)) is not None:
        return Problem("charset.switching", _place_of(text, switch, message))
    for segment in message.segments[1:]:
        if message.delimiters.escape in segment.raw and has_unknown(segment.raw, message.delimiters):
            message.problems.append(Problem("field.escape", f"{segment.name}#{segment.index}"))
            break
    return message


def _line(line: str, message: Message) -> Problem | None:
    """Take one line of the message; the Problem that makes all of it unreadable, if there is one."""
    name, segments = line[:3], message.segments
    if name == "MSH" and segments:
        return Problem("er7.second-header", f"#{len(segments) + 1}")
    if not _is_name(name) or (len(line) > 3 and line[3] != message.delimiters.field):
        return _mended(line, message)
    if name == "ADD" and segments:  # 2.5.1 §2.10.2: what was too long for the segment before
        segments[-1].extend(line[4:])
    else:
        segments.append(Segment(line, len(segments) + 1, message.delimiters))
    return None


def _mended(line: str, message: Message) -> Problem | None:
    """Take a line that is no segment as it stands; a Problem when it cannot be one.

    A name in lower case or behind blanks is read as the segment it names. A line without the shape of a segment, behind
    a text that is still open (OBX-5 of a text type, NTE-3), is the next line of that text: its sender wrote line ends
    into it.
    """
    index, separator = len(message.segments) + 1, message.delimiters.field
    bare = line.lstrip(" \t")
    name = bare[:3].upper()
    if bare[3:4] == separator and _is_name(name) and name != "MSH" and message.segments:
        message.segments.append(Segment(name + bare[3:], index, message.delimiters))
        _note(message, Problem("er7.segment-form", f"{name}#{index}"))
        return None
    last = message.segments[-1] if message.segments else None
    if last is None or line[3:4] == separator or not _is_open_text(last):
        return Problem("er7.segment", f"#{index}")
    mark = message.delimiters.escape
    last.extend(f"{mark}.br{mark}{line}")
    _note(message, Problem("er7.line-in-text", f"{last.name}#{last.index}"))
    return None


def _is_open_text(segment: Segment) -> bool:
    """Whether a segment ends in the middle of a text: in OBX-5 of a text type, or in NTE-3."""
    last = len(segment.fields()) - 1
    if segment.name == "OBX":
        return last == 5 and segment.text(2) in ("TX", "FT", "ST", "")
    return segment.name == "NTE" and last == 3


def _note(message: Message, problem: Problem) -> None:
    """Tell a finding of its kind once: a report of a thousand lines would tell it as often."""
    if all(known.code != problem.code for known in message.problems):
        message.problems.append(problem)


def _place_of(text: str, position: int, message: Message) -> str:
    """The segment at a position of the text."""
    index = sum(1 for line in text[:position].split("\r") if line.strip())
    segment = message.segments[max(0, min(index, len(message.segments)) - 1)]
    return f"{segment.name}#{segment.index}"
