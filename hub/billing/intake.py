"""Statements that come as files (from a payer's portal): kept first, then read like those that come by reply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from canonical.errors import NotFound
from canonical.identity import bytes_number, new_id
from canonical.problem import Problem
from hub.billing import listing, statements, writing
from hub.billing.profiles import payer
from hub.guard import audit
from hub.records.write import Origin
from hub.store.database import Transaction
from hub.world import Tenant, World
from tiss import answers, replies, soap


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a file: the id it is kept under, how many protocols were new, and what was wrong."""

    message_id: UUID
    protocols: int
    fresh: int
    problems: tuple[Problem, ...]


async def take_file(world: World, tenant: Tenant, raw: bytes, actor: str) -> Taken:
    """Keep a file durably, then read its statements into lines and denials. Never raises for the file's content."""
    message_id = new_id()
    async with world.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO message (tenant_id, id, direction, format, type, status, payload_key, content) "
            "VALUES ($1, $2, 'in', 'tiss', 'DEMONSTRATIVO_ANALISE_CONTA', 'KEPT', $3, $4)",
            message_id,
            bytes_number(raw),
            raw,
        )
        await audit.note(tx, actor, "upload-statement", f"message/{message_id}")
    found = _read(raw)
    async with world.transaction(tenant) as tx:
        taken = await _store(tx, writing.origin(world, tenant, actor, message_id), message_id, found)
        await tx.run(
            "UPDATE message SET status = $3, problems = $4, finished_at = now() WHERE tenant_id = $1 AND id = $2",
            message_id,
            "ERROR" if any(problem.blocks for problem in taken.problems) else "TRANSFORMED",
            json.dumps([problem.as_json() for problem in taken.problems], ensure_ascii=False),
        )
    return taken


def _read(raw: bytes) -> list[answers.Statement] | Problem:
    body = soap.read(raw)
    if isinstance(body, Problem):
        return body
    if isinstance(body, soap.Fault):
        return Problem("statement.none")
    reply = replies.read(body.content)
    if isinstance(reply, Problem):
        return reply
    found = [answer for answer in reply.answers if isinstance(answer, answers.Statement)]
    return found or Problem("statement.none")


async def _store(tx: Transaction, by: Origin, message_id: UUID, found: list[answers.Statement] | Problem) -> Taken:
    if isinstance(found, Problem):
        return Taken(message_id=message_id, protocols=0, fresh=0, problems=(found,))
    problems: list[Problem] = []
    fresh = 0
    for statement in found:
        try:
            profile = await payer(tx, await listing.payer_id(tx, statement.operator))
        except NotFound:
            problems.append(Problem("statement.unknown-payer", statement.where))
            continue
        source = statements.Source(profile=profile, by=by)
        fresh += await statements.take_in(tx, source, statement)
    protocols = sum(len(statement.protocols) for statement in found)
    return Taken(message_id=message_id, protocols=protocols, fresh=fresh, problems=tuple(problems))
