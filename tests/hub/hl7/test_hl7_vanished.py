"""A sender that vanishes without a word (switched off, a cable, a firewall that forgot it) leaves no connection behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator

import pytest
from peers import ack, framed, mllp

from adapters.transports import Call, Means
from adapters.transports.mllp import MllpTransport
from api.doors.mllp import Listener
from hl7 import mllp as wire
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.world import Tenant, World
from tests.hub.hl7.test_hl7_door import GOOD, LIMIT

HERE, THERE = "10.197.83.1", "10.197.83.2"
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="a network of one's own needs root and iproute2"
)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def away() -> Iterator[str]:
    """A network namespace with an address of its own, joined to this one by a cable."""
    name = f"p{uuid.uuid4().hex[:8]}"
    try:
        ip("netns", "add", name)
        ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name)
    except subprocess.CalledProcessError as error:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        pytest.skip(f"no network namespace here: {error.stderr.decode().strip()}")
    try:
        ip("address", "add", f"{HERE}/24", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        ip("-n", name, "address", "add", f"{THERE}/24", "dev", f"{name}b")
        ip("-n", name, "link", "set", f"{name}b", "up")
        yield name
    finally:
        ip("link", "del", f"{name}a")  # at once; the namespace itself goes when its last process has
        ip("netns", "del", name)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ASKED_AFTER_SECONDS", 1), ("ASKED_EVERY_SECONDS", 1), ("ASKED_TIMES", 2)):
        monkeypatch.setattr(wire, name, value)


async def test_its_connection_ends_by_itself(world: World, tenant: Tenant, away: str) -> None:
    channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
    listener = Listener(channel, Keeper(world.database), LIMIT)
    port = await listener.start(HERE, 0)
    words = f"until exec 3<>/dev/tcp/{HERE}/{port}; do sleep 0.2; done; printf '\\x0b{GOOD}\\x1c\\r' >&3; read -r -u 3 answer; exec sleep 60"
    sender = subprocess.Popen(["ip", "netns", "exec", away, "bash", "-c", words])
    try:
        async with asyncio.timeout(20):
            while not (listener.report()["connections"] and listener.report()["addresses"][0]["messages"]):
                await asyncio.sleep(0.05)
            await asyncio.sleep(2.5)
            assert listener.report()["connections"] == 1, "one that is there and silent stays"
            ip("-n", away, "link", "set", f"{away}b", "down")
            while listener.report()["connections"]:
                await asyncio.sleep(0.05)
    finally:
        sender.kill()
        sender.wait()
        await listener.stop()


async def test_a_receiver_is_asked_as_well() -> None:
    async with mllp(lambda _, message: framed(ack(message))) as peer:
        transport = MllpTransport(Means(settings={"host": "127.0.0.1", "port": peer.port}, allow_private=True))
        await transport.send(Call(content=GOOD.encode(), key="k", control_id=GOOD.split("|")[9]))
        found = subprocess.run(["ss", "-tnoH", "dport", f"= :{peer.port}"], check=True, capture_output=True, text=True)
        assert "timer:(keepalive" in found.stdout
        await transport.close()
