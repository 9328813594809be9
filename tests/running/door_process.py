"""One MLLP door in a process of its own, for tests that measure what the process needs.

    python door_process.py SETTINGS_JSON TENANT LIMIT

Prints the port when it listens, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.settings import Settings
from hub.world import Tenant


@dataclass(slots=True)
class Door:
    """A running door: its port and its process."""

    port: int
    process: subprocess.Popen[str]

    def resident(self, field: str = "VmRSS") -> float:
        """Megabytes of memory it holds now, or held at most since the last `forget` (`VmHWM`)."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith(f"{field}:"))) / 1024

    def forget(self) -> None:
        """Let the most memory be measured anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


@contextmanager
def door(settings: Settings, tenant: Tenant, limit: int) -> Iterator[Door]:
    """A door of the tenant's MLLP channel that takes frames up to `limit` bytes."""
    root = Path(__file__).resolve().parents[2]
    given = json.dumps({"data": str(settings.data), "database_url": settings.database_url})
    process = subprocess.Popen(
        [sys.executable, "-X", "utf8", __file__, given, str(tenant.slug), str(limit)],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
    )
    try:
        assert process.stdout is not None and process.stdin is not None
        yield Door(int(process.stdout.readline()), process)
    finally:
        process.stdin.close()  # type: ignore[union-attr]  # made as a pipe above
        process.wait(30)
        process.stdout.close()  # type: ignore[union-attr]


async def serve(given: str, slug: str, limit: int) -> None:
    """Listen until standard input ends."""
    from api.doors.mllp import Listener
    from hub.exchange.channels import channels_of
    from hub.exchange.door.keep import Keeper
    from hub.world import opened

    said = json.loads(given)
    settings = Settings(data=Path(said["data"]), database_url=said["database_url"])
    async with opened(settings, size=4) as world:
        tenant = await world.tenant(slug)
        channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
        listener = Listener(channel, Keeper(world.database), limit)
        print(await listener.start("127.0.0.1", 0), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await listener.stop()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
