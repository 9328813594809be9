"""SMART Backend Services: a client proves itself by a signed assertion; what breaks a rule is refused and named."""

from __future__ import annotations

import asyncio
import dataclasses
import http.server
import json
import threading
import uuid
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI

from api.http.app import create_app
from hub.exchange.door.keep import Keeper
from hub.guard import keys, registration
from hub.guard.clients import Registration
from hub.guard.registration import Proof
from hub.world import Tenant, World

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPES = ("system/*.cruds",)


@cache
def pair(kind: str) -> Any:
    if kind == "RS":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP384R1() if kind == "ES384" else ec.SECP256R1())


def jwk(kind: str, kid: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if kind == "RS" else jwt.algorithms.ECAlgorithm
    return {**json.loads(algorithm.to_jwk(pair(kind).public_key())), "kid": kid}


KEYS = {"keys": [jwk("RS", "rsa-1"), jwk("ES384", "ec-1"), jwk("ES256", "ec-256")]}


@pytest_asyncio.fixture
async def client_id(world: World, tenant: Tenant) -> str:
    wanted = Registration(scopes=SCOPES)
    identity, secret = await registration.register(world, tenant, "lab", wanted, Proof(jwks=KEYS), actor="test")
    assert secret == ""
    return identity


def assertion(world: World, client_id: str, *, kid: str = "ec-1", header: Any = None, **changed: Any) -> str:
    now = int(world.now().timestamp())
    algorithm = changed.pop("algorithm", {"rsa-1": "RS384", "ec-1": "ES384", "ec-256": "ES256"}.get(kid, "ES384"))
    key = changed.pop("key", pair({"RS": "RS", "ES": algorithm}[algorithm[:2]]))
    stated = {
        "iss": client_id, "sub": client_id, "aud": f"{world.settings.base_url}/oauth/token", "iat": now,
        "exp": now + 240, "jti": uuid.uuid4().hex, **changed,
    }  # fmt: skip
    return jwt.encode(
        {k: v for k, v in stated.items() if v is not None}, key, algorithm, {"kid": kid, **(header or {})}
    )


async def ask(fhir: httpx.AsyncClient, proof: str, **more: str) -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_assertion_type": TYPE, "client_assertion": proof, **more}
    return await fhir.post("/oauth/token", data=form)


@pytest.mark.parametrize("kid", ["rsa-1", "ec-1"])
async def test_a_token_by_assertion(world: World, client_id: str, fhir: httpx.AsyncClient, kid: str) -> None:
    answer = await ask(fhir, assertion(world, client_id, kid=kid), scope="system/Patient.rs")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["token_type"] == "Bearer" and found["scope"] == "system/Patient.rs" and found["expires_in"] <= 3600
    bearer = {"authorization": f"Bearer {found['access_token']}"}
    assert (await fhir.get("/fhir/Patient", headers=bearer)).status_code == 200
    assert (await fhir.post("/fhir/Patient", json={"resourceType": "Patient"}, headers=bearer)).status_code == 403


def wrong(world: World, client_id: str) -> dict[str, tuple[str, str]]:
    """Name of the fault: the assertion, and a word of what is answered."""
    now = int(world.now().timestamp())
    stranger = ec.generate_private_key(ec.SECP384R1())
    token_url = f"{world.settings.base_url}/oauth/token"

    def made(**changed: Any) -> str:
        return assertion(world, client_id, **changed)

    good = made()
    return {
        "aud of another": (made(aud="https://elsewhere.example/token"), "aud"),
        "aud is the base": (made(aud=f"{world.settings.base_url}/fhir"), "aud"),
        "aud like ours": (made(aud=token_url + "/"), "aud"),
        "no aud": (made(aud=None), "aud"),
        "iss of another": (made(iss="x.y"), "iss and sub"),
        "sub of another": (made(sub="x.y"), "iss and sub"),
        "expired": (made(exp=now - 31), "expired"),
        "lives too long": (made(exp=now + 400), "five minutes"),
        "no exp": (made(exp=None), "exp"),
        "exp text": (made(exp="soon"), "signature"),
        "exp huge": (made(exp=10**30), "exp"),
        "not yet": (made(nbf=now + 100), "clock"),
        "made in the future": (made(iat=now + 100), "clock"),
        "no jti": (made(jti=None), "jti"),
        "jti a list": (made(jti=["x"]), "signature"),
        "stranger's key": (made(key=stranger), "signature"),
        "unknown kid": (made(kid="nobody"), "keys"),
        "no kid": (jwt.encode(jwt.decode(good, options={"verify_signature": False}), pair("ES384"), "ES384"), "keys"),
        "kid of the other kind": (made(kid="rsa-1", algorithm="ES384"), "keys"),
        "curve of the other algorithm": (made(kid="ec-256", algorithm="ES384"), "keys"),
        "algorithm not offered": (made(kid="ec-256"), "algorithm"),
        "RS256 not offered": (made(kid="rsa-1", algorithm="RS256"), "algorithm"),
        "none": (jwt.encode({"iss": client_id, "sub": client_id}, "", "none"), "algorithm"),
        "hmac": (jwt.encode({"iss": client_id, "sub": client_id}, "x" * 64, "HS256", {"kid": "ec-1"}), "algorithm"),
        "crit": (made(header={"crit": ["x"], "x": 1}), "JWT"),
        "typ": (made(header={"typ": "at+jwt"}), "JWT"),
        "jku of the sender": (made(header={"jku": "https://evil.example/jwks"}), "keys"),
        "unknown client": (assertion(world, f"{client_id}x"), "unknown"),
        "unknown tenant": (assertion(world, "nowhere.lab"), "unknown"),
        "nul": (assertion(world, "a\0b.lab"), "iss and sub"),
        "cut": (good[:-4], "signature"),
        "text": ("abc", "JWT"),
        "long": ("a" * 9000, "JWT"),
        "empty": ("", "JWT"),
    }  # fmt: skip


async def test_wrong_assertions(world: World, tenant: Tenant, client_id: str, fhir: httpx.AsyncClient) -> None:
    for name, (proof, word) in wrong(world, client_id).items():
        answer = await ask(fhir, proof)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), (name, answer.text)
        assert word in answer.json()["error_description"] or word == "signature", (name, answer.text)
        assert "access_token" not in answer.text and answer.headers["cache-control"] == "no-store"
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT outcome FROM audit_event WHERE tenant_id = $1 AND action = 'login'")
    assert len(rows) > 20 and {row["outcome"] for row in rows} == {"failure"}


async def test_clocks_may_differ_a_little(world: World, client_id: str, fhir: httpx.AsyncClient) -> None:
    now = int(world.now().timestamp())
    for changed in ({"exp": now - 20}, {"iat": now + 20, "exp": now + 320}, {"nbf": now + 20}):
        assert (await ask(fhir, assertion(world, client_id, **changed))).status_code == 200, changed


async def test_an_assertion_is_good_once(world: World, client_id: str, fhir: httpx.AsyncClient) -> None:
    proof = assertion(world, client_id)
    answers = await asyncio.gather(*(ask(fhir, proof) for _ in range(8)))
    assert sorted(a.status_code for a in answers) == [200] + [401] * 7
    assert "jti" in next(a for a in answers if a.status_code == 401).json()["error_description"]
    another = create_app(world, Keeper(world.database))  # a second process, or this one after a restart
    async with httpx.AsyncClient(transport=httpx.ASGITransport(another), base_url="http://hub") as there:
        assert (await ask(there, proof)).status_code == 401
    same_jti = jwt.decode(proof, options={"verify_signature": False})["jti"]
    assert (await ask(fhir, assertion(world, client_id, jti=same_jti))).status_code == 401


async def test_one_way_of_proof_only(world: World, client_id: str, fhir: httpx.AsyncClient) -> None:
    assert (await ask(fhir, assertion(world, client_id), client_secret="x")).json()["error"] == "invalid_request"
    assert (await ask(fhir, assertion(world, client_id), client_assertion_type="x")).status_code == 400
    assert (await ask(fhir, assertion(world, client_id), client_id="other")).status_code == 401
    assert (await ask(fhir, assertion(world, client_id), client_id=client_id)).status_code == 200
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": ""}
    assert (await fhir.post("/oauth/token", data=form)).status_code == 401


async def test_the_tenant_decides_on_algorithms(
    world: World, tenant: Tenant, client_id: str, fhir: httpx.AsyncClient
) -> None:
    settings = json.dumps({**tenant.settings, "oauth": {"algorithms": ["RS256", "ES256", "HS256", "none"]}})
    await world.database.global_rows("UPDATE tenant SET settings = $2 WHERE id = $1", tenant.id, settings)
    assert (await ask(fhir, assertion(world, client_id, kid="ec-256"))).status_code == 200
    assert (await ask(fhir, assertion(world, client_id, kid="rsa-1", algorithm="RS256"))).status_code == 200
    assert (await ask(fhir, assertion(world, client_id))).status_code == 401
    await asyncio.sleep(0.6)  # what is known of the tenant behind a token is asked again
    own = (await fhir.get("/fhir/.well-known/smart-configuration")).json()
    assert own["token_endpoint_auth_signing_alg_values_supported"] == ["RS256", "ES256"]


class _Keys(http.server.BaseHTTPRequestHandler):
    document = b"{}"
    status = 200
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(self.status)
        if self.status == 302:
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", str(len(self.document)))
        self.end_headers()
        self.wfile.write(self.document)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def published() -> Iterator[tuple[type[_Keys], str]]:
    handler = type("Handler", (_Keys,), {"document": json.dumps({"keys": [jwk("ES384", "first")]}).encode()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}/jwks.json"
    server.shutdown()
    server.server_close()


async def test_published_keys_rotate_without_a_ticket(
    world: World, tenant: Tenant, published: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, url = published
    allowed = dataclasses.replace(world, settings=dataclasses.replace(world.settings, allow_private_targets=True))
    app: FastAPI = create_app(allowed, Keeper(world.database))
    wanted, proof = Registration(scopes=SCOPES), Proof(jwks_url=url)
    client_id, _ = await registration.register(allowed, tenant, "app", wanted, proof, actor="test")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub") as hub:
        for _ in range(3):
            good = await ask(hub, assertion(world, client_id, kid="first", header={"jku": url}))
            assert good.status_code == 200, good.text
        assert handler.asked == 1
        handler.document = json.dumps({"keys": [jwk("RS", "second")]}).encode()
        late = assertion(world, client_id, kid="second", algorithm="RS384")
        for _ in range(20):  # an unknown key does not make us a tool against the partner
            assert (await ask(hub, late)).status_code == 401
        assert handler.asked == 1
        monkeypatch.setattr(keys, "AGAIN_SECONDS", 0.0)
        assert (await ask(hub, late)).status_code == 200
        assert (await ask(hub, assertion(world, client_id, kid="first"))).status_code == 401
        for status, document in (
            (302, b""),
            (500, b"{}"),
            (200, b"x" * 300_000),
            (200, b"[]"),
            (200, b'{"keys":[{}]}'),
        ):
            handler.status, handler.document = status, document
            assert (await ask(hub, assertion(world, client_id, kid="other"))).status_code == 401


async def test_a_partner_that_is_down_keeps_its_last_keys(
    published: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = published
    found = keys.Published()
    assert await found.key(url, "first", allow_private=True) is not None
    monkeypatch.setattr(keys, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(keys, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(keys.documents, "SECONDS", 0.5)

    async def down(*_: Any, **__: Any) -> bytes:
        raise keys.TryLater("down")

    monkeypatch.setattr(keys.documents, "fetch", down)
    assert await found.key(url, "first", allow_private=True) is not None
    monkeypatch.setattr(keys, "KEPT_SECONDS", 0.0)
    assert await found.key(url, "first", allow_private=True) is None


async def test_private_addresses_are_not_asked(
    world: World, tenant: Tenant, fhir: httpx.AsyncClient, published: tuple[Any, str]
) -> None:
    handler, url = published
    secure = url.replace("http:", "https:")
    wanted, proof = Registration(scopes=SCOPES), Proof(jwks_url=secure)
    client_id, _ = await registration.register(world, tenant, "inside", wanted, proof, actor="test")
    assert (await ask(fhir, assertion(world, client_id, kid="first"))).status_code == 401
    assert handler.asked == 0


async def test_a_patient_in_the_token(world: World, client_id: str, fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p1", json={"resourceType": "Patient", "id": "p1"})
    await fhir.put("/fhir/Patient/p2", json={"resourceType": "Patient", "id": "p2"})
    scope = "launch/patient patient/*.rs"
    answer = await ask(fhir, assertion(world, client_id), scope=scope)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert (await ask(fhir, assertion(world, client_id), scope=scope, patient="a b")).status_code == 400
    found = (await ask(fhir, assertion(world, client_id), scope=scope, patient="p1")).json()
    assert found["patient"] == "p1" and found["scope"] == scope
    bearer = {"authorization": f"Bearer {found['access_token']}"}
    assert (await fhir.get("/fhir/Patient/p1", headers=bearer)).status_code == 200
    assert (await fhir.get("/fhir/Patient/p2", headers=bearer)).status_code == 404
