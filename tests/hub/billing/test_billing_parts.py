"""A long stay in parts: parcial while the patient stays, final after the discharge, complementar for what comes late."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any

import pytest
from billing_day import DAY, DIPYRONE, EXAM, IPE, Visit, happen, partner_row, register, rows
from billing_stay import authorise, built, change, discharge, put

from canonical.codes import CID10, LOINC, TUSS
from canonical.extensions import EXTENSIONS
from fhir import jsontext
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.billing.visit.stays import Due
from hub.records.write import Write
from hub.world import Tenant, World

DAILY = ("18", "60000775", "1", "400.00")
MATERIAL = ("19", "100196705", "1", "77.00")
START = DAY - datetime.timedelta(7)
STAYING = {
    "status": "in-progress", "hospitalization": {"admitSource": {"text": "casa"}},
    "period": {"start": f"{START}T08:15:00-03:00"},
}  # fmt: skip
GONE = {"period": {"start": f"{START}T08:15:00-03:00", "end": f"{DAY}T16:40:00-03:00"}}
TODAY = datetime.datetime.combine(DAY, datetime.time(15), datetime.UTC)


@pytest.mark.parametrize(
    ("every", "days", "cut"), [(0, 40, None), (5, 4, None), (5, 5, 5), (5, 11, 10), (15, 40, 30), (5, -1, None)]
)
def test_when_a_part_is_due(every: int, days: int, cut: int | None) -> None:
    due = Due(every=every, today=START + datetime.timedelta(days), zone="America/Sao_Paulo")
    assert due.cut(START) == (None if cut is None else START + datetime.timedelta(cut))


async def charged(world: World, tenant: Tenant, patient: str, day: datetime.date, total: str) -> None:
    """One more daily rate of the patient's stay."""
    (row,) = await rows(world, tenant, "SELECT id FROM encounter WHERE tenant_id = $1 AND patient_id = $2", patient)
    body = {
        "resourceType": "ChargeItem", "status": "billable", "subject": {"reference": f"Patient/{patient}"},
        "context": {"reference": f"Encounter/{row['id']}"}, "occurrenceDateTime": f"{day}T10:00:00-03:00",
        "code": {"coding": [{"system": f"{TUSS}18", "code": DAILY[1]}]}, "quantity": {"value": 1},
        "priceOverride": {"value": jsontext.parse(total.encode()), "currency": "BRL"},
    }  # fmt: skip
    await put(world, tenant, Write(type="ChargeItem", id=uuid.uuid4().hex, body=body))


def told(guide: Any) -> tuple[str, str, str, str, int]:
    stay = json.loads(guide["tree"])["dadosInternacao"]
    ending = json.loads(guide["tree"])["dadosSaidaInternacao"]["motivoEncerramento"]
    return (
        stay["tipoFaturamento"],
        stay["dataInicioFaturamento"],
        stay["dataFinalFaturamento"],
        ending,
        guide["total_cents"],
    )


async def test_a_long_stay_is_billed_in_parts(world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.billing.guide.guides.writing.today", lambda by: DAY)
    await register(world, tenant, [partner_row(IPE, billing={"part_days": 3})])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(DAILY,), kind="IMP", on=START)])
    await authorise(world, tenant, patient, preAuthPeriod={"start": f"{START}"}, created=f"{START}")
    await discharge(world, tenant, patient, **STAYING)
    await charged(world, tenant, patient, DAY, "90.00")  # of today: no part takes it yet
    (part,) = await built(world, tenant)
    last = DAY - datetime.timedelta(2)
    assert (part["status"], told(part)) == ("pronta", ("1", f"{START}", f"{last}", "28", 40000)), part["problems"]
    assert json.loads(part["tree"])["dadosInternacao"]["horaFinalFaturamento"] == "23:59:59"
    await batches.close_batches(world, tenant)
    await charged(world, tenant, patient, START, "11.00")  # late, of a day that is billed
    await discharge(world, tenant, patient, **GONE)
    found = {told(guide)[0]: told(guide)[1:] for guide in await built(world, tenant)}
    first = last + datetime.timedelta(1)
    assert found == {
        "1": (f"{START}", f"{last}", "28", 40000),
        "2": (f"{first}", f"{DAY}", "12", 9000),
        "3": (f"{START}", f"{last}", "12", 1100),
    }
    assert {guide["status"] for guide in await built(world, tenant)} == {"enviada", "pronta"}


async def test_what_comes_after_the_whole_stay_is_complementary(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(DAILY,), kind="IMP")])
    await authorise(world, tenant, patient)
    await discharge(world, tenant, patient, **GONE)
    (whole,) = await built(world, tenant)
    await charged(world, tenant, patient, DAY, "12.00")
    found = sorted(told(guide)[0] for guide in await built(world, tenant))
    assert found == ["3", "4"]
    await change(world, tenant, patient, DAILY[1], factorOverride=1)
    assert sorted(told(guide)[0] for guide in await built(world, tenant)) == ["3", "4"], "built again as what they are"
    assert whole["kind"] == "internacao"


async def test_declarations_of_births_and_deaths(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(DAILY,), kind="IMP")])
    await authorise(world, tenant, patient)

    def number(kind: str, value: str) -> dict[str, Any]:
        return {"type": {"coding": [{"code": kind}]}, "system": f"urn:x:{kind}", "value": value}

    mother = {"resourceType": "Patient", "identifier": [number("MR", "991")], "name": [{"family": "Inventada"}]}
    child = {"resourceType": "Patient", "birthDate": f"{DAY}", "name": [{"family": "RN"}],
             "identifier": [number("BC", "30111222333"), number("DC", "40111222333")]}  # fmt: skip
    link = {
        "resourceType": "RelatedPerson", "patient": {"reference": "Patient/rn"}, "identifier": [number("MR", "991")],
        "relationship": [{"coding": [{"code": "MTH"}]}],
    }  # fmt: skip
    cause = {
        "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": LOINC, "code": "69453-9"}]},
        "subject": {"reference": "Patient/rn"}, "valueCodeableConcept": {"coding": [{"system": CID10, "code": "P22.0"}]},
    }  # fmt: skip
    await put(
        world, tenant, Write(type="Patient", id=patient, body=mother), Write(type="Patient", id="rn", body=child),
        Write(type="RelatedPerson", id="link", body=link), Write(type="Observation", id="cause", body=cause),
    )  # fmt: skip
    twin = {"url": EXTENSIONS["birth-declaration"], "valueString": "30999888777"}
    ending = {"dischargeDisposition": {"coding": [{"system": f"{TUSS}39", "code": "61"}]}}
    await discharge(world, tenant, patient, extension=[twin], hospitalization=ending, **GONE)
    (guide,) = await built(world, tenant)
    assert json.loads(guide["tree"])["dadosInternacao"]["declaracoes"] == [
        {"declaracaoNascido": "30999888777"},
        {"declaracaoNascido": "30111222333"},
        {"diagnosticoObito": "P220", "declaracaoObito": "40111222333", "indicadorDORN": "S"},
    ]
    assert "table.birth" not in guide["problems"]


async def test_details_of_a_material_make_it_opme(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM, MATERIAL, DIPYRONE))])
    product = {"coding": [{"system": "urn:ponte:codes:anvisa", "code": "80.145.901-234"},
                          {"system": "urn:ponte:codes:fabricante", "code": "REF-77"}]}  # fmt: skip
    permit = [{"url": EXTENSIONS["working-permit"], "valueString": "8012345"}]
    await change(world, tenant, patient, MATERIAL[1], productCodeableConcept=product, extension=permit)
    (guide,) = await built(world, tenant)
    tree = json.loads(guide["tree"])
    (material,) = [row for row in tree["outrasDespesas"]["despesa"] if row["codigoDespesa"] == "08"]
    service = material["servicosExecutados"]
    assert (service["registroANVISA"], service["codigoRefFabricante"]) == ("80145901234", "REF-77")
    assert service["autorizacaoFuncionamento"] == "8012345" and tree["valorTotal"]["valorOPME"] == "77.00"
    assert guide["status"] == guides.READY, guide["problems"]
    device = {"resourceType": "Device", "identifier": [{"system": "urn:ponte:codes:anvisa", "value": "80145901234"}],
              "modelNumber": "M-9"}  # fmt: skip
    await put(world, tenant, Write(type="Device", id="stent", body=device))
    told_by = {"productCodeableConcept": None, "productReference": {"reference": "Device/stent"}}
    await change(world, tenant, patient, MATERIAL[1], **told_by)
    (again,) = await built(world, tenant)
    assert '"codigoRefFabricante": "M-9"' in again["tree"]
