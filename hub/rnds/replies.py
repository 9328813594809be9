"""What RNDS says: the id of a document or a refusal with its remedy; and what is asked after a lost answer."""

from __future__ import annotations

import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from adapters.rnds import answers, errors
from canonical.errors import TryLater
from fhir import jsontext
from hub.exchange.handlers import Doubt, Reply, on_reply, reconcile
from hub.guard import audit
from hub.rnds import flow, rows
from hub.rnds.flow import DELETE, SEND
from hub.store.database import Transaction
from hub.world import Tenant, World

ACTOR = "rnds"
FRESH = datetime.timedelta(minutes=2)  # RNDS may not know yet what it took within it (seen in a public client: seconds)
LATER = datetime.timedelta(seconds=30)
REMAKE = "rnds.remake."


@on_reply(SEND)
async def answered(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """The answer to a document: its RNDS id, or the error that decides what is to be done."""
    document_id = UUID(reply.purpose["document"])
    said = answers.read(reply.content)
    if reply.accepted and not said.document:
        await _refused(tx, document_id, "rnds.unknown.no-id")
    elif reply.accepted:
        await tx.run(
            "UPDATE rnds_document SET rnds_id = $3, replaced = CASE WHEN rnds_id <> $3 THEN rnds_id ELSE replaced END, "
            "status = $4, code = '', sent_at = $5, updated_at = now() WHERE tenant_id = $1 AND id = $2",
            document_id,
            said.document,
            rows.SENT,
            world.now(),
        )
        await audit.note(tx, ACTOR, "rnds-accepted", f"rnds/{document_id}")
    else:
        await _refused(tx, document_id, code := _code(said))
        today = world.now().astimezone(ZoneInfo(tenant.zone)).date().isoformat()
        if code.startswith(REMAKE) and reply.purpose.get("made", today) != today:  # of today it would be refused again
            await flow.again(tx, document_id, world.now())
        elif await _too_soon(tx, document_id, said, world.now()):
            await flow.again(tx, document_id, world.now() + LATER)
    await _again(world, tx, document_id)


@on_reply(DELETE)
async def deleted(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """The answer to a deletion: the document is gone there, and a later one gets a number of its own."""
    document_id = UUID(reply.purpose["document"])
    if reply.accepted:
        await tx.run(
            "UPDATE rnds_document SET status = $3, wanted = 'send', generation = generation + 1, digest = '', "
            "code = '', updated_at = now() WHERE tenant_id = $1 AND id = $2",
            document_id,
            rows.DELETED,
        )
        await audit.note(tx, ACTOR, "rnds-deleted", f"rnds/{document_id}")
    else:
        await _refused(tx, document_id, _code(answers.read(reply.content)))
    await _again(world, tx, document_id)
    await flow.make_way(tx, await rows.one(tx, document_id))


async def _too_soon(tx: Transaction, document_id: UUID, said: answers.Said, now: datetime.datetime) -> bool:
    """Whether RNDS does not find what it took from us a moment ago."""
    if not any(one.about == "previous" for code in said.codes if (one := errors.known().get(code))):
        return False
    sent = (await rows.one(tx, document_id)).sent_at
    return sent is not None and now - sent < FRESH


def _code(said: answers.Said) -> str:
    """The code of a refusal: reaction and error, so that its words are found by either."""
    reaction, code = errors.worst(said.codes, repeated=False)
    return f"rnds.{reaction or 'unknown'}.{code or f'HTTP{said.status}'}"


async def _refused(tx: Transaction, document_id: UUID, code: str) -> None:
    await rows.move(tx, document_id, rows.REFUSED, code=code)
    await audit.note(tx, ACTOR, "rnds-refused", f"rnds/{document_id}", "failure")


async def _again(world: World, tx: Transaction, document_id: UUID) -> None:
    """What changed while the document was on its way makes it due now."""
    due = await tx.value(
        "SELECT due_at <= $3 FROM rnds_document WHERE tenant_id = $1 AND id = $2", document_id, world.now()
    )
    if due:
        await flow.queue_making(tx, document_id)


@reconcile(SEND)
async def arrived(world: World, tenant: Tenant, doubt: Doubt) -> bytes | None:
    """After a lost answer: what RNDS has under the document's number; None when it has nothing newer of us.

    A correction has the number of what it replaces: that one's id alone says that the correction did not arrive.
    """
    document: Any = jsontext.parse(doubt.content)
    if not isinstance(document, dict):
        raise TryLater("the document cannot be read", code="rnds.unreadable")
    identifier = document["identifier"]
    kind = document["entry"][0]["resource"]["type"]["coding"][0]["code"]
    query = f"system={quote(identifier['system'], safe='')}&value={quote(identifier['value'], safe='')}&docType={kind}"
    answer = await doubt.ask(b"", f"GET /identifier?{query}")
    said = answers.read(answer)
    if said.status == 200 and said.document and said.document != doubt.purpose.get("replaces"):
        return answer
    return None
