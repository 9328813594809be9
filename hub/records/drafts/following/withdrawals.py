"""An order that is called off takes back the charges that came with it, where nothing was done for it (ADR 34).

A charge that DFT posted stands: its sender says that the service was done. So does one whose order has a result, a
procedure, a dispense or an administration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from canonical.problem import Problem
from fhir import jsontext
from hub.records.drafts.who.identify import Places
from hub.records.index import key_of
from hub.records.write import Write
from hub.store.database import Transaction

WITH_ORDER = {"system": "urn:ponte:charge", "code": "with-order"}
_OFF = frozenset(("revoked", "cancelled", "entered-in-error"))
_ORDERS = frozenset(("ServiceRequest", "MedicationRequest"))
_DONE = {  # how an act names its order: the search parameter, and the element it reads
    "DiagnosticReport": ("based-on", "basedOn"),
    "Observation": ("based-on", "basedOn"),
    "Procedure": ("based-on", "basedOn"),
    "MedicationDispense": ("prescription", "authorizingPrescription"),
    "MedicationAdministration": ("request", "request"),
}
_NOTHING = frozenset(("registered", "cancelled", "entered-in-error", "not-done", "preparation", "declined", "unknown"))
_ACTS = (
    "SELECT DISTINCT r.type, r.id, r.body FROM idx_reference x "
    "JOIN resource r ON r.tenant_id = $1 AND r.rid = x.rid AND NOT r.deleted "
    "WHERE x.tenant_id = $1 AND x.key = ANY($2::bigint[]) AND x.target_id = $3 AND x.target_type = $4"
)
_CHARGES = (
    "SELECT r.id, r.body FROM idx_reference x JOIN resource r ON r.tenant_id = $1 AND r.rid = x.rid AND NOT r.deleted "
    "WHERE x.tenant_id = $1 AND x.key = $2 AND x.target_type = 'Patient' AND x.target_id = $3 "
    "ORDER BY r.id FOR UPDATE OF r"
)


async def follow(
    tx: Transaction, known: dict[tuple[str, str], dict[str, Any] | None], places: Places, writes: list[Write]
) -> list[Problem]:
    """Add to `writes` the charges of orders that they call off; returns what is to be told of them."""
    problems: list[Problem] = []
    called_off = [write for write in writes if write.type in _ORDERS and _is_off(write, known)]
    locals_ = {place: local for local, place in places.items()} if called_off else {}
    for write in called_off:
        taken = await _take_back(tx, write, writes)
        local = locals_.get((write.type, write.id), "")
        problems += [Problem("semantic.charge-withdrawn", local, args=(("type", write.type),))] * min(taken, 1)
    return problems


def _is_off(write: Write, known: dict[tuple[str, str], dict[str, Any] | None]) -> bool:
    """Whether this write calls the order off, which was not off before."""
    before = known.get((write.type, write.id))
    return bool(before) and (write.body or {}).get("status") in _OFF and (before or {}).get("status") not in _OFF


async def _take_back(tx: Transaction, order: Write, writes: list[Write]) -> int:
    """How many charges of the order are not billable any more."""
    subject = str((order.body or {}).get("subject", {}).get("reference", ""))
    if not subject.startswith("Patient/"):
        return 0
    told = {(write.type, write.id): number for number, write in enumerate(writes)}
    open_ = [
        (row, body)
        for row in await tx.rows(_CHARGES, key_of("ChargeItem", "subject"), subject.removeprefix("Patient/"))
        if (body := jsontext.stored(row["body"])) and ("ChargeItem", row["id"]) not in told and _came_with(body, order)
    ]
    if not open_ or await _was_done(tx, order, writes):
        return 0
    for row, body in open_:
        body["status"] = "not-billable"
        writes.append(
            Write(type="ChargeItem", id=row["id"], body=body, skip_unchanged=True, message_id=order.message_id)
        )
    return len(open_)


def _came_with(body: dict[str, Any], order: Write) -> bool:
    """Whether a charge is billable, came inside an order's message, and that order is this one."""
    named = [item.get("reference") for item in body.get("supportingInformation", ())]
    tags = body.get("meta", {}).get("tag", ())
    return body.get("status") == "billable" and WITH_ORDER in tags and f"{order.type}/{order.id}" in named


async def _was_done(tx: Transaction, order: Write, writes: Sequence[Write]) -> bool:
    """Whether a stored record, or one of these, tells of something done for the order."""
    keys = [key_of(name, parameter) for name, (parameter, _) in _DONE.items()]
    bodies = [jsontext.stored(row["body"]) for row in await tx.rows(_ACTS, keys, order.id, order.type)]
    bodies += [write.body for write in writes if write.body and f"{order.type}/{order.id}" in _orders_of(write)]
    return any(body.get("status") not in _NOTHING for body in bodies)


def _orders_of(write: Write) -> set[str]:
    """The orders for which the record that is written tells of an act."""
    if write.type not in _DONE:
        return set()
    named = (write.body or {}).get(_DONE[write.type][1], ())
    return {str(each.get("reference", "")) for each in ([named] if isinstance(named, dict) else named)}
