"""The way of a document: due, made from the records as they stand, refused for what lacks, or into the outbox.

One thing about a document is in flight at a time; what changes meanwhile makes it due again when the answer is there.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import Conflict, Misconfigured, NotFound
from canonical.problem import Problem
from hub.exchange.handlers import job
from hub.exchange.out import delivery, outbox
from hub.exchange.out.outbox import Outgoing
from hub.exchange.work import jobs
from hub.guard import audit
from hub.rnds import build, filters, rows
from hub.rnds.build import Built, Wish
from hub.rnds.rows import Document
from hub.rnds.settings import Network, needed, network
from hub.store.database import Transaction
from hub.world import Tenant, World
from mappings.national import document_plans

SEND, DELETE = "rnds-document", "rnds-delete"
MAKE, DUE = "rnds-make", "rnds-due"
MOST_DUE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A document as it would be sent now, and why it would not be (`skipped`: the code of a filter)."""

    built: Built
    skipped: str

    def as_json(self) -> dict[str, Any]:
        """The Bundle with its findings."""
        found = [*self.built.problems, *([Problem(self.skipped)] if self.skipped else [])]
        return {
            "complete": self.built.complete and not self.skipped,
            "problems": [problem.as_json() for problem in found],
            "bundle": self.built.bundle,
        }


async def preview(world: World, tenant: Tenant, kind: str, subject: str, actor: str) -> Preview:
    """What a document of a record would say; stores and sends nothing. Raises NotFound, Misconfigured."""
    async with world.transaction(tenant) as tx:
        net = await needed(tx)
        _check_kind(kind, subject)
        known = await rows.listed(tx, kind=kind, subject=subject, limit=1)
        number = known[0].number if known else f"{kind}-{subject.partition('/')[2]}"
        wish = Wish(kind=kind, subject=subject, number=number, replaces=known[0].rnds_id if known else "")
        built = await build.build(tx, net, tenant.zone, world.now(), wish)
        skipped = await filters.reason(tx, net.settings, built.scope, world.now())
        await audit.note(tx, actor, "rnds-preview", subject)
    return Preview(built=built, skipped=skipped)


def _check_kind(kind: str, subject: str) -> None:
    plans = [plan for plan in document_plans.plans() if plan.kind == kind]
    if not plans or subject.partition("/")[0] != plans[0].subject or not subject.partition("/")[2]:
        raise NotFound("no document of this kind is made from such a record")


async def send(world: World, tenant: Tenant, kind: str, subject: str, actor: str) -> Document:
    """Make and queue the document of a record now, whether its kind is switched on or not; raises NotFound."""
    async with world.transaction(tenant) as tx:
        net = await needed(tx)
        _check_kind(kind, subject)
        document_id = await rows.ensure(tx, net.partner.id, kind, subject)
        await audit.note(tx, actor, "rnds-send", f"rnds/{document_id}")
        await _due(tx, [document_id], world.now())
        await make(world, tenant, tx, net, document_id)
        return await rows.one(tx, document_id)


async def resend(world: World, tenant: Tenant, document_id: UUID, actor: str) -> Document:
    """Make a document again and send it; one whose delivery was given up goes on with the same bytes.

    Raises NotFound, Conflict when it is in flight.
    """
    async with world.transaction(tenant) as tx:
        found = await rows.one(tx, document_id, lock=True)
        await audit.note(tx, actor, "rnds-resend", f"rnds/{document_id}")
        if found.delivery_status == "DEAD" and found.delivery_id is not None:
            await delivery.requeue(tx, found.delivery_id)
        elif found.delivery_status == "QUEUED":
            raise Conflict("the document is on its way")
        else:
            await _due(tx, [document_id], world.now())
            await make(world, tenant, tx, await needed(tx), document_id)
        return await rows.one(tx, document_id)


async def delete(world: World, tenant: Tenant, document_id: UUID, actor: str) -> Document:
    """Ask RNDS to delete a document; raises NotFound, Conflict when RNDS has none or something is in flight."""
    async with world.transaction(tenant) as tx:
        found = await rows.one(tx, document_id, lock=True)
        if found.in_flight or not found.rnds_id or found.status == rows.DELETED:
            raise Conflict("RNDS has no such document now, or something about it is on its way")
        await audit.note(tx, actor, "rnds-delete", f"rnds/{document_id}")
        await _due(tx, [document_id], world.now(), wanted="delete")
        await make(world, tenant, tx, await needed(tx), document_id)
        return await rows.one(tx, document_id)


async def answer(world: World, tenant: Tenant, document_id: UUID, actor: str) -> bytes:
    """The last answer of RNDS about a document, exactly as kept; the look is audited. Raises NotFound."""
    async with world.transaction(tenant) as tx:
        await rows.one(tx, document_id)
        content = await tx.value(
            "SELECT m.content FROM delivery d JOIN message m ON m.tenant_id = $1 AND m.id = d.reply_id "
            "WHERE d.tenant_id = $1 AND d.id = "
            "(SELECT delivery_id FROM rnds_document WHERE tenant_id = $1 AND id = $2)",
            document_id,
        )
        if content is None:
            raise NotFound("RNDS has not answered")
        await audit.note(tx, actor, "rnds-answer", f"rnds/{document_id}")
    return bytes(content)


async def again(tx: Transaction, document_id: UUID, at: datetime.datetime) -> None:
    """Make a document anew though its records say the same."""
    await _due(tx, [document_id], at)


async def _due(tx: Transaction, ids: Sequence[UUID], at: datetime.datetime, *, wanted: str = "send") -> None:
    """What was sent before goes again although nothing changed."""
    await tx.run(
        "UPDATE rnds_document SET due_at = $3, wanted = $4, digest = '', updated_at = now() "
        "WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
        list(ids),
        at,
        wanted,
    )


@job(MAKE)
async def make_one(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Make one document that is due."""
    async with world.transaction(tenant) as tx:
        net = await network(tx)
        if net is not None:
            await make(world, tenant, tx, net, UUID(arguments["document"]))
    return "ok"


@job(DUE)
async def make_due(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Queue the making of every document whose time has come."""
    async with world.transaction(tenant) as tx:
        if await network(tx) is None:
            return "0"
        found = await tx.rows(
            "SELECT id FROM rnds_document WHERE tenant_id = $1 AND due_at <= $2 ORDER BY due_at LIMIT $3 "
            "FOR UPDATE SKIP LOCKED",
            world.now(),
            MOST_DUE,
        )
        for row in found:
            await queue_making(tx, row["id"])
    return str(len(found))


async def queue_making(tx: Transaction, document_id: UUID) -> None:
    """A job that makes a document; jobs of one document run one after the other."""
    await jobs.enqueue(tx, MAKE, {"document": str(document_id)}, lane=f"{MAKE} {document_id}")


async def make(world: World, tenant: Tenant, tx: Transaction, net: Network, document_id: UUID) -> None:
    """Do what is due of a document: nothing while something is in flight, delete, skip, tell what lacks, or send."""
    found = await rows.one(tx, document_id, lock=True)
    if found.due_at is None or found.in_flight:
        return  # done by another job; or the answer's handler makes it due
    if found.wanted != "delete" and await rows.leaving(tx, found.subject, document_plans.rivals(found.kind)):
        return  # the document it stands instead of goes first: the answer to its deletion queues this one
    await tx.run("UPDATE rnds_document SET due_at = NULL WHERE tenant_id = $1 AND id = $2", document_id)
    if found.wanted == "delete":
        await _delete(tx, net, found)
        return
    present = found.rnds_id if found.status != rows.DELETED else ""
    wish = Wish(kind=found.kind, subject=found.subject, number=found.number, replaces=present)
    try:
        built = await build.build(tx, net, tenant.zone, world.now(), wish)
    except NotFound:
        await rows.move(tx, document_id, rows.SKIPPED, code="rnds.skipped.gone")
        return
    await tx.run(
        "UPDATE rnds_document SET patient_id = $3, version = $4 WHERE tenant_id = $1 AND id = $2",
        document_id,
        built.patient,
        built.version,
    )
    skipped = await filters.reason(tx, net.settings, built.scope, world.now())
    if skipped:
        await rows.move(tx, document_id, rows.SKIPPED, code=skipped)
    elif not built.complete:
        await rows.move(tx, document_id, rows.PENDING, problems=built.problems)
    elif found.digest != built.digest or found.status not in (rows.SENT, rows.REFUSED):
        await _queue(tx, net, found, built, present)


async def _queue(tx: Transaction, net: Network, found: Document, built: Built, replaces: str) -> None:
    outgoing = Outgoing(
        operation=SEND,
        format="fhir",
        type=found.kind,
        content=built.text.encode(),
        control_id=found.number[:199],
        charset="utf-8",
        lane=_lane(built.patient),
        subject=found.subject,
        purpose={
            "document": str(found.id),
            "replaces": replaces,
            "made": str(built.bundle["timestamp"])[:10],
            "action": "POST /fhir/r4/Bundle",
            "professional": built.professional,
        },
    )
    await _started(tx, found.id, await outbox.enqueue(tx, net.partner, outgoing), built)


async def _started(tx: Transaction, document_id: UUID, delivery_id: UUID, built: Built | None) -> None:
    await rows.move(tx, document_id, rows.QUEUED, problems=built.problems if built else ())
    await tx.run(
        "UPDATE rnds_document SET delivery_id = $3, digest = $4 WHERE tenant_id = $1 AND id = $2",
        document_id,
        delivery_id,
        built.digest if built else "",
    )


async def _delete(tx: Transaction, net: Network, found: Document) -> None:
    if found.status == rows.DELETED:  # asked for again: it is gone already, and what comes next has its own number
        await tx.run("UPDATE rnds_document SET wanted = 'send' WHERE tenant_id = $1 AND id = $2", found.id)
        await make_way(tx, found)
        return
    if not found.rnds_id:
        await rows.move(tx, found.id, rows.SKIPPED, code="rnds.skipped.taken-back")
        await make_way(tx, found)
        return
    professional = await _who_sent(tx, found) or net.settings.professional.get("cns", "")
    if not professional:
        await rows.move(tx, found.id, rows.PENDING, problems=[Problem("rnds.no-professional", found.subject)])
        return
    outgoing = Outgoing(
        operation=DELETE,
        format="fhir",
        type=f"{found.kind} DELETE",
        content=b"",
        control_id=found.number[:199],
        lane=_lane(found.patient_id),
        subject=found.subject,
        purpose={
            "document": str(found.id),
            "action": f"DELETE /fhir/r4/Bundle/{found.rnds_id}",
            "professional": professional,
        },
    )
    await _started(tx, found.id, await outbox.enqueue(tx, net.partner, outgoing), None)


async def make_way(tx: Transaction, gone: Document) -> None:
    """Queue the document that stands instead of one whose deletion is settled."""
    for other in await rows.waiting(tx, gone.subject, document_plans.rivals(gone.kind)):
        await queue_making(tx, other)


async def _who_sent(tx: Transaction, found: Document) -> str:
    """The professional in whose name the document was sent."""
    if found.delivery_id is None:
        return ""
    said = await tx.value(
        "SELECT (purpose::json)->>'professional' FROM delivery WHERE tenant_id = $1 AND id = $2", found.delivery_id
    )
    return str(said or "")


def _lane(patient: str) -> str:
    """One lane for each patient: documents of one person keep their order, others do not wait for them."""
    return f"rnds {patient}"


async def rows_of(tx: Transaction, net: Network, kind: str, subjects: Sequence[str]) -> list[UUID]:
    """The rows of documents of these subjects, made where there are none."""
    if net.partner.kind != "network":
        raise Misconfigured("no national network", code="rnds.config")
    return [await rows.ensure(tx, net.partner.id, kind, subject) for subject in subjects]
