"""The numbers of one professional that a message tells together (CRM, CPF, a number of the house): whose they are.

The first that is known tells who is meant, and the others are that one's from then on; but a number that another
record has stays there. No record loses one, and the two stay two, which is told.
"""

from __future__ import annotations

from canonical.problem import Problem
from canonical.records import Draft, Key
from hub.records.drafts.who.identify import known_under
from hub.records.drafts.who.known import Known
from hub.records.drafts.who.professionals import TYPE, holds


def own(draft: Draft, identity: str, known: Known) -> list[Problem]:
    """Take out of the draft of the professional `identity` what is somebody else's, which is told; the others find
    this one from now on."""
    if draft.type != TYPE or len(draft.keys) < 2 or not identity:
        return []
    taken = [key for key in draft.keys if _is_of_another(key, identity, known)]
    draft.keys = tuple(key for key in draft.keys if key not in taken)
    for key in draft.keys:
        for name in known_under(draft):
            known.new.setdefault((draft.type, key, name), (identity, ""))
    if not taken:
        return []
    gone = {(key.system, key.value) for key in taken}
    identifiers = [i for i in draft.initial.get("identifier", ()) if (i.get("system"), i.get("value")) not in gone]
    draft.initial = {**draft.initial, "identifier": identifiers}
    return [Problem("semantic.professional-twice", draft.local)]


def _is_of_another(key: Key, identity: str, known: Known) -> bool:
    bearers = [one for one in known.candidates.get((TYPE, key), ()) if holds(known.rows.get((TYPE, one)) or {}, key)]
    met = known.new.get((TYPE, key, ""))
    return identity not in bearers and (bool(bearers) or (met is not None and met[0] != identity))
