"""Tokens: what is refused and why, scopes, clients, revocation, and that all of it holds within a second."""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import time
import uuid
from functools import cache
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI

from hub.guard import clients, scopes, secrets, tokens
from hub.world import Tenant, World

PATIENT = {"resourceType": "Patient"}


async def signing_key(world: World) -> tuple[str, Any]:
    kid = await tokens.ensure_key(world)
    rows = await world.database.global_rows("SELECT sealed FROM signing_key WHERE kid = $1", kid)
    sealed = secrets.unseal(world.settings, bytes(rows[0]["sealed"]), "signing_key")
    return kid, serialization.load_der_private_key(sealed, password=None)


@cache
def strangers_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def claims(world: World, owner: Tenant, **changed: Any) -> dict[str, Any]:
    now = int(world.now().timestamp())
    stated = {
        "iss": "ponte", "aud": "ponte", "sub": "test", "tenant": owner.slug, "tid": str(owner.id), "roles": [],
        "scope": "system/*.*", "jti": uuid.uuid4().hex, "iat": now, "exp": now + 60,
    }  # fmt: skip
    return {k: v for k, v in {**stated, **changed}.items() if v is not None}


async def forged(world: World, tenant: Tenant, kind: str) -> str:
    kid, key = await signing_key(world)
    good, header = claims(world, tenant), {"kid": kid, "typ": "at+jwt"}
    now = good["iat"]
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    stranger = strangers_key()

    def signed(payload: dict[str, Any] = good, headers: dict[str, Any] = header, with_key: Any = key) -> str:
        return jwt.encode(payload, with_key, algorithm="RS256", headers=headers)

    def unsigned(algorithm: str) -> str:
        parts = [{"alg": algorithm, **header}, good]
        return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."

    def hmac_with_public_key() -> str:
        import hashlib
        import hmac

        body = unsigned("HS256").rstrip(".")
        digest = hmac.new(public, body.encode(), hashlib.sha256).digest()
        return body + "." + base64.urlsafe_b64encode(digest).decode().rstrip("=")

    makers = {
        "none": lambda: unsigned("none"),
        "None": lambda: unsigned("NonE"),
        "hs256 with the public key": hmac_with_public_key,
        "stranger's key": lambda: signed(with_key=stranger),
        "kid path": lambda: signed(headers={**header, "kid": "../../../dev/null"}),
        "kid nul": lambda: signed(headers={**header, "kid": "\0"}),
        "no kid": lambda: signed(headers={"typ": "at+jwt"}),
        "jwk in header": lambda: signed(headers={**header, "kid": "x", "jwk": {"kty": "RSA"}}, with_key=stranger),
        "crit": lambda: signed(headers={**header, "crit": ["x"], "x": 1}),
        "typ": lambda: signed(headers={"kid": kid, "typ": "JWT"}),
        "aud": lambda: signed(claims(world, tenant, aud="other")),
        "iss": lambda: signed(claims(world, tenant, iss="other")),
        "expired": lambda: signed(claims(world, tenant, exp=now - 1)),
        "expires now": lambda: signed(claims(world, tenant, exp=now)),
        "not yet": lambda: signed(claims(world, tenant, nbf=now + 600)),
        "no exp": lambda: signed(claims(world, tenant, exp=None)),
        "exp text": lambda: signed(claims(world, tenant, exp="soon")),
        "exp huge": lambda: signed(claims(world, tenant, exp=10**30)),
        "no tenant": lambda: signed(claims(world, tenant, tenant=None)),
        "tid no uuid": lambda: signed(claims(world, tenant, tid="x")),
        "tid of nobody": lambda: signed(claims(world, tenant, tid=str(uuid.uuid4()))),
        "slug of another": lambda: signed(claims(world, tenant, tenant="demo-other")),
        "roles number": lambda: signed(claims(world, tenant, roles=5)),
        "cut": lambda: signed()[:-3],
        "altered": lambda: signed().replace(".", ".e", 1),
        "text": lambda: "abc",
        "dots": lambda: "..",
        "long": lambda: "a" * 20_000,
        "latin": lambda: "\xe7.\xe7.\xe7",
        "empty": lambda: "",
    }
    return makers[kind]()


KINDS = [
    "none", "None", "hs256 with the public key", "stranger's key", "kid path", "kid nul", "no kid", "jwk in header", "crit", "typ",
    "aud", "iss", "expired", "expires now", "not yet", "no exp", "exp text", "exp huge", "no tenant", "tid no uuid", "tid of nobody",
    "slug of another", "roles number", "cut", "altered", "text", "dots", "long", "latin", "empty",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_forged_tokens(world: World, tenant: Tenant, fhir: httpx.AsyncClient, kind: str) -> None:
    token = await forged(world, tenant, kind)
    answer = await fhir.get("/fhir/Patient/x", headers={"authorization": b"Bearer " + token.encode("latin-1")})
    assert answer.status_code == 401, answer.text
    assert answer.json()["issue"][0]["code"] == "login"
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_good_one_made_the_same_way(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    kid, key = await signing_key(world)
    token = jwt.encode(claims(world, tenant), key, algorithm="RS256", headers={"kid": kid, "typ": "at+jwt"})
    assert (await fhir.get("/fhir/Patient/x", headers={"authorization": f"bearer {token}"})).status_code == 404


GRANTS: list[tuple[str, str, str, bool]] = [
    ("system/*.*", "Patient", "cruds", True), ("system/*.*", "Observation", "d", True),
    ("system/Patient.read", "Patient", "rs", True), ("system/Patient.read", "Patient", "c", False),
    ("system/Patient.read", "Observation", "r", False), ("user/*.write", "Patient", "cud", True),
    ("user/*.write", "Patient", "r", False), ("system/Patient.rs", "Patient", "rs", True),
    ("system/Patient.r", "Patient", "s", False), ("system/*.cruds", "Patient", "cruds", True),
    ("system/Patient.sr", "Patient", "r", False), ("system/Patient.", "Patient", "r", False),
    ("patient/Patient.read", "Patient", "r", False), ("system/Patient.rs?status=active", "Patient", "r", False),
    ("admin/*", "Patient", "r", False),
]  # fmt: skip


@pytest.mark.parametrize(("scope", "type_name", "actions", "expected"), GRANTS)
def test_scopes(scope: str, type_name: str, actions: str, expected: bool) -> None:
    for action in actions:
        assert scopes.permits(frozenset((scope,)), type_name, action) is expected


def test_covering() -> None:
    assert scopes.covers(["system/*.read"], "system/Patient.rs")
    assert scopes.covers(["system/*.read", "system/*.write"], "system/Patient.cruds")
    assert not scopes.covers(["system/*.read"], "system/Patient.cruds")
    assert not scopes.covers(["user/*.read"], "system/Patient.r")
    assert scopes.covers(["hl7/write"], "hl7/write") and not scopes.covers(["system/*.*"], "hl7/write")


async def test_scopes_are_enforced_and_named(client_for: Any, tenant: Tenant) -> None:
    reader = await client_for(tenant, ["system/Patient.read", "system/Observation.cud"])
    refused = {
        "system/Patient.c": reader.post("/fhir/Patient", json=PATIENT),
        "system/Patient.u": reader.put("/fhir/Patient/a", json={**PATIENT, "id": "a"}),
        "system/Patient.d": reader.delete("/fhir/Patient/a"),
        "system/Observation.r": reader.get("/fhir/Observation/a"),
        "system/Observation.s": reader.get("/fhir/Observation"),
        "system/Encounter.s": reader.post("/fhir/Encounter/_search", data={"status": "planned"}),
        "system/Encounter.r": reader.get("/fhir/Encounter/a/_history"),
        "system/Encounter.d": reader.delete("/fhir/Encounter?status=planned"),
    }
    for scope, request in refused.items():
        answer = await request
        assert answer.status_code == 403 and scope in answer.json()["issue"][0]["diagnostics"], scope
    entry = {"request": {"method": "POST", "url": "Patient"}, "resource": PATIENT}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert (await reader.post("/fhir", json=bundle)).status_code == 403
    batch = await reader.post("/fhir", json={**bundle, "type": "batch"})
    assert batch.json()["entry"][0]["response"]["status"] == "403"
    assert (await reader.get("/fhir/Patient")).status_code == 200


async def test_includes_respect_scopes(client_for: Any, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json={**PATIENT, "id": "p"})
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/p"},
    }
    await fhir.post("/fhir/Observation", json=observation)
    narrow = await client_for(tenant, ["system/Observation.rs"])
    assert len((await narrow.get("/fhir/Observation?_include=Observation:subject")).json()["entry"]) == 1
    assert len((await fhir.get("/fhir/Observation?_include=Observation:subject")).json()["entry"]) == 2


async def test_client_credentials(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    identity, secret = await clients.create(world, tenant, "lab", scopes=["system/*.read", "hl7/write"])
    form = {"grant_type": "client_credentials", "client_id": identity, "client_secret": secret}
    issued = await fhir.post("/oauth/token", data=form)
    assert issued.status_code == 200 and issued.headers["cache-control"] == "no-store"
    assert issued.json()["token_type"] == "Bearer" and issued.json()["expires_in"] == 900
    bearer = {"authorization": f"Bearer {issued.json()['access_token']}"}
    assert (await fhir.get("/fhir/Patient", headers=bearer)).status_code == 200
    assert (await fhir.post("/fhir/Patient", json=PATIENT, headers=bearer)).status_code == 403
    basic = base64.b64encode(f"{identity}:{secret}".encode()).decode()
    narrow = await fhir.post(
        "/oauth/token",
        data={"grant_type": "client_credentials", "scope": "system/Patient.r"},
        headers={"authorization": f"Basic {basic}"},
    )
    assert narrow.json()["scope"] == "system/Patient.r"
    for changed, error, status in (
        ({"client_secret": "wrong"}, "invalid_client", 401),
        ({"client_id": f"{tenant.slug}.nobody"}, "invalid_client", 401),
        ({"client_id": "nowhere.lab"}, "invalid_client", 401),
        ({"client_id": ""}, "invalid_client", 401),
        ({"grant_type": "password"}, "unsupported_grant_type", 400),
        ({"scope": "system/*.write"}, "invalid_scope", 400),
        ({"scope": "system/*.read admin/*"}, "invalid_scope", 400),
        ({"client_id": "a\0b"}, "invalid_request", 400),
    ):
        answer = await fhir.post("/oauth/token", data={**form, **changed})
        assert (answer.status_code, answer.json()["error"]) == (status, error), changed
    assert (await fhir.post("/oauth/token", json=form)).status_code == 415
    assert (
        await fhir.post(
            "/oauth/token",
            content=b"grant_type=a&grant_type=b",
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
    ).status_code == 400


async def test_secrets_are_hashed(world: World, tenant: Tenant) -> None:
    identity, secret = await clients.create(world, tenant, "kept", scopes=[])
    async with world.transaction(tenant) as tx:
        stored = await tx.value("SELECT secret_hash FROM client WHERE tenant_id = $1 AND client_id = $2", identity)
    assert stored.startswith("$argon2id$") and secret not in stored


def test_a_secret_is_slow_to_guess() -> None:
    """The parameters of RFC 9106 (section 4) for little memory, or more: a thief of the hashes tries few a second."""
    kind, version, costs, *_ = clients.hash_of("a secret").lstrip("$").split("$")
    cost = {name: int(value) for name, value in (part.split("=") for part in costs.split(","))}
    assert (kind, version) == ("argon2id", "v=19")
    assert cost["m"] >= 65536 and cost["t"] >= 3 and cost["p"] >= 1


async def test_signing_does_not_prove_the_key_again(world: World, tenant: Tenant) -> None:
    """Proving a sealed key's primes anew would hold every other caller up for 50 ms and more at each token."""
    await tokens.issue(world, tenant, "test", roles=[], scopes=[])
    began = time.process_time()
    for _ in range(30):
        await tokens.issue(world, tenant, "test", roles=[], scopes=[])
    assert time.process_time() - began < 30 * 0.03


async def test_revocation_and_disabling(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    identity, secret = await clients.create(world, tenant, "brief", scopes=["system/*.read"])
    form = {"grant_type": "client_credentials", "client_id": identity, "client_secret": secret}
    first, second = [(await fhir.post("/oauth/token", data=form)).json()["access_token"] for _ in range(2)]

    async def status(token: str) -> int:
        return (await fhir.get("/fhir/Patient", headers={"authorization": f"Bearer {token}"})).status_code

    assert [await status(first), await status(second)] == [200, 200]
    proof = {"client_id": identity, "client_secret": secret}
    assert (await fhir.post("/oauth/revoke", data={**proof, "token": first})).status_code == 200
    assert [await status(first), await status(second)] == [401, 200]
    assert (await fhir.post("/oauth/revoke", data={**proof, "token": "nonsense"})).status_code == 200
    assert (await fhir.post("/oauth/revoke", data={"token": second})).status_code == 401
    assert await status(second) == 200
    await clients.disable(world, tenant, identity)
    await asyncio.sleep(tokens.RECHECK + 0.1)
    assert await status(second) == 401
    assert (await fhir.post("/oauth/token", data=form)).status_code == 401


async def test_introspection(world: World, tenant: Tenant, other_tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    """RFC 7662, as the US Core server's suite asks: a token is told to clients of its own tenant, and while it is valid."""
    proofs, held = {}, {}
    for owner in (tenant, other_tenant):
        identity, secret = await clients.create(world, owner, "reader", scopes=["patient/*.rs", "system/Patient.r"])
        proofs[owner.slug] = {"client_id": identity, "client_secret": secret}
        form = {"grant_type": "client_credentials", "patient": "p1", **proofs[owner.slug]}
        held[owner.slug] = (await fhir.post("/oauth/token", data=form)).json()["access_token"]

    async def told(owner: Tenant, token: str) -> Any:
        answer = await fhir.post(
            "/oauth/introspect", data={**proofs[owner.slug], "token": token, "token_type_hint": "x"}
        )
        assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
        return answer.json()

    found = await told(tenant, held[tenant.slug])
    assert found["active"] is True and found["client_id"] == found["sub"] == proofs[tenant.slug]["client_id"]
    assert (found["scope"], found["patient"]) == ("patient/*.rs system/Patient.r", "p1")
    assert isinstance(found["exp"], int) and found["exp"] > world.now().timestamp()
    silent = {"active": False}
    assert await told(other_tenant, held[tenant.slug]) == await told(tenant, held[other_tenant.slug]) == silent
    assert await told(tenant, "nonsense") == silent
    await fhir.post("/oauth/revoke", data={**proofs[tenant.slug], "token": held[tenant.slug]})
    assert await told(tenant, held[tenant.slug]) == silent
    assert (await told(other_tenant, held[other_tenant.slug]))["active"] is True
    refused = {401: {"token": held[tenant.slug]}, 400: proofs[tenant.slug]}
    assert [(await fhir.post("/oauth/introspect", data=form)).status_code for form in refused.values()] == [*refused]


async def test_inactive_tenant(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    assert (await fhir.get("/fhir/Patient")).status_code == 200
    await world.database.global_rows("UPDATE tenant SET active = false WHERE id = $1", tenant.id)
    await asyncio.sleep(tokens.RECHECK + 0.1)
    assert (await fhir.get("/fhir/Patient")).status_code == 401


async def test_expiry_ends_a_remembered_token(world: World, tenant: Tenant, fhir: httpx.AsyncClient) -> None:
    token = await tokens.issue(
        world, tenant, "x", roles=[], scopes=["system/*.*"], lifetime=datetime.timedelta(seconds=60)
    )
    start = world.now()  # after the token, which a busy machine may take a second to make: its end cannot lie later
    headers = {"authorization": f"Bearer {token}"}
    assert (await fhir.get("/fhir/Patient", headers=headers)).status_code == 200
    world.now = lambda: start + datetime.timedelta(seconds=61)
    assert (await fhir.get("/fhir/Patient", headers=headers)).status_code == 401


async def test_reads_are_audited(world: World, tenant: Tenant, app: FastAPI, fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/seen", json={**PATIENT, "id": "seen"})
    await fhir.get("/fhir/Patient/seen")
    await fhir.get("/fhir/Patient?family=Secret&gender=male")
    await app.state.ponte.reading.flush()
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT actor, action, entity FROM audit_event WHERE tenant_id = $1 ORDER BY seq")
    assert [(r["action"], r["entity"]) for r in rows][-2:] == [
        ("read", "Patient/seen"),
        ("search", "Patient?family&gender"),
    ]
