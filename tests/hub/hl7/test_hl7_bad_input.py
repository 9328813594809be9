"""Bad input without end: cut, flipped, huge, hostile. Never a crash, never silence, never a wrong AA, bytes kept."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from pathlib import Path

import pytest
from channel_feed import put, send
from hl7_feed import adt, work_all
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_files import SHARED

from hl7 import batch, er7
from hl7.er7 import Message
from hl7.mllp import frame
from hub.exchange.channels import Channel
from hub.exchange.door.keep import Incoming
from hub.exchange.door.receive import take
from hub.world import Tenant, World
from mappings.reading.engine import translate
from tests.hub.hl7.test_hl7_door import GOOD, kept, listening, talk

AT = "20261122100001"
STEP = int(os.environ.get("PONTE_CUT_STEP", "31"))
"""1 cuts the samples at every byte as well, which takes minutes."""
CASES = sorted(Path(__file__).resolve().parents[2].joinpath("cases", "hl7").glob("*/in.hl7"))


@pytest.fixture(scope="module")
def plain() -> Channel:
    import uuid

    tenant = Tenant(id=uuid.uuid4(), slug="t", name="T", zone="America/Sao_Paulo", active=True)
    return Channel(id=uuid.uuid4(), tenant=tenant, name="c", door="mllp", zone=tenant.zone)


def answered(channel: Channel, raw: bytes) -> str:
    """The code a message gets."""
    return judged(channel, raw)[0]


def judged(channel: Channel, raw: bytes) -> tuple[str, Incoming]:
    """The code and what is kept; an answer can always be read and names the message as far as that could be read."""
    taken = take(channel, raw)
    said = er7.read(taken.spoken(taken.incoming.id))
    assert isinstance(said, Message) and taken.incoming.content == raw
    assert said.text("MSA", 1) == taken.code
    code = f"A{taken.code[1]}"  # CA, CE, CR of enhanced mode say the same of what was kept
    assert code == "AA" or said.first("ERR") is not None, "a refusal says why"
    return code, taken.incoming


def messages() -> list[tuple[str, bytes]]:
    """The messages of our own cases and of the shared samples, as far as those are here, with their names."""
    found = [(path.parent.name, path.read_bytes()) for path in CASES]
    if (folder := SHARED / "samples" / "hl7").is_dir():
        for path in sorted(folder.rglob("*.hl7")):
            found += [(path.name, raw) for raw in batch.split(path.read_bytes()).messages]
    return found


@pytest.mark.parametrize(
    ("step", "own"), [(STEP, False), pytest.param(1, True, marks=pytest.mark.slow)], ids=["all", "own-at-every-byte"]
)
def test_every_message_cut_at_every_byte(plain: Channel, step: int, own: bool) -> None:
    """Our cases at every byte; with the samples at every STEPth of each, beginning elsewhere in each."""
    for number, (name, raw) in enumerate(messages()[: len(CASES) if own else None]):
        whole = take(plain, raw).incoming
        meaning = max(raw.find(b"\rPID"), raw.find(b"\nPID"))
        for end in range(number % step, len(raw), step):
            code, incoming = judged(plain, raw[:end])
            if code == "AA":
                assert incoming.control_id, name
                needs_patient = whole.type.startswith(("ADT", "ORU")) and meaning >= 0
                assert not needs_patient or end > meaning, f"{name}: taken before it names a patient"


@pytest.mark.parametrize("step", [997, pytest.param(97, marks=pytest.mark.slow)])
def test_every_message_cut_anywhere_can_be_worked(step: int) -> None:
    for number, (_, raw) in enumerate(messages()):
        for end in range(20 + number % step, len(raw), step):
            message = er7.read(raw[:end])
            if isinstance(message, Message):
                translate(message, zone="America/Sao_Paulo")


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_every_message_with_random_bytes(plain: Channel, rounds: int) -> None:
    """Bits flipped, bytes set, pieces doubled and dropped: each is answered, and what can be read can be worked."""
    for nth, (name, raw) in enumerate(messages() * rounds):
        chance = random.Random(f"{nth} {name}")  # of its own: a new case does not change what is done to the others
        bad = bytearray(raw)
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(bad))
            match chance.randrange(4):
                case 0:
                    bad[place] ^= 1 << chance.randrange(8)
                case 1:
                    bad[place] = chance.randrange(256)
                case 2:
                    del bad[place : place + chance.randint(1, 40)]
                case _:
                    bad[place:place] = bad[place : place + chance.randint(1, 40)]
            if not bad:
                break
        answered(plain, bytes(bad))
        message = er7.read(bytes(bad))
        if isinstance(message, Message):
            translation = translate(message, zone="America/Sao_Paulo")
            counts = translation.account.counts()
            assert counts["total"] == counts["mapped"] + counts["ignored"] + counts["unmapped"], name


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CASES), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes(plain: Channel, path: Path, flips: list[tuple[int, int]]) -> None:
    raw = bytearray(path.read_bytes())
    for place, value in flips:
        raw[place % len(raw)] = value
    answered(plain, bytes(raw))
    message = er7.read(bytes(raw))
    if isinstance(message, Message):
        translate(message, zone="America/Sao_Paulo")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_anything_at_all(plain: Channel, raw: bytes) -> None:
    answered(plain, raw)
    answered(plain, b"MSH|^~\\&|" + raw)
    answered(plain, raw.join([b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5\rPID|1||", b"|", b"\rPV1|1|I\r"]))


@pytest.mark.parametrize("version", ["²", "2.²", "9" * 5000, "-", "2..5", "v2.5"])
def test_versions_that_are_none_are_answered(plain: Channel, version: str) -> None:
    answered(plain, f"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|{version}\rPID|1\r".encode())


UGLY = {
    "control": "a\x01\x07\x1f\x7fb",
    "bidi": "abc\u202edcba\u2066x\u2069",
    "zero-width": "a\u200b\u200d\ufeffb",
    "four-byte": "😀𝒜\U0010fffd",
    "quotes": "'\"; DROP TABLE message; --",
    "long": "x" * 70_000,
    "format": "%s{0}${x}\\n",
    "c1": "a\x85\x9bb",
    "null-word": '""',
    "noncharacter": "\ufdd0\uffff",
}


@pytest.mark.parametrize("name", UGLY)
async def test_ugly_text_in_every_field(world: World, tenant: Tenant, name: str) -> None:
    """Each message has the text in one field of MSH, EVN, PID, PV1; all are answered, kept, and worked or told why."""
    to = await put(world, tenant, 'name = "his"\ndoor = "mllp"')
    messages, base = [], [line.split("|") for line in adt("A01", "A", "V1", AT).rstrip("\r").split("\r")]
    for segment, fields in enumerate(base):
        for place in range(2 if segment == 0 else 1, min(len(fields) + 4, 52)):
            lines = [[*line] for line in base]
            lines[segment] += [""] * 5
            lines[segment][place] = UGLY[name]
            if (segment, place) != (0, 9):
                lines[0][9] = f"{name}{segment}.{place}"
            messages.append("\r".join("|".join(line) for line in lines).encode())
    said = await send(world, tenant, to, *messages)
    assert all(item.payload.startswith(b"MSH") for item in said)
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT status, content, problems FROM message WHERE tenant_id = $1 ORDER BY seq")
    assert sorted(bytes(row["content"]) for row in rows) == sorted(messages), "byte for byte"
    for row in rows:
        assert row["status"] != "RECEIVED"
        assert "message.defect" not in [p["code"] for p in json.loads(row["problems"])]


async def test_a_segment_a_hundred_thousand_times(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.hub.hl7.test_hl7_door.LIMIT", 10_000_000)
    raw = (GOOD + "NTE|1||Observação repetida\r" * 100_000).encode()
    async with listening(world, tenant) as port:
        busy = asyncio.create_task(talk(port, frame(raw)))
        start = time.perf_counter()
        other = await talk(port, frame(GOOD.replace("|T", "|U").encode()))
        assert b"MSA|AA" in other and time.perf_counter() - start < 20, "others are not held up"
        assert b"MSA|AA" in await busy
    assert sorted(len(content) for _, content in await kept(world, tenant))[-1] == len(raw)


@pytest.mark.slow
async def test_a_hundred_megabytes_are_refused(world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the limit a frame is refused while it is still coming; others go on."""
    monkeypatch.setattr("tests.hub.hl7.test_hl7_door.LIMIT", 80 * 1024 * 1024)
    raw = (GOOD + "OBX|1|ED|PDF||^application^pdf^Base64^").encode()
    async with listening(world, tenant) as port:
        over = await talk(port, b"\x0b" + raw, *[b"A" * (1024 * 1024)] * 100)
        assert over == b"" or b"er7.too-large" in over
        assert b"MSA|AA" in await talk(port, frame(GOOD.encode()))


async def test_bulky_frames_wait_for_a_place(world: World, tenant: Tenant) -> None:
    big = [frame((adt("A01", f"B{n}", f"V{n}", AT) + "NTE|1||" + "x" * 1_500_000).encode()) for n in range(8)]
    async with listening(world, tenant) as port:
        streams = [await asyncio.open_connection("127.0.0.1", port) for _ in big]
        for (_, writer), raw in zip(streams, big, strict=True):
            writer.write(raw[:700_000])
        await asyncio.sleep(0.2)
        assert b"MSA|AA" in await talk(port, frame(GOOD.encode())), "small ones pass by"
        for (_, writer), raw in zip(streams, big, strict=True):
            writer.write(raw[700_000:])
        answers = await asyncio.gather(*(asyncio.wait_for(reader.readuntil(b"\x1c\r"), 20) for reader, _ in streams))
        assert all(b"MSA|AA" in answer for answer in answers)
        for _, writer in streams:
            writer.close()


async def test_pipelined_frames_keep_their_order(world: World, tenant: Tenant) -> None:
    chance = random.Random(7)
    messages = [adt("A01", f"P{chance.randrange(5)}", f"V{n}", AT) for n in range(300)]
    async with listening(world, tenant) as port:
        answer = await talk(port, *(frame(m.encode()) for m in messages))
    said = [part.split(b"|")[2].split(b"\r")[0].decode() for part in answer.split(b"\rMSA")[1:]]
    assert said == [m.split("|")[9] for m in messages]
    assert [content for _, content in await kept(world, tenant)] == [m.encode() for m in messages]
    await work_all(world, tenant)
