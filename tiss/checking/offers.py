"""Which findings have a safe repair, and what it would be (`repairs.csv`); `tiss.checking.repair` makes them."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from canonical.problem import Problem

_TABLE = Path(__file__).with_name("repairs.csv")
YES = "yes"
_RIGHT = frozenset(("code", "number", "rename", "total"))  # repairs that write what the finding names
_SURE = frozenset(("uf", "zeros"))  # repairs of what only check digits or a table make sure
_VALUED = frozenset(("code", "hash", "number", "total"))
_FREE_TEXT = 100  # a limit this long is that of a free text, which may be cut


@cache
def kinds() -> dict[str, tuple[str, str]]:
    """Kind and words of the repair of each code."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {row["code"]: (row["kind"], row["title"]) for row in csv.DictReader(file)}


def offered(problem: Problem) -> dict[str, str] | None:
    """The repair of a finding: `kind`, `title` and, for totals and hashes, the right `value`; None: a person's."""
    known = kinds().get(problem.code) or kinds().get(problem.code.rpartition(".")[0])
    args = dict(problem.args)
    if known is None or not _known(known[0], args):
        return None
    value = args.get("right") or args.get("computed") if known[0] in _VALUED else None
    return {"kind": known[0], "title": known[1]} | ({"value": value} if value else {})


def _known(kind: str, args: dict[str, str]) -> bool:
    """Whether the finding says all its repair needs: the one right value, or that what is meant is sure."""
    if kind in _RIGHT:
        return bool(args.get("right")) and "," not in args["right"]
    if kind in _SURE:
        return args.get("sure") == YES
    return kind != "cut" or _free(args.get("limit", ""))


def _free(limit: str) -> bool:
    return limit.isdigit() and int(limit) >= _FREE_TEXT
