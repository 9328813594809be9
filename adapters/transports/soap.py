"""SOAP 1.1 over HTTP: exact bytes out, exact bytes back. A fault is an answer; a page or an outage is not."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx

from adapters.transports import Answer, Call, Means, Reached, Unsent, wsdl
from adapters.transports.http import FAILURES, checked, failure
from adapters.transports.wsdl import Described
from canonical.errors import Misconfigured, PonteError, Refused, TryLater

LARGEST_ANSWER = 64 * 1024 * 1024
LARGEST_PAGE = 1024 * 1024
"""How much is kept of an answer that is no envelope."""
WSDL_SECONDS = 3600.0
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# What an operator must mend (address, credentials), not the message.
_OPERATOR = (300, 301, 302, 303, 307, 308, 401, 402, 403, 404, 405, 407, 410)
_UNSENT = (429, 503)
_ROOT = re.compile(rb"<(?:[\w.-]+:)?Envelope[\s/>]")


class SoapTransport:
    """Posts envelopes. Settings: url, urls (by operation), wsdl, wsdls (by operation), timeout_s, connect_timeout_s,
    user_agent.

    A WSDL is read once an hour; it gives the address, where `url` and `urls` do not, and the SOAPAction.
    """

    def __init__(self, means: Means) -> None:
        settings = means.settings
        self._url = str(settings.get("url", ""))
        self._urls: dict[str, str] = dict(settings.get("urls", {}))
        self._wsdl = str(settings.get("wsdl", ""))
        self._wsdls: dict[str, str] = dict(settings.get("wsdls", {}))
        self._read: dict[str, tuple[float, bytes]] = {}
        told = bool(self._wsdl or self._wsdls)  # its address may be secure whatever the WSDL's own is
        secure = told or any(url.startswith("https:") for url in (self._url, *self._urls.values()))
        self._seconds = float(settings.get("timeout_s", 60))
        self._means = means
        timeout = httpx.Timeout(self._seconds, connect=float(settings.get("connect_timeout_s", 10)))
        self._client = httpx.AsyncClient(
            verify=(means.tls or ssl.create_default_context()) if secure else False,
            timeout=timeout,
            trust_env=False,
            follow_redirects=False,
            headers={"user-agent": str(settings.get("user_agent", "Ponte"))},
            limits=httpx.Limits(max_connections=4, keepalive_expiry=30),
        )

    async def send(self, call: Call) -> Answer:
        """The envelope the partner answered with; raises Unsent, TryLater, Refused, Misconfigured."""
        described = await self._described(call)
        place = self._urls.get(call.operation) or self._url or described.url
        url, headers, extensions = await checked(place, allow_private=self._means.allow_private)
        headers |= {
            "content-type": "text/xml; charset=utf-8" if not _declares_latin1(call.content) else "text/xml",
            "soapaction": f'"{call.action or described.action}"',
            "idempotency-key": call.key,
        }
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(url, headers, extensions, call.content)
        except FAILURES as error:
            raise failure(error) from None

    async def _described(self, call: Call) -> Described:
        """What the partner's WSDL says of the call; nothing where none is set. Raises Unsent for one out of reach."""
        address = self._wsdls.get(call.operation) or self._wsdl
        if not address:
            return Described(url="", action="")
        now = asyncio.get_running_loop().time()
        read_at, content = self._read.get(address, (0.0, b""))
        if not content or now - read_at > WSDL_SECONDS:
            try:
                content = await self._get(address)
            except TryLater as error:
                raise Unsent("the partner's WSDL cannot be read now", code=error.code) from None
            self._read[address] = (now, content)
        return await asyncio.to_thread(wsdl.described, content, wsdl.root_of(call.content), call.operation)

    async def _get(self, address: str) -> bytes:
        """A WSDL; raises TryLater, Misconfigured."""
        url, headers, extensions = await checked(address, allow_private=self._means.allow_private)
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream("GET", url, headers=headers, extensions=extensions) as reply,
            ):
                received, status = await _bounded(reply, wsdl.LARGEST), reply.status_code
        except FAILURES as error:
            raise failure(error) from None
        if status == 200:
            return received
        text, code = f"the partner's WSDL answers with HTTP {status}", f"transport.http-{status}"
        if status >= 500 or status in _UNSENT:
            raise TryLater(text, code=code)
        raise Misconfigured(text, code=code)

    async def reach(self) -> AsyncIterator[Reached]:
        """Read each WSDL, and ask each address by GET: any answer of HTTP shows that it is there and its TLS holds."""
        addresses = {"url": self._url, **{f"urls.{name}": url for name, url in self._urls.items()}}
        for key, address in {"wsdl": self._wsdl, **{f"wsdls.{n}": one for n, one in self._wsdls.items()}}.items():
            if not address:
                continue
            names, told = await asyncio.to_thread(wsdl.operations, await self._get(address))
            yield Reached(place=key, said=", ".join(names))
            if told and not self._url:
                addresses.setdefault(f"{key} address", told)
        for key, address in addresses.items():
            if address:
                yield Reached(place=key, said=f"HTTP {await self._status(address)}")

    async def _status(self, address: str) -> int:
        url, headers, extensions = await checked(address, allow_private=self._means.allow_private)
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream("GET", url, headers=headers, extensions=extensions) as reply,
            ):
                return reply.status_code
        except FAILURES as error:
            raise failure(error) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _post(self, url: str, headers: dict[str, str], extensions: dict[str, Any], content: bytes) -> Answer:
        async with self._client.stream("POST", url, content=content, headers=headers, extensions=extensions) as reply:
            return judge(reply.status_code, await _bounded(reply, LARGEST_ANSWER))


async def _bounded(reply: httpx.Response, limit: int) -> bytes:
    received = bytearray()
    async for chunk in reply.aiter_bytes():
        received += chunk
        if len(received) > limit:
            raise TryLater("the answer is too large", code="transport.too-large")
    return bytes(received)


def judge(status: int, content: bytes) -> Answer:
    """The answer in an HTTP reply; raises what its status or shape mean, with what was said beside it.

    SOAP 1.1 §6.2 sends a fault with status 500: with an envelope in it that is the partner's answer.
    """
    if status in (200, 500) and is_envelope(content):
        return Answer(content=content, format="soap", type="fault" if status == 500 else "")
    error = _meant(status)
    if content:
        error.said = Answer(content=content[:LARGEST_PAGE], format="http", type=str(status))
    raise error


def _meant(status: int) -> PonteError:
    """What an HTTP status without an envelope means, by what to do next."""
    text, code = f"the partner answers with HTTP {status}", f"transport.http-{status}"
    if status in _OPERATOR:
        return Misconfigured(text, code=code)
    if status in _UNSENT:
        return Unsent(text, code=code)
    if status >= 500 or status == 408:
        return TryLater(text, code=code)
    if status >= 400:
        return Refused(text, code=code)
    return TryLater("the answer is no SOAP envelope", code="payer.not-soap")


def is_envelope(content: bytes) -> bool:
    """Whether the bytes begin as an XML document whose root is an Envelope; the format judges the rest."""
    head = content[:4096]
    for mark in _BOMS:
        head = head.removeprefix(mark)
    text = head.replace(b"\x00", b"").lstrip()
    while text.startswith((b"<?", b"<!--")):
        end = b"?>" if text.startswith(b"<?") else b"-->"
        _, found, text = text.partition(end)
        text = text.lstrip()
        if not found:
            return False
    return _ROOT.match(text) is not None


def _declares_latin1(content: bytes) -> bool:
    """The declaration of the document rules, so the header does not contradict it (RFC 7303 §3)."""
    declaration = content[:200].split(b"?>", 1)[0].lower()
    return b"iso-8859-1" in declaration
