"""A chain is evaluated inside contained resources too (R4 §3.1.1.4.5); as themselves they are found where asked for."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from hub.records import custom
from hub.world import Tenant
from tests.api.conftest import NewClient

MEDICATION: dict[str, Any] = {
    "resourceType": "Medication", "id": "m", "status": "active", "code": {"coding": [{"system": "urn:d", "code": "dipirona"}]},
    "manufacturer": {"reference": "Organization/maker"},
}  # fmt: skip
PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Gonçalves"}], "gender": "female"}
ORDER: dict[str, Any] = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}


async def put(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await client.put(f"/fhir/{body['resourceType']}/{body['id']}", json=body)
    assert answer.status_code in (200, 201), answer.text


async def stored(client: httpx.AsyncClient, tenant: Tenant) -> None:
    """Two orders that contain what the third one, and a fourth of nothing, refer to outside."""
    await put(client, {"resourceType": "Organization", "id": "maker", "name": "Laboratório"})
    await put(client, {**PATIENT, "id": "stored"})
    await put(client, {**MEDICATION, "id": "stored"})
    inner = {"medicationReference": {"reference": "#m"}, "subject": {"reference": "#p"}}
    outer = {"medicationReference": {"reference": "Medication/stored"}, "subject": {"reference": "Patient/stored"}}
    await put(client, {**ORDER, "id": "a", "contained": [MEDICATION, PATIENT], **inner})
    other = {**MEDICATION, "code": {"text": "Outra"}, "status": "inactive"}
    await put(client, {**ORDER, "id": "b", "contained": [other, {**PATIENT, "gender": "male"}], **inner})
    await put(client, {**ORDER, "id": "c", **outer})
    await put(client, {**ORDER, "id": "d", "medicationCodeableConcept": {"text": "x"}, "subject": {"display": "x"}})
    custom.forget(tenant.id)  # a process notes the first of a kind within seconds


FOUND: tuple[tuple[str, list[str]], ...] = (
    ("medication.code=urn:d|dipirona", ["a", "c"]),
    ("medication:Medication.code=dipirona", ["a", "c"]),
    ("medication.code:text=outra", ["b"]),
    ("medication.status:not=active", ["b"]),
    ("medication.form:missing=true", ["a", "b", "c"]),
    ("medication.manufacturer.name=labor", ["a", "b", "c"]),
    ("patient.name=goncal", ["a", "b", "c"]),
    ("subject:Patient.gender=male", ["b"]),
    ("subject:Group.code=x", []),
    ("medication.code=dipirona&patient.gender=female&status=active", ["a", "c"]),
    ("medication.code=dipirona&intent=plan", []),
    ("_filter=medication.code eq dipirona", ["a", "c"]),
    ("medication=Medication/stored", ["c"]),
    ("medication:missing=true", ["a", "b", "d"]),
)


@pytest.mark.parametrize("wide_from", [1, 5000], ids=["wide", "narrow"])
async def test_chains_look_inside(
    fhir: httpx.AsyncClient, tenant: Tenant, wide_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the far side finds few records, or so many that the page is filled by walking."""
    monkeypatch.setattr("hub.find.ahead.narrow.WIDE_FROM", wide_from)
    await stored(fhir, tenant)
    for query, expected in FOUND:
        answer = await fhir.get(f"/fhir/MedicationRequest?{query}&_sort=_id")
        assert answer.status_code == 200, (query, answer.text)
        assert [each["resource"]["id"] for each in answer.json().get("entry", ())] == expected, query
        counted = await fhir.get(f"/fhir/MedicationRequest?{query}&_summary=count")
        assert counted.json()["total"] == len(expected), query
    assert (await fhir.get("/fhir/Medication?code=dipirona&_total=accurate")).json()["total"] == 1
    has = await fhir.get("/fhir/Organization?_has:Medication:manufacturer:code=dipirona&_summary=count")
    assert has.json()["total"] == 1


async def test_through_another_record(fhir: httpx.AsyncClient, tenant: Tenant) -> None:
    """The containing record stands in the middle of a chain, or at the far end of a `_has`."""
    await stored(fhir, tenant)
    await put(fhir, {"resourceType": "MedicationDispense", "id": "x", "status": "completed",
                     "medicationCodeableConcept": {"text": "x"},
                     "authorizingPrescription": [{"reference": "MedicationRequest/a"}]})  # fmt: skip
    query = "prescription.medication.code=dipirona"
    assert (await fhir.get(f"/fhir/MedicationDispense?{query}&_summary=count")).json()["total"] == 1
    query = "_has:MedicationDispense:prescription:prescription.patient.gender=female"
    assert (await fhir.get(f"/fhir/MedicationRequest?{query}")).json()["entry"][0]["resource"]["id"] == "a"


PART = {"code": {"coding": [{"code": "sis"}]}, "valueQuantity": {"value": 120}}
MEASURE: dict[str, Any] = {
    "resourceType": "Observation", "id": "o", "status": "final", "code": {"coding": [{"code": "pa"}]}, "component": [PART],
}  # fmt: skip
STATUSES = "http://hl7.org/fhir/ValueSet/observation-status"


@pytest.mark.parametrize(("query", "expected"), [
    ("combo-code=pa", 1), ("combo-code=sis", 1), ("combo-code=nada", 0), ("combo-code:not=sis", 0), ("combo-code:not=nada", 1),
    ("combo-code:missing=true", 0), ("combo-code:missing=false", 1), ("combo-value-quantity=120", 1), (f"status:in={STATUSES}", 1),
    (f"status:not-in={STATUSES}", 0), ("status=http://hl7.org/fhir/observation-status|final", 1),
])  # fmt: skip
async def test_parameters_that_are_read_elsewhere(
    fhir: httpx.AsyncClient, tenant: Tenant, query: str, expected: int
) -> None:
    """`combo-` means two parameters, and a bare code the system of its value set, inside as well: in a chain, and itself."""
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "x"}}
    await put(fhir, {**report, "contained": [MEASURE], "result": [{"reference": "#o"}]})
    custom.forget(tenant.id)
    for asked in (f"DiagnosticReport?result.{query}", f"Observation?{query}&_contained=true"):
        answer = await fhir.get(f"/fhir/{asked}&_summary=count")
        assert answer.json().get("total") == expected, (asked, answer.text)


@pytest.mark.parametrize("change", ["replaced", "deleted"])
async def test_what_is_no_longer_contained(fhir: httpx.AsyncClient, tenant: Tenant, change: str) -> None:
    await stored(fhir, tenant)
    if change == "deleted":
        await fhir.delete("/fhir/MedicationRequest/a")
    else:
        await put(fhir, {**ORDER, "id": "a", "medicationCodeableConcept": {"text": "x"}, "subject": {"display": "x"}})
    found = (await fhir.get("/fhir/MedicationRequest?medication.code=dipirona")).json()["entry"]
    assert [each["resource"]["id"] for each in found] == ["c"]


async def test_each_tenant_has_its_own(
    fhir: httpx.AsyncClient, client_for: NewClient, tenant: Tenant, other_tenant: Tenant
) -> None:
    await stored(fhir, tenant)
    other = await client_for(other_tenant, ["system/*.cruds"])
    assert (await other.get("/fhir/MedicationRequest?medication.code=dipirona&_summary=count")).json()["total"] == 0
