"""Events of subscriptions: changed records that meet the criteria, numbered, put into the outbox at once.

A deleted record counts when its last content met them. R4's own notifications are an empty POST to the endpoint, or,
when a payload was asked for, the record itself by PUT to `endpoint/Type/id`, of a deleted one DELETE. Those of the R5
backport are a Bundle of type `history` whose first entry tells number and focus.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from canonical.identity import new_id
from fhir import jsontext
from fhir.search.conditions import Setting
from fhir.search.matching import meets
from hub.exchange.out import outbox
from hub.exchange.out.outbox import Outgoing
from hub.exchange.partners import Partner, partners_of
from hub.find.sight import Alternatives, alternative
from hub.guard.scopes import Grant
from hub.records import blocked, custom
from hub.records.earlier import earlier
from hub.records.saved import Origin, Saved
from hub.store import bulk
from hub.store.database import Transaction
from hub.store.schema import subscriptions as tables
from hub.subscriptions.declared import criteria_of

OPERATION = "subscription"
HANDSHAKE = "subscription-handshake"
HEARTBEAT = "subscription-heartbeat"
PROFILE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4"
_READ = frozenset("r")
_EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the first entry of a notification says: the record's state, what kind of notification, how many events."""

    subscription: str
    state: str
    kind: str
    events: int
    base: str
    topic: str = ""


async def enqueue(tx: Transaction, changed: Sequence[Saved], origin: Origin, subscribers: Sequence[Partner]) -> None:
    """Queue a notification for each subscription that one of `changed` meets, in their order."""
    customs = await custom.within(tx)
    hidden = await blocked.within(tx) if subscribers else ()
    for partner in subscribers:
        wanted = _of(partner, origin)
        if wanted is None:
            continue
        kind = wanted[0]
        alternatives = blocked.narrowed(wanted[1], kind, "r", hidden)
        own = customs.get(kind, {}).values()
        gone = [saved for saved in changed if saved.type == kind and saved.body is None]
        said = await earlier(tx, gone)
        met = [
            saved
            for saved in changed
            if saved.type == kind and _met(saved.body or said.get((kind, saved.id)), alternatives, origin.zone, own)
        ]
        if partner.settings["subscription"].get("begins"):
            met = [saved for saved in met if saved.body is not None]
            before = await earlier(tx, met)
            met = [s for s in met if not _met(before.get((s.type, s.id)), alternatives, origin.zone, own)]
        if met:
            first = await _count(tx, partner.code, len(met), origin.now) - len(met) + 1
            await _note(tx, partner.code, first, met, origin.now)
            told = [_outgoing(partner, saved, number, origin.now) for number, saved in enumerate(met, start=first)]
            await outbox.enqueue_all(tx, partner, told)


def _met(body: dict[str, Any] | None, alternatives: Alternatives, zone: str, own: Any) -> bool:
    return body is not None and (() in alternatives or meets(body, alternatives, ZoneInfo(zone), own))


def _of(partner: Partner, origin: Origin) -> tuple[str, Alternatives] | None:
    """What a subscriber wants, unless it still has to answer its handshake or has ended."""
    asked = partner.settings.get("subscription") or {}
    end = asked.get("end")
    if asked.get("awaits") or (end and datetime.datetime.fromisoformat(end) <= origin.now):
        return None
    reach = asked.get("reach")
    grants = None if reach is None else tuple((str(patient), str(query)) for patient, query in reach)
    return _read(str(asked.get("criteria", "")), origin.zone, grants)


@lru_cache(maxsize=1024)
def _read(criteria: str, zone: str, grants: tuple[tuple[str, str], ...] | None) -> tuple[str, Alternatives] | None:
    """The type and the conditions, of which one alternative must be met: for each of the creator's grants one."""
    setting = Setting(zone=ZoneInfo(zone), now=_EPOCH, base="")
    found = criteria_of(criteria, setting)
    if found is None or grants is None:
        return found and (found[0], (found[1],))
    kind, conditions = found
    asked = [(Grant("patient" if patient else "system", kind, _READ, query), patient) for patient, query in grants]
    limits = [alternative(grant, kind, patient, setting) for grant, patient in asked]
    return kind, tuple((*conditions, *each) for each in limits if each is not None)


async def _count(tx: Transaction, subscription: str, more: int, now: datetime.datetime) -> int:
    """The number of events of a subscription so far, with these; it is told of something now."""
    return int(
        await tx.value(
            "INSERT INTO subscription AS s (tenant_id, id, events, told_at) VALUES ($1, $2, $3, $4) ON CONFLICT "
            "(tenant_id, id) DO UPDATE SET events = s.events + excluded.events, told_at = excluded.told_at "
            "RETURNING events",
            subscription,
            more,
            now,
        )
    )


async def _note(tx: Transaction, subscription: str, first: int, met: Sequence[Saved], now: datetime.datetime) -> None:
    columns = ("subscription_id", "number", "type", "record_id", "version", "at")
    rows = [(subscription, number, s.type, s.id, s.version, now) for number, s in enumerate(met, start=first)]
    await bulk.insert(tx, tables.subscription_event, columns, rows)


async def count(tx: Transaction, subscription: str) -> int:
    """How many events a subscription has had."""
    return int(await tx.value("SELECT events FROM subscription WHERE tenant_id = $1 AND id = $2", subscription) or 0)


async def handshake(tx: Transaction, subscription: str, base: str, now: datetime.datetime) -> None:
    """Ask the endpoint whether it is there; its answer makes the subscription active."""
    partner = next(one for one in await partners_of(tx, "webhook") if one.code == subscription)
    so_far = await _count(tx, subscription, 0, now)
    topic = str(partner.settings["subscription"].get("topic", ""))
    told = Status(subscription=subscription, state="requested", kind="handshake", events=so_far, base=base, topic=topic)
    content = jsontext.text(bundle(told, [], now)).encode()
    await outbox.enqueue(tx, partner, _message(HANDSHAKE, content, subscription, {"event": 0}))


async def heartbeat(tx: Transaction, partner: Partner, now: datetime.datetime) -> None:
    """Tell a subscriber that it is still served, and how many events there were."""
    so_far = await _count(tx, partner.code, 0, now)
    told = _active(partner, "heartbeat", so_far)
    content = jsontext.text(bundle(told, [], now)).encode()
    await outbox.enqueue(tx, partner, _message(HEARTBEAT, content, partner.code, {"event": so_far}))


def _active(partner: Partner, kind: str, so_far: int) -> Status:
    asked = partner.settings["subscription"]
    topic = str(asked.get("topic", ""))
    return Status(subscription=partner.code, state="active", kind=kind, events=so_far, base=asked["base"], topic=topic)


def _outgoing(partner: Partner, saved: Saved, number: int, now: datetime.datetime) -> Outgoing:
    asked = partner.settings["subscription"]
    name = f"{saved.type}/{saved.id}"
    purpose: dict[str, Any] = {"record": name, "version": saved.version, "event": number}
    if asked["content"]:
        told = _active(partner, "event-notification", number)
        content = jsontext.text(bundle(told, [_event(saved, number, asked["content"])], now)).encode()
    elif asked["payload"]:
        content = saved.text.encode() if saved.body is not None else b""
        purpose["action"] = f"{'PUT' if saved.body is not None else 'DELETE'} {name}"
    else:
        content = b""
    return _message(OPERATION, content, name, purpose)


def _message(operation: str, content: bytes, subject: str, purpose: dict[str, Any]) -> Outgoing:
    return Outgoing(
        operation=operation,
        format="fhir",
        type="Notification",
        content=content,
        charset="utf-8",
        subject=subject,
        purpose=purpose,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: its number, and of the record what the subscription may be told; of a deleted one no content."""

    number: int
    focus: str = ""
    body: dict[str, Any] | None = None
    created: bool = False
    deleted: bool = False
    at: datetime.datetime | None = None


def _event(saved: Saved, number: int, content: str) -> Event:
    focus = "" if content == "empty" else f"{saved.type}/{saved.id}"
    body = saved.body if content == "full-resource" else None
    gone = saved.body is None
    return Event(number=number, focus=focus, body=body, created=saved.version == 1, deleted=gone)


def bundle(told: Status, found: Sequence[Event], now: datetime.datetime) -> dict[str, Any]:
    """A notification of the backport for R4: the status as Parameters, then the records it may hold."""
    base = f"{told.base}/fhir/" if told.base else ""
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"urn:uuid:{new_id()}",
            "resource": status_of(told, found, now),
            "request": {"method": "GET", "url": f"{base}Subscription/{told.subscription}/$status"},
            "response": {"status": "200"},
        }
    ]
    for event in found:
        if event.deleted and event.focus:
            asked = {"method": "DELETE", "url": event.focus}
            entries.append({"fullUrl": base + event.focus, "request": asked, "response": {"status": "204"}})
        elif event.body is not None:
            method, code = ("POST", "201") if event.created else ("PUT", "200")
            address = event.focus.partition("/")[0] if event.created else event.focus
            entries.append(
                {
                    "fullUrl": base + event.focus,
                    "resource": event.body,
                    "request": {"method": method, "url": address},
                    "response": {"status": code},
                }
            )
    stamp = now.isoformat(timespec="milliseconds")
    return {"resourceType": "Bundle", "id": str(new_id()), "type": "history", "timestamp": stamp, "entry": entries}


def status_of(told: Status, found: Sequence[Event], now: datetime.datetime, error: str = "") -> dict[str, Any]:
    """The status of a subscription as the backport's Parameters."""
    parameters: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": f"Subscription/{told.subscription}"}},
        *([{"name": "topic", "valueCanonical": told.topic}] if told.topic else []),
        {"name": "status", "valueCode": told.state},
        {"name": "type", "valueCode": told.kind},
        {"name": "events-since-subscription-start", "valueString": str(told.events)},
    ]
    for event in found:
        part: list[dict[str, Any]] = [
            {"name": "event-number", "valueString": str(event.number)},
            {"name": "timestamp", "valueInstant": (event.at or now).isoformat(timespec="milliseconds")},
        ]
        if event.focus:
            part.append({"name": "focus", "valueReference": {"reference": event.focus}})
        parameters.append({"name": "notification-event", "part": part})
    if error:
        parameters.append({"name": "error", "valueCodeableConcept": {"text": error}})
    return {"resourceType": "Parameters", "meta": {"profile": [PROFILE]}, "parameter": parameters}
