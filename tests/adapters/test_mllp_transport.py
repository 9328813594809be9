"""The MLLP client against peers that lie, stall, cut and chatter: only the right acknowledgement counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import peers
import pytest

from adapters.transports import Answer, Call, Means, Unsent
from adapters.transports.mllp import MllpTransport
from canonical.errors import Misconfigured, PonteError, TryLater

MESSAGE = b"MSH|^~\\&|P|H|L|L|20261122||OML^O21|c1|P|2.5\r"
SOON = 0.5  # seconds: for a deadline that is to pass. Where an answer is to come, a busy machine has time for it.

WAITED_FOR = ("transport.timeout", "transport.ack-other", "transport.ack-unframed", "transport.tls-wanted")


def client(port: int, **settings: Any) -> MllpTransport:
    values = {"kind": "mllp", "host": "127.0.0.1", "port": port, "timeout_s": 30, "connect_timeout_s": 30, **settings}
    return MllpTransport(Means(settings=values, allow_private=True))


async def exchange(script: Callable[[int, bytes], object], **settings: Any) -> Answer:
    async with peers.mllp(script) as peer:
        transport = client(peer.port, **settings)
        try:
            return await transport.send(Call(content=MESSAGE, key="k", control_id="c1"))
        finally:
            await transport.close()


@pytest.mark.parametrize(
    ("code", "condition", "verdict"),
    [
        ("AA", "", "accepted"), ("CA", "", "accepted"), ("AE", "", "refused"), ("CE", "", "refused"),
        ("AR", "", "later"), ("CR", "207", "later"), ("AR", "200", "refused"), ("AR", "203", "refused"),
    ],
)  # fmt: skip
async def test_codes(code: str, condition: str, verdict: str) -> None:
    answer = await exchange(lambda n, m: peers.framed(peers.ack(m, code, condition=condition)))
    assert (answer.verdict, answer.code, answer.format) == (verdict, f"ack.{code.lower()}", "hl7")
    assert answer.content == peers.ack(MESSAGE, code, condition=condition)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda m: None, "transport.timeout"),
        (lambda m: peers.framed(peers.ack(m, answered="other")), "transport.ack-other"),
        (lambda m: peers.framed(peers.ack(m, answered="c1 ")), "transport.ack-other"),
        (lambda m: peers.framed(b"hello"), "transport.not-hl7"),
        (lambda m: peers.framed(peers.ack(m, "ZZ")), "transport.ack-unknown"),
        (lambda m: peers.framed(b"MSH|^~\\&|L|L|P|H|20261122||ACK|A|P|2.5\r"), "transport.ack-other"),
        (lambda m: peers.framed(peers.ack(m))[:-20], "transport.ack-unframed"),
        (lambda m: peers.framed(peers.ack(m))[:-1], "transport.ack-unframed"),
        (lambda m: b"garbage without any frame", "transport.ack-unframed"),
        (lambda m: b"\x15\x03\x03\x00\x02\x02\x46", "transport.tls-wanted"),
        (lambda m: b"\x0b" + b"x" * 5_000_000, "transport.too-large"),
    ],
    ids=[
        "silence",
        "wrong id",
        "padded id",
        "no hl7",
        "unknown code",
        "no msa",
        "truncated",
        "no CR behind FS",
        "garbage",
        "a TLS alert",
        "endless",
    ],
)
async def test_what_is_no_answer(answer: Callable[[bytes], object], code: str) -> None:
    with pytest.raises(TryLater) as caught:
        await exchange(lambda n, m: answer(m), timeout_s=SOON if code in WAITED_FOR else 30)
    assert caught.value.code == code and not isinstance(caught.value, Unsent)


async def test_a_byte_at_a_time_is_bounded_by_the_deadline() -> None:
    async def drip(number: int, message: bytes) -> bytes:
        await asyncio.sleep(0)
        return b"\x0b"

    start = asyncio.get_running_loop().time()
    with pytest.raises(TryLater):
        await exchange(drip, timeout_s=0.3)
    assert asyncio.get_running_loop().time() - start < 1.5


async def test_closed_before_the_answer_leaves_it_open_whether_it_arrived() -> None:
    def close(number: int, message: bytes) -> object:
        raise ConnectionError

    with pytest.raises(TryLater) as caught:
        await exchange(close)
    assert caught.value.code == "transport.closed" and not isinstance(caught.value, Unsent)


async def test_a_late_answer_is_not_taken_for_the_next_message() -> None:
    async def late(number: int, message: bytes) -> bytes:
        if number == 1:
            await asyncio.sleep(0.7)
        return peers.framed(peers.ack(message))

    async with peers.mllp(late) as peer:
        transport = client(peer.port, timeout_s=SOON)
        with pytest.raises(TryLater):
            await transport.send(Call(content=MESSAGE, key="k", control_id="c1"))
        second = MESSAGE.replace(b"c1", b"c2")
        answer = await transport.send(Call(content=second, key="k2", control_id="c2"))
        assert answer.content == peers.ack(second) and peer.connections == 2
        await transport.close()


@pytest.mark.parametrize(("named", "code"), [("c0", "transport.timeout"), ("c9", "transport.ack-other")])
async def test_an_application_that_names_no_message_of_ours_is_told_as_that(named: str, code: str) -> None:
    """In enhanced mode an application may answer an earlier message late: only then is our own one unanswered."""

    def answers(number: int, message: bytes) -> bytes:
        return peers.framed(
            peers.ack(message, "CA") if b"|c0|" in message else peers.ack(message, "AA", answered=named)
        )

    async with peers.mllp(answers) as peer:
        values = {"kind": "mllp", "host": "127.0.0.1", "port": peer.port, "timeout_s": SOON, "connect_timeout_s": 30}
        how = {"mode": "enhanced", "application": "later"}
        transport = MllpTransport(Means(settings=values, allow_private=True, acknowledge=how))
        await transport.send(Call(content=MESSAGE.replace(b"|c1|", b"|c0|"), key="k", control_id="c0"))
        with pytest.raises(TryLater) as caught:
            await transport.send(Call(content=MESSAGE, key="k", control_id="c1"))
        assert caught.value.code == code
        await transport.close()


async def test_an_answer_to_another_message_before_ours_is_dropped() -> None:
    def chatter(number: int, message: bytes) -> bytes:
        return peers.framed(peers.ack(message, answered="old")) + peers.framed(peers.ack(message))

    async with peers.mllp(chatter) as peer:
        transport = client(peer.port)
        answer = await transport.send(Call(content=MESSAGE, key="k", control_id="c1"))
        assert answer.verdict == "accepted" and transport.strays == 1
        await transport.close()


async def test_nobody_listens_and_no_name() -> None:
    for transport in (client(peers.dead_port()), client(1, host="no-such-host.invalid")):
        with pytest.raises(Unsent):
            await transport.send(Call(content=MESSAGE, key="k", control_id="c1"))


async def test_the_connection_is_used_again_and_made_again_when_it_was_closed() -> None:
    def polite(number: int, message: bytes) -> bytes:
        return peers.framed(peers.ack(message))

    async with peers.mllp(polite) as peer:
        transport = client(peer.port)
        for _ in range(3):
            await transport.send(Call(content=MESSAGE, key="k", control_id="c1"))
        assert peer.connections == 1
        await transport.close()
        await transport.send(Call(content=MESSAGE, key="k", control_id="c1"))
        assert peer.connections == 2
        await transport.close()


async def test_a_partner_that_closes_a_moment_after_each_answer_gets_the_next_message_at_once() -> None:
    """It closes while the next message is on its way and unread there: its system resets the connection."""
    answered: list[bytes] = []
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        message = await reader.readuntil(peers.END)
        answered.append(message[1:-2])
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # nobody reads on, as in a program that sleeps
        writer.write(peers.framed(peers.ack(message[1:-2])))
        await asyncio.sleep(0.2)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = client(server.sockets[0].getsockname()[1])
    for name in (b"c1", b"c2", b"c3"):
        call = Call(content=MESSAGE.replace(b"c1", name), key="k", control_id=name.decode())
        assert (await transport.send(call)).verdict == "accepted"
    await transport.close()
    await asyncio.gather(*(task for task in serving if task is not None))
    server.close()
    assert peers.ids_of(answered) == ["c1", "c2", "c3"], "each was read once, in order"


async def test_a_partner_that_reads_and_closes_is_not_sent_the_same_twice() -> None:
    def close(number: int, message: bytes) -> bytes:
        if number == 2:
            raise ConnectionError
        return peers.framed(peers.ack(message))

    async with peers.mllp(close) as peer:
        transport = client(peer.port)
        await transport.send(Call(content=MESSAGE, key="k", control_id="c1"))
        with pytest.raises(TryLater) as caught:
            await transport.send(Call(content=MESSAGE.replace(b"c1", b"c2"), key="k2", control_id="c2"))
        assert caught.value.code == "transport.closed" and peer.ids == ["c1", "c2"]
        await transport.close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "::1",
        "0.0.0.0",
        "::ffff:10.0.0.1",
        "localhost",
        "",
        "192.168.0.9",
        "[::]",
    ],
)
async def test_private_targets_are_refused(address: str) -> None:
    transport = MllpTransport(Means(settings={"host": address, "port": 2575}, allow_private=False))
    with pytest.raises(PonteError) as caught:
        await transport.send(Call(content=MESSAGE, key="k", control_id="c1"))
    assert isinstance(caught.value, Misconfigured | Unsent) and caught.value.code in (
        "transport.private", "transport.address", "transport.name",
    )  # fmt: skip
