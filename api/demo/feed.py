"""A hospital's sending side: MLLP connections that wait for each answer, one lane never spread over two of them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from api.demo.wire import Message
from hl7.mllp import frame

PATIENCE = 30.0
_MSA = re.compile(rb"\rMSA\|([A-Z]{2})(?:\|([^|\r]*))?")
_END = b"\x1c\r"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message with the answer it got: the code of MSA-1 (empty for none), the id of MSA-2, and the seconds waited."""

    message: Message
    code: str
    control_id: str
    seconds: float


Told = Callable[[Sent], None]


async def send(address: tuple[str, int], messages: Sequence[Message], connections: int, told: Told) -> list[Sent]:
    """Send all messages, each lane in order over one of the `connections`; `told` hears of each answer."""
    queues: list[list[Message]] = [[] for _ in range(connections)]
    lanes: dict[str, int] = {}
    for message in messages:
        queues[lanes.setdefault(message.lane, len(lanes) % connections)].append(message)
    answered = await asyncio.gather(*(_converse(address, queue, told) for queue in queues if queue))
    return [sent for one in answered for sent in one]


async def _converse(address: tuple[str, int], messages: Iterable[Message], told: Told) -> list[Sent]:
    reader, writer = await asyncio.open_connection(*address, limit=4 * 1024 * 1024)
    answered: list[Sent] = []
    try:
        for message in messages:
            if not message.expected.ack:
                continue  # travels inside another one's bytes and gets no answer of its own
            start = time.perf_counter()
            writer.write(message.framed or frame(message.payload))
            await writer.drain()
            answer = await asyncio.wait_for(reader.readuntil(_END), PATIENCE)
            found = _MSA.search(answer)
            code, control = (found[1].decode(), (found[2] or b"").decode()) if found else ("", "")
            sent = Sent(message=message, code=code, control_id=control, seconds=time.perf_counter() - start)
            answered.append(sent)
            told(sent)
    finally:
        writer.close()
    return answered


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which `part` of `values` lie; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0
