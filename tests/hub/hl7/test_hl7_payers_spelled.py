"""A payer's registro ANS with and without its dash is one payer, and one membership (IN1-3, real database)."""

from __future__ import annotations

import pytest
from hl7_feed import adt, feed, records

from hub.world import Tenant, World
from mappings.convert import registry

T = "202611221000{:02d}"


def insured(at: int, payer: str, card: str = "77") -> str:
    return adt("A08", "A", "V1", T.format(at), f"IN1|1|OURO|{payer}|Unimed" + "|" * 32 + card)


@pytest.mark.parametrize("payers", [("326305", "32630-5"), ("32.630-5", "326305"), ("32630-5", "32630-5")])
async def test_one_membership(world: World, tenant: Tenant, payers: tuple[str, str]) -> None:
    await feed(world, tenant, insured(1, payers[0]), insured(2, payers[1]))
    assert len(await records(world, tenant, "Coverage")) == 1


@pytest.mark.parametrize("later", ["326305", "32630-5"])
async def test_one_stored_under_the_dash_stays_that_one(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    """As versions before stored it: by the number as it was sent."""
    with monkeypatch.context() as before:
        before.setitem(registry.CONVERSIONS, "payer-part", registry.CONVERSIONS["part"])
        await feed(world, tenant, insured(1, "32630-5"))
    (told,) = await records(world, tenant, "Coverage")
    await feed(world, tenant, insured(2, later, "78"))
    (now,) = await records(world, tenant, "Coverage")
    assert now["id"] == told["id"]
