"""Clients of a tenant: registered, listed, rotated, narrowed and revoked by its administrator, each told to the audit."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.cli.main import main
from hub.guard import clients, tokens
from hub.world import Tenant, World
from tests.api.access.test_backend_services import KEYS, ask, assertion, jwk, pair

PATH = "/api/v1/clients"
BODY: dict[str, Any] = {"name": "lab", "scopes": ["system/Patient.rs"], "secret": True}


async def token_of(fhir: httpx.AsyncClient, client_id: str, secret: str, scope: str = "") -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": scope}
    return await fhir.post("/oauth/token", data=form)


async def test_a_client_from_first_to_last(world: World, tenant: Tenant, client_for: Any) -> None:
    admin = await client_for(tenant, ["admin/*"])
    made = await admin.post(PATH, json=BODY)
    assert made.status_code == 201 and made.headers["cache-control"] == "no-store"
    client_id, secret = made.json()["client_id"], made.json()["client_secret"]
    assert client_id == f"{tenant.slug}.lab" and made.json()["proof"] == "secret"
    token = (await token_of(admin, client_id, secret)).json()["access_token"]
    bearer = {"authorization": f"Bearer {token}"}
    assert (await admin.get("/fhir/Patient", headers=bearer)).status_code == 200

    listed = await admin.get(PATH)
    assert [c["name"] for c in listed.json()["clients"]] == ["lab"] and secret not in listed.text
    assert (await admin.post(PATH, json=BODY)).status_code == 409

    again = await admin.put(f"{PATH}/lab/keys", json={"secret": True})
    assert (await token_of(admin, client_id, secret)).status_code == 401
    assert (await token_of(admin, client_id, again.json()["client_secret"])).status_code == 200
    keyed = await admin.put(f"{PATH}/lab/keys", json={"jwks": KEYS})
    assert keyed.json()["proof"] == "keys" and keyed.json()["key_ids"] == ["rsa-1", "ec-1", "ec-256"]
    assert (await token_of(admin, client_id, again.json()["client_secret"])).status_code == 401
    assert (await ask(admin, assertion(world, client_id))).status_code == 200

    changed = await admin.patch(
        f"{PATH}/lab", json={"scopes": ["system/Observation.rs?category=laboratory"], "rate": 600}
    )
    assert changed.json()["rate"] == 600
    assert (await ask(admin, assertion(world, client_id), scope="system/Patient.rs")).json()["error"] == "invalid_scope"
    assert (await admin.patch(f"{PATH}/lab", json={"rate": None})).json()["rate"] is None

    assert (await admin.delete(f"{PATH}/lab")).json()["active"] is False
    assert (await admin.get("/fhir/Patient", headers=bearer)).status_code == 401  # at once
    assert (await ask(admin, assertion(world, client_id))).status_code == 401
    for call in (
        admin.delete(f"{PATH}/lab"),
        admin.patch(f"{PATH}/lab", json={"rate": 1}),
        admin.put(f"{PATH}/lab/keys", json={"secret": True}),
    ):
        assert (await call).status_code == 404
    assert (await admin.post(PATH, json=BODY)).status_code == 409  # the name stays taken
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT actor, action, detail FROM audit_event WHERE tenant_id = $1 AND action LIKE 'client-%' ORDER BY seq"
        )
    told = [row["action"] for row in rows]
    assert told == [
        "client-create",
        "client-keys",
        "client-keys",
        "client-scopes",
        "client-rate",
        "client-rate",
        "client-revoke",
    ]
    assert {row["actor"] for row in rows} == {"test"} and secret not in str([dict(row) for row in rows])


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"name": "Lab"}, 400, "failure.request.value"), ({"name": "../x"}, 400, "failure.request.value"), ({"secret": False}, 422, "client.proof"),
    ({"jwks": KEYS}, 422, "client.proof"), ({"secret": False, "jwks": {"keys": []}}, 422, "client.keys"),
    ({"secret": False, "jwks": {"keys": [{**jwk("RS", "a"), "d": "AQAB"}]}}, 422, "client.private"),
    ({"secret": False, "jwks": {"keys": [jwk("RS", "a"), jwk("ES384", "a")]}}, 422, "client.keys"),
    ({"secret": False, "jwks": {"keys": [{"kty": "oct", "k": "AAAA", "kid": "a"}]}}, 422, "client.private"),
    ({"secret": False, "jwks": {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "a"}]}}, 422, "client.keys"),
    ({"secret": False, "jwks": {"keys": [{"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "a"}]}}, 422, "client.keys"),
    ({"secret": False, "jwks_url": "http://partner.example/jwks"}, 500, "transport.address"), ({"secret": False, "jwks_url": "file:///etc/passwd"}, 500, "transport.address"),
    ({"scopes": ["everything"]}, 422, "client.scope"), ({"scopes": ["system/Nothing.rs"]}, 422, "client.scope"), ({"scopes": ["system/Patient.sr"]}, 422, "client.scope"),
    ({"scopes": ["system/Patient.rs?nonsense=1"]}, 422, "client.scope-query"), ({"scopes": ["system/Patient.rs?general-practitioner.name=x"]}, 422, "client.scope-query"),
    ({"scopes": ["system/Observation.rs?code:in=http://x"]}, 422, "client.scope-query"), ({"rate": 0}, 400, "failure.request.value"), ({"surplus": 1}, 400, "failure.request.unknown"),
]  # fmt: skip


async def test_wrong_registrations(tenant: Tenant, client_for: Any) -> None:
    admin = await client_for(tenant, ["admin/*"])
    for change, status, code in WRONG:
        answer = await admin.post(PATH, json={**BODY, **change})
        expected = 422 if code == "transport.address" else status
        assert answer.status_code == expected, (change, answer.text)
        assert answer.json()["problems"][0]["code"] == code, (change, answer.text)
        assert answer.json()["title"] and answer.json()["detail"], change
    assert (await admin.get(PATH)).json()["clients"] == []


async def test_nobody_grants_more_than_they_hold(world: World, tenant: Tenant, client_for: Any) -> None:
    await clients.create(world, tenant, "chief", scopes=["admin/*"])
    some = await client_for(tenant, ["clients/write", "system/Patient.rs"])
    assert (await some.post(PATH, json=BODY)).status_code == 201
    for scope in ("system/Patient.c", "system/*.rs", "admin/*", "hl7/write"):
        assert (await some.post(PATH, json={**BODY, "name": "more", "scopes": [scope]})).status_code == 403, scope
        assert (await some.patch(f"{PATH}/lab", json={"scopes": [scope]})).status_code == 403, scope
    assert (await some.post(PATH, json={**BODY, "name": "less", "scopes": ["patient/Patient.r"]})).status_code == 201
    for call in (
        some.put(f"{PATH}/chief/keys", json={"secret": True}),
        some.delete(f"{PATH}/chief"),
        some.patch(f"{PATH}/chief", json={"rate": 1}),
    ):
        assert (await call).status_code == 403
    reader = await client_for(tenant, ["clients/read"])
    assert (await reader.get(f"{PATH}/lab")).status_code == 200 and (
        await reader.post(PATH, json=BODY)
    ).status_code == 403
    assert (await (await client_for(tenant, ["system/*.*"])).get(PATH)).status_code == 403


async def test_names_of_tenants_do_not_meet(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: Any
) -> None:
    ours, theirs = await client_for(tenant, ["admin/*"]), await client_for(other_tenant, ["admin/*"])
    assert (await ours.post(PATH, json=BODY)).status_code == 201
    assert (await theirs.post(PATH, json={**BODY, "rate": 7})).status_code == 201
    assert (await ours.delete(f"{PATH}/lab")).status_code == 200
    assert (await theirs.get(f"{PATH}/lab")).json() | {"rate": 7, "active": True} == (
        await theirs.get(f"{PATH}/lab")
    ).json()


def test_the_command(cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    from asyncio import run

    from hub.seed import demo_tenant
    from hub.world import opened

    settings = cluster[0]

    async def prepare() -> str:
        async with opened(settings, size=1) as world:
            await tokens.ensure_key(world)
            return (await demo_tenant(world, f"t{uuid.uuid4().hex[:12]}", "Hospital de Teste")).slug

    slug = run(prepare())
    monkeypatch.setenv("PONTE_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("PONTE_DATA", str(settings.data))
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(KEYS))

    def done(*given: str, code: int = 0) -> list[dict[str, Any]]:
        assert main(["client", *given, "--tenant", slug, "--json"]) == code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    made = done("create", "app", "--scope", "system/*.rs", "--secret", "--rate", "30")[0]
    assert made["client_secret"] and made["rate"] == 30
    assert done("keys", "app", "--jwks", str(file))[0]["key_ids"] == ["rsa-1", "ec-1", "ec-256"]
    assert done("scopes", "app", "--scope", "system/Patient.rs", "hl7/write")[0]["scopes"] == [
        "hl7/write",
        "system/Patient.rs",
    ]
    assert done("rate", "app", "0")[0]["rate"] is None
    assert done("revoke", "app")[0]["active"] is False
    assert [c["name"] for c in done("list")] == ["app"]
    assert done("revoke", "app", code=1) == [] and done("create", "x", "--scope", "nonsense", "--secret", code=1) == []
    file.write_text("{")
    assert done("create", "y", "--scope", "hl7/write", "--jwks", str(file), code=2) == []
    assert pair("RS").key_size == 2048
    assert main(["client", "list", "--tenant", slug]) == 0
    assert "REVOKED" in capsys.readouterr().out
