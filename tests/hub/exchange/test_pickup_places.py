"""Folders as they are in hospitals: files of other accounts, shares without links; and a pick-up that fails by a defect."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import os
from pathlib import Path
from typing import Any

import pytest
from channel_feed import put

from adapters.transports.files import LocalFolder
from api.doors.collector import Collector
from hub.exchange import guests
from hub.exchange.door.keep import Keeper
from hub.exchange.door.pickup import Pickup
from hub.redis import Bell
from hub.world import Tenant, World
from tests.hub.exchange.test_pickup import QUICK, a01, folder, names, taker, world

__all__ = ["world"]  # the fixture: folders of the test's own


@pytest.mark.parametrize("cause", [errno.EPERM, errno.EOPNOTSUPP])
async def test_a_folder_without_links_is_taken_and_nothing_is_overwritten(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, cause: int
) -> None:
    """As FAT, some network shares, and files of another account on Linux (`fs.protected_hardlinks`)."""

    def none(*_: Any, **__: Any) -> None:
        raise OSError(cause, os.strerror(cause))

    monkeypatch.setattr(os, "link", none)
    place, own = folder(world, tenant), await taker(world, tenant)
    files = [a01(1), a01(2)]
    for content in files:
        (place / "a.hl7").write_bytes(content)
        assert await own.look() == 1
    assert names(place, "processed") == ["a.hl7", "a.hl7.2"] and names(place, "processing") == []
    assert [(place / "processed" / name).read_bytes() for name in ("a.hl7", "a.hl7.2")] == files
    local = LocalFolder(place)
    assert not await local.rename("gone.hl7", "processing/gone.hl7")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_another_accounts_file_in_a_folder_of_ours_is_taken(data_root: Path) -> None:
    """The other system put it there under its own account: readable, and the folder may be written."""
    place = data_root / "drop"
    (place / "processing").mkdir(parents=True)
    for part in (place, place / "processing"):
        part.chmod(0o777)
    (place / "a.hl7").write_bytes(a01(1))
    (place / "a.hl7").chmod(0o644)
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os.setgid(65534)
            os.setuid(65534)
            os._exit(0 if asyncio.run(LocalFolder(place).rename("a.hl7", "processing/a.hl7")) else 3)
        os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (names(place), names(place, "processing")) == ([], ["a.hl7"])


async def test_a_defect_in_a_pick_up_is_told_and_the_others_go_on(
    world: World, tenant: Tenant, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard = dataclasses.replace(world, bell=Bell(redis_url))
    for name in ("good", "odd"):
        await put(world, tenant, f'name = "{name}"\ndoor = "folder"\n[pickup]\npath = "{name}"\n{QUICK}')
    look = Pickup.look

    async def failing(self: Pickup) -> int:
        if self.channel.name == "odd":
            raise ValueError("SILVA^ANA")
        return await look(self)

    monkeypatch.setattr(Pickup, "look", failing)
    stop = asyncio.Event()
    task = asyncio.create_task(Collector(heard, Keeper(world.database)).follow(stop))
    try:
        async with asyncio.timeout(40):
            while not (found := {one["channel"]: one for one in await guests.connected(heard, tenant) or []}) or (
                found["good"]["looked_s"] is None or not found["odd"]["code"]
            ):
                await asyncio.sleep(0.1)
    finally:
        stop.set()
        await task
        await heard.bell.close()
    assert (found["odd"]["code"], found["odd"]["looked_s"], found["good"]["code"]) == ("pickup.failed", None, "")
    assert "ValueError" in caplog.text and "SILVA" not in caplog.text
