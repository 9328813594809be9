"""Bad input at both HL7 doors: always a clear answer, the bytes kept, the other connections unaffected."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hl7_feed import adt, msh

from api.doors.mllp import Listener
from api.http.app import create_app
from hl7.mllp import frame
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.guard import tokens
from hub.world import Tenant, World

AT = "20261122100001"
LIMIT = 2_000_000
GOOD = adt("A01", "A", "V1", AT)


@contextlib.asynccontextmanager
async def listening(world: World, tenant: Tenant) -> AsyncIterator[int]:
    channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
    listener = Listener(channel, Keeper(world.database), LIMIT)
    try:
        yield await listener.start("127.0.0.1", 0)
    finally:
        await listener.stop()


async def talk(port: int, *parts: bytes) -> bytes:
    """Everything the door says to `parts` before it closes or falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    for part in parts:
        writer.write(part)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
    try:
        writer.write_eof()
        return await asyncio.wait_for(reader.read(-1), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def kept(world: World, tenant: Tenant) -> list[tuple[str, bytes]]:
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT status, content FROM message WHERE tenant_id = $1 ORDER BY seq")
    return [(row["status"], bytes(row["content"])) for row in rows]


BAD = {
    "empty": (b"", b"MSA|AE", b"er7.empty"),
    "blanks": (b"\r\n\r\n", b"MSA|AE", b"er7.empty"),
    "not-hl7": (b'{"resourceType": "Patient"}', b"MSA|AE", b"er7.no-header"),
    "html": (b"<html><body>502</body></html>", b"MSA|AE", b"er7.no-header"),
    "nul": (b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|2.5\rPID|1\x00", b"MSA|AE|7", b"charset.nul"),
    "utf16": ("MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|2.5\r".encode("utf-16"), b"MSA|AE", b"charset.nul"),
    "second-header": (b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|2.5\rMSH|^~\\&|A", b"MSA|AE|7", b"er7.second-header"),
    "broken-segment": (b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|2.5\rPI", b"MSA|AE|7", b"er7.segment"),
    "delimiters": (b"MSH|||A|B|C|D|2026||ADT^A01|7|P|2.5\r", b"MSA|AE", b"er7.delimiters"),
    "no-control-id": (b"MSH|^~\\&|A|B|C|D|2026||ADT^A01||P|2.5\rPID|1||9\r", b"MSA|AE", b"ERR||MSH^1^10|101"),
    "unknown-type": (b"MSH|^~\\&|A|B|C|D|2026||XYZ^Z99|7|P|2.5\r", b"MSA|AR|7", b"ERR||MSH^1^9|200"),
    "version-3": (b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|3.0\rPID|1||9\r", b"MSA|AR|7", b"ERR||MSH^1^12|203"),
    "processing": (b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|X|2.5\rPID|1||9\r", b"MSA|AR|7", b"ERR||MSH^1^11|202"),
    "no-patient-number": (b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|2.5\rPID|1||||Ana\r", b"MSA|AE|7", b"ERR||PID^1^3|101"),
    "lying-charset": (
        b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|2.5||||||UNICODE UTF-16\r",
        b"MSA|AE|7",
        b"charset.unsupported",
    ),
    "lone-c1": (
        b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|2.5\rPID|1||9||\x81\x8d\x8f\r",
        b"MSA|AE|7",
        b"charset.undecodable",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_message_is_answered_and_kept(world: World, tenant: Tenant, name: str) -> None:
    raw, verdict, place = BAD[name]
    async with listening(world, tenant) as port:
        answer = await talk(port, frame(raw), frame(GOOD.encode()))
    first, second = answer.split(b"\x1c\r")[:2]
    assert verdict in first and place in first, first
    assert b"MSA|AA|" in second, "the connection goes on"
    assert first.isascii() and b"\\X" not in first, "an ASCII channel gets words without accents"
    assert (await kept(world, tenant))[0] == ("ERROR", raw)


async def test_frames_split_and_joined_anywhere(world: World, tenant: Tenant) -> None:
    many = [adt("A01", f"P{n}", f"V{n}", AT) for n in range(5)]
    stream = b"noise" + b"".join(frame(m.encode()) for m in many)
    async with listening(world, tenant) as port:
        joined = await talk(port, stream)
        single = await talk(port, *(stream[i : i + 7] for i in range(0, len(stream), 7)))
    assert joined.count(b"MSA|AA|") == 5
    assert re.findall(rb"MSA\|[^\r]*", joined) == re.findall(rb"MSA\|[^\r]*", single), "in order, resends alike"


async def test_cut_and_unfinished_frames_are_kept_and_not_answered(world: World, tenant: Tenant) -> None:
    half = GOOD.encode()[:100]
    async with listening(world, tenant) as port:
        answer = await talk(port, b"\x0b" + half + frame(GOOD.encode()) + b"\x0b" + half)
    assert answer.count(b"MSA|") == 1 and b"MSA|AA" in answer
    for _ in range(100):
        found = await kept(world, tenant)
        if len(found) == 3:
            break
        await asyncio.sleep(0.02)
    assert [status for status, _ in found].count("ERROR") == 2 and found[0] == ("ERROR", half)


async def test_frame_over_the_limit(world: World, tenant: Tenant) -> None:
    huge = GOOD.encode() + b"NTE|1||" + b"x" * (100 * 1024 * 1024 // 16)
    async with listening(world, tenant) as port:
        good = asyncio.create_task(_one_by_one(port, 30))
        answer = await talk(port, frame(huge))
        slowest = await good
    assert answer == b"" or (b"MSA|AR|" in answer and b"er7.too-large" in answer)
    assert slowest < 2.0
    _, content = next((s, c) for s, c in await kept(world, tenant) if s == "ERROR")
    assert huge.startswith(content) and len(content) == 1024 * 1024


async def _one_by_one(port: int, count: int) -> float:
    """The longest wait for an answer, in seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    slowest = 0.0
    for number in range(count):
        writer.write(frame(adt("A01", f"S{number}", f"W{number}", AT).encode()))
        start = time.perf_counter()
        answer = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 20)
        slowest = max(slowest, time.perf_counter() - start)
        assert b"MSA|AA|" in answer
    writer.close()
    return slowest


async def test_slow_frame_has_a_deadline(world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.doors.conversation.HALF_FRAME_SECONDS", 0.3)
    async with listening(world, tenant) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        start = time.perf_counter()
        for byte in frame(GOOD.encode())[:40]:
            writer.write(bytes((byte,)))
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            await asyncio.sleep(0.02)
            if reader.at_eof():
                break
        answer = await asyncio.wait_for(reader.read(), 20)
        assert b"er7.too-slow" in answer and b"\rMSA|AR\r" in answer, "a number that was cut is not answered"
        assert time.perf_counter() - start < 20
        writer.close()


async def test_same_id_other_body_is_kept_and_flagged(world: World, tenant: Tenant) -> None:
    other = GOOD.replace("Souza^Ana", "Souza^Eva")
    async with listening(world, tenant) as port:
        answer = await talk(port, frame(GOOD.encode()), frame(other.encode()), frame(GOOD.encode()))
    assert answer.count(b"MSA|AA|") == 3
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT receipts, conflict FROM message WHERE tenant_id = $1 ORDER BY seq")
    assert [tuple(row) for row in rows] == [(2, False), (1, True)]


async def test_http_door(world: World, tenant: Tenant) -> None:
    transport = httpx.ASGITransport(app=create_app(world, Keeper(world.database)))
    token = await tokens.issue(world, tenant, "test", roles=[], scopes=["hl7/write"])
    weak = await tokens.issue(world, tenant, "test", roles=[], scopes=["tiss/read"])
    head = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        for name, (raw, verdict, _) in BAD.items():
            answer = await client.post("/hl7", content=raw, headers=head)
            assert answer.status_code == 200 and verdict in answer.content, name
        good = await client.post("/hl7", content=GOOD.encode("utf-8"), headers=head)
        assert b"MSA|AA|" in good.content and good.headers["content-type"].startswith("application/hl7-v2")
        assert (await client.post("/hl7", content=b"x")).status_code == 401
        assert (await client.post("/hl7", content=b"x", headers={"authorization": f"Bearer {weak}"})).status_code == 403
    small = dataclasses.replace(world, settings=dataclasses.replace(world.settings, max_message_bytes=1000))
    transport = httpx.ASGITransport(app=create_app(small, Keeper(world.database)))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        large = await client.post("/hl7", content=b"MSH|" + b"x" * 5000, headers=head)
    assert large.status_code == 413 and large.json()["problems"][0]["code"] == "er7.too-large"


async def test_http_bodies_that_are_packed(world: World, tenant: Tenant) -> None:
    token = await tokens.issue(world, tenant, "test", roles=[], scopes=["hl7/write"])
    small = dataclasses.replace(world, settings=dataclasses.replace(world.settings, max_message_bytes=100_000))
    transport = httpx.ASGITransport(app=create_app(small, Keeper(world.database)))
    head = {"authorization": f"Bearer {token}", "content-encoding": "gzip"}
    packed = gzip.compress(GOOD.encode())
    batch = gzip.compress(b"BHS|^~\\&|H\r" + GOOD.encode() + b"BTS|1\r")
    bomb = gzip.compress(b"MSH|" + b"x" * 5_000_000)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub", headers=head) as client:
        assert b"MSA|AA|" in (await client.post("/hl7", content=packed)).content
        told = await client.post("/hl7", content=batch)
        assert told.content.startswith(b"BHS|") and b"MSA|AA|" in told.content
        for content, coding, status in (
            (packed[:-9], "gzip", 400),
            (GOOD.encode(), "gzip", 400),
            (packed, "br", 415),
            (bomb, "gzip", 413),
        ):
            answer = await client.post("/hl7", content=content, headers={"content-encoding": coding})
            assert answer.status_code == status, coding
    assert {content[:4] for _, content in await kept(world, tenant)} == {b"MSH|", b"BHS|"}, "as it was before packing"


async def test_a_sender_that_goes_away_within_its_body_is_no_defect(world: World, tenant: Tenant) -> None:
    token = await tokens.issue(world, tenant, "test", roles=[], scopes=["hl7/write"])
    app = create_app(world, Keeper(world.database))
    said = iter([{"type": "http.request", "body": b"MSH|", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(said)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {token}".encode()), (b"host", b"hub")]
    scope = {"type": "http", "method": "POST", "path": "/hl7", "raw_path": b"/hl7", "query_string": b"", "headers": headers,
             "http_version": "1.1", "scheme": "http", "server": ("hub", 80), "client": ("127.0.0.1", 9), "root_path": ""}  # fmt: skip
    await app(scope, receive, send)
    assert sent[0]["status"] == 400 and await kept(world, tenant) == []


async def test_answer_speaks_the_senders_charset(world: World, tenant: Tenant) -> None:
    latin = msh("ADT^A01", AT).replace("UNICODE UTF-8", "8859/1") + "\rPID|1||||Conceição\r"
    async with listening(world, tenant) as port:
        answer = await talk(port, frame(latin.encode("latin-1")))
    assert "obrigatório".encode("latin-1") in answer and b"8859/1" in answer
