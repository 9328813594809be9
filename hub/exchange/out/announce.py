"""ADT out: what changes of patients and visits goes to subscribers, mapped from the records, however the change came.

A subscriber is a partner with `[adt]`: `events` it wants (none: all), `application` and `facility` it is addressed as,
`beside`, what it is told beyond the person and the visit. A visit is told with its patient; a patient alone only when
no visit of theirs changed with it. A changed allergy or membership is told with its patient, a changed diagnosis with
its visit, where these are not told anyway. What a subscriber sent is not sent back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from canonical.identity import new_id
from hl7.writer import write
from hub.exchange.answer import late
from hub.exchange.out import outbox
from hub.exchange.out.matter import beside, patient_of, place_of, sender_of, visit_of
from hub.exchange.out.orders import senders_of
from hub.exchange.out.outbox import Outgoing
from hub.exchange.partners import Partner
from hub.records import reading
from hub.records.drafts.marks import told_at
from hub.records.earlier import earlier
from hub.records.saved import Origin, Saved
from hub.store.database import Transaction
from mappings.outward import events
from mappings.outward.outbound import out_plan, render

OPERATION = "adt"
_OWN = ("Patient", "Encounter")
_BESIDE = {
    "AllergyIntolerance": ("AL1", "patient"),
    "Coverage": ("IN1", "beneficiary"),
    "Condition": ("DG1", "encounter"),
}
"""Records that are told beside a person or a visit: in which segment, and the element that names whose they are."""
TYPES = (*_OWN, *_BESIDE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What is to be told of a record of `_OWN` (`about`), the body before, and the changed record that caused it."""

    event: str
    about: str
    body: dict[str, Any]
    old: dict[str, Any] | None
    cause: Saved
    segment: str = ""

    @property
    def is_visit(self) -> bool:
        return self.about.startswith("Encounter/")

    @property
    def patient(self) -> str:
        return str(self.body.get("subject", {}).get("reference", "")) if self.is_visit else self.about


async def enqueue(tx: Transaction, changed: Sequence[Saved], origin: Origin, partners: Sequence[Partner]) -> None:
    """Queue what the subscribers among `partners` should hear of changed patients and visits."""
    subscribers = [one for one in partners if isinstance(one.settings.get("adt"), dict)]
    if not subscribers:
        return
    news = await _own(tx, [saved for saved in changed if saved.type in _OWN])
    asked = {name for one in subscribers for name in one.settings["adt"].get("beside", ())}
    told = {name for one in news for name in (one.about, one.patient)}
    rest = [saved for saved in changed if _BESIDE.get(saved.type, ("",))[0] in asked]
    news += await _beside(tx, rest, told) if rest else []
    senders = await senders_of(tx, changed)
    for one in news:
        for partner in subscribers:
            if _wants(partner, one) and senders.get(one.cause.message_id) != partner.code:
                await _queue(tx, partner, one, origin)


def _wants(partner: Partner, news: _News) -> bool:
    settings = partner.settings["adt"]
    wanted = settings.get("events") or ()
    return (not wanted or news.event in wanted) and (not news.segment or news.segment in settings.get("beside", ()))


async def _own(tx: Transaction, changed: Sequence[Saved]) -> list[_News]:
    """The news of changed patients and visits; a patient's are told with the visit's, but for a merge."""
    before = await earlier(tx, changed)
    found = []
    for saved in changed:
        body, old = saved.body or {}, before.get((saved.type, saved.id))
        event = events.visit_event(old, body) if saved.type == "Encounter" else events.person_event(old, body)
        found.append(_News(event=event, about=f"{saved.type}/{saved.id}", body=body, old=old, cause=saved))
    visited = {one.patient for one in found if one.is_visit}
    return [one for one in found if one.is_visit or one.about not in visited or one.event == "A40"]


async def _beside(tx: Transaction, changed: Sequence[Saved], told: set[str]) -> list[_News]:
    """The news of what is told beside a person or visit that is not told anyway, once for each of them and segment."""
    whose: dict[tuple[str, str], Saved] = {}
    for saved in changed:
        segment, element = _BESIDE[saved.type]
        about = str((saved.body or {}).get(element, {}).get("reference", ""))
        if about.partition("/")[0] in _OWN and about not in told:
            whose[about, segment] = saved
    found = await reading.bodies(tx, [about for about, _ in whose])
    return [
        _News(
            event="A08" if segment == "DG1" else "A31", about=about, body=body, old=body, cause=saved, segment=segment
        )
        for (about, segment), saved in whose.items()
        if (body := found.get(about))
    ]


async def _queue(tx: Transaction, partner: Partner, news: _News, origin: Origin) -> None:
    control_id = new_id().hex[:20].upper()
    sources = await _sources(tx, partner, news, origin)
    told = {"control_id": control_id, "time": origin.now.isoformat(timespec="seconds"), "event": news.event}
    occurred = _occurred(news.body, news.old) if not news.segment else {}
    sources["message"] = {**await sender_of(tx, partner.settings["adt"]), **told, **occurred}
    sources["prior"] = await place_of(tx, events.place(news.old or {}) if news.event == "A02" else {})
    segments, problems = render(out_plan("out/adt-merge" if news.event == "A40" else "out/adt"), sources)
    outgoing = Outgoing(
        operation=OPERATION,
        format="hl7",
        type=f"ADT^{news.event}",
        content=write(segments),
        control_id=control_id,
        charset="utf-8",
        lane=f"adt {news.patient}",
        subject=news.about,
        purpose={
            "record": f"{news.cause.type}/{news.cause.id}",
            "version": news.cause.version,
            "event": news.event,
        },
    )
    if problems:
        await outbox.refuse(tx, partner, outgoing, problems[0].code)
    else:
        await outbox.enqueue(tx, partner, outgoing)


def _today(origin: Origin) -> str:
    """The day where the house stands: late in the evening it is the next one elsewhere."""
    return origin.now.astimezone(ZoneInfo(origin.zone)).date().isoformat()


def _occurred(body: dict[str, Any], old: dict[str, Any] | None) -> dict[str, str]:
    """When it happened, where the change came with a time of its own (EVN of a message)."""
    moment = told_at(body)
    return {"occurred": moment.isoformat()} if moment is not None and moment != told_at(old or {}) else {}


async def _sources(tx: Transaction, partner: Partner, news: _News, origin: Origin) -> dict[str, Any]:
    """The record and its patient, and the partner as the tables of `mappings/out` name it."""
    body, settings, merged = news.body, partner.settings["adt"], news.event == "A40"
    patient = await patient_of(tx, {"reference": news.patient}) if news.is_visit else body
    if merged:
        patient = await patient_of(tx, {"reference": events.survivor(body)})
    visit = body if news.is_visit else {}
    wanted = settings.get("beside", ())
    return {
        "patient": patient,
        "loser": body if merged else {},
        "encounter": await visit_of(tx, visit),
        "place": await place_of(tx, events.place(visit) or events.left(visit)),
        **({} if merged else await beside(tx, news.patient, visit, wanted, _today(origin))),
        "partner": {
            "application": settings.get("application", ""),
            "facility": settings.get("facility", ""),
            "message": events.message_type(news.event),
            "version": str(partner.settings.get("speaks") or "hl7 2.5.1").partition(" ")[2],
            "beside": wanted,
            **late.conditions(partner.settings),
        },
    }
