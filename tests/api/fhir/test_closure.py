"""$closure over HTTP (R4 §4.7.14): opened, extended, told again; whose table it is; what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from fhir.terminology import closure
from hub.guard import tokens
from hub.terms import closure as tables
from hub.world import Tenant, World
from tests.api.conftest import NewClient

URL = "urn:animals"
SYSTEM = {
    "resourceType": "CodeSystem", "id": "animals", "url": URL, "status": "active", "content": "complete",
    "concept": [{"code": "animal", "concept": [
        {"code": "dog", "concept": [{"code": "poodle"}]}, {"code": "cat", "concept": [{"code": "siamese"}]}]}],
}  # fmt: skip


async def call(
    client: httpx.AsyncClient, name: str = "mine", *codes: str, version: str = "", url: str = URL
) -> httpx.Response:
    given: list[dict[str, Any]] = [{"name": "name", "valueString": name}] if name else []
    given += [{"name": "concept", "valueCoding": {"system": url, "code": code}} for code in codes]
    given += [{"name": "version", "valueString": version}] if version else []
    return await client.post("/fhir/$closure", json={"resourceType": "Parameters", "parameter": given})


def told(answer: httpx.Response) -> tuple[str, set[tuple[str, str]]]:
    """The version, and which code is below which."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["resourceType"] == "ConceptMap" and body["status"] == "active"
    elements = [element for group in body.get("group", ()) for element in group["element"]]
    assert {t["equivalence"] for element in elements for t in element["target"]} <= {"subsumes"}
    return body["version"], {(element["code"], target["code"]) for element in elements for target in element["target"]}


async def test_a_table_grows(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/CodeSystem/animals", json=SYSTEM)
    assert (await call(fhir, "mine", "dog")).status_code == 404  # not opened yet
    assert told(await call(fhir)) == ("1", set())
    assert told(await call(fhir, "mine", "poodle", "siamese")) == ("2", set())
    assert told(await call(fhir, "mine", "animal")) == ("3", {("poodle", "animal"), ("siamese", "animal")})
    assert told(await call(fhir, "mine", "dog", "animal")) == ("4", {("poodle", "dog"), ("dog", "animal")})
    assert told(await call(fhir, "mine", "dog")) == ("4", set())
    assert told(await call(fhir, version="3")) == ("4", {("poodle", "dog"), ("dog", "animal")})
    whole = {("poodle", "animal"), ("siamese", "animal"), ("poodle", "dog"), ("dog", "animal")}
    assert told(await call(fhir, version="0")) == ("4", whole)
    assert told(await call(fhir, "mine", "cat", version="4")) == ("5", {("siamese", "cat"), ("cat", "animal")})
    assert told(await call(fhir)) == ("6", set())  # opened anew: empty, and later than what was
    assert told(await call(fhir, version="0")) == ("6", set())


async def test_nothing_is_added_of_a_call_that_fails(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/CodeSystem/animals", json=SYSTEM)
    await call(fhir)
    assert (await call(fhir, "mine", "dog", "unicorn")).status_code == 404
    assert (await call(fhir, "mine", "dog", url="urn:nowhere")).status_code == 404
    assert told(await call(fhir, "mine", "animal")) == ("2", set())
    for answer, status in (
        (await call(fhir, ""), 400), (await call(fhir, "x" * 201), 400), (await call(fhir, version="x"), 400),
        (await call(fhir, version="9"), 422), (await call(fhir, "mine", "dog", url=""), 400),
    ):  # fmt: skip
        assert answer.status_code == status and answer.json()["resourceType"] == "OperationOutcome", answer.text


async def test_of_many_at_once_each_pair_is_told_once(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/CodeSystem/animals", json=SYSTEM)
    await call(fhir)
    codes = ["animal", "dog", "poodle", "cat", "siamese"]
    answers = await asyncio.gather(*(call(fhir, "mine", code) for code in codes))
    pairs = [pair for answer in answers for pair in told(answer)[1]]
    assert sorted(pairs) == sorted(told(await call(fhir, version="0"))[1]) and len(pairs) == 6


async def test_a_table_is_its_clients(
    fhir: httpx.AsyncClient, client_for: NewClient, world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    await fhir.put("/fhir/CodeSystem/animals", json=SYSTEM)
    await call(fhir)
    await call(fhir, "mine", "poodle")
    another = await tokens.issue(world, tenant, "another", roles=[], scopes=["system/*.rs"])
    for client, headers in ((await client_for(other_tenant), {}), (fhir, {"authorization": f"Bearer {another}"})):
        given = [
            {"name": "name", "valueString": "mine"},
            {"name": "concept", "valueCoding": {"system": URL, "code": "dog"}},
        ]
        body = {"resourceType": "Parameters", "parameter": given}
        assert (await client.post("/fhir/$closure", json=body, headers=headers)).status_code == 404
    narrow = await client_for(tenant, ["system/Patient.rs"])
    assert (await call(narrow)).status_code == 403
    assert told(await call(fhir, "mine", "dog")) == ("3", {("poodle", "dog")})


async def test_bounds(fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await fhir.put("/fhir/CodeSystem/animals", json=SYSTEM)
    monkeypatch.setattr(closure, "MOST_CONCEPTS", 2)
    monkeypatch.setattr(tables, "MOST_TABLES", 1)
    await call(fhir)
    assert (await call(fhir, "mine", "animal", "dog", "cat")).status_code == 422
    assert (await call(fhir, "second")).status_code == 422
    assert told(await call(fhir, "mine", "animal", "dog")) == ("2", {("dog", "animal")})
