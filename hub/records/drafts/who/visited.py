"""The number of one visit told of two patients: two visits, which is told. A newborn may lie under the mother's number.

Who was merged is one patient by then, and has one visit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from canonical.problem import Problem
from canonical.records import Draft
from hub.records.drafts.who.identify import Places
from hub.records.drafts.who.known import Known
from hub.records.drafts.who.lookup import stored
from hub.records.drafts.who.persons import newborn_at
from hub.store.database import Transaction

Body = dict[str, Any]
TYPE = "Encounter"
_PATIENT = "Patient"


def note(draft: Draft, subject: str, body: Body, known: Known) -> None:
    """Note that the number of a visit of `subject` is that of another patient's visit, the stored `body`."""
    if draft.type != TYPE:  # an account may be one of several, and has a list of whose it is
        return
    theirs = str(body.get("subject", {}).get("reference", ""))
    if subject.startswith(f"{_PATIENT}/") and theirs.startswith(f"{_PATIENT}/"):
        known.disputed.setdefault(draft.local, (theirs, subject))


async def tell(tx: Transaction, drafts: Sequence[Draft], known: Known, places: Places) -> list[Problem]:
    """Findings for new visits under the number of another patient's visit, unless one of both is newly born."""
    own = {draft.local: draft for draft in drafts if draft.local in known.disputed and draft.local in places}
    fresh = {local: draft for local, draft in own.items() if known.rows.get(places[local]) is None}
    if not fresh:
        return []
    names = {one for local in fresh for one in known.disputed[local]}
    bodies = await stored(tx, {(_PATIENT, one.partition("/")[2]) for one in names}, lock=False)
    said = {"/".join(places[one.local]): one for one in drafts if one.type == _PATIENT and one.local in places}
    problems = []
    for local, draft in fresh.items():
        one, other = known.disputed[local]
        people = [bodies.get((_PATIENT, each.partition("/")[2])) or {} for each in (one, other)]
        people += [{**said[each].initial, **said[each].body} for each in (one, other) if each in said]
        if not any(newborn_at(body, draft.event_at) for body in people):
            args = (("one", one), ("other", other))
            problems.append(Problem("semantic.visit-of-two", local, args=args))
    return problems
