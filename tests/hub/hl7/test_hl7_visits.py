"""Visits and persons on a real database: events, order, nulls, doubles and documents that belong to somebody else."""

from __future__ import annotations

from hl7_feed import adt, by_number, feed, msh, oru, records, versions

from hub.world import Tenant, World

T = "202611221000{:02d}"
PV1 = "|" * 24 + "20261122080000"
OUT = "|" * 24 + "20261122080000|20261122180000"


async def status(world: World, tenant: Tenant) -> str:
    (encounter,) = await records(world, tenant, "Encounter")
    return str(encounter["status"])


async def test_same_visit_again_is_an_update(world: World, tenant: Tenant) -> None:
    await feed(
        world,
        tenant,
        adt("A01", "A", "V1", T.format(1)),
        adt("A01", "A", "V1", T.format(2)),
        adt("A04", "A", "V2", T.format(3)),
    )
    assert [e["status"] for e in await records(world, tenant, "Encounter")] == ["in-progress", "in-progress"]
    assert len(await records(world, tenant, "Patient")) == 1
    assert len(await records(world, tenant, "Practitioner")) == 1


async def test_discharge_update_cancel_discharge(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, adt("A01", "A", "V1", T.format(1)), adt("A03", "A", "V1", T.format(2), pv1=OUT))
    assert await status(world, tenant) == "finished"
    await feed(world, tenant, adt("A08", "A", "V1", T.format(3)))
    assert await status(world, tenant) == "finished", "an update never lowers a status"
    await feed(world, tenant, adt("A13", "A", "V1", T.format(4), pv1=OUT))
    (encounter,) = await records(world, tenant, "Encounter")
    assert encounter["status"] == "in-progress" and "end" not in encounter["period"], (
        "a stale PV1-45 does not finish again"
    )


async def test_late_admission_does_not_reopen(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, adt("A03", "A", "V1", T.format(9), pv1=OUT), adt("A01", "A", "V1", T.format(1)))
    assert await status(world, tenant) == "finished"


async def test_late_cancellation_behind_an_update_still_cancels(world: World, tenant: Tenant) -> None:
    await feed(
        world,
        tenant,
        adt("A01", "A", "V1", T.format(1)),
        adt("A08", "A", "V1", T.format(9)),
        adt("A11", "A", "V1", T.format(5)),
    )
    assert await status(world, tenant) == "cancelled"
    await feed(world, tenant, adt("A01", "A", "V1", T.format(2)))
    assert await status(world, tenant) == "cancelled"


async def test_cancelling_the_unknown_creates_nothing(world: World, tenant: Tenant) -> None:
    (outcome,) = await feed(world, tenant, adt("A11", "A", "V1", T.format(1)))
    assert "semantic.unknown-record" in outcome["problems"]
    assert await records(world, tenant, "Encounter") == [] and await records(world, tenant, "Patient") == []


async def test_newest_event_wins_whatever_arrives_last(world: World, tenant: Tenant) -> None:
    new = adt("A08", "A", "V1", T.format(9), pid="Nova^Ana||19800229|F|||Rua Nova 1^^Recife^PE")
    old = adt("A08", "A", "V1", T.format(2), pid="Velha^Ana||19800229|F|||Rua Velha 2^^Recife^PE|||||D")
    await feed(world, tenant, new, old)
    (patient,) = await records(world, tenant, "Patient")
    assert patient["name"][0]["family"] == "Nova" and patient["address"][0]["line"] == ["Rua Nova 1"]
    assert "address" in patient, "and the older one still fills gaps"


async def test_null_removes_and_silence_keeps(world: World, tenant: Tenant) -> None:
    full = "Souza^Ana^^^^^L|Maria Souza|19800229|F||01|Rua A 1^^Recife^PE||^PRN^PH^^^81^33334444|^WPN^PH^^^81^22221111"
    await feed(world, tenant, adt("A01", "A", "V1", T.format(1), pid=full))
    await feed(world, tenant, adt("A08", "A", "V1", T.format(2), pid="Souza^Ana||19800229"))
    (patient,) = await records(world, tenant, "Patient")
    assert patient["gender"] == "female" and len(patient["telecom"]) == 2 and len(patient["extension"]) == 2
    await feed(world, tenant, adt("A08", "A", "V1", T.format(3), pid='Souza^Ana|""||""||""|""||""'))
    (patient,) = await records(world, tenant, "Patient")
    assert not {"gender", "address", "extension"} & set(patient)
    assert [t["use"] for t in patient["telecom"]] == ["work"] and patient["birthDate"] == "1980-02-29"
    assert '\\"\\"' not in str(patient)


async def test_an_older_message_does_not_bring_back_what_was_nulled(world: World, tenant: Tenant) -> None:
    """Neither does a result that mentions the person; a newer registration does."""
    full = "Souza^Ana||19800229|F|||Rua A 1^^Recife^PE||^PRN^PH^^^81^33334444|^WPN^PH^^^81^22221111|||||||||||||"
    old = adt("A31", "A", "", T.format(2), pid=full)
    null = adt("A31", "A", "", T.format(5), pid='Souza^Ana||19800229|""|||""||""')
    await feed(world, tenant, adt("A31", "A", "", T.format(1), pid=full), null, old)
    mention = oru("A", "1", "F", "90", T.format(8)).replace("Souza^Ana", full.rstrip("|"))
    await feed(world, tenant, mention)
    (patient,) = await records(world, tenant, "Patient")
    assert not {"gender", "address"} & set(patient) and [t["use"] for t in patient["telecom"]] == ["work"]
    await feed(world, tenant, adt("A31", "A", "", T.format(9), pid=full))
    (patient,) = await records(world, tenant, "Patient")
    assert patient["gender"] == "female" and len(patient["telecom"]) == 2 and patient["address"]
    assert "urn:ponte:nulled" not in str(patient["meta"])
    await feed(world, tenant, null.replace("|T", "|U", 1), mention.replace("|T", "|U", 1))
    (patient,) = await records(world, tenant, "Patient")
    assert patient["gender"] == "female", "the null is the older word now"


async def test_null_of_one_doctor_leaves_the_others(world: World, tenant: Tenant) -> None:
    two = f"{msh('ADT^A01', T.format(1))}\rEVN|A01|{T.format(1)}\rPID|1||A^^^HOSP^MR||S^A\rPV1|1|I|||||11^Um^A^^^^^^CRM-SP|22^Dois^B^^^^^^CRM-SP|||||||||||V1^^^HOSP\r"
    one = f'{msh("ADT^A08", T.format(2))}\rEVN|A08|{T.format(2)}\rPID|1||A^^^HOSP^MR||S^A\rPV1|1|I||||||""|||||||||||V1^^^HOSP\r'
    await feed(world, tenant, two, one)
    (encounter,) = await records(world, tenant, "Encounter")
    (participant,) = encounter["participant"]
    assert participant["individual"]["identifier"] == {"system": "https://saude.gov.br/fhir/sid/crm-sp", "value": "11"}
    assert participant["individual"]["reference"].startswith("Practitioner/")


async def test_newborn_with_the_mothers_cpf_stays_another_person(world: World, tenant: Tenant) -> None:
    mother = f"{msh('ADT^A01', T.format(1))}\rPID|1||M1^^^HOSP^MR~52998224725^^^^CPF||Souza^Ana||19900101|F\r"
    baby = f"{msh('ADT^A01', T.format(2))}\rPID|1||52998224725^^^^CPF~B1^^^HOSP^MR||Souza^RN de Ana||20261122|M\r"
    outcomes = await feed(world, tenant, mother, baby)
    assert "semantic.identity-review" in outcomes[1]["problems"]
    patients = await records(world, tenant, "Patient")
    assert len(patients) == 2 and by_number(patients, "M1")["birthDate"] == "1990-01-01"
    await feed(world, tenant, f"{msh('ADT^A08', T.format(3))}\rPID|1||B1^^^HOSP^MR||Souza^Pedro||20261122|M\r")
    assert len(await records(world, tenant, "Patient")) == 2


async def test_same_person_by_cpf_from_another_system(world: World, tenant: Tenant) -> None:
    await feed(
        world,
        tenant,
        f"{msh('ADT^A01', T.format(1))}\rPID|1||M1^^^HOSP^MR~529.982.247-25^^^^CPF||Souza^Ana||19900101|F\r",
    )
    await feed(
        world,
        tenant,
        f"{msh('ADT^A01', T.format(2))}\rPID|1||Z9^^^CLINICA^MR~52998224725^^^RFB^TAX||Souza^Ana||19900101|F\r",
    )
    (patient,) = await records(world, tenant, "Patient")
    assert {i["value"] for i in patient["identifier"]} == {"M1", "52998224725", "Z9"}


async def test_orders_never_overwrite_the_registration(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, adt("A01", "A", "V1", T.format(1)))
    order = f"{msh('ORM^O01', T.format(5))}\rPID|1||A^^^HOSP^MR||SOUZA^A|||U|||Rua X\rPV1|1|O|||||||||||||||||V1^^^HOSP\rORC|NW|77\rOBR|1|77||GLI^Glicose^L\r"
    await feed(world, tenant, order)
    (patient,), (encounter,) = await records(world, tenant, "Patient"), await records(world, tenant, "Encounter")
    assert patient["name"][0]["text"] == "Ana Souza" and patient["gender"] == "female"
    assert patient["address"][0]["line"] == ["Rua X"], "but a gap is filled"
    assert encounter["class"]["code"] == "IMP" and encounter["status"] == "in-progress"


async def test_every_change_has_its_version(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, adt("A01", "A", "V1", T.format(1)), adt("A03", "A", "V1", T.format(2), pv1=OUT))
    assert [v["status"] for v in await versions(world, tenant, "Encounter")] == ["in-progress", "finished"]


async def test_renewed_card_updates_the_same_coverage(world: World, tenant: Tenant) -> None:
    def insured(card: str, until: str, at: str) -> str:
        in1 = f"IN1|1|PLANO|326305^^^ANS|Saúde Exemplo||||G77|EMPRESA|||20250101|{until}"
        return adt("A08", "A", "V1", at, in1 + "|" * 23 + card)

    await feed(world, tenant, insured("111", "20251231", T.format(1)), insured("222", "20271231", T.format(2)))
    (coverage,) = await records(world, tenant, "Coverage")
    assert (coverage["subscriberId"], coverage["period"]["end"]) == ("222", "2027-12-31")
    async with world.transaction(tenant) as tx:
        row = await tx.row("SELECT payer_code, member_number, plan_name FROM coverage WHERE tenant_id = $1")
    assert row is not None and (row["payer_code"], row["member_number"]) == ("326305", "222")
    assert row["plan_name"] == "PLANO", "not the group it is held by"
