"""Messages that come in parts: each part kept and answered, the whole worked once, and what becomes of parts alone."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from channel_feed import put
from hl7_feed import records, work_all

from api.cli import main
from hub.exchange.answer import owed
from hub.exchange.channels import Channel
from hub.exchange.door import batches, strict
from hub.exchange.door.keep import AFTERWARDS, Keeper
from hub.exchange.door.receive import Answer
from hub.exchange.work import overdue
from hub.operate import explain
from hub.operate.messages import find, replay
from hub.operate.messages.find import Found, Query
from hub.operate.origins import origins
from hub.world import Tenant, World

_COUNT = itertools.count(1)
HEAD = "MSH|^~\\&|{sender}|HOSP|PONTE|HUB|20261122090000||ORU^R01|{id}|P|2.5.1||{follows}|{ask}||UNICODE UTF-8\r"


def part(body: str, follows: str = "", leads: str = "", *, sender: str = "LIS", ask: str = "|") -> bytes:
    header = HEAD.format(sender=sender, id=f"F{next(_COUNT)}", follows=follows, ask=ask)
    return (header + body + (f"DSC|{leads}|F\r" if leads else "")).encode()


def report(mrn: str = "31", pointer: str = "lab-1", sender: str = "LIS", ask: str = "|") -> list[bytes]:
    """A report in three parts; the second result is cut within its text."""
    return [
        part(
            f"PID|1||{mrn}^^^HOSP^MR||Conceição^Ana\rOBR|1|P{mrn}|F{mrn}|AP^Anátomo^L|||20261122080000||||||||||||||||||F\r"
            "OBX|1|NM|718-7^Hemoglobina^LN||12.5|g/dL|||||F\r",
            "",
            pointer,
            sender=sender,
            ask=ask,
        ),
        part("OBX|2|FT|L1^Laudo^L||Fragmento de pe\rADD\r", pointer, pointer + "b", sender=sender, ask=ask),
        part(
            f"ADD|le, paciente {mrn}.||||||F\rOBX|3|NM|789-8^Hemácias^LN||4.1|10*6/uL|||||F\r",
            pointer + "b",
            sender=sender,
            ask=ask,
        ),
    ]


async def lis(world: World, tenant: Tenant, text: str = "") -> Channel:
    return await put(world, tenant, f'name = "lis"\ndoor = "mllp"\n{text}\n')


async def send(world: World, to: Channel, *parts: bytes) -> list[Answer]:
    keeper = Keeper(world.database)  # another one each time, as after a restart
    return [await strict.received(keeper, to, raw) for raw in parts]


async def kept(world: World, tenant: Tenant) -> list[Found]:
    """All received messages, oldest first."""
    async with world.transaction(tenant) as tx:
        return list(reversed(await find.messages(tx, Query(direction="in"))))


async def told(world: World, tenant: Tenant) -> list[tuple[str, list[str]]]:
    return [(m.status, [p["code"] for p in m.problems]) for m in await kept(world, tenant)]


async def values(world: World, tenant: Tenant) -> list[Any]:
    found = await records(world, tenant, "Observation")
    return [o.get("valueString") or str(o["valueQuantity"]["value"]) for o in found]


WHOLE = ["12.5", "Fragmento de pele, paciente 31.", "4.1"]
JOINED = [("TRANSFORMED", [])] * 3


def answer_of(said: Answer) -> tuple[str, str]:
    line = next(line for line in said.payload.decode().split("\r") if line.startswith("MSA"))
    return line.split("|")[1], line.split("|")[2]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=str)
async def test_parts_make_one_message_in_any_order(world: World, tenant: Tenant, order: Sequence[int]) -> None:
    parts = report()
    for place in order[:-1]:
        (said,) = await send(world, await lis(world, tenant), parts[place])
        assert answer_of(said)[0] == "AA"
        await work_all(world, tenant)
    assert await told(world, tenant) == [("PENDING", [])] * 2 and await values(world, tenant) == []
    await send(world, await lis(world, tenant), parts[order[-1]])
    await work_all(world, tenant)
    assert sorted(await values(world, tenant)) == sorted(WHOLE)
    assert len(await records(world, tenant, "DiagnosticReport")) == 1
    (whole,) = [m for m in await kept(world, tenant) if m.parts]
    sent = {m.id: m for m in await kept(world, tenant) if not m.parts}
    assert whole.status == "TRANSFORMED" and not whole.problems
    assert [sent[one].control_id for one in whole.parts] == [raw.decode().split("|")[9] for raw in parts]
    assert {(m.status, m.whole) for m in sent.values()} == {("TRANSFORMED", whole.id)}


async def test_each_record_names_the_whole_and_its_parts(world: World, tenant: Tenant) -> None:
    await send(world, await lis(world, tenant), *report())
    await work_all(world, tenant)
    whole = next(m for m in await kept(world, tenant) if m.parts)
    laudo = next(o for o in await records(world, tenant, "Observation") if "valueString" in o)
    async with world.transaction(tenant) as tx:
        (cause,) = await explain.record(tx, "Observation", laudo["id"])
    assert (cause.message_id, cause.parts) == (whole.id, whole.parts)
    (origin,) = await origins(world, tenant, "Observation", laudo["id"], "value")
    assert (origin.source, origin.cause.message_id) == ("OBX#5-5", whole.id)


async def test_resends_change_nothing(world: World, tenant: Tenant) -> None:
    to, parts = await lis(world, tenant), report()
    first = await send(world, to, *parts)
    again = await send(world, to, *parts)
    assert [a.payload for a in first] == [a.payload for a in again]
    renamed = [raw.replace(b"|F", b"|R", 1) for raw in parts[1:]]  # its answers were lost: it sends under other ids
    assert [a.code for a in await send(world, to, *renamed)] == ["AA", "AA"]
    await work_all(world, tenant)
    assert await values(world, tenant) == WHOLE
    assert sum(bool(m.parts) for m in await kept(world, tenant)) == 1
    assert (await told(world, tenant))[-2:] == [("FILTERED", ["er7.fragment-again"])] * 2


async def test_senders_messages_and_channels_are_kept_apart(world: World, tenant: Tenant) -> None:
    to = await lis(world, tenant)
    one, other = report("31"), report("32", sender="RIS")
    await send(world, to, *itertools.chain(*zip(one, other, strict=True)))
    await send(world, to, *report("33"))  # the same pointers again, when nothing waits under them
    await work_all(world, tenant)
    found = [text for text in await values(world, tenant) if "paciente" in text]
    assert found == [f"Fragmento de pele, paciente {mrn}." for mrn in ("31", "32", "33")]
    subjects = {o["subject"]["reference"] for o in await records(world, tenant, "Observation")}
    assert len(subjects) == 3


async def test_two_parts_of_one_place_are_not_guessed_at(world: World, tenant: Tenant) -> None:
    to = await lis(world, tenant)
    (a1, *_), (b1, b2, b3) = report("31"), report("32")
    said = await send(world, to, a1, b1)
    assert [answer_of(one)[0] for one in said] == ["AA", "AE"] and b"er7.fragment-ambiguous" in said[1].payload
    await send(world, to, b2, b3)
    await work_all(world, tenant)
    assert await values(world, tenant) == []
    assert (await told(world, tenant))[:2] == [("ERROR", ["er7.fragment-ambiguous"])] * 2
    queued = await replay.replay(world, tenant, "ana", [said[1].message_id])  # someone decides
    await work_all(world, tenant)
    assert len(queued) == 1 and "Fragmento de pele, paciente 32." in await values(world, tenant)


async def past(world: World, tenant: Tenant) -> None:
    """The deadline passes."""
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE message SET received_at = received_at - interval '1 hour' WHERE tenant_id = $1")
    await overdue.overdue(world, tenant, {})


@pytest.mark.parametrize(
    ("missing", "places"), [(0, ["MSH-14", "DSC-1"]), (1, ["DSC-1", "MSH-14"]), (2, ["DSC-1"] * 2)]
)
async def test_a_part_that_never_comes_is_told_and_may_come_late(
    world: World, tenant: Tenant, missing: int, places: list[str]
) -> None:
    to, parts = await lis(world, tenant), report()
    await send(world, to, *(raw for n, raw in enumerate(parts) if n != missing))
    assert await overdue.overdue(world, tenant, {}) == json.dumps({"overdue": 0})
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT job FROM schedule WHERE tenant_id = $1 AND name = $2", overdue.JOB) == overdue.JOB
    await past(world, tenant)
    waiting = await kept(world, tenant)
    assert [m.status for m in waiting] == ["ERROR", "ERROR"]
    if missing:
        assert [m.problems[0]["where"] for m in waiting] == places
    assert {m.problems[0]["code"] for m in waiting} == {"er7.fragment-missing"}
    rehearsed = await replay.rehearse(world, tenant, [], "ERROR")
    assert [(r.would_pass, r.after) for r in rehearsed] == [(False, ["er7.fragment-missing"])] * 2
    assert await replay.replay(world, tenant, "ana", [], "ERROR") == []
    await send(world, to, parts[missing])
    await work_all(world, tenant)
    assert sorted(await values(world, tenant)) == sorted(WHOLE)
    assert sorted(await told(world, tenant)) == [("TRANSFORMED", [])] * 4


async def test_a_message_given_up_makes_room_for_the_next(world: World, tenant: Tenant) -> None:
    to = await lis(world, tenant)
    await send(world, to, report("31")[0])
    await past(world, tenant)
    assert [a.code for a in await send(world, to, *report("32"))] == ["AA"] * 3
    await work_all(world, tenant)
    assert "Fragmento de pele, paciente 32." in await values(world, tenant)


async def test_replaying_a_part_replays_its_whole(world: World, tenant: Tenant) -> None:
    said = await send(world, await lis(world, tenant), *report())
    await work_all(world, tenant)
    whole = next(m for m in await kept(world, tenant) if m.parts)
    assert await replay.replay(world, tenant, "ana", [said[0].message_id, said[2].message_id]) == [whole.id]
    (rehearsed,) = await replay.rehearse(world, tenant, [said[1].message_id])
    assert (rehearsed.id, rehearsed.would_pass) == (whole.id, True) and rehearsed.records["Observation"] == 3
    await work_all(world, tenant)
    assert await replay.replay(world, tenant, "ana", [], "TRANSFORMED") == [whole.id]
    assert await values(world, tenant) == WHOLE


async def test_the_last_part_is_answered_as_the_whole_is(world: World, tenant: Tenant) -> None:
    to = await lis(world, tenant)
    parts = [report()[0].replace(b"31^^^HOSP^MR", b""), *report()[1:]]
    said = await send(world, to, *parts)
    assert [answer_of(one)[0] for one in said] == ["AA", "AA", "AE"] and b"structure.required" in said[2].payload
    assert (await send(world, to, parts[2]))[0].payload == said[2].payload
    mixed = [report("9", "m")[0], *(raw.replace(b"ORU^R01", b"ORU^R30") for raw in report("9", "m")[1:])]
    assert [answer_of(one)[0] for one in await send(world, to, *mixed)] == ["AA", "AA", "AE"]
    assert [m.status for m in await kept(world, tenant)][-3:] == ["ERROR"] * 3


async def test_enhanced_mode_accepts_each_part_and_applies_the_whole(world: World, tenant: Tenant) -> None:
    said = await send(world, await lis(world, tenant), *report(ask="AL|AL"))
    assert [answer_of(one)[0] for one in said] == ["CA"] * 3 and [one.owes for one in said] == ["", "", "AL"]
    await work_all(world, tenant)
    paid = await owed.settle(world, tenant, [said[2].message_id])
    assert b"MSA|AA|F" in paid[said[2].message_id]


async def test_an_answer_after_the_processing_names_the_part_that_waits(world: World, tenant: Tenant) -> None:
    to = await lis(world, tenant, '[acknowledge]\nwhen = "processed"')
    parts = report()
    said = await send(world, to, *parts)
    assert [one.owes for one in said] == ["", "", AFTERWARDS] and said[2].payload == b""
    await work_all(world, tenant)
    payload = (await owed.settle(world, tenant, [said[2].message_id]))[said[2].message_id]
    assert f"MSA|AA|{parts[2].decode().split('|')[9]}" in payload.decode()
    assert (await send(world, to, parts[2]))[0].payload == payload


async def test_parts_in_a_batch_and_at_once(world: World, tenant: Tenant) -> None:
    to, keeper = await lis(world, tenant), Keeper(world.database)
    batch = b"BHS|^~\\&|LIS|HOSP\r" + b"".join(report("31")) + b"BTS|3\r"
    assert (await batches.receive(keeper, to, batch))[0].payload.count(b"MSA|AA") == 3
    await asyncio.gather(*(strict.received(keeper, to, raw) for raw in report("32", "x")))
    await work_all(world, tenant)
    assert sum("paciente" in text for text in await values(world, tenant)) == 2


async def test_a_pointer_nobody_waits_for_does_not_hold_up_a_whole_message(world: World, tenant: Tenant) -> None:
    patient = (
        "PID|1||31^^^HOSP^MR||Conceição^Ana\rOBR|1|P|F|GLI^Glicose^L|||||||||||||||||||||F\rOBX|1|NM|X^Y^L||1||||||F\r"
    )
    await send(world, await lis(world, tenant), part(patient, "456"))
    await work_all(world, tenant)
    assert await told(world, tenant) == [("TRANSFORMED", ["er7.fragment-pointer"])]
    assert await values(world, tenant) == ["1"]


async def test_a_channel_may_refuse_parts(world: World, tenant: Tenant) -> None:
    to = await lis(world, tenant, '[fragments]\npolicy = "refuse"')
    assert [a.code for a in await send(world, to, *report())] == ["AE"] * 3
    assert all(status == "ERROR" and "er7.fragment" in codes for status, codes in await told(world, tenant))


async def test_strict_channels_join_too(world: World, tenant: Tenant) -> None:
    to = await lis(world, tenant, '[duplicates]\nother_body = "refuse"')
    parts = report()
    assert [a.code for a in await send(world, to, *parts, parts[1].replace(b"pe\r", b"ca\r"))] == ["AA"] * 3 + ["AE"]
    await work_all(world, tenant)
    assert await values(world, tenant) == WHOLE


def test_a_file_of_parts_is_read_offline(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "parts.hl7"
    file.write_bytes(b"".join(report()) + report("32", "z")[0])
    assert main.main(["hl7", "read", "--json", str(file)]) == 1
    whole, alone = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    texts = [e["resource"].get("valueString") for e in whole["bundle"]["entry"]]
    assert whole["ok"] and "Fragmento de pele, paciente 31." in texts
    assert not alone["ok"] and [p["code"] for p in alone["problems"]] == ["er7.fragment"]


async def test_a_header_alone_is_no_part(world: World, tenant: Tenant) -> None:
    to = await lis(world, tenant)
    said = await send(world, to, part("", "lab-1"), part("", "", "lab-2"), part("ADD|rest||||||F\r", "lab-3"))
    assert [one.code for one in said] == ["AE", "AE", "AA"]
