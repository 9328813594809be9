"""What is received one at a time: messages of channels that look twice before they take one, and parts of messages.

Channels look twice for sequence numbers (MSH-13) and for control ids that may not recur.

Sequence number protocol (2.5.1 §2.10.1): the number expected next is kept for each sender, in the transaction that
keeps the message, and told in MSA-4. 0 starts the link by a header alone: nothing is taken, the answer tells what is
expected. -1, in either direction, means that any number may come next. A message that says something has no number
when it says 0 or -1: it is not lost for that. The same bytes again are a resend and do not count.
"""

from __future__ import annotations

import dataclasses
import re

from canonical.problem import Problem, Severity, blocking
from hl7 import ack, er7
from hl7.er7 import Message
from hl7.fragments import may_be_part
from hub.exchange.channels import Channel
from hub.exchange.door import fragments
from hub.exchange.door.keep import KEEP_ONE, Keeper, kept_of, values
from hub.exchange.door.receive import Answer, Taken, answer, read, with_reply
from hub.exchange.door.receive import receive as plain
from hub.store.database import Transaction

ANY = -1
_TAKEN = ("RECEIVED", "PENDING")
_HEADERS = ("MSH", "SFT", "UAC")
_NUMBER = re.compile("-?[0-9]{1,14}")


def strict(channel: Channel) -> bool:
    """Whether the channel's messages are received one at a time."""
    document = channel.document
    return document.sequence.policy != "off" or document.duplicates.other_body == "refuse"


def alone(channel: Channel, raw: bytes) -> bool:
    """Whether a message must be received by itself: its channel looks twice, or it may be a part of another one."""
    return strict(channel) or may_be_part(raw)


async def received(keeper: Keeper, channel: Channel, raw: bytes, *, fault: Problem | None = None) -> Answer:
    """Keep one message, however its channel and its form want it kept, and return its answer; raises TryLater."""
    if fault is None and alone(channel, raw):
        return await receive(keeper, channel, raw)
    return await plain(keeper, channel, raw, fault=fault)


async def receive(keeper: Keeper, channel: Channel, raw: bytes) -> Answer:
    """As `receive.receive`, with the channel's sequence and duplicate rules and the joining of parts in the same
    transaction."""
    taken = await read(channel, raw)
    claim, whole = None, None
    async with keeper.database.transaction(channel.tenant.id) as tx:
        new = taken.incoming.control_key is None or not await _known(tx, taken)
        if new and strict(channel) and taken.incoming.control_key is not None:
            taken = await _judge(tx, channel, taken, _number(channel, raw))
        if new:
            taken, claim, whole = await fragments.meet(tx, channel, taken)
        if whole is not None:
            await fragments.store(tx, channel, whole)
        told = await tx.value(KEEP_ONE, taken.incoming.format, channel.id, channel.version, *values(taken.incoming))
        kept = kept_of(taken.incoming.id, told)
        if claim is not None and not kept.resent:
            await fragments.keep(tx, channel, claim, taken, whole)
    keeper.ring(channel.tenant.id)
    said = answer(taken, kept)
    return fragments.owing(said, taken, whole) if whole is not None else said


async def _known(tx: Transaction, taken: Taken) -> bool:
    """Whether these very bytes came before: then the sequence has moved on already."""
    row = await tx.row(
        "SELECT 1 AS one FROM message WHERE tenant_id = $1 AND control_id = $2 AND control_key = $3",
        taken.incoming.control_id,
        taken.incoming.control_key,
    )
    return row is not None


async def _judge(tx: Transaction, channel: Channel, taken: Taken, number: str) -> Taken:
    """`taken` under the channel's rules; the sender's row is locked until the message is kept."""
    incoming, policy = taken.incoming, channel.document.sequence.policy
    if policy == "off":
        return await _unique(tx, taken) if incoming.status in _TAKEN else taken
    expected = await tx.value(
        "INSERT INTO sender_sequence AS s (tenant_id, channel_id, sender_key) VALUES ($1, $2, $3) "
        "ON CONFLICT (tenant_id, channel_id, sender_key) DO UPDATE SET updated_at = now() RETURNING s.expected",
        channel.id,
        incoming.sender_key,
    )
    taken, following = judge(taken, policy, number, expected)
    if channel.document.duplicates.other_body == "refuse" and taken.incoming.status in _TAKEN:
        taken = await _unique(tx, taken)
    if taken.incoming.status == "ERROR" and number != "0":
        following = expected
    if following != expected:
        await tx.run(
            "UPDATE sender_sequence SET expected = $4 WHERE tenant_id = $1 AND channel_id = $2 AND sender_key = $3",
            channel.id,
            incoming.sender_key,
            following,
        )
    taken.expected = str(following)
    return with_reply(_fresh(taken))


def judge(taken: Taken, policy: str, number: str, expected: int) -> tuple[Taken, int]:
    """`taken` by its sequence number, and the number expected after it."""
    found = int(number) if _NUMBER.fullmatch(number) else None
    if found == 0:
        return _start(taken), expected
    if found is not None and found < 0:
        return _start(taken), ANY
    if taken.incoming.status == "ERROR":
        return taken, expected
    if found is None:
        return _found(taken, Problem("sequence.missing", "MSH-13", level=_level(policy))), expected
    if expected in (ANY, found):
        return taken, found + 1
    said = (("found", str(found)), ("expected", str(expected)))
    gap = _found(taken, Problem("sequence.gap", "MSH-13", level=_level(policy), args=said))
    return gap, max(expected, found + 1) if policy == "report" else expected


def _level(policy: str) -> Severity:
    return "error" if policy == "refuse" else "warning"


def _start(taken: Taken) -> Taken:
    """A message that only starts the link has no content: it is kept, answered AA, and not worked."""
    accept: ack.Code = "CA" if taken.code.startswith("C") else "AA"
    incoming = taken.incoming._replace(status="FILTERED", problems=(), reply=None, owes="")
    return dataclasses.replace(taken, incoming=incoming, code=accept, silent=False)


def _found(taken: Taken, problem: Problem) -> Taken:
    """`taken` with one more finding, which may refuse it."""
    incoming = taken.incoming._replace(problems=(*taken.incoming.problems, problem))
    if not blocking([problem]):
        return dataclasses.replace(taken, incoming=incoming)
    refused: ack.Code = "CE" if taken.code.startswith("C") else "AE"
    incoming = incoming._replace(status="ERROR", owes="")
    return with_reply(_fresh(dataclasses.replace(taken, incoming=incoming, code=refused, silent=False)))


def _fresh(taken: Taken) -> Taken:
    """`taken` without an answer made for what it said before."""
    taken.forget()
    return taken


async def _unique(tx: Transaction, taken: Taken) -> Taken:
    """Refuse a control id that came before with another body; those that race for one id wait for each other."""
    incoming = taken.incoming
    await tx.run("SELECT pg_advisory_xact_lock($2) FROM (SELECT $1::uuid) t", incoming.sender_key)
    row = await tx.row(
        "SELECT 1 AS one FROM message WHERE tenant_id = $1 AND control_id = $2 AND sender_key = $3 "
        "AND control_key <> $4",
        incoming.control_id,
        incoming.sender_key,
        incoming.control_key,
    )
    return taken if row is None else _found(taken, Problem("message.conflict", "MSH-10", level="error"))


def _number(channel: Channel, raw: bytes) -> str:
    """MSH-13 as sent; empty for one that starts the link (0 or less) in a message with more than its header."""
    message = er7.read(raw, fixed_charset=channel.charset, fallback_charset=channel.fallback)
    if not isinstance(message, Message):
        return ""
    number = message.header.text(13).strip()
    starts = _NUMBER.fullmatch(number) is not None and int(number) <= 0
    return "" if starts and any(segment.name not in _HEADERS for segment in message.segments) else number
