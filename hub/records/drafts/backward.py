"""Results that would go backward: an older word behind a newer one, and a preliminary one behind a final one.

HL7 v2.5.1 tables 0085 and 0123 (`F`): a final result can only be changed with a corrected result. So what is
preliminary, partial or only registered takes no final value away, whichever comes or happened first: it is a version of
the history (ADR 19), and told. What was collected later is another examination; a report with further results, or none,
is open again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from canonical.problem import Problem
from canonical.records import Draft
from fhir.periods import reverses
from hub.records.drafts.marks import told_at

Body = dict[str, Any]
RESULTS = frozenset(("Observation", "DiagnosticReport", "DocumentReference"))
DONE = frozenset(("final", "amended", "corrected"))
_RANK = {"registered": 0, "unknown": 0, "preliminary": 1, "partial": 1, "final": 2, "cancelled": 2}
_BELOW = frozenset(("registered", "preliminary", "partial"))
_COLLECTED = "effectiveDateTime"
_KEPT, _OPEN = "semantic.preliminary-after-final", "semantic.result-open-again"
_ONE = "1"


def lags(present: Body | None, draft: Draft, *, stale: bool) -> bool:
    """Whether a result tells of something older than the stored record: that is history, and leaves the view alone."""
    if present is None or draft.type not in RESULTS:
        return False
    late = stale and not finishes(present, draft)
    return late or _falls_back(present, draft) or _stays_final(present, draft.body)


def finishes(present: Body | None, draft: Draft) -> bool:
    """Whether a final result comes behind a preliminary one, which does not take it away even if it is the newer."""
    return present is not None and draft.type in RESULTS and _stays_final(draft.body, present)


def told(present: Body | None, draft: Draft) -> list[Problem]:
    """What is to be told of a final result of which a newer message says that it is not final."""
    known = told_at(present) if present is not None and draft.type in RESULTS else None
    if present is None or known is None or draft.event_at is None or known == draft.event_at:
        return []
    where = draft.under[0] if draft.under else draft.local
    older, newer = (present, draft.body) if draft.event_at > known else (draft.body, present)
    if _stays_final(older, newer):
        return [Problem(_KEPT, where, args=(("count", _ONE if draft.under else ""),))]
    if newer is draft.body and _status(older) in DONE and _status(newer) in _BELOW:
        return [Problem(_OPEN, where, args=(("count", _ONE if draft.under else ""),))]
    return []


def once(problems: Sequence[Problem]) -> list[Problem]:
    """`problems` with one of each kind for a report and all its results, with their count."""
    counts = Counter((p.code, p.where) for p in problems if p.code in (_KEPT, _OPEN) and dict(p.args)["count"])
    told = {(p.code, p.where): p for p in problems if p.code in (_KEPT, _OPEN)}
    others = [p for p in problems if p.code not in (_KEPT, _OPEN)]
    return [*others, *(replace(p, args=(("count", str(counts[name])),)) for name, p in told.items())]


def _stays_final(done: Body, below: Body) -> bool:
    return _status(done) in DONE and _status(below) in _BELOW and not _opens(below, done)


def _opens(below: Body, done: Body) -> bool:
    """Whether a word below final opens it again: of a later collection, with results that it did not name, or saying of
    a whole report that it has none (`I`, a new collection)."""
    if below.get("status") == "registered" and "result" in {*below, *done}:
        return True
    named = [item.get("reference") for item in done.get("result", ())]
    if any(item.get("reference") not in named for item in below.get("result", ())):
        return True
    collected = [str(body[_COLLECTED]) for body in (below, done) if _COLLECTED in body]
    return len(collected) == 2 and reverses(collected[0], collected[1])


def _status(body: Body) -> str:
    """The status of a result; of a file, that of its content. A document with a number of its own goes its own way."""
    if body.get("resourceType", "") == "DocumentReference" or "docStatus" in body:
        return "" if "masterIdentifier" in body else str(body.get("docStatus", ""))
    return str(body.get("status", ""))


def _falls_back(present: Body, draft: Draft) -> bool:
    """Whether a result of the same moment would go backward: preliminary after final, final after corrected."""
    told = told_at(present)
    if told is not None and draft.event_at is not None and draft.event_at > told:
        return False
    ours, theirs = draft.body.get("status"), present.get("status")
    return ours is not None and _RANK.get(str(ours), 3) < _RANK.get(str(theirs), 3)
