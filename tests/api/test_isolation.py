"""Tenant isolation over every route: whatever tenant A's token does with B's ids and data, B's are neither seen nor
changed, and the answer is the one for ids that never were.

The cases are checked against the application's routes: a new route without a case fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from channel_feed import put
from fastapi import FastAPI

from hub.guard import clients
from hub.world import Tenant, World

# Per route and method: the request A makes with B's ids. `{id}` is B's patient, `{never}` an id nobody has.
# None: the route takes no id and shows nothing of any tenant; the reason stands beside it.
CASES: dict[tuple[str, str], list[dict[str, Any]] | str] = {
    ("GET", "/fhir/metadata"): "the same for all tenants",
    ("GET", "/fhir/.well-known/smart-configuration"): "the same for all tenants",
    ("POST", "/fhir/$validate"): "stores and reads nothing",
    ("POST", "/fhir/{type_name:fhir_type}/$validate"): "stores and reads nothing",
    ("POST", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$validate"): [{"path": "/fhir/Patient/{id}/$validate", "json": {"resourceType": "Patient", "id": "{id}"}}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$validate"): [{"path": "/fhir/Patient/{id}/$validate"}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$everything"): [{"path": "/fhir/Patient/{id}/$everything"}],
    ("POST", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$everything"): [{"path": "/fhir/Patient/{id}/$everything"}],
    ("POST", "/fhir/$convert"): "stores and reads nothing",
    **{(method, "/fhir/$versions"): "the same for all tenants" for method in ("GET", "HEAD", "POST")},
    ("GET", "/fhir/{type_name:fhir_type}/$docref"): [{"path": "/fhir/DocumentReference/$docref?patient={id}"}],
    ("POST", "/fhir/{type_name:fhir_type}/$docref"): [{"path": "/fhir/DocumentReference/$docref", "json": {"resourceType": "Parameters", "parameter": [{"name": "patient", "valueId": "{id}"}]}}],
    ("POST", "/fhir/$closure"): [{"path": "/fhir/$closure", "json": {"resourceType": "Parameters", "parameter": [{"name": "name", "valueString": "{id}"}, {"name": "version", "valueString": "0"}]}}],
    ("GET", "/fhir/{type_name:fhir_type}/$everything"): [{"path": "/fhir/Patient/$everything"}],
    ("POST", "/fhir/{type_name:fhir_type}/$everything"): [{"path": "/fhir/Patient/$everything"}],
    ("POST", "/fhir/{type_name:fhir_type}/$lastn"): [{"path": "/fhir/Observation/$lastn", "json": {"resourceType": "Parameters", "parameter": [{"name": "patient", "valueString": "{id}"}]}}],
    **{(method, "/fhir/{type_name:fhir_type}/{record_id:fhir_other}"): "refuses what can be no id, whoever asks" for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE")},
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$meta"): [{"path": "/fhir/Patient/{id}/$meta"}],
    ("GET", "/fhir/{type_name:fhir_type}/$meta"): [{"path": "/fhir/Patient/$meta"}],
    ("GET", "/fhir/$meta"): [{"path": "/fhir/$meta"}],
    ("POST", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$meta-add"): [{"path": "/fhir/Patient/{id}/$meta-add", "json": {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}}],
    ("POST", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$meta-delete"): [{"path": "/fhir/Patient/{id}/$meta-delete", "json": {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$status"): [{"path": "/fhir/Subscription/{id}/$status"}, {"path": "/fhir/Patient/{id}/$status"}],
    ("GET", "/fhir/{type_name:fhir_type}/$status"): [{"path": "/fhir/Subscription/$status?id={id}"}],
    ("POST", "/fhir/{type_name:fhir_type}/$status"): [{"path": "/fhir/Subscription/$status", "json": {"resourceType": "Parameters", "parameter": [{"name": "id", "valueId": "{id}"}]}}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$events"): [{"path": "/fhir/Subscription/{id}/$events"}, {"path": "/fhir/Patient/{id}/$events"}],
    ("GET", "/fhir/{type_name:fhir_type}/$lastn"): [{"path": "/fhir/Observation/$lastn?patient={id}"}],
    ("GET", "/fhir/$export"): "holds the token's own tenant; tests/api/fhir/test_bulk_export.py asks another's job and files",
    ("POST", "/fhir/$export"): "the same by POST",
    ("GET", "/fhir/{type_name:fhir_type}/$export"): "the same for patients",
    ("POST", "/fhir/{type_name:fhir_type}/$export"): "the same for patients, by POST",
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$export"): [{"path": "/fhir/Group/{id}/$export", "headers": {"prefer": "respond-async"}}],
    ("POST", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$export"): [{"path": "/fhir/Group/{id}/$export", "json": {"resourceType": "Parameters"}, "headers": {"prefer": "respond-async"}}],
    ("GET", "/fhir/bulk/{job}"): [{"path": "/fhir/bulk/{id}"}],
    ("DELETE", "/fhir/bulk/{job}"): [{"path": "/fhir/bulk/{id}"}],
    ("GET", "/fhir/bulk/{job}/{file}"): [{"path": "/fhir/bulk/{id}/1.ndjson"}],
    ("GET", "/fhir/$graphql"): [{"path": '/fhir/$graphql?query={Patient(id:"{id}"){id name{family}}}'}, {"path": '/fhir/$graphql?query={PatientList(_id:"{id}"){id name{family}}}'}],
    ("POST", "/fhir/$graphql"): [{"path": "/fhir/$graphql", "json": {"query": '{ PatientConnection(_id: "{id}") { count edges { resource { name { family } } } } }'}}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$graphql"): [{"path": "/fhir/Patient/{id}/$graphql?query={id name{family}}"}],
    ("POST", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$graphql"): [{"path": "/fhir/Patient/{id}/$graphql", "json": {"query": "{ id }"}}],
    **{("POST", f"/fhir/{name}"): [{"path": f"/fhir/{name}", "json": {"resourceType": "ViewDefinition", "resource": "Patient", "where": [{"path": "id = '{id}'"}], "select": [{"column": [{"name": "family", "path": "name.family"}]}]}}]
       for name in ("$viewdefinition-run", "ViewDefinition/$viewdefinition-run", "ViewDefinition/$run")},
    ("POST", "/fhir/$import"): [{"path": "/fhir/$import", "content": b'{"resourceType":"Patient","id":"secret-b","gender":"male"}', "headers": {"prefer": "respond-async", "content-type": "application/fhir+ndjson"}}],
    ("POST", "/fhir/{type_name:fhir_type}/$match"): [{"path": "/fhir/Patient/$match", "json": {"resourceType": "Patient", "identifier": [{"system": "urn:secret", "value": "B"}], "name": [{"family": "Segredo"}]}}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$document"): [{"path": "/fhir/Composition/{id}/$document"}],
    ("POST", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/$document"): [{"path": "/fhir/Composition/{id}/$document?persist=true"}],
    ("GET", "/fhir/{type_name:fhir_type}/$document"): [{"path": "/fhir/Composition/$document?id={id}"}],
    ("POST", "/fhir/{type_name:fhir_type}/$document"): [{"path": "/fhir/Composition/$document?id={id}"}],
    ("POST", "/fhir/$reindex"): "works on the token's own tenant; tests/api/fhir/test_fhir_operations.py asks another",
    **{
        (method, f"/fhir/{{type_name:fhir_type}}{one}/${name}"): "two tenants with one address: tests/api/fhir/test_fhir_terminology.py"
        for method in ("GET", "POST") for one in ("", "/{record_id:fhir_id}")
        for name in ("lookup", "subsumes", "validate-code", "expand", "translate")
    },
    ("POST", "/fhir"): [
        {"path": "/fhir", "json": {"resourceType": "Bundle", "type": "batch", "entry": [
            {"request": {"method": "GET", "url": "Patient/{id}"}},
            {"request": {"method": "GET", "url": "Patient/{id}/_history/1"}},
            {"request": {"method": "GET", "url": "Patient?identifier=urn:secret|B"}},
            {"request": {"method": "DELETE", "url": "Patient/{id}"}},
            {"request": {"method": "DELETE", "url": "Patient?identifier=urn:secret|B"}},
            {"request": {"method": "POST", "url": "Observation"}, "resource": {
                "resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient?identifier=urn:secret|B"}}},
        ]}},
        {"path": "/fhir", "json": {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "GET", "url": "Patient/{id}"}}]}},
    ],
    ("GET", "/fhir/{type_name:fhir_type}"): [
        {"path": "/fhir/Patient?_id={id}&_total=accurate"}, {"path": "/fhir/Patient?identifier=urn:secret|B"}, {"path": "/fhir/Patient?_summary=count&_id={id}"},
        {"path": "/fhir/Observation?patient={id}"}, {"path": "/fhir/Observation?patient.identifier=urn:secret|B"},
        {"path": "/fhir/Patient?_has:Observation:patient:code=secret"}, {"path": "/fhir/Patient?gender:missing=true&_id={id}"},
        {"path": "/fhir/Patient?_sort=family&family=segredo"}, {"path": "/fhir/Patient?family:contains=egred"}, {"path": "/fhir/Patient?gender:not=male"},
        {"path": "/fhir/Observation?_include=*&_revinclude=Observation:has-member&subject=Patient/{id}"}, {"path": "/fhir/Patient?family=segredo&_sort=-_lastUpdated"},
    ],
    ("POST", "/fhir/{type_name:fhir_type}/_search"): [{"path": "/fhir/Patient/_search", "data": {"identifier": "urn:secret|B", "_id": "{id}"}}],
    ("POST", "/fhir/{type_name:fhir_type}"): [
        {"path": "/fhir/Patient", "json": {"resourceType": "Patient"}, "headers": {"if-none-exist": "_id={id}"}, "status": 201},
    ],
    ("PUT", "/fhir/{type_name:fhir_type}"): [{"path": "/fhir/Patient?identifier=urn:secret|B", "json": {"resourceType": "Patient"}, "status": 201}],
    ("DELETE", "/fhir/{type_name:fhir_type}"): [{"path": "/fhir/Patient?identifier=urn:secret|B"}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}"): [{"path": "/fhir/Patient/{id}"}],
    ("HEAD", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}"): [{"path": "/fhir/Patient/{id}"}],
    ("PUT", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}"): [
        {"path": "/fhir/Patient/{id}", "json": {"resourceType": "Patient", "id": "{id}"}, "headers": {"if-match": 'W/"1"'}},
    ],
    ("DELETE", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}"): [{"path": "/fhir/Patient/{id}"}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/_history"): [{"path": "/fhir/Patient/{id}/_history"}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/_history/{version}"): [{"path": "/fhir/Patient/{id}/_history/1"}],
    ("PATCH", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}"): [{"path": "/fhir/Patient/{id}", "json": {"resourceType": "Parameters"}}],
    ("PATCH", "/fhir/{type_name:fhir_type}"): [{"path": "/fhir/Patient?identifier=urn:secret|B", "json": {"resourceType": "Parameters"}}],
    ("GET", "/fhir/{type_name:fhir_type}/_history"): [{"path": "/fhir/Patient/_history"}],
    ("GET", "/fhir/_history"): [{"path": "/fhir/_history"}],
    ("GET", "/fhir"): [{"path": "/fhir?_type=Patient&_id={id}"}, {"path": "/fhir?_id={id}"}],
    ("GET", "/fhir/"): "the same as without the slash",
    ("POST", "/fhir/"): "the same as without the slash",
    ("GET", "/fhir/{type_name:fhir_type}/_search"): [{"path": "/fhir/Patient/_search?_id={id}"}],
    ("GET", "/fhir/_search"): [{"path": "/fhir/_search?_type=Patient&_id={id}"}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/{member:fhir_type}/_search"): [{"path": "/fhir/Patient/{id}/Observation/_search"}],
    ("POST", "/fhir/_search"): [{"path": "/fhir/_search", "data": {"_type": "Patient", "_id": "{id}"}}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/{member:fhir_type}"): [{"path": "/fhir/Patient/{id}/Observation"}],
    ("POST", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/{member:fhir_type}/_search"): [{"path": "/fhir/Patient/{id}/Observation/_search", "data": {}}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/*"): [{"path": "/fhir/Patient/{id}/*"}],
    ("GET", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/_search"): [{"path": "/fhir/Patient/{id}/_search"}],
    ("POST", "/fhir/{type_name:fhir_type}/{record_id:fhir_id}/_search"): [{"path": "/fhir/Patient/{id}/_search", "data": {}}],
    ("GET", "/.well-known/jwks.json"): "public keys of the hub itself",
    ("POST", "/oauth/token"): "acts by the client's own secret; tests/api/access/test_tokens.py",
    ("POST", "/oauth/revoke"): [{"path": "/oauth/revoke", "data": {"token": "{id}"}}],
    ("POST", "/oauth/introspect"): "tells of tokens of the client's own tenant only; tests/api/access/test_tokens.py",
    ("GET", "/api/v1/clients"): [{"path": "/api/v1/clients"}],
    ("POST", "/api/v1/clients"): "the name of another tenant's client is free here; tests/api/access/test_clients.py",
    ("GET", "/api/v1/clients/{name}"): [{"path": "/api/v1/clients/{id}"}],
    ("PATCH", "/api/v1/clients/{name}"): [{"path": "/api/v1/clients/{id}", "json": {"rate": 5}}],
    ("PUT", "/api/v1/clients/{name}/keys"): [{"path": "/api/v1/clients/{id}/keys", "json": {"secret": True}}],
    ("DELETE", "/api/v1/clients/{name}"): [{"path": "/api/v1/clients/{id}"}],
    ("GET", "/"): "the first page; its own tests are tests/api/console/test_console*.py",
    ("GET", "/health/live"): "no tenant",
    ("GET", "/health/ready"): "no tenant",
    ("POST", "/payers/{tenant}/{payer}"): "acts by the payer's own password; tests/api/tiss/test_payer_door.py",
    ("POST", "/hl7"): [{"path": "/hl7", "content": b"MSH|^~\\&|A|A|B|B|20260101||ADT^A01|1|P|2.5\r", "compare": False}],
    ("POST", "/hl7/{channel}"): [{"path": "/hl7/{id}", "content": b"MSH|^~\\&|A|A|B|B|20260101||ADT^A01|1|P|2.5\r"}],
    ("GET", "/hl7/{channel}/answers"): [{"path": "/hl7/{id}/answers"}],
}  # fmt: skip
SCOPES = ("system/*.*", "clients/write")
ROOT = Path(__file__).resolve().parents[2]
# Routes of other surfaces prove their isolation where their records are made: the file must name a second tenant.
ELSEWHERE: tuple[tuple[str, str], ...] = (
    ("/console", "tests/api/console/test_console.py"),
    ("/api/v1/tiss", "tests/api/tiss/test_tiss_routes.py"),
    ("/api/v1/tiss/eligibility", "tests/api/tiss/test_tiss_requests_routes.py"),
    ("/api/v1/tiss/authorisations", "tests/api/tiss/test_tiss_requests_routes.py"),
    ("/api/v1/tiss/annexes", "tests/api/tiss/test_tiss_requests_routes.py"),
    ("/api/v1/tiss/stays", "tests/api/tiss/test_tiss_requests_routes.py"),
    ("/api/v1/tiss/cancellations", "tests/api/tiss/test_tiss_requests_routes.py"),
    ("/api/v1/tiss/documents", "tests/api/tiss/test_tiss_requests_routes.py"),
    ("/api/v1/tiss/statement-requests", "tests/api/tiss/test_tiss_requests_routes.py"),
    ("/api/v1/channels", "tests/api/operate/test_channels.py"),
    ("/api/v1/messages", "tests/api/operate/test_message_doors.py"),
    ("/api/v1/alarms", "tests/api/operate/test_watch_doors.py"),
    ("/metrics", "tests/api/operate/test_watch_doors.py"),
    ("/api/v1/rnds", "tests/api/rnds/test_rnds_routes.py"),
    ("/api/v1/partners", "tests/api/operate/test_partner_doors.py"),
    ("/api/v1/schedules", "tests/api/operate/test_schedule_doors.py"),
    ("/api/v1/persons", "tests/api/access/test_persons_doors.py"),
    ("/api/v1/retention", "tests/api/access/test_retention_doors.py"),
    ("/api/v1/users", "tests/api/access/test_user_commands.py"),
    ("/api/v1/sign-in", "tests/api/access/test_user_commands.py"),
)
DOCUMENTS = {"/openapi.json", "/docs"}
# Routes that answer without a token, and why that shows nothing of a tenant.
OPEN = {
    **dict.fromkeys(DOCUMENTS, "the description of the API"),
    "/": "leads to the form",
    "/console/{name}": "files of the product", "/console/login": "the form", "/console/logout": "ends a session",
    "/console/login/oidc": "leads to the sign-in of the house that is named, and to the form where it has none",
    "/health/live": "states", "/health/ready": "states", "/.well-known/jwks.json": "public keys",
    "/oauth/token": "asks for the client's secret itself", "/oauth/revoke": "asks for the client's secret itself",
    "/oauth/introspect": "asks for the client's secret itself",
    "/fhir/metadata": "R4 wants it open", "/fhir/.well-known/smart-configuration": "SMART wants it open",
}  # fmt: skip


def routes_of(routes: Any) -> Iterator[tuple[str, str]]:
    """Every (method, path) of an application, included routers opened."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes_of(inner.routes)
        elif getattr(route, "path", None) is not None:
            for method in getattr(route, "methods", None) or {"GET"}:
                yield method, route.path


def test_every_route_has_a_case(app: FastAPI) -> None:
    open_routes = []
    for method, path in routes_of(app.routes):
        known = (method, path) in CASES or path in DOCUMENTS or any(path.startswith(p) for p, _ in ELSEWHERE)
        if not known and not (method == "HEAD" and ("GET", path) in CASES):
            open_routes.append((method, path))
    assert not open_routes, f"add a case to CASES for {open_routes}"
    served = set(routes_of(app.routes))
    assert not [place for place in CASES if place not in served], "these cases have no route any more"


@pytest.mark.parametrize(("prefix", "file"), ELSEWHERE)
def test_other_surfaces_have_their_own_wall_tests(app: FastAPI, prefix: str, file: str) -> None:
    if any(path.startswith(prefix) for _, path in routes_of(app.routes)):
        assert "other_tenant" in (ROOT / file).read_text(encoding="utf-8"), f"{file}: ask with another tenant's ids"


async def test_no_other_route_answers_without_a_token(app: FastAPI, fhir: httpx.AsyncClient) -> None:
    answered = {}
    for method, path in sorted(routes_of(app.routes)):
        if path in OPEN:
            continue
        address = re.sub(r"{member[^}]*}", "Observation", re.sub(r"{type_name[^}]*}", "Patient", path))
        address = re.sub(r"{[^}]*}", "3f0d2c1e-52b0-4a3e-9d0a-7a1f6f3c9e10", address)
        for token in ("", "Bearer nonsense"):
            answer = await fhir.request(method, address, headers={"authorization": token})
            if answer.status_code != 401:
                answered[method, path] = answer.status_code
    assert not answered


def filled(value: Any, identity: str) -> Any:
    if isinstance(value, str):
        return value.replace("{id}", identity)
    if isinstance(value, dict):
        return {k: filled(v, identity) for k, v in value.items()}
    return [filled(v, identity) for v in value] if isinstance(value, list) else value


REQUESTS = [(place, case) for place, cases in CASES.items() if not isinstance(cases, str) for case in cases]


@pytest.mark.parametrize(("place", "case"), REQUESTS, ids=[f"{m} {c['path']}" for (m, _), c in REQUESTS])
async def test_the_other_tenants_record_is_as_if_it_never_was(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: Any, place: tuple[str, str], case: dict[str, Any]
) -> None:
    ours, theirs = await client_for(tenant, SCOPES), await client_for(other_tenant)
    body = {
        "resourceType": "Patient",
        "id": "secret-b",
        "identifier": [{"system": "urn:secret", "value": "B"}],
        "name": [{"family": "Segredo"}],
    }
    made = await theirs.put("/fhir/Patient/secret-b", json=body)
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"code": "secret"}]},
        "subject": {"reference": "Patient/secret-b"},
    }
    await theirs.post("/fhir/Observation", json=observation)
    await put(world, other_tenant, 'name = "secret-b"\ndoor = "http"\n')
    await clients.create(world, other_tenant, "secret-b", scopes=["system/*.read"])
    answers = []
    for identity in ("secret-b", "never-was"):
        given = filled({k: v for k, v in case.items() if k not in ("status", "compare")}, identity)
        answers.append(await ours.request(place[0], given.pop("path"), **given))
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].status_code == case.get("status", answers[0].status_code)
    if case.get("compare", True):
        assert "Segredo" not in answers[0].text
        assert comparable(answers[0], "secret-b") == comparable(answers[1], "never-was")
    after = await theirs.get("/fhir/Patient/secret-b")
    assert after.text == made.text and after.headers["etag"] == 'W/"1"'


def comparable(answer: httpx.Response, identity: str) -> str:
    """The answer without what differs by time or by the id asked for."""
    text = answer.text.replace(identity, "ID")
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "TIME", text)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "NEW", text)


async def test_a_tenant_named_by_the_client_is_ignored(tenant: Tenant, other_tenant: Tenant, client_for: Any) -> None:
    ours, theirs = await client_for(tenant), await client_for(other_tenant)
    await theirs.put("/fhir/Patient/x", json={"resourceType": "Patient", "id": "x"})
    for name in ("X-Tenant-ID", "X-Tenant", "X-FHIR-TENANT-ID"):
        for value in (str(other_tenant.id), other_tenant.slug):
            assert (await ours.get("/fhir/Patient/x", headers={name: value})).status_code == 404


async def test_same_ids_live_apart(tenant: Tenant, other_tenant: Tenant, client_for: Any) -> None:
    ours, theirs = await client_for(tenant), await client_for(other_tenant)
    for client, gender in ((ours, "male"), (theirs, "female")):
        await client.put("/fhir/Patient/same", json={"resourceType": "Patient", "id": "same", "gender": gender})
    assert (await ours.get("/fhir/Patient/same")).json()["gender"] == "male"
    assert (await theirs.get("/fhir/Patient?_id=same")).json()["entry"][0]["resource"]["gender"] == "female"


async def test_alternating_tenants_on_one_connection(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    """One connection, two tenants in turn, with failures in between: never a foreign row, no context no rows."""
    from hub.world import opened

    async with opened(world.settings, size=1) as narrow:
        for number in range(300):
            for one, other in ((tenant, other_tenant), (other_tenant, tenant)):
                if number % 7 == 0:
                    with pytest.raises(ZeroDivisionError):
                        async with narrow.transaction(one):
                            raise ZeroDivisionError
                rows = await narrow.database.ask(
                    one.id, "SELECT tenant_id FROM channel WHERE tenant_id IN (c.tenant, $2) LIMIT 10", other.id
                )
                assert {row["tenant_id"] for row in rows} == {one.id}
                assert await narrow.database.call("SELECT 1 FROM channel") == []
