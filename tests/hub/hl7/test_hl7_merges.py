"""Patient merges on a real database: chained, out of order, repeated, cyclic, and messages that come later."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from typing import Any

import pytest
from hl7_feed import a40, adt, by_number, feed, oru, records, work_all

from canonical.errors import PonteError
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.exchange.work import inbound
from hub.records.merges import patients as merging
from hub.world import Tenant, World

T = "202611221000{:02d}"


async def final(world: World, tenant: Tenant, *numbers: str) -> dict[str, str]:
    """Where each number leads now."""
    async with world.transaction(tenant) as tx:
        links = {
            r["loser_id"]: r["survivor_id"] for r in await tx.rows("SELECT * FROM patient_link WHERE tenant_id = $1")
        }
    patients = await records(world, tenant, "Patient")
    own = {n: by_number(patients, n)["id"] for n in numbers}
    names = {identity: n for n, identity in own.items()}
    return {n: names[links.get(own[n], own[n])] for n in numbers}


async def test_merge_moves_what_is_said_of_the_loser(world: World, tenant: Tenant) -> None:
    allergy = "AL1|1|DA|PEN^Penicilina^L|SV|urticária"
    await feed(
        world,
        tenant,
        adt("A01", "A", "VA", T.format(1), allergy),
        adt("A01", "B", "VB", T.format(2)),
        oru("A", "1", "F", "90", T.format(3)),
    )
    (merged,) = await feed(world, tenant, a40(T.format(4), ("B", "A")))
    assert (merged["code"], merged["status"]) == ("AA", "TRANSFORMED")
    patients = await records(world, tenant, "Patient")
    loser, survivor = by_number(patients, "A"), by_number(patients, "B")
    assert loser["active"] is False and survivor["active"] is True
    assert loser["link"] == [{"other": {"reference": f"Patient/{survivor['id']}"}, "type": "replaced-by"}]
    assert survivor["link"] == [{"other": {"reference": f"Patient/{loser['id']}"}, "type": "replaces"}]
    assert {(i["value"], i.get("use")) for i in survivor["identifier"]} == {("B", None), ("A", "old")}
    for kind, element in (
        ("Encounter", "subject"),
        ("Observation", "subject"),
        ("AllergyIntolerance", "patient"),
        ("DiagnosticReport", "subject"),
        ("ServiceRequest", "subject"),
    ):
        assert {r[element]["reference"] for r in await records(world, tenant, kind)} == {f"Patient/{survivor['id']}"}, (
            kind
        )
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT count(DISTINCT patient_id) FROM encounter WHERE tenant_id = $1") == 1


async def test_later_messages_to_the_loser_land_on_the_survivor(world: World, tenant: Tenant) -> None:
    await feed(
        world,
        tenant,
        adt("A01", "A", "VA", T.format(1)),
        adt("A01", "B", "VB", T.format(2)),
        a40(T.format(3), ("B", "A")),
    )
    late = await feed(
        world,
        tenant,
        oru("A", "9", "F", "101", T.format(5)),
        adt("A08", "A", "VA", T.format(6), pid="Souza^Ana Maria||19800229|F"),
    )
    assert all("semantic.merged-patient" in outcome["problems"] for outcome in late)
    survivor = by_number(await records(world, tenant, "Patient"), "B")
    assert survivor["name"][0]["given"] == ["Ana", "Maria"] or survivor["name"][0]["text"] == "Ana Maria Souza"
    assert {i["value"]: i.get("use") for i in survivor["identifier"]}["A"] == "old"
    (observation,) = await records(world, tenant, "Observation")
    assert observation["subject"]["reference"] == f"Patient/{survivor['id']}"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_chain_in_any_order_ends_the_same(world: World, tenant: Tenant, order: tuple[int, ...]) -> None:
    steps = [a40(T.format(1), ("B", "A")), a40(T.format(2), ("C", "B")), oru("A", "7", "F", "88", T.format(3))]
    outcomes = await feed(world, tenant, *(steps[i] for i in order))
    assert [o["status"] for o in outcomes] == ["TRANSFORMED"] * 3, outcomes
    assert await final(world, tenant, "A", "B", "C") == {"A": "C", "B": "C", "C": "C"}
    patients = await records(world, tenant, "Patient")
    survivor = by_number(patients, "C")
    (observation,) = await records(world, tenant, "Observation")
    assert observation["subject"]["reference"] == f"Patient/{survivor['id']}"
    for name in "AB":
        links = by_number(patients, name)["link"]
        assert [i["other"]["reference"] for i in links if i["type"] == "replaced-by"] == [f"Patient/{survivor['id']}"]
        assert by_number(patients, name)["active"] is False


async def test_one_message_with_many_merges_one_of_them_chained(world: World, tenant: Tenant) -> None:
    (outcome,) = await feed(world, tenant, a40(T.format(1), ("B", "A"), ("C", "B"), ("E", "D")))
    assert outcome["status"] == "TRANSFORMED"
    assert outcome["segments"] == {"total": 8, "mapped": 8, "ignored": 0, "unmapped": 0}
    assert await final(world, tenant, "A", "B", "C", "D", "E") == {"A": "C", "B": "C", "C": "C", "D": "E", "E": "E"}


async def test_repeated_merge_changes_nothing(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, adt("A01", "A", "VA", T.format(1)), a40(T.format(2), ("B", "A")))
    before = [(p["id"], p["meta"]["versionId"], p.get("link")) for p in await records(world, tenant, "Patient")]
    (again,) = await feed(world, tenant, a40(T.format(2), ("B", "A")))
    assert again["status"] == "TRANSFORMED"
    assert [(p["id"], p["meta"]["versionId"], p.get("link")) for p in await records(world, tenant, "Patient")] == before


@pytest.mark.parametrize(
    "again", ["MRG|A^^^HOSP^MR", "MRG|A^^^HOSP^MR~A2^^^LAB^MR", "PID|1||B^^^HOSP^MR||Souza^Ana\rMRG|A^^^HOSP^MR"]
)
async def test_a_loser_told_twice_in_one_message_is_merged_once(world: World, tenant: Tenant, again: str) -> None:
    (outcome,) = await feed(world, tenant, a40(T.format(1), ("B", "A")) + again + "\r")
    assert (outcome["code"], outcome["status"], outcome["segments"]["unmapped"]) == ("AA", "TRANSFORMED", 0)
    patients = await records(world, tenant, "Patient")
    loser, survivor = by_number(patients, "A"), by_number(patients, "B")
    assert len(patients) == 2
    assert loser["link"] == [{"other": {"reference": f"Patient/{survivor['id']}"}, "type": "replaced-by"}]
    assert survivor["link"] == [{"other": {"reference": f"Patient/{loser['id']}"}, "type": "replaces"}]


@pytest.mark.parametrize("known", ["A", "B", ""])
@pytest.mark.parametrize("number", ["11144477735^^^BR^CPF", "S1234567D^^^NRIC^SG"])
async def test_a_number_that_both_have_hinders_no_merge(world: World, tenant: Tenant, known: str, number: str) -> None:
    def with_number(text: str, name: str) -> str:
        return text.replace(f"|{name}^", f"|{number}~{name}^", 1)

    for n in "AB":
        sent = adt("A01", n, f"V{n}", T.format(1))
        await feed(world, tenant, sent.replace("^MR|", f"^MR~{number}|", 1) if n == known else sent)
    (outcome,) = await feed(world, tenant, with_number(with_number(a40(T.format(4), ("B", "A")), "A"), "B"))
    assert outcome["status"] == "TRANSFORMED"
    (alive,) = [p for p in await records(world, tenant, "Patient") if p["active"]]
    assert "B" in {i["value"] for i in alive["identifier"] if i.get("use") != "old"}
    visits = await records(world, tenant, "Encounter")
    assert [v["subject"]["reference"] for v in visits] == [f"Patient/{alive['id']}"] * 2


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (("A", "B"), "semantic.merge-cycle"),
        (("C", "A"), "semantic.merge-conflict"),
        (("A", "A"), "semantic.merge-self"),
    ],
)
async def test_contradictions_are_refused(world: World, tenant: Tenant, second: tuple[str, str], code: str) -> None:
    await feed(world, tenant, a40(T.format(1), ("B", "A")))
    before = await records(world, tenant, "Patient")
    (outcome,) = await feed(world, tenant, a40(T.format(2), second))
    assert outcome["status"] == "ERROR" and code in outcome["problems"]
    assert await records(world, tenant, "Patient") == before


async def test_long_cycle_is_refused_and_good_groups_beside_it_too(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, a40(T.format(1), ("B", "A")), a40(T.format(2), ("C", "B")))
    (outcome,) = await feed(world, tenant, a40(T.format(3), ("F", "E"), ("A", "C")))
    assert outcome["status"] == "ERROR" and "semantic.merge-cycle" in outcome["problems"]
    assert len(await records(world, tenant, "Patient")) == 3


async def test_unknown_loser_is_an_alias_for_a_late_admission(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, a40(T.format(5), ("B", "A")), adt("A01", "A", "VA", T.format(1)))
    patients = await records(world, tenant, "Patient")
    (encounter,) = await records(world, tenant, "Encounter")
    assert encounter["subject"]["reference"] == f"Patient/{by_number(patients, 'B')['id']}"
    assert by_number(patients, "A")["active"] is False


async def test_merge_among_a_wave_of_messages(world: World, tenant: Tenant) -> None:
    messages = [adt("A01", f"P{n}", f"V{n}", T.format(n)) for n in range(10)]
    messages += [a40(T.format(20), ("P1", "P0"), ("P3", "P2")), oru("P0", "3", "F", "91", T.format(21))]
    outcomes = await feed(world, tenant, *messages, wave=True)
    assert {o["status"] for o in outcomes} == {"TRANSFORMED"}
    assert await final(world, tenant, "P0", "P1", "P2", "P3") == {"P0": "P1", "P1": "P1", "P2": "P3", "P3": "P3"}
    (observation,) = await records(world, tenant, "Observation")
    survivor = by_number(await records(world, tenant, "Patient"), "P1")
    assert observation["subject"]["reference"] == f"Patient/{survivor['id']}"


async def test_other_tenant_keeps_its_patients_apart(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    await feed(world, other_tenant, adt("A01", "A", "VA", T.format(1)))
    await feed(world, tenant, a40(T.format(2), ("B", "A")))
    (theirs,) = await records(world, other_tenant, "Patient")
    assert theirs["active"] is True and "link" not in theirs


async def test_merge_without_its_other_half_is_refused(world: World, tenant: Tenant) -> None:
    whole = a40(T.format(1), ("B", "A"))
    no_loser = "\r".join(line for line in whole.split("\r") if not line.startswith("MRG")).replace("|T", "|U")
    no_survivor = "\r".join(line for line in whole.split("\r") if not line.startswith("PID")).replace("|T", "|W")
    for message in (no_loser, no_survivor):
        (outcome,) = await feed(world, tenant, message)
        assert (outcome["code"], outcome["status"]) == ("AE", "ERROR")
        assert "structure.segment-required" in outcome["problems"]
    assert await records(world, tenant, "Patient") == []


@pytest.mark.parametrize("module", [merging, inbound])
async def test_a_patient_another_message_makes_meanwhile_is_settled_anew(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    """A merge and a result name a patient nobody has met; each has looked when the other is committed."""
    merge, result = a40(T.format(4), ("S", "L")), oru("L", "1", "F", "90", T.format(3))
    begun, between = (merge, result) if module is merging else (result, merge)
    plain, fed = module.save, []

    async def save(*given: Any) -> Any:
        if not fed:
            fed.append(between)
            await feed(world, tenant, between)
        return await plain(*given)

    monkeypatch.setattr(module, "save", save)
    assert [one["status"] for one in await feed(world, tenant, begun)] == ["TRANSFORMED"]
    patients = await records(world, tenant, "Patient")
    survivor = by_number(patients, "S")
    assert by_number(patients, "L")["active"] is False and len(patients) == 2
    for kind in ("Observation", "DiagnosticReport", "ServiceRequest"):
        assert {r["subject"]["reference"] for r in await records(world, tenant, kind)} == {f"Patient/{survivor['id']}"}


async def test_two_workers_race_over_merges_and_results(world: World, tenant: Tenant) -> None:
    """Whatever the interleaving, nothing is left that speaks of a merged patient, and every message is finished."""
    chance = random.Random(7)
    messages = []
    for n in range(12):
        messages += [adt("A01", f"L{n}", f"VL{n}", T.format(n)), adt("A01", f"S{n}", f"VS{n}", T.format(n))]
        messages += [oru(f"L{n}", f"{n}a", "F", "90", T.format(n)), a40(T.format(n + 20), (f"S{n}", f"L{n}"))]
        messages += [
            oru(f"L{n}", f"{n}b", "F", "91", T.format(n + 21)),
            oru(f"S{n}", f"{n}c", "F", "92", T.format(n + 22)),
        ]
    chance.shuffle(messages)
    channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
    keeper = Keeper(world.database)

    async def send() -> None:
        for message in messages:
            await receive(keeper, channel, message.encode())

    async def work() -> None:
        for _ in range(200):
            with contextlib.suppress(PonteError):
                await inbound.work(world, tenant)
            await asyncio.sleep(0.005)

    await asyncio.gather(send(), work(), work())
    await work_all(world, tenant)
    async with world.transaction(tenant) as tx:
        status = await tx.rows("SELECT status, count(*) AS n FROM message WHERE tenant_id = $1 GROUP BY 1")
        links = await tx.rows("SELECT loser_id FROM patient_link WHERE tenant_id = $1")
    assert {row["status"]: row["n"] for row in status} == {"TRANSFORMED": 72}
    losers = {f"Patient/{row['loser_id']}" for row in links}
    assert len(losers) == 12
    for kind in ("Encounter", "Observation", "DiagnosticReport", "ServiceRequest"):
        assert not [r for r in await records(world, tenant, kind) if r["subject"]["reference"] in losers], kind
    assert len(await records(world, tenant, "Observation")) == 36
