"""RNDS over HTTPS (published guides): a token by client certificate, then FHIR calls in a professional's name.

`GET <auth>/token` with the establishment's certificate gives a token for half an hour, its `expires_in` in
milliseconds; every call carries it in `X-Authorization-Server` and the professional's CNS, bare, in `Authorization`.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from typing import Any

import httpx

from adapters.rnds import answers, errors
from adapters.transports import Answer, Call, Means, Unsent
from adapters.transports.http import FAILURES, checked, failure
from adapters.transports.tokens import Token, Tokens
from canonical.errors import Misconfigured, PonteError, Refused, TryLater
from fhir import jsontext

LARGEST_ANSWER = 16 * 1024 * 1024
_LEAST_MILLISECONDS = 10_000
_LATER = (408, 429, 503)
MEDIA = "application/fhir+json"


class NationalTransport:
    """Settings: auth_url, url, certificate, trust, timeout_s, connect_timeout_s."""

    def __init__(self, means: Means) -> None:
        settings = means.settings
        self._auth = str(settings.get("auth_url", "")).rstrip("/")
        self._base = str(settings.get("url", "")).rstrip("/")
        self._key = f"{self._auth} {settings.get('certificate', '')}"
        self._seconds = float(settings.get("timeout_s", 60))
        self._means = means
        self._tokens = means.tokens or Tokens()
        self._client = httpx.AsyncClient(
            verify=means.tls or ssl.create_default_context(),
            timeout=httpx.Timeout(self._seconds, connect=float(settings.get("connect_timeout_s", 10))),
            trust_env=False,
            follow_redirects=False,
            headers={"user-agent": "Ponte"},
            limits=httpx.Limits(max_connections=4, keepalive_expiry=30),
        )

    async def send(self, call: Call) -> Answer:
        """The answer of RNDS, headers included; raises Unsent, TryLater, Misconfigured.

        A token that is no longer taken is renewed once. `call.action` is method and path (`POST /fhir/r4/Bundle`).
        """
        method, _, path = call.action.partition(" ")
        if not (method and path.startswith("/") and call.professional):
            raise Misconfigured("the call names no path or no professional", code="rnds.call")
        for _ in range(2):
            token = await self._tokens.get(self._key, self._fetch)
            status, content = await self._exchange(call, (method, path), token)
            reaction, code = errors.worst(answers.read(content).codes, repeated=call.repeated)
            if reaction != "renew" and status != 401:
                return judge(status, content, (reaction, code), get=method == "GET")
            self._tokens.drop(self._key, token)
        raise Misconfigured("RNDS does not take the token it gave", code="rnds.token")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _exchange(self, call: Call, where: tuple[str, str], token: str) -> tuple[int, bytes]:
        """Status and kept bytes of the answer to one request."""
        method, path = where
        url, headers, extensions = await checked(f"{self._base}{path}", allow_private=self._means.allow_private)
        headers |= {
            "x-authorization-server": f"Bearer {token}",
            "authorization": call.professional,
            "accept": MEDIA,
        }
        if method == "POST":
            headers["content-type"] = MEDIA if path.startswith("/fhir/") else "application/json"
        try:
            async with asyncio.timeout(self._seconds):
                request = self._client.build_request(
                    method,
                    url,
                    headers=headers,
                    extensions=extensions,
                    content=call.content if method == "POST" else None,
                )
                return await self._received(request)
        except FAILURES as error:
            raise failure(error) from None

    async def _received(self, request: httpx.Request) -> tuple[int, bytes]:
        reply = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in reply.aiter_bytes():
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    raise TryLater("the answer is too large", code="transport.too-large")
        finally:
            await reply.aclose()
        return reply.status_code, answers.kept(
            reply.status_code, reply.reason_phrase, reply.headers.items(), bytes(body)
        )

    async def _fetch(self) -> Token:
        """A new token; nothing of a document was handed over, whatever fails here."""
        url, headers, extensions = await checked(f"{self._auth}/token", allow_private=self._means.allow_private)
        try:
            async with asyncio.timeout(self._seconds):
                reply = await self._client.get(url, headers=headers, extensions=extensions)
        except FAILURES as error:
            raise _not_given(error) from None
        if reply.status_code in (401, 403):
            raise Misconfigured("RNDS does not know the certificate", code="rnds.credential")
        if reply.status_code != 200:
            raise Unsent(f"RNDS gives no token: HTTP {reply.status_code}", code=f"transport.http-{reply.status_code}")
        return token_in(reply.content)


def _not_given(error: Exception) -> PonteError:
    """Why no token came: a handshake that ends in an alert means that the certificate is not taken."""
    if isinstance(error, httpx.HTTPError) and "alert" in str(error).lower():
        return Misconfigured("RNDS refuses the client certificate", code="rnds.credential")
    found = failure(error)
    return found if isinstance(found, Misconfigured) else Unsent("RNDS gives no token", code=found.code)


def token_in(content: bytes) -> Token:
    """The token of an answer (`access_token`, `expires_in` in milliseconds); raises Unsent."""
    document: Any = jsontext.parse(content)
    text = document.get("access_token") if isinstance(document, dict) else None
    if not isinstance(text, str) or not text or not text.isascii():
        raise Unsent("RNDS answered without a token", code="rnds.no-token")
    try:
        said = float(str(document.get("expires_in", 1_800_000)))
    except ValueError:
        said = 1_800_000.0
    return Token(text, said / 1000 if said >= _LEAST_MILLISECONDS else said)


def judge(status: int, content: bytes, decided: tuple[str, str], *, get: bool = False) -> Answer:
    """The answer as the hub takes it: accepted, refused with its code, or later; `decided` is what its errors ask for.

    An answer to a question (`get`) is always taken: 404 says that there is nothing. Raises Refused, Misconfigured.
    """
    reaction, code = decided
    said = answers.read(content)
    made = Answer(content=content, format="http", type=str(status), control_id=said.document[:199])
    if status < 300 or reaction == "accepted" or (get and status in (404, 410)):
        return replace(made, code="rnds.accepted" if reaction == "accepted" else "")
    if reaction == "wait" or (not reaction and (status in _LATER or status >= 500)):
        taken = status not in _LATER  # an internal error may come after the document was stored
        reason = f"rnds.wait.{code}" if code else f"transport.http-{status}"
        return replace(made, verdict="later", code=reason, doubt=taken)
    if not reaction and (status < 400 or status in (403, 405)):
        raise Misconfigured(f"RNDS answers with HTTP {status}", code=f"transport.http-{status}")
    if get:
        raise Refused(f"RNDS answers with HTTP {status}", code=f"transport.http-{status}")
    return replace(made, verdict="refused", code=f"rnds.{reaction or 'unknown'}.{code or f'HTTP{status}'}")
