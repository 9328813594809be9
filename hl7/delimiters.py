"""The separators of one message (2.5.1 §2.5.4), as its first segment states them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


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
    blank: str = dataclasses.field(init=False, compare=False, repr=False)
    """What a field that consists of nothing else says nothing by: the separators inside it, and a blank."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "blank", self.component + self.repetition + self.sub + " ")

    def __hash__(self) -> int:
        """Cheap, since much that is remembered is remembered by them: most messages have the same."""
        return hash(self.field)

    @property
    def encoding_characters(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.sub + self.truncation


STANDARD = Delimiters()
