"""kill -9 at random under MLLP load: every acknowledged control id is stored exactly once, and worked.

PONTE_KILL_ROUNDS sets the rounds (5; the full run takes 50). What is killed changes from round to round: a door, a
worker, PostgreSQL, or the whole hub with everything it started.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import asyncpg
import pytest
from hubs import ADT, Hub, gone, processes_of, up

ROUNDS = int(os.environ.get("PONTE_KILL_ROUNDS", "5"))
CONNECTIONS = 6
VICTIMS = ("doors", "everything", "postgres", "worker")


class Ledger:
    """What the senders know: each id sent, and each id acknowledged with AA."""

    def __init__(self) -> None:
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()


async def sender(name: str, address: tuple[str, int], ledger: Ledger, stop: asyncio.Event) -> None:
    """Sends one message after the other and waits for each answer; after a break it sends the last one again."""
    number = 0
    while not stop.is_set():
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            reader, writer = await asyncio.open_connection(*address)
            try:
                while not stop.is_set():
                    control = f"{name}-{number}"
                    ledger.sent.add(control)
                    writer.write(b"\x0b" + ADT.format(control, f"{name}{number % 7}").encode() + b"\x1c\r")
                    async with asyncio.timeout(20):
                        answer = await reader.readuntil(b"\x1c\r")
                    if f"MSA|AA|{control}".encode() in answer:
                        ledger.acknowledged.add(control)
                        number += 1
            finally:
                writer.close()
        await asyncio.sleep(0.05)


def kill(hub: Hub, victim: str) -> None:
    """kill -9 of one part, or of everything at once."""
    if victim == "postgres":
        pid = int((hub.data / "postgres" / "postmaster.pid").read_text().split("\n")[0])
        os.kill(pid, signal.SIGKILL)
        return
    deadline = time.monotonic() + 15
    while not (pids := _pids(hub, victim)):  # the supervisor may just be starting it again
        assert time.monotonic() < deadline, f"no process to kill for {victim}"
        time.sleep(0.1)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _pids(hub: Hub, victim: str) -> list[int]:
    if victim == "everything":
        return [hub.process.pid, *processes_of(hub.data)]
    found = []
    for pid in processes_of(hub.data):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[-2:-1] == [victim]:
                found.append(pid)
    return found


async def round_of(hub: Hub, victim: str, ledger: Ledger, chance: random.Random, label: str) -> None:
    stop = asyncio.Event()
    senders = [asyncio.create_task(sender(f"{label}.{n}", hub.mllp, ledger, stop)) for n in range(CONNECTIONS)]
    await asyncio.sleep(chance.uniform(0.1, 1.2))
    kill(hub, victim)
    await asyncio.sleep(0.3)
    stop.set()
    for task in senders:
        task.cancel()
    await asyncio.gather(*senders, return_exceptions=True)


async def stored(url: str, seconds: float) -> Counter[str]:
    """How often each control id is stored, once nothing waits any more."""
    connection = await asyncpg.connect(url)
    try:
        tenant = await connection.fetchval("SELECT id FROM tenant WHERE slug = 'demo'")
        await connection.execute(f"SELECT set_config('app.current_tenant', '{tenant}', false)")
        deadline = time.monotonic() + seconds
        while await connection.fetchval("SELECT count(*) FROM message WHERE status = 'RECEIVED'"):
            assert time.monotonic() < deadline, "messages still wait"
            await asyncio.sleep(0.2)
        assert await connection.fetchval("SELECT coalesce(sum(pending), 0) FROM lane WHERE kind = 'inbound'") == 0
        assert await connection.fetchval("SELECT count(*) FROM message WHERE status = 'ERROR'") == 0
        rows = await connection.fetch("SELECT control_id, count(*) AS n FROM message WHERE direction = 'in' GROUP BY 1")
        return Counter({row["control_id"]: row["n"] for row in rows})
    finally:
        await connection.close()


@pytest.mark.slow
def test_acknowledged_is_stored_exactly_once() -> None:
    chance, ledger = random.Random(20261122), Ledger()
    with tempfile.TemporaryDirectory(prefix="ponte-kill-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        data = Path(name) / "hub"
        with contextlib.ExitStack() as stack:
            hub = stack.enter_context(up(data))
            for number in range(ROUNDS):
                victim = VICTIMS[number % len(VICTIMS)]
                asyncio.run(round_of(hub, victim, ledger, chance, f"r{number}"))
                if victim == "everything":
                    hub.process.wait()
                    hub = stack.enter_context(up(data))
                deadline = time.monotonic() + 90
                while not _ready(hub, f"after{number}", ledger):
                    assert time.monotonic() < deadline, f"not back 90 s after {victim} was killed"
                    time.sleep(0.1)
            found = asyncio.run(stored(hub.facts()["database_url"], 90))
            assert hub.stop() == 0
        assert gone(data, 5)
    assert len(ledger.acknowledged) > 20 * ROUNDS, "too little load to prove anything"
    assert {control: found[control] for control in ledger.acknowledged if found[control] != 1} == {}
    assert all(found[control] <= 1 for control in ledger.sent)


def _ready(hub: Hub, control: str, ledger: Ledger) -> bool:
    ledger.sent.add(control)
    with contextlib.suppress(OSError):
        if b"MSA|AA" in hub.send(control):
            ledger.acknowledged.add(control)
            return True
    return False
