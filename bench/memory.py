"""The memory of a door and a worker while messages pass: what they hold after the first fifth, and at the end.

`./ponte bench memory --messages 1000000` sends as many. The ratio is end to start: it stays near 1 when nothing grows
with the number of messages.
"""

from __future__ import annotations

import sys
import time

from bench.crew import client, crew, door, finished, resident
from bench.measure import Measure
from hub.world import Tenant, World

MESSAGES = 20_000
CONNECTIONS = 32
ROUND_SECONDS = 1.0
TELL_SECONDS = 60.0


async def measure(world: World, tenant: Tenant, messages: int = MESSAGES) -> list[Measure]:
    """Megabytes at the end beside those at the start; every round brings new patients, and waits for the worker."""
    start = {"door": 0, "worker": 0}
    done = rounds = 0
    told = began = time.monotonic()
    with door(world.settings) as (port, pid), crew(world.settings, 1) as hands:
        while done < messages:
            sent = await client(port, CONNECTIONS, ROUND_SECONDS, f"{rounds:06d}R")
            if sent["wrong"]:
                raise AssertionError(f"{sent['wrong']} wrong answers")
            done, rounds = done + int(sent["acked"]), rounds + 1
            await finished(world, tenant, done)
            now = {"door": resident(pid), "worker": hands.resident()}
            if not start["door"] and done >= messages / 5:
                start = now
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                _tell(done, told - began, now)
    return [
        Measure(
            name=f"memory of a {name} at the end ({done} messages)",
            value=now[name] / 1e6,
            unit="MB",
            floor=start[name] / 1e6,
            floor_name="after the first fifth",
        )
        for name in ("door", "worker")
    ]


def _tell(done: int, seconds: float, now: dict[str, int]) -> None:
    """A line of a long run on standard error, so that it can be followed."""
    held = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in now.items())
    print(f"{done} messages worked in {seconds:.0f} s: {held}", file=sys.stderr, flush=True)
