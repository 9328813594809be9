"""Why a request about records is refused: a closed set of kinds; the doors choose the status of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from canonical.problem import Problem

Kind = Literal[
    "malformed", "not-found", "gone", "precondition", "forbidden", "unprocessable", "not-allowed", "unconditional"
]


class Refusal(Exception):
    """A request that cannot be done as it stands; nothing was written."""

    def __init__(self, kind: Kind, problems: Sequence[Problem]) -> None:
        super().__init__(kind)
        self.kind = kind
        self.problems = list(problems)


def refused(kind: Kind, code: str, where: str = "", **named: str) -> Refusal:
    """A refusal with one finding."""
    return Refusal(kind, [Problem(code, where, args=tuple(named.items()))])
