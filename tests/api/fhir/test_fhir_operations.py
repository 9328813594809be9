"""$everything, $meta, $lastn, $validate on every level, and a tenant's own search parameters with their re-indexing."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from hub.exchange import handlers
from hub.exchange.work import jobs
from hub.records import custom
from hub.records import reindex as anew
from hub.records.reindex import reindex
from hub.world import Tenant, World
from tests.api.conftest import NewClient


async def put(client: httpx.AsyncClient, kind: str, identity: str, **rest: Any) -> None:
    answer = await client.put(f"/fhir/{kind}/{identity}", json={"resourceType": kind, "id": identity, **rest})
    assert answer.status_code in (200, 201), answer.text


async def ward(client: httpx.AsyncClient) -> None:
    await put(client, "Organization", "o", name="Hospital")
    await put(client, "Practitioner", "d")
    for patient in ("p", "q"):
        await put(client, "Patient", patient, managingOrganization={"reference": "Organization/o"})
    await put(client, "Encounter", "e", status="finished", **{"class": {"code": "IMP"}}, subject={"reference": "Patient/p"},
              participant=[{"individual": {"reference": "Practitioner/d"}}])  # fmt: skip
    for number, (code, day) in enumerate(
        [("a", "2024-01-01"), ("a", "2024-03-01"), ("b", "2024-02-01"), ("a", "2024-02-01")]
    ):
        await put(client, "Observation", f"b{number}", status="final", code={"coding": [{"code": code}]}, subject={"reference": "Patient/p"},
                  encounter={"reference": "Encounter/e"}, effectiveDateTime=day)  # fmt: skip
    await put(client, "Observation", "other", status="final", code={"text": "x"}, subject={"reference": "Patient/q"})


def found(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in answer.json().get("entry", ())]


TYPED = {
    "Patient": {"Patient/p"},
    "Patient,Encounter": {"Patient/p", "Encounter/e"},
    "Organization": {"Organization/o"},
    "Practitioner,Encounter": {"Practitioner/d", "Encounter/e"},
    "Device": set(),
}


async def test_everything(fhir: httpx.AsyncClient, client_for: NewClient, tenant: Tenant) -> None:
    await ward(fhir)
    records = [f"Observation/b{n}" for n in range(4)]
    whole = await fhir.get("/fhir/Patient/p/$everything")
    assert set(found(whole)) == {"Patient/p", "Encounter/e", *records, "Practitioner/d", "Organization/o"}
    assert len(found(whole)) == len(set(found(whole)))
    assert found(whole)[0] == "Patient/p" and whole.json()["total"] == 6
    seen: list[str] = []
    url = "/fhir/Patient/p/$everything?_count=2"
    while url:
        page = await fhir.get(url)
        seen += found(page)
        url = next((link["url"] for link in page.json()["link"] if link["relation"] == "next"), "")
    assert set(records) <= set(seen) and "Observation/other" not in seen and seen.count("Patient/p") == 1
    typed = await fhir.get("/fhir/Patient/p/$everything?_type=Observation&start=2024-02-01&end=2024-02-28")
    assert found(typed) == ["Observation/b2", "Observation/b3"] and typed.json()["total"] == 2
    given = {
        "_type": ("valueString", "Observation"),
        "start": ("valueDate", "2024-02-01"),
        "end": ("valueDate", "2024-02-28"),
    }
    listed = [{"name": name, kind: value} for name, (kind, value) in given.items()]
    posted = await fhir.post("/fhir/Patient/p/$everything", json={"resourceType": "Parameters", "parameter": listed})
    assert found(posted) == found(typed)
    assert set(found(await fhir.post("/fhir/Patient/p/$everything"))) == set(found(whole))
    assert set(found(await fhir.get("/fhir/Encounter/e/$everything"))) == {
        "Encounter/e",
        *records,
        "Patient/p",
        "Practitioner/d",
        "Organization/o",
    }
    assert (await fhir.get("/fhir/Patient/none/$everything")).status_code == 404
    for types, expected in TYPED.items():
        some = (await fhir.get(f"/fhir/Patient/p/$everything?_type={types}")).json()
        assert {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in some.get("entry", ())} == expected, (
            types
        )
        assert some["total"] == len([e for e in some.get("entry", ()) if e["search"]["mode"] == "match"]), types
    narrow = await client_for(tenant, ["system/Patient.rs", "system/Encounter.rs"])
    assert set(found(await narrow.get("/fhir/Patient/p/$everything"))) == {"Patient/p", "Encounter/e"}


async def test_everything_goes_on_behind_what_supports(fhir: httpx.AsyncClient) -> None:
    """The person and the house of a role, the house above it, a circle once; not the people a device is of."""
    await ward(fhir)
    top = {"reference": "Organization/top"}
    await put(fhir, "Organization", "top", name="Rede", partOf={"reference": "Organization/o"})
    await put(fhir, "Organization", "o", name="Hospital", partOf=top)
    await put(fhir, "Organization", "maker", name="Oficina")
    await put(fhir, "PractitionerRole", "r", practitioner={"reference": "Practitioner/d"}, organization=top)
    await put(fhir, "Device", "v", patient={"reference": "Patient/q"}, owner={"reference": "Organization/maker"})
    await put(fhir, "Observation", "b9", status="final", code={"text": "x"}, subject={"reference": "Patient/p"},
              encounter={"reference": "Encounter/e9"}, device={"reference": "Device/v"}, performer=[{"reference": "PractitionerRole/r"}])  # fmt: skip
    await put(
        fhir, "Encounter", "e9", status="finished", **{"class": {"code": "IMP"}}, subject={"reference": "Patient/p"}
    )
    behind = {
        "PractitionerRole/r",
        "Practitioner/d",
        "Organization/top",
        "Organization/o",
        "Device/v",
        "Organization/maker",
    }
    for address in ("Patient/p/$everything", "Encounter/e9/$everything"):
        whole = found(await fhir.get(f"/fhir/{address}"))
        assert behind <= set(whole) and len(whole) == len(set(whole)), address
        assert "Patient/q" not in whole and "Observation/other" not in whole
    paged = await fhir.get("/fhir/Patient/p/$everything?_count=1")
    assert {"Organization/o", "Organization/top"} <= set(found(paged))  # what the patient refers to, on the first page


async def test_lastn(fhir: httpx.AsyncClient) -> None:
    await ward(fhir)
    assert found(await fhir.get("/fhir/Observation/$lastn?patient=p")) == ["Observation/b1", "Observation/b2"]
    two = await fhir.get("/fhir/Observation/$lastn?patient=p&max=2")
    parts = [{"name": "patient", "valueString": "p"}, {"name": "max", "valuePositiveInt": 2}]
    posted = await fhir.post("/fhir/Observation/$lastn", json={"resourceType": "Parameters", "parameter": parts})
    assert found(posted) == found(two)
    assert found(two) == ["Observation/b1", "Observation/b3", "Observation/b2"]
    assert (await fhir.get("/fhir/Observation/$lastn?max=x")).status_code == 400
    strict = {"prefer": "handling=strict"}
    for path in (
        "Observation/$lastn?patient=p&colour=red",
        "Patient/p/$everything?colour=red",
        "Patient/$everything?colour=red",
    ):
        assert (await fhir.get(f"/fhir/{path}")).status_code == 200
        refused = await fhir.get(f"/fhir/{path}", headers=strict)
        assert refused.status_code == 400 and refused.json()["issue"][0]["expression"] == ["colour"]
    for path in (
        "Observation/$lastn?patient=p",
        "Patient/p/$everything?_count=5&start=2000",
        "Patient/$everything?_since=2000",
    ):
        assert (await fhir.get(f"/fhir/{path}", headers=strict)).status_code == 200


async def test_meta(fhir: httpx.AsyncClient) -> None:
    await put(fhir, "Patient", "p", meta={"tag": [{"system": "urn:t", "code": "one"}]})
    more = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "meta", "valueMeta": {"tag": [{"system": "urn:t", "code": "two"}], "profile": ["urn:p"]}}
        ],
    }
    assert (await fhir.post("/fhir/Patient/p/$meta-add", json=more)).status_code == 200
    shown = (await fhir.get("/fhir/Patient/p/$meta")).json()["parameter"][0]["valueMeta"]
    assert (
        [tag["code"] for tag in shown["tag"]] == ["one", "two"]
        and shown["profile"] == ["urn:p"]
        and shown["versionId"] == "2"
    )
    assert found(await fhir.get("/fhir/Patient?_tag=urn:t|two&_profile=urn:p")) == ["Patient/p"]
    await fhir.post("/fhir/Patient/p/$meta-delete", json=more)
    assert [tag["code"] for tag in (await fhir.get("/fhir/Patient/p")).json()["meta"]["tag"]] == ["one"]
    for wrong in (
        {"resourceType": "Parameters"},
        {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": 1}}]},
    ):
        assert (await fhir.post("/fhir/Patient/p/$meta-add", json=wrong)).status_code == 400


async def test_validate_on_every_level(fhir: httpx.AsyncClient) -> None:
    await put(fhir, "Patient", "p")
    good, bad = {"resourceType": "Patient", "id": "p"}, {"resourceType": "Patient", "id": "p", "gender": "x"}
    assert (await fhir.get("/fhir/Patient/p/$validate")).json()["issue"][0]["severity"] == "information"
    assert (await fhir.get("/fhir/Patient/none/$validate")).status_code == 404
    for path, body, severity in (
        ("Patient/p/$validate", good, "information"), ("Patient/p/$validate", bad, "error"), ("Patient/q/$validate", good, "error"),
        ("Patient/$validate?mode=create", good, "information"), ("Patient/$validate?mode=update", {"resourceType": "Patient"}, "error"),
        ("$validate", {"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "create"}, {"name": "resource", "resource": bad}]}, "error"),
        ("Patient/$validate", {"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "delete"}]}, "information"),
    ):  # fmt: skip
        answer = await fhir.post(f"/fhir/{path}", json=body)
        assert answer.status_code == 200 and answer.json()["issue"][0]["severity"] == severity, (path, answer.text)
    assert (await fhir.post("/fhir/Patient/$validate?mode=colour", json=good)).status_code == 400


PARAMETER: dict[str, Any] = {
    "resourceType": "SearchParameter", "id": "race", "url": "urn:sp:race", "name": "race", "status": "active", "description": "x",
    "code": "race", "base": ["Patient"], "type": "token", "expression": "Patient.extension('urn:race').value.as(CodeableConcept)",
}  # fmt: skip


async def test_own_parameters(
    fhir: httpx.AsyncClient,
    client_for: NewClient,
    world: World,
    tenant: Tenant,
    other_tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    race = {"extension": [{"url": "urn:race", "valueCodeableConcept": {"coding": [{"system": "urn:r", "code": "03"}]}}]}
    await put(fhir, "Patient", "before", **race)
    strict = {"prefer": "handling=strict"}
    assert (await fhir.get("/fhir/Patient?race=03", headers=strict)).status_code == 400
    await put(
        fhir, "SearchParameter", "race", **{k: v for k, v in PARAMETER.items() if k not in ("resourceType", "id")}
    )
    clever = {**PARAMETER, "id": "clever", "code": "clever", "expression": "Patient.name.select(given & family)"}
    await put(fhir, "SearchParameter", "clever", **{k: v for k, v in clever.items() if k not in ("resourceType", "id")})
    adopted = await fhir.post("/fhir/$reindex")
    values = {p["name"]: p for p in adopted.json()["parameter"]}
    assert adopted.status_code == 200 and values["types"]["valueString"] == "Patient"
    assert "clever" in values["outcome"]["resource"]["issue"][0]["diagnostics"]
    handlers.load()
    monkeypatch.setattr(custom, "SECONDS", 0.2)
    assert await jobs.work(world, tenant) == 1
    await put(fhir, "Patient", "after", **race)
    await put(fhir, "Patient", "without")
    for url, wanted in (
        ("Patient?race=urn:r|03", ["before", "after"]), ("Patient?race:not=03", ["without"]), ("Patient?race:missing=true", ["without"]),
        ("Patient?_sort=race&race:missing=false", ["before", "after"]),
    ):  # fmt: skip
        answer = await fhir.get(f"/fhir/{url}", headers=strict)
        assert [r.split("/")[1] for r in found(answer)] == wanted, url
    stranger = await client_for(other_tenant)
    assert (await stranger.get("/fhir/Patient?race=03", headers=strict)).status_code == 400
    await fhir.delete("/fhir/SearchParameter/race")
    assert (await fhir.post("/fhir/$reindex")).status_code == 200
    custom.forget(tenant.id)
    assert (await fhir.get("/fhir/Patient?race=03", headers=strict)).status_code == 400


OWN = {
    "concept": ("token", "CodeableConcept", {"coding": [{"code": "03"}], "text": "Some words"}),
    "number": ("token", "Identifier", {"type": {"coding": [{"system": "urn:t", "code": "MR"}]}, "value": "77"}),
    "amount": ("quantity", "Quantity", {"value": 2, "system": "http://unitsofmeasure.org", "code": "kg"}),
    "paper": ("uri", "canonical", "urn:q|1.0"),
    "person": ("reference", "Reference", {"reference": "Patient/p", "identifier": {"system": "urn:i", "value": "5"}}),
}


async def test_modifiers_and_units_of_own_parameters(
    fhir: httpx.AsyncClient, world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What published parameters of a type can, a tenant's own can as well."""
    handlers.load()
    monkeypatch.setattr(custom, "SECONDS", 0.2)
    for code, (kind, value, _) in OWN.items():
        stated = {k: v for k, v in PARAMETER.items() if k not in ("resourceType", "id")} | {
            "url": f"urn:sp:{code}",
            "name": code,
            "code": code,
        }
        expression = f"Basic.extension('urn:{code}').value.as({value})"
        await put(
            fhir, "SearchParameter", code, **{**stated, "base": ["Basic"], "type": kind, "expression": expression}
        )
    extensions = [
        {"url": f"urn:{code}", f"value{kind[0].upper()}{kind[1:]}": value} for code, (_, kind, value) in OWN.items()
    ]
    await put(fhir, "Basic", "b", code={"text": "x"}, extension=extensions)
    assert (await fhir.post("/fhir/$reindex")).status_code == 200
    assert await jobs.work(world, tenant) == 1
    for query, wanted in (
        ("concept:text=some", True), ("concept:text=words", False), ("number:of-type=urn:t|MR|77", True), ("number:of-type=urn:t|MR|78", False),
        ("amount=2000|http://unitsofmeasure.org|g", True), ("amount=gt2000|http://unitsofmeasure.org|g", False),
        ("paper=urn:q", True), ("paper=urn:q|1.0", True), ("paper=urn:q|2.0", False), ("person:identifier=urn:i|5", True), ("person:identifier=6", False),
    ):  # fmt: skip
        answer = await fhir.get(f"/fhir/Basic?{query}", headers={"prefer": "Handling=strict"})
        assert found(answer) == (["Basic/b"] if wanted else []), query
    assert (await fhir.get("/fhir/Basic?colour=1", headers={"prefer": "Handling=strict"})).status_code == 400


async def test_what_a_process_writes_that_does_not_know_a_new_parameter_yet_is_found(
    fhir: httpx.AsyncClient, world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers.load()
    await put(
        fhir, "SearchParameter", "race", **{k: v for k, v in PARAMETER.items() if k not in ("resourceType", "id")}
    )
    await custom.known(world, tenant)
    before = custom._CACHE[tenant.id]
    assert (await fhir.post("/fhir/$reindex")).status_code == 200
    work = asyncio.create_task(jobs.work(world, tenant))
    await asyncio.sleep(1)
    monkeypatch.setitem(custom._CACHE, tenant.id, before)  # as another process, which read it a moment ago
    coded = {"url": "urn:race", "valueCodeableConcept": {"coding": [{"system": "urn:r", "code": "03"}]}}
    await put(fhir, "Patient", "meanwhile", extension=[coded])
    await work
    custom.forget(tenant.id)
    answer = await fhir.get("/fhir/Patient?race=03", headers={"prefer": "handling=strict"})
    assert found(answer) == ["Patient/meanwhile"]


async def test_indexing_anew_changes_nothing(fhir: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    await ward(fhir)
    async with world.transaction(tenant) as tx:
        before = await tx.rows("SELECT rid, key, code FROM idx_token WHERE tenant_id = $1 ORDER BY 1, 2, 3")
        await tx.run("DELETE FROM idx_token WHERE tenant_id = $1")
    assert await reindex(world, tenant, ["Patient", "Observation", "Organization", "Practitioner", "Encounter"]) == 10
    async with world.transaction(tenant) as tx:
        assert before == await tx.rows("SELECT rid, key, code FROM idx_token WHERE tenant_id = $1 ORDER BY 1, 2, 3")


async def test_an_upgrade_indexes_anew_once(
    fhir: httpx.AsyncClient, world: World, tenant: Tenant, other_tenant: Tenant, monkeypatch: Any
) -> None:
    await put(fhir, "Patient", "p", gender="female")
    assert not await anew.after_upgrade(world, other_tenant), "a tenant without records wants nothing"
    async with world.transaction(tenant) as tx:
        await tx.run("DELETE FROM idx_token WHERE tenant_id = $1")  # as an earlier version would have left it
    assert found(await fhir.get("/fhir/Patient?gender=female")) == []
    assert await anew.after_upgrade(world, tenant)
    assert not await anew.after_upgrade(world, tenant), "one job, however often the hub starts meanwhile"
    handlers.load()
    assert await jobs.work(world, tenant) == 1
    assert found(await fhir.get("/fhir/Patient?gender=female")) == ["Patient/p"]
    assert not await anew.after_upgrade(world, await world.tenant(tenant.slug))
    monkeypatch.setattr(anew, "EDITION", anew.EDITION + 1)
    assert await anew.after_upgrade(world, await world.tenant(tenant.slug)), "the next edition again"
