"""Memberships (Coverage, IN1) of one patient with one payer: where there are several, their cards tell which is which.

A membership is a part of its patient by its payer, since cards and plans change; the second with the same payer is
counted. A message that tells of the second alone, or of both the other way round, counts them otherwise.

A payer's registro ANS is read without its dash; a membership stored under it as it was sent is still that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canonical.identifiers import is_registro_ans
from canonical.identity import record_id
from canonical.records import Draft, Key
from hub.records.drafts.who.identify import Places
from hub.records.drafts.who.lookup import Place, stored
from hub.store.database import Transaction

Body = dict[str, Any]
_TYPE = "Coverage"
_COUNT = "|#"
_MEMBER = "MB"  # table 0203
_SPELLINGS = ("{}{}{}{}{}-{}", "{}{}.{}{}{}-{}", "{}{}{}.{}{}{}")
_MOST = 9  # memberships with one payer that are looked through


async def by_card(
    tx: Transaction, parts: Sequence[tuple[Draft, Place]], places: Places, rows: Mapping[Place, Body | None]
) -> dict[Place, Body | None]:
    """Note in `places` the stored membership that has a draft's card, where the one of its count has another; returns
    what was looked up for it.

    A card that none has renews the one of its count, unless that is another draft's by its card: then it is a new one.
    """
    own = [(draft, parent) for draft, parent in parts if draft.type == _TYPE]
    strange = [pair for pair in own if _renews(pair[0], rows.get(places[pair[0].local]))]
    if not strange:
        return {}
    counted = {draft.local: _counted(draft, parent) for draft, parent in strange}
    found = await stored(tx, {place for held in counted.values() for place in held} - rows.keys())
    bodies = {**rows, **found}
    unknown = []
    for draft, _ in strange:
        named = (place for place in counted[draft.local] if _cards(bodies.get(place)) & _cards(draft.body))
        if (place := next(named, None)) is None:
            unknown.append(draft)
        else:
            places[draft.local] = place
    for draft in unknown:
        taken = {places[other.local] for other, _ in own if other is not draft}
        if places[draft.local] in taken:
            free = (place for place in counted[draft.local] if place not in taken and bodies.get(place) is None)
            places[draft.local] = next(free, places[draft.local])
    return found


async def as_sent(
    tx: Transaction, parts: Sequence[tuple[Draft, Place]], places: Places, rows: Mapping[Place, Body | None]
) -> dict[Place, Body | None]:
    """Note in `places` the memberships that were stored under a registro ANS with its dash, where there is none
    without; returns what was looked up for it."""
    wanted: dict[str, list[Place]] = {}
    for draft, parent in parts:
        payer, counted, count = draft.part.partition(_COUNT)
        if draft.type == _TYPE and is_registro_ans(payer) and rows.get(places[draft.local]) is None:
            spelled = [f"{form.format(*payer)}{counted}{count}" for form in _SPELLINGS]
            wanted[draft.local] = [(_TYPE, record_id(_TYPE, Key("/".join(parent), name))) for name in spelled]
    found = await stored(tx, {place for each in wanted.values() for place in each} - rows.keys())
    for local, each in wanted.items():
        known = (place for place in each if found.get(place, rows.get(place)) is not None)
        places[local] = next(known, places[local])
    return found


def _renews(draft: Draft, body: Body | None) -> bool:
    """Whether a draft has a card, and the stored membership of its count has another."""
    cards, known = _cards(draft.body), _cards(body)
    return bool(cards and known) and not cards & known


def _cards(body: Body | None) -> set[str]:
    """The numbers of the cards of a membership."""
    held = (body or {}).get("identifier", ())
    return {
        str(i.get("value", "")) for i in held if any(c.get("code") == "MB" for c in i.get("type", {}).get("coding", ()))
    }


def _counted(draft: Draft, parent: Place) -> list[Place]:
    """Where the memberships of a patient with the payer of a draft are, by their count."""
    payer = draft.part.partition(_COUNT)[0]
    names = [payer, *(f"{payer}{_COUNT}{count}" for count in range(2, _MOST + 1))]
    return [(_TYPE, record_id(_TYPE, Key("/".join(parent), name))) for name in names]
