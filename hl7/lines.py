"""The lines of a message as its segments (2.5.1 §2.6), and what senders do to them: ADD, line ends in texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from canonical.problem import Problem
from hl7.delimiters import Delimiters
from hl7.open_ends import is_base64, is_open_file, is_open_text
from hl7.segment import Segment

_NAME = re.compile(r"[A-Z][A-Z0-9]{2}\Z")


@lru_cache(maxsize=4096)
def plain_names(heads: tuple[str, ...], mark: str) -> tuple[str, ...] | None:
    """The names of lines that begin so; None unless they are a header and plain segments behind it, of which none is to
    be looked at by itself."""
    plain = all(head[3:] == mark and _is_plain(head[:3]) for head in heads[1:])
    return tuple(head[:3] for head in heads) if plain and heads[0] == "MSH" + mark else None


def taken(lines: Sequence[str], delimiters: Delimiters, found: list[Problem]) -> list[Segment] | Problem:
    """The segments of the lines, with what is told of them added to `found`; the Problem that makes all unreadable."""
    reader, mark = _Lines(delimiters, found), delimiters.field
    segments = reader.segments
    for line in lines:
        if line[3:4] == mark and _is_plain(line[:3]) and not reader.later:
            segments.append(Segment(line, len(segments) + 1, delimiters))
            continue
        problem = reader.take(line) if line.strip() else None
        if problem is not None:
            return problem
    reader.close()
    return segments


@lru_cache(maxsize=4096)
def _is_name(text: str) -> bool:
    return _NAME.match(text) is not None


@lru_cache(maxsize=4096)
def _is_plain(name: str) -> bool:
    """Whether a line of this name is a segment wherever it stands: MSH begins a message, ADD continues a segment."""
    return _is_name(name) and name not in ("MSH", "ADD")


class _Lines:
    """Makes the segments of a message from its lines; what belongs to the end of a segment and came behind it is held
    until the next one begins."""

    __slots__ = ("_data", "_delimiters", "_found", "_open", "_told", "later", "segments")

    def __init__(self, delimiters: Delimiters, found: list[Problem]) -> None:
        self._delimiters = delimiters
        self._found = found
        self.segments: list[Segment] = []
        self.later: list[str] = []  # what is held for the segment before
        self._open = self._data = False
        self._told: set[str] = set()

    def take(self, line: str) -> Problem | None:
        """Take one line; the Problem that makes all of the message unreadable, if there is one."""
        name, segments, d = line[:3], self.segments, self._delimiters
        if name == "MSH" and segments:
            return Problem("er7.second-header", f"#{len(segments) + 1}")
        if not _is_name(name) or (len(line) > 3 and line[3] != d.field):
            return self._mended(line)
        if name == "ADD" and segments:  # 2.5.1 §2.10.2: what was too long for the segment before
            if len(segments) == 1:  # or the end of a segment that another message began
                self._found.append(Problem("er7.fragment", "ADD#2"))
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
            self.segments[-1].extend("".join(self.later))
            self.later, self._open, self._data = [], False, False

    def _mended(self, line: str) -> Problem | None:
        """Take a line that is no segment as it stands; a Problem when it cannot be one.

        A name in lower case or behind blanks is read as the segment it names. A line without the shape of a segment,
        behind a text that is still open (OBX-5 of a text type, NTE-3), is the next line of that text: its sender wrote
        line ends into it. Behind a file (OBX-5 of type ED) it is more of its Base64, which has no lines.
        """
        segments, d = self.segments, self._delimiters
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
            self._found.append(Problem(code, f"{segment.name}#{segment.index}"))
