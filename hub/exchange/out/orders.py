"""Orders out: a new or cancelled ServiceRequest becomes an HL7 order for each lab that wants it.

A lab gets an order once, and its cancellation once; what the lab itself sent is not sent back to it, and a lab added
later gets no order that is older than itself. A lab may ask for the orders of a requisition in one message.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from canonical.codes import ORDER_EVENT
from canonical.identity import new_id
from hl7.writer import write
from hub.exchange.answer import late
from hub.exchange.out import outbox
from hub.exchange.out.matter import sender_of, sources_of
from hub.exchange.out.outbox import Outgoing
from hub.exchange.partners import Partner
from hub.records.saved import Origin, Saved
from hub.store.database import Transaction
from mappings.outward.outbound import out_plan, render

MESSAGE = "OML^O21^OML_O21"
ORDER, CANCEL = "lab-order", "lab-order-cancel"
_CONTROLS = {ORDER: "NW", CANCEL: "CA"}
_CANCELLING = ("revoked", "entered-in-error")
_ASKING = ("CA", "DC")
_TOLD = """
SELECT subject, partner_id, operation FROM delivery
WHERE tenant_id = $1 AND subject <> '' AND subject = ANY($2::text[]) AND NOT (status = 'ERROR' AND attempt = 0)
UNION SELECT s.subject, d.partner_id, d.operation FROM delivery_subject s
JOIN delivery d ON d.tenant_id = $1 AND d.id = s.delivery_id
WHERE s.tenant_id = $1 AND s.subject = ANY($2::text[]) AND NOT (d.status = 'ERROR' AND d.attempt = 0)
"""


async def enqueue(tx: Transaction, requests: Sequence[Saved], origin: Origin, labs: Sequence[Partner]) -> None:
    """Queue what the labs of the tenant should hear of `requests`."""
    known = await _known(tx, requests)
    senders = await senders_of(tx, requests)
    for lab in labs:
        told: dict[tuple[Any, ...], list[Saved]] = {}
        for saved in requests:
            operation = _operation(saved, known.get((_subject(saved), lab.id), set()))
            if not operation or senders.get(saved.message_id) == lab.code or not wants(lab, saved.body or {}):
                continue
            if saved.created or await _born_after(tx, saved, lab):
                told.setdefault((operation, *_together(lab, saved)), []).append(saved)
        for (operation, *_), group in told.items():
            await _queue(tx, lab, group, operation, origin)


def _together(lab: Partner, saved: Saved) -> tuple[Any, ...]:
    """What the orders of one message to a lab have in common: with `orders.together` what came together of one
    requisition, for one patient's visit; without, each is alone."""
    if (lab.settings.get("orders") or {}).get("together") is not True:
        return (saved.id,)
    body = saved.body or {}
    number = body.get("requisition", {})
    place = [str(body.get(name, {}).get("reference", "")) for name in ("subject", "encounter")]
    return saved.message_id, *place, number.get("system"), number.get("value")


def _subject(saved: Saved) -> str:
    return f"ServiceRequest/{saved.id}"


def _operation(saved: Saved, told: set[str]) -> str:
    """What the lab should be told now, given what it was told before; empty for nothing.

    The placer's CA or DC is a request: the order stays as it is until the lab confirms, but the lab must hear of it.
    """
    body = saved.body or {}
    status, asked = body.get("status"), last_control(body) in _ASKING
    if status == "active" and ORDER not in told and not asked:
        return ORDER
    if (status in _CANCELLING or asked) and ORDER in told and CANCEL not in told:
        return CANCEL
    return ""


def last_control(body: dict[str, Any]) -> str:
    """The order control code (table 0119) that was last said of an order; empty when none was."""
    for extension in body.get("extension", ()):
        if extension.get("url") == ORDER_EVENT:
            for part in extension.get("extension", ()):
                if part.get("url") == "value":
                    codings = part.get("valueCodeableConcept", {}).get("coding") or [{}]
                    return str(codings[0].get("code", ""))
    return ""


def wants(lab: Partner, body: dict[str, Any]) -> bool:
    """Whether the order's categories are among those the lab takes; a lab that names none takes all."""
    wanted = set((lab.settings.get("orders") or {}).get("categories") or ())
    found = {c.get("code") for category in body.get("category", ()) for c in category.get("coding", ())}
    return not wanted or bool(wanted & found)


async def _known(tx: Transaction, requests: Sequence[Saved]) -> dict[tuple[str, Any], set[str]]:
    """What was told before, by order and lab."""
    rows = await tx.rows(_TOLD, [_subject(saved) for saved in requests])
    known: dict[tuple[str, Any], set[str]] = {}
    for row in rows:
        known.setdefault((row["subject"], row["partner_id"]), set()).add(row["operation"])
    return known


async def senders_of(tx: Transaction, requests: Sequence[Saved]) -> dict[Any, str]:
    """The partner whose channel each record's message came in by."""
    rows = await tx.rows(
        "SELECT m.id, c.settings FROM message m JOIN channel c ON c.tenant_id = $1 AND c.id = m.channel_id "
        "WHERE m.tenant_id = $1 AND m.id = ANY($2::uuid[])",
        [saved.message_id for saved in requests if saved.message_id],
    )
    return {row["id"]: str(json.loads(row["settings"]).get("partner", "")) for row in rows}


async def _born_after(tx: Transaction, saved: Saved, lab: Partner) -> bool:
    """Whether the record is younger than the partner: old ones do not flow to a partner added later."""
    return bool(
        await tx.value(
            "SELECT v.updated_at >= p.since FROM resource_version v, partner p WHERE v.tenant_id = $1 "
            "AND v.type = 'ServiceRequest' AND v.id = $2 AND v.version = 1 AND p.tenant_id = $1 AND p.id = $3",
            saved.id,
            lab.id,
        )
    )


def _said(lab: Partner) -> dict[str, Any]:
    """`[orders]` of the laboratory's document; without `message` it gets what 2.5.1 has for laboratories (§4.4.6)."""
    settings = lab.settings.get("orders") or {}
    return {**settings, "message": settings.get("message") or MESSAGE}


async def _sources(tx: Transaction, lab: Partner, group: Sequence[Saved], message: dict[str, Any]) -> dict[str, Any]:
    """What a message of these orders is made from: the records, the laboratory's document, and what the header says."""
    settings = _said(lab)
    records = await sources_of(tx, [saved.body or {} for saved in group], insurance=settings.get("insurance") is True)
    version = str(lab.settings.get("speaks", "hl7 2.5.1")).partition(" ")[2]
    return {
        **records,
        "partner": {**settings, **late.conditions(lab.settings), "version": version},
        "message": message,
    }


async def _queue(tx: Transaction, lab: Partner, group: Sequence[Saved], operation: str, origin: Origin) -> None:
    """Queue one message of these orders; where one of several is incomplete each goes by itself, or is refused."""
    settings = _said(lab)
    control_id = new_id().hex[:20].upper()
    header = {
        **await sender_of(tx, settings),
        "control_id": control_id,
        "time": origin.now.isoformat(timespec="seconds"),
        "control": _CONTROLS[operation],
    }
    sources = await _sources(tx, lab, group, header)
    segments, problems = render(out_plan(str(lab.settings.get("plan", "out/order"))), sources)
    if problems and len(group) > 1:
        for saved in group:
            await _queue(tx, lab, [saved], operation, origin)
        return
    subject, *others = [_subject(saved) for saved in group]
    outgoing = Outgoing(
        operation=operation,
        format="hl7",
        type="^".join(str(settings.get("message", "")).split("^")[:2]),
        content=write(segments),
        control_id=control_id,
        charset="utf-8",
        subject=subject,
        others=tuple(others),
        purpose={"orders": {saved.id: saved.version for saved in group}},
    )
    if problems:
        await outbox.refuse(tx, lab, outgoing, problems[0].code)
    else:
        await outbox.enqueue(tx, lab, outgoing)
