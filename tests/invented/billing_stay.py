"""Stays for billing tests: a patient is discharged, the payer authorises, professionals are registered, guides are built."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from billing_day import DAY, IPE, rows

from canonical.codes import ANS, CBO, CID10, CPF, SID, TUSS
from canonical.extensions import EXTENSIONS
from fhir import jsontext
from hub.billing.guide import guides
from hub.billing.writing import origin
from hub.records.write import Write, save
from hub.store.database import Row
from hub.world import Tenant, World


async def put(world: World, tenant: Tenant, *writes: Write) -> None:
    async with world.transaction(tenant) as tx:
        await save(tx, writes, origin(world, tenant, "test"))


async def discharge(world: World, tenant: Tenant, patient: str, **changed: Any) -> None:
    """The patient's stay ends, with a diagnosis and a reason."""
    (row,) = await rows(
        world, tenant, "SELECT r.id, r.body FROM resource r JOIN encounter e ON e.tenant_id = $1 AND e.id = r.id "
        "WHERE r.tenant_id = $1 AND r.type = 'Encounter' AND e.patient_id = $2", patient,
    )  # fmt: skip
    condition = uuid.uuid4().hex
    code = {"coding": [{"system": CID10, "code": "O82.0"}]}
    subject = {"reference": f"Patient/{patient}"}
    body = {
        **jsontext.stored(row["body"]),
        "status": "finished",
        "period": {"start": f"{DAY - datetime.timedelta(2)}T08:15:00-03:00", "end": f"{DAY}T16:40:00-03:00"},
        "hospitalization": {"dischargeDisposition": {"coding": [{"code": "01"}]}},
        "diagnosis": [{"condition": {"reference": f"Condition/{condition}"}}],
        **changed,
    }
    await put(
        world, tenant,
        Write(type="Condition", id=condition, body={"resourceType": "Condition", "code": code, "subject": subject}),
        Write(type="Encounter", id=row["id"], body=body),
    )  # fmt: skip


async def authorise(world: World, tenant: Tenant, patient: str, payer: str = IPE, **changed: Any) -> None:
    body = {
        "resourceType": "ClaimResponse", "status": "active", "use": "preauthorization", "outcome": "complete",
        "type": {"text": "internação"}, "patient": {"reference": f"Patient/{patient}"}, "created": f"{DAY}",
        "insurer": {"identifier": {"system": ANS, "value": payer}}, "preAuthRef": "SENHA123",
        "identifier": [{"value": "OP900"}], "request": {"identifier": {"value": "SOL77"}},
        "preAuthPeriod": {"start": f"{DAY - datetime.timedelta(1)}", "end": f"{DAY + datetime.timedelta(30)}"}, **changed,
    }  # fmt: skip
    await put(world, tenant, Write(type="ClaimResponse", id=uuid.uuid4().hex, body=body))


async def built(world: World, tenant: Tenant) -> list[Row]:
    await guides.build_guides(world, tenant)
    return await rows(world, tenant, "SELECT * FROM guide WHERE tenant_id = $1 ORDER BY length(number), number")


async def doctor(world: World, tenant: Tenant, number: str, cpf: str = "", code: str = "", cbo: str = "225225") -> str:
    """A registered professional of the CRM-SP; returns the record's id."""
    identity = f"crm{number}"
    identifiers = [{"system": f"{SID}/crm-sp", "value": number}]
    identifiers += [{"system": CPF, "value": cpf}] if cpf else []
    identifiers += [{"system": f"urn:ponte:{IPE}:codigo-prestador", "value": code}] if code else []
    body = {
        "resourceType": "Practitioner", "identifier": identifiers, "name": [{"text": f"Médico {number}"}],
        "qualification": [{"code": {"coding": [{"system": CBO, "code": cbo}]}}],
    }  # fmt: skip
    await put(world, tenant, Write(type="Practitioner", id=identity, body=body))
    return identity


def member(identity: str, degree: str) -> dict[str, Any]:
    """A performer with a degree of participation (table 35)."""
    return {
        "function": {"coding": [{"system": f"{TUSS}35", "code": degree}]},
        "actor": {"reference": f"Practitioner/{identity}"},
    }


def modifier(table: str, code: str) -> dict[str, Any]:
    """The extension of a charge or procedure for a modifier of a TISS domain."""
    return {
        "url": EXTENSIONS["modifier"],
        "valueCodeableConcept": {"coding": [{"system": f"{TUSS}{table}", "code": code}]},
    }


async def change(world: World, tenant: Tenant, patient: str, code: str, /, **changed: Any) -> None:
    """Change the patient's charges of a code."""
    for row in await rows(
        world, tenant, "SELECT r.id, r.body FROM resource r JOIN charge c ON c.tenant_id = $1 AND c.id = r.id "
        "WHERE r.tenant_id = $1 AND r.type = 'ChargeItem' AND c.patient_id = $2 AND c.code = $3", patient, code,
    ):  # fmt: skip
        body = {k: v for k, v in {**jsontext.stored(row["body"]), **changed}.items() if v is not None}
        await put(world, tenant, Write(type="ChargeItem", id=row["id"], body=body))
