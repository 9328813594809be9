"""How much one wave takes: enough that its statements are worth their trips, little enough to share the rest.

A wave of short admissions may take many lanes; one of long laboratory reports is full with few. The length of a
message tells well what it will make (130 to 160 bytes a record), so waves are cut by bytes.
"""

from __future__ import annotations

FEWEST, MOST = 8, 64
"""Lanes of one wave; below the fewest, bytes do not matter."""
BYTES = 96 * 1024
"""Some hundred records: with fewer each statement's own cost counts, with more nothing is won."""
_NEWS = 0.5


class Pace:
    """How long the messages were that one worker met lately."""

    def __init__(self) -> None:
        self._each = BYTES / MOST

    def lanes(self) -> int:
        """How many lanes to lease for the next wave."""
        return max(FEWEST, min(MOST, int(BYTES / self._each)))

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
