"""Statements too large to be held: kept in pieces as they come, then read from there, a few protocols at a time.

The file is read twice: first for its hash and for protocols that stand in it more than once, whose parts must be joined
before they are stored; then its protocols are stored, some in each transaction. What broke off on the way is taken up
by the same file again: what is there already changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import cast
from uuid import UUID

from canonical.errors import NotFound
from canonical.identity import new_id
from canonical.problem import Problem, Severity
from hub.billing import listing, writing
from hub.billing.profiles import payer
from hub.billing.returns import intake, statements
from hub.billing.returns.intake import Read, Taken
from hub.guard import audit
from hub.world import Tenant, World
from tiss.answers import values as answers
from tiss.streams.statements import Statements, Told, Unreadable

PIECE = 4 * 1024 * 1024
GUIDES_AT_ONCE = 500
MOST_PARTED = 20_000
"""Guides that may wait for other parts of their protocols."""


async def take_file(world: World, tenant: Tenant, coming: AsyncIterator[bytes], actor: str) -> Taken:
    """Keep a file of any size durably, then read its statements as `intake.take_file` does.

    What `coming` raises is passed on; the pieces kept until then stay, their message marked as broken off.
    """
    message_id = await _begin(world, tenant, actor)
    try:
        await _keep(world, tenant, message_id, coming)
    except BaseException:
        await intake.finish(world, tenant, message_id, (Problem("encoding.not-xml.cut"),))
        raise
    try:
        survey = await _survey(world, tenant, message_id)
    except Unreadable as error:
        why = Problem("statement.none") if error.problem.code == "header.no-answer" else error.problem
        return await intake.finish(world, tenant, message_id, (why,))
    odd = await _stamped(world, tenant, survey)
    if any(problem.blocks for problem in odd):
        return await intake.finish(world, tenant, message_id, tuple(odd))
    found, problems = await _store(world, tenant, message_id, actor, survey)
    return await intake.finish(world, tenant, message_id, (*odd, *problems), found, survey.kind)


async def _begin(world: World, tenant: Tenant, actor: str) -> UUID:
    message_id = new_id()
    async with world.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO message (tenant_id, id, direction, format, type, status, content) "
            "VALUES ($1, $2, 'in', 'tiss', 'DEMONSTRATIVO_ANALISE_CONTA', 'KEPT', '')",
            message_id,
        )
        await audit.note(tx, actor, "upload-statement", f"message/{message_id}")
    return message_id


async def _keep(world: World, tenant: Tenant, message_id: UUID, coming: AsyncIterator[bytes]) -> None:
    """Store what comes; the number of the bytes is known at their end."""
    digest = hashlib.blake2b(digest_size=8)
    waiting, position = bytearray(), 0
    async for chunk in coming:
        digest.update(chunk)
        waiting += chunk
        while len(waiting) >= PIECE:
            await _piece(world, tenant, (message_id, position), bytes(waiting[:PIECE]))
            del waiting[:PIECE]
            position += 1
    await _piece(world, tenant, (message_id, position), bytes(waiting))
    async with world.transaction(tenant) as tx:
        number = int.from_bytes(digest.digest(), "big", signed=True)
        await tx.run("UPDATE message SET payload_key = $3 WHERE tenant_id = $1 AND id = $2", message_id, number)


async def _piece(world: World, tenant: Tenant, place: tuple[UUID, int], plain: bytes) -> None:
    packed = await asyncio.to_thread(zlib.compress, plain, 1)
    async with world.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO message_piece (tenant_id, message_id, position, packed) VALUES ($1, $2, $3, $4)",
            *place,
            packed,
        )


async def content(world: World, tenant: Tenant, message_id: UUID) -> AsyncIterator[bytes]:
    """The bytes of a message that is kept in pieces, a piece at a time."""
    position = 0
    while True:
        async with world.transaction(tenant) as tx:
            packed = await tx.value(
                "SELECT packed FROM message_piece WHERE tenant_id = $1 AND message_id = $2 AND position = $3",
                message_id,
                position,
            )
        if packed is None:
            return
        yield await asyncio.to_thread(zlib.decompress, packed)
        position += 1


async def _told(world: World, tenant: Tenant, message_id: UUID, reader: Statements) -> AsyncIterator[list[Told]]:
    """What each piece tells. One thread reads all of them: a parser keeps the dictionary of names of the thread that
    began it, and another thread that reads something else at that moment would write into the same one."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="statements") as own:
        try:
            async for piece in content(world, tenant, message_id):
                yield await loop.run_in_executor(own, reader.feed, piece)
            yield await loop.run_in_executor(own, reader.close)
        except BaseException:
            own.submit(reader.abandon)
            raise


@dataclass(slots=True, kw_only=True)
class _Survey:
    """What the first reading told: how often each protocol of an operator is listed, the transaction, the reader."""

    reader: Statements
    times: Counter[tuple[str, str]] = field(default_factory=Counter)
    operators: dict[str, None] = field(default_factory=dict)
    kind: str = ""


async def _survey(world: World, tenant: Tenant, message_id: UUID) -> _Survey:
    survey = _Survey(reader=Statements())
    parted: Counter[tuple[str, str]] = Counter()
    async for found in _told(world, tenant, message_id, survey.reader):
        for told in found:
            survey.operators[told.answer.operator] = None
            survey.kind = survey.kind or intake.transaction_of(told.answer)
            for key, guides in _protocols(told):
                survey.times[key] += 1
                parted[key] += guides
    waiting = sum(guides for key, guides in parted.items() if survey.times[key] > 1)
    if waiting > MOST_PARTED:
        raise Unreadable(Problem("statement.scattered", args=(("limit", str(MOST_PARTED)),)))
    return survey


def _protocols(told: Told) -> list[tuple[tuple[str, str], int]]:
    if isinstance(told.answer, answers.Remittance):
        return []
    return [((told.answer.operator, one.number), len(one.guides)) for one in told.answer.protocols]


async def _stamped(world: World, tenant: Tenant, survey: _Survey) -> list[Problem]:
    """What is wrong with the hash, as severe as the profile of the payer says; see `replies.stamped`."""
    reader = survey.reader
    async with world.transaction(tenant) as tx:
        for operator in survey.operators:
            try:
                profile = await payer(tx, await listing.payer_id(tx, operator))
            except NotFound:
                continue
            encoding = profile.contract.hash_encoding
            computed, level = reader.computed(encoding), profile.terms.hash
            code = "uncomputable" if not computed else "missing" if not reader.stated else "wrong"
            if level == "off" or (computed and reader.stated.lower() == computed):
                continue
            args = (("computed", computed), ("encoding", reader.encoding if encoding == "declared" else encoding))
            return [Problem(f"hash.reply.{code}", "", level=cast(Severity, level), args=args)]
    return []


async def _store(
    world: World, tenant: Tenant, message_id: UUID, actor: str, survey: _Survey
) -> tuple[statements.Taken, list[Problem]]:
    """Read the file again and store what it tells, some protocols at a time; its totals and findings."""
    total = statements.Taken()
    problems: list[Problem] = []
    ready: list[Told] = []
    parts: dict[tuple[str, str], list[Told]] = {}
    async for found in _told(world, tenant, message_id, Statements()):
        for told in found:
            ready += _whole(told, parts, survey.times)
            if sum(guides for one in ready for _, guides in _protocols(one)) >= GUIDES_AT_ONCE:
                taken = await _take(world, tenant, message_id, actor, ready)
                total, problems, ready = total.plus(taken.found), [*problems, *taken.problems], []
    if ready:
        taken = await _take(world, tenant, message_id, actor, ready)
        total, problems = total.plus(taken.found), [*problems, *taken.problems]
    return total, _few(problems)


def _whole(told: Told, parts: dict[tuple[str, str], list[Told]], times: Counter[tuple[str, str]]) -> list[Told]:
    """What can be stored now: a protocol that stands elsewhere in the file too waits for its other parts."""
    for key, _ in _protocols(told):
        if times[key] > 1:
            parts.setdefault(key, []).append(told)
            return parts.pop(key) if len(parts[key]) == times[key] else []
    return [told]


async def _take(world: World, tenant: Tenant, message_id: UUID, actor: str, ready: Sequence[Told]) -> Taken:
    # an amount that is none counts as zero: told, but no reason to refuse the rest
    odd = [replace(problem, level="warning") for one in ready for problem in one.problems]
    async with world.transaction(tenant) as tx:
        by = writing.origin(world, tenant, actor, message_id)
        return await intake.store(tx, by, message_id, Read(told=[one.answer for one in ready], problems=odd))


_MOST_TOLD = 200


def _few(problems: list[Problem]) -> list[Problem]:
    """Findings as a row can hold them: at most so many of one code, the rest counted; an unknown payer once."""
    counts = Counter(problem.code for problem in problems)
    seen: Counter[str] = Counter()
    kept = []
    for problem in problems:
        seen[problem.code] += 1
        if seen[problem.code] <= _MOST_TOLD:
            kept.append(problem)
    more = [(code, count) for code, count in counts.items() if count > _MOST_TOLD]
    return kept + [
        Problem("more", "", args=(("code", code), ("count", str(count)), ("most", str(_MOST_TOLD))))
        for code, count in more
    ]


__all__ = ["content", "take_file"]
