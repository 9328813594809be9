"""Parts that would be one part of one record: a test repeated in a report, and in another report of the same number.

Filler number and examination tell a report (2.5.1 §4.5.3.3). Some send several collections under both, one OBR for
each: what was observed at another time is another result, what was observed at the same time is the same one anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from canonical.problem import Problem
from canonical.records import FILLER, Draft
from mappings.convert.registry import Tracer
from mappings.reading.uniting import inherit
from mappings.reading.weighing import place
from mappings.reading.work import Work

_REPORT, _RESULT = "DiagnosticReport", "Observation"
_TIMES = ("effectiveDateTime", "effectivePeriod", "effectiveInstant")


def number_parts(drafts: Sequence[Draft], works: Sequence[Work], trace: Tracer | None) -> list[Problem]:
    """Count such parts apart, and those of other times under the number of one report; returns what is told of these.

    Of one that is said anew at the same time, nothing was made but what still stands.
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
    for work in works if anew else ():
        if (later := anew.get(work.draft.local)) is not None:
            inherit(work, [later.initial, {**work.draft.body, **later.body}], later.local, trace)
    found = [work for work in works if work.draft.local in moved]
    return [Problem("semantic.result-of-other-time", place(work.occurrence)) for work in found]


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
