"""Size and pace at the MLLP door: a frame of 64 MB, senders of a byte a second; others go on meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from door_process import door

from api.doors import conversation
from hl7.mllp import frame
from hub.world import Tenant, World
from tests.hub.hl7.test_hl7_door import GOOD, kept, listening, talk

MB = 1024 * 1024
SLOW = 200
SHORT = "MSH|^~\\&|S||P||20261122||ADT^A28|{}|P|2.5\rPID|||{}\r"


async def put(port: int, *parts: bytes) -> bytes:
    """The first answer to a message sent in parts; the connection then ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 120)
    finally:
        writer.close()


@pytest.mark.slow
async def test_memory_of_the_door_for_sixty_four_megabytes(world: World, tenant: Tenant) -> None:
    """The door's process holds the frame as bytes, as text and as segments, never more, and gives it all back."""
    head = (GOOD + "OBX|1|ED|PDF||^application^pdf^Base64^").encode()
    block = b"QUJD" * (MB // 4)
    with door(world.settings, tenant, 80 * MB) as running:
        for _ in range(20):  # what any first message costs
            assert b"MSA|AA" in await put(running.port, frame(GOOD.encode()))
        idle = running.resident()
        running.forget()
        big = asyncio.create_task(put(running.port, b"\x0b" + head, *[block] * 64, b"\r\x1c\r"))
        while not big.done():
            begun = time.perf_counter()
            assert b"MSA|AA" in await put(running.port, frame(GOOD.encode()))
            assert time.perf_counter() - begun < 10, "others are not held up"
            await asyncio.sleep(0.05)
        assert b"MSA|AA" in big.result()
        peak, after = running.resident("VmHWM") - idle, running.resident() - idle
    assert peak < 4 * 64, f"{peak / 64:.2f} times the frame"
    assert after < 64, f"{after:.0f} MB are not given back"
    content = head + block * 64 + b"\r"
    assert ("RECEIVED", content) in await kept(world, tenant), "byte for byte"


async def trickle(port: int, raw: bytes, at_once: int) -> bytes:
    """The answer to `raw`, of which all but `at_once` bytes are sent one a second, and what is said at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw[:at_once])
        for place in range(at_once, len(raw)):
            await asyncio.sleep(1)
            writer.write(raw[place : place + 1])
        return await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 60)
    finally:
        writer.close()


async def test_two_hundred_senders_of_a_byte_a_second(world: World, tenant: Tenant, rest: int = 3) -> None:
    """Their messages come whole in the end, each is answered, and a good sender is answered at once meanwhile."""
    async with listening(world, tenant) as port:
        raws = [frame(SHORT.format(n, n + 1).encode()) for n in range(SLOW)]
        slow = [asyncio.create_task(trickle(port, raw, max(0, len(raw) - rest))) for raw in raws]
        good, waits = 0, []
        while not all(task.done() for task in slow):
            begun = time.perf_counter()
            assert b"MSA|AA" in await talk(port, frame(SHORT.format(f"G{good}", "9").encode()))
            waits.append(time.perf_counter() - begun)
            good += 1
            await asyncio.sleep(0.1)
        answers = await asyncio.gather(*slow)
    assert all(f"MSA|AA|{n}".encode() in answer for n, answer in enumerate(answers))
    assert good >= rest and sorted(waits)[len(waits) // 2] < 2 and max(waits) < 10
    assert len(await kept(world, tenant)) == SLOW + good


async def test_who_never_ends_is_told_so(world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time a frame that has not ended is refused by name, what came of it is kept, the connection ends."""
    monkeypatch.setattr(conversation, "HALF_FRAME_SECONDS", 0.5)
    raw = b"\x0b" + SHORT.format("N", "7").encode()
    async with listening(world, tenant) as port:
        streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SLOW)]
        for _, writer in streams:
            writer.write(raw)
        assert b"MSA|AA" in await talk(port, frame(GOOD.encode())), "others are not held up"
        for reader, writer in streams:
            answer = await asyncio.wait_for(reader.read(), 60)
            assert b"MSA|AR|N" in answer and b"er7.too-slow" in answer
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
    found = await kept(world, tenant)
    assert ("ERROR", raw[1:]) in found and len([1 for status, _ in found if status == "RECEIVED"]) == 1
