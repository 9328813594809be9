"""Statements that come as files (from a payer's portal): kept first, then read like those that come by reply."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
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
    """What became of a file: the id it is kept under, what it told and how much was new, and what was wrong."""

    message_id: UUID
    found: statements.Taken
    problems: tuple[Problem, ...]


_Told = answers.Statement | answers.Remittance
_Read = tuple[list[_Told], list[Problem]]


async def take_file(world: World, tenant: Tenant, raw: bytes, actor: str) -> Taken:
    """Keep a file durably, then read its statements into lines, denials and payments. Never raises for its content."""
    message_id = new_id()
    async with world.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO message (tenant_id, id, direction, format, type, status, payload_key, content) "
            "VALUES ($1, $2, 'in', 'tiss', $3, 'KEPT', $4, $5)",
            message_id,
            "DEMONSTRATIVO_ANALISE_CONTA",
            bytes_number(raw),
            raw,
        )
        await audit.note(tx, actor, "upload-statement", f"message/{message_id}")
    found = _read(raw)
    async with world.transaction(tenant) as tx:
        taken = await _store(tx, writing.origin(world, tenant, actor, message_id), message_id, found)
        await tx.run(
            "UPDATE message SET status = $3, type = $4, problems = $5, finished_at = now() "
            "WHERE tenant_id = $1 AND id = $2",
            message_id,
            "ERROR" if any(problem.blocks for problem in taken.problems) else "TRANSFORMED",
            _transaction(found),
            json.dumps([problem.as_json() for problem in taken.problems], ensure_ascii=False),
        )
    return taken


def _read(raw: bytes) -> _Read | Problem:
    body = soap.read(raw)
    if isinstance(body, Problem):
        return body
    if isinstance(body, soap.Fault):
        return Problem("statement.none")
    reply = replies.read(body.content)
    if isinstance(reply, Problem):
        return reply
    found = [answer for answer in reply.answers if isinstance(answer, _Told)]
    # an amount that is none counts as zero: told, but no reason to refuse the rest
    unread = [replace(problem, level="warning") for problem in reply.problems]
    return (found, unread) if found else Problem("statement.none")


def _transaction(found: _Read | Problem) -> str:
    """The transaction the file turned out to be."""
    first = None if isinstance(found, Problem) else found[0][0]
    if not isinstance(first, answers.Remittance):
        return "DEMONSTRATIVO_ANALISE_CONTA"
    return "DEMONSTRATIVO_ODONTOLOGIA" if first.dental else "DEMONSTRATIVO_PAGAMENTO"


async def _store(tx: Transaction, by: Origin, message_id: UUID, found: _Read | Problem) -> Taken:
    if isinstance(found, Problem):
        return Taken(message_id=message_id, found=statements.Taken(), problems=(found,))
    read, problems = found
    total = statements.Taken()
    for operator, told in _by_operator(read).items():
        try:
            profile = await payer(tx, await listing.payer_id(tx, operator))
        except NotFound:
            problems += [Problem("statement.unknown-payer", one.where) for one in told]
            continue
        total = total.plus(await statements.take_all(tx, statements.Source(profile=profile, by=by), told))
    return Taken(message_id=message_id, found=total, problems=tuple(problems))


def _by_operator(found: list[_Told]) -> dict[str, list[_Told]]:
    grouped: dict[str, list[_Told]] = {}
    for one in found:
        grouped.setdefault(one.operator, []).append(one)
    return grouped
