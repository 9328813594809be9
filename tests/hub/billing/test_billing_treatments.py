"""The visits of one dental treatment end on one guia, at its end or when its payer takes a part."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from typing import Any

from billing_day import DAY, EXAM, IPE, Visit, happen, partner_row, register, rows
from billing_stay import authorise, built, put

from canonical.codes import CBO, CPF, SID, TUSS
from fhir import jsontext
from hub.billing import profiles
from hub.billing.visit import charges, treatments
from hub.billing.writing import stored
from hub.records.write import Write
from hub.store.database import Row
from hub.world import Tenant, World

EPISODE = "EpisodeOfCare/tratamento"
NUMBER = {"type": "EpisodeOfCare", "identifier": {"system": "urn:oid:1.2.3", "value": "EP-7"}}
FILLINGS = ("16", "26", "36")


async def dentist(world: World, tenant: Tenant, identity: str, cro: str, cpf: str) -> None:
    body = {
        "resourceType": "Practitioner", "name": [{"text": f"Dentista {cro}"}],
        "identifier": [{"system": f"{SID}/cro-sp", "value": cro}, {"system": CPF, "value": cpf}],
        "qualification": [{"code": {"coding": [{"system": CBO, "code": "223208"}]}}],
    }  # fmt: skip
    await put(world, tenant, Write(type="Practitioner", id=identity, body=body))


async def episode(world: World, tenant: Tenant, patient: str, status: str) -> None:
    body = {"resourceType": "EpisodeOfCare", "status": status, "patient": {"reference": f"Patient/{patient}"}}
    await put(world, tenant, Write(type="EpisodeOfCare", id=EPISODE.partition("/")[2], body=body))


async def visit(world: World, tenant: Tenant, patient: str, day: datetime.date, **told: Any) -> None:
    """One more visit of a patient: a filling of `tooth` by `by` (a Practitioner's id), in an episode."""
    on, place = f"{day}T10:30:00-03:00", f"visit-{day}-{told.get('tooth', '16')}"
    body: dict[str, Any] = {
        "resourceType": "Encounter", "status": told.get("status", "finished"), "class": {"code": told.get("kind", "AMB")},
        "subject": {"reference": f"Patient/{patient}"}, "period": {"start": on},
        "episodeOfCare": [told.get("episode", {"reference": EPISODE})],
    }  # fmt: skip
    site = [{"coding": [{"system": f"{TUSS}28", "code": told.get("tooth", "16")}]}]
    site.append({"coding": [{"system": f"{TUSS}32", "code": "O"}]})
    charge: dict[str, Any] = {
        "resourceType": "ChargeItem", "status": "billable", "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [{"system": f"{TUSS}22", "code": "85100196", "display": "Restauração inventada"}]},
        "context": {"reference": f"Encounter/{place}"}, "occurrenceDateTime": on, "bodysite": site,
        "quantity": {"value": jsontext.parse(b"1")},
        "priceOverride": {"value": jsontext.parse(b"100.00"), "currency": "BRL"},
        "performer": [{"actor": {"reference": f"Practitioner/{told.get('by', 'first')}"}}],
    }  # fmt: skip
    writes = [Write(type="Encounter", id=place, body=body)]
    if told.get("status") != "planned":
        writes.append(Write(type="ChargeItem", id=f"charge-{place}", body=charge))
    for write in writes:
        await put(world, tenant, write)


async def treated(world: World, tenant: Tenant, days: int = 3, **settings: Any) -> str:
    """A patient with a plan and visits a week apart, the last on DAY; returns the patient's id."""
    await register(world, tenant, [partner_row(IPE, "", billing=settings)])
    await dentist(world, tenant, "first", "4321", "12345678062")
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=())])
    for row in await rows(world, tenant, "SELECT id, body FROM resource WHERE tenant_id = $1 AND type = 'Coverage'"):
        body = {**json.loads(row["body"]), "class": [{"type": {"text": "plan"}, "value": "O", "name": "Plano Sorriso"}]}
        await put(world, tenant, Write(type="Coverage", id=row["id"], body=body))
    for n in range(days):
        await visit(world, tenant, patient, DAY - datetime.timedelta(7 * (days - 1 - n)), tooth=FILLINGS[n])
    return str(patient)


async def waiting(world: World, tenant: Tenant) -> int:
    async with world.transaction(tenant) as tx:
        return await charges.in_treatment(tx, await profiles.payers(tx), world.now().date(), tenant.zone)


def told(guide: Row) -> tuple[Any, ...]:
    tree = json.loads(guide["tree"])
    days = [item["dataRealizacao"] for item in tree["procedimentosExecutados"]]
    return guide["kind"], tree["tipoFaturamento"], tree.get("dataTerminoTrat"), days


async def test_visits_of_a_treatment_are_one_guide_at_its_end(world: World, tenant: Tenant) -> None:
    patient = await treated(world, tenant)
    await authorise(world, tenant, patient, IPE)
    await episode(world, tenant, patient, "active")
    assert await built(world, tenant) == []
    assert await waiting(world, tenant) == 3
    await episode(world, tenant, patient, "finished")
    (guide,) = await built(world, tenant)
    days = [f"{DAY - datetime.timedelta(back)}" for back in (14, 7, 0)]
    assert told(guide) == ("odonto", "4", f"{DAY}", days)
    assert (guide["status"], guide["total_cents"], guide["competence"]) == ("pronta", 30000, f"{DAY:%Y%m}"), guide[
        "problems"
    ]
    items = json.loads(guide["tree"])["procedimentosExecutados"]
    assert [(i["sequencialItem"], i["denteRegiao"]["codDente"]) for i in items] == [
        ("1", "16"),
        ("2", "26"),
        ("3", "36"),
    ]
    async with world.transaction(tenant) as tx:
        (claim,) = (await stored(tx, "Claim", [str(guide["id"])])).values()
    visits = [item["encounter"][0]["reference"] for item in claim["item"]]
    assert len(set(visits)) == 3 and claim["billablePeriod"] == {"start": days[0], "end": days[2]}
    assert await waiting(world, tenant) == 0


async def test_a_long_treatment_is_billed_in_parts(world: World, tenant: Tenant) -> None:
    patient = await treated(world, tenant, 2, part_days=5)
    await episode(world, tenant, patient, "active")
    (first,) = await built(world, tenant)
    assert told(first)[1:3] == ("1", None) and len(told(first)[3]) == 2
    await visit(world, tenant, patient, DAY, tooth="36")
    await episode(world, tenant, patient, "finished")
    _, last = await built(world, tenant)
    assert told(last) == ("odonto", "1", f"{DAY}", [f"{DAY}"])


async def test_an_episode_known_by_its_number_ends_when_nothing_more_is_done(world: World, tenant: Tenant) -> None:
    patient = await treated(world, tenant, 0, treatment_days=0)
    for n, tooth in enumerate(FILLINGS):
        await visit(world, tenant, patient, DAY - datetime.timedelta(n), tooth=tooth, episode=NUMBER)
    later = world.now().date() + datetime.timedelta(10)
    await visit(world, tenant, patient, later, tooth="46", episode=NUMBER, status="planned")
    assert await built(world, tenant) == [] and await waiting(world, tenant) == 3  # one more visit is planned
    await visit(world, tenant, patient, later, tooth="46", episode=NUMBER, status="cancelled")
    async with world.transaction(tenant) as tx:
        (profile,) = await profiles.payers(tx)
        patient_waits = await treatments.waiting(
            tx, [replace(profile, treatment_days=400)], world.now().date(), tenant.zone
        )
    assert len(patient_waits) == 1
    record = {
        "resourceType": "EpisodeOfCare", "status": "active", "identifier": [NUMBER["identifier"]],
        "patient": {"reference": f"Patient/{patient}"},
    }  # fmt: skip
    await put(world, tenant, Write(type="EpisodeOfCare", id="numbered", body=record))
    assert await built(world, tenant) == []  # its record says that it goes on
    await put(world, tenant, Write(type="EpisodeOfCare", id="numbered", body={**record, "status": "finished"}))
    (guide,) = await built(world, tenant)
    assert told(guide)[:3] == ("odonto", "4", f"{DAY}") and len(told(guide)[3]) == 3


async def test_two_dentists_are_named_a_third_is_told_and_other_acts_do_not_wait(world: World, tenant: Tenant) -> None:
    patient = await treated(world, tenant, 1)
    await episode(world, tenant, patient, "active")
    await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,), patient=patient)])
    assert [guide["kind"] for guide in await built(world, tenant)] == ["sp-sadt"]
    await dentist(world, tenant, "second", "9876", "52998224725")
    await dentist(world, tenant, "third", "5555", "11144477735")
    await visit(world, tenant, patient, DAY + datetime.timedelta(1), tooth="26", by="second")
    await visit(world, tenant, patient, DAY + datetime.timedelta(2), tooth="36", by="third")
    await episode(world, tenant, patient, "finished")
    _, guide = await built(world, tenant)
    people = json.loads(guide["tree"])["dadosProfissionaisResponsaveis"]
    assert (people["croExec"], people["croExec2"], people["ufExec2"]) == ("4321", "9876", "35")
    assert [problem["code"] for problem in json.loads(guide["problems"])] == ["guide.dentists"]
    assert guide["status"] == "pronta"
    async with world.transaction(tenant) as tx:
        (claim,) = (await stored(tx, "Claim", [str(guide["id"])])).values()
    assert [one["provider"]["identifier"]["value"] for one in claim["careTeam"]] == ["4321", "9876"]
