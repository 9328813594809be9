"""Two messages of two channels make one record at the same moment: what each says of it is kept (real database)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hl7_feed import adt, msh, outcome, work_all

from fhir import jsontext
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.exchange.work import inbound
from hub.records.drafts import settle as settling
from hub.world import Tenant, World

T = "202611221000{:02d}"
INSURED = "IN1|1|OURO|326305|Unimed||||||||20260101|||||||||||||||||||||||00123456"


def staff(at: int) -> str:
    return "\r".join(
        (
            msh("MFN^M02", T.format(at)),
            "MFI|PRA^Practitioner^HL70175||UPD|||AL",
            "MFE|MAD|1|20261122|1234|CWE",
            "STF|1234|1234^^^CRM-SP^^^^^CRM-SP|Lima^Rui^Alves|P|M|19700102|A",
            "PRA|1234|||CAR^Cardiology",
            "",
        )
    )


def place(at: int) -> str:
    return "\r".join(
        (
            msh("MFN^M05", T.format(at)),
            "MFI|LOC||UPD|||AL",
            "MFE|MAD|1|20261122|UTI^1^2|PL",
            "LOC|UTI^1^2|Leito da janela|B|HOSP^^1^^^^FI",
            "",
        )
    )


ADMITTED = adt("A01", "M1", "V9", T.format(1), INSURED)
NEIGHBOUR = adt("A01", "M2", "V8", T.format(2), INSURED.replace("Unimed", "Unimed Recife"))
PAIRS = {
    "a professional named, and told of": (ADMITTED, staff(3)),
    "a professional told of, and named": (staff(3), ADMITTED),
    "a place named, and told of": (ADMITTED, place(3)),
    "a place told of, and named": (place(3), ADMITTED),
    "two told of": (staff(3), staff(4).replace("Alves", "Alves Neto")),
    "two who name the same": (ADMITTED, NEIGHBOUR),
}


async def told(world: World, tenant: Tenant, message: str, door: str) -> Any:
    channel = next(c for c in await channels_of(world, tenant) if c.door == door)
    return (await receive(Keeper(world.database), channel, message.encode())).message_id


async def stored(world: World, tenant: Tenant) -> dict[tuple[str, str], Any]:
    """What every record says, without the time it was stored."""
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT type, id, body FROM resource WHERE tenant_id = $1 AND NOT deleted")
    found: dict[tuple[str, str], Any] = {}
    for row in rows:
        body: Any = jsontext.parse(row["body"].encode())
        del body["meta"]["lastUpdated"]
        found[row["type"], row["id"]] = body
    return found


async def finished(world: World, tenant: Tenant, messages: Sequence[Any]) -> None:
    for message in messages:
        assert (await outcome(world, tenant, message))["status"] == "TRANSFORMED"


@pytest.mark.parametrize("pair", PAIRS)
async def test_messages_that_make_one_record_at_once_are_as_one_after_the_other(
    world: World, tenant: Tenant, other_tenant: Tenant, monkeypatch: pytest.MonkeyPatch, pair: str
) -> None:
    later, first = PAIRS[pair]
    for message, door in ((first, "http"), (later, "mllp")):
        await told(world, other_tenant, message, door)
        await work_all(world, other_tenant)

    plain, kept = settling.meanwhile.hold, [await told(world, tenant, later, "mllp")]

    async def hold(*given: Any) -> Any:
        if len(kept) == 1:  # `later` has looked; the other message is worked by another worker before it holds anything
            kept.append(await told(world, tenant, first, "http"))
            assert await inbound.work(world, tenant) == 1
        return await plain(*given)

    monkeypatch.setattr(settling.meanwhile, "hold", hold)
    await work_all(world, tenant)
    await finished(world, tenant, kept)
    assert await stored(world, tenant) == await stored(world, other_tenant)


CPF = "52998224725^^^RFB^CPF"
OTHER_FIRST = {
    "two numbers, and the second": (f"{CPF}~M7^^^HOSP^MR", "M7^^^HOSP^MR"),
    "the second, and two numbers": ("M7^^^HOSP^MR", f"{CPF}~M7^^^HOSP^MR"),
    "three numbers, in other orders": (f"{CPF}~M7^^^HOSP^MR~X7^^^CLIN^MR", f"X7^^^CLIN^MR~{CPF}~M7^^^HOSP^MR"),
}
BLOCKED = "SELECT count(*) FROM pg_locks WHERE NOT granted AND $1::uuid IS NOT NULL"


def registered(numbers: str, at: int) -> str:
    pid = f"PID|1||{numbers}||Prado^Lia||19910304|F"
    return "\r".join((msh("ADT^A28^ADT_A05", T.format(at)), f"EVN|A28|{T.format(at)}-0300", pid, ""))


@pytest.mark.parametrize("pair", OTHER_FIRST)
async def test_one_new_patient_by_other_first_numbers_at_once_is_one(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, pair: str
) -> None:
    """Whoever comes first waits, with all it looked up and nothing saved, until the other worker is done or waits."""
    plain, kept, others = inbound.save, [], []
    first, second = OTHER_FIRST[pair]
    kept.append(await told(world, tenant, registered(first, 1), "mllp"))

    async def save(*given: Any) -> Any:
        if not others:
            kept.append(await told(world, tenant, registered(second, 2), "http"))
            others.append(asyncio.create_task(inbound.work(world, tenant)))
            async with asyncio.timeout(30):
                while not others[0].done() and not await _blocked(world, tenant):
                    await asyncio.sleep(0.02)
        return await plain(*given)

    monkeypatch.setattr(inbound, "save", save)
    await work_all(world, tenant)
    assert await others[0] == 1
    await work_all(world, tenant)
    await finished(world, tenant, kept)
    found = [body for (kind, _), body in (await stored(world, tenant)).items() if kind == "Patient"]
    told_numbers = {number.split("^")[0] for number in f"{first}~{second}".split("~")}
    assert len(found) == 1 and {i["value"] for i in found[0]["identifier"]} == told_numbers


async def _blocked(world: World, tenant: Tenant) -> bool:
    async with world.transaction(tenant) as tx:
        return bool(await tx.value(BLOCKED))
