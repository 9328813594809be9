"""MLLP over TLS: the door proves who it is, clients may have to; a new certificate serves without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from channel_feed import channel, put
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization import pkcs12 as p12
from cryptography.x509.oid import NameOID
from peers import dead_port

from api.doors import board
from api.doors.board import Board
from canonical.errors import Refused
from hl7.mllp import frame
from hub.exchange.door import tls
from hub.exchange.door.keep import Keeper
from hub.guard import vault
from hub.world import Tenant, World

MESSAGE = b"MSH|^~\\&|HIS|HOSP|P|H|20261122080000||ADT^A04^ADT_A01|T1|P|2.5\rEVN|A04\rPID|1||1^^^HOSP^MR||Silva^Ana\r"
NOW = datetime.datetime.now(datetime.UTC)


@dataclass
class Identity:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def pkcs12(self, password: str) -> bytes:
        return p12.serialize_key_and_certificates(
            b"it", self.key, self.certificate, None, BestAvailableEncryption(password.encode())
        )

    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def file(self, folder: Path) -> Path:
        path = folder / "client.pem"
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(key + self.pem())
        return path


def issue(name: str, issuer: Identity | None = None) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    builder = builder.issuer_name(issuer.certificate.subject if issuer else subject).serial_number(len(name) + 1000)
    builder = builder.not_valid_before(NOW - datetime.timedelta(1)).not_valid_after(NOW + datetime.timedelta(30))
    builder = builder.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    if issuer is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    return Identity(key, builder.sign(issuer.key if issuer else key, hashes.SHA256()))


AUTHORITY = issue("Autoridade de Teste")
SERVER = issue("hub", AUTHORITY)
HIS = issue("his.hospital", AUTHORITY)
OTHER = issue("outro.sistema", AUTHORITY)


async def keep(world: World, tenant: Tenant, server: Identity = SERVER) -> None:
    async with world.transaction(tenant) as tx:
        await vault.put_certificate(tx, world.settings, "door", server.pkcs12("segredo"), "segredo")
        await vault.put_issuers(tx, world.settings, "issuers", AUTHORITY.pem())


@contextlib.asynccontextmanager
async def doors(world: World, tenant: Tenant, more: str) -> AsyncIterator[int]:
    port = dead_port()
    text = f'name = "sealed"\ndoor = "mllp"\nport = {port}\n{more}'
    await put(world, tenant, text)
    stop = asyncio.Event()
    found = Board(world, Keeper(world.database))
    await found.start()
    task = asyncio.create_task(found.follow(stop))
    try:
        yield port
    finally:
        stop.set()
        await task
        await found.close()


def trusting() -> ssl.SSLContext:
    """A system that trusts the authority, which is made as a house makes its own: without key identifiers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=AUTHORITY.pem().decode())
    return context


async def ask(port: int, client: Path | None = None) -> tuple[bytes, int]:
    """The answer and the serial number of the door's certificate; empty when the door would not talk."""
    context = trusting()
    if client is not None:
        context.load_cert_chain(client)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        serial = int(writer.get_extra_info("peercert")["serialNumber"], 16)
        writer.write(frame(MESSAGE))
        answer = await asyncio.wait_for(reader.read(65536), 30)
        writer.close()
        return answer, serial
    except (OSError, ssl.SSLError):
        return b"", 0


ONE_WAY = '[tls]\ncertificate = "door"\n'
BOTH = ONE_WAY + 'clients = "required"\ntrust = "issuers"\n'


async def test_one_way(world: World, tenant: Tenant) -> None:
    await keep(world, tenant)
    async with doors(world, tenant, ONE_WAY) as port:
        answer, serial = await ask(port)
        assert b"MSA|AA|T1" in answer and serial == SERVER.certificate.serial_number
        found = await tls.door_tls(world, await channel(world, tenant, "sealed"))
        assert found is not None and found.context.minimum_version is ssl.TLSVersion.TLSv1_2
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(MESSAGE))
        with contextlib.suppress(ConnectionError):
            assert b"MSA" not in await asyncio.wait_for(reader.read(65536), 20), "no clear text"
        writer.close()


async def test_both_ways_and_expected_names(world: World, tenant: Tenant, tmp_path: Path) -> None:
    await keep(world, tenant)
    fingerprint = hashlib.sha256(HIS.certificate.public_bytes(Encoding.DER)).hexdigest().upper()
    colons = ":".join(fingerprint[i : i + 2] for i in range(0, 64, 2))
    for names, his, other in (
        ("[]", True, True),
        ('["his.*"]', True, False),
        (f'["sha256:{colons}"]', True, False),
        ('["localhost"]', True, True),
    ):
        async with doors(world, tenant, f"[sender]\ncertificates = {names}\n{BOTH}") as port:
            assert (b"MSA|AA" in (await ask(port, HIS.file(tmp_path)))[0]) is his, names
            assert (b"MSA|AA" in (await ask(port, OTHER.file(tmp_path)))[0]) is other, names
            assert await ask(port) == (b"", 0) or (await ask(port))[0] == b"", "without a certificate nobody comes in"
            stranger = issue("his.hospital", issue("Outra Autoridade"))
            assert (await ask(port, stranger.file(tmp_path)))[0] == b""


async def test_new_certificate_without_restart(world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "LOOK_SECONDS", 0.05)
    await keep(world, tenant)
    async with doors(world, tenant, ONE_WAY) as port:
        context = trusting()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        fresh = issue("hub renewed", AUTHORITY)
        await keep(world, tenant, fresh)
        async with asyncio.timeout(60):
            while (await ask(port))[1] != fresh.certificate.serial_number:
                await asyncio.sleep(0.05)
        writer.write(frame(MESSAGE.replace(b"T1", b"T2")))
        assert b"MSA|AA|T2" in await asyncio.wait_for(reader.read(65536), 30), "connections that are there go on"
        writer.close()


async def test_vault_lacks_it(world: World, tenant: Tenant) -> None:
    async with doors(world, tenant, ONE_WAY) as port:
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
    async with world.transaction(tenant) as tx:
        with pytest.raises(Refused):
            await vault.put_certificate(tx, world.settings, "door", SERVER.pkcs12("segredo"), "wrong")
        with pytest.raises(Refused):
            await vault.put_issuers(tx, world.settings, "issuers", b"nothing")
        assert await vault.entries(tx) == []


def test_names_without_certificate() -> None:
    assert tls.admitted((), None, None) and not tls.admitted(("x",), None, None)
