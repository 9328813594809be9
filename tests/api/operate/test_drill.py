"""A backup is proved by restoring it: what is whole holds, and what is not is told point by point."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import uuid
from pathlib import Path
from typing import Any

import own_database
import pytest

from api.cli.main import main
from canonical.errors import Misconfigured
from hub.guard import audit, vault
from hub.operate.database import backup, drill
from hub.operate.database.drill import _compared
from hub.seed import demo_tenant
from hub.settings import Settings
from hub.watch import machine
from hub.world import opened


async def filled(settings: Settings) -> str:
    """A tenant with a secret and a sealed event."""
    slug = f"drill{uuid.uuid4().hex[:8]}"
    async with opened(settings, size=2) as world:
        tenant = await demo_tenant(world, slug, "Hospital de Teste")
        async with world.transaction(tenant) as tx:
            await vault.put(tx, settings, "payer", {"login": "x"}, kind="login")
            await audit.note(tx, "ana", "read", "Patient/x")
        async with world.transaction(tenant) as tx:
            await audit.seal(tx)
    return slug


def superior(cluster: Any, url: str) -> str:
    """The superuser's URL of the database of `url`."""
    return str(cluster[1].superuser_url).rsplit("/", 1)[0] + "/" + url.rsplit("/", 1)[1]


def test_what_a_manifest_says_is_compared_to_the_row() -> None:
    assert _compared("rows", {"message": 3}, {"message": 3, "added_since": 0}).held
    point = _compared("rows", {"message": 3, "job": 1}, {"message": 2})
    assert not point.held and point.said == "message: 2 instead of 3; job: None instead of 1"


def test_a_cut_or_changed_dump_is_refused(tmp_path: Path) -> None:
    dump = tmp_path / "x.dump"
    dump.write_bytes(b"PGDMP whole")
    with pytest.raises(Misconfigured, match="belongs to the backup"):
        backup.read_manifest(dump)
    said = {"made_at": "", "revision": "", "tables": {}, "seals": {}, "sha256": backup.sha256(dump), "size": 11}
    backup.manifest_of(dump).write_text(json.dumps(said))
    assert backup.read_manifest(dump).size == 11
    dump.write_bytes(b"PGDMP whol")
    with pytest.raises(Misconfigured, match="cut or changed"):
        backup.read_manifest(dump)


@pytest.mark.slow
async def test_a_backup_is_restored_and_held_against_its_manifest(cluster: Any, data_root: Path) -> None:
    settings = cluster[0]
    async with own_database.fresh(cluster) as (_, application):
        slug = await filled(dataclasses.replace(settings, database_url=application))
        dump = data_root / f"{slug}.dump"
        backup.manifest_of(dump).mkdir()  # it cannot be written: no dump stands without one
        with pytest.raises(Misconfigured, match="cannot write"):
            await asyncio.to_thread(backup.backup, settings, dump, superior(cluster, application))
        backup.manifest_of(dump).rmdir()
        assert not list(data_root.glob(f"{slug}*"))
        await asyncio.to_thread(backup.backup, settings, dump, superior(cluster, application))
    assert machine.hours_since_backup(settings, dump.stat().st_mtime) == 0
    manifest = backup.read_manifest(dump)
    assert (
        manifest.tables["tenant"] >= 1
        and slug in manifest.seals
        and backup.manifest_of(dump).stat().st_mode & 0o077 == 0
    )
    report = await asyncio.to_thread(drill.drill, dump, settings.secrets)
    assert report.held, report.points
    assert {point.name for point in report.points} == {
        "revision",
        "rows",
        "last seals",
        "walls",
        "audit chain",
        "secrets",
    }
    missing = ["db", "drill", str(data_root / "none.dump"), "--secrets", str(settings.secrets)]
    assert await asyncio.to_thread(main, missing) == 4


async def test_a_database_of_ones_own_is_dumped_and_filled(
    cluster: Any, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = cluster[0]
    slug = await filled(settings)
    dump = data_root / f"{slug}.dump"

    with pytest.raises(Misconfigured, match="BYPASSRLS"):
        await asyncio.to_thread(backup.backup, settings, dump, cluster[1].owner_url)
    assert not dump.with_name(dump.name + ".partial").exists()
    await asyncio.to_thread(backup.backup, settings, dump, superior(cluster, cluster[1].application_url))
    async with own_database.fresh(cluster, "") as (_, application):
        await asyncio.to_thread(backup.restore_into, settings, superior(cluster, application), dump)
        with pytest.raises(Misconfigured, match="tables already"):
            await asyncio.to_thread(backup.restore_into, settings, superior(cluster, application), dump)
        there = Settings(data=settings.data, database_url=application)
        async with opened(there, size=1) as world, world.transaction(await world.tenant(slug)) as tx:
            assert await vault.reveal(tx, settings, "payer") == {"login": "x"}
            assert await audit.broken_seal(tx) is None
        (data_root / f"keys-{slug}" / "secrets").mkdir(parents=True, mode=0o700)
        (data_root / f"keys-{slug}" / "secrets" / "master.key").write_text("A" * 43)  # well formed, another hub's
        async with opened(dataclasses.replace(there, data=data_root / f"keys-{slug}"), size=1) as world:
            points = {point.name: point for point in await drill._tenants(world)}
        assert points["audit chain"].held and not points["secrets"].held and f"{slug}: payer" in points["secrets"].said
    monkeypatch.delenv("NOT_SET", raising=False)
    assert await asyncio.to_thread(main, ["db", "backup", str(dump) + "2", "--url-env", "NOT_SET"]) == 4
