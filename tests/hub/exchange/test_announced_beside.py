"""What a subscriber is told beyond person and visit: only what it asks for, where the structure has it, in full."""

from __future__ import annotations

import datetime
import json
from typing import Any

from channel_feed import partner, put, queued, send
from hl7_feed import msh, records

from hl7 import er7, grammar
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.world import Tenant, World
from mappings.outward.outbound import out_plan

ADT: dict[str, Any] = {"application": "PEP", "facility": "CLIN"}
ALL = sorted(out_plan("out/adt").asked)
OWN = 'name = "x"\ndoor = "mllp"\n'
PID = (
    "PID|1||M1^^^HOSP^MR~52998224725^^^CPF^TAX||Souza^Ana Maria||19800229|F||Parda|Rua das Flores, 10^ap 2^São Paulo^SP"
    "^01310100^BRA^H||+551133334444^PRN^PH~+5511999990000^PRN^CP|+551155556666^WPN^PH|pt^português|M|CAT||||"
    "Maria das Dores||São Paulo||2|BRA||BRA|{death}"
)
REST = (
    "NK1|1|Souza^João|SPO^Cônjuge|Rua X^^Campinas^SP|11999998888||C^Contato de emergência|||||||||19750101",
    "PV1|1|I|UTI^12^2|R||{prior}|88123^Lima^Rui^^^Dr^^^CRM-SP|99123^Encina^Eva^^^^^^CRM-RJ|77123^Consul^Ciro^^^^^^CRM-SP|CLM||||1|||"
    "66123^Adao^Ada^^^^^^CRM-SP||V1^^^HOSP^VN|||||||||||||||||{out}|||||||20261122080000|{end}|||||ACC9^^^HOSP^AN",
    "PV2|||R07^Dor torácica^I10|||||20261122|20261130|||||||||||||Y|||2",
    "DG1|1||I20.0^Angina instável^I10||20261122|A|||||||||1|88123^Lima^Rui^^^Dr^^^CRM-SP",
    "AL1|1|DA|PENI^Penicilina^L|SV|Urticária|20100101",
    "AL1|2|FA|^Camarão|MO|Prurido",
    "IN1|1|PL1^Plano Ouro|326305^^^ANS|Operadora X||||||||20260101|20271231|||||||||||||||||||||||9988776655",
)  # fmt: skip


def stay(event: str, at: str, *, death: str = "", prior: str = "", out: str = "", end: str = "") -> str:
    lines = [msh(f"ADT^{event}", at), f"EVN|{event}|{at}-0300", PID.format(death=death)]
    lines += [line.replace("{prior}", prior).replace("{out}", out).replace("{end}", end) for line in REST]
    return "\r".join(lines) + "\r"


def read(raw: bytes) -> er7.Message:
    found = er7.read(raw)
    assert isinstance(found, er7.Message)
    return found


def deviations(message: er7.Message) -> list[Any]:
    """Where it deviates from its version; that a later one has a field no more (EVN-1) is none."""
    return [problem for problem in grammar.conform(message) if problem.code != "field.leaving"]


def names(message: er7.Message) -> list[str]:
    return [segment.name for segment in message.segments]


async def told(world: World, tenant: Tenant) -> list[er7.Message]:
    return [read(row["content"]) for row in await queued(world, tenant)]


def plain(body: Any) -> Any:
    """A record without what differs from tenant to tenant: ids, references, meta."""
    if isinstance(body, dict):
        return {k: plain(v) for k, v in sorted(body.items()) if k not in ("id", "meta", "reference")}
    return [plain(one) for one in body] if isinstance(body, list) else body


async def test_what_is_told_is_the_same_when_it_is_read_again(
    world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    """The message read by another hub makes the same records: all of them, no element more or less."""
    await partner(world, tenant, "pep", 1, adt={**ADT, "sending_facility": "HOSP", "beside": ALL, "events": ["A01"]})
    await send(
        world, tenant, await put(world, tenant, OWN), stay("A01", "20261122080000", death="20261122101500-0300|Y")
    )
    (row,) = await queued(world, tenant)
    assert deviations(read(row["content"])) == []
    await send(world, other_tenant, await put(world, other_tenant, OWN), row["content"])
    for kind in ("Patient", "Encounter", "AllergyIntolerance", "Condition", "Coverage"):
        ours, theirs = [
            sorted(json.dumps(plain(body), ensure_ascii=False) for body in await records(world, one, kind))
            for one in (tenant, other_tenant)
        ]
        assert theirs == ours, kind


async def test_only_what_is_asked_for_is_told(world: World, tenant: Tenant) -> None:
    await partner(world, tenant, "pep", 1, adt=ADT)
    await partner(world, tenant, "lab", 1, adt={**ADT, "beside": ["IN1", "PID-10"]})
    await send(world, tenant, await put(world, tenant, OWN), stay("A01", "20261122080000"))
    found = {row["code"]: read(row["content"]) for row in await queued(world, tenant)}
    assert names(found["pep"]) == ["MSH", "EVN", "PID", "PV1", "PV2"]
    assert names(found["lab"]) == ["MSH", "EVN", "PID", "PV1", "PV2", "IN1"]
    assert [found["pep"].text(*place) for place in (("PID", 10), ("PID", 17), ("PV2", 3), ("PV2", 22))] == ["", "", "", "Y"]  # fmt: skip
    assert found["lab"].text("PID", 10) == "03" and found["lab"].text("PID", 17) == ""


async def test_a_segment_goes_only_where_the_structure_has_it(world: World, tenant: Tenant) -> None:
    """ADT_A02 has neither kin nor allergies; a discharge says how and where to."""
    await partner(world, tenant, "pep", 1, adt={**ADT, "beside": ALL, "events": ["A02", "A03"]})
    moved = stay("A02", "20261123080000", prior="UTI^12^2").replace("UTI^12^2|R", "UTI^7^1|R")
    out = stay("A03", "20261124080000", out="01|Lar", end="20261124075500")
    await send(world, tenant, await put(world, tenant, OWN), stay("A01", "20261122080000"), moved, out)
    transfer, discharge = await told(world, tenant)
    assert names(transfer) == ["MSH", "EVN", "PID", "PV1", "PV2"]
    assert [deviations(one) for one in (transfer, discharge)] == [[], []]
    assert [discharge.text("PV1", n) for n in (36, 37)] == ["01", "Lar"]


async def test_a_changed_allergy_is_told_with_its_patient(world: World, tenant: Tenant) -> None:
    """One refuted is not; a change that is told with the visit anyway is not told twice."""
    await partner(world, tenant, "pep", 1, adt={**ADT, "beside": ["AL1"]})
    own = await put(world, tenant, OWN)
    await send(world, tenant, own, stay("A01", "20261122080000"))
    assert [one.text("EVN", 1) for one in await told(world, tenant)] == ["A01"]
    (one,) = [body for body in await records(world, tenant, "AllergyIntolerance") if "Camarão" in str(body)]
    refuted = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "code": "refuted"}]}  # fmt: skip
    async with world.transaction(tenant) as tx:
        write = Write(type="AllergyIntolerance", id=one["id"], body={**one, "verificationStatus": refuted})
        await save(tx, [write], Origin(actor="fhir", now=world.now(), zone=tenant.zone))
    last = (await told(world, tenant))[-1]
    assert last.text("EVN", 1) == "A31" and names(last) == ["MSH", "EVN", "PID", "AL1"]
    assert last.text("AL1", 3, 2) == "Penicilina"


async def test_a_changed_diagnosis_is_told_with_its_visit(world: World, tenant: Tenant) -> None:
    await partner(world, tenant, "pep", 1, adt={**ADT, "beside": ["DG1"]})
    await send(world, tenant, await put(world, tenant, OWN), stay("A01", "20261122080000"))
    (one,) = await records(world, tenant, "Condition")
    confirmed = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]}  # fmt: skip
    async with world.transaction(tenant) as tx:
        write = Write(type="Condition", id=one["id"], body={**one, "verificationStatus": confirmed})
        await save(tx, [write], Origin(actor="fhir", now=world.now(), zone=tenant.zone))
    last = (await told(world, tenant))[-1]
    assert last.text("EVN", 1) == "A08" and "DG1" in names(last) and last.text("DG1", 3) == "I200"


async def test_a_membership_is_valid_to_the_end_of_its_day_where_the_house_stands(world: World, tenant: Tenant) -> None:
    """At half past ten in the evening of its last day it is the next day in Greenwich."""
    await partner(world, tenant, "pep", 1, adt={**ADT, "beside": ["IN1"]})
    last = stay("A01", "20261122080000").replace("|20271231|", "|20261122|")
    await send(world, tenant, await put(world, tenant, OWN), last)
    (one,) = await records(world, tenant, "Patient")
    for moment in ("2026-11-23T01:30:00+00:00", "2026-11-23T03:30:00+00:00"):
        changed = {**one, "name": [{"family": moment[:16]}]}
        async with world.transaction(tenant) as tx:
            origin = Origin(actor="fhir", now=datetime.datetime.fromisoformat(moment), zone=tenant.zone)
            await save(tx, [Write(type="Patient", id=one["id"], body=changed)], origin)
    assert ["IN1" in names(message) for message in (await told(world, tenant))[-2:]] == [True, False]
