"""Parts that would be one part of one record: a test repeated in a report, and in another report of the same number.

Filler number and examination tell a report (2.5.1 §4.5.3.3). Some send several collections under both, one OBR for
each: what was observed at another time is another result, what was observed at the same time is the same one anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from canonical.problem import Problem
from canonical.records import FILLER, Draft, Key
from mappings.convert.registry import Tracer
from mappings.reading.uniting import inherit
from mappings.reading.weighing import place
from mappings.reading.work import Work

_REPORT, _RESULT = "DiagnosticReport", "Observation"
_TIMES = ("effectiveDateTime", "effectivePeriod", "effectiveInstant")


def number_parts(drafts: Sequence[Draft], works: Sequence[Work], trace: Tracer | None) -> list[Problem]:
    """Count such parts apart, and those of other times under the number of one report; returns what is told of these.

    Of one that is said anew at the same time, as of any record whose number stands twice in the message, nothing was
    made but what still stands; where the second says otherwise, that is told.
    """
    heads, first = _one_report(drafts), dict[tuple[str, str], Draft]()
    anew: dict[str, Draft] = {}
    moved: set[str] = set()
    for draft in drafts:
        if draft.type != _RESULT or draft.keys or not draft.part or not draft.under or draft.under[0] not in heads:
            continue
        before = first.setdefault((heads[draft.under[0]], draft.part), draft)
        if before.under[0] == draft.under[0]:
            continue
        if (time := _time(draft)) and _time(before) and time != _time(before):
            draft.part += f"|@{time}"
            moved.add(draft.local)
        else:
            anew[before.local] = first[heads[draft.under[0]], draft.part] = draft
    _count(drafts)
    anew |= _numbered_again(works, {draft.local for draft in drafts})
    told: list[Problem] = []
    for work in works if anew or moved else ():
        if (later := anew.get(work.draft.local)) is not None:
            inherit(work, [later.initial, {**work.draft.body, **later.body}], later.local, trace)
            if _contradicts(work.draft.body, later.body):
                told.append(Problem("semantic.said-anew", place(work.occurrence)))
        elif work.draft.local in moved:
            told.append(Problem("semantic.result-of-other-time", place(work.occurrence)))
    return told


def _contradicts(before: dict[str, Any], later: dict[str, Any]) -> bool:
    """Whether an element of both says otherwise; numbers are kept together, and what is linked is told by itself."""
    both = (before.keys() & later.keys()) - {"identifier"}
    return any(_unlinked(before[name]) != _unlinked(later[name]) for name in both)


def _unlinked(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _unlinked(value) for key, value in node.items() if key != "reference"}
    return [_unlinked(item) for item in node] if isinstance(node, list) else node


def _one_report(drafts: Sequence[Draft]) -> dict[str, str]:
    """Of each report with a number the first of the message that is the same record: by its filler number, else by any
    number, and its examination."""
    known: dict[tuple[str, str, str], str] = {}
    heads: dict[str, str] = {}
    for draft in drafts:
        if draft.type == _REPORT and draft.keys:
            fillers = [key for key in draft.keys if key.system.endswith(FILLER)]
            names = [(key.system, key.value, draft.distinct) for key in fillers or draft.keys]
            head = next((known[name] for name in names if name in known), draft.local)
            known |= {name: head for name in names if name not in known}
            heads[draft.local] = head
    return heads


def _numbered_again(works: Sequence[Work], there: Collection[str]) -> dict[str, Draft]:
    """Of each record with a number that the message tells twice the draft that tells it again: what both say otherwise
    is as that says it. A record named in another role (the former number of the very visit) is not told again."""
    last: dict[tuple[int, str, Key], Draft] = {}
    found: dict[str, Draft] = {}
    for work in works:
        draft = work.draft
        if draft.local not in there or draft.partial or draft.merge_into or draft.type == _REPORT:
            continue
        for name in [(id(work.occurrence.plan), draft.distinct, key) for key in draft.keys]:
            if (before := last.get(name)) is not None and before is not draft:
                found[before.local] = draft
            last[name] = draft
    return found


def _time(draft: Draft) -> str:
    return next((str(draft.body[name]) for name in _TIMES if name in draft.body), "")


def _count(drafts: Sequence[Draft]) -> None:
    seen: Counter[tuple[str, tuple[str, ...], str]] = Counter()
    for draft in drafts:
        if draft.keys or not draft.part:
            continue
        place = (draft.type, draft.under[:1], draft.part)
        seen[place] += 1
        if seen[place] > 1:
            draft.part += f"|#{seen[place]}"
