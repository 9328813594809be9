"""Notifications to a subscriber: signed, bounded in time and size, never led elsewhere (OWASP API 2023, SSRF)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import peers
import pytest

from adapters.transports import Answer, Call, Means, Unsent
from adapters.transports.webhook import LARGEST_ANSWER, WebhookTransport
from canonical.errors import Misconfigured, PonteError, Refused, TryLater

BODY = '{"resourceType":"Patient","id":"ç"}'.encode()
KEY = "a key that both have"
SOON = 0.6  # seconds: for a deadline that is to pass. Where an answer is to come, a busy machine has time for it.


async def told(
    script: Callable[[int, bytes], object], *, allow_private: bool = True, **settings: Any
) -> tuple[Answer, peers.HttpPeer]:
    """The answer to one notification, and what the subscriber received."""
    async with peers.http(script) as peer:
        values = {"kind": "webhook", "url": f"http://127.0.0.1:{peer.port}/hook", "timeout_s": 30, **settings}
        secret = {"key": KEY, "headers": '{"authorization": "Bearer x"}'}
        transport = WebhookTransport(Means(settings=values, allow_private=allow_private, secret=secret))
        try:
            return await transport.send(Call(content=BODY, key="delivery-1", action="PUT Patient/1")), peer
        finally:
            await transport.close()


async def test_what_is_sent_is_signed_with_its_time() -> None:
    answer, peer = await told(lambda n, b: (200, "text/plain", b"x" * 10_000_000))
    headers, body = peer.received[0]
    assert body == BODY and headers[":path"] == "/hook/Patient/1" and headers["ponte-delivery"] == "delivery-1"
    stamp = headers["ponte-timestamp"]
    assert abs(int(stamp) - time.time()) < 60 and headers["authorization"] == "Bearer x"
    wanted = hmac.new(KEY.encode(), stamp.encode() + b"." + BODY, hashlib.sha256).hexdigest()
    assert headers["ponte-signature"] == f"sha256={wanted}"
    assert answer.content == b"HTTP 200"  # of ten million bytes nothing is kept


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, Misconfigured), (302, Misconfigured), (307, Misconfigured), (308, Misconfigured), (401, Misconfigured), (404, Misconfigured),
        (410, Refused), (429, Unsent), (503, Unsent), (400, TryLater), (500, TryLater),
    ],
)  # fmt: skip
async def test_statuses(status: int, kind: type[PonteError]) -> None:
    with pytest.raises(kind) as caught:
        await told(lambda n, b: (status, "text/plain", b"secret answer"))
    assert caught.value.code == f"transport.http-{status}" and "secret" not in str(caught.value)


async def raw(script: Callable[[asyncio.StreamWriter], Any], seconds: float = 30) -> tuple[Any, int]:
    """What becomes of a notification to a server that answers by hand, and how many connections it saw."""
    seen = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            await script(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = WebhookTransport(
        Means(settings={"url": f"http://127.0.0.1:{port}/", "timeout_s": seconds}, allow_private=True)
    )
    try:
        return await transport.send(Call(content=b"", key="k")), seen
    except PonteError as error:
        return error, seen
    finally:
        await transport.close()
        server.close()


async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("sockname")[1]
        writer.write(
            f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/inside\r\nContent-Length: 0\r\n\r\n".encode()
        )
        await writer.drain()

    error, seen = await raw(elsewhere)
    assert isinstance(error, Misconfigured) and seen == 1


async def test_an_endless_answer_is_cut() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x" * LARGEST_ANSWER)
            await writer.drain()

    answer, _ = await raw(endless)  # the deadline would be an error
    assert isinstance(answer, Answer) and answer.type == "200"


async def test_an_answer_that_drips_ends_at_the_deadline() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    error, _ = await raw(drip, seconds=SOON)
    assert isinstance(error, TryLater) and error.code == "transport.timeout"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "10.0.0.1", "0.0.0.0"])
async def test_no_private_address_whatever_it_is_called(host: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        await told(lambda n, b: (200, "text/plain", b""), allow_private=False, url=f"http://{host}:80/hook")
    assert caught.value.code == "transport.private"


async def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads elsewhere at its second look-up (DNS rebinding) is looked up once only."""
    looked: list[str] = []

    async def resolve(host: str, port: int, *, allow_private: bool) -> str:
        looked.append(host)
        return "127.0.0.1"

    monkeypatch.setattr("adapters.transports.http.resolve", resolve)
    async with peers.http(lambda n, b: (200, "text/plain", b"")) as peer:
        url = f"http://subscriber.invalid:{peer.port}/hook"
        transport = WebhookTransport(Means(settings={"url": url, "timeout_s": 5}))
        await transport.send(Call(content=b"", key="k"))
        await transport.close()
        assert looked == ["subscriber.invalid"] and peer.received[0][0]["host"] == f"subscriber.invalid:{peer.port}"
