"""A partner's WSDL gives address, binding and SOAPAction; the bytes that go out are ours, and nothing else is fetched."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from shared_files import standards

from adapters.transports import Call, Means, Unsent, wsdl
from adapters.transports.soap import SoapTransport
from canonical.errors import Misconfigured
from tiss.wire import soap, transactions

ANS = "http://www.ans.gov.br/padroes/tiss/schemas"
BODY = f'<?xml version="1.0" encoding="ISO-8859-1"?><ans:loteGuiasWS xmlns:ans="{ANS}"/>'.encode()


def made(
    address: str, *, action: str = "urn:lote", style: str = "document", version: str = "soap", extra: str = ""
) -> bytes:
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/{version}/"
 xmlns:tns="urn:x" xmlns:ans="{ANS}" targetNamespace="urn:x">{extra}
<types><schema xmlns="http://www.w3.org/2001/XMLSchema"><import namespace="{ANS}" schemaLocation="http://elsewhere/x.xsd"/></schema></types>
<message name="q"><part name="p" element="ans:loteGuiasWS"/></message>
<message name="a"><part name="p" element="ans:protocoloRecebimentoWS"/></message>
<portType name="t"><operation name="tissLoteGuias_Operation"><input message="tns:q"/><output message="tns:a"/></operation></portType>
<binding name="b" type="tns:t"><soap:binding style="{style}" transport="http://schemas.xmlsoap.org/soap/http"/>
<operation name="tissLoteGuias_Operation"><soap:operation soapAction="{action}" style="{style}"/>
<input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation></binding>
<service name="s"><port name="p" binding="tns:b"><soap:address location="{address}"/></port></service></definitions>""".encode()


def test_every_published_wsdl_is_read() -> None:
    seen = set()
    for path in sorted(Path(standards("tiss")).glob("*/*.wsdl")):
        (row,) = [r for r in transactions.table().values() if r.service and path.stem.startswith(f"{r.service}V")]
        found = wsdl.described(path.read_bytes(), row.root)
        assert (found.url, found.action) == ("", ""), path.name  # ANS leaves the address to the operator
        seen.add(row.service)
    assert len(seen) == 12


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "transport.wsdl"), (b"<html/>", "transport.wsdl"), (b"<!DOCTYPE a><a/>", "transport.wsdl"), (made("http://x/y")[:300], "transport.wsdl"),
        (made("http://x/y", style="rpc"), "transport.binding"), (made("http://x/y", version="soap12"), "transport.binding"),
        (made("http://x/y", extra='<import namespace="urn:y" location="http://10.0.0.1/y.wsdl"/>'), "transport.wsdl"),
        (made("http://x/y").replace(b"ans:loteGuiasWS", b"ans:cancelaGuiaWS").replace(b"tissLoteGuias_", b"tissOther_"), "transport.wsdl"),
    ],
)  # fmt: skip
def test_what_cannot_serve_is_told(content: bytes, code: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        wsdl.described(content, "loteGuiasWS", "tissLoteGuias")
    assert caught.value.code == code


@contextlib.asynccontextmanager
async def partner(*, broken: int = 0) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serves its WSDL (after `broken` failures) and takes envelopes at the address it names."""
    heard: list[bytes] = []
    left, gone = broken, asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        while head := await reader.readuntil(b"\r\n\r\n"):
            size = next(
                (
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                ),
                0,
            )
            body = await reader.readexactly(size)
            heard.append(head + body)
            status, answer = b"200 OK", soap.envelope(BODY)
            if head.startswith(b"GET"):
                answer = made(f"http://127.0.0.1:{port}/lote")
                if left:
                    left, status = left - 1, b"503 Busy"
            writer.write(
                b"HTTP/1.1 " + status + b"\r\ncontent-length: " + str(len(answer)).encode() + b"\r\n\r\n" + answer
            )
            await writer.drain()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/lote?wsdl", heard
    finally:
        server.close()
        async with asyncio.timeout(60):
            await gone.wait()


async def test_our_bytes_go_where_the_wsdl_says() -> None:
    async with partner() as (address, heard):
        transport = SoapTransport(Means(settings={"kind": "soap", "wsdl": address}, allow_private=True))
        call = Call(content=soap.envelope(BODY), key="k", operation="tissLoteGuias")
        for _ in range(2):
            await transport.send(call)
        await transport.close()
        kinds = [one.split(b" ")[0] for one in heard]
        assert kinds == [b"GET", b"POST", b"POST"]  # the WSDL is read once
        assert heard[1].startswith(b"POST /lote ") and b'soapaction: "urn:lote"' in heard[1].lower()
        assert heard[1].endswith(soap.envelope(BODY))


async def test_a_wsdl_out_of_reach_means_that_nothing_was_sent() -> None:
    async with partner(broken=1) as (address, heard):
        transport = SoapTransport(Means(settings={"kind": "soap", "wsdl": address}, allow_private=True))
        with pytest.raises(Unsent):
            await transport.send(Call(content=soap.envelope(BODY), key="k", operation="tissLoteGuias"))
        await transport.send(Call(content=soap.envelope(BODY), key="k", operation="tissLoteGuias"))
        await transport.close()
        assert [one.split(b" ")[0] for one in heard] == [b"GET", b"GET", b"POST"]
    private = SoapTransport(Means(settings={"kind": "soap", "wsdl": address}))
    with pytest.raises(Misconfigured):
        await private.send(Call(content=soap.envelope(BODY), key="k", operation="tissLoteGuias"))
    await private.close()
