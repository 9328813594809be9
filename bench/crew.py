"""Workers as processes of their own, as `ponte up` runs them: held while work is laid before them, then let go."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
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
