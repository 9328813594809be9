"""REF^I15 answered: RRI^I15 says the state of a referral as the records have it (2.5.1 §11.4.4).

The referral is found by its number (RF1-6, RF1-11) and, where the message names a patient, must be of that patient.
What is under a security label is answered like what is not there. Each answer is in the audit trail.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from canonical.codes import RESTRICTED
from canonical.problem import Problem
from canonical.records import Draft
from fhir import jsontext
from fhir.search.conditions import Setting
from fhir.search.query import parse
from hl7 import ack
from hl7.ack import Stamp
from hl7.er7 import Message
from hl7.writer import SegmentWriter
from hub.exchange.answer.lookups import copied
from hub.find.search import matching
from hub.guard import audit
from hub.records.drafts.who.identify import agrees
from hub.records.drafts.who.lookup import lookup
from hub.store.database import Transaction
from mappings.outward.outbound import out_plan, render
from mappings.reading.engine import translate
from mappings.tables.site import Site

KIND = "REF^I15"
_AS_TOLD = Site(plans=((KIND, "referrals"),))
"""A question is read as a referral is, for its numbers."""
Body = dict[str, Any]


async def answer(tx: Transaction, message: Message, stamp: Stamp) -> bytes:
    """The answer as bytes, without framing: AA with the referral's state, or AE when there is no such referral."""
    order = await _asked(tx, message)
    problems = [] if order is not None else [Problem("query.referral", "RF1-6")]
    segments = await _segments(tx, message, order, stamp) if order is not None else []
    await audit.note_all(tx, [("hl7", "read", f"ServiceRequest/{order['id']}", "success")] if order else [])
    kind = message.delimiters.component.join(("RRI", "I15", "RRI_I12"))
    more = tuple(segment.text(message.delimiters) for segment in segments)
    stamp = stamp._replace(kind=kind, more=more)
    return ack.build(ack.envelope(message), "AE" if problems else "AA", problems, stamp)


async def _asked(tx: Transaction, message: Message) -> Body | None:
    """The referral that is meant and may be told."""
    drafts = translate(message, zone="UTC", site=_AS_TOLD).drafts
    wanted = next((draft for draft in drafts if draft.type == "ServiceRequest" and draft.keys), None)
    person = next((draft for draft in drafts if draft.type == "Patient" and draft.keys), None)
    for order in await _stored(tx, wanted) if wanted is not None else ():
        if person is None or _subject(order) in await _patients(tx, person):
            return order
    return None


async def _stored(tx: Transaction, draft: Draft) -> list[Body]:
    """The records that a draft's numbers mean."""
    identities = dict.fromkeys(one for ids in (await lookup(tx, [draft])).values() for one in ids)
    bodies = [await _record(tx, f"{draft.type}/{identity}") for identity in identities]
    return [body for body in bodies if body is not None and agrees(draft, body)]


async def _patients(tx: Transaction, person: Draft) -> set[str]:
    """The patients that are named, and those they were merged into."""
    found: set[str] = set()
    for body in await _stored(tx, person):
        found.add(f"Patient/{body['id']}")
        links = [link for link in body.get("link", ()) if link.get("type") == "replaced-by"]
        found.update(str(link.get("other", {}).get("reference", "")) for link in links)
    return found


def _subject(order: Body) -> str:
    return str(order.get("subject", {}).get("reference", ""))


async def _record(tx: Transaction, reference: str) -> Body | None:
    """A living record by its reference that may be told; None for any other."""
    kind, _, identity = reference.partition("/")
    text = await tx.value(
        "SELECT body FROM resource WHERE tenant_id = $1 AND type = $2 AND id = $3 AND NOT deleted", kind, identity
    )
    if not text:
        return None
    body = jsontext.stored(text)
    labels = {label.get("code") for label in body.get("meta", {}).get("security", ())}
    return None if RESTRICTED & labels else body


async def _segments(tx: Transaction, message: Message, order: Body, stamp: Stamp) -> list[SegmentWriter]:
    """RF1, a PRD for each provider, PID, and an NTE for each note."""
    sources: Body = {"order": order, "task": await _progress(tx, order, stamp)}
    segments, _ = render(out_plan("out/referral"), sources)
    asked = message.first("RF1")
    for number in (6, 11):  # in the words of who asks
        if asked is not None and asked.raw_field(number):
            segments[0].fields[number] = copied(asked, number).fields[number]
    for reference in dict.fromkeys(_providers(order)):
        role = await _record(tx, reference)
        person = await _record(tx, str((role or {}).get("practitioner", {}).get("reference", "")))
        segments += render(out_plan("out/referral-provider"), {"role": role, "practitioner": person})[0]
    segments += render(out_plan("out/referral-person"), {"patient": await _record(tx, _subject(order))})[0]
    for note in order.get("note", ()):
        segments += render(out_plan("out/referral-note"), {"note": note})[0]
    return segments


def _providers(order: Body) -> Iterator[str]:
    for held in (order.get("requester", {}), *order.get("performer", ())):
        reference = str(held.get("reference", ""))
        if reference.startswith("PractitionerRole/"):
            yield reference


async def _progress(tx: Transaction, order: Body, stamp: Stamp) -> Body:
    """The Task of the referral; where there is none, what the order itself says of its state."""
    zone = await tx.value("SELECT zone FROM tenant WHERE id = $1")
    setting = Setting(zone=ZoneInfo(zone), now=stamp.now, base="")
    query = parse("Task", [("focus", f"ServiceRequest/{order['id']}")], setting)
    for row in await matching(tx, query, 1):
        return jsontext.stored(row["body"])
    return {"status": {"active": "requested", "completed": "completed"}.get(str(order.get("status")), "cancelled")}
