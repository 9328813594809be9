"""What a channel decides: whose messages it takes, what it leaves out, which lane, and where messages go on to."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import peers
import pytest
from channel_feed import channel, deliver, partner, put, queued, send
from hl7_feed import adt, msh, oru, outcome, records, work_all

from canonical.problem import Problem
from hl7 import er7
from hub.channels import matching, reading, trial, versions
from hub.channels.document import Document
from hub.exchange.door import receive as door
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.exchange.out import delivery
from hub.exchange.work import reading as work_reading
from hub.exchange.work import worker
from hub.operate.messages import accounting, replay
from hub.operate.persons import whose
from hub.world import Tenant, World
from mappings.tables.table import TableError

A01 = adt("A01", "M1", "V1", "20261122080000")


def document(text: str) -> Document:
    return reading.from_toml(f'name = "x"\ndoor = "mllp"\n{text}')


def read(text: str) -> er7.Message:
    found = er7.read(text.encode())
    assert isinstance(found, er7.Message)
    return found


FILTERS = [
    ('[[filters]]\naction = "skip"\ntypes = ["ADT^A01"]', "skip"),
    ('[[filters]]\naction = "skip"\ntypes = ["ADT^*"]', "skip"),
    ('[[filters]]\naction = "skip"\ntypes = ["ADT"]', "skip"),
    ('[[filters]]\naction = "skip"\ntypes = ["ADT^A0"]'.replace("A0", "A08"), "take"),
    ('[[filters]]\naction = "take"\ntypes = ["ORU^R01"]', "skip"),
    ('[[filters]]\naction = "take"\ntypes = ["ADT^A01"]', "take"),
    ('[[filters]]\naction = "take"\nfacilities = ["HO*"]', "take"),
    ('[[filters]]\naction = "take"\nfacilities = ["ho*"]', "skip"),
    ('[[filters]]\naction = "take"\napplications = ["LIS"]', "skip"),
    ('[[filters]]\naction = "skip"\nfield = "PV1-2"\nequals = "I"', "skip"),
    ('[[filters]]\naction = "skip"\nfield = "PV1-2"\nequals = "O"', "take"),
    ('[[filters]]\naction = "skip"\nfield = "PV1-3.1"\namong = ["UTI", "CC"]', "skip"),
    ('[[filters]]\naction = "skip"\nfield = "PV1-2"\ndiffers = "I"', "take"),
    ('[[filters]]\naction = "skip"\nfield = "PV1-2"\ndiffers = "O"', "skip"),
    ('[[filters]]\naction = "skip"\nfield = "PID-3"\nbegins = "M"', "skip"),
    ('[[filters]]\naction = "skip"\nfield = "PV1-44"\npresent = true', "skip"),
    ('[[filters]]\naction = "skip"\nfield = "ZZZ-1"\npresent = false', "skip"),
    ('[[filters]]\naction = "take"\ntypes = ["ADT^A01"]\n\n[[filters]]\naction = "skip"', "take"),
    ('[[filters]]\naction = "skip"\ntypes = ["ADT^A01"]\nfield = "PV1-2"\nequals = "O"', "take"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FILTERS, ids=[str(n) for n in range(len(FILTERS))])
def test_filters(text: str, expected: str) -> None:
    assert matching.decision(document(text), read(A01)) == expected


def test_any_repetition_and_any_segment_counts() -> None:
    found = read(msh("ADT^A01", "20261122") + "\rPID|1||1^^^A^MR~2^^^B^MR\rNK1|1|A^B|MTH\rNK1|2|C^D|FTH\r")
    assert list(matching.values(found, "PID-3.4")) == ["A", "B"]
    assert list(matching.values(found, "NK1-3")) == ["MTH", "FTH"]


LANES = [
    ("patient", "M1"),
    ("visit", "V1"),
    ("channel", ""),
    ("order", ""),
    ("field:PV1-3.3", "2"),
    ("field:ZZZ-1", ""),
]


@pytest.mark.parametrize(("lane", "expected"), LANES)
def test_lane_keys(lane: str, expected: str) -> None:
    assert matching.lane_value(document(f'lane = "{lane}"'), read(A01)) == expected


async def test_a_stranger_is_rejected_and_kept(world: World, tenant: Tenant) -> None:
    own = await put(world, tenant, 'name = "lis"\ndoor = "mllp"\n[sender]\napplications = ["LIS*"]\n')
    refused, taken = await send(world, tenant, own, A01, oru("M1", "1", "F", "90", "20261122100000"))
    assert (refused.code, taken.code) == ("AR", "AA")
    assert (await outcome(world, tenant, refused.message_id))["problems"] == ["sender.unknown"]


STRANGE = '[sender]\napplications = ["LIS*"]\n'
CUT = "\r".join(A01.split("\r")[:2]) + "\r"


@pytest.mark.parametrize(
    ("rule", "raw", "fault", "mended"),
    [(STRANGE, A01, None, ""), ("", CUT, None, None), ("", A01, Problem("er7.unfinished", "MSH"), None)],
)
async def test_a_replay_takes_what_the_door_takes_today(
    world: World, tenant: Tenant, rule: str, raw: str, fault: Problem | None, mended: str | None
) -> None:
    """What was refused for its sender, a missing segment or a broken frame becomes no record by a mere replay."""
    start = 'name = "x"\ndoor = "mllp"\n'
    own = await put(world, tenant, start + rule)
    kept = await receive(Keeper(world.database), own, raw.encode(), fault=fault)
    assert kept.code in ("AE", "AR")
    before = (await outcome(world, tenant, kept.message_id))["problems"]
    for change in (None, mended):
        if change is not None:
            await put(world, tenant, start + change)
        (tried,) = await replay.rehearse(world, tenant, [kept.message_id])
        await replay.replay(world, tenant, "ana", [kept.message_id])
        await work_all(world, tenant)
        told, passes = await outcome(world, tenant, kept.message_id), change is not None
        assert (tried.would_pass, told["status"] == "TRANSFORMED") == (passes, passes)
        assert passes or told["problems"] == before
        assert len(await records(world, tenant, "Patient")) == passes


async def test_what_a_closed_channel_received_is_found_and_replayed(world: World, tenant: Tenant) -> None:
    own = await put(world, tenant, 'name = "x"\ndoor = "mllp"\n')
    (answer,) = await send(world, tenant, own, A01, work=False)
    async with world.transaction(tenant) as tx:
        await versions.deactivate(tx, "x", actor="ana")
    assert (await whose.messages_of(world, tenant, "M1", "ana")).ids == (answer.message_id,)
    await work_all(world, tenant)
    (tried,) = await replay.rehearse(world, tenant, [answer.message_id])
    assert tried.would_pass and tried.records["Patient"] == 1
    await replay.replay(world, tenant, "ana", [answer.message_id])
    await work_all(world, tenant)
    assert (await outcome(world, tenant, answer.message_id))["status"] == "TRANSFORMED"


@pytest.mark.parametrize("at", ["read_as", "translate"])
async def test_a_broken_table_loses_no_message(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """An overlay or code table that cannot be read is named, at the door too; the message is there after the mending."""
    room = door if at == "read_as" else work_reading
    real, broken = getattr(room, at), [True]

    def broken_or(*given: Any, **named: Any) -> Any:
        if broken:
            raise TableError("partners/x/overlay.toml:3: records")
        return real(*given, **named)

    monkeypatch.setattr(room, at, broken_or)
    own = await put(world, tenant, 'name = "x"\ndoor = "mllp"\n')
    (answer,) = await send(world, tenant, own, A01)
    assert answer.code == ("AE" if at == "read_as" else "AA")
    assert (b"overlay.toml:3" in answer.payload) is (at == "read_as")
    told = await outcome(world, tenant, answer.message_id)
    assert (told["status"], told["problems"]) == ("ERROR", ["message.table"])
    (tried,) = await replay.rehearse(world, tenant, [answer.message_id])
    assert (tried.would_pass, tried.after) == (False, ["message.table"])
    for other in (accounting, trial):
        monkeypatch.setattr(other, "translate", broken_or)
    assert "message.table" in [problem.code for problem in trial.tried(A01.encode(), own).problems]
    assert not (await accounting.accounted(world, tenant, answer.message_id)).readable
    broken.clear()
    await replay.replay(world, tenant, "ana", [answer.message_id])
    await work_all(world, tenant)
    assert (await outcome(world, tenant, answer.message_id))["status"] == "TRANSFORMED"


async def test_a_filtered_message_is_answered_kept_and_not_mapped(world: World, tenant: Tenant) -> None:
    skip = '[[filters]]\naction = "skip"\nname = "sem ADT"\ntypes = ["ADT^*"]\n'
    own = await put(world, tenant, f'name = "x"\ndoor = "mllp"\n{skip}')
    (answer,) = await send(world, tenant, own, A01)
    kept = await outcome(world, tenant, answer.message_id)
    assert answer.code == "AA" and b"ERR" not in answer.payload and kept["status"] == "FILTERED"
    assert kept["problems"] == ["message.filtered"] and answer.problems[0].args == (("filter", "1 (sem ADT)"),)
    take = await put(world, tenant, 'name = "x"\ndoor = "mllp"\n[[filters]]\naction = "take"\ntypes = ["ORU"]\n')
    (answer,) = await send(world, tenant, take, A01.replace("|T", "|U", 1))
    assert (await outcome(world, tenant, answer.message_id))["problems"] == ["message.filtered.not-taken"]
    assert await records(world, tenant, "Patient") == []


async def test_a_replay_takes_the_filters_of_today(world: World, tenant: Tenant) -> None:
    skip = 'name = "x"\ndoor = "mllp"\n[[filters]]\naction = "skip"\ntypes = ["ADT^*"]\n'
    await partner(world, tenant, "copy", 1)
    copy = '[[destinations]]\nname = "copy"\npartner = "copy"\n'
    (answer,) = await send(world, tenant, await put(world, tenant, skip + copy), A01)
    await put(world, tenant, 'name = "x"\ndoor = "mllp"\n' + copy)
    for expected, text in (("TRANSFORMED", None), ("FILTERED", skip + copy)):
        if text:
            await put(world, tenant, text)
        assert await replay.replay(world, tenant, "ana", [answer.message_id]) == [answer.message_id]
        await work_all(world, tenant)
        told = await outcome(world, tenant, answer.message_id)
        assert told["status"] == expected and ("message.filtered" in told["problems"]) is (expected == "FILTERED")
    assert len(await records(world, tenant, "Patient")) == len(await queued(world, tenant)) == 1


async def test_raw_forward_is_byte_equal_and_an_envelope_changes_the_header_only(world: World, tenant: Tenant) -> None:
    text = (
        'name = "x"\ndoor = "mllp"\n'
        '[[destinations]]\nname = "copy"\npartner = "raw"\n'
        '[[destinations]]\nname = "ours"\npartner = "subscriber/env"\nsend = "envelope"\napplication = "BI|1"\nfacility = "DW"\n'
        '[[destinations]]\nname = "lab"\npartner = "raw"\ntypes = ["ORU^*"]\n'
    )
    for code in ("raw", "env"):
        await partner(world, tenant, code, 1)
    own = await put(world, tenant, text)
    latin = A01.replace("UNICODE UTF-8", "8859/1").replace("Souza^Ana", "São^José").encode("latin-1") + b"ZZZ|1|\xe7\r"
    await send(world, tenant, own, latin)
    copy, ours = await queued(world, tenant)
    assert (copy["code"], copy["content"]) == ("raw", latin)
    head, _, body = ours["content"].partition(b"\r")
    fields = head.split(b"|")
    assert body == latin.partition(b"\r")[2] and ours["code"] == "env"
    assert fields[2:6] == [b"PONTE", tenant.slug.encode(), b"BI\\F\\1", b"DW"]
    assert fields[9].decode() == ours["control_id"] != copy["control_id"]
    assert (
        fields[6:9] == latin.split(b"\r")[0].split(b"|")[6:9] and fields[10:] == latin.split(b"\r")[0].split(b"|")[10:]
    )


async def test_a_destination_added_later_gets_no_old_messages_unless_replayed(world: World, tenant: Tenant) -> None:
    """Check 10: messages that wait when the destination is added were received before it."""
    for code in ("old", "new"):
        await partner(world, tenant, code, 1)
    start = 'name = "x"\ndoor = "mllp"\n[[destinations]]\nname = "old"\npartner = "old"\n'
    own = await put(world, tenant, start)
    waiting = await send(world, tenant, own, A01, work=False)
    later = await put(world, tenant, start + '[[destinations]]\nname = "new"\npartner = "new"\n')
    await work_all(world, tenant)
    assert [row["code"] for row in await queued(world, tenant)] == ["old"]
    await send(world, tenant, later, adt("A08", "M1", "V1", "20261122090000"))
    assert [row["code"] for row in await queued(world, tenant)] == ["old", "old", "new"]
    await replay.replay(world, tenant, "ana", [waiting[0].message_id])
    await work_all(world, tenant)
    found = await queued(world, tenant)
    assert [row["code"] for row in found] == ["old", "old", "new", "new"], "who had it does not get it twice"
    assert found[3]["content"] == A01.encode()


async def test_a_message_is_worked_as_it_was_received(world: World, tenant: Tenant) -> None:
    """A change of charset while messages wait does not touch them."""
    own = await put(world, tenant, 'name = "x"\ndoor = "mllp"\ncharset = "8859/1"\n')
    raw = A01.replace("UNICODE UTF-8", "").replace("Souza", "Brandão").encode("latin-1")
    (answer,) = await send(world, tenant, own, raw, work=False)
    await put(world, tenant, 'name = "x"\ndoor = "mllp"\ncharset = "UNICODE UTF-8"\n')
    await work_all(world, tenant)
    assert (await outcome(world, tenant, answer.message_id))["status"] == "TRANSFORMED"
    assert (await records(world, tenant, "Patient"))[0]["name"][0]["family"] == "Brandão"


async def test_a_channel_without_records_only_passes_on(world: World, tenant: Tenant) -> None:
    await partner(world, tenant, "far", 1)
    own = await put(
        world, tenant, 'name = "x"\ndoor = "mllp"\nrecords = false\n[[destinations]]\nname = "far"\npartner = "far"\n'
    )
    raw = msh("ZZZ^Z01", "20261122") + "\rZAB|1|x\r"
    (answer,) = await send(world, tenant, own, raw)
    found = await outcome(world, tenant, answer.message_id)
    assert (answer.code, found["status"], found["segments"]["ignored"]) == ("AA", "TRANSFORMED", 2)
    assert [row["content"] for row in await queued(world, tenant)] == [raw.encode()]
    assert await records(world, tenant, "Patient") == []


async def test_errors_go_on_only_where_asked_and_a_missing_partner_is_told(world: World, tenant: Tenant) -> None:
    for code in ("all", "good"):
        await partner(world, tenant, code, 1)
    own = await put(
        world,
        tenant,
        'name = "x"\ndoor = "mllp"\n'
        '[[destinations]]\nname = "all"\npartner = "all"\nfailed = true\n'
        '[[destinations]]\nname = "good"\npartner = "good"\n'
        '[[destinations]]\nname = "lost"\npartner = "nobody"\ntypes = ["ADT^A01"]\n',
    )
    merge = msh("ADT^A40^ADT_A39", "20261122") + "\rEVN|A40|20261122\rPID|1||S^^^HOSP^MR\rMRG|S^^^HOSP^MR\r"
    good, bad = await send(world, tenant, own, A01, merge)
    assert (await outcome(world, tenant, bad.message_id))["status"] == "ERROR"
    assert [row["code"] for row in await queued(world, tenant)] == ["all", "good", "all"]
    assert "route.no-partner" in (await outcome(world, tenant, good.message_id))["problems"]


async def test_what_a_partner_sent_does_not_come_back_to_it(world: World, tenant: Tenant) -> None:
    await partner(world, tenant, "his", 1)
    own = await put(
        world, tenant, 'name = "x"\ndoor = "mllp"\npartner = "his"\n[[destinations]]\nname = "his"\npartner = "his"\n'
    )
    await send(world, tenant, own, A01)
    assert await queued(world, tenant) == []


async def queue_of(world: World, tenant: Tenant, code: str) -> list[str]:
    """The control ids of a destination in the order of its queue: that in which their messages were worked."""
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT m.control_id FROM delivery d JOIN message m ON m.tenant_id = $1 AND m.id = d.message_id "
            "JOIN partner p ON p.tenant_id = $1 AND p.id = d.partner_id WHERE d.tenant_id = $1 AND p.code = $2 "
            "ORDER BY d.seq",
            code,
        )
    return [row["control_id"] for row in rows]


async def test_one_dead_destination_does_not_delay_the_others(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check 7, small: of five destinations one falls silent; the others take as long as before, its queue drains in
    order when it speaks again."""
    names = [f"d{n}" for n in range(5)]
    silent = [False]

    async def alone(_: World) -> list[Tenant]:
        return [tenant]

    monkeypatch.setattr(World, "tenants", alone)  # what other tests left waiting is not this worker's

    def dumb(number: int, message: bytes) -> object:
        return None if silent[0] else peers.framed(peers.ack(message))

    async with peers.mllp(dumb) as dead, peers.mllp() as alive:
        for name in names:
            await partner(world, tenant, name, dead.port if name == "d0" else alive.port)
        text = "".join(f'[[destinations]]\nname = "{name}"\npartner = "{name}"\n' for name in names)
        own = await put(world, tenant, f'name = "x"\ndoor = "mllp"\n{text}')
        stop = asyncio.Event()
        task = asyncio.create_task(worker.run(world, stop))

        async def others(round_: int) -> tuple[float, list[str]]:
            sent = [adt("A08", f"M{n}", f"V{n}", "20261122090000") for n in range(10)]
            start = time.monotonic()
            await send(world, tenant, own, *sent, work=False)
            async with asyncio.timeout(60):
                while len(alive.received) < 40 * round_:
                    await asyncio.sleep(0.01)
            return time.monotonic() - start, [peers.control_id(message.encode()) for message in sent]

        before, _ = await others(1)
        async with asyncio.timeout(60):
            while len(dead.received) < 10:
                await asyncio.sleep(0.01)
        dead.received.clear()
        silent[0] = True
        beside, wanted = await others(2)
        silent[0] = False
        async with asyncio.timeout(60):
            while len(set(dead.received)) < 10:
                await asyncio.sleep(0.02)
        stop.set()
        await task
    assert beside < 2 * before + 2, f"{before:.1f} s alone, {beside:.1f} s beside a silent partner (10 times 1 s)"
    queued = (await queue_of(world, tenant, "d0"))[-10:]
    assert sorted(queued) == sorted(wanted)
    assert list(dict.fromkeys(peers.ids_of(dead.received))) == queued


async def test_a_patients_messages_keep_their_order_on_parallel_lanes(world: World, tenant: Tenant) -> None:
    async with peers.mllp() as peer:
        await partner(world, tenant, "far", peer.port)
        own = await put(
            world,
            tenant,
            'name = "x"\ndoor = "mllp"\n[[destinations]]\nname = "far"\npartner = "far"\norder = "patient"\n',
        )
        sent = [adt("A08", f"M{n % 4}", f"V{n % 4}", f"202611220900{n:02}") for n in range(24)]
        await send(world, tenant, own, *sent)
        assert await deliver(world, tenant) == 24
        assert peer.connections > 1, "patients side by side"
    ids = [peers.control_id(message) for message in peer.received]
    for patient in range(4):
        own_ids = [peers.control_id(m.encode()) for m in sent[patient::4]]
        assert [one for one in ids if one in own_ids] == own_ids
    assert (await channel(world, tenant, "x")).version == 1 and delivery.PER_LEASE
