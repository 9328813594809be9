"""The CapabilityStatement tells the truth both ways: what it claims works, and what it does not claim is refused."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest_asyncio
from fastapi import FastAPI
from starlette.routing import Route

from api.routes.fhir.registry import INTERACTIONS, TYPE
from fhir.definitions.table import parameters, resource_types
from fhir.search import composites
from fhir.terminology import known
from fhir.validation.validator import validate
from hub.guard import registration, scopes
from hub.terms import ans
from hub.world import Tenant, World


@pytest_asyncio.fixture
async def statement(fhir: httpx.AsyncClient) -> dict[str, Any]:
    answer = await fhir.get("/fhir/metadata", headers={"authorization": ""})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_it_is_valid_and_names_all_types(statement: dict[str, Any]) -> None:
    assert validate(statement) == []
    assert statement["fhirVersion"] == "4.0.1" and statement["url"] == statement["implementation"]["url"] + "/metadata"
    assert statement["version"] and statement["name"] and statement["title"]
    assert [guide.rpartition("/")[2] for guide in statement["instantiates"]] == [
        "bulk-data", "terminology-server", "backport-subscription-server-r4"]  # fmt: skip
    assert tuple(r["type"] for r in statement["rest"][0]["resource"]) == resource_types()


async def test_claimed_interactions_answer(statement: dict[str, Any], fhir: httpx.AsyncClient) -> None:
    calls = {
        "read": ("GET", "/{type}/none", {404}),
        "vread": ("GET", "/{type}/none/_history/1", {404}),
        "history-instance": ("GET", "/{type}/none/_history", {404}),
        "search-type": ("GET", "/{type}?_count=1", {200}),
        "create": ("POST", "/{type}", {400}),
        "update": ("PUT", "/{type}/none", {400}),
        "delete": ("DELETE", "/{type}/none", {204}),
        "patch": ("PATCH", "/{type}/none", {400}),
        "history-type": ("GET", "/{type}/_history", {200}),
    }
    for resource in statement["rest"][0]["resource"]:
        claimed = {i["code"] for i in resource["interaction"]}
        assert claimed == set(calls)
        for code in claimed:
            method, path, expected = calls[code]
            content = b"{" if method in ("POST", "PUT", "PATCH") else None
            answer = await fhir.request(method, "/fhir" + path.replace("{type}", resource["type"]), content=content)
            assert answer.status_code in expected, (resource["type"], code, answer.status_code)
    assert {i["code"] for i in statement["rest"][0]["interaction"]} == {
        "transaction",
        "batch",
        "history-system",
        "search-system",
    }


async def test_unclaimed_interactions_are_refused(fhir: httpx.AsyncClient) -> None:
    for method, path in (
        ("PATCH", "/fhir"), ("POST", "/fhir/Patient/_history"), ("DELETE", "/fhir/_history"), ("DELETE", "/fhir"),
        ("POST", "/fhir/Patient/1"), ("PUT", "/fhir"), ("GET", "/fhir/Patient/1/$purge"), ("PUT", "/fhir/Patient/1/$everything"), ("GET", "/fhir/Patient/$lastn"),
        ("PUT", "/fhir/Patient/1/Observation"),
    ):  # fmt: skip
        answer = await fhir.request(method, path, json={} if method != "GET" else None)
        assert answer.status_code in (404, 405), (method, path, answer.status_code)
        assert answer.json()["resourceType"] == "OperationOutcome"
        if answer.status_code == 405:
            assert method not in answer.headers["allow"]


async def test_options_tell_the_methods(fhir: httpx.AsyncClient) -> None:
    for path, methods in (("Patient/1", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}), ("", {"GET", "HEAD", "POST"})):
        answer = await fhir.request("OPTIONS", f"/fhir/{path}")
        assert answer.status_code == 204 and not answer.content
        assert set(answer.headers["allow"].split(", ")) == methods
    assert (await fhir.request("OPTIONS", "/fhir/Patient/1/$nothing")).status_code == 404


async def test_operations_are_offered_where_claimed(statement: dict[str, Any], fhir: httpx.AsyncClient) -> None:
    rest = statement["rest"][0]
    named = {r["type"]: {o["name"] for o in r["operation"]} for r in rest["resource"]}
    assert {kind for kind, names in named.items() if "everything" in names} == {"Patient", "Encounter"}
    assert {kind for kind, names in named.items() if "lastn" in names} == {"Observation"}
    assert {kind for kind, names in named.items() if "export" in names} == {"Patient", "Group"}
    defined = {r["type"]: o["definition"] for r in rest["resource"] for o in r["operation"] if o["name"] == "export"}
    bulk = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
    assert defined == {"Patient": bulk + "patient-export", "Group": bulk + "group-export"}
    assert {o["name"]: o["definition"] for o in rest["operation"]}["export"] == bulk + "export"
    assert {kind for kind, names in named.items() if "match" in names} == {"Patient"}
    assert {kind for kind, names in named.items() if "document" in names} == {"Composition"}
    for method, path in (("POST", "Device/$match"), ("GET", "Patient/p/$document"), ("POST", "Patient/$document?id=p")):
        assert (await fhir.request(method, f"/fhir/{path}")).status_code == 404
    for path in ("Device/$export", "Patient/p/$export", "Group/$export"):
        assert (await fhir.get(f"/fhir/{path}", headers={"prefer": "respond-async"})).status_code == 404
    assert {o["name"] for o in rest["operation"]} == {
        "validate",
        "meta",
        "reindex",
        "export",
        "import",
        "closure",
        "convert",
        "versions",
        "graphql",
        "viewdefinition-run",
    }
    assert {kind for kind, names in named.items() if "docref" in names} == {"DocumentReference"}
    assert (await fhir.get("/fhir/Patient/$docref?patient=p")).status_code == 404
    for kind in ("Device", "Practitioner", "Location"):
        await fhir.put(f"/fhir/{kind}/x", json={"resourceType": kind, "id": "x"})
        assert (await fhir.get(f"/fhir/{kind}/x/$everything")).status_code == 404
    assert (await fhir.get("/fhir/Condition/$lastn")).status_code == 404


async def test_registered_routes_are_claimed(statement: dict[str, Any], app: FastAPI) -> None:
    served = {
        (method, route.path.removeprefix("/fhir"))
        for route in app.routes
        if isinstance(route, Route) and (route.path + "/").startswith("/fhir/")
        for method in (route.methods or set()) - {"HEAD"}
    }
    registered = {(i.method, i.path) for i in INTERACTIONS}
    again = {(method, "/") for method, path in registered if not path}
    refused = {(method, TYPE + "/{record_id:fhir_other}") for method in ("GET", "PUT", "PATCH", "DELETE")}
    open_to_all = {("GET", "/metadata"), ("GET", "/.well-known/smart-configuration")}
    assert served - registered - again == open_to_all | refused
    rest = statement["rest"][0]
    claimed = {i["code"] for i in rest["interaction"]} | {i["code"] for i in rest["resource"][0]["interaction"]}
    claimed |= {o["name"] for o in rest["operation"]}
    claimed |= {o["name"] for resource in rest["resource"] for o in resource.get("operation", ())}
    for item in INTERACTIONS:
        assert set(item.codes) <= claimed and (not item.operation or item.operation in claimed)
        assert item.codes or item.operation or item.conditional, f"{item.method} {item.path} is not in the statement"
    patient = next(r for r in rest["resource"] if r["type"] == "Patient")
    for flag in ("conditionalCreate", "conditionalUpdate", "updateCreate", "readHistory"):
        assert patient[flag] is True
    assert patient["conditionalDelete"] == "single" and patient["conditionalRead"] == "full-support"
    assert patient["profile"] == "http://hl7.org/fhir/StructureDefinition/Patient"


EXAMPLES = {
    "token": "x", "string": "x", "date": "2024", "number": "1", "quantity": "1", "reference": "x", "uri": "urn:x",
}  # fmt: skip


SPECIAL = {"_filter": "_id eq x", "near": "1|1"}


def example(type_name: str, parameter: dict[str, str]) -> str:
    """A value of a claimed parameter."""
    if parameter["type"] == "special":
        return SPECIAL[parameter["name"]]
    if parameter["type"] != "composite":
        return EXAMPLES[parameter["type"]]
    kinds = composites.kinds_of(type_name, composites.of(type_name)[parameter["name"]])
    return "$".join(EXAMPLES[kind] for kind in kinds)


async def test_claimed_parameters_work_and_others_are_refused(
    statement: dict[str, Any], fhir: httpx.AsyncClient
) -> None:
    """Every claimed parameter of every type, all of a type in few requests; one unclaimed one of each type."""
    strict = {"prefer": "handling=strict"}
    for resource in statement["rest"][0]["resource"]:
        pairs = [(p["name"], example(resource["type"], p)) for p in resource["searchParam"]]
        for start in range(0, len(pairs), 25):
            answer = await fhir.get(f"/fhir/{resource['type']}", params=pairs[start : start + 25], headers=strict)
            assert answer.status_code == 200, answer.text
    published = {(base, p.code) for p in parameters() for base in p.bases}
    for resource in statement["rest"][0]["resource"]:
        claimed = {p["name"] for p in resource["searchParam"]}
        for code in {c for base, c in published if base == resource["type"]} - claimed:
            answer = await fhir.get(f"/fhir/{resource['type']}", params={code: "1"}, headers=strict)
            assert answer.status_code == 400, (resource["type"], code)


async def test_includes_claimed_work(statement: dict[str, Any], fhir: httpx.AsyncClient) -> None:
    for resource in statement["rest"][0]["resource"][::7]:
        pairs = [("_include", value) for value in resource.get("searchInclude", ())]
        pairs += [("_revinclude", value) for value in resource.get("searchRevInclude", ())]
        for start in range(0, len(pairs), 50):
            answer = await fhir.get(f"/fhir/{resource['type']}", params=pairs[start : start + 50])
            assert answer.status_code == 200, answer.text


async def test_contained_resources_of_every_type_are_searched(
    statement: dict[str, Any], fhir: httpx.AsyncClient
) -> None:
    assert "_contained and _containedType find contained resources" in statement["rest"][0]["documentation"]
    for resource in statement["rest"][0]["resource"]:
        asked = f"/fhir/{resource['type']}?_contained=both&_containedType=contained&_count=1"
        answer = await fhir.get(asked, headers={"prefer": "handling=strict"})
        assert answer.status_code == 200 and "_containedType=contained" in answer.json()["link"][0]["url"], answer.text
    assert (await fhir.get("/fhir?_type=Patient,Group&_contained=true")).status_code == 400


async def test_terminology_capabilities(fhir: httpx.AsyncClient) -> None:
    """What is claimed of terminology: every code system is known, every parameter of $expand is taken."""
    document = (await fhir.get("/fhir/metadata?mode=terminology", headers={"authorization": ""})).json()
    assert document["resourceType"] == "TerminologyCapabilities" and validate(document) == []
    uris = [system["uri"] for system in document["codeSystem"]]
    assert len(uris) > 1000 and all(known.system(uri) or ans.system(uri, "2026-01-01") for uri in uris)
    values = {"date": "2024-01-01", "count": "3", "offset": "1", "filter": "f", "displayLanguage": "pt"}
    values |= dict.fromkeys(("designation", "exclude-system"), "urn:x")
    values |= dict.fromkeys(("system-version", "check-system-version", "force-system-version"), "urn:x|1")
    url = {"url": "http://hl7.org/fhir/ValueSet/administrative-gender"}
    more = {
        "resourceType": "CodeSystem",
        "id": "more",
        "url": "urn:cs:more",
        "status": "active",
        "content": "supplement",
        "supplements": "urn:x",
    }
    assert (await fhir.put("/fhir/CodeSystem/more", json=more)).status_code == 201
    values["useSupplement"] = "urn:cs:more"
    asked = {p["name"]: values.get(p["name"], "true") for p in document["expansion"]["parameter"]}
    for name, value in asked.items():
        answer = await fhir.get("/fhir/ValueSet/$expand", params={**url, name: value})
        assert answer.status_code == 200, (name, answer.text)


async def test_a_tenant_is_told_what_it_offers(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: Any, statement: dict[str, Any]
) -> None:
    """Policies and own search parameters stand in the statement of who has them, and only there; and they are true."""
    settings = json.dumps({"fhir": {"update_create": False, "delete_most": 5, "if_match": "required"}})
    await world.database.global_rows("UPDATE tenant SET settings = $2 WHERE id = $1", tenant.id, settings)
    ours, theirs = await client_for(tenant), await client_for(other_tenant)
    parameter = {
        "resourceType": "SearchParameter", "url": "https://hospital.example/SearchParameter/nick", "name": "nick",
        "status": "active", "description": "x", "code": "nick", "base": ["Patient"], "type": "string", "expression": "Patient.name.text",
    }  # fmt: skip
    assert (await ours.post("/fhir/SearchParameter", json=parameter)).status_code == 201
    assert (await ours.post("/fhir/$reindex")).status_code == 200

    async def patient(client: httpx.AsyncClient) -> tuple[dict[str, Any], set[str]]:
        document = (await client.get("/fhir/metadata")).json()
        assert validate(document) == []
        found = next(r for r in document["rest"][0]["resource"] if r["type"] == "Patient")
        return found, {p["name"] for p in found["searchParam"]}

    strict = {"prefer": "handling=strict"}
    own, names = await patient(ours)
    assert "nick" in names and own["updateCreate"] is False and own["conditionalDelete"] == "multiple"
    assert own["versioning"] == "versioned-update"
    assert (await ours.get("/fhir/Patient?nick=x", headers=strict)).status_code == 200
    assert (await ours.put("/fhir/Patient/new", json={"resourceType": "Patient", "id": "new"})).status_code == 405
    other, names = await patient(theirs)
    assert "nick" not in names and other["updateCreate"] is True and other["conditionalDelete"] == "single"
    assert other["versioning"] == "versioned"
    assert (await theirs.get("/fhir/Patient?nick=x", headers=strict)).status_code == 400
    general = next(r for r in statement["rest"][0]["resource"] if r["type"] == "Patient")
    assert "nick" not in {p["name"] for p in general["searchParam"]}
    bad = await ours.get("/fhir/metadata", headers={"authorization": "Bearer nonsense"})
    assert bad.status_code == 200 and "Hospital" not in bad.text


async def test_smart_configuration(fhir: httpx.AsyncClient) -> None:
    document = (await fhir.get("/fhir/.well-known/smart-configuration", headers={"authorization": ""})).json()
    assert document["grant_types_supported"] == ["client_credentials"] and "authorization_endpoint" not in document
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert "private_key_jwt" in document["token_endpoint_auth_methods_supported"]
    assert {"client-confidential-asymmetric", "permission-v1", "permission-v2"} <= set(document["capabilities"])
    assert all(
        scopes.grant_of(s) or s in registration.OWN_SCOPES or s == "launch/patient"
        for s in document["scopes_supported"]
    )
    for name in ("jwks_uri", "token_endpoint", "revocation_endpoint", "introspection_endpoint"):
        path = "/" + document[name].split("/", 3)[3]
        answer = await fhir.request("GET" if name == "jwks_uri" else "POST", path)
        assert answer.status_code in (200, 400, 401), (name, answer.status_code)


async def test_the_api_description_has_every_interaction(app: FastAPI, fhir: httpx.AsyncClient) -> None:
    described = (await fhir.get("/openapi.json")).json()["paths"]
    for item in INTERACTIONS:
        path = "/fhir" + item.path.replace(":fhir_type", "").replace(":fhir_id", "")
        assert described[path][item.method.lower()]["summary"], path
