"""MLLP out over TLS: the partner's certificate must be trusted, ours is shown where it is asked for."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peers
import pytest
from channel_feed import partner, queued
from hl7_feed import msh
from tls_keys import Authority

from adapters.transports import Call
from canonical.errors import PonteError
from hub.exchange.out import delivery
from hub.exchange.out.connections import Connections
from hub.exchange.partners import save_partner
from hub.guard import vault
from hub.world import Tenant, World
from tests.hub.exchange.test_enhanced_sender import queue


async def outcome(
    world: World, tenant: Tenant, port: int, entries: dict[str, Any], **transport: Any
) -> tuple[str, Any]:
    to = await partner(world, tenant, "lab", port)
    to.settings["transport"] |= transport
    async with world.transaction(tenant) as tx:
        await save_partner(tx, to)
        for name, content in entries.items():
            await vault.put(tx, world.settings, name, content, kind="pkcs12" if "pkcs12" in content else "pem")
    await queue(world, tenant, to, "a")
    await delivery.work(world, tenant)
    async with world.transaction(tenant) as tx:
        error = await tx.value("SELECT last_error FROM delivery WHERE tenant_id = $1")
    return (await queued(world, tenant))[0]["status"], error


async def test_mutual_tls(world: World, tenant: Tenant, tmp_path: Path) -> None:
    own = Authority()
    entries = {"ca": {"pem": own.pem}, "us": {"pkcs12": own.p12("hospital").hex(), "password": "x"}}
    async with peers.mllp(tls=own.server(tmp_path, clients=True)) as peer:
        assert await outcome(world, tenant, peer.port, entries, tls=True, trust="ca", certificate="us") == (
            "SENT",
            None,
        )
    assert len(peer.received) == 1


async def test_what_an_operator_mends_counts_from_the_next_delivery(
    world: World, tenant: Tenant, tmp_path: Path
) -> None:
    """Issuers put right, a certificate renewed under its name, a private address allowed: nobody restarts a worker."""
    own, connections = Authority(), Connections(world)
    async with peers.mllp(tls=own.server(tmp_path, clients=False)) as peer:
        to = await partner(world, tenant, "lab", peer.port)
        to.settings["transport"] |= {"tls": True, "trust": "ca"}
        message = f"{msh('ORM^O01', '20261122100000')}\r".encode()
        call = Call(content=message, key="1", control_id=message.split(b"|")[9].decode())
        for trusted in (Authority("Outra").pem, own.pem):
            async with world.transaction(tenant) as tx:
                await vault.put(tx, world.settings, "ca", {"pem": trusted}, kind="pem")
            first = await connections.transport(tenant, to, 1)
            if trusted == own.pem:
                assert (await first.send(call)).verdict == "accepted"
            else:
                with pytest.raises(PonteError) as told:
                    await first.send(call)
                assert told.value.code == "transport.certificate-issuer"
        assert await connections.transport(tenant, to, 1) is first, "what stays is kept"
        to.settings["allow_private"] = not to.settings.get("allow_private")
        assert await connections.transport(tenant, to, 1) is not first
        await connections.close()


@pytest.mark.parametrize(
    ("transport", "code"),
    [
        ({"tls": True}, "transport.certificate-issuer"),
        ({"tls": True, "trust": "other"}, "transport.certificate-issuer"),
        ({"tls": True, "trust": "other", "host": "localhost"}, "transport.certificate-issuer"),
        ({"tls": True, "trust": "absent"}, "transport.certificate"),
        ({"tls": True, "trust": "ca"}, "transport.closed"),
    ],
    ids=["public", "another authority", "another authority, by name", "not in the vault", "no certificate of ours"],
)
async def test_what_is_not_trusted(
    world: World, tenant: Tenant, tmp_path: Path, transport: dict[str, Any], code: str
) -> None:
    own = Authority()
    entries = {"ca": {"pem": own.pem}, "other": {"pem": Authority("Outra").pem}}
    async with peers.mllp(tls=own.server(tmp_path, clients=True)) as peer:
        assert await outcome(world, tenant, peer.port, entries, **transport) == ("QUEUED", code)
        assert peer.received == [], "nothing leaves before both sides are who they say"


does_not_hold = pytest.mark.parametrize(
    ("certificate", "code"),
    [
        ({"begins": -800, "ends": -400}, "transport.certificate-expired"),
        ({"begins": 400, "ends": 800}, "transport.certificate-expired"),
        ({"names": ["outra.teste"]}, "transport.certificate-name"),
    ],
    ids=["expired", "not valid yet", "for another host"],
)


@does_not_hold
async def test_a_certificate_that_does_not_hold_is_told_by_its_fault(
    world: World, tenant: Tenant, tmp_path: Path, certificate: dict[str, Any], code: str
) -> None:
    own = Authority()
    async with peers.mllp(tls=own.server(tmp_path, clients=False, **certificate)) as peer:
        found = await outcome(world, tenant, peer.port, {"ca": {"pem": own.pem}}, tls=True, trust="ca")
    assert found == ("QUEUED", code) and peer.received == []


@pytest.mark.parametrize("listed", [True, False], ids=["revoked", "not revoked"])
async def test_a_partner_on_the_revocation_list_gets_nothing(
    world: World, tenant: Tenant, tmp_path: Path, listed: bool
) -> None:
    own = Authority()
    async with peers.mllp(tls=own.server(tmp_path, clients=False)) as peer:
        trust = {"ca": {"pem": own.pem + own.revoking(own.issued if listed else 4711)}}
        found = await outcome(world, tenant, peer.port, trust, tls=True, trust="ca")
    wanted = ("QUEUED", "transport.certificate-revoked") if listed else ("SENT", None)
    assert found == wanted and len(peer.received) == (0 if listed else 1)


@contextlib.contextmanager
def server_that_says_why(context: ssl.SSLContext) -> Iterator[int]:
    """The port of a server that sends the alerts of its TLS library, as real ones do and asyncio's does not."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = listening.accept()
                secured = context.wrap_socket(line, server_side=True, do_handshake_on_connect=False)
                with contextlib.suppress(OSError), secured, socket.socket(fileno=os.dup(secured.fileno())) as raw:
                    with contextlib.suppress(ssl.SSLError):
                        secured.do_handshake()
                    raw.shutdown(socket.SHUT_WR)  # and what still comes is read: a reset could overtake the alert
                    while raw.recv(65536):
                        pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


async def test_a_partner_that_wants_a_certificate_of_ours_is_told_so(
    world: World, tenant: Tenant, tmp_path: Path
) -> None:
    own = Authority()
    with server_that_says_why(own.server(tmp_path, clients=True)) as port:
        found = await outcome(world, tenant, port, {"ca": {"pem": own.pem}}, tls=True, trust="ca")
    assert found == ("QUEUED", "transport.certificate-refused")


async def test_a_plain_port_does_not_pass_for_tls(world: World, tenant: Tenant) -> None:
    own = Authority()
    async with peers.mllp() as peer:
        found = await outcome(world, tenant, peer.port, {"ca": {"pem": own.pem}}, tls=True, trust="ca")
    assert found == ("QUEUED", "transport.tls") and peer.received == []
