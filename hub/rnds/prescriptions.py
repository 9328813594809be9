"""The prescriptions of a visit as its documents take them, each with the medicine it names.

What was ordered for use within a stay is no prescription of its discharge: there, only those of a category that says so
are meant, unless the tenant wants all.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from hub.records.reading import Body, bodies, literal, referring
from hub.store.database import Transaction
from mappings.national.document_values import plain_number

_HOLDING = frozenset(("active", "completed"))
_ORDERS = frozenset(("order", "original-order"))
_LEAVING = frozenset(("discharge", "community"))


async def of_visit(tx: Transaction, visit: str, *, leaving: bool) -> dict[str, Any]:
    """`prescriptions`, their `medicines`, and `prescribed`: one that stands for all, where there are any.

    `leaving` takes only those meant for the time after the visit.
    """
    found = [one for one in await referring(tx, "MedicationRequest", "encounter", visit) if _meant(one, leaving)]
    stored = await bodies(tx, [literal(one.get("medicationReference")) for one in found])
    return with_medicines(found, stored)


def with_medicines(found: Sequence[Body], stored: Mapping[str, Body]) -> dict[str, Any]:
    """The same of the prescriptions found, with the stored medicines by their references."""
    made = [_with_medicine(one, stored) for one in found]
    return {
        "prescriptions": made,
        "medicines": [one["medicine"] for one in made if one["medicine"]],
        "prescribed": [{"authoredOn": max(str(one.get("authoredOn", "")) for one in made)}] if made else [],
    }


def _meant(request: Body, leaving: bool) -> bool:
    if request.get("status") not in _HOLDING or request.get("intent") not in _ORDERS or request.get("doNotPerform"):
        return False
    kinds = {c.get("code") for category in request.get("category", ()) for c in category.get("coding", ())}
    return bool(kinds & _LEAVING) if leaving else True


def _with_medicine(request: Body, stored: Mapping[str, Body]) -> Body:
    """The prescription with its `medicine` as a record of its own, under a name no stored record has.

    Two prescriptions of one medicine may want it in different units. `dosage` is its only dosage instruction: the
    national profile has a place for one, so several are told in words.
    """
    named = request.get("medicationReference") or {}
    inner = {f"#{one.get('id')}": one for one in request.get("contained", ())}
    found = stored.get(literal(named)) or inner.get(str(named.get("reference")), {})
    concept = request.get("medicationCodeableConcept") or found.get("code")
    if not concept and named.get("display"):
        concept = {"text": named["display"]}
    name = f"prescribed-{request.get('id')}"
    own = {"resourceType": "Medication", "id": name, "code": concept, "given": _units(request)}
    return {
        **request,
        "medicine": {**found, **own} if concept else {},
        "medicationReference": {"reference": f"Medication/{name}"},
        "given": _given(request),
        **({"dosage": dosages[0]} if len(dosages := request.get("dosageInstruction", ())) == 1 else {}),
    }


def _given(request: Body) -> Body:
    """What is given out and for how long (`quantity`, `start`, `end`), as far as it is told."""
    dispensed = request.get("dispenseRequest") or {}
    repeats = [(one.get("timing") or {}).get("repeat") or {} for one in request.get("dosageInstruction", ())]
    period: Body = dispensed.get("validityPeriod") or next(
        (r["boundsPeriod"] for r in repeats if r.get("boundsPeriod")), {}
    )
    length: Body = next((r["boundsDuration"] for r in repeats if r.get("boundsDuration")), {})
    start = period.get("start") or request.get("authoredOn")
    end = period.get("end") or _end(start, length)
    if not (dispensed.get("quantity") or period or end) or not start:
        return {}
    return {"quantity": dispensed.get("quantity"), "start": start, "end": end}


def _end(start: Any, length: Mapping[str, Any]) -> str:
    """The last day of a use of some days or weeks; empty when that is not told."""
    days = {"d": 1, "wk": 7}.get(str(length.get("code") or length.get("unit")), 0)
    try:
        said = float(str(plain_number(length.get("value"))))
        return (
            str(datetime.date.fromisoformat(str(start)[:10]) + datetime.timedelta(days=round(said * days) - 1))
            if days
            else ""
        )
    except (ValueError, OverflowError):
        return ""


def _units(request: Body) -> list[Any]:
    """The quantities whose unit tells the medicine's, the one given out first."""
    given = (request.get("dispenseRequest") or {}).get("quantity")
    doses = [
        rate.get("doseQuantity") for one in request.get("dosageInstruction", ()) for rate in one.get("doseAndRate", ())
    ]
    return [one for one in (given, *doses) if one]
