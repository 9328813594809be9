"""Supplements, trees, implicit value sets, inferred systems and findings of the terminology operations, over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest_asyncio

from tests.api.fhir.test_fhir_terminology import COLOURS, codes, named, value_set

SUPPLEMENT: dict[str, Any] = {
    "resourceType": "CodeSystem", "id": "colours-pt", "url": "urn:cs:colours-pt", "version": "1", "status": "active", "content": "supplement",
    "supplements": "urn:cs:colours|2", "property": [{"code": "tint", "type": "string"}], "concept": [
        {"code": "pink", "designation": [{"language": "pt-BR", "value": "Rosa"}], "property": [{"code": "tint", "valueString": "claro"}]}],
}  # fmt: skip
ASKING = {
    **value_set("asking", [{"system": "urn:cs:colours"}]),
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/valueset-supplement", "valueCanonical": "urn:cs:colours-pt"}],
}  # fmt: skip
LOST = {
    **ASKING,
    "id": "asking-lost",
    "url": "urn:vs:asking-lost",
    "extension": [{**ASKING["extension"][0], "valueCanonical": "urn:cs:nowhere"}],
}
TWICE = value_set("twice", [{"system": "urn:cs:colours"}, {"system": "urn:cs:other"}])
OTHER = {
    **COLOURS,
    "id": "other",
    "url": "urn:cs:other",
    "concept": [{"code": "red", "display": "Other red"}, {"code": "gold", "display": "Gold"}],
}


@pytest_asyncio.fixture
async def terms(fhir: httpx.AsyncClient) -> httpx.AsyncClient:
    bodies = (COLOURS, SUPPLEMENT, ASKING, LOST, OTHER, TWICE, value_set("all", [{"system": "urn:cs:colours"}]))
    entries = [{"resource": b, "request": {"method": "PUT", "url": f"{b['resourceType']}/{b['id']}"}} for b in bodies]
    answer = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    return fhir


async def test_lookup_with_a_supplement(terms: httpx.AsyncClient) -> None:
    call = "/fhir/CodeSystem/$lookup?system=urn:cs:colours&code=pink"
    assert "Rosa" not in (await terms.get(call)).text
    asked = (await terms.get(call + "&useSupplement=urn:cs:colours-pt")).text
    assert "Rosa" in asked and "claro" in asked
    assert named(await terms.get(call + "&displayLanguage=pt"))["display"] == "Rosa"
    assert named(await terms.get(call, headers={"Accept-Language": "en;q=0.2, fr, pt-BR;q=0.8"}))["display"] == "Rosa"
    assert (
        named(await terms.get("/fhir/CodeSystem/colours/$lookup?code=pink&displayLanguage=pt-BR"))["display"] == "Rosa"
    )
    lost = await terms.get(call + "&useSupplement=urn:cs:nowhere")
    assert lost.status_code == 404 and "urn:cs:nowhere" in lost.text
    assert (await terms.get("/fhir/CodeSystem/colours-pt/$lookup?code=pink")).status_code == 422
    assert (await terms.get("/fhir/CodeSystem/$lookup?system=urn:cs:colours-pt&code=pink")).status_code == 404


async def test_value_sets_ask_for_supplements(terms: httpx.AsyncClient) -> None:
    body = (await terms.get("/fhir/ValueSet/$expand?url=urn:vs:asking&includeDesignations=true&property=tint")).json()
    assert {"name": "used-supplement", "valueUri": "urn:cs:colours-pt|1"} in body["expansion"]["parameter"]
    pink = next(item for item in body["expansion"]["contains"] if item["code"] == "pink")
    assert pink["designation"] == [{"language": "pt-BR", "value": "Rosa"}] and pink["display"] == "Pink"
    assert "claro" in str(pink["extension"])
    assert codes(await terms.get("/fhir/ValueSet/$expand?url=urn:vs:asking&filter=rosa")) == "pink"
    assert (await terms.get("/fhir/ValueSet/$expand?url=urn:vs:asking-lost")).status_code == 404
    check = "/fhir/ValueSet/$validate-code?system=urn:cs:colours&code=pink&display=Rosa&url=urn:vs:"
    assert named(await terms.get(check + "asking"))["result"] is True
    told = named(await terms.get(check + "all"))
    assert told["result"] is False and "«Pink»" in told["message"]
    assert told["issues"]["issue"][0]["details"]["coding"][0]["code"] == "invalid-display"
    assert named(await terms.get(check + "all&lenient-display-validation=true"))["result"] is True


async def test_trees_and_implicit_sets(terms: httpx.AsyncClient) -> None:
    body = (await terms.get("/fhir/ValueSet/$expand?url=urn:vs:all&excludeNested=false")).json()["expansion"]
    (top,) = body["contains"]
    assert top["code"] == "any" and body["total"] == 5
    assert [(i["code"], [c["code"] for c in i.get("contains", ())]) for i in top["contains"]] == [
        ("red", ["pink", "violet"]), ("blue", []),
    ]  # fmt: skip
    assert codes(await terms.get("/fhir/ValueSet/$expand?url=urn:vs:all&excludeNested=false&count=3")) == "any red pink"
    implicit = {"url": "urn:cs:colours?fhir_vs=isa/red"}
    assert codes(await terms.get("/fhir/ValueSet/$expand", params=implicit)) == "red pink violet"
    check = {**implicit, "system": "urn:cs:colours", "code": "blue"}
    assert named(await terms.get("/fhir/ValueSet/$validate-code", params=check))["result"] is False
    wrong = await terms.get("/fhir/ValueSet/$expand", params={"url": "urn:cs:colours?fhir_vs=ecl/x"})
    assert wrong.status_code == 422 and "fhir_vs" not in wrong.json()["issue"][0]["details"]["text"]
    odd = await terms.get("/fhir/ValueSet/$expand", params={"url": "urn:cs:colours?fhir_vs=odd/x"})
    assert odd.status_code == 404


async def test_a_system_is_inferred_where_only_one_has_the_code(terms: httpx.AsyncClient) -> None:
    call = "/fhir/ValueSet/$validate-code?url=urn:vs:twice&inferSystem=true&code="
    told = named(await terms.get(call + "gold"))
    assert (told["result"], told["system"], told["display"]) == (True, "urn:cs:other", "Gold")
    two = named(await terms.get(call + "red"))
    assert two["result"] is False and two["issues"]["issue"][0]["details"]["coding"][0]["code"] == "cannot-infer"
    none = named(await terms.get(call + "nope"))
    assert none["result"] is False and none["issues"]["issue"][0]["expression"] == ["code"]
    lost = named(await terms.get(call + "red&system=urn:nowhere"))
    kinds = [(i["details"]["coding"][0]["code"], i["expression"][0]) for i in lost["issues"]["issue"]]
    assert lost["result"] is False and kinds == [("not-in-vs", "code"), ("not-found", "system")]
    concept = {"coding": [{"system": "urn:cs:other", "code": "nope"}]}
    parts = [{"name": "url", "valueUri": "urn:vs:twice"}, {"name": "codeableConcept", "valueCodeableConcept": concept}]
    told = named(
        await terms.post("/fhir/ValueSet/$validate-code", json={"resourceType": "Parameters", "parameter": parts})
    )
    kinds = [(i["details"]["coding"][0]["code"], i["expression"][0]) for i in told["issues"]["issue"]]
    assert kinds == [
        ("not-in-vs", "CodeableConcept.coding[0].code"),
        ("invalid-code", "CodeableConcept.coding[0].code"),
    ]


async def test_what_comes_along_stands_before_what_is_stored(terms: httpx.AsyncClient) -> None:
    own = {**COLOURS, "version": "3", "concept": [{"code": "grey", "display": "Grey"}]}
    parts = [{"name": "url", "valueUri": "urn:vs:all"}, {"name": "tx-resource", "resource": own}]
    body = {"resourceType": "Parameters", "parameter": parts}
    assert codes(await terms.post("/fhir/ValueSet/$expand", json=body)) == "grey"
    body["parameter"] = [*parts, {"name": "tx-resource", "resource": {"resourceType": "Patient"}}]
    assert (await terms.post("/fhir/ValueSet/$expand", json=body)).status_code == 400
    stated = (await terms.get("/fhir/metadata?mode=terminology")).json()
    assert stated["expansion"]["hierarchical"] is True
    assert {"useSupplement", "tx-resource"} <= {p["name"] for p in stated["expansion"]["parameter"]}
