"""Partners over HTTPS: what is wrong with a certificate, theirs or ours, is told by its fault."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from tls_keys import Authority

from adapters.transports import Call, Means, Unsent
from adapters.transports.soap import SoapTransport
from canonical.errors import Misconfigured, PonteError, TryLater
from tests.hub.exchange.test_tls_sender import does_not_hold, server_that_says_why


async def refusal(port: int, trusted: Authority) -> PonteError:
    settings = {"kind": "soap", "url": f"https://127.0.0.1:{port}/", "timeout_s": 30}
    context = ssl.create_default_context(cadata=trusted.pem)
    transport = SoapTransport(Means(settings=settings, allow_private=True, tls=context))
    try:
        with pytest.raises(PonteError) as caught:
            await transport.send(Call(content=b"<a/>", key="k", action="a", operation="o"))
        return caught.value
    finally:
        await transport.close()


@does_not_hold
async def test_a_server_whose_certificate_does_not_hold(tmp_path: Path, certificate: dict[str, Any], code: str) -> None:
    own = Authority()
    with server_that_says_why(own.server(tmp_path, clients=False, **certificate)) as port:
        found = await refusal(port, own)
    assert isinstance(found, Misconfigured) and found.code == code


async def test_a_server_of_an_issuer_nobody_trusts(tmp_path: Path) -> None:
    with server_that_says_why(Authority().server(tmp_path, clients=False)) as port:
        found = await refusal(port, Authority("Outra"))
    assert isinstance(found, Misconfigured) and found.code == "transport.certificate-issuer"


async def test_a_server_that_wants_a_certificate_of_ours(tmp_path: Path) -> None:
    own = Authority()
    with server_that_says_why(own.server(tmp_path, clients=True)) as port:
        found = await refusal(port, own)
    assert isinstance(found, TryLater) and found.code == "transport.certificate-refused"


async def test_a_port_without_tls() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        found = await refusal(server.sockets[0].getsockname()[1], Authority())
    assert isinstance(found, Unsent) and found.code == "transport.tls"
