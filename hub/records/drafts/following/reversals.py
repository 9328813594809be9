"""Credits (FT1-6 `CD`) take back the charge they mean: by its number, else the like one of the same visit.

A credit is no service of its own. Its number is added to the charge it took back, so that the same credit, read
again, finds that charge and takes back no second one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from canonical.records import DRAFT, Draft
from hub.records.drafts.who.identify import Places
from hub.records.projections import cents, first_code
from hub.store.database import Transaction

_LIKE = (
    "SELECT id FROM charge WHERE tenant_id = $1 AND encounter_id = $2 AND code = $3 AND total_cents = $4 "
    "AND status = 'billable' AND guide_id IS NULL AND NOT id = ANY($5::text[]) "
    "ORDER BY occurred_on DESC NULLS LAST, id LIMIT 1"
)


def is_credit(draft: Draft) -> bool:
    """Whether a draft is a credit: the event table made its charge not billable."""
    return draft.type == "ChargeItem" and draft.body.get("status") == "not-billable"


async def place(tx: Transaction, drafts: Sequence[Draft], places: Places, known: dict[Any, Any]) -> None:
    """Give credits whose own number is unknown the open charge of the same visit, code and amount."""
    taken: list[str] = []
    for draft in drafts:
        own = places.get(draft.local)
        if not is_credit(draft) or own is None or known.get(own) is not None:
            continue
        visit = str(draft.body.get("context", {}).get("reference", "")).removeprefix(DRAFT)
        amount = cents(draft.body.get("priceOverride", {}).get("value"))
        code = first_code(draft.body.get("code"))
        if visit not in places or amount is None or code is None:
            continue
        found = await tx.value(_LIKE, places[visit][1], code, abs(amount), taken)
        if found is not None:
            taken.append(found)
            places[draft.local] = ("ChargeItem", found)
