"""/api/v1/partners and `ponte partner`: a hospital connects its payers and laboratories by itself."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import tomllib
import uuid
from pathlib import Path
from typing import Any

import peers
import pytest

from adapters.transports import Means
from adapters.transports.drop import place_of
from api.cli.main import main
from canonical.errors import Misconfigured
from hub.partners import desk
from hub.partners.document import Faulty
from hub.seed import demo_tenant
from hub.settings import Settings
from hub.world import Tenant, World, opened

LAB = {
    "name": "Laboratório de apoio",
    "speaks": "hl7 2.5.1",
    "allow_private": True,
    "transport": {"kind": "mllp", "host": "127.0.0.1", "port": 2575, "connect_timeout_s": 1},
}
TOML = """
kind = "payer"
code = "{code}"
name = "Operadora Exemplo"
speaks = "tiss 4.03.00"
plan = "tiss/lote"

[transport]
kind = "soap"
wsdl = "https://operadora.example/tiss?wsdl"

[secrets]
login = "payer-326305-login"

[provider]
code = "1234"
name = "Hospital Exemplo"
"""


PRIVATE = ("partner.private", "allow_private")


@pytest.fixture
def world(world: World) -> World:
    """One whose operator allows the private network."""
    return dataclasses.replace(world, settings=dataclasses.replace(world.settings, allow_private_targets=True))


async def test_the_private_network_is_the_operators(world: World, tenant: Tenant) -> None:
    closed = dataclasses.replace(world, settings=dataclasses.replace(world.settings, allow_private_targets=False))
    stated = {**LAB, "kind": "lab", "code": "apoio"}

    async def refused(document: dict[str, Any]) -> set[tuple[str, str]]:
        with pytest.raises(Faulty) as caught:
            await desk.put(closed, tenant, "user:ana", document)
        return {(one.code, one.where) for one in caught.value.problems}

    assert await refused(stated) == {PRIVATE}
    await desk.put(closed, tenant, "operator", stated, by_operator=True)
    await desk.put(closed, tenant, "user:ana", {**stated, "name": "Apoio"})
    assert await refused({**stated, "transport": {**LAB["transport"], "port": 5432}}) == {PRIVATE}  # type: ignore[dict-item]


@pytest.mark.parametrize("path", ["/etc", "../other", "in/../../other", "~root", "\\\\host\\share"])
async def test_a_folder_lies_below_the_tenants_own(tenant: Tenant, client_for: Any, path: str, tmp_path: Path) -> None:
    client = await client_for(tenant, scopes=["partners/write"])
    folder = {**LAB, "transport": {"kind": "folder", "path": path}}
    answer = await client.put("/api/v1/partners/lab/apoio", json=folder)
    assert answer.status_code == 422 and answer.json()["problems"][0]["code"] == "partner.folder"
    if "other" in path or path == "/etc":
        with pytest.raises(Misconfigured):
            place_of(Means(settings=folder["transport"], root=tmp_path / "own"))


async def test_a_laboratory_over_http(tenant: Tenant, client_for: Any) -> None:
    client = await client_for(tenant, scopes=["partners/write"])
    made = await client.put("/api/v1/partners/lab/apoio", json=LAB)
    assert made.status_code == 200 and made.json()["partner"]["code"] == "apoio" and made.json()["schedules"] == []
    async with peers.mllp() as peer:
        moved = {**LAB, "transport": {**LAB["transport"], "port": peer.port}}  # type: ignore[dict-item]
        assert (await client.put("/api/v1/partners/lab/apoio", json=moved)).status_code == 200
        tried = (await client.post("/api/v1/partners/lab/apoio/test")).json()
        assert tried["ok"] is True and tried["reached"] == [{"place": "host", "said": ""}]
    off = await client.patch("/api/v1/partners/lab/apoio", json={"active": False})
    assert off.status_code == 200 and off.json()["partner"]["active"] is False
    shown = (await client.get("/api/v1/partners")).json()["partners"]
    assert [one["partner"]["code"] for one in shown] == ["apoio"]


async def test_faults_are_told_together_and_teach(tenant: Tenant, client_for: Any) -> None:
    client = await client_for(tenant, scopes=["admin/*"])
    wrong = await client.put("/api/v1/partners/payer/326306", json={**LAB, "provider": {"cnpj": "1"}})
    told = {(one["code"], one["where"]) for one in wrong.json()["problems"]}
    assert wrong.status_code == 422
    assert told >= {
        ("partner.registro", "code"),
        ("partner.value", "provider.cnpj"),
        ("partner.value", "transport.kind"),
    }
    missing = await client.get("/api/v1/partners/lab/nobody")
    assert missing.status_code == 404 and missing.json()["problems"][0]["code"] == "partner.unknown"


async def test_only_with_the_scope_and_only_the_own(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: Any
) -> None:
    client = await client_for(tenant, scopes=["partners/write"])
    await client.put("/api/v1/partners/lab/apoio", json=LAB)
    looking = await client_for(tenant, scopes=["partners/read"])
    assert (await looking.get("/api/v1/partners/lab/apoio")).status_code == 200
    assert (await looking.patch("/api/v1/partners/lab/apoio", json={"active": False})).status_code == 403
    assert (await looking.post("/api/v1/partners/lab/apoio/test")).status_code == 403
    stranger = await client_for(other_tenant, scopes=["admin/*"])
    assert (await stranger.get("/api/v1/partners")).json() == {"partners": []}
    assert (await stranger.post("/api/v1/partners/lab/apoio/test")).status_code == 404


async def _demo(settings: Settings, slug: str) -> None:
    async with opened(settings, size=1) as world:
        await demo_tenant(world, slug, "Hospital de Teste")


def test_a_payer_by_command(
    cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    slug = f"pa{uuid.uuid4().hex[:10]}"
    monkeypatch.setenv("PONTE_DATABASE_URL", cluster[0].database_url)
    asyncio.run(_demo(cluster[0], slug))
    file = tmp_path / "operadora.toml"

    def call(action: str, *words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["partner", action, "--tenant", slug, *words])
        return code, capsys.readouterr().out

    file.write_text(TOML.format(code="326306"))
    code, out = call("put", str(file))
    assert code == 1 and "error partner.registro: code: não é um registro ANS válido" in out
    file.write_text(TOML.format(code="326305"))
    assert call("put", str(file), "--check") == (0, "nada a corrigir / nothing to mend\n")
    assert call("list") == (0, "")
    code, out = call("put", str(file))
    assert code == 0 and "payer/326305" in out and "payer-326305-login" in out and "close-batches" in out
    code, out = call("show", "payer/326305")
    assert code == 0 and tomllib.loads(out) == {**tomllib.loads(file.read_text()), "active": True}
    code, out = call("off", "payer/326305", "--json")
    assert code == 0 and json.loads(out)["partner"]["active"] is False
    assert call("on", "lab/nobody")[0] == 1
    file.write_text("kind = payer")
    assert call("put", str(file))[0] == 2


def test_what_a_document_may_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["partner", "keys", "lab"]) == 0
    out = capsys.readouterr().out
    assert "orders.categories" in out and "billing.fees" not in out
