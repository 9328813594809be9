"""Referrals on a real database: sent, answered, cancelled, asked about; in and out of order."""

from __future__ import annotations

import pytest
from hl7_feed import feed, msh, records

from hub.world import Tenant, World
from tests.hub.hl7.test_hl7_queries import ask

T = "202611231000{:02d}"
ASKS = "PRD|RP^Referring^HL70286|Nogueira^Paula|||||88123^CRM^SP"
ASKED = "PRD|RT^Referred to^HL70286|Teles^Renato|||||70441^CRM^SP"


def referral(
    kind: str, second: int, *, state: str = "P", number: str = "ENC-1", more: str = "DG1|1||I20.9^Angina^I10"
) -> str:
    """A message of the referral `number`, with who asks, who is asked, the patient and `more`."""
    rf1 = f"RF1|{state}^x^HL70283||MED^Medical^HL70281|||{number}^APS"
    first = ["MSA|AA|T1"] if kind.startswith("RRI") else []
    patient = "PID|1||7^^^HOSP^MR||Souza^Ana||19800229|F"
    return "\r".join([msh(kind, T.format(second)), *first, rf1, ASKS, ASKED, patient, more]) + "\r"


async def states(world: World, tenant: Tenant) -> tuple[str, str]:
    (order,), (task,) = await records(world, tenant, "ServiceRequest"), await records(world, tenant, "Task")
    return order["status"], task["status"]


async def test_a_referral_goes_its_way(world: World, tenant: Tenant) -> None:
    (taken,) = await feed(world, tenant, referral("REF^I12", 1))
    assert taken["code"] == "AA" and await states(world, tenant) == ("active", "requested")
    (order,) = await records(world, tenant, "ServiceRequest")
    roles = {f"PractitionerRole/{r['id']}": r for r in await records(world, tenant, "PractitionerRole")}
    people = {f"Practitioner/{p['id']}": p for p in await records(world, tenant, "Practitioner")}
    asked = roles[order["performer"][0]["reference"]]
    assert people[asked["practitioner"]["reference"]]["identifier"][0]["value"] == "70441"
    assert order["requester"]["reference"] in roles and order["reasonReference"]
    await feed(world, tenant, referral("RRI^I12", 2, state="A"))
    assert await states(world, tenant) == ("active", "accepted")
    await feed(world, tenant, referral("REF^I14", 3))
    assert await states(world, tenant) == ("revoked", "cancelled")
    assert len(await records(world, tenant, "PractitionerRole")) == 2


async def test_an_older_answer_does_not_undo_a_later_cancellation(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, referral("REF^I12", 1), referral("REF^I14", 9), referral("RRI^I12", 5, state="A"))
    assert await states(world, tenant) == ("revoked", "cancelled")


async def test_asking_or_cancelling_makes_no_referral(world: World, tenant: Tenant) -> None:
    answers = await feed(
        world, tenant, referral("REF^I15", 1, number="ENC-2", more=""), referral("REF^I14", 2, number="ENC-3", more="")
    )
    assert [answer["code"] for answer in answers] == ["AA", "AA"]
    assert await records(world, tenant, "ServiceRequest") == await records(world, tenant, "Task") == []


@pytest.mark.parametrize(
    ("answered", "state"), [("", "P"), ("RRI^I12 A", "A"), ("RRI^I12 R", "R"), ("REF^I14 P", "E")], ids=str
)
async def test_asking_for_the_state_is_answered_by_it(world: World, tenant: Tenant, answered: str, state: str) -> None:
    await feed(world, tenant, referral("REF^I12", 1))
    if answered:
        kind, _, said = answered.partition(" ")
        await feed(world, tenant, referral(kind, 2, state=said, more="NTE|1||Consulta em 26/11."))
    lines = await ask(world, tenant, referral("REF^I15", 3, more=""))
    names = [line[:3] for line in lines]
    assert names[:3] == ["MSH", "MSA", "RF1"] and lines[0].split("|")[8] == "RRI^I15^RRI_I12"
    assert lines[1].split("|")[1] == "AA"
    rf1 = lines[2].split("|")
    assert (rf1[1], rf1[3].split("^")[0], rf1[6]) == (state, "Med", "ENC-1^APS")
    assert [line.split("|")[7] for line in lines if line.startswith("PRD")] == ["88123^CRM^SP", "70441^CRM^SP"]
    assert lines[names.index("PID")].startswith("PID|1||7^^^HOSP^MR||Souza^Ana")
    assert ("NTE|||Consulta em 26/11." in lines) == bool(answered)


async def test_what_is_not_that_patients_is_not_told(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, referral("REF^I12", 1))
    other = referral("REF^I15", 3, more="").replace("PID|1||7^", "PID|1||8^")
    for question in (other, referral("REF^I15", 4, number="ENC-9", more="")):
        lines = await ask(world, tenant, question)
        assert lines[1].startswith("MSA|AE|") and "query.referral" in lines[2] and len(lines) == 3
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT entity FROM audit_event WHERE tenant_id = $1 AND action = 'read'")
    assert rows == []
