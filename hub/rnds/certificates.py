"""The sick notes (atestados) of a visit, from care plans that say they are one: from when, for how many days, and why.

The reason is told only where the note itself names it: a diagnosis stands on an atestado by the patient's wish alone
(CFM 1.658/2002 art. 5), so none is taken from the visit.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hub.records.reading import Body, bodies, literal
from hub.store.database import Transaction

_CODE = "ATM"
_LISTS = frozenset(("BRTipoDocumento", "BRTipoAtestado"))
_PROFILE = "BRAtestado"
_HOLDING = frozenset(("active", "completed"))
_DAY_UNITS = frozenset(("d", "day", "days", "dia", "dias"))


def is_one(plan: Mapping[str, Any]) -> bool:
    """Whether a CarePlan is a sick note: by its category (BRTipoDocumento ATM) or the national profile it names."""
    codings = [c for category in plan.get("category", ()) for c in category.get("coding", ())]
    if any(c.get("code") == _CODE and _tail(c.get("system")) in _LISTS for c in codings):
        return True
    return any(_tail(url) == _PROFILE for url in plan.get("meta", {}).get("profile", ()))


def _tail(url: Any) -> str:
    return str(url).partition("|")[0].rpartition("/")[2]


async def of_visit(tx: Transaction, plans: Sequence[Body]) -> dict[str, Any]:
    """`certificates` and their `indications`, of the care plans of a visit."""
    found = [one for one in plans if is_one(one) and one.get("status") in _HOLDING]
    reasons = await bodies(tx, [literal(one) for plan in found for one in plan.get("addresses", ())])
    return with_reasons(found, reasons)


def with_reasons(found: Sequence[Body], stored: Mapping[str, Body]) -> dict[str, Any]:
    """The same of the plans found, with the conditions they address by their references."""
    made = [(_made(plan), _reason(plan, stored)) for plan in found]
    for certificate, reason in made:
        if reason:
            certificate["addresses"] = [{"reference": f"Condition/{reason['id']}"}]
    return {"certificates": [one for one, _ in made], "indications": [reason for _, reason in made if reason]}


def _made(plan: Body) -> Body:
    details = [activity.get("detail") or {} for activity in plan.get("activity", ())]
    spans = list(_spans(plan, details))
    found: Body = {"resourceType": "CarePlan", "id": plan.get("id")}
    told = {
        "start": next((start for start, _ in spans if start), None),
        "days": next((days for _, days in spans if days), None),
        "description": next((d["description"] for d in details if d.get("description")), plan.get("description")),
    }
    return found | {name: value for name, value in told.items() if value}


def _spans(plan: Body, details: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, int | None]]:
    """Begin and number of days wherever the plan may state them, what is most special first."""
    for detail in details:
        timing = detail.get("scheduledTiming") or {}
        repeat = timing.get("repeat") or {}
        yield next(iter(timing.get("event", ())), None), repeat.get("count") or _of_duration(repeat)
        for period in (repeat.get("boundsPeriod"), detail.get("scheduledPeriod")):
            yield _of_period(period or {})
    yield _of_period(plan.get("period") or {})
    yield plan.get("created"), None


def _of_duration(repeat: Mapping[str, Any]) -> int | None:
    bounds = repeat.get("boundsDuration") or {}
    value = str(bounds.get("value", ""))
    in_days = (bounds.get("code") or bounds.get("unit")) in _DAY_UNITS
    return int(value) if in_days and value.isascii() and value.isdigit() else None


def _of_period(period: Mapping[str, Any]) -> tuple[Any, int | None]:
    """The begin of a period and its days, the first and the last among them."""
    start, end = period.get("start"), period.get("end")
    try:
        first, last = (datetime.date.fromisoformat(str(text)[:10]) for text in (start, end))
    except ValueError:
        return start, None
    return start, (last - first).days + 1 if last >= first else None


def _reason(plan: Body, stored: Mapping[str, Body]) -> Body | None:
    """The first condition the note names that has a code, under a name no stored record has."""
    addressed = [stored.get(literal(one), {}) for one in plan.get("addresses", ())]
    code = next((one["code"] for one in addressed if one.get("code", {}).get("coding")), None)
    return {"resourceType": "Condition", "id": f"{plan.get('id')}-1", "code": code} if code else None
