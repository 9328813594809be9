"""Messages sent in parts (2.5.1 §2.10.2): which part a message is, and the parts put together again.

Each part but the last ends with DSC, whose pointer (DSC-1) the next part repeats in MSH-14. A segment that was cut goes
on in an ADD behind the MSH of the next part. The whole has the header of its first part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from canonical.problem import Problem
from hl7 import er7
from hl7.er7 import BY_PARTS, NULL, Message

MOST_PARTS = 1000
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_JUNK = b"\x0b\xef\xbb\xbf \t\r\n"
_TAIL = 512
_ALIKE = (2, 9, 12, 18)
"""What the headers of all parts say alike: separators, type, version, character set."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part's pointers: `follows` (MSH-14; empty for the first part) and `leads` (DSC-1; empty for the last).

    `certain` is False for a message that only states MSH-14 and could stand by itself: some senders fill MSH-14 always.
    """

    follows: str
    leads: str
    certain: bool


def may_be_part(raw: bytes) -> bool:
    """Whether the bytes state MSH-14 or end with DSC: to be asked before a message is read."""
    start = raw.find(b"MSH", 0, 64)
    if start >= 0:
        end = raw.find(b"\r", start)
        header = raw[start : end if end >= 0 else len(raw)].split(raw[start + 3 : start + 4] or b"|", 14)
        if len(header) > 13 and header[13].strip() and b"\n" not in b"".join(header[:14]):
            return True
    if raw.rfind(b"DSC", -_TAIL) < 0:
        return False
    last = _LINE_ENDS.split(raw[-_TAIL:].rstrip(b"\r\n\x1c \t"))[-1].lstrip()
    return last.startswith(b"DSC") and len(last) > 4


def part_of(message: Message) -> Part | None:
    """The part that a message is, or None when it is whole. In queries and their answers DSC means something else."""
    follows, ends = message.heading.pointer, message.last_name == "DSC"
    if not (follows or ends) or message.type.startswith(BY_PARTS):
        return None
    leads = message.segments[-1].text(1).strip() if ends else ""
    leads = "" if leads == NULL else leads
    if not follows and not leads:
        return None
    certain = any(problem.code == "er7.fragment" for problem in message.problems)
    return Part(follows, leads, certain)


def joined(parts: Sequence[bytes]) -> bytes | Problem:
    """The whole message of parts in their order: the first header, then all segments but MSH and DSC, as sent.

    A Problem when the headers do not agree in separators, type, version or character set.
    """
    lines: list[bytes] = []
    alike: list[bytes] = []
    for number, raw in enumerate(parts):
        own = _LINE_ENDS.split(raw.lstrip(_JUNK).rstrip(b"\r\n\x1c \t"))
        header = own[0].split(own[0][3:4] or b"|")
        stated = [own[0][3:4], *(header[n - 1] if len(header) >= n else b"" for n in _ALIKE)]
        alike = alike or stated
        if stated != alike:
            place = next(n for n, (one, other) in enumerate(zip(stated, alike, strict=True)) if one != other)
            return Problem("er7.fragment-mixed", f"MSH[{number + 1}]-{(1, *_ALIKE)[place]}")
        if own[-1].lstrip().startswith(b"DSC"):
            own.pop()
        lines += own[1:] if number else own
    return b"\r".join(lines) + b"\r"


def body(raw: bytes) -> bytes:
    """What a part says behind its header: the same when it is sent again under another control id."""
    text = raw.lstrip(_JUNK)
    end = min((place for mark in (b"\r", b"\n") if (place := text.find(mark)) >= 0), default=len(text))
    return text[end:].strip(b"\r\n\x1c \t")


def clash(one: Part, other: Part) -> bool:
    """Whether two parts of one sender claim the same place in a message."""
    return bool(one.leads and one.leads == other.leads) or bool(one.follows and one.follows == other.follows)


@dataclass(slots=True)
class Joiner:
    """Joins the parts that come in one file, whatever their order; parts of several senders may be mixed."""

    _open: list[tuple[str, Part, bytes]] = field(default_factory=list)

    def take(self, raw: bytes, charset: str = "") -> bytes | Problem | None:
        """What there is to read now: `raw` itself or the message it completes; None when more parts must come, or when
        it is a part that came before.

        A Problem when the parts do not belong together, or two of them have one pointer.
        """
        message = er7.read(raw, fixed_charset=charset) if may_be_part(raw) else None
        part = part_of(message) if isinstance(message, Message) else None
        if part is None or not isinstance(message, Message):
            return raw
        sender = f"{message.header.raw_field(3)}\x1f{message.header.raw_field(4)}"
        if not part.certain and not any(s == sender and p.leads == part.follows for s, p, _ in self._open):
            return raw
        for held in [item for item in self._open if item[0] == sender and clash(item[1], part)]:
            if (held[1].follows, held[1].leads, body(held[2])) == (part.follows, part.leads, body(raw)):
                return None
            self._open.remove(held)
            return Problem("er7.fragment-ambiguous", "DSC-1" if held[1].leads == part.leads else "MSH-14")
        self._open.append((sender, part, raw))
        chain = self._chain(sender, part)
        if chain is None:
            return None
        self._open = [item for item in self._open if item not in chain]
        return joined([item[2] for item in chain])

    def left(self) -> Iterator[bytes]:
        """The parts whose others did not come, in their order."""
        for _, _, raw in self._open:
            yield raw
        self._open.clear()

    def _chain(self, sender: str, part: Part) -> list[tuple[str, Part, bytes]] | None:
        own = [item for item in self._open if item[0] == sender]
        before = {item[1].leads: item for item in own if item[1].leads}
        after = {item[1].follows: item for item in own if item[1].follows}
        chain = [next(item for item in own if item[1] is part)]
        while chain[0][1].follows and len(chain) <= MOST_PARTS:
            if (found := before.get(chain[0][1].follows)) is None:
                return None
            chain.insert(0, found)
        while chain[-1][1].leads and len(chain) <= MOST_PARTS:
            if (found := after.get(chain[-1][1].leads)) is None:
                return None
            chain.append(found)
        return chain if len(chain) <= MOST_PARTS else None


def whole(items: Iterable[bytes | Problem], charset: str = "") -> Iterator[bytes | Problem]:
    """The messages of a file, parts joined where the last of them stands; those left alone come at the end."""
    joiner = Joiner()
    for item in items:
        found = item if isinstance(item, Problem) else joiner.take(item, charset)
        if found is not None:
            yield found
    yield from joiner.left()
