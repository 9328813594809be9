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
from hl7.open_ends import is_base64, is_open_file, is_open_text

NULL = '""'
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}\Z")
BY_PARTS = ("Q", "RSP", "ADR", "ORF", "VXR", "VXX", "OSR", "RTB", "TBR")  # whole; DSC is for more (2.5.1 §5.6.3)
_HEADS = frozenset(("EVN", "PID", "MSA", "MFI", "SCH", "ARQ", "RF1", "PRD", "QRD", "QPD", "STF"))  # of a first part
MAXIMUM_SEGMENTS = 250_000
_EDGE = 64  # characters at either end that are looked at: for separators, and for what frames the message
_AFTER_ESCAPE = 7  # where a text goes on behind the place of the escape character in MSH-2
_SLIPS = (
    ("MSH|^~\\\\&", "MSH|^~\\&", "er7.doubled-escape"),
    ("MSH|^\\~\\&", "MSH|^~\\&", "er7.doubled-escape"),
    ("MSH|^~&|", "MSH|^~\\&|", "er7.lost-escape"),
)


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

    __slots__ = ("_fields", "_said", "asked", "delimiters", "index", "name", "raw")

    def __init__(self, raw: str, index: int, delimiters: Delimiters) -> None:
        self.raw = raw
        self.index = index
        self.asked = 0
        self.delimiters = delimiters
        self.name = raw[:3]
        self._fields: list[str] | None = None
        self._said = -1

    def said(self) -> int:
        """The fields that are not empty, as bits: bit n stands for field n."""
        if self._said < 0:
            self._said = sum([1 << number for number, content in enumerate(self.fields()) if content])
        return self._said

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
        """The same without blanks around it, noted in `asked`: a look at a field beside the one a row names."""
        self.asked |= 1 << number
        return self.text(number, component, sub).strip()

    def extend(self, text: str) -> None:
        """Add what belongs to the end of this segment and came behind it."""
        self.raw += text
        self._fields = None
        self._said = -1

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
        for segment in self.segments:
            if segment.name == name:
                return segment
        return None

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
        return self.header.text(12).strip()

    @property
    def type(self) -> str:
        """MSH-9 as `ADT^A01`; for old senders the event falls back to EVN-1, or to the only one the code had (2.1).

        Lower case is read as upper case; a structure in the place of the code (`ADT_A01`) as its code and event.
        """
        if self._type is None:
            code, event = self.header.text(9).strip().upper(), self.header.text(9, 2).strip().upper()
            if not event and code not in ("ACK", ""):
                code, _, named = code.partition("_")
                event = self.text("EVN", 1).strip().upper() or named or _ONLY_EVENT.get(code, "")
            self._type = f"{code}^{event}" if event else code
        return self._type


def read(raw: bytes, *, fixed_charset: str = "", fallback_charset: str = "cp1252") -> Message | Problem:
    """The message in `raw`, or the Problem that makes it unreadable; softer findings are in `Message.problems`.

    `fixed_charset` overrides MSH-18; `fallback_charset` serves where MSH-18 is silent and the bytes are not UTF-8.
    """
    decoded = charset.decode(raw, fixed=fixed_charset, fallback=fallback_charset)
    if isinstance(decoded, Problem):
        return decoded
    text = decoded.text
    if not text.startswith("MSH"):
        text = text.lstrip("\ufeff\r\n \t\x0b")
    if text.endswith("\n") or "\x1c" in text[-_EDGE:]:
        text = text.rstrip("\x1c\r\n")
    if not text.startswith("MSH"):
        return Problem("er7.no-header", "MSH")
    slip = next((each for each in _SLIPS if text.startswith(each[0])), None)
    if slip:  # programs and pages double the backslash of MSH-2 or lose it
        text = slip[1] + text[len(slip[0]) :]
    delimiters = read_delimiters(text[:_EDGE], decoded.name)
    if isinstance(delimiters, Problem):
        return delimiters
    message = Message([], delimiters, decoded.name, list(decoded.problems))
    if slip:
        message.problems.append(Problem(slip[2], "MSH-2"))
    once = [text]
    del text, decoded  # a message may be large: each copy goes as soon as the next one is made
    return _segments(once, message)


def read_delimiters(text: str, codec: str = "") -> Delimiters | Problem:
    """The separators that MSH-1 and MSH-2 (or FHS, BHS) declare, for a message in the character set `codec`."""
    separator = text[3:4]
    declared = text[4:].split(separator, 1)[0] if separator else ""
    return _delimiters(separator, declared.split("\r", 1)[0], codec)


@lru_cache(maxsize=256)
def _delimiters(separator: str, characters: str, codec: str) -> Delimiters | Problem:
    if not separator or separator.isalnum() or separator in "\r\n" or not 2 <= len(characters) <= 5:
        return Problem("er7.delimiters", "MSH-2")
    padded = characters + "\\&"[len(characters) - 2 :] if len(characters) < 4 else characters
    if len(set(padded + separator)) != len(padded) + 1 or any(c.isalnum() for c in characters):
        return Problem("er7.delimiters", "MSH-2")
    return Delimiters(separator, padded[0], padded[1], padded[2], padded[3], padded[4:5], codec)


@lru_cache(maxsize=4096)
def _is_name(text: str) -> bool:
    return _NAME.match(text) is not None


def _segments(once: list[str], message: Message) -> Message | Problem:
    """The message with the segments of the one text in `once`, which is taken out and not held longer than needed."""
    text = once.pop()
    if "\n" in text:
        message.problems.append(Problem("er7.line-feed", "MSH"))
        text = text.replace("\r\n", "\r").replace("\n", "\r")
    d = message.delimiters
    escaped = bool(d.escape) and text.find(d.escape, _AFTER_ESCAPE) >= 0
    switch = switches(text, d) if escaped else None
    lines = text.split("\r")
    text = text[:switch] if switch is not None else ""
    if len(lines) > MAXIMUM_SEGMENTS:
        return Problem("er7.too-many-segments", "MSH", args=(("limit", str(MAXIMUM_SEGMENTS)),))
    reader, segments = _Lines(message), message.segments
    mark = d.field
    for line in lines:
        if line[3:4] == mark and _is_plain(line[:3]) and not reader.later:
            segments.append(Segment(line, len(segments) + 1, d))
            continue
        problem = reader.take(line) if line.strip() else None
        if problem is not None:
            return problem
    reader.close()
    message.problems += [found for found in (_part(message),) if found is not None]
    if switch is not None:
        return Problem("charset.switching", _place_of(text, message))
    for segment in segments[1:] if escaped else ():
        if d.escape in segment.raw and has_unknown(segment.raw, d):
            message.problems.append(Problem("field.escape", f"{segment.name}#{segment.index}"))
            break
    return message


def _part(message: Message) -> Problem | None:
    """Where a message says that it is a part: in DSC-1, or in MSH-14, of which nothing follows if it has a head."""
    if message.type.startswith(BY_PARTS):
        return None
    if (last := message.segments[-1]).name == "DSC" and last.text(1) not in ("", NULL):
        return Problem("er7.fragment", f"DSC#{last.index}")
    if message.header.text(14) in ("", NULL):
        return None
    alone = any(segment.name in _HEADS for segment in message.segments)
    return Problem("er7.fragment-pointer" if alone else "er7.fragment", "MSH-14")


@lru_cache(maxsize=4096)
def _is_plain(name: str) -> bool:
    """Whether a line of this name is a segment wherever it stands: MSH begins a message, ADD continues a segment."""
    return _is_name(name) and name not in ("MSH", "ADD")


class _Lines:
    """Makes the segments of a message from its lines; what belongs to the end of a segment and came behind it is held
    until the next one begins."""

    __slots__ = ("_data", "_message", "_open", "_told", "later")

    def __init__(self, message: Message) -> None:
        self._message = message
        self.later: list[str] = []  # what is held for the segment before
        self._open = self._data = False
        self._told: set[str] = set()

    def take(self, line: str) -> Problem | None:
        """Take one line; the Problem that makes all of the message unreadable, if there is one."""
        name, segments, d = line[:3], self._message.segments, self._message.delimiters
        if name == "MSH" and segments:
            return Problem("er7.second-header", f"#{len(segments) + 1}")
        if not _is_name(name) or (len(line) > 3 and line[3] != d.field):
            return self._mended(line)
        if name == "ADD" and segments:  # 2.5.1 §2.10.2: what was too long for the segment before
            if len(segments) == 1:  # or the end of a segment that another message began
                self._message.problems.append(Problem("er7.fragment", "ADD#2"))
            else:
                self.later.append(line[4:])
            return None
        if self.later:
            self.close()
        segments.append(Segment(line, len(segments) + 1, d))
        return None

    def close(self) -> None:
        """The last segment is complete."""
        if self.later:
            self._message.segments[-1].extend("".join(self.later))
            self.later, self._open, self._data = [], False, False

    def _mended(self, line: str) -> Problem | None:
        """Take a line that is no segment as it stands; a Problem when it cannot be one.

        A name in lower case or behind blanks is read as the segment it names. A line without the shape of a segment,
        behind a text that is still open (OBX-5 of a text type, NTE-3), is the next line of that text: its sender wrote
        line ends into it. Behind a file (OBX-5 of type ED) it is more of its Base64, which has no lines.
        """
        segments, d = self._message.segments, self._message.delimiters
        bare = line.lstrip(" \t")
        name = bare[:3].upper()
        if bare[3:4] == d.field and _is_name(name) and name != "MSH" and segments:
            self.close()
            segments.append(Segment(name + bare[3:], len(segments) + 1, d))
            self._tell("er7.segment-form", segments[-1])
            return None
        if not self.later and segments:  # asked once: what is held does not change it, and a file may be long
            self._data = is_open_file(segments[-1])
            self._open = self._data or is_open_text(segments[-1])
        wrong = self._data and not is_base64(line.split(d.field, maxsplit=1)[0])
        if line[3:4] == d.field or not self._open or wrong:
            return Problem("er7.segment", f"#{len(segments) + 1}")
        self.later.append(line if self._data else f"{d.escape}.br{d.escape}{line}")
        self._open = d.field not in line
        self._tell("er7.line-in-text", segments[-1])
        return None

    def _tell(self, code: str, segment: Segment) -> None:
        """Tell a finding of its kind once: a report of a thousand lines would tell it as often."""
        if code not in self._told:
            self._told.add(code)
            self._message.problems.append(Problem(code, f"{segment.name}#{segment.index}"))


def _place_of(text: str, message: Message) -> str:
    """The segment in which `text`, the beginning of the message, ends."""
    index = sum(1 for line in text.split("\r") if line.strip())
    segment = message.segments[max(0, min(index, len(message.segments)) - 1)]
    return f"{segment.name}#{segment.index}"
