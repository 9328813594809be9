"""Patient/$match: who is found, how sure the hub is, and what it never takes for certain."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from bulk_client import put

from canonical.codes import CNS, CPF, MOTHER_EXTENSION
from hub.find.match.likeness import likeness, weights
from hub.world import Tenant, World

MARIA = {
    "name": [{"family": "da Silva Souza", "given": ["Maria", "Aparecida"]}], "gender": "female", "birthDate": "1980-02-03",
    "identifier": [{"system": CPF, "value": "52998224725"}, {"system": "urn:hospital:mr", "value": "77"}],
    "telecom": [{"system": "phone", "value": "+55 (11) 98765-4321"}], "address": [{"postalCode": "01310-100"}],
    "extension": [{"url": MOTHER_EXTENSION, "valueString": "Joana da Silva"}],
}  # fmt: skip
Body = dict[str, Any]


def only(*names: str, **changed: Any) -> Body:
    """Maria as somebody might describe her: only these elements, some of them changed."""
    return {"resourceType": "Patient", **{name: MARIA[name] for name in names}, **changed}


def named(text: str) -> list[Body]:
    return [{"text": text}]


@pytest.mark.parametrize(
    ("told", "grade"),
    [
        (only("name", "gender", "birthDate", "identifier"), "certain"),
        (only(identifier=[{"system": "http://rnds.saude.gov.br/fhir/r4/NamingSystem/cpf", "value": "529.982.247-25"}]), "certain"),
        (only("birthDate", identifier=[{"system": "urn:hospital:mr", "value": "77"}]), "certain"),
        (only("name", "gender", "birthDate"), "probable"),
        (only("gender", "birthDate", name=named("Maria Silva Souza")), "possible"),
        (only("gender", "birthDate", "extension", name=named("MARIA A. SOUZA")), "probable"),
        (only("gender", "name", "extension", birthDate="1980-03-02"), "probable"),
        (only("gender", "name", birthDate="1980-03-02"), "possible"),
        (only("telecom", name=named("Maria Souza"), birthDate="1980-02"), "possible"),
        (only("gender", "birthDate"), "certainly-not"),
        (only("name"), "certainly-not"),
        (only("name", "birthDate", gender="male"), "certainly-not"),
        (only("name", "gender", "birthDate", identifier=[{"system": CPF, "value": "11144477735"}]), "certainly-not"),
        (only(identifier=MARIA["identifier"][:1], gender="male", birthDate="2019-05-01", name=named("RN de Maria Aparecida")), "certainly-not"),
        (only("name", "gender", birthDate="1951-07-30"), "certainly-not"),
    ],
)  # fmt: skip
def test_grades(told: Body, grade: str) -> None:
    assert likeness(told, MARIA).grade == grade == likeness(MARIA, told).grade


def test_the_table_tells_every_point() -> None:
    from hub.find.match.likeness import _POINTS

    assert set(weights()) == set(_POINTS)
    assert all(row["differ"] <= 0 <= row["near"] <= row["agree"] for row in weights().values())


def parameters(told: Body, **more: Any) -> Body:
    listed = [{"name": "resource", "resource": told}]
    listed += [{"name": n, ("valueBoolean" if isinstance(v, bool) else "valueInteger"): v} for n, v in more.items()]
    return {"resourceType": "Parameters", "parameter": listed}


async def asked(client: httpx.AsyncClient, told: Body, **more: Any) -> list[tuple[str, str]]:
    answer = await client.post("/fhir/Patient/$match", json=parameters(told, **more))
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    entries = bundle.get("entry", [])
    assert bundle["type"] == "searchset" and bundle["total"] == len(entries)
    scores = [entry["search"]["score"] for entry in entries]
    assert scores == sorted(scores, reverse=True) and all(0.5 <= score <= 1 for score in scores)
    return [(entry["resource"]["id"], entry["search"]["extension"][0]["valueCode"]) for entry in entries]


async def test_match(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    await put(fhir, "Patient", "maria", **MARIA)
    await put(
        fhir,
        "Patient",
        "twin",
        **{
            **MARIA,
            "name": named("Marta Aparecida da Silva Souza"),
            "identifier": [{"system": CNS, "value": "700000000000005"}],
        },
    )
    await put(
        fhir,
        "Patient",
        "child",
        birthDate="2019-05-01",
        gender="male",
        identifier=[{"system": CPF, "value": "52998224725"}],
        name=named("Pedro Souza"),
    )
    await put(fhir, "Patient", "other", birthDate="1980-02-03", gender="female", name=named("Beatriz Lima"))
    whole = only("name", "gender", "birthDate", "identifier", "extension")
    assert await asked(fhir, whole) == [("maria", "certain"), ("twin", "probable")]
    assert (
        await asked(fhir, whole, count=1) == [("maria", "certain")] == await asked(fhir, whole, onlyCertainMatches=True)
    )
    assert await asked(fhir, only("name", "gender", "birthDate"), onlyCertainMatches=True) == []
    assert ("maria", "probable") in await asked(fhir, only("gender", "name", "extension", birthDate="1980-03-02"))
    assert ("maria", "certain") in await asked(
        fhir, only(identifier=[{"system": "https://saude.gov.br/fhir/sid/cpf", "value": "52998224725"}])
    )
    await put(fhir, "Patient", "copy", **MARIA)
    assert len(await asked(fhir, whole)) == 3 and await asked(fhir, whole, onlyCertainMatches=True) == []
    async with world.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO patient_link (tenant_id, loser_id, survivor_id, linked_at) VALUES ($1, 'copy', 'maria', now())"
        )
    assert await asked(fhir, whole, onlyCertainMatches=True) == [("maria", "certain")]
    async with world.transaction(tenant) as tx:
        await fhir._transport.app.state.ponte.reading.flush()  # type: ignore[attr-defined]
        told = await tx.rows(
            "SELECT action, entity FROM audit_event WHERE tenant_id = $1 AND action IN ('read', 'search')"
        )
    assert {("search", "Patient/$match"), ("read", "Patient/maria")} <= {(t["action"], t["entity"]) for t in told}


THIN = [
    ({"resourceType": "Parameters"}, 400), ({"resourceType": "Observation"}, 400), ({"resourceType": "Patient", "gender": "x"}, 422),
    (parameters({"resourceType": "Patient"}, count=0), 400), ({"resourceType": "Parameters", "parameter": [1]}, 400),
    (parameters({"resourceType": "Patient"}, count=True), 400), (parameters({"resourceType": "Patient"}), 200),
    (parameters({"resourceType": "Patient", "birthDate": "1980", "name": named("$|,\\ ")}), 200),
]  # fmt: skip


async def test_bad_and_thin_requests(fhir: httpx.AsyncClient) -> None:
    for body, status in THIN:
        answer = await fhir.post("/fhir/Patient/$match", json=body)
        assert answer.status_code == status, answer.text


async def test_scopes(client_for: Any, tenant: Tenant) -> None:
    reader = await client_for(tenant, ["system/Patient.r"])
    assert (await reader.post("/fhir/Patient/$match", json=only("name"))).status_code == 403


async def test_a_narrow_token_is_shown_what_it_may_read(
    fhir: httpx.AsyncClient, client_for: Any, tenant: Tenant
) -> None:
    """Records outside of the token's reach are neither shown nor counted as other certain ones."""
    told = {"resourceType": "Patient", "birthDate": "1980-02-29", "name": [{"family": "Gonçalves", "given": ["Maria"]}],
            "identifier": [{"system": "urn:x", "value": "77"}]}  # fmt: skip
    for identity, gender in (("one", "female"), ("two", "male")):
        assert (
            await fhir.put(f"/fhir/Patient/{identity}", json={**told, "id": identity, "gender": gender})
        ).status_code == 201
    women = await client_for(tenant, ["system/Patient.rs?gender=female"])
    for client, both, sure in ((fhir, ["one", "two"], []), (women, ["one"], ["one"])):
        for certain, expected in ((False, both), (True, sure)):
            answer = await client.post("/fhir/Patient/$match", json=parameters(told, onlyCertainMatches=certain))
            assert sorted(e["resource"]["id"] for e in answer.json().get("entry", ())) == expected, answer.text
