"""Guides and requests tell the tenant's own days and hours, in whatever zone a client wrote its moments."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace

import pytest
from billing_day import DAY, EXAM, IPE, Visit, happen, order, partner_row, put_records, register, rows
from billing_stay import authorise, built, change, discharge, put

from fhir import jsontext
from hub.billing.visit import authorisations
from hub.records.write import Write
from hub.requests import authorisation, sending
from hub.requests.matter import Named
from hub.world import Tenant, World

CAESAREAN = ("22", "31309054", "1", "950.00")
NEXT = DAY + datetime.timedelta(1)
# the zone of the house, a moment of its late evening as another zone writes it, and the hour there
EVENINGS = [
    ("America/Sao_Paulo", f"{NEXT}T00:30:00Z", "21:30:00"),
    ("America/Noronha", f"{NEXT}T01:30:00.250Z", "23:30:00"),
    ("America/Manaus", f"{NEXT}T00:45:00-03:00", "23:45:00"),
    ("America/Rio_Branco", f"{NEXT}T04:10:00Z", "23:10:00"),
]


@pytest.mark.parametrize(("zone", "told", "hour"), EVENINGS)
async def test_an_evening_stays_on_its_day(world: World, tenant: Tenant, zone: str, told: str, hour: str) -> None:
    house = replace(tenant, zone=zone)
    await register(world, house, [partner_row(IPE)])
    (patient,) = await happen(world, house, [Visit(payer=IPE, charges=(EXAM,), extra={"occurrenceDateTime": told})])
    (visit,) = await rows(world, house, "SELECT id FROM encounter WHERE tenant_id = $1 AND patient_id = $2", patient)
    await put_records(world, house, order(patient, EXAM[1], encounter=visit["id"], authoredOn=told))
    (guide,) = await built(world, house)
    tree = json.loads(guide["tree"])
    (act,) = tree["procedimentosExecutados"]["procedimentoExecutado"]
    assert (act["dataExecucao"], act["horaInicial"]) == (f"{DAY}", hour)
    assert tree["dadosSolicitacao"]["dataSolicitacao"] == f"{DAY}"
    assert (guide["executed_on"], guide["competence"]) == (DAY, f"{DAY:%Y%m}")
    ends = {
        "start": told,
        "end": told.replace(":10:00Z", ":40:00Z").replace(":30:00", ":50:00").replace(":45:", ":55:"),
    }
    await change(world, house, patient, EXAM[1], occurrenceDateTime=None, occurrencePeriod=ends)
    (guide,) = await built(world, house)
    (act,) = json.loads(guide["tree"])["procedimentosExecutados"]["procedimentoExecutado"]
    assert act["dataExecucao"] == f"{DAY}" and hour < act["horaFinal"] < "23:59:59"


async def test_a_stay_begins_and_ends_on_the_houses_days(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(
        world, tenant, [Visit(payer=IPE, kind="IMP", charges=(CAESAREAN,), extra={"occurrenceDateTime": f"{DAY}T02:00:00Z"})]
    )  # fmt: skip
    granted = {"start": f"{DAY}T02:59:59Z", "end": f"{NEXT}T02:30:00Z"}
    await authorise(world, tenant, patient, preAuthPeriod=granted)
    await discharge(world, tenant, patient, period={"start": f"{DAY}T01:15:00Z", "end": f"{NEXT}T02:45:00Z"})
    child = {
        "resourceType": "Patient", "birthDate": f"{DAY - datetime.timedelta(1)}",
        "identifier": [{"type": {"coding": [{"code": "DNV"}]}, "value": "30123456789"}],
    }  # fmt: skip
    (mother,) = await rows(world, tenant, "SELECT body FROM resource WHERE tenant_id = $1 AND type = 'Patient'")
    number = [{"system": "urn:t:mrn", "value": "M1"}]
    kin = {
        "resourceType": "RelatedPerson", "patient": {"reference": "Patient/rn"}, "identifier": number,
        "relationship": [{"coding": [{"code": "MTH"}]}],
    }  # fmt: skip
    await put(
        world, tenant, Write(type="Patient", id=patient, body={**jsontext.stored(mother["body"]), "identifier": number}),
        Write(type="Patient", id="rn", body=child), Write(type="RelatedPerson", id="kin", body=kin),
    )  # fmt: skip
    (guide,) = await built(world, tenant)
    tree = json.loads(guide["tree"])
    stay, before = tree["dadosInternacao"], f"{DAY - datetime.timedelta(1)}"
    assert (stay["dataInicioFaturamento"], stay["horaInicioFaturamento"]) == (before, "22:15:00")
    assert (stay["dataFinalFaturamento"], stay["horaFinalFaturamento"]) == (f"{DAY}", "23:45:00")
    assert [one["declaracaoNascido"] for one in stay["declaracoes"]] == ["30123456789"]
    asked = tree["dadosAutorizacao"]
    assert (asked["dataAutorizacao"], asked["dataValidadeSenha"]) == (before, f"{DAY}")


async def test_a_request_tells_the_houses_days(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, kind="IMP", charges=())])
    (row,) = await rows(
        world, tenant, "SELECT r.id, r.body FROM resource r WHERE tenant_id = $1 AND type = 'Encounter'"
    )
    body = {**jsontext.stored(row["body"]), "status": "in-progress", "period": {"start": f"{NEXT}T01:00:00Z"}}
    wanted = order(patient, CAESAREAN[1], encounter=row["id"], authoredOn=f"{NEXT}T00:10:00Z")
    await put_records(world, tenant, Write(type="Encounter", id=row["id"], body=body), wanted)
    async with world.transaction(tenant) as tx:
        wish = authorisation.Wish(named=Named(encounter=row["id"]), orders=(wanted.id,))
        made = await authorisation.ask(world, tenant, tx, wish, "test")
        tree = json.loads((await sending.row_of(tx, made.id))["tree"])["solicitacaoInternacao"]
    assert tree["dataSolicitacao"] == f"{DAY}"
    assert tree["dadosHospitalSolicitado"]["dataSugeridaInternacao"] == f"{DAY}"


async def test_an_answer_of_the_evening_counts_on_its_day(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=())])
    for created, password in ((f"{NEXT}T01:00:00Z", "LATER"), (f"{DAY}T21:00:00-03:00", "FIRST")):
        await authorise(
            world, tenant, patient, created=created, preAuthPeriod={"end": "2030-01-01"}, preAuthRef=password
        )
    async with world.transaction(tenant) as tx:
        found = (await authorisations.of_patients(tx, [patient], tenant.zone))[patient]
    assert [(one.given_on, one.password) for one in found] == [(DAY, "FIRST"), (DAY, "LATER")]
