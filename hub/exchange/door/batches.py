"""Batches at a door (2.5.1 §2.10.3): every message kept and answered by itself, the answers given back as one batch.

The batch's own bytes are kept as well. A wrong count or a missing trailer is an error of the batch: it is answered with
an AE that names the batch's control id, beside the answers of its messages, which are worked all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from canonical.identity import bytes_number, moment_of, new_id
from canonical.problem import Problem, blocking
from hl7 import ack, batch, er7
from hl7.batch import Contents, Head
from hl7.er7 import STANDARD
from hub.exchange.channels import Channel
from hub.exchange.door import strict
from hub.exchange.door.keep import Incoming, Keeper, Kept
from hub.exchange.door.receive import LARGE, Answer, answer, channel_number, read

AT_ONCE = 500
_GOOD = ("AA", "CA")


async def receive(keeper: Keeper, channel: Channel, raw: bytes) -> list[Answer]:
    """Keep a batch and its messages. The first answer is the batch's, with one payload for all (empty: none wanted).

    The others say what else is owed for single messages; their payloads are empty.
    """
    contents = await asyncio.to_thread(batch.split, raw) if len(raw) > LARGE else batch.split(raw)
    kept = await keeper.keep(channel, _whole(channel, raw, contents))
    said: list[Answer] = []
    for start in range(0, len(contents.messages), AT_ONCE):
        said += await together(keeper, channel, contents.messages[start : start + AT_ONCE])
    code = "AE" if contents.problems else "AA"
    payload = _payload(channel, contents, said, kept)
    whole = Answer(payload=payload, code=code, message_id=kept.id, problems=tuple(contents.problems))
    return [whole, *(item._replace(payload=b"") for item in said if item.owes)]


async def together(keeper: Keeper, channel: Channel, messages: Sequence[bytes]) -> list[Answer]:
    """The answers of messages that are kept in their order."""
    if any(strict.alone(channel, raw) for raw in messages):
        return [await strict.received(keeper, channel, raw) for raw in messages]
    source = object()
    taken = [await read(channel, raw) for raw in messages]
    kept = await asyncio.gather(*(keeper.keep(channel, item.incoming, source) for item in taken))
    return [answer(item, outcome) for item, outcome in zip(taken, kept, strict=True)]


def _whole(channel: Channel, raw: bytes, contents: Contents) -> Incoming:
    """The batch as it came, beside its messages; nothing more is done with it."""
    head = _heads(contents)[-1]
    control = head.field(11).decode("ascii", "ignore")[:199]
    payload = bytes_number(raw)
    place = channel_number(channel.id)
    return Incoming(
        id=new_id(),
        format="hl7",
        type=head.name,
        lane=place,
        status="ERROR" if blocking(contents.problems) else "TRANSFORMED",
        control_id=control,
        control_key=payload ^ place if control else None,
        sender_key=bytes_number(head.field(3) + b"\x1f" + head.field(4)) ^ place if control else None,
        payload_key=payload,
        charset="",
        content=raw,
        reply=None,
        problems=tuple(contents.problems),
    )


def _heads(contents: Contents) -> list[Head]:
    """FHS and the first BHS, as far as there are any."""
    found: dict[str, Head] = {}
    for part in contents.parts:
        if isinstance(part, Head) and part.name in ("FHS", "BHS"):
            found.setdefault(part.name, part)
    return list(found.values()) or [Head("BHS", b"BHS|^~\\&")]


def _payload(channel: Channel, contents: Contents, said: Sequence[Answer], kept: Kept) -> bytes:
    """The answer as the channel wants it: for all messages, for those that failed, or none."""
    wanted = channel.document.batch.answer
    if wanted == "none" or channel.document.acknowledge.mode == "none":
        return b""
    replies = iter([b"" if wanted == "errors" and item.code in _GOOD else item.payload for item in said])
    parts = [next(replies) if isinstance(part, bytes) else part for part in contents.parts]
    if wanted == "errors" and not any(parts_of(parts)) and not contents.problems:
        return b""
    moment = moment_of(kept.id).strftime("%Y%m%d%H%M%S%z")
    return batch.answer(_with_fault(parts, contents, kept), kept.id.hex[:20], moment)


def parts_of(parts: Iterable[Head | bytes]) -> Iterator[bytes]:
    """The answers among the parts."""
    return (part for part in parts if isinstance(part, bytes))


def _with_fault(parts: list[Head | bytes], contents: Contents, kept: Kept) -> list[Head | bytes]:
    """What is wrong with the batch itself, as one more answer before its end."""
    if not contents.problems:
        return parts
    fault = _fault(_heads(contents)[-1], contents.problems, kept)
    at = max((n for n, part in enumerate(parts) if isinstance(part, Head) and part.name == "BTS"), default=len(parts))
    return [*parts[:at], fault, *parts[at:]]


def _fault(head: Head, problems: Sequence[Problem], kept: Kept) -> bytes:
    delimiters = er7.read_delimiters(head.line[:12].decode("latin-1"))
    names = [head.field(number).decode("ascii", "ignore") for number in (3, 4, 5, 6, 11)]
    letterhead = ack.Letterhead(
        delimiters=STANDARD if isinstance(delimiters, Problem) else delimiters,
        sending=(names[0], names[1]),
        receiving=(names[2], names[3]),
    )
    envelope = ack.Envelope(letterhead, names[4])
    stamp = ack.Stamp(control_id=kept.id.hex[:20], now=moment_of(kept.id))
    return ack.build(envelope, "AE", problems, stamp)
