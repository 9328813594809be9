"""How much one wave takes: enough that its statements are worth their trips, little enough to share the rest.

A wave of short admissions may take many lanes; one of long laboratory reports is full with few. The length of a
message tells well what it will make (130 to 160 bytes a record), so waves are cut by bytes. Of little that waits a wave
takes a part, so that no worker ends long before the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

FEWEST, MOST = 8, 64
"""Lanes of one wave; below the fewest, bytes do not matter."""
BYTES = 96 * 1024
"""Some hundred records: with fewer each statement's own cost counts, with more nothing is won."""
FIRST = 2
"""Lanes of the first wave of a tenant: it makes who is named by all of its messages, and the waves beside it, which
wait for that and are then run again, are as small."""
SHARES, LEAST = 4, 8
"""Of the lanes that are ready a wave takes one part in SHARES, or the LEAST: two workers have two waves each."""
_NEWS = 0.5
_SEGMENT_SECONDS, _BYTE_SECONDS, _WAVE_SECONDS = 0.01, 1e-6, 10.0
"""The longest a segment and a byte take on a machine that is far too busy; a wave of little is done by then."""


def longest(contents: Sequence[bytes]) -> float:
    """The seconds that working these messages may take: a report of 40,000 results took 74 on a busy machine."""
    segments = sum(max(content.count(b"\r"), content.count(b"\n")) for content in contents)  # some end lines by LF
    return _WAVE_SECONDS + segments * _SEGMENT_SECONDS + sum(map(len, contents)) * _BYTE_SECONDS


class Pace:
    """How long the messages were that one worker met lately; when `wary`, also of whom it worked any yet."""

    def __init__(self, *, wary: bool = False) -> None:
        self._each = BYTES / MOST
        self._wary = wary
        self._begun: set[UUID] = set()

    def lanes(self, tenant: UUID | None = None) -> int:
        """How many lanes to lease at most for the next wave."""
        if self._wary and tenant not in self._begun:
            return FIRST
        return max(FEWEST, min(MOST, int(BYTES / self._each)))

    def begun(self, tenant: UUID) -> None:
        """A wave of this tenant is done."""
        self._begun.add(tenant)

    def fit(self, lengths: list[int]) -> int:
        """How many messages of these lengths, one of each lane, make a wave; remembers how long they are."""
        if lengths:
            self._each += (max(1.0, sum(lengths) / len(lengths)) - self._each) * _NEWS
        room = BYTES
        for count, length in enumerate(lengths):
            room -= length
            if room < 0 and count >= FEWEST:
                return count
        return len(lengths)
