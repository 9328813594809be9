"""Accounts by API and by command: who may give what, and that passwords are shown once."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from api.cli.main import main
from hub.seed import demo_tenant
from hub.settings import Settings
from hub.users import accounts
from hub.world import Tenant, World, opened

pytestmark = pytest.mark.usefixtures("light_hashes")
NEW = {"login": "ana", "name": "Ana Teste", "roles": ["billing"]}


async def test_by_api(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: Callable[..., Awaitable[httpx.AsyncClient]]
) -> None:
    admin, some = await client_for(tenant, ["admin/*"]), await client_for(tenant, ["users/write", "console/read"])
    looks, nobody = await client_for(tenant, ["users/read"]), await client_for(tenant, ["system/*.*"])
    theirs = await client_for(other_tenant, ["admin/*"])
    made = await admin.post("/api/v1/users", json=NEW)
    assert made.status_code == 201 and made.headers["cache-control"] == "no-store"
    first = made.json()["first_password"]
    assert (await admin.post("/api/v1/users", json=NEW)).status_code == 409
    listed = await looks.get("/api/v1/users")
    assert [one["login"] for one in listed.json()["users"]] == ["ana"] and first not in listed.text
    assert "password_hash" not in listed.text and "argon2" not in listed.text
    for client, status in ((nobody, 403), (looks, 403), (some, 403)):  # some holds no tiss/*: it gives no billing
        assert (await client.post("/api/v1/users", json={**NEW, "login": "bia"})).status_code == status
        assert (await client.post("/api/v1/users/ana/reset", json={})).status_code == 403
    assert (await some.post("/api/v1/users", json={**NEW, "login": "bia", "roles": ["viewer"]})).status_code == 201
    assert (await some.patch("/api/v1/users/bia", json={"roles": ["administrator"]})).status_code == 403
    assert (await theirs.get("/api/v1/users/ana")).status_code == 404
    assert (await theirs.delete("/api/v1/users/ana")).status_code == 404
    for odd in ("%00", "a%00b", "%ff", "a" * 300, "%C3%A1"):
        assert (await admin.get(f"/api/v1/users/{odd}")).status_code == 404, odd
        assert (await admin.post(f"/api/v1/users/{odd}/reset", json={})).status_code == 404, odd
    changed = await admin.patch("/api/v1/users/ana", json={"name": "Ana Lima", "roles": ["viewer"], "active": False})
    assert changed.json()["name"] == "Ana Lima" and changed.json()["active"] is False
    assert (await admin.patch("/api/v1/users/ana", json={"active": True})).json()["active"] is True
    assert (await admin.post("/api/v1/users/ana/reset", json={})).json()["first_password"] != first
    assert (await admin.delete("/api/v1/users/ana")).json()["active"] is False
    for wrong in (
        {**NEW, "login": "A b"},
        {**NEW, "login": "carla", "roles": []},
        {**NEW, "login": "carla", "name": ""},
    ):
        assert (await admin.post("/api/v1/users", json=wrong)).status_code == 422
    rules = {"second_factor": True, "idle_minutes": 10, "hours": 8}
    assert (await admin.put("/api/v1/sign-in", json=rules)).json() == rules
    assert (await admin.put("/api/v1/sign-in", json={**rules, "hours": 13})).status_code == 400
    assert (await looks.put("/api/v1/sign-in", json=rules)).status_code == 403
    service = {"title": "Entra", "issuer": "https://login.example", "client_id": "p", "roles": {"ti": "operator"}}
    assert (await admin.get("/api/v1/sign-in/oidc")).json() == {}
    kept = await admin.put("/api/v1/sign-in/oidc", json=service)
    assert kept.status_code == 200 and kept.json()["redirect_uri"].endswith("/console/login/oidc/back")
    assert (await some.put("/api/v1/sign-in/oidc", json=service)).status_code == 403, "groups mean any role"
    assert (await admin.put("/api/v1/sign-in/oidc", json={**service, "roles": {"ti": "king"}})).status_code == 422
    assert (await looks.get("/api/v1/sign-in/oidc")).json()["issuer"] == "https://login.example"
    found = (await (await client_for(tenant, ["users/read"])).get("/api/v1/sign-in")).json()
    assert found["idle_minutes"] == 10, "one does not undo the other"
    assert (await admin.delete("/api/v1/sign-in/oidc")).status_code == 204
    assert (await looks.get("/api/v1/sign-in/oidc")).json() == {}
    found = (await (await client_for(tenant, ["users/read"])).get("/api/v1/sign-in")).json()
    assert found["idle_minutes"] == 10 and found["roles"]["viewer"] == ["console/read"]


async def _house(settings: Settings) -> str:
    async with opened(settings, size=1) as world:
        return (await demo_tenant(world, f"t{uuid.uuid4().hex[:12]}")).slug


def test_by_command(
    cluster: tuple[Settings, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slug = asyncio.run(_house(cluster[0]))
    monkeypatch.setenv("PONTE_DATABASE_URL", cluster[0].database_url)

    def ponte(*words: str, code: int = 0) -> list[dict[str, Any]]:
        data = ["--data", str(cluster[0].data), "--tenant", slug]
        assert main(["user", *words, *data, "--json"]) == code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    (one,) = ponte("add", "Rui.Teles", "--name", "Rui Teles", "--role", "operator,auditor")
    assert one["login"] == "rui.teles" and one["roles"] == ["operator", "auditor"] and one["must_change"]
    assert len(one["first_password"]) == 19
    assert ponte("add", "rui.teles", "--name", "Rui", "--role", "viewer", code=1) == []
    assert ponte("change", "rui.teles", "--role", "viewer")[0]["roles"] == ["viewer"]
    (reset,) = ponte("reset", "rui.teles", "--second-factor")
    assert reset["first_password"] != one["first_password"]
    assert ponte("close", "rui.teles")[0]["active"] is False
    assert ponte("open", "rui.teles")[0]["active"] is True
    assert "first_password" not in ponte("list")[0]
    assert ponte("rules", "--second-factor", "demanded", "--idle", "15") == [
        {"second_factor": True, "idle_minutes": 15, "hours": 12}
    ]
    assert ponte("rules", "--idle", "90", code=1) == []
    assert accounts.ACTOR == "user:"
