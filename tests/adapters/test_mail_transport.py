"""Mail over a real socket: what is handed over, and what each refusal means for the next attempt."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import mail_server
import peers
import pytest
from tls_keys import Authority

from adapters import registry
from adapters.transports import Call, Means, Unsent
from canonical.errors import Misconfigured, Refused, TryLater

CALL = Call(content="Acentuação\n".encode(), key="0193-key", action="Ponte: 1 novo")


def means(port: int, *, trust: Any = None, secret: dict[str, str] | None = None, **given: Any) -> Means:
    settings = {
        "kind": "mail", "host": "127.0.0.1", "port": port, "tls": "none", "sender": "ponte@h.example", "to": ["ti@h.example"],
        "timeout_s": 5, **given,
    }  # fmt: skip
    return Means(settings=settings, allow_private=True, tls=trust, secret=secret or {})


async def test_what_is_handed_over() -> None:
    async with mail_server.mail() as server:
        answer = await registry.transport(means(server.port)).send(CALL)
    (mail,) = server.mails
    assert (answer.verdict, answer.content) == ("accepted", b"")
    for line in (
        b"From: ponte@h.example",
        b"To: ti@h.example",
        b"Subject: Ponte: 1 novo",
        b"Message-ID: <0193-key@ponte>",
        b"Auto-Submitted: auto-generated",
    ):
        assert line in mail
    assert b"QWNlbnR1YcOnw6NvCg==" in mail or "Acentuação".encode() in mail


async def test_a_login_only_over_tls_that_is_trusted(tmp_path: Path) -> None:
    authority = Authority()
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # as partners' settings make it
    ours.load_verify_locations(cadata=authority.pem)
    secret = {"login": "ponte", "password": "s"}
    async with mail_server.mail(tls=authority.server(tmp_path, clients=False)) as server:
        given = means(server.port, trust=ours, secret=secret, tls="starttls")
        await registry.transport(given).send(CALL)
        assert server.logins == [b"\0ponte\0s"] and len(server.mails) == 1
        with pytest.raises(Misconfigured) as caught:  # an authority nobody told us of
            await registry.transport(means(server.port, secret=secret, tls="starttls")).send(CALL)
        assert caught.value.code == "transport.certificate-issuer" and len(server.mails) == 1
    async with mail_server.mail() as server:  # offers no TLS that works: nothing is said in the clear
        with pytest.raises(Misconfigured):
            registry.transport(means(server.port, secret=secret))
        assert server.logins == []


@pytest.mark.parametrize(
    ("reply", "error"),
    [(b"550 unknown", Refused), (b"451 later", TryLater), (b"421 closing", TryLater)],
)
async def test_refusals(reply: bytes, error: type[Exception]) -> None:
    async with mail_server.mail(reply=reply) as server:
        with pytest.raises(error):
            await registry.transport(means(server.port)).send(CALL)
        assert server.mails == []


async def test_nobody_listens_and_private_ranges() -> None:
    with pytest.raises(Unsent):
        await registry.transport(means(peers.dead_port())).send(CALL)
    closed = Means(settings=means(25).settings)
    with pytest.raises(Misconfigured, match="private range"):
        await registry.transport(closed).send(CALL)


@pytest.mark.parametrize(
    "wrong", [{"to": []}, {"sender": ""}, {"to": ["a@b\nBcc: c@d"]}, {"tls": "ssl"}, {"to": ["nobody"]}]
)
def test_settings_that_cannot_be_used(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        registry.transport(means(25, **wrong))
