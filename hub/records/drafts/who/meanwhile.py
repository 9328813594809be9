"""Two transactions that make one record at once, each under another of its numbers (`MR` here, `CPF` and `MR` there).

Under the same first number both make the same id, and the second is refused by it. Under others nothing would stand in
the way: so whoever makes a record holds the numbers of it until the transaction ends, and looks them up once more.
Known records cost nothing. A conditional create or update over FHIR does the same before it looks for what it means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from canonical.codes import aliases
from canonical.errors import Conflict
from canonical.identity import number
from canonical.records import Draft, Key
from hub.records.drafts.who.identify import Places
from hub.records.drafts.who.known import Known
from hub.records.drafts.who.lookup import lookup
from hub.store.database import Transaction

MOST = 256
"""Numbers that one transaction holds at most, patients' first: the server's table of locks is shared by all."""
_HOLD = "SELECT pg_advisory_xact_lock(x.key) FROM (SELECT unnest($2::bigint[]) AS key WHERE $1::uuid IS NOT NULL) x"


async def hold(tx: Transaction, drafts: Sequence[Draft], known: Known, places: Places) -> None:
    """Wait for those who make a record with a number of a new one of `drafts`; raises Conflict where one was made."""
    makers = [draft for draft in drafts if draft.keys and draft.local in places and _makes(draft)]
    fresh = [draft for draft in makers if known.rows.get(places[draft.local]) is None]
    if not fresh:
        return
    wishes = {(draft.type, key): None for draft in fresh for key in draft.keys}
    held = sorted(wishes, key=lambda wish: wish[0] != "Patient")[:MOST]
    await tx.run(_HOLD, sorted({_number(tx, *wish) for wish in held}))
    now = await lookup(tx, fresh)
    if any(set(ids) - set(known.candidates.get(wish, ())) for wish, ids in now.items()):
        raise Conflict("a record was made in between")


async def hold_kin(tx: Transaction, patients: Sequence[str]) -> None:
    """Wait for those who make a relative of one of these patients, whom no number need tell from another."""
    await tx.run(_HOLD, sorted(number("kin", str(tx.tenant), patient) for patient in patients))


async def hold_stated(tx: Transaction, bodies: Sequence[dict[str, Any]]) -> None:
    """Wait for those who make a record with one of the numbers that these FHIR resources state, until the transaction
    ends: what a condition finds afterwards, nobody makes beside it."""
    stated = {
        (str(body.get("resourceType", "")), Key(item["system"], item["value"]))
        for body in bodies
        for item in (body["identifier"] if isinstance(body.get("identifier"), list) else ())
        if isinstance(item, dict) and isinstance(item.get("system"), str) and isinstance(item.get("value"), str)
    }
    keys = sorted({_number(tx, *wish) for wish in stated})
    if keys:
        await tx.run(_HOLD, keys[:MOST])


def _makes(draft: Draft) -> bool:
    return not (draft.partial or draft.known_only or draft.must_exist)


def _number(tx: Transaction, kind: str, key: Key) -> int:
    """The lock of a number, under whichever of the names of its register it is told."""
    return number("made", str(tx.tenant), kind, min(aliases(key.system)), key.value)
