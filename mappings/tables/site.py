"""What one sender's way of writing changes in the mapping: an overlay of tables, other plans, modes of segments."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`overlay` is a folder of `mappings/partners`; `plans` gives a message type another plan; `modes` says of a
    repeating segment whether its set replaces (`snapshot`) or its action codes count (`action`).

    Hashable, so that what is made ready for a site is made once.
    """

    overlay: str = ""
    plans: tuple[tuple[str, str], ...] = ()
    modes: tuple[tuple[str, str], ...] = ()

    def mode(self, segment: str) -> str:
        """`snapshot`, `action`, or empty where nothing was agreed."""
        return dict(self.modes).get(segment, "")


PLAIN = Site()
