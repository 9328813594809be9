"""Batches, sequence numbers, resends and conflicts: what a channel's rules make of what comes, and what is answered."""

from __future__ import annotations

import asyncio
import re

import pytest
from channel_feed import put
from hl7_feed import adt, work_all

from hl7 import er7
from hl7.er7 import Message
from hub.exchange.channels import Channel, channels_of
from hub.exchange.door import batches, strict
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.operate.messages import find
from hub.store.database import Row
from hub.world import Tenant, World

AT = "20261122100001"


async def his(world: World, tenant: Tenant, text: str = "") -> Channel:
    return await put(world, tenant, f'name = "his"\ndoor = "mllp"\n{text}\n')


async def rows(world: World, tenant: Tenant) -> list[Row]:
    async with world.transaction(tenant) as tx:
        return await tx.rows(
            "SELECT type, status, control_id, content, conflict, receipts, id, problems FROM message "
            "WHERE tenant_id = $1 ORDER BY seq"
        )


def codes(answer: bytes) -> list[str]:
    return re.findall(r"^MSA.(..)", answer.decode().replace("\r", "\n"), re.MULTILINE)


HEAD = "BHS|^~\\&|HIS|HOSP|PONTE|HUB|20261122||lote||B77\r"


def made(*messages: str, stated: int | None = None) -> bytes:
    count = len(messages) if stated is None else stated
    return (HEAD + "".join(messages) + f"BTS|{count}\r").encode()


async def test_batch_is_answered_as_a_batch(world: World, tenant: Tenant) -> None:
    to, keeper = await his(world, tenant), Keeper(world.database)
    good, bad = adt("A01", "A", "V1", AT), adt("A01", "B", "V2", AT).replace("ADT^A01", "XYZ^Z99")
    raw = b"FHS|^~\\&|HIS|HOSP|PONTE|HUB|20261122||arquivo||F1\r" + made(good, bad) + b"FTS|1\r"
    said = (await batches.receive(keeper, to, raw))[0]
    lines = said.payload.decode().split("\r")
    assert lines[0].startswith("FHS|^~\\&|PONTE|HUB|HIS|HOSP|") and lines[0].endswith("|F1")
    assert lines[1].startswith("BHS|^~\\&|PONTE|HUB|HIS|HOSP|") and lines[1].endswith("|B77")
    assert codes(said.payload) == ["AA", "AR"] and lines[-3:] == ["BTS|2", "FTS|1", ""]
    found = await rows(world, tenant)
    assert [(row["type"], row["status"]) for row in found] == [
        ("BHS", "TRANSFORMED"),
        ("ADT^A01", "RECEIVED"),
        ("XYZ^Z99", "ERROR"),
    ]
    assert bytes(found[0]["content"]) == raw, "the batch as it came"
    again = (await batches.receive(keeper, to, raw))[0]
    assert again.payload == said.payload, "the same batch, the same answer"
    assert [row["receipts"] for row in await rows(world, tenant)] == [2, 2, 2]


async def test_batch_in_other_delimiters(world: World, tenant: Tenant) -> None:
    raw = made(adt("A01", "A", "V1", AT)).replace(b"|", b"#").replace(b"^", b"*")
    said = (await batches.receive(Keeper(world.database), await his(world, tenant), raw))[0]
    assert said.payload.startswith(b"BHS#*~\\&#PONTE#HUB#HIS#HOSP#") and b"\rMSA#AA#" in said.payload


@pytest.mark.parametrize(
    ("setting", "good_only", "with_bad"),
    [("all", ["AA"], ["AA", "AR"]), ("errors", [], ["AR"]), ("none", [], [])],
)
async def test_which_answers(
    world: World, tenant: Tenant, setting: str, good_only: list[str], with_bad: list[str]
) -> None:
    to, keeper = await his(world, tenant, f'[batch]\nanswer = "{setting}"'), Keeper(world.database)
    good = adt("A01", "A", "V1", AT)
    assert codes((await batches.receive(keeper, to, made(good)))[0].payload) == good_only
    bad = adt("A01", "B", "V2", AT).replace("ADT^A01", "XYZ^Z99")
    assert codes((await batches.receive(keeper, to, made(adt("A01", "A", "V1", AT), bad)))[0].payload) == with_bad


@pytest.mark.parametrize("setting", ["all", "errors"])
async def test_wrong_count_is_an_error_of_the_batch(world: World, tenant: Tenant, setting: str) -> None:
    to = await his(world, tenant, f'[batch]\nanswer = "{setting}"')
    said = (await batches.receive(Keeper(world.database), to, made(adt("A01", "A", "V1", AT), stated=3)))[0]
    assert b"MSA|AE|B77" in said.payload and b"structure.batch-count" in said.payload
    cut = made(adt("A01", "A", "V1", AT)).partition(b"BTS")[0]
    said = (await batches.receive(Keeper(world.database), to, cut))[0]
    assert b"MSA|AE|B77" in said.payload and said.payload.endswith(b"\r") and b"\rBTS|" in said.payload
    found = await rows(world, tenant)
    assert [row["status"] for row in found] == ["ERROR", "RECEIVED", "ERROR", "RECEIVED"], "the messages are worked"


def numbered(number: str, control: str, *, whole: bool | None = None) -> bytes:
    """A message with that MSH-13; what starts a link is a header alone, unless it is asked for `whole`."""
    lines = adt("A01", "A", "V1", AT).split("\r")
    lines = lines if whole or (whole is None and number not in ("0", "-1")) else lines[:1]
    fields = [*lines[0].split("|"), *[""] * 4]
    fields[9], fields[12] = control, number
    return "\r".join(["|".join(fields[:18]), *lines[1:]]).encode()


async def in_turn(world: World, to: Channel, *said: tuple[str, str]) -> list[tuple[str, str]]:
    answers = []
    for number, control in said:
        answer = er7.read((await strict.receive(Keeper(world.database), to, numbered(number, control))).payload)
        assert isinstance(answer, Message)
        answers.append((answer.text("MSA", 1), answer.text("MSA", 4)))
    return answers


async def test_sequence_refuses_a_gap(world: World, tenant: Tenant) -> None:
    to = await his(world, tenant, '[sequence]\npolicy = "refuse"')
    assert await in_turn(
        world, to, ("0", "s"), ("7", "a"), ("8", "b"), ("10", "c"), ("9", "d"), ("9", "d"), ("9", "e"), ("", "f")
    ) == [
        ("AA", "-1"),  # the link starts; any number may come
        ("AA", "8"),
        ("AA", "9"),
        ("AE", "9"),  # a gap
        ("AA", "10"),
        ("AA", "10"),  # a resend
        ("AE", "10"),  # an old number on another message
        ("AE", "10"),  # none
    ]
    assert await in_turn(world, to, ("0", "t"), ("-1", "u"), ("3", "v")) == [("AA", "10"), ("AA", "-1"), ("AA", "4")]
    found = await rows(world, tenant)
    assert [row["status"] for row in found if row["control_id"] in "stu"] == ["FILTERED"] * 3
    assert sum(row["status"] == "RECEIVED" for row in found) == 4


async def test_a_message_that_says_something_does_not_only_start_the_link(world: World, tenant: Tenant) -> None:
    """Some senders fill MSH-13 with 0 always: the admission is taken or refused, never acknowledged and left out."""
    for policy, code, status in (("report", "AA", "RECEIVED"), ("refuse", "AE", "ERROR")):
        to = await his(world, tenant, f'[sequence]\npolicy = "{policy}"')
        for number in ("0", "-1"):
            sent = numbered(number, f"{policy}{number}", whole=True)
            assert (await strict.receive(Keeper(world.database), to, sent)).code == code
            (row,) = (row for row in await rows(world, tenant) if row["control_id"] == f"{policy}{number}")
            assert row["status"] == status and "sequence.missing" in row["problems"]
        nobody = numbered("0", f"{policy}n", whole=True).replace(b"A^^^HOSP^MR", b"")
        assert (await strict.receive(Keeper(world.database), to, nobody)).code == "AE"


async def test_what_cannot_be_read_is_found_by_its_number(world: World, tenant: Tenant) -> None:
    """The sender was answered with its MSH-10: that is what its people will ask for."""
    to = await his(world, tenant)
    sent = adt("A01", "A", "V1", AT).replace("Souza^Ana", "Jo\udc81o^Ana").encode(errors="surrogateescape")
    answer = await receive(Keeper(world.database), to, sent)
    assert answer.code == "AE"
    (row,) = await rows(world, tenant)
    assert f"MSA|AE|{row['control_id']}".encode() in answer.payload and row["control_id"]
    assert row["type"] == "ADT^A01"


async def test_sequence_reports_a_gap(world: World, tenant: Tenant) -> None:
    to = await his(world, tenant, '[sequence]\npolicy = "report"')
    assert await in_turn(world, to, ("1", "a"), ("5", "b"), ("2", "c"), ("6", "d"), ("", "e")) == [
        ("AA", "2"),
        ("AA", "6"),
        ("AA", "6"),
        ("AA", "7"),
        ("AA", "7"),
    ]
    for worked in (False, True):  # what the worker finds stands beside what the door found
        if worked:
            await work_all(world, tenant)
        found = await rows(world, tenant)
        assert {row["status"] == "RECEIVED" for row in found} == {not worked}
        assert [row["control_id"] for row in found if "sequence." in row["problems"]] == ["b", "c", "e"]


async def test_sequence_is_the_senders_own(world: World, tenant: Tenant) -> None:
    to = await his(world, tenant, '[sequence]\npolicy = "refuse"')
    assert await in_turn(world, to, ("1", "a")) == [("AA", "2")]
    other = numbered("50", "a").replace(b"|HIS|", b"|LIS|")
    assert b"MSA|AA|a||51" in (await strict.receive(Keeper(world.database), to, other)).payload
    assert await in_turn(world, to, ("2", "b")) == [("AA", "3")]


async def test_sequence_races_in_one_line(world: World, tenant: Tenant) -> None:
    to, keeper = await his(world, tenant, '[sequence]\npolicy = "refuse"'), Keeper(world.database)
    await in_turn(world, to, ("1", "a"))
    said = await asyncio.gather(*(strict.receive(keeper, to, numbered("2", f"r{n}")) for n in range(6)))
    assert sorted(item.code for item in said) == ["AA", "AE", "AE", "AE", "AE", "AE"]


async def test_resends_over_many_connections(world: World, tenant: Tenant) -> None:
    to, message = await his(world, tenant), adt("A01", "A", "V1", AT).encode()
    keepers = [Keeper(world.database) for _ in range(3)]  # three doors
    said = await asyncio.gather(*(receive(keepers[n % 3], to, message) for n in range(12)))
    assert len({item.payload for item in said}) == 1 and len({item.message_id for item in said}) == 1
    assert [row["receipts"] for row in await rows(world, tenant)] == [12]
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT count(*) FROM receipt WHERE tenant_id = $1") == 11
        assert await tx.value("SELECT sum(pending) FROM lane WHERE tenant_id = $1") == 1
    refused = message.replace(b"ADT^A01", b"XYZ^Z99")
    bad = [await receive(keepers[0], to, refused.replace(b"|T", b"|U")) for _ in range(3)]
    assert len({item.payload for item in bad}) == 1 and bad[0].code == "AR"


async def test_same_id_other_bytes_over_many_connections(world: World, tenant: Tenant) -> None:
    to, message = await his(world, tenant), adt("A01", "A", "V1", AT)
    others = [message.replace("|A^", f"|A{n}^").encode() for n in range(6)]  # of other patients: in other lanes
    keepers = [Keeper(world.database) for _ in range(3)]
    said = await asyncio.gather(*(receive(keepers[n % 3], to, others[n]) for n in range(6)))
    assert [item.code for item in said] == ["AA"] * 6
    found = await rows(world, tenant)
    assert sorted(bytes(row["content"]) for row in found) == sorted(others), "nothing is dropped"
    assert sum(row["conflict"] for row in found) == 5, "all but the first, however they race"
    async with world.transaction(tenant) as tx:
        shown = await find.messages(tx, find.Query(control_id=found[0]["control_id"]))
    assert any(item.conflict for item in shown)
    lis = message.replace("|HIS|", "|LIS|").encode()
    assert not (await receive(keepers[0], to, lis)).problems, "another sender's ids are its own"


async def test_same_id_other_bytes_refused(world: World, tenant: Tenant) -> None:
    to, keeper = await his(world, tenant, '[duplicates]\nother_body = "refuse"'), Keeper(world.database)
    message = adt("A01", "A", "V1", AT)
    others = [message.replace("Ana", f"Ana{n}").encode() for n in range(5)]
    said = await asyncio.gather(*(strict.receive(keeper, to, raw) for raw in others))
    assert sorted(item.code for item in said) == ["AA", "AE", "AE", "AE", "AE"]
    assert all(b"message.conflict" in item.payload for item in said if item.code == "AE")
    first = next(n for n, item in enumerate(said) if item.code == "AA")
    again = await strict.receive(keeper, to, others[first])
    assert again._replace(resent=False, problems=said[first].problems) == said[first]
    assert len(await rows(world, tenant)) == 5


async def test_channels_do_not_share_ids(world: World, tenant: Tenant) -> None:
    both = [await his(world, tenant), next(c for c in await channels_of(world, tenant) if c.door == "http")]
    message = adt("A01", "A", "V1", AT).encode()
    said = [await receive(Keeper(world.database), to, message) for to in both]
    assert len({item.message_id for item in said}) == 2 and len(await rows(world, tenant)) == 2
