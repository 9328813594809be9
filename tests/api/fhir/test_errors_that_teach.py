"""Errors that teach: each status of the FHIR door comes as an OperationOutcome with its code, what is wrong in Portuguese and
English, and what to do about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from fhir.validation.validator import validate
from hub.guard.limits import Limits
from hub.world import Tenant, World

PATIENT = {"resourceType": "Patient", "id": "p", "active": True}
JSON_PATCH = {"content-type": "application/json-patch+json"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A call and what its answer must say: issue code, the problem's code, a word of each language's remedy."""

    status: int
    issue: str
    problem: str
    remedy: tuple[str, str]
    method: str
    path: str
    given: dict[str, Any] = field(default_factory=dict)


def case(status: int, issue: str, problem: str, remedy: tuple[str, str], call: str, **given: Any) -> Case:
    method, path = call.split(" ", 1)
    return Case(status=status, issue=issue, problem=problem, remedy=remedy, method=method, path=path, given=given)


CASES = [
    case(400, "structure", "fhir.json", ("JSON", "JSON"), "POST /fhir/Patient", content=b"{"),
    case(400, "invalid", "fhir.search.value", ("valor", "value"), "GET /fhir/Patient?birthdate:missing=x"),
    case(400, "invalid", "fhir.search.value.date", ("AAAA-MM-DD", "YYYY-MM-DD"), "GET /fhir/Patient?birthdate=29/02/1980"),
    case(400, "structure", "fhir.json.syntax.at", ("linha 2, coluna 11", "line 2, column 11"), "POST /fhir/Patient", content=b'{"active": true,\n"gender": ma}'),
    case(400, "structure", "fhir.json.empty", ("vazio", "empty"), "POST /fhir/Patient", content=b" "),
    case(422, "value", "fhir.value.date", ("AAAA-MM-DD", "YYYY-MM-DD"), "POST /fhir/Patient", json={**PATIENT, "birthDate": "29/02/1980"}),
    case(400, "not-supported", "fhir.search.unknown-parameter", ("/fhir/metadata", "/fhir/metadata"), "GET /fhir/Patient?nonsense=1", headers={"prefer": "handling=strict"}),
    case(400, "invalid", "fhir.id-mismatch", ("id", "id"), "PUT /fhir/Patient/other", json=PATIENT),
    case(401, "login", "failure.login", ("token", "token"), "GET /fhir/Patient/p", headers={"authorization": "Bearer nonsense"}),
    case(403, "forbidden", "failure.denied.scope", ("escopo", "scope"), "GET /fhir/Encounter/e"),
    case(403, "forbidden", "failure.denied.record", ("escopo", "scope"), "PUT /fhir/Observation/o", json={"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}}),
    case(404, "not-found", "failure.not-found", ("identificador", "id"), "GET /fhir/Patient/never"),
    case(404, "not-supported", "fhir.not-supported.type", ("tipo", "type"), "GET /fhir/Nothing/x"),
    case(405, "not-supported", "fhir.not-supported", ("CapabilityStatement", "CapabilityStatement"), "PUT /fhir"),
    case(406, "not-supported", "fhir.format.accept", ("json", "json"), "GET /fhir/Patient/p", headers={"accept": "text/turtle"}),
    case(409, "conflict", "failure.conflict.trail", ("id", "id"), "PUT /fhir/AuditEvent/audit-1", json={"resourceType": "AuditEvent", "id": "audit-1", "type": {"code": "x"}, "recorded": "2020-01-01T00:00:00Z", "agent": [{"requestor": True}], "source": {"observer": {"display": "x"}}}),
    case(410, "deleted", "failure.gone", ("_history", "_history"), "GET /fhir/Patient/gone"),
    case(412, "conflict", "failure.version", ("If-Match", "If-Match"), "PUT /fhir/Patient/p", json=PATIENT, headers={"if-match": 'W/"99"'}),
    case(412, "multiple-matches", "fhir.conditional.ambiguous", ("condição", "condition"), "PATCH /fhir/Patient?active=true", json=[], headers=JSON_PATCH),
    case(413, "too-long", "failure.too-large", ("Divida", "Split"), "POST /fhir/Patient", content=b"x", headers={"content-length": str(30 * 1024 * 1024)}),
    case(415, "not-supported", "fhir.format.content-type", ("application/fhir+json", "application/fhir+json"), "POST /fhir/Patient", content=b"x", headers={"content-type": "text/plain"}),
    case(422, "required", "fhir.structure.required", ("Preencha", "Supply"), "POST /fhir/Observation", json={"resourceType": "Observation", "status": "final"}),
    case(422, "code-invalid", "fhir.code", ("código", "code"), "PUT /fhir/Patient/p", json={**PATIENT, "gender": "banana"}),
    case(428, "required", "failure.if-match", ("If-Match", "If-Match"), "PUT /fhir/Patient/p", json=PATIENT),
    case(429, "throttled", "failure.throttled", ("Retry-After", "Retry-After"), "GET /fhir/Patient/p"),
]  # fmt: skip
SCOPES = ["system/Patient.cruds", "system/AuditEvent.cruds", "system/Observation.cu?category=laboratory"]
Call = Callable[[Case], Awaitable[httpx.Response]]


@pytest.fixture
def call(world: World, tenant: Tenant, app: Any, client_for: Any) -> Call:
    """Makes the call of a case, with what it needs: records, a policy, a limit that is reached."""

    async def made(given: Case) -> httpx.Response:
        everything, narrow = await client_for(tenant), await client_for(tenant, SCOPES)
        for identity in ("p", "p2", "gone"):
            await everything.put(f"/fhir/Patient/{identity}", json={**PATIENT, "id": identity})
        await everything.delete("/fhir/Patient/gone")
        settings = {428: '{"fhir": {"if_match": "required"}}', 429: '{"limits": {"requests_per_minute": 1}}'}.get(
            given.status
        )
        if settings:
            await world.database.global_rows("UPDATE tenant SET settings = $2 WHERE id = $1", tenant.id, settings)
            app.state.ponte.verifier.forget(narrow.headers["authorization"].removeprefix("Bearer "))
            app.state.ponte.limits = Limits("", lambda: 1_800_000_000.0)
        if given.status == 429:
            await narrow.get("/fhir/Patient/p")
        return await narrow.request(given.method, given.path, **given.given)

    return made


@pytest.mark.parametrize("given", CASES, ids=lambda c: f"{c.status} {c.problem}")
async def test_an_error_says_what_to_do(call: Call, given: Case) -> None:
    answer = await call(given)
    assert answer.status_code == given.status, answer.text
    assert answer.headers["content-type"].startswith("application/fhir+json")
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome" and validate(outcome) == []
    issue = outcome["issue"][0]
    assert issue["severity"] == "error" and issue["code"] == given.issue, issue
    assert issue["details"]["coding"][0]["code"].startswith(given.problem), issue
    portuguese, english = issue["details"]["text"], issue["diagnostics"]
    assert given.remedy[0] in portuguese and given.remedy[1] in english, issue
    assert portuguese != english and portuguese.count(".") >= 2 and english.count(".") >= 2, (
        "what is wrong, then what to do"
    )
    assert "{" not in portuguese + english, "every place of the text is filled"
    if given.status in (401, 429):
        assert answer.headers["www-authenticate" if given.status == 401 else "retry-after"]
