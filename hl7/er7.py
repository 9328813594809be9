"""ER7, the pipe-and-hat encoding of HL7 v2 (chapter 2): a lazy reader that splits a field only when it is asked for.

A message is its segments in order; nothing is dropped, nothing guessed. Delimiters come from MSH-1 and MSH-2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import cast

from canonical.problem import Problem
from hl7 import charset
from hl7.delimiters import STANDARD, Delimiters
from hl7.escapes import has_unknown, switches
from hl7.heading import heading_of
from hl7.lines import plain_names, taken
from hl7.segment import NULL, Segment, component_text

__all__ = ("BY_PARTS", "NULL", "STANDARD", "Delimiters", "Message", "Segment", "component_text", "read")

BY_PARTS = ("Q", "RSP", "ADR", "ORF", "VXR", "VXX", "OSR", "RTB", "TBR")  # whole; DSC is for more (2.5.1 §5.6.3)
_HEADS = frozenset(("EVN", "PID", "MSA", "MFI", "SCH", "ARQ", "RF1", "PRD", "QRD", "QPD", "STF"))  # of a first part
MAXIMUM_SEGMENTS = 250_000
_FEW = 200  # so many lines are judged by how they begin, as messages of the same make begin
_EDGE = 64  # characters at either end that are looked at: for separators, and for what frames the message
_AFTER_ESCAPE = 7  # where a text goes on behind the place of the escape character in MSH-2
_SLIPS = (
    ("MSH|^~\\\\&", "MSH|^~\\&", "er7.doubled-escape"),
    ("MSH|^\\~\\&", "MSH|^~\\&", "er7.doubled-escape"),
    ("MSH|^~&|", "MSH|^~\\&|", "er7.lost-escape"),
)
_DOUBLED = re.compile(
    r"\\\\(\.[a-z]{2}[0-9+-]*|[FSTREHN]|X[0-9A-Fa-f]+)\\\\"
)  # a sequence both of whose backslashes are
_SLIPPED = tuple(each[0] for each in _SLIPS)


class Message:
    """A message: segments in order, its delimiters, and the character set it was read in.

    A segment is made when it is first asked for: a door looks at two of a message's dozens.
    """

    __slots__ = ("_names", "_segments", "_type", "charset", "delimiters", "header", "heading", "problems")

    def __init__(
        self,
        segments: Iterable[Segment | str],
        delimiters: Delimiters,
        charset: str = "ascii",
        problems: Iterable[Problem] = (),
        names: tuple[str, ...] | None = None,
    ) -> None:
        """Of `segments`, MSH first, or of lines that are to be one segment each, with the `names` of all of these."""
        self._segments = list(segments)
        self._names = names
        self._type: str | None = None
        self.delimiters = delimiters
        self.charset = charset
        self.problems = list(problems)
        self.header = self._at(0)
        """MSH."""
        self.heading = heading_of(self.header, charset)
        """MSH but for MSH-7 and MSH-10, shared by all messages that say the same."""

    def with_segments(self, segments: Sequence[Segment]) -> Message:
        """The same message with other segments."""
        return Message(segments, self.delimiters, self.charset, self.problems)

    @property
    def segments(self) -> list[Segment]:
        """All segments, in order."""
        if self._names is not None:
            for index in range(len(self._segments)):
                self._at(index)
            self._names = None  # whoever has the list may change it
        return cast("list[Segment]", self._segments)

    def _at(self, index: int) -> Segment:
        found = self._segments[index]
        if isinstance(found, str):
            found = self._segments[index] = Segment(found, index + 1, self.delimiters)
        return found

    def names(self) -> tuple[str, ...]:
        """The names of all segments, in order."""
        return self._names if self._names is not None else tuple([one.name for one in self.segments])

    @property
    def last_name(self) -> str:
        """The name of the last segment."""
        return self._names[-1] if self._names is not None else self.segments[-1].name

    def named(self, name: str) -> Iterator[Segment]:
        """All segments called `name`, in order."""
        return (self._at(index) for index, found in enumerate(self.names()) if found == name)

    def first(self, name: str) -> Segment | None:
        """The first segment called `name`, or None."""
        names = self._names
        if names is None:
            for one in self.segments:
                if one.name == name:
                    return one
            return None
        return self._at(names.index(name)) if name in names else None

    def text(self, name: str, number: int, component: int = 1, sub: int = 1) -> str:
        """The unescaped value in the first segment called `name`; empty when absent."""
        segment = self.first(name)
        return segment.text(number, component, sub) if segment else ""

    @property
    def control_id(self) -> str:
        """MSH-10, also of a damaged header where it surely stands in another field (`hl7.damaged`)."""
        return self.header.text(self.heading.place_of_type(self.header) + 1)

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
            of = self.heading
            event = of.event if of.stated else self.text("EVN", 1).strip().upper() or of.event or of.usual
            self._type = f"{of.code}^{event}" if event else of.code
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
    slip = next(each for each in _SLIPS if text.startswith(each[0])) if text.startswith(_SLIPPED) else None
    if slip:  # programs and pages double the backslash of MSH-2 or lose it
        behind = text[len(slip[0]) :]
        text = slip[1] + (_DOUBLED.sub(r"\\\1\\", behind) if slip == _SLIPS[0] else behind)
    delimiters = read_delimiters(text[:_EDGE], decoded.name)
    if isinstance(delimiters, Problem):
        return delimiters
    found = list(decoded.problems)
    if slip:
        found.append(Problem(slip[2], "MSH-2"))
    codec = decoded.name
    once = [text]
    del text, decoded  # a message may be large: each copy goes as soon as the next one is made
    return _segments(once, delimiters, codec, found)


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


def _segments(once: list[str], d: Delimiters, codec: str, found: list[Problem]) -> Message | Problem:
    """The message with the segments of the one text in `once`, which is taken out and not held longer than needed."""
    text = once.pop()
    if "\n" in text:
        found.append(Problem("er7.line-feed", "MSH"))
        text = text.replace("\r\n", "\r").replace("\n", "\r")
    escaped = bool(d.escape) and text.find(d.escape, _AFTER_ESCAPE) >= 0
    switch = switches(text, d) if escaped else None
    lines = text.split("\r")
    text = text[:switch] if switch is not None else ""
    if len(lines) > MAXIMUM_SEGMENTS:
        return Problem("er7.too-many-segments", "MSH", args=(("limit", str(MAXIMUM_SEGMENTS)),))
    if not lines[-1]:
        lines.pop()
    names = plain_names(tuple([line[:4] for line in lines]), d.field) if len(lines) <= _FEW else None
    segments = lines if names else taken(lines, d, found)
    if isinstance(segments, Problem):
        return segments
    message = Message(segments, d, codec, found, names)
    message.problems += [told for told in (_part(message),) if told is not None]
    if switch is not None:
        return Problem("charset.switching", _place_of(text, message))
    for segment in message.segments[1:] if escaped else ():
        if d.escape in segment.raw and has_unknown(segment.raw, d):
            message.problems.append(Problem("field.escape", f"{segment.name}#{segment.index}"))
            break
    return message


def _part(message: Message) -> Problem | None:
    """Where a message says that it is a part: in DSC-1, or in MSH-14, of which nothing follows if it has a head."""
    ends, pointed = message.last_name == "DSC", bool(message.heading.pointer)
    if not (ends or pointed) or message.type.startswith(BY_PARTS):
        return None
    if ends and (last := message.segments[-1]).text(1) not in ("", NULL):
        return Problem("er7.fragment", f"DSC#{last.index}")
    if not pointed:
        return None
    alone = any(name in _HEADS for name in message.names())
    return Problem("er7.fragment-pointer" if alone else "er7.fragment", "MSH-14")


def _place_of(text: str, message: Message) -> str:
    """The segment in which `text`, the beginning of the message, ends."""
    index = sum(1 for line in text.split("\r") if line.strip())
    segment = message.segments[max(0, min(index, len(message.segments)) - 1)]
    return f"{segment.name}#{segment.index}"
