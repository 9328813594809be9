"""The SOAP client: exact bytes, faults are answers, pages and outages are not, private addresses are refused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import peers
import pytest

from adapters.transports import Answer, Call, Means, Unsent
from adapters.transports.soap import SoapTransport, is_envelope
from adapters.transports.targets import is_public, resolve
from canonical.errors import Misconfigured, PonteError, Refused, TryLater

BODY = b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<soap:Envelope>\xe7</soap:Envelope>'
REPLY = b'<?xml version="1.0"?>\r\n<!-- x --><S:Envelope xmlns:S="u"><S:Body/></S:Envelope> '
FAULT = b"<soapenv:Envelope><soapenv:Fault/></soapenv:Envelope>"


async def exchange(script: Callable[[int, bytes], object], **settings: Any) -> tuple[Answer, peers.HttpPeer]:
    async with peers.http(script) as peer:
        values = {"kind": "soap", "url": f"http://127.0.0.1:{peer.port}/tiss?x=1", "timeout_s": 30, **settings}
        transport = SoapTransport(Means(settings=values, allow_private=True))
        try:
            answer = await transport.send(Call(content=BODY, key="key-1", action="lote", operation="op"))
            return answer, peer
        finally:
            await transport.close()


async def test_exact_bytes_both_ways() -> None:
    answer, peer = await exchange(lambda n, b: (200, "text/xml", REPLY))
    headers, body = peer.received[0]
    assert body == BODY and answer.content == REPLY and answer.format == "soap"
    assert headers["soapaction"] == '"lote"' and headers["idempotency-key"] == "key-1"
    assert headers["content-type"] == "text/xml" and headers[":path"] == "/tiss?x=1"
    assert headers["host"].startswith("127.0.0.1:")


async def test_a_fault_is_an_answer() -> None:
    answer, _ = await exchange(lambda n, b: (500, "text/xml", FAULT))
    assert (answer.content, answer.type) == (FAULT, "fault")


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ((503, "text/html", b"<html>"), Unsent, "transport.http-503"),
        ((429, "text/plain", b""), Unsent, "transport.http-429"),
        ((500, "text/html", b"<html>"), TryLater, "transport.http-500"),
        ((502, "text/xml", REPLY), TryLater, "transport.http-502"),
        ((200, "text/html", b"<!DOCTYPE html><html></html>"), TryLater, "payer.not-soap"),
        ((200, "text/xml", b""), TryLater, "payer.not-soap"),
        ((200, "text/xml", b"\x00\x01\x02garbage"), TryLater, "payer.not-soap"),
        ((200, "application/json", b'{"ok":true}'), TryLater, "payer.not-soap"),
        ((400, "text/plain", b"no"), Refused, "transport.http-400"),
        ((413, "text/plain", b"no"), Refused, "transport.http-413"),
        ((401, "text/plain", b"no"), Misconfigured, "transport.http-401"),
        ((404, "text/html", b"no"), Misconfigured, "transport.http-404"),
        ((302, "text/html", b"login"), Misconfigured, "transport.http-302"),
        (None, TryLater, "transport.closed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n<S:Envelope>", TryLater, "transport.closed"),
        (b"\x15\x03\x01\x00\x02\x02\x16", TryLater, "transport.closed"),
    ],
)
async def test_what_is_no_answer(answer: object, kind: type[PonteError], code: str) -> None:
    with pytest.raises(kind) as caught:
        await exchange(lambda n, b: answer)
    assert caught.value.code == code
    told = answer[2] if isinstance(answer, tuple) else b""
    said = caught.value.said
    assert (said.content if isinstance(said, Answer) else b"") == told  # kept by who asked, whatever it is
    if kind is TryLater:
        assert not isinstance(caught.value, Unsent), "the partner may have it"


async def test_silence_and_dripping_end_at_the_deadline() -> None:
    async def silent(number: int, body: bytes) -> None:
        await asyncio.sleep(5)

    with pytest.raises(TryLater) as caught:
        await exchange(silent, timeout_s=0.6)  # where an answer is to come, a busy machine has time for it
    assert caught.value.code == "transport.timeout" and not isinstance(caught.value, Unsent)


async def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.transports.soap.LARGEST_ANSWER", 1000)
    with pytest.raises(TryLater) as caught:
        await exchange(lambda n, b: (200, "text/xml", REPLY + b" " * 5000))
    assert caught.value.code == "transport.too-large"


async def test_an_address_per_operation() -> None:
    async with peers.http(lambda n, b: (200, "text/xml", REPLY)) as peer:
        settings = {"url": "http://127.0.0.1:1/x", "urls": {"op": f"http://127.0.0.1:{peer.port}/special"}}
        transport = SoapTransport(Means(settings=settings, allow_private=True))
        await transport.send(Call(content=BODY, key="k", operation="op"))
        assert peer.received[0][0][":path"] == "/special"
        with pytest.raises(Unsent):
            await transport.send(Call(content=BODY, key="k", operation="other"))
        await transport.close()


@pytest.mark.parametrize("url", ["", "ftp://x/", "http://", "file:///etc/passwd", "http://h:99999/"])
async def test_addresses_that_are_none(url: str) -> None:
    transport = SoapTransport(Means(settings={"url": url}, allow_private=True))
    with pytest.raises(PonteError):
        await transport.send(Call(content=BODY, key="k"))
    await transport.close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_private_ranges(address: str) -> None:
    assert not is_public(address)


def test_public_addresses() -> None:
    assert is_public("200.130.5.1") and is_public("2804:14c::1") and is_public("::ffff:200.130.5.1")


async def test_a_name_that_leads_inside_is_refused() -> None:
    with pytest.raises(Misconfigured) as caught:
        await resolve("localhost", 80, allow_private=False)
    assert caught.value.code == "transport.private"


def test_envelopes() -> None:
    for good in (
        REPLY,
        FAULT,
        b"\xef\xbb\xbf<Envelope/>",
        "<a:Envelope>".encode("utf-16"),
        b"  <soap:Envelope\n a='1'>",
    ):
        assert is_envelope(good)
    for bad in (b"", b"<", b"<html>", b"<!DOCTYPE x><Envelope>", b"<?xml", b"<EnvelopeX>", b"<x:Body>", b"<!--" * 9):
        assert not is_envelope(bad)


def test_a_client_certificate_comes_from_memory(tmp_path: Any) -> None:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

    from hub.exchange.out.connections import load_certificate

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Ponte teste")])
    now = datetime.datetime(2026, 11, 22)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=9))
    content = pkcs12.serialize_key_and_certificates(
        b"x", key, builder.sign(key, hashes.SHA256()), None, BestAvailableEncryption(b"pw")
    )
    context = ssl.create_default_context()
    load_certificate(context, content, "pw")
    with pytest.raises(Misconfigured):
        load_certificate(context, content, "wrong")
    with pytest.raises(Misconfigured):
        load_certificate(context, b"no p12", "")
