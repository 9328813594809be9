"""Drafts of one message that are one record: which go into which, and what was made of a field that went with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from canonical.records import Draft
from mappings.convert.registry import Tracer
from mappings.reading.grouping import unite
from mappings.reading.mentions import merged_once, one_mother
from mappings.reading.work import Work
from mappings.tables.plan import Plan


def united(drafts: list[Draft], plan: Plan, works: Sequence[Work], trace: Tracer | None) -> None:
    """Let one record stand for those that are one. Of what its heir does not say nothing was made: a value counts for
    its field only where all its words are the heir's too."""
    gone = dict([*merged_once(drafts), *one_mother(drafts), *unite(drafts, plan)])
    heirs = {draft.local: draft for draft in drafts} if gone else {}
    for work in works if gone else ():
        heir = heirs.get(gone.get(work.draft.local, ""))
        if heir is not None:
            inherit(work, [heir.initial, heir.body], heir.local, trace)


def inherit(work: Work, heir: Sequence[dict[str, Any]], local: str, trace: Tracer | None) -> None:
    """Keep of what was made of a draft that went what its heir, the draft `local`, says."""
    there = frozenset(_words(list(heir)))

    def said(value: Any) -> bool:
        return there.issuperset(_words(value))

    work.made = [made for made in work.made if said(made[2])]
    if trace is not None:
        trace.left_out(work.draft.local, said)
        trace.united(work.draft.local, local)


def _words(value: Any) -> Iterator[str]:
    """The words of all texts, numbers and truths in a value; of a pair, a path or type and its value, in that."""
    if isinstance(value, tuple):
        value = value[-1]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _words(one)
    elif value is not None:
        yield from str(value).casefold().split()
