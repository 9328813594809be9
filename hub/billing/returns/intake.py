"""Statements that come as files (from a payer's portal): kept first, then read like those that come by reply."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from canonical.errors import NotFound, Refused
from canonical.identity import bytes_number, new_id
from canonical.problem import Problem, blocking, json_of
from hub.billing import listing, writing
from hub.billing.message.replies import stamped
from hub.billing.profiles import payer
from hub.billing.returns import statements
from hub.guard import audit
from hub.records.saved import Origin
from hub.store.database import Transaction
from hub.world import Tenant, World
from mappings.billing import sheet_plan, sheet_statements
from mappings.tables.table import TableError
from tiss.answers import replies
from tiss.answers import values as answers
from tiss.sheets import sheets
from tiss.wire import soap
from tiss.wire.message import Tiss
from tiss.wire.message import read as read_message


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a file: the id it is kept under, what it told and how much was new, and what was wrong."""

    message_id: UUID
    found: statements.Taken
    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """The answer to who sent the file."""
        return {
            "message": str(self.message_id),
            "protocols": self.found.protocols,
            "new": self.found.fresh,
            "payments": self.found.payments,
            "new_payments": self.found.fresh_payments,
            "problems": [problem.as_json() for problem in self.problems],
        }


_Told = answers.Statement | answers.Remittance


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a file tells, with its findings; of XML also the message and its bytes, whose hash is judged by payer."""

    told: list[_Told]
    problems: list[Problem]
    message: Tiss | None = None
    raw: bytes = b""


async def take_file(world: World, tenant: Tenant, raw: bytes, actor: str) -> Taken:
    """Keep a file durably, then read its statements into lines, denials and payments. Never raises for its content."""
    message_id = await _keep(world, tenant, raw, ("DEMONSTRATIVO_ANALISE_CONTA", "tiss"), actor)
    return await _take(world, tenant, message_id, _read(raw), actor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A CSV or XLSX statement: its bytes, the payer's registro ANS, and its plan and number where they must be told."""

    raw: bytes
    payer: str
    plan: str = ""
    number: str = ""


async def take_sheet(world: World, tenant: Tenant, sheet: Sheet, actor: str) -> Taken:
    """Keep a sheet durably, then read it by the payer's column plan, through the same reconciliation as XML.

    Raises NotFound for an unknown payer, Refused for one without a plan or with one that does not exist.
    """
    async with world.transaction(tenant) as tx:
        profile = await payer(tx, await listing.payer_id(tx, sheet.payer))
    try:
        chosen = sheet_plan.plan(sheet.plan or profile.terms.plan)
    except TableError:
        raise Refused("there is no such column plan", code="sheet.plan") from None
    message_id = await _keep(world, tenant, sheet.raw, (_SHEETS[chosen.kind], "sheet"), actor)
    found = await asyncio.to_thread(read_sheet, sheet, chosen)
    return await _take(world, tenant, message_id, found, actor)


_SHEETS = {"analysis": "DEMONSTRATIVO_ANALISE_CONTA", "payment": "DEMONSTRATIVO_PAGAMENTO"}


def read_sheet(sheet: Sheet, plan: sheet_plan.SheetPlan) -> Read | Problem:
    """The statements of a sheet with its findings, or why there are none."""
    opened = sheets.read(sheet.raw, encoding=plan.encoding, separator=plan.separator)
    if isinstance(opened, Problem):
        return opened
    read = sheet_statements.statements(plan, opened, sheet.payer, sheet.number)
    if not read.told:
        return next((problem for problem in read.problems if problem.blocks), Problem("sheet.empty"))
    return Read(told=list(read.told), problems=list(read.problems))


async def _keep(world: World, tenant: Tenant, raw: bytes, kind: tuple[str, str], actor: str) -> UUID:
    """The id under which the bytes are kept; `kind` is (transaction, format)."""
    message_id = new_id()
    async with world.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO message (tenant_id, id, direction, format, type, status, payload_key, content) "
            "VALUES ($1, $2, 'in', $3, $4, 'KEPT', $5, $6)",
            message_id,
            kind[1],
            kind[0],
            bytes_number(raw),
            raw,
        )
        await audit.note(tx, actor, "upload-statement", f"message/{message_id}")
    return message_id


async def _take(world: World, tenant: Tenant, message_id: UUID, found: Read | Problem, actor: str) -> Taken:
    async with world.transaction(tenant) as tx:
        taken = await store(tx, writing.origin(world, tenant, actor, message_id), message_id, found)
        await _finished(tx, taken, "" if isinstance(found, Problem) else transaction_of(found.told[0]))
    return taken


async def finish(
    world: World,
    tenant: Tenant,
    message_id: UUID,
    problems: tuple[Problem, ...],
    found: statements.Taken | None = None,
    kind: str = "",
) -> Taken:
    """Record what became of a message; `kind` is the transaction it turned out to be."""
    taken = Taken(message_id=message_id, found=found or statements.Taken(), problems=problems)
    async with world.transaction(tenant) as tx:
        await _finished(tx, taken, kind)
    return taken


async def _finished(tx: Transaction, taken: Taken, kind: str) -> None:
    await tx.run(
        "UPDATE message SET status = $3, type = $4, problems = $5, finished_at = now() "
        "WHERE tenant_id = $1 AND id = $2",
        taken.message_id,
        "ERROR" if any(problem.blocks for problem in taken.problems) else "TRANSFORMED",
        kind or "DEMONSTRATIVO_ANALISE_CONTA",
        json_of(taken.problems),
    )


def _read(raw: bytes) -> Read | Problem:
    body = soap.read(raw)
    if isinstance(body, Problem):
        return body
    if isinstance(body, soap.Fault):
        return Problem("statement.none")
    message = read_message(body.content)
    if isinstance(message, Problem):
        return message
    reply = replies.of(message)
    found = [answer for answer in reply.answers if isinstance(answer, _Told)]
    # an amount that is none counts as zero: told, but no reason to refuse the rest
    unread = [replace(problem, level="warning") for problem in reply.problems]
    if not found:
        return Problem("statement.none")
    return Read(told=found, problems=unread, message=message, raw=body.content)


def transaction_of(first: answers.Statement | answers.Remittance) -> str:
    """The transaction of a file that tells this first."""
    if not isinstance(first, answers.Remittance):
        return "DEMONSTRATIVO_ANALISE_CONTA"
    return "DEMONSTRATIVO_ODONTOLOGIA" if first.dental else "DEMONSTRATIVO_PAGAMENTO"


async def store(tx: Transaction, by: Origin, message_id: UUID, found: Read | Problem) -> Taken:
    """Store what a file tells, or a part of it, by the payers it names; one that is none of ours is told of."""
    if isinstance(found, Problem):
        return Taken(message_id=message_id, found=statements.Taken(), problems=(found,))
    problems = list(found.problems)
    total = statements.Taken()
    for operator, told in _by_operator(found.told).items():
        try:
            profile = await payer(tx, await listing.payer_id(tx, operator))
        except NotFound:
            problems += [Problem("statement.unknown-payer", one.where) for one in told]
            continue
        odd = stamped(profile, found.message, found.raw) if found.message is not None else []
        problems += odd
        if blocking(odd):
            continue
        total = total.plus(await statements.take_all(tx, statements.Source(profile=profile, by=by), told))
    return Taken(message_id=message_id, found=total, problems=tuple(problems))


def _by_operator(found: list[_Told]) -> dict[str, list[_Told]]:
    grouped: dict[str, list[_Told]] = {}
    for one in found:
        grouped.setdefault(one.operator, []).append(one)
    return grouped
