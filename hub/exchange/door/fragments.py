"""Messages that come in parts (2.5.1 §2.10.2): every part kept and answered, joined when the last of them is there.

A part waits as PENDING. Whichever part completes the message, first or last, makes it in the transaction that keeps the
part: the whole is a message of its own, with the header of its first part, and takes its place in its lane at that
moment. Two different parts that claim one place are not guessed at: neither is joined until someone decides.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from canonical.identity import bytes_number, number
from canonical.problem import Problem, blocking
from hl7 import ack
from hl7.fragments import MOST_PARTS, Part, body, joined
from hub.exchange.channels import Channel
from hub.exchange.door.keep import AFTERWARDS, KEEP_ONE, values
from hub.exchange.door.receive import Answer, Taken, as_part, channel_number, read, with_reply
from hub.store.database import Row, Transaction

MOST_BYTES = 256 * 1024 * 1024
"""The largest message that parts may make."""
_SAID: Mapping[str, tuple[ack.Code, ack.Code]] = {"A": ("AA", "CA"), "E": ("AE", "CE"), "R": ("AR", "CR")}
_CLAIM = (
    "SELECT f.message_id, f.follows, f.leads, f.body_key, f.state, m.status FROM fragment f "
    "JOIN message m ON m.tenant_id = $1 AND m.id = f.message_id WHERE f.tenant_id = $1 AND f."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The place a part claims: numbers of its pointers and of its body, and what is known of it."""

    sender: int
    follows: int | None
    leads: int | None
    body: int
    message_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The message that parts made: as judged, and the parts that were there before in their order."""

    taken: Taken
    parts: tuple[UUID, ...]


async def meet(tx: Transaction, channel: Channel, taken: Taken) -> tuple[Taken, Claim | None, Whole | None]:
    """What a message is that may be a part: how it is answered, the place it claims, and the whole it completes.

    The sender's parts are taken one at a time until the transaction ends.
    """
    part = taken.part
    if part is None or (part.certain and taken.incoming.status != "PENDING"):
        return taken, None, None
    claim = _claim(channel, taken, part)
    await lock(tx, claim.sender)
    if not part.certain:
        if not await _at(tx, "leads", claim.follows):
            return taken, None, None
        taken = as_part(channel, taken)
        if taken.incoming.status != "PENDING":
            return taken, None, None
    held = await _held(tx, claim)
    if any(_same(row, claim) for row in held) or (not held and await _joined_before(tx, claim)):
        again = Problem("er7.fragment-again", "MSH-10")
        return _with(taken, status="FILTERED", problems=(*taken.incoming.problems, again)), claim, None
    if held and (where := await _close(tx, held, claim)):
        return _refused(taken, Problem("er7.fragment-ambiguous", where)), claim, None
    chain = await _chain(tx, claim)
    if chain is None:
        return taken, claim, None
    whole = await _whole(tx, channel, chain, taken)
    if isinstance(whole, Problem):
        await _settle(tx, [one for one in chain if one != claim.message_id], "closed", whole)
        return _refused(taken, whole), claim, None
    return _completing(channel, taken, whole.taken), claim, whole


async def keep(tx: Transaction, channel: Channel, claim: Claim, taken: Taken, whole: Whole | None) -> None:
    """Record the part that was just kept as `claim.message_id`, and the whole it made."""
    await tx.run(
        "INSERT INTO fragment (tenant_id, message_id, channel_id, sender_key, follows, leads, body_key, state) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        claim.message_id,
        channel.id,
        claim.sender,
        claim.follows,
        claim.leads,
        claim.body,
        "open" if taken.incoming.status in ("PENDING", "TRANSFORMED") else "closed",
    )
    if whole is not None:
        await _mark(tx, whole)


async def again(tx: Transaction, channel: Channel, message_id: UUID, *, make: bool = True) -> UUID | Problem:
    """Join a kept part that waits, or was given up, with those that are there now; the whole's id, or what is amiss.

    Without `make` nothing is stored, and the id is not kept. The part is preferred to others that claim its place.
    """
    row = await tx.row(
        "SELECT f.message_id, f.sender_key, f.follows, f.leads, f.body_key, m.content FROM fragment f "
        "JOIN message m ON m.tenant_id = $1 AND m.id = f.message_id "
        "WHERE f.tenant_id = $1 AND f.message_id = $2 AND f.state <> 'joined'",
        message_id,
    )
    if row is None:
        return Problem("er7.fragment-again", "MSH-10")
    await lock(tx, row["sender_key"])
    claim = Claim(
        sender=row["sender_key"],
        follows=row["follows"],
        leads=row["leads"],
        body=row["body_key"],
        message_id=message_id,
    )
    chain = await _chain(tx, claim)
    if chain is None:
        return Problem("er7.fragment-missing", await _gap(tx, claim), args=(("seconds", "0"),))
    whole = await _whole(tx, channel, chain, None)
    if isinstance(whole, Problem):
        return whole
    if make:
        await store(tx, channel, whole)
        await _mark(tx, whole)
    return whole.taken.incoming.id


async def lock(tx: Transaction, sender: int) -> None:
    """One at a time for a sender, until the transaction ends."""
    await tx.run("SELECT pg_advisory_xact_lock($2) FROM (SELECT $1::uuid) t", sender)


def _claim(channel: Channel, taken: Taken, part: Part) -> Claim:
    sender = taken.incoming.sender_key or channel_number(channel.id)

    def key(pointer: str) -> int | None:
        return number("fragment", str(sender), pointer) if pointer else None

    return Claim(
        sender=sender,
        follows=key(part.follows),
        leads=key(part.leads),
        body=bytes_number(body(taken.incoming.content)),
        message_id=taken.incoming.id,
    )


async def _at(tx: Transaction, column: str, key: int | None, state: str = "open") -> list[Row]:
    """The parts whose `follows` or `leads` is `key`."""
    return await tx.rows(f"{_CLAIM}{column} = $2 AND f.state = $3", key, state) if key is not None else []


async def _held(tx: Transaction, claim: Claim) -> list[Row]:
    """The other open parts that claim the same place."""
    found = [*await _at(tx, "follows", claim.follows), *await _at(tx, "leads", claim.leads)]
    return [row for row in found if row["message_id"] != claim.message_id]


async def _joined_before(tx: Transaction, claim: Claim) -> bool:
    """Whether the very same part was joined before and nothing waits for it now: its answer was lost on the way."""
    if claim.follows is None or await _at(tx, "leads", claim.follows):
        return False
    return any(_same(row, claim) for row in await _at(tx, "follows", claim.follows, "joined"))


def _same(row: Row, claim: Claim) -> bool:
    return (row["follows"], row["leads"], row["body_key"]) == (claim.follows, claim.leads, claim.body)


async def _close(tx: Transaction, held: Sequence[Row], claim: Claim) -> str:
    """Close the parts whose place is claimed by another one; returns where the claim is doubtful, or nothing when
    those parts had been given up for the time they waited."""
    waiting = [row for row in held if row["status"] == "PENDING"]
    where = "DSC-1" if any(row["leads"] == claim.leads is not None for row in waiting) else "MSH-14"
    ids = [row["message_id"] for row in held]
    await tx.run("UPDATE fragment SET state = 'closed' WHERE tenant_id = $1 AND message_id = ANY($2::uuid[])", ids)
    if waiting:
        problem = Problem("er7.fragment-ambiguous", where)
        await _settle(tx, [row["message_id"] for row in waiting], "closed", problem)
    return where if waiting else ""


async def _chain(tx: Transaction, claim: Claim) -> list[UUID] | None:
    """The parts of the message in their order, the claim's own among them; None while any is missing."""
    ahead = await _walk(tx, "follows", "leads", claim.leads, claim.message_id)
    if ahead is None:
        return None
    behind = await _walk(tx, "leads", "follows", claim.follows, claim.message_id)
    return None if behind is None else [*reversed(behind), claim.message_id, *ahead]


async def _walk(tx: Transaction, at: str, on: str, key: int | None, own: UUID) -> list[UUID] | None:
    """The parts from one pointer on to the end of the message; None when one is missing, doubled, or never ends."""
    found: list[UUID] = []
    while key is not None:
        rows = [row for row in await _at(tx, at, key) if row["message_id"] != own]
        if len(rows) != 1 or len(found) == MOST_PARTS:
            return None
        found.append(rows[0]["message_id"])
        key = rows[0][on]
    return found


async def _whole(tx: Transaction, channel: Channel, chain: Sequence[UUID], taken: Taken | None) -> Whole | Problem:
    """The message that the parts make, or why they do not belong together. `taken` is the part not kept yet."""
    rows = await tx.rows("SELECT id, content FROM message WHERE tenant_id = $1 AND id = ANY($2::uuid[])", list(chain))
    contents = {row["id"]: bytes(row["content"]) for row in rows}
    if taken is not None:
        contents[taken.incoming.id] = taken.incoming.content
    if sum(len(content) for content in contents.values()) > MOST_BYTES:
        return Problem("er7.too-large", "DSC-1", args=(("limit", str(MOST_BYTES)),))
    raw = joined([contents[one] for one in chain])
    if isinstance(raw, Problem):
        return raw
    found = await read(channel, raw)
    # No part of its own, and no control id that would be looked for among those of resends and conflicts.
    found.incoming = found.incoming._replace(control_key=None, sender_key=None, reply=None)
    return Whole(taken=found, parts=tuple(chain))


def _completing(channel: Channel, taken: Taken, whole: Taken) -> Taken:
    """The part that completes a message is answered as the message is."""
    wanted = ack.wanted(taken.envelope, channel.document.acknowledge.mode)
    code = _SAID[whole.code[1]][bool(wanted.accept)]
    problems = whole.incoming.problems if blocking(whole.incoming.problems) else ()
    incoming = taken.incoming._replace(status="TRANSFORMED", problems=problems, reply=None)
    silent = not wanted.original and not ack.due(wanted.accept, code[1] == "A")
    return with_reply(dataclasses.replace(taken, incoming=incoming, code=code, silent=silent, _prepared=None))


def _with(taken: Taken, **changes: object) -> Taken:
    """`taken` with other values of what is kept; its answer is made anew."""
    incoming = taken.incoming._replace(**changes)  # type: ignore[arg-type]
    return dataclasses.replace(taken, incoming=incoming, _prepared=None)


def _refused(taken: Taken, problem: Problem) -> Taken:
    accept = taken.code.startswith("C")
    refused = _with(taken, status="ERROR", problems=(*taken.incoming.problems, problem), reply=None)
    return with_reply(dataclasses.replace(refused, code="CE" if accept else "AE", silent=False))


async def store(tx: Transaction, channel: Channel, whole: Whole) -> None:
    """Keep the whole as a message of its own, in its lane."""
    await tx.value(KEEP_ONE, whole.taken.incoming.format, channel.id, channel.version, *values(whole.taken.incoming))


def owing(said: Answer, taken: Taken, whole: Whole) -> Answer:
    """The answer to the part that completed a message, with what is still owed for the whole."""
    incoming = whole.taken.incoming
    if not incoming.owes:
        return said
    if incoming.owes != AFTERWARDS:
        return said._replace(owes=incoming.owes, message_id=incoming.id)
    instead = taken.spoken(said.message_id)
    return said._replace(payload=b"", owes=AFTERWARDS, message_id=incoming.id, instead=instead)


async def _mark(tx: Transaction, whole: Whole) -> None:
    """The parts are joined: they point to the whole, in their order."""
    await tx.run(
        "UPDATE fragment SET state = 'joined', whole_id = $3, place = x.place "
        "FROM unnest($2::uuid[]) WITH ORDINALITY AS x(id, place) "
        "WHERE fragment.tenant_id = $1 AND fragment.message_id = x.id",
        list(whole.parts),
        whole.taken.incoming.id,
    )
    await tx.run(
        "UPDATE message SET status = 'TRANSFORMED', finished_at = now(), "
        "problems = CASE WHEN status = 'TRANSFORMED' THEN problems ELSE '[]' END "
        "WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
        list(whole.parts),
    )


async def _settle(tx: Transaction, ids: Sequence[UUID], state: str, problem: Problem) -> None:
    """Give parts up with a finding."""
    await tx.run(
        "UPDATE fragment SET state = $3 WHERE tenant_id = $1 AND message_id = ANY($2::uuid[])", list(ids), state
    )
    await tx.run(
        "UPDATE message SET status = 'ERROR', finished_at = now(), problems = $3 "
        "WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
        list(ids),
        json.dumps([problem.as_json()], ensure_ascii=False),
    )


async def _gap(tx: Transaction, claim: Claim) -> str:
    """Where the part's neighbour is missing: MSH-14 before it, DSC-1 behind it."""
    missing = claim.follows is not None and not await _at(tx, "leads", claim.follows)
    return "MSH-14" if missing else "DSC-1"
