"""Notifications to a subscriber's address over HTTP, signed, with the same delivery key at every attempt.

`Ponte-Signature` is `sha256=` and the hexadecimal HMAC-SHA256 of time stamp, full stop and body under the key that
subscriber and hub share; `Ponte-Timestamp` is in seconds since 1970: an old notification cannot be played again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
import time
from typing import Any

import httpx

from adapters.transports import Answer, Call, Means, Unsent
from adapters.transports.http import FAILURES, checked, failure
from canonical.errors import Misconfigured, Refused, TryLater

LARGEST_ANSWER = 4096
GONE = 410


class WebhookTransport:
    """Posts to one address. Settings: url, media, timeout_s, connect_timeout_s; the secret has `headers` and `key`."""

    def __init__(self, means: Means) -> None:
        settings = means.settings
        self._url = str(settings.get("url", "")).rstrip("/")
        self._allow_private = means.allow_private
        self._seconds = float(settings.get("timeout_s", 20))
        self._media = str(settings.get("media", "application/fhir+json; charset=utf-8"))
        self._headers: dict[str, str] = json.loads(means.secret.get("headers") or "{}")
        self._key = means.secret.get("key", "").encode()
        self._client = httpx.AsyncClient(
            verify=(means.tls or ssl.create_default_context()) if self._url.startswith("https:") else False,
            timeout=httpx.Timeout(self._seconds, connect=float(settings.get("connect_timeout_s", 10))),
            trust_env=False,
            follow_redirects=False,
            headers={"user-agent": "Ponte"},
            limits=httpx.Limits(max_connections=2, keepalive_expiry=30),
        )

    async def send(self, call: Call) -> Answer:
        """The status line of an address that took it; raises Unsent, TryLater, Refused (410), Misconfigured.

        `call.action` is the method and what follows the address (`PUT Patient/1`); without it the method is POST.
        """
        method, _, below = (call.action or "POST").partition(" ")
        place = f"{self._url}/{below}" if below else self._url
        url, named, extensions = await checked(place, allow_private=self._allow_private)
        headers = {**self._headers, **named, "ponte-delivery": call.key, **self._signed(call.content)}
        if call.content:
            headers["content-type"] = self._media
        try:
            async with asyncio.timeout(self._seconds):
                return await self._exchange(method, url, headers, extensions, call.content)
        except FAILURES as error:
            raise failure(error) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _signed(self, content: bytes) -> dict[str, str]:
        stamp = str(int(time.time()))
        if not self._key:
            return {"ponte-timestamp": stamp}
        seal = hmac.new(self._key, stamp.encode() + b"." + content, hashlib.sha256).hexdigest()
        return {"ponte-timestamp": stamp, "ponte-signature": f"sha256={seal}"}

    async def _exchange(
        self, method: str, url: str, headers: dict[str, str], extensions: dict[str, Any], content: bytes
    ) -> Answer:
        request = self._client.stream(method, url, content=content, headers=headers, extensions=extensions)
        async with request as reply:
            received = bytearray()
            async for chunk in reply.aiter_bytes():
                received += chunk[: LARGEST_ANSWER - len(received)]
                if len(received) >= LARGEST_ANSWER:
                    break
        return judge(reply.status_code)


def judge(status: int) -> Answer:
    """The answer of a status: what the subscriber's system says beside it is not kept."""
    if 200 <= status < 300:
        return Answer(content=f"HTTP {status}".encode(), format="http", type=str(status))
    if status == GONE:
        raise Refused("the subscriber is gone", code="transport.http-410")
    if status in (401, 403, 404, 405) or 300 <= status < 400:
        raise Misconfigured(f"the subscriber answers with HTTP {status}", code=f"transport.http-{status}")
    if status in (429, 503):
        raise Unsent(f"the subscriber answers with HTTP {status}", code=f"transport.http-{status}")
    raise TryLater(f"the subscriber answers with HTTP {status}", code=f"transport.http-{status}")
