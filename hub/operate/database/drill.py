"""The restore drill: a backup is restored on a scratch folder and held against its manifest, point by point.

It proves what a backup is for: that it comes back whole, with the walls up, the trail unbroken, and the secrets open.
Nothing is sent: no door and no worker runs on what was restored, and the folder is removed at the end.
"""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from canonical.errors import Misconfigured, PonteError
from hub.guard import audit, vault
from hub.operate.database import backup
from hub.operate.database.backup import Manifest
from hub.servers import postgres
from hub.servers.postgres import Cluster
from hub.settings import Settings
from hub.store import migrate
from hub.world import World, opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One thing the drill looked at: whether it held, and what was counted."""

    name: str
    held: bool
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a drill found, how long the restore took (seconds), and when the backup was made."""

    made_at: str
    seconds: float
    points: tuple[Point, ...]

    @property
    def held(self) -> bool:
        """Whether every point did."""
        return all(point.held for point in self.points)

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {
            "held": self.held,
            "made_at": self.made_at,
            "restore_s": round(self.seconds, 1),
            "points": [dataclasses.asdict(point) for point in self.points],
        }


def drill(dump: Path, secrets: Path) -> Report:
    """Restore a dump on a scratch folder and look at all of it; raises Misconfigured when it cannot even begin."""
    manifest = backup.read_manifest(dump)
    if not (secrets / "master.key").is_file():
        raise Misconfigured("name with --secrets the folder that holds the master.key kept apart from the backup")
    with tempfile.TemporaryDirectory(prefix="ponte-drill-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database's own folder inside is closed to others; its account must reach it
        settings = Settings(data=folder / "data", http_port=0, mllp_port=0)
        begun = time.monotonic()
        backup.restore(settings, dump, secrets)
        seconds = time.monotonic() - begun
        with postgres.running(settings, shared_buffers_mb=64) as cluster:
            points = asyncio.run(_looked(settings, cluster, manifest))
    return Report(made_at=manifest.made_at, seconds=seconds, points=tuple(points))


async def _looked(settings: Settings, cluster: Cluster, manifest: Manifest) -> list[Point]:
    at = await migrate.current(cluster.application_url)
    points = [Point(name="revision", held=at == migrate.head(), said=f"{manifest.revision} → {at}")]
    connection = await asyncpg.connect(backup.embedded_url(settings, cluster.port), timeout=60)
    try:
        points.append(_compared("rows", manifest.tables, await backup.counted(connection)))
        points.append(_compared("last seals", manifest.seals, await backup.last_seals(connection)))
    finally:
        await connection.close()
    reached = dataclasses.replace(settings, database_url=cluster.application_url)
    try:
        async with opened(reached, size=2) as world:  # refuses a role or a table that the walls do not hold
            points.append(Point(name="walls", held=True, said="role and row-level security hold"))
            return points + await _tenants(world)
    except Misconfigured as error:
        return [*points, Point(name="walls", held=False, said=error.text)]


def _compared(name: str, wanted: dict[str, Any], found: dict[str, Any]) -> Point:
    """Whether everything the manifest names came back as it was; what a migration added since is nothing to it."""
    wrong = [f"{key}: {found.get(key)} instead of {value}" for key, value in wanted.items() if found.get(key) != value]
    wrong = [text for text in wrong if not text.startswith("alembic_version:")]
    count = f"{sum(wanted.values())} rows, {len(wanted)} tables" if name == "rows" else f"{len(wanted)} tenants"
    return Point(name=name, held=not wrong, said="; ".join(wrong[:5]) or count)


async def _tenants(world: World) -> list[Point]:
    """Of every tenant: the audit chain from its first seal, and that every stored secret opens with the key."""
    broken, closed, events, opened_ones = [], [], 0, 0
    for tenant in await world.tenants():
        async with world.transaction(tenant, wide=True) as tx:
            if (seal := await audit.broken_seal(tx)) is not None:
                broken.append(f"{tenant.slug}: seal {seal}")
            events += int(await tx.value("SELECT count(*) FROM audit_event WHERE tenant_id = $1"))
            for entry in await vault.entries(tx):
                try:
                    opened_ones += await vault.opens(tx, world.settings, entry)
                except PonteError:
                    closed.append(f"{tenant.slug}: {entry.name}")
    return [
        Point(name="audit chain", held=not broken, said="; ".join(broken) or f"{events} events"),
        Point(name="secrets", held=not closed, said="; ".join(closed[:5]) or f"{opened_ones} open with the master key"),
    ]
