"""Two messages of two channels make one record at the same moment: what each says of it is kept (real database)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hl7_feed import adt, msh, outcome, work_all

from fhir import jsontext
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.exchange.work import inbound
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

    plain, kept = inbound.save, [await told(world, tenant, later, "mllp")]

    async def save(*given: Any) -> Any:
        if len(kept) == 1:  # `later` has looked; the other message is worked by another worker before it is saved
            kept.append(await told(world, tenant, first, "http"))
            assert await inbound.work(world, tenant) == 1
        return await plain(*given)

    monkeypatch.setattr(inbound, "save", save)
    await work_all(world, tenant)
    await finished(world, tenant, kept)
    assert await stored(world, tenant) == await stored(world, other_tenant)
