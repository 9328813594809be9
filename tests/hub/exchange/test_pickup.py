"""Files that are picked up: whole ones only, kept before they move, taken once, findings without values."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from channel_feed import partner, put, send
from hl7_feed import adt, records, work_all

from api.doors import collector
from api.doors.collector import Collector
from canonical.errors import Misconfigured, TryLater
from hub.exchange import guests
from hub.exchange.door import keep
from hub.exchange.door.keep import Keeper
from hub.exchange.door.pickup import Pickup
from hub.exchange.out import delivery
from hub.exchange.partners import save_partner
from hub.guard import vault
from hub.redis import Bell
from hub.watch import readings
from hub.world import Tenant, World, opened

QUICK = "every_s = 0.1\nstable_s = 0.0\n"


@pytest_asyncio.fixture
async def world(cluster: Any, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose exchange folders lie in the test's own folder."""
    settings = dataclasses.replace(cluster[0], exchange_root=str(tmp_path / "exchange"), allow_private_targets=True)
    async with opened(settings, size=6) as found:
        yield found


def folder(world: World, tenant: Tenant) -> Path:
    found = world.settings.folders / tenant.slug / "in"
    found.mkdir(parents=True, exist_ok=True)
    return found


async def taker(world: World, tenant: Tenant, more: str = QUICK) -> Pickup:
    channel = await put(world, tenant, f'name = "files"\ndoor = "folder"\n[pickup]\npath = "in"\n{more}')
    return Pickup(world, Keeper(world.database), channel)


def names(place: Path, *under: str) -> list[str]:
    target = place.joinpath(*under)
    return sorted(p.name for p in target.iterdir() if p.is_file()) if target.exists() else []


async def received(world: World, tenant: Tenant) -> list[tuple[str, int]]:
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT control_id, receipts FROM message WHERE tenant_id = $1 ORDER BY id")
    return [(row["control_id"], row["receipts"]) for row in rows]


def a01(n: int) -> bytes:
    return adt("A01", f"M{n}", f"V{n}", "20261122080000").encode()


async def test_a_file_is_kept_worked_and_moved(world: World, tenant: Tenant) -> None:
    place = folder(world, tenant)
    (place / "a.hl7").write_bytes(a01(1) + a01(2))
    (place / "notes.txt").write_bytes(b"not ours")
    (place / ".b.hl7").write_bytes(a01(3))
    own = await taker(world, tenant)
    assert await own.look() == 1 and await own.look() == 0
    assert (names(place), names(place, "processed"), names(place, "processing")) == (
        [".b.hl7", "notes.txt"],
        ["a.hl7"],
        [],
    )
    await work_all(world, tenant)
    assert len(await records(world, tenant, "Patient")) == 2


async def test_a_batch_with_a_wrong_count_and_a_bad_message_goes_to_the_failed(world: World, tenant: Tenant) -> None:
    place = folder(world, tenant)
    bad = a01(2).replace(b"ADT^A01", b"XXX^X01")
    (place / "b.hl7").write_bytes(b"FHS|^~\\&\rBHS|^~\\&\r" + a01(1) + bad + b"BTS|3\rFTS|1\r")
    await (await taker(world, tenant)).look()
    assert names(place, "failed") == ["b.hl7", "b.hl7.findings.jsonl"] and names(place, "processed") == []
    text = (place / "failed" / "b.hl7.findings.jsonl").read_text(encoding="utf-8")
    summary, *lines = [json.loads(line) for line in text.splitlines()]
    assert (summary["messages"], summary["failed"]) == (2, 2)
    codes = {(line["message"], finding["code"]) for line in lines for finding in line["findings"]}
    assert {(2, "type.unmapped"), (0, "structure.batch-count")} <= codes
    assert "Souza" not in text and "M2" not in text, "places and codes, never values"
    async with world.transaction(tenant) as tx:
        kept = await tx.rows("SELECT control_id, id FROM message WHERE tenant_id = $1")
    found = {(line["control_id"], line["id"]) for line in lines if line["message"]}
    assert found and found <= {(row["control_id"], str(row["id"])) for row in kept} and all(map(all, found))
    assert len(await received(world, tenant)) == 2, "what is good in it is kept all the same"


async def test_a_pattern_does_not_tell_small_letters_from_capitals(world: World, tenant: Tenant) -> None:
    place = folder(world, tenant)
    (place / "ADT0001.HL7").write_bytes(a01(1))
    (place / "ADT0001.TXT").write_bytes(a01(2))
    assert await (await taker(world, tenant)).look() == 1
    assert (names(place), names(place, "processed")) == (["ADT0001.TXT"], ["ADT0001.HL7"])


async def test_a_pick_up_that_fails_is_seen_and_alarms(world: World, tenant: Tenant, redis_url: str) -> None:
    heard = dataclasses.replace(world, bell=Bell(redis_url))
    await put(world, tenant, f'name = "good"\ndoor = "folder"\n[pickup]\npath = "in"\n{QUICK}')
    document = 'name = "bad"\ndoor = "sftp"\n[pickup]\npath = "in"\nhost = "127.0.0.1"\n'
    async with world.transaction(tenant) as tx:
        await vault.put(tx, world.settings, "k", {"password": "x"}, kind="login")
    await put(world, tenant, document + 'user = "u"\nsecret = "k"\nhost_key = "none"\n')
    (folder(world, tenant) / "a.hl7").write_bytes(a01(1))
    assert await guests.troubles(world, tenant) == [], "without Valkey nobody knows"
    stop = asyncio.Event()
    task = asyncio.create_task(Collector(heard, Keeper(world.database)).follow(stop))
    try:
        async with asyncio.timeout(40):
            while not (found := {one["channel"]: one for one in await guests.connected(heard, tenant) or []}) or not (
                found["bad"]["code"] and found["good"]["files"]
            ):
                await asyncio.sleep(0.1)
    finally:
        stop.set()
        await task
    assert (found["bad"]["code"], found["bad"]["looked_s"]) == ("transport.key", None)
    assert (found["good"]["code"], found["good"]["files"], found["good"]["path"]) == ("", 1, "in")
    measured = {(one.rule, one.place) for one in await readings.of_tenant(heard, tenant)}
    assert ("pickup.failing", "bad") in measured and ("pickup.failing", "good") not in measured
    await heard.bell.close()


async def test_an_empty_and_a_foreign_file_fail(world: World, tenant: Tenant) -> None:
    place = folder(world, tenant)
    (place / "blank.hl7").write_bytes(b"\r\n \r\n")
    (place / "empty.hl7").write_bytes(b"")
    (place / "photo.hl7").write_bytes(os.urandom(2000))
    await (await taker(world, tenant)).look()
    assert [n for n in names(place, "failed") if not n.endswith("jsonl")] == ["blank.hl7", "empty.hl7", "photo.hl7"]
    for name in ("blank", "empty"):
        told = (place / "failed" / f"{name}.hl7.findings.jsonl").read_text().splitlines()
        assert len(told) == 2 and "er7.no-message" in told[1], "a file among the failed says why it is there"


async def test_a_growing_file_is_left_until_it_is_whole(world: World, tenant: Tenant) -> None:
    place, whole = folder(world, tenant), a01(1) + a01(2)
    own = await taker(world, tenant, "every_s = 0.1\nstable_s = 0.15\n")
    for part in (whole[:100], whole[100:500], whole[500:]):
        with (place / "a.hl7").open("ab") as file:
            file.write(part)
        assert await own.look() == 0
        await asyncio.sleep(0.08)
    await asyncio.sleep(0.2)
    assert await own.look() == 1 and len(await received(world, tenant)) == 2


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_crash_loses_and_doubles_nothing(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """The process ends after some messages of a file: the next one takes it up, resends are recognised."""
    place = folder(world, tenant)
    (place / "a.hl7").write_bytes(a01(1) + a01(2) + a01(3))
    real, calls = keep._kept, [0]

    async def failing(*given: Any) -> Any:
        calls[0] += 1
        if calls[0] > after:
            raise TryLater("the power went off")
        return await real(*given)

    monkeypatch.setattr(keep, "LARGEST_GROUP", 1)
    monkeypatch.setattr(keep, "_kept", failing)
    own = await taker(world, tenant)
    with pytest.raises(TryLater):
        await own.look()
    assert names(place, "processing") == ["a.hl7"]
    monkeypatch.setattr(keep, "_kept", real)
    assert await (await taker(world, tenant)).look() == 1
    assert [receipts for _, receipts in await received(world, tenant)] == [2] * after + [1] * (3 - after)
    assert names(place, "processed") == ["a.hl7"]


async def test_a_file_is_kept_in_groups_and_in_its_order(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, real = list[int](), Keeper._commit

    async def counted(self: Keeper, standing: Any, place: Any, group: Any, limit: Any) -> Any:
        sizes.append(len(group))
        return await real(self, standing, place, group, limit)

    monkeypatch.setattr(Keeper, "_commit", counted)
    sent = [a01(n) for n in range(2 * keep.LARGEST_GROUP + 7)]
    (folder(world, tenant) / "a.hl7").write_bytes(b"".join(sent))
    assert await (await taker(world, tenant)).look() == 1
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT control_id FROM message WHERE tenant_id = $1 ORDER BY seq")
    assert [row["control_id"] for row in rows] == [raw.split(b"|", 10)[9].decode() for raw in sent]
    assert sum(sizes) == len(sent) and len(sizes) < 8, sizes


async def test_the_same_file_again_changes_nothing_and_overwrites_nothing(world: World, tenant: Tenant) -> None:
    place, content = folder(world, tenant), a01(1)
    own = await taker(world, tenant)
    for _ in range(3):
        (place / "a.hl7").write_bytes(content)
        await own.look()
    assert names(place, "processed") == ["a.hl7", "a.hl7.2", "a.hl7.3"]
    assert [receipts for _, receipts in await received(world, tenant)] == [3]


async def test_a_file_left_by_a_dead_process_comes_before_a_new_one_of_its_name(world: World, tenant: Tenant) -> None:
    place = folder(world, tenant)
    (place / "processing").mkdir()
    old, new = a01(1), a01(2)
    (place / "processing" / "out.hl7").write_bytes(old)
    (place / "out.hl7").write_bytes(new)  # a HIS that names every file alike
    own = await taker(world, tenant)
    await own.look()
    assert (names(place), names(place, "processing")) == ([], [])
    assert names(place, "processed") == ["out.hl7", "out.hl7.2"]
    assert [(place / "processed" / name).read_bytes() for name in ("out.hl7", "out.hl7.2")] == [old, new]
    assert len(await received(world, tenant)) == 2


@pytest.mark.parametrize(("old", "new"), [("a.hl7", "processing/a.hl7"), ("processing/a.hl7", "processed/a.hl7")])
async def test_a_process_that_died_within_a_rename_leaves_one_file(
    world: World, tenant: Tenant, old: str, new: str
) -> None:
    place = folder(world, tenant)
    for name in ("processing", "processed"):
        (place / name).mkdir()
    (place / old).write_bytes(a01(1))
    os.link(place / old, place / new)
    own = await taker(world, tenant)
    for _ in range(2):
        await own.look()
    assert (names(place), names(place, "processing"), names(place, "processed")) == ([], [], ["a.hl7"])
    assert len(await received(world, tenant)) == 1


async def test_two_processes_take_a_file_once(world: World, tenant: Tenant) -> None:
    place = folder(world, tenant)
    for n in range(20):
        (place / f"{n:02}.hl7").write_bytes(a01(n))
    one, two = await taker(world, tenant), await taker(world, tenant)
    for _ in range(3):
        await asyncio.gather(one.look(), two.look())
    assert len(names(place, "processed")) == 20
    assert [receipts for _, receipts in await received(world, tenant)] == [1] * 20


async def test_delete_instead_of_move_and_a_limit_of_size(world: World, tenant: Tenant) -> None:
    place = folder(world, tenant)
    (place / "a.hl7").write_bytes(a01(1))
    (place / "big.hl7").write_bytes(a01(2) + b"ZZZ|" + b"x" * 5000 + b"\r")
    await (await taker(world, tenant, QUICK + 'then = "delete"\nmost_bytes = 3000\n')).look()
    assert names(place, "processed") == [] and names(place) == []
    assert names(place, "failed") == ["big.hl7", "big.hl7.findings.jsonl"]


async def test_a_link_out_of_the_folder_is_not_followed(world: World, tenant: Tenant, tmp_path: Path) -> None:
    place, secret = folder(world, tenant), tmp_path / "secret.hl7"
    secret.write_bytes(a01(9))
    (place / "a.hl7").symlink_to(secret)
    own = await taker(world, tenant)
    assert await own.look() == 0 and await received(world, tenant) == []
    (place / "processing").rmdir()
    (place / "processing").symlink_to(tmp_path)
    with pytest.raises(Misconfigured):
        await own.look()


@pytest.mark.parametrize("path", ["../other/in", "/etc", "~", "a/../../b"])
async def test_a_folder_outside_of_the_tenants_own_is_refused(world: World, tenant: Tenant, path: str) -> None:
    from hub.channels.reading import Faulty

    with pytest.raises(Faulty):
        await put(world, tenant, f'name = "files"\ndoor = "folder"\n[pickup]\npath = "{path}"\n')


async def test_the_collector_follows_the_channels(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(collector, "TICK_SECONDS", 0.02)
    place, stop = folder(world, tenant), asyncio.Event()
    task = asyncio.create_task(Collector(world, Keeper(world.database)).follow(stop))
    await put(world, tenant, f'name = "files"\ndoor = "folder"\n[pickup]\npath = "in"\n{QUICK}')
    (place / "a.hl7").write_bytes(a01(1))
    async with asyncio.timeout(60):
        while names(place, "processed") != ["a.hl7"]:
            await asyncio.sleep(0.02)
    stop.set()
    await task


async def test_a_folder_as_destination_gets_whole_files(world: World, tenant: Tenant) -> None:
    to = await partner(world, tenant, "dw", 1)
    to.settings["transport"] = {"kind": "folder", "path": "out"}
    async with world.transaction(tenant) as tx:
        await save_partner(tx, to)
    place = world.settings.folders / tenant.slug / "out"
    place.mkdir(parents=True)
    text = 'name = "x"\ndoor = "mllp"\n[[destinations]]\nname = "dw"\npartner = "dw"\n'
    sent = [a01(n) for n in range(3)]
    await send(world, tenant, await put(world, tenant, text), *sent)
    assert await delivery.work(world, tenant) == 3
    files = sorted(place.iterdir())
    assert sorted(file.read_bytes() for file in files) == sorted(sent) and all(f.suffix == ".hl7" for f in files)


@pytest.mark.slow
async def test_a_batch_larger_than_any_frame_needs_the_memory_of_a_message(world: World, tenant: Tenant) -> None:
    """192 MB in one FHS/BHS file, where a frame may have 80: read piece by piece, each message kept by itself."""
    taking, count, block = await taker(world, tenant), 96, b"OBX|1|TX|T^T^L||" + b"x" * 2_000_000 + b"\r"
    with (folder(world, tenant) / "large.hl7").open("wb") as file:
        file.write(b"FHS|^~\\&|A|B|C|D|20261122|||||F1\rBHS|^~\\&|A|B|C|D|20261122|||||B1\r")
        for number in range(count):
            file.write(a01(number) + block)
        file.write(f"BTS|{count}\rFTS|1\r".encode())
    status = Path("/proc/self/status")
    before = _resident(status.read_text(), "VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    assert await taking.look() == 1
    grown = _resident(status.read_text(), "VmHWM") - before
    told = [path.read_text()[:500] for path in folder(world, tenant).rglob("*.findings.jsonl")]
    assert names(folder(world, tenant), "processed") == ["large.hl7"], told
    assert len(await received(world, tenant)) == count
    assert grown < 64, f"{grown:.0f} MB for a file of 192 MB"


def _resident(status: str, field: str) -> float:
    """Megabytes, from /proc/self/status."""
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{field}:"))) / 1024
