"""/api/v1/rnds and `ponte rnds`: settings, preview, send, states, resend, delete; another tenant sees and changes nothing."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import rnds_records as records
from rnds_server import documents, rnds_server, settle, store

from api.cli.main import main
from hub.seed import demo_tenant
from hub.world import Tenant, World, opened
from tests.api.conftest import NewClient

BASE = "/api/v1/rnds"
REPORT = {k: v for k, v in records.REPORT.items() if k != "encounter"}
REL = (records.PATIENT, records.PRACTITIONER, records.SPECIMEN, *records.RESULTS, REPORT)
WISH = {"kind": "REL", "subject": "DiagnosticReport/laudo"}
OFF = {"documents": {"REL": {"active": False}}}


async def test_from_settings_to_deletion(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: NewClient, tmp_path: Path
) -> None:
    client = await client_for(tenant, ["rnds/write"])
    assert (await client.get(f"{BASE}/settings")).status_code == 404
    assert (await client.post(f"{BASE}/preview", json=WISH)).status_code == 404
    async with rnds_server(tmp_path) as server:
        faulty = await client.put(
            f"{BASE}/settings", json={"uf": "XX", "environment": "x", "cnes": "1", "documents": {"REL": {"active": 1}}}
        )
        assert faulty.status_code == 422 and [p["where"] for p in faulty.json()["problems"]] == ["documents.REL.active"]
        faulty = await client.put(f"{BASE}/settings", json={"uf": "XX", "environment": "x", "cnes": "1"})
        assert {p["where"] for p in faulty.json()["problems"]} == {
            "uf",
            "environment",
            "cnes",
            "requester",
            "certificate",
        }
        private = await client.put(f"{BASE}/settings", json=server.settings(**OFF))
        assert {p["code"] for p in private.json()["problems"]} == {"rnds.config.private"}
        unsealed = await client.put(f"{BASE}/settings", json={**server.settings(**OFF), "allow_private": False})
        assert {p["code"] for p in unsealed.json()["problems"]} == {"rnds.config.vault"}
        await server.join(world, tenant, **OFF)
        assert (await client.put(f"{BASE}/settings", json=server.settings(**OFF))).status_code == 200
        assert (await client.get(f"{BASE}/settings")).json()["requester"] == "9999"
        await store(world, tenant, *REL)
        assert await settle(world, tenant) == [], "what is switched off makes nothing by itself"
        seen = (await client.post(f"{BASE}/preview", json=WISH)).json()
        assert seen["complete"] and seen["bundle"]["type"] == "document" and seen["problems"] == []
        assert await documents(world, tenant) == []
        queued = await client.post(f"{BASE}/send", json=WISH)
        assert queued.status_code == 202 and queued.json()["status"] == "na fila"
        await settle(world, tenant)
        page = (await client.get(f"{BASE}/documents", params={"status": "enviado"})).json()
        found = page["items"][0]
        assert found["rnds_id"].endswith("-sim") and page["next"] is None
        place = f"{BASE}/documents/{found['id']}"
        assert (await client.get(f"{place}/answer")).text.startswith("HTTP/1.1 201")
        assert (await client.get(f"{BASE}/summary")).json()["items"][0]["count"] == 1
        await walled(client_for, world, other_tenant, place)
        assert (await client.post(f"{place}/resend")).status_code == 202
        await settle(world, tenant)
        assert (await client.get(place)).json()["replaced"] == found["rnds_id"]
        assert (await client.delete(place)).status_code == 202
        await settle(world, tenant)
        assert (await client.get(place)).json()["status"] == "excluído"
        assert (await client.delete(place)).status_code == 409
        async with world.transaction(tenant) as tx:
            acts = {
                row["action"] for row in await tx.rows("SELECT DISTINCT action FROM audit_event WHERE tenant_id = $1")
            }
        assert {
            "rnds-settings",
            "rnds-preview",
            "rnds-send",
            "rnds-accepted",
            "rnds-answer",
            "rnds-resend",
            "rnds-delete",
            "rnds-deleted",
        } <= acts


async def walled(client_for: NewClient, world: World, other_tenant: Tenant, place: str) -> None:
    """Another tenant with all rights: the answers are those for ids that never were."""
    stranger = await client_for(other_tenant, ["rnds/write", "admin/*"])
    never = f"{BASE}/documents/{uuid.uuid4()}"
    for method, path in (("GET", ""), ("GET", "/answer"), ("POST", "/resend"), ("DELETE", "")):
        real, none = await stranger.request(method, place + path), await stranger.request(method, never + path)
        assert (
            (real.status_code, real.json()["type"])
            == (none.status_code, none.json()["type"])
            == (404, "urn:ponte:problem:failure.not-found")
        )
    assert (await stranger.get(f"{BASE}/documents")).json()["items"] == []
    assert (await stranger.get(f"{BASE}/summary")).json()["items"] == []
    assert (await stranger.get(f"{BASE}/settings")).status_code == 404
    for path in ("preview", "send"):
        assert (await stranger.post(f"{BASE}/{path}", json=WISH)).status_code == 404
    weak = await client_for(other_tenant, ["system/*.*"])
    assert (await weak.get(f"{BASE}/documents")).status_code == 403
    reader = await client_for(other_tenant, ["rnds/read"])
    assert (await reader.post(f"{BASE}/send", json=WISH)).status_code == 403


async def test_bad_requests_are_told(world: World, tenant: Tenant, client_for: NewClient, tmp_path: Path) -> None:
    client = await client_for(tenant, ["rnds/write"])
    async with rnds_server(tmp_path) as server:
        await server.join(world, tenant)
        for wish in ({"kind": "REL", "subject": "Patient/ana"}, {"kind": "XYZ", "subject": "Patient/ana"}):
            assert (await client.post(f"{BASE}/preview", json=wish)).status_code == 404
        missing = await client.post(f"{BASE}/preview", json={"kind": "RIA", "subject": "Immunization/none"})
        assert missing.status_code == 404
        for wish in ({}, {"kind": "rel", "subject": "x"}, {**WISH, "more": 1}):
            assert (await client.post(f"{BASE}/preview", json=wish)).status_code == 400
        assert (await client.get(f"{BASE}/documents/1")).status_code == 400
        bare = {key: value for key, value in records.IMMUNIZATION.items() if key != "performer"}
        await store(world, tenant, records.PATIENT, bare)
        seen = (await client.post(f"{BASE}/preview", json={"kind": "RIA", "subject": "Immunization/dose"})).json()
        assert seen["complete"], "the settings' own professional stands in"


@pytest.fixture
def ready(cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    slug = f"rn{uuid.uuid4().hex[:10]}"
    monkeypatch.setenv("PONTE_DATABASE_URL", cluster[0].database_url)
    asyncio.run(_fill(cluster[0], slug, tmp_path))
    return slug


async def _fill(settings: Any, slug: str, folder: Path) -> None:
    async with opened(settings, size=2) as world, rnds_server(folder) as server:
        tenant = await demo_tenant(world, slug, "Hospital de Teste")
        await server.join(world, tenant)
        await store(world, tenant, {**records.PATIENT, "identifier": records.PATIENT["identifier"][:1]}, *REL[1:])
        await settle(world, tenant)
        (folder / "rnds.json").write_text(json.dumps(server.settings()), encoding="utf-8")


def test_commands(ready: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["rnds", *words, "--tenant", ready])
        said = capsys.readouterr()
        return code, said.out, said.err

    assert call("status")[:2] == (0, "REL   pendente            1  \n")
    code, out, _ = call("failures")
    assert code == 1 and "CNS" in out and "pendente" in out
    document = json.loads(call("failures", "--json")[1])
    assert document["problems"][0]["code"] == "rnds.individual"
    code, out, err = call("preview", "REL", "DiagnosticReport/laudo")
    assert code == 1 and json.loads(out)["resourceType"] == "Bundle" and "Complete o CNS" in err
    assert call("resend", document["id"])[0] == 1 and call("resend", "--code", "rnds.individual")[0] == 1
    assert call("send", "REL", "DiagnosticReport/laudo")[0] == 1
    assert call("answer", document["id"])[0] == 1 and call("delete", document["id"])[0] == 1
    assert call("resend", "no-uuid")[0] == 2 and call("resend")[0] == 1
    assert call("settings", str(tmp_path / "rnds.json"))[0] == 0 and json.loads(call("settings")[1])["uf"] == "sp"
    (tmp_path / "wrong.toml").write_text('uf = "XX"', encoding="utf-8")
    code, _, err = call("settings", str(tmp_path / "wrong.toml"))
    assert code == 1 and "uf" in err and call("settings", str(tmp_path / "none.toml"))[0] == 2
    (tmp_path / "broken.toml").write_text("= 1", encoding="utf-8")
    assert call("settings", str(tmp_path / "broken.toml"))[0] == 2
    assert call("status", "DiagnosticReport/laudo", "--json")[0] == 0
