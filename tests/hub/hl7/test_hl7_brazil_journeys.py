"""What becomes of patients over the messages of a Brazilian house: identified late, with two cards of one payer."""

from __future__ import annotations

import pytest
from hl7_feed import adt, by_number, feed, msh, records

from hub.world import Tenant, World

T = "202611221000{:02d}"
CPF = "52998224725^^^^CPF"


def merge(at: str, survivor: str, loser: str) -> str:
    return f"{msh('ADT^A40^ADT_A39', at)}\rEVN|A40|{at}-0300\rPID|1||{survivor}||Teles^Rui||19850707|M\rMRG|{loser}\r"


async def test_unidentified_then_identified_then_merged_into_the_number_he_had(world: World, tenant: Tenant) -> None:
    named = f"PID|1||90001^^^HOSP^MR~{CPF}||Teles^Rui||19850707|M"
    first = adt("A01", "90001", "V7", T.format(1), pid="IGNORADO||1900|M")
    known = first.replace("ADT^A01", "ADT^A08").replace(T.format(1), T.format(2)).splitlines()
    known = "\r".join(named if line.startswith("PID") else line.replace("|T", "|U") for line in known) + "\r"
    later = adt("A02", "4400", "V7", T.format(4), pid="Teles^Rui||19850707|M")
    told = await feed(
        world, tenant, first, known, merge(T.format(3), f"4400^^^HOSP^MR~{CPF}", "90001^^^HOSP^MR"), later
    )
    assert [one["status"] for one in told] == ["TRANSFORMED"] * 4
    assert not any("semantic.merge-self" in one["problems"] for one in told)
    (patient,) = await records(world, tenant, "Patient")
    assert {i["value"]: i.get("use") for i in patient["identifier"]} == {
        "4400": None,
        "52998224725": None,
        "90001": "old",
    }
    (encounter,) = await records(world, tenant, "Encounter")
    assert encounter["subject"]["reference"] == f"Patient/{patient['id']}"
    again = await feed(world, tenant, merge(T.format(5), f"4400^^^HOSP^MR~{CPF}", "90001^^^HOSP^MR"))
    assert again[0]["status"] == "TRANSFORMED" and by_number([patient], "4400")["active"] is True


def insured(at: str, *cards: tuple[str, str]) -> str:
    lines = [f"IN1|{n}|{plan}|326305^^^ANS|Saúde Exemplo" + "|" * 32 + card for n, (plan, card) in enumerate(cards, 1)]
    return adt("A08", "A", "V1", at, *lines)


@pytest.mark.parametrize(
    ("later", "plans"),
    [
        ((("APTO", "0202"),), {"0101": "ENF", "0202": "APTO"}),
        ((("APTO", "0202"), ("ENF", "0101")), {"0101": "ENF", "0202": "APTO"}),
        ((("APTO2", "0202"), ("ESP", "0303")), {"0101": "ENF", "0202": "APTO2", "0303": "ESP"}),
        ((("ENF", "0101"),), {"0101": "ENF", "0202": "APTO"}),
    ],
)
async def test_two_cards_of_one_payer_are_two_memberships(
    world: World, tenant: Tenant, later: tuple[tuple[str, str], ...], plans: dict[str, str]
) -> None:
    await feed(world, tenant, insured(T.format(1), ("ENF", "0101"), ("APTO", "0202")), insured(T.format(2), *later))
    found = await records(world, tenant, "Coverage")
    assert {c["subscriberId"]: c["class"][0]["value"] for c in found} == plans
    assert all([i["value"] for i in c["identifier"]] == [c["subscriberId"]] for c in found)
