"""ADT out: what changes of patients and visits goes to subscribers, mapped from the records, however the change came.

A subscriber is a partner with `[adt]`: `events` it wants (none: all), `application` and `facility` it is addressed as.
A visit is told with its patient; a patient alone only when no visit of theirs changed with it. What a subscriber sent
is not sent back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from canonical.identity import new_id
from hl7.writer import write
from hub.exchange.answer import late
from hub.exchange.out import outbox
from hub.exchange.out.matter import patient_of, place_of, sender_of, visit_of
from hub.exchange.out.orders import senders_of
from hub.exchange.out.outbox import Outgoing
from hub.exchange.partners import Partner
from hub.records.drafts.marks import told_at
from hub.records.earlier import earlier
from hub.store.database import Transaction
from mappings import events
from mappings.outbound import out_plan, render

if TYPE_CHECKING:
    from hub.records.write import Origin, Saved

OPERATION = "adt"
TYPES = ("Patient", "Encounter")


async def enqueue(tx: Transaction, changed: Sequence[Saved], origin: Origin, partners: Sequence[Partner]) -> None:
    """Queue what the subscribers among `partners` should hear of changed patients and visits."""
    subscribers = [one for one in partners if isinstance(one.settings.get("adt"), dict)]
    if not subscribers:
        return
    before = await earlier(tx, changed)
    senders = await senders_of(tx, changed)
    told = {_patient(saved) for saved in changed if saved.type == "Encounter"}
    for saved in changed:
        body = saved.body or {}
        old = before.get((saved.type, saved.id))
        event = events.visit_event(old, body) if saved.type == "Encounter" else events.person_event(old, body)
        if saved.type == "Patient" and f"Patient/{saved.id}" in told and event != "A40":
            continue
        for partner in subscribers:
            wanted = partner.settings["adt"].get("events") or ()
            if (not wanted or event in wanted) and senders.get(saved.message_id) != partner.code:
                await _queue(tx, partner, saved, event, origin, old)


def _patient(saved: Saved) -> str:
    return str((saved.body or {}).get("subject", {}).get("reference", ""))


async def _queue(
    tx: Transaction, partner: Partner, saved: Saved, event: str, origin: Origin, old: dict[str, Any] | None
) -> None:
    control_id = new_id().hex[:20].upper()
    sources = await _sources(tx, partner, saved, event)
    told = {"control_id": control_id, "time": origin.now.isoformat(timespec="seconds"), "event": event}
    sources["message"] = {**await sender_of(tx, partner.settings["adt"]), **told, **_occurred(saved.body or {}, old)}
    sources["prior"] = await place_of(tx, events.place(old or {}) if event == "A02" else {})
    segments, problems = render(out_plan("out/adt-merge" if event == "A40" else "out/adt"), sources)
    outgoing = Outgoing(
        operation=OPERATION,
        format="hl7",
        type=f"ADT^{event}",
        content=write(segments),
        control_id=control_id,
        charset="utf-8",
        lane=_lane(saved),
        subject=f"{saved.type}/{saved.id}",
        purpose={"record": f"{saved.type}/{saved.id}", "version": saved.version, "event": event},
    )
    if problems:
        await outbox.refuse(tx, partner, outgoing, problems[0].code)
    else:
        await outbox.enqueue(tx, partner, outgoing)


def _occurred(body: dict[str, Any], old: dict[str, Any] | None) -> dict[str, str]:
    """When it happened, where the change came with a time of its own (EVN of a message)."""
    moment = told_at(body)
    return {"occurred": moment.isoformat()} if moment is not None and moment != told_at(old or {}) else {}


async def _sources(tx: Transaction, partner: Partner, saved: Saved, event: str) -> dict[str, Any]:
    """The record and its patient, and the partner as the tables of `mappings/out` name it."""
    body, settings = saved.body or {}, partner.settings["adt"]
    patient = await patient_of(tx, body.get("subject")) if saved.type == "Encounter" else body
    if event == "A40":
        patient = await patient_of(tx, {"reference": events.survivor(body)})
    return {
        "patient": patient,
        "loser": body if event == "A40" else {},
        "encounter": await visit_of(tx, body) if saved.type == "Encounter" else {},
        "place": await place_of(tx, (events.place(body) or events.left(body)) if saved.type == "Encounter" else {}),
        "partner": {
            "application": settings.get("application", ""),
            "facility": settings.get("facility", ""),
            "message": events.message_type(event),
            "version": str(partner.settings.get("speaks") or "hl7 2.5.1").partition(" ")[2],
            **late.conditions(partner.settings),
        },
    }


def _lane(saved: Saved) -> str:
    """One lane for each patient of a partner: a visit is told in the order of its patient's changes."""
    return f"adt {_patient(saved) if saved.type == 'Encounter' else f'Patient/{saved.id}'}"
