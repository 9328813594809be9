"""SFTP against a real OpenSSH server: picked up, dropped, the host key pinned, failures told by what to do."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import pytest_asyncio
import sftp_server
from channel_feed import partner, put, send
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hl7_feed import adt
from sftp_server import Server

from adapters.transports import Means, sftp
from adapters.transports.sftp import SftpFolder
from canonical.errors import Misconfigured, Refused, TryLater
from hub.exchange.door.keep import Keeper
from hub.exchange.door.pickup import Pickup
from hub.exchange.out import delivery
from hub.exchange.partners import save_partner
from hub.guard import vault
from hub.world import Tenant, World, opened
from tests.hub.exchange.test_pickup import names, received

pytestmark = pytest.mark.skipif(not sftp_server.SSHD, reason="no sshd here: install openssh-server")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sftp_server.serving(tmp_path_factory.mktemp("sftp")) as found:
        yield found


@pytest_asyncio.fixture
async def world(cluster: Any) -> AsyncIterator[World]:
    async with opened(dataclasses.replace(cluster[0], allow_private_targets=True), size=6) as found:
        yield found


@pytest_asyncio.fixture
async def key(world: World, tenant: Tenant, server: Server) -> str:
    async with world.transaction(tenant) as tx:
        await vault.put_key(tx, world.settings, "partner-key", server.key.encode())
    return "partner-key"


def text(server: Server, path: Path, **changed: str) -> str:
    values = {"host": "127.0.0.1", "user": server.user, "secret": "partner-key", "host_key": server.host_key, **changed}
    lines = "".join(f'{name} = "{value}"\n' for name, value in values.items())
    return f'name = "far"\ndoor = "sftp"\n[pickup]\npath = "{path}"\nport = {server.port}\nstable_s = 0.0\n{lines}'


async def test_files_are_picked_up(world: World, tenant: Tenant, server: Server, key: str) -> None:
    place = server.folder / "in"
    place.mkdir()
    for n in range(3):
        (place / f"{n}.hl7").write_bytes(adt("A01", f"M{n}", f"V{n}", "20261122080000").encode() * 2)
    own = Pickup(world, Keeper(world.database), await put(world, tenant, text(server, place)))
    assert await own.look() == 3
    await own.close()
    assert names(place, "processed") == ["0.hl7", "1.hl7", "2.hl7"] and names(place) == []
    assert [receipts for _, receipts in await received(world, tenant)] == [2, 2, 2]


async def test_a_destination_gets_whole_files(world: World, tenant: Tenant, server: Server, key: str) -> None:
    to, place = await partner(world, tenant, "far", 1), server.folder / "out"
    place.mkdir()
    to.settings["transport"] = {
        "kind": "sftp", "path": str(place), "host": "127.0.0.1", "port": server.port,
        "user": server.user, "secret": key, "host_key": server.host_key,
    }  # fmt: skip
    async with world.transaction(tenant) as tx:
        await save_partner(tx, to)
    sent = adt("A01", "M1", "V1", "20261122080000")
    way = 'name = "x"\ndoor = "mllp"\n[[destinations]]\nname = "far"\npartner = "far"\n'
    await send(world, tenant, await put(world, tenant, way), sent)
    assert await delivery.work(world, tenant) == 1
    assert [file.read_bytes() for file in place.iterdir()] == [sent.encode()]


@pytest.mark.parametrize("case", ["host key", "login", "folder", "nobody"])
async def test_what_an_operator_must_mend(
    world: World, tenant: Tenant, server: Server, key: str, case: str, tmp_path: Path
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    changed = {"host key": {"host_key": other}, "login": {"user": "nobody-here"}}.get(case, {})
    path = Path("/proc/nothing") if case == "folder" else tmp_path
    document = text(server, path, **changed)
    if case == "nobody":
        document = document.replace(f"port = {server.port}", "port = 1")
    own = Pickup(world, Keeper(world.database), await put(world, tenant, document))
    with pytest.raises(TryLater if case == "nobody" else Misconfigured) as caught:
        await own.look()
    await own.close()
    codes = {"host key": "transport.host-key", "login": "transport.login", "nobody": "transport.connect"}
    assert caught.value.code in (codes.get(case, ""), "transport.path", "transport.permission")


async def test_a_file_of_the_same_name_is_not_replaced(server: Server, tmp_path: Path) -> None:
    settings = {"host": "127.0.0.1", "port": server.port, "user": server.user, "host_key": server.host_key}
    means = Means(settings={**settings, "path": str(tmp_path)}, allow_private=True, secret={"key": server.key})
    far = SftpFolder(means)
    for name in ("a", "b"):
        await far.write(name, name.encode())
    with pytest.raises(TryLater) as caught:
        await far.rename("a", "b")
    assert caught.value.code == "transport.exists" and (tmp_path / "b").read_bytes() == b"b"
    assert await far.rename("absent", "c") is False and await far.rename("a", "c") is True
    await far.write("b", b"new")
    assert (tmp_path / "b").read_bytes() == b"new" and sorted(p.name for p in tmp_path.iterdir()) == ["b", "c"]
    for wrong in ("../x", "/etc/passwd"):
        with pytest.raises(Misconfigured):
            await far.write(wrong, b"")
    await far.close()


async def test_a_server_without_the_extension_of_openssh_gets_whole_files_too(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    with sftp_server.serving(tmp_path, without="posix-rename") as server:
        far = SftpFolder(means_of(server, tmp_path / "place"))
        await far.write("a", b"first")
        await far.write("a", b"again")
        await far.close()
    assert [(one.name, one.read_bytes()) for one in (tmp_path / "place").iterdir()] == [("a", b"again")]


async def test_a_server_that_falls_silent_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp, "KEEPALIVE_SECONDS", 0.2)
    far = SftpFolder(means_of(server, tmp_path))
    assert await far.files("") == []
    serving = [int(pid) for pid in children(server.pid)]
    for pid in serving:
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(TryLater):
            async with asyncio.timeout(20):
                await far.files("")
    finally:
        for pid in serving:
            os.kill(pid, signal.SIGCONT)
        await far.close()


def means_of(server: Server, path: Path) -> Means:
    settings = {"host": "127.0.0.1", "port": server.port, "user": server.user, "host_key": server.host_key}
    return Means(settings={**settings, "path": str(path)}, allow_private=True, secret={"key": server.key})


def children(pid: int) -> list[str]:
    """A process' children, and theirs."""
    own = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return own + [one for child in own for one in children(int(child))]


async def test_a_key_is_tried_before_it_is_kept_and_can_belong_to_one_channel(
    world: World, tenant: Tenant, server: Server
) -> None:
    locked = Ed25519PrivateKey.generate()
    closed = locked.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"segredo"))
    async with world.transaction(tenant) as tx:
        for content, password in ((b"nothing", ""), (closed, ""), (closed, "wrong"), (server.key.encode()[:80], "")):
            with pytest.raises(Refused) as caught:
                await vault.put_key(tx, world.settings, "k", content, password)
            assert caught.value.code == "vault.key"
        public = await vault.put_key(tx, world.settings, "k", closed, "segredo", "channel/lab")
        assert public == locked.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        assert asyncssh.import_private_key(closed, "segredo").export_public_key().decode().split()[:2] == public.split()
        assert await vault.reveal(tx, world.settings, "k", owner="channel/other") is None
        held = await vault.reveal(tx, world.settings, "k", owner="channel/lab")
        assert held is not None and (held["key"].encode(), held["passphrase"]) == (closed, "segredo")
        for pem in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())):
            content = pem.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            assert (await vault.put_key(tx, world.settings, "p", content)).split()[0] in (
                "ssh-rsa",
                "ecdsa-sha2-nistp256",
            )
