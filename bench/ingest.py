"""MLLP messages kept durably and acknowledged per second, at 1, 8 and 64 connections that wait for each answer.

The floor is pgbench, at the same concurrency over TCP on the same server with the same durability: one insert of a
row of the same size for each transaction. Client, hub and server are processes of their own on the same cores.

A bare door, which stores what it gets by the floor's insert and does nothing else, is measured beside the hub.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from bench import traffic
from bench.bare_door import bare_door
from bench.crew import client, door
from bench.measure import Measure
from canonical.errors import Misconfigured
from hub.servers import postgres, process
from hub.settings import Settings
from hub.world import Tenant, World

CONNECTIONS = (1, 8, 64)
SECONDS = 4.0
FLOOR_SECONDS = 3
ROOT = Path(__file__).resolve().parent.parent


async def measure(world: World, tenant: Tenant) -> list[Measure]:
    """The hub and the bare door between two runs of the floor, for each number of connections."""
    size = len(traffic.admission("0" * 13, "0" * 5))
    await _prepare(world.settings)
    found = []
    with door(world.settings) as (port, _), bare_door(world.settings) as bare:
        await client(port, 8, 2.0, "W")  # the first messages warm caches and statements
        await client(bare, 8, 1.0, "W")
        for connections in CONNECTIONS:
            before = _pgbench(world.settings, connections, size)
            tag = f"{connections:02d}T"
            sent = await client(port, connections, SECONDS, tag)
            least = await client(bare, connections, SECONDS, tag)
            floor = (before + _pgbench(world.settings, connections, size)) / 2
            await _check(world, tenant, tag, sent)
            name = f"ingest {connections} connection{'s' if connections > 1 else ''}"
            found += [_measured(name, sent, floor, size), _measured(f"{name}, bare door", least, floor, size)]
    return found


def _measured(name: str, sent: dict[str, float], floor: float, size: int) -> Measure:
    rate = sent["acked"] / sent["seconds"]
    return Measure(name=name, value=rate, unit="messages/s", floor=floor, floor_name=f"pgbench insert {size} B")


async def _check(world: World, tenant: Tenant, tag: str, sent: dict[str, float]) -> None:
    """Everything acknowledged is stored, every answer named its message, and each connection's order was kept."""
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT control_id FROM message WHERE tenant_id = $1 AND control_id >= $2 AND control_id < $3 ORDER BY seq",
            tag,
            tag + "\uffff",
        )
    last: dict[str, int] = {}
    for row in rows:
        name, _, count = row["control_id"].partition("-")
        if int(count) != last.get(name, -1) + 1:
            raise AssertionError(f"order lost on connection {name}")
        last[name] = int(count)
    if sent["wrong"] or len(rows) != sent["acked"]:
        raise AssertionError(f"{sent['wrong']} wrong answers; {len(rows)} stored, {sent['acked']} acknowledged")


async def _prepare(settings: Settings) -> None:
    """The floor's table, outside the hub's schema: a key and the bytes, nothing else."""
    connection = await asyncpg.connect(settings.owner_database_url)
    try:
        await connection.execute("CREATE SCHEMA floor CREATE TABLE row (id uuid PRIMARY KEY, content bytea)")
    finally:
        await connection.close()


def _pgbench(settings: Settings, connections: int, size: int) -> float:
    """Transactions per second of single inserts of `size` random bytes, sent as a parameter each time."""
    programs = postgres.binaries(settings, process.server_account())
    script = settings.data / "floor.sql"
    script.write_text("INSERT INTO floor.row VALUES (gen_random_uuid(), decode(:content, 'hex'));\n")
    place = urlsplit(settings.owner_database_url)
    command = [str(programs / "pgbench"), "-n", "-M", "prepared", "-c", str(connections), "-j", "1"]
    command += ["-f", str(script), "-D", f"content={secrets.token_hex(size)}"]
    command += ["-h", str(place.hostname), "-p", str(place.port), "-U", str(place.username), place.path.lstrip("/")]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PGPASSWORD": str(place.password)}
    for seconds in (FLOOR_SECONDS, 5 * FLOOR_SECONDS):  # a busy machine may spend the first on connecting
        timed = [command[0], "-T", str(seconds), *command[1:]]
        done = subprocess.run(timed, env=environment, capture_output=True, text=True, check=False)
        found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
        if done.returncode != 0 or found is not None:
            break
    if done.returncode != 0 or found is None:
        raise Misconfigured(f"pgbench failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    return float(found[1])
