"""A small invented day for billing tests: payers, patients with memberships, visits and charges with exact amounts."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters import registry
from canonical.codes import ANS, CID10, TUSS
from fhir import jsontext
from hub.exchange.partners import Partner, save_partner
from hub.guard import vault
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.store.database import Row
from hub.world import Tenant, World
from signatures import demo_pki, keys

IPE, JACARANDA = "999806", "999814"
ADAPTERS = {IPE: "demo_ipe", JACARANDA: "demo_jacaranda"}
LOGIN, PASSWORD = "hospital", "segredo-ação"
CNPJ = "HTESTE01000159"
CONSULTATION = ("22", "10101012", "1", "180.00")
EXAM = ("22", "40304361", "2", "25.40")
GLUCOSE = ("22", "40302040", "1", "9.99")
DIPYRONE = ("20", "90055888", "3", "4.50")
DAY = datetime.date(2026, 11, 20)


def partner_row(code: str, url: str = "", **settings: Any) -> Partner:
    profile = registry.profile(ADAPTERS[code])
    merged = profile.settings()
    merged["transport"] = {**merged["transport"], "url": url or f"http://127.0.0.1:9/payer/{code}"}
    merged["allow_private"] = True
    merged["retry"] = {"attempts": 3, "first_s": 0.01, "most_s": 0.02, "then": "pause"}
    merged["provider"] = {
        "code": "HOSP0001", "cnpj": CNPJ, "cnes": "9999999", "name": "Hospital de Teste", "state": "SP", "cbo": "225125",
        "phone": "1133334444",
    }  # fmt: skip
    merged["billing"] = {**merged["billing"], "poll_minutes": 0, **settings.pop("billing", {})}
    merged.update(settings)
    return Partner(
        id=uuid.uuid4(),
        kind="payer",
        code=code,
        name=profile.title,
        adapter=ADAPTERS[code],
        active=True,
        settings=merged,
    )


_SIGNER: list[bytes] = []


def certificate(now: datetime.datetime) -> dict[str, str]:
    if not _SIGNER:
        signer = demo_pki.make(now).issue(
            demo_pki.Subject(name="Hospital de Teste", cpf="12345678062", cnpj=CNPJ, responsible="Ana Teste")
        )
        _SIGNER.append(keys.to_pkcs12(signer, "demo"))
    return {"pkcs12": _SIGNER[0].hex(), "password": "demo"}


async def register(world: World, tenant: Tenant, payers: Sequence[Partner]) -> None:
    async with world.transaction(tenant) as tx:
        for partner in payers:
            await save_partner(tx, partner)
            login = {"login": LOGIN, "password": PASSWORD}
            await vault.put(tx, world.settings, partner.settings["secrets"]["login"], login, kind="login")
            if name := partner.settings["secrets"].get("certificate"):
                await vault.put(tx, world.settings, name, certificate(world.now()), kind="pkcs12")


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One visit of one patient: the payer, what was charged (table, code, quantity, total), and the class."""

    payer: str
    charges: tuple[tuple[str, str, str, str], ...]
    kind: str = "AMB"
    patient: str = ""
    member: str = "00123456789012345"
    on: datetime.date = DAY
    doctor: bool = True
    extra: dict[str, Any] | None = None
    valid_until: str = "2030-12-31"


async def happen(world: World, tenant: Tenant, visits: Sequence[Visit]) -> list[str]:
    """Write the visits' records through the one write path; returns the patients' ids."""
    patients, writes = [], []
    for visit in visits:
        patient = visit.patient or uuid.uuid4().hex
        patients.append(patient)
        if not visit.patient:
            writes += _person(patient, visit)
        writes += _visit(patient, visit)
    async with world.transaction(tenant) as tx:
        await save(tx, writes, Origin(actor="test", now=world.now(), zone=tenant.zone))
    return patients


def _person(patient: str, visit: Visit) -> list[Write]:
    coverage = {
        "resourceType": "Coverage",
        "status": "active",
        "beneficiary": {"reference": f"Patient/{patient}"},
        "subscriberId": visit.member,
        "payor": [{"type": "Organization", "identifier": {"system": ANS, "value": visit.payer}}],
        "period": {"start": "2020-01-01", "end": visit.valid_until},
    }
    if not visit.member:
        del coverage["subscriberId"]
    body = {"resourceType": "Patient", "name": [{"family": "Inventada", "given": ["Joana"]}]}
    return [
        Write(type="Patient", id=patient, body=body),
        Write(type="Coverage", id=uuid.uuid4().hex, body=coverage),
    ]


def _visit(patient: str, visit: Visit) -> list[Write]:
    encounter = uuid.uuid4().hex
    doctor = {
        "type": "Practitioner",
        "identifier": {"system": "https://saude.gov.br/fhir/sid/crm-sp", "value": "123456"},
        "display": "José Médico",
    }
    body: dict[str, Any] = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": visit.kind},
        "subject": {"reference": f"Patient/{patient}"},
    }
    if visit.doctor:
        body["participant"] = [{"individual": doctor}]
    writes = [Write(type="Encounter", id=encounter, body=body)]
    for table, code, quantity, total in visit.charges:
        item = {
            "resourceType": "ChargeItem",
            "status": "billable",
            "code": {"coding": [{"system": f"{TUSS}{table}", "code": code, "display": "Item inventado"}]},
            "subject": {"reference": f"Patient/{patient}"},
            "context": {"reference": f"Encounter/{encounter}"},
            "occurrenceDateTime": f"{visit.on}T10:30:00-03:00",
            "quantity": {"value": jsontext.parse(quantity.encode())},
            "priceOverride": {"value": jsontext.parse(total.encode()), "currency": "BRL"},
            **(visit.extra or {}),
        }
        writes.append(Write(type="ChargeItem", id=uuid.uuid4().hex, body=item))
    return writes


def many(visit: Visit, count: int) -> list[Visit]:
    """The same kind of visit of `count` different patients."""
    return [replace(visit, member=f"{i:017d}") for i in range(1, count + 1)]


def order(patient: str, code: str, *, quantity: str = "1", encounter: str = "", **more: Any) -> Write:
    """A ServiceRequest with a TUSS code, as the feed of orders makes them."""
    body: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {"coding": [{"system": f"{TUSS}22", "code": code, "display": "Item inventado"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": f"{DAY}T09:00:00-03:00",
        "quantityQuantity": {"value": jsontext.parse(quantity.encode())},
        "requester": {
            "identifier": {"system": "https://saude.gov.br/fhir/sid/crm-sp", "value": "123456"},
            "display": "José Médico",
        },
        "reasonCode": [{"coding": [{"system": CID10, "code": "K35.8"}], "text": "Dor abdominal"}],
        **({"encounter": {"reference": f"Encounter/{encounter}"}} if encounter else {}),
        **more,
    }
    return Write(type="ServiceRequest", id=uuid.uuid4().hex, body=body)


async def put_records(world: World, tenant: Tenant, *writes: Write) -> list[str]:
    """Save records through the one write path; returns their ids."""
    async with world.transaction(tenant) as tx:
        await save(tx, writes, Origin(actor="test", now=world.now(), zone=tenant.zone))
    return [write.id for write in writes]


async def rows(world: World, tenant: Tenant, query: str, *values: Any) -> list[Row]:
    """What a statement of the tenant finds, in a transaction of its own."""
    async with world.transaction(tenant) as tx:
        return await tx.rows(query, *values)
