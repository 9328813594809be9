"""Doors and workers as processes of their own, as `ponte up` runs them; workers can be held still and let go."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from canonical.errors import Misconfigured
from hub.servers import process
from hub.settings import Settings
from hub.world import Tenant, World

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 120


_ENDED = (
    "SELECT status, problems, count(*) AS n FROM message WHERE tenant_id = $1 GROUP BY 1, 2 ORDER BY n DESC LIMIT 5"
)
_WAITS = "SELECT 1 FROM lane WHERE tenant_id = $1 AND kind = 'inbound' AND pending > 0 LIMIT 1"


@dataclass(slots=True)
class Crew:
    """Running worker processes."""

    children: list[subprocess.Popen[bytes]]

    def hold(self) -> None:
        """Stop them where they are."""
        for child in self.children:
            child.send_signal(signal.SIGSTOP)

    def go(self) -> None:
        """Let them go on."""
        for child in self.children:
            child.send_signal(signal.SIGCONT)

    def resident(self) -> int:
        """Bytes of memory they hold together."""
        return sum(resident(child.pid) for child in self.children)


def resident(pid: int) -> int:
    """Bytes of memory a process holds (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def crew(settings: Settings, count: int) -> Iterator[Crew]:
    """`count` workers over the database of `settings`, stopped at the end."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PONTE_")}
    environment.update(PONTE_DATA=str(settings.data), PONTE_DATABASE_URL=settings.database_url, PYTHONPATH=str(ROOT))
    command = [sys.executable, "-X", "utf8", "-m", "api.cli", "serve", "worker"]
    children = [
        process.spawn(command, environment=environment, log=settings.logs / f"worker-{number}.log")
        for number in range(count)
    ]
    try:
        yield Crew(children)
    finally:
        for child in children:
            child.send_signal(signal.SIGCONT)
            process.stop(child, signal.SIGTERM, 10)


async def finished(world: World, tenant: Tenant, count: int) -> None:
    """Wait until `count` messages of a tenant are worked and none waits; raises when some ended as errors."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        async with world.transaction(tenant) as tx:
            waits = await tx.value(
                "SELECT 1 FROM lane WHERE tenant_id = $1 AND kind = 'inbound' AND pending > 0 LIMIT 1"
            )
            if waits is None:
                worked = await tx.value("SELECT count(*) FROM message WHERE tenant_id = $1 AND status = 'TRANSFORMED'")
                if worked < count:
                    told = await tx.rows(_ENDED)
                    ends = "; ".join(f"{row['n']} {row['status']} {row['problems'][:200]}" for row in told)
                    raise AssertionError(f"{worked} of {count} messages were worked: {ends}")
                return
        await asyncio.sleep(0.03)
    raise Misconfigured("the workers did not finish")


@contextlib.contextmanager
def door(settings: Settings) -> Iterator[tuple[int, int]]:
    """The MLLP door as the product runs it: its port and the id of its process."""
    port = process.free_port()
    more = {
        "PONTE_DATA": str(settings.data),
        "PONTE_DATABASE_URL": settings.database_url,
        "PONTE_MLLP_PORT": str(port),
    }
    child = spawned(settings, ["api.cli", "serve", "mllp"], more, "mllp.log")
    try:
        await_port(port, child)
        yield port, child.pid
    finally:
        process.stop(child, signal.SIGTERM, 10)


def spawned(settings: Settings, module: list[str], more: dict[str, str], log: str) -> subprocess.Popen[bytes]:
    """A process that runs a module with its arguments, `more` in its environment and its output in the file `log`."""
    command = [sys.executable, "-X", "utf8", "-m", *module]
    return process.spawn(command, environment={**os.environ, **more, "PYTHONPATH": str(ROOT)}, log=settings.logs / log)


def await_port(port: int, door: subprocess.Popen[bytes]) -> None:
    """Wait until a door listens; raises Misconfigured when it does not within 30 seconds."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and door.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Misconfigured("the door did not start")


async def client(port: int, connections: int, seconds: float, tag: str) -> dict[str, float]:
    """What a client process on `connections` connections got acknowledged within `seconds`."""
    command = [sys.executable, "-m", "bench.traffic", "127.0.0.1", str(port), str(connections), str(seconds), tag]
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    output, _ = await asyncio.wait_for(child.communicate(), seconds + 60)
    return dict(json.loads(output))
