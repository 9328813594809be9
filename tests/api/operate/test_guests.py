"""Who is connected to a door and who is turned away: seen by the operator, and told to whoever came wrongly."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import json
import resource
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from channel_feed import put
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from peers import dead_port

from api import serve
from api.cli.main import main
from api.doors import board, guests, mllp
from api.doors.board import Board
from api.doors.sealed import SealedServer
from hl7.mllp import frame
from hub.exchange import guests as seen
from hub.exchange.door.keep import Keeper
from hub.guard import vault
from hub.redis import Bell
from hub.watch import readings
from hub.world import Tenant, World
from tests.api.operate import test_mllp_tls as sealed

MESSAGE = sealed.MESSAGE


@dataclass(frozen=True)
class Open:
    """The door under trial, among those other tests have left in the database."""

    port: int
    board: Board

    def report(self) -> dict[str, Any]:
        (listener,) = [one for one in self.board.listeners if one.channel.document.port == self.port]
        return listener.report()

    async def context(self) -> ssl.SSLContext:
        """What serves the next connection over TLS."""
        (listener,) = [one for one in self.board.listeners if one.channel.document.port == self.port]
        server = listener._server
        assert isinstance(server, SealedServer)
        return server.tls


@contextlib.asynccontextmanager
async def door(world: World, tenant: Tenant, more: str = "") -> AsyncIterator[tuple[int, Open]]:
    port = dead_port()
    await sealed.keep(world, tenant)
    await put(world, tenant, f'name = "door"\ndoor = "mllp"\nport = {port}\n{more}')
    stop = asyncio.Event()
    found = Board(world, Keeper(world.database))
    await found.start()
    task = asyncio.create_task(found.follow(stop))
    try:
        yield port, Open(port, found)
    finally:
        stop.set()
        await task
        await found.close()


async def turned_away(found: Open) -> list[tuple[str, int]]:
    async with asyncio.timeout(20):
        while not found.report()["turned_away"]:
            await asyncio.sleep(0.02)
    return [(one["code"], one["count"]) for one in found.report()["turned_away"]]


async def told(port: int, said: bytes) -> bytes:
    """What is answered, up to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_who_is_connected_by_address_and_certificate(world: World, tenant: Tenant, tmp_path: Path) -> None:
    async with door(world, tenant, sealed.BOTH) as (port, found):
        context = sealed.trusting()
        context.load_cert_chain(sealed.HIS.file(tmp_path))
        lines = [await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")]
        lines.append(await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost"))
        reader, writer = lines[0]
        writer.write(frame(MESSAGE) + frame(MESSAGE.replace(b"T1", b"T2")))
        await asyncio.wait_for(reader.readuntil(b"T2\r"), 20)
        said = found.report()
        (one,) = said["addresses"]
        assert (one["address"], one["certificate"]) == ("127.0.0.1", "his.hospital")
        assert (said["connections"], one["connections"], one["messages"]) == (2, 2, 2)
        assert 0 <= one["heard_s"] <= one["open_s"] < 60
        for _, line in lines:
            line.close()
        async with asyncio.timeout(20):
            while found.report()["connections"]:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("said", "code", "answer"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40, "door.tls", b"\x15\x03\x03\x00\x02\x02\x28"),
        (b"POST /hl7 HTTP/1.1\r\nHost: x\r\n\r\n", "door.http", b"HTTP/1.1 400 "),
    ],
    ids=["TLS", "HTTP"],
)
async def test_another_protocol_is_answered_in_it_at_once(
    world: World, tenant: Tenant, said: bytes, code: str, answer: bytes
) -> None:
    async with door(world, tenant) as (port, found):
        assert (await told(port, said)).startswith(answer)
        assert await turned_away(found) == [(code, 1)]


async def test_a_client_of_tls_at_a_plain_port_fails_at_once(world: World, tenant: Tenant) -> None:
    async with door(world, tenant) as (port, found):
        with pytest.raises(ssl.SSLError):
            async with asyncio.timeout(10):
                await asyncio.open_connection("127.0.0.1", port, ssl=sealed.trusting(), server_hostname="localhost")
        assert await turned_away(found) == [("door.tls", 1)]


async def test_frames_without_an_end_are_told_once_a_minute_with_their_sender(
    world: World, tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    async with door(world, tenant) as (port, found):
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(frame(MESSAGE)[:60])
            writer.close()
        async with asyncio.timeout(20):
            while [one["count"] for one in found.report()["turned_away"]] != [20]:
                await asyncio.sleep(0.02)
        (one,) = found.report()["turned_away"]
        assert (one["code"], one["address"]) == ("er7.unfinished", "127.0.0.1")
        assert [line for line in caplog.messages if "er7.unfinished" in line] == [
            "channel door: turned away 127.0.0.1: er7.unfinished (1 times by now)"
        ]


async def test_a_message_without_framing_is_told_of_while_its_sender_waits(world: World, tenant: Tenant) -> None:
    async with door(world, tenant) as (port, found):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\r\n" + MESSAGE)
        assert await turned_away(found) == [("door.unframed", 1)]
        writer.close()


async def test_line_ends_between_frames_are_nobodys_fault(world: World, tenant: Tenant) -> None:
    async with door(world, tenant) as (port, found):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\r\n" + frame(MESSAGE) + b"\r\n")
        assert b"MSA|AA|T1" in await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 20)
        assert found.report()["turned_away"] == []
        writer.close()


def client_of(tmp_path: Path, what: str) -> ssl.SSLContext | None:
    context = sealed.trusting()
    if what == "plain":
        return None
    if what == "old":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    elif what == "not trusting":
        context = ssl.create_default_context()
    elif what == "other name":
        context.load_cert_chain(sealed.OTHER.file(tmp_path))
    elif what == "stranger":
        context.load_cert_chain(sealed.issue("his.hospital", sealed.issue("Outra Autoridade")).file(tmp_path))
    return context


def asked(port: int, context: ssl.SSLContext | None) -> bytes:
    """The answer to a client of the system's TLS, which tells the door why it goes away, as asyncio's does not."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 20) as line:
        talking = context.wrap_socket(line, server_hostname="localhost") if context is not None else line
        with talking:
            talking.sendall(frame(MESSAGE))
            return talking.recv(65536)
    return b""


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("plain", "door.plain"),
        ("old", "door.tls-old"),
        ("nothing", "door.no-certificate"),
        ("stranger", "door.certificate-issuer"),
        ("not trusting", "door.not-trusted"),
        ("other name", "door.certificate"),
    ],
)
async def test_whose_handshake_fails_is_told_by_its_cause(
    world: World, tenant: Tenant, tmp_path: Path, what: str, code: str
) -> None:
    async with door(world, tenant, '[sender]\ncertificates = ["his.*"]\n' + sealed.BOTH) as (port, found):
        answer = await asyncio.to_thread(asked, port, client_of(tmp_path, what))
        assert b"MSA" not in answer
        assert await turned_away(found) == [(code, 1)]


def revoking(*serials: int, days: int = 30) -> bytes:
    """The authority's revocation list, in force until `days` from now."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(sealed.AUTHORITY.certificate.subject)
    builder = builder.last_update(sealed.NOW - datetime.timedelta(60))
    builder = builder.next_update(sealed.NOW + datetime.timedelta(days))
    for serial in serials:
        gone = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(sealed.NOW)
        builder = builder.add_revoked_certificate(gone.build())
    return builder.sign(sealed.AUTHORITY.key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    ("listed", "days", "code"),
    [(True, 30, "door.certificate-revoked"), (False, 30, ""), (False, -1, "door.revocation-list")],
    ids=["revoked", "not revoked", "an old list"],
)
async def test_a_revocation_list_beside_the_issuers_is_obeyed(
    world: World, tenant: Tenant, tmp_path: Path, listed: bool, days: int, code: str
) -> None:
    async with door(world, tenant, sealed.BOTH) as (port, found):
        serials = (sealed.OTHER.certificate.serial_number,) if listed else ()
        async with world.transaction(tenant) as tx:
            await vault.put_issuers(
                tx, world.settings, "issuers", sealed.AUTHORITY.pem() + revoking(*serials, days=days)
            )
            (entry,) = [one for one in await vault.entries(tx) if one.name == "issuers"]
            assert entry.expires_at is not None and (entry.expires_at - sealed.NOW).days <= 30, "the alarm warns of it"
        async with asyncio.timeout(30):
            while (await found.context()).verify_flags & ssl.VERIFY_CRL_CHECK_LEAF == 0:
                await asyncio.sleep(0.1)
        context = sealed.trusting()
        context.load_cert_chain(sealed.OTHER.file(tmp_path))
        answer = await asyncio.to_thread(asked, port, context)
        if code:
            assert b"MSA" not in answer and await turned_away(found) == [(code, 1)]
        else:
            assert b"MSA|AA" in answer


async def test_a_door_takes_so_many_connections_and_no_more(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mllp, "MOST_CONNECTIONS", 3)
    async with door(world, tenant) as (port, found):
        lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for reader, writer in lines:
            writer.write(frame(MESSAGE))
            await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 20)
        assert await told(port, frame(MESSAGE)) == b""
        assert await turned_away(found) == [("door.full", 1)]
        lines[0][1].close()
        async with asyncio.timeout(20):
            while found.report()["connections"] == 3:
                await asyncio.sleep(0.02)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(MESSAGE))
        assert b"MSA|AA" in await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 20), "there is room again"
        for _, line in (*lines, (reader, writer)):
            line.close()


def test_the_log_is_told_once_a_minute_and_addresses_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    book = guests.Book()
    for second in range(90):
        book.turn_away("his", "door.plain", "10.0.0.1", second)
    assert len(caplog.records) == 2 and "10.0.0.1" in caplog.text
    for number in range(guests.MOST_ADDRESSES + 50):
        book.turn_away("his", "door.plain", f"10.1.0.{number}", 100)
    assert len(book.report([], 100)["turned_away"]) == guests.MOST_ADDRESSES


async def test_the_doors_leave_word_of_it_for_the_command(
    world: World, tenant: Tenant, other_tenant: Tenant, redis_url: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(board, "LOOK_SECONDS", 0.05)
    heard = dataclasses.replace(world, bell=Bell(redis_url))
    assert await seen.connected(world, tenant) is None, "without Valkey nobody knows"
    async with door(heard, tenant) as (port, _):
        await told(port, b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(20):
            while not (found := await seen.connected(heard, tenant, "door")) or not found[0]["turned_away"]:
                await asyncio.sleep(0.05)
        assert await seen.connected(heard, other_tenant) == []
        monkeypatch.setenv("PONTE_DATABASE_URL", world.settings.database_url)
        monkeypatch.setenv("PONTE_REDIS_URL", redis_url)
        argued = ["channel", "connections", "door", "--tenant", tenant.slug]
        assert await asyncio.to_thread(main, argued) == 0
        assert "door.http: " not in capsys.readouterr().err
        assert await asyncio.to_thread(main, [*argued, "--json"]) == 0
        (line,) = capsys.readouterr().out.splitlines()
        assert (json.loads(line)["port"], json.loads(line)["turned_away"][0]["code"]) == (port, "door.http")
    await heard.bell.close()


async def test_a_door_that_stays_closed_is_told_with_its_cause_and_alarms(
    world: World, tenant: Tenant, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(board, "LOOK_SECONDS", 0.05)
    heard = dataclasses.replace(world, bell=Bell(redis_url))

    async def codes() -> dict[str, str]:
        return {one["channel"]: one.get("closed", "") for one in await seen.connected(heard, tenant) or []}

    async with door(heard, tenant, '[tls]\ncertificate = "absent"\n'):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            await put(world, tenant, f'name = "taken"\ndoor = "mllp"\nport = {port}\n')
            async with asyncio.timeout(20):
                while not {"door", "taken"} <= set(await codes()):
                    await asyncio.sleep(0.05)
            found = await codes()
            assert (found["door"], found["taken"]) == ("tls.certificate", "door.port")
            measured = {(one.rule, one.place) for one in await readings.of_tenant(heard, tenant)}
            assert {("door.closed", "door"), ("door.closed", "taken")} <= measured
            monkeypatch.setenv("PONTE_DATABASE_URL", world.settings.database_url)
            monkeypatch.setenv("PONTE_REDIS_URL", redis_url)
            assert await asyncio.to_thread(main, ["channel", "connections", "taken", "--tenant", tenant.slug]) == 0
            told = capsys.readouterr().out
            assert "CLOSED for " in told and ": door.port" in told and "outro programa a usa" in told
        async with asyncio.timeout(20):
            while (await codes())["taken"]:
                await asyncio.sleep(0.05)
    await heard.bell.close()


def test_a_door_is_not_bound_to_the_descriptors_of_a_shell() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(900, soft), hard))
        lifted = serve.lift_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (lifted, hard)
        wanted = serve.MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, serve.MOST_DESCRIPTORS)
        assert lifted == max(wanted, min(900, soft))
        assert serve.lift_descriptors() == lifted
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
