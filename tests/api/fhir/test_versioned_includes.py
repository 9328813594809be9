"""`_include` of a reference that names a version gives that version (R4 §3.1.1.4.12)."""

from __future__ import annotations

from typing import Any

import httpx

from hub.world import Tenant
from tests.api.conftest import NewClient

PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p"}


async def observe(client: httpx.AsyncClient, identity: str, subject: str) -> None:
    body = {"resourceType": "Observation", "id": identity, "status": "final", "code": {"text": "x"}}
    answer = await client.put(f"/fhir/Observation/{identity}", json={**body, "subject": {"reference": subject}})
    assert answer.status_code == 201, answer.text


async def included(client: httpx.AsyncClient, query: str) -> list[str]:
    page = (await client.get(f"/fhir/{query}")).json()
    found = [each["resource"] for each in page["entry"] if each["search"]["mode"] == "include"]
    return [f"{each['resourceType']}/{each['id']}/{each['meta']['versionId']}" for each in found]


async def test_the_version_named(fhir: httpx.AsyncClient) -> None:
    for gender in ("male", "female", "other"):
        await fhir.put("/fhir/Patient/p", json={**PATIENT, "gender": gender})
    await observe(fhir, "former", "Patient/p/_history/2")
    await observe(fhir, "plain", "Patient/p")
    await observe(fhir, "newest", "Patient/p/_history/3")
    await observe(fhir, "none", "Patient/p/_history/99")
    for ids, expected in (
        ("former", ["Patient/p/2"]), ("plain", ["Patient/p/3"]), ("newest", ["Patient/p/3"]),
        ("none", ["Patient/p/3"]), ("former,plain", ["Patient/p/3", "Patient/p/2"]),
    ):  # fmt: skip
        for include in ("_include=Observation:subject", "_include=*", "_include:iterate=Observation:patient"):
            assert await included(fhir, f"Observation?_id={ids}&{include}") == expected, (ids, include)
    back = await included(fhir, "Patient?_id=p&_revinclude=Observation:subject")
    assert len(back) == 4 and all(each.startswith("Observation/") for each in back)


async def test_a_version_shows_to_whom_it_concerns(
    fhir: httpx.AsyncClient, client_for: NewClient, tenant: Tenant
) -> None:
    """A token narrowed by a query sees no version that does not meet it."""
    await fhir.put("/fhir/Patient/p", json={**PATIENT, "active": False})
    await fhir.put("/fhir/Patient/p", json={**PATIENT, "active": True})
    await observe(fhir, "former", "Patient/p/_history/1")
    narrow = await client_for(tenant, ["system/Observation.rs", "system/Patient.rs?active=true"])
    assert await included(narrow, "Observation?_id=former&_include=Observation:subject") == ["Patient/p/2"]
