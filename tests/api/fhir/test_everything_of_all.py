"""Patient/$everything of all patients (R4 OperationDefinition Patient-everything, type level): whole, once, and no more."""

from __future__ import annotations

from typing import Any

import httpx

from hub.guard import tokens
from hub.world import Tenant, World
from tests.api.conftest import NewClient
from tests.api.fhir.test_fhir_operations import found, put, ward

OWN = {
    "Patient/p", "Patient/q", "Encounter/e", "Observation/b0", "Observation/b1", "Observation/b2", "Observation/b3",
    "Observation/other",
}  # fmt: skip
URL = "/fhir/Patient/$everything"


async def hospital(fhir: httpx.AsyncClient) -> None:
    """Two patients with what is theirs, and records that are nobody's."""
    await ward(fhir)
    await put(fhir, "Device", "machine")
    await put(fhir, "Organization", "far", name="Outro")
    await put(fhir, "Practitioner", "idle")
    await put(fhir, "Observation", "room", status="final", code={"text": "t"}, subject={"reference": "Device/machine"})


async def paged(client: httpx.AsyncClient, url: str) -> list[tuple[str, str]]:
    """What all pages show, with the mode of each entry."""
    seen = []
    while url:
        page = (await client.get(url)).json()
        seen += [(found_one(each), each["search"]["mode"]) for each in page.get("entry", ())]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    return seen


def found_one(entry: dict[str, Any]) -> str:
    return f"{entry['resource']['resourceType']}/{entry['resource']['id']}"


async def test_all_pages_have_each_record_once(fhir: httpx.AsyncClient) -> None:
    await hospital(fhir)
    for count in (3, 100):
        seen = await paged(fhir, f"{URL}?_count={count}")
        assert sorted(name for name, mode in seen if mode == "match") == sorted(OWN)
        assert {name for name, mode in seen if mode == "include"} == {"Organization/o", "Practitioner/d"}
    counted = (await fhir.get(f"{URL}?_count=2&_total=accurate")).json()
    assert counted["total"] == len(OWN) and len([e for e in counted["entry"] if e["search"]["mode"] == "match"]) == 2
    assert set(found(await fhir.post(URL))) == OWN | {"Organization/o", "Practitioner/d"}


async def test_it_is_narrowed(fhir: httpx.AsyncClient) -> None:
    await hospital(fhir)
    patients = await fhir.get(f"{URL}?_type=Patient")
    assert found(patients) == ["Patient/p", "Patient/q"]
    assert found(await fhir.get(f"{URL}?_type=Organization")) == ["Organization/o"]
    some = await fhir.get(f"{URL}?_type=Observation&start=2024-02-01&end=2024-02-28")
    assert found(some) == ["Observation/b2", "Observation/b3"]
    assert found(await fhir.get(f"{URL}?_since=2100-01-01T00:00:00Z")) == []
    for wrong in ("_type=Nothing", "_since=x", "start=x&_type=Observation"):
        assert (await fhir.get(f"{URL}?{wrong}")).status_code == 400, wrong
    for name in ("start", "end", "_since"):  # told by the name it was given, also where no type has a date
        answer = await fhir.get(f"{URL}?_type=Patient&{name}=ge2024")
        assert answer.status_code == 400
        assert answer.json()["issue"][0]["expression"] == [name]
    assert (await fhir.get("/fhir/Encounter/$everything")).status_code == 404  # R4 has it for patients only


async def test_a_token_sees_its_own(
    fhir: httpx.AsyncClient, client_for: NewClient, world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    await hospital(fhir)
    stranger = await client_for(other_tenant)
    assert found(await stranger.get(URL)) == []
    some = await client_for(tenant, ["system/Patient.rs", "system/Encounter.rs"])
    assert set(found(await some.get(URL))) == {"Patient/p", "Patient/q", "Encounter/e"}
    claims = tokens.claims(world, tenant, "one", roles=[], scopes=["patient/*.rs"])
    one = await tokens.signed(world, {**claims, "patient": "q"})
    answer = await fhir.get(URL, headers={"authorization": f"Bearer {one}"})
    assert set(found(answer)) == {"Patient/q", "Observation/other"}
    nobody = await client_for(tenant, ["system/Organization.rs"])
    assert (await nobody.get(URL)).status_code == 403
