"""What needs attention, over the doors: figures for a monitor, alarms for a program, and the pages a person acts on."""

from __future__ import annotations

import json
import re
import uuid
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.cli.main import main
from api.routes.metrics import text
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.exchange.work import inbound
from hub.operate.support import scrubbed
from hub.settings import secret_file
from hub.watch import look
from hub.watch.gauges import Gauge
from hub.world import Tenant, World
from tests.api.console.test_console import CANARIES, busy_tenant, enter, plain, put_message

FORM = {"content-type": "application/x-www-form-urlencoded"}
LINE = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? [0-9.e+\-]+')
ADT = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122080000||ADT^A01^ADT_A01|{control}|P|2.5||||||UNICODE UTF-8\r"
    "EVN|A01|20261122080000\rPID|1||{mrn}^^^HOSP^MR||CANARIO^Ana||19800229|F\rPV1|1|I|||||||||||||||||V{mrn}^^^HOSP\r"
)


async def misread(world: World, tenant: Tenant, count: int) -> None:
    """Messages that failed because the channel read them wrongly; then the channel is mended."""
    async with world.transaction(tenant) as tx:
        await tx.run(
            "UPDATE channel SET settings = '{\"charset\": \"ASCII\"}' WHERE tenant_id = $1 AND name = 'his-mllp'"
        )
    channel = next(c for c in await channels_of(world, tenant) if c.name == "his-mllp")
    keeper = Keeper(world.database)
    for number in range(count):
        await receive(
            keeper, channel, ADT.format(control=f"n{number}", mrn=number % 3 + 1).replace("Ana", "Ção").encode()
        )
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE channel SET settings = '{}' WHERE tenant_id = $1 AND name = 'his-mllp'")


async def statuses(world: World, tenant: Tenant) -> dict[str, int]:
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT status, count(*) AS n FROM message WHERE tenant_id = $1 GROUP BY 1")
    return {row["status"]: row["n"] for row in rows}


# --- a monitor ----------------------------------------------------------------------------------------------------------


async def test_figures_for_a_monitor(
    world: World, tenant: Tenant, client_for: Any, stranger: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    await busy_tenant(world, tenant)
    await look.judge(world, tenant)
    client = await client_for(tenant, scopes=["metrics/read"])
    answer = await client.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in lines), [line for line in lines if not LINE.fullmatch(line)]
    assert 'ponte_outbound_dead{place="payer/exemplo"} 1' in lines
    assert any(
        line.startswith('ponte_alarm{rule="outbound.dead",place="payer/exemplo",severity="warning"') for line in lines
    )
    assert "ponte_deliveries_dead 1" in lines and any(line.startswith("ponte_messages_last_hour{") for line in lines)
    for canary in CANARIES:
        assert canary not in answer.text
    assert (await stranger.get("/metrics")).status_code == 401
    assert (await (await client_for(tenant, scopes=["system/*.*"])).get("/metrics")).status_code == 403
    here = await browser.get("/metrics")
    assert here.status_code == 200 and "ponte_tenants " in here.text
    for word in ("his-mllp", "exemplo", tenant.slug, *CANARIES):
        assert word not in here.text


def test_labels_are_escaped() -> None:
    said = text([Gauge(name="x", help="h", value=1.5, labels=(("place", 'a"b\\c\nd'),))])
    assert said.splitlines()[-1] == 'x{place="a\\"b\\\\c\\nd"} 1.5' and LINE.fullmatch(said.splitlines()[-1])


async def test_alarms_for_a_program(world: World, tenant: Tenant, other_tenant: Tenant, client_for: Any) -> None:
    await busy_tenant(world, tenant)
    await look.judge(world, tenant)
    reader = await client_for(tenant, scopes=["alarms/read"])
    found = {one["rule"]: one for one in (await reader.get("/api/v1/alarms")).json()["alarms"]}
    assert found["outbound.dead"]["severity"] == "warning" and found["outbound.dead"]["acknowledged_at"] is None
    assert "gave up: 1" in found["outbound.dead"]["text_en"] and found["outbound.dead"]["remedy"]
    taken = {"rule": "outbound.dead", "place": "payer/exemplo"}
    assert (await reader.post("/api/v1/alarms/acknowledge", json=taken)).status_code == 403
    writer = await client_for(tenant, scopes=["alarms/write"])
    assert (await writer.post("/api/v1/alarms/acknowledge", json=taken)).status_code == 204
    stranger = await client_for(other_tenant, scopes=["alarms/write"])
    assert (await stranger.post("/api/v1/alarms/acknowledge", json=taken)).status_code == 404
    again = {one["rule"]: one for one in (await reader.get("/api/v1/alarms")).json()["alarms"]}
    assert again["outbound.dead"]["acknowledged_by"] == "test"


# --- the pages ----------------------------------------------------------------------------------------------------------


async def test_the_first_page_lists_alarms_and_somebody_takes_one_on(
    browser: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    await busy_tenant(world, tenant)
    await look.judge(world, tenant)
    await enter(browser, world, tenant)
    page = plain((await browser.get("/?lang=pt")).text)
    assert "Entregas a payer/exemplo que desistiram: 1." in page and "Assumir" in page
    form = {"rule": "outbound.dead", "place": "payer/exemplo"}
    foreign = await browser.post("/console/alarms", data=form, headers={"origin": "http://evil.example"})
    assert foreign.status_code == 403
    assert (await browser.post("/console/alarms?lang=pt", data=form)).status_code == 303
    page = plain((await browser.get("/?lang=pt")).text)
    assert "operator há" in page
    english = plain((await browser.get("/?lang=en")).text)
    assert "Deliveries to payer/exemplo that gave up: 1." in english


async def test_messages_are_found_tried_and_replayed_in_four_clicks(
    browser: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    await misread(world, tenant, 7)
    await enter(browser, world, tenant)
    first = (await browser.get("/")).text
    assert "/console/messages?lang=pt&amp;status=ERROR&amp;code=charset.undecodable" in first
    shown = await browser.get("/console/messages?status=ERROR&code=charset.undecodable&channel=his-mllp")
    assert shown.status_code == 200 and plain(shown.text).count("com erro") == 8  # seven, and the choice of the form
    asked = {"status": "ERROR", "code": "charset", "channel": "his-mllp"}
    tried = plain((await browser.post("/console/messages/try", data=asked)).text)
    assert "Ensaio com 7 mensagens" in tried and "7 passariam, 0 falhariam" in tried
    assert await statuses(world, tenant) == {"ERROR": 7}
    done = await browser.post("/console/messages/replay", data=asked)
    assert "Mensagens reenfileiradas: 7." in plain(done.text)
    while await inbound.work(world, tenant):
        pass
    assert await statuses(world, tenant) == {"TRANSFORMED": 7}
    for answer in (first, shown.text, tried, done.text):
        assert "CANARIO" not in answer


async def test_the_page_of_messages_keeps_its_limits(
    browser: httpx.AsyncClient, stranger: httpx.AsyncClient, world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    await put_message(world, tenant, control_id="Maria das Dores", type="ADT^A01")
    for call in (
        stranger.get("/console/messages"),
        stranger.post("/console/messages/replay", data={"status": "ERROR"}),
    ):
        assert (await call).status_code == 401
    await enter(browser, world, other_tenant)
    assert "ADT^A01" not in (await browser.get("/console/messages?direction=in")).text
    await enter(browser, world, tenant)
    page = (await browser.get("/console/messages")).text
    assert "ADT^A01" in page and "Maria das Dores" not in page, "what is no number is not shown as one"
    for query, status in (("status=x'--", 422), ("since=yesterday", 404), ("code=%00", 422)):
        assert (await browser.get(f"/console/messages?{query}")).status_code == status, query
    for form, status in (({"status": "SENT"}, 422), ({}, 422), ({"status": "ERROR", "since": "x"}, 404)):
        assert (await browser.post("/console/messages/replay", data=form)).status_code == status, form
    foreign = {"origin": "http://evil.example"}
    answer = await browser.post("/console/messages/replay", data={"status": "ERROR"}, headers=foreign)
    assert answer.status_code == 403


# --- commands -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def told(cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Runs a command on the test's database: its exit code and what it printed."""
    monkeypatch.setenv("PONTE_DATABASE_URL", cluster[0].database_url)
    monkeypatch.setenv("PONTE_DATA", str(tmp_path))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "master.key").write_text(secret_file(cluster[0], "master.key"))

    def run(*words: str) -> tuple[int, str]:
        code = main(words)
        return code, capsys.readouterr().out

    return run


def test_scrubbed_lines_keep_their_time_and_lose_long_numbers() -> None:
    line = "2026-11-26 20:34:49,123 INFO cpf 529.982.247-25 cns 898001160660761 at https://10.0.0.1:80/x?y=1 3 rows"
    assert scrubbed(line) == "2026-11-26 20:34:49,123 INFO cpf # cns # at https://… 3 rows"
    kept = "lane 123456: 0193fe2c-1111-7222-8333-123456789012"
    assert scrubbed(kept) == kept


def test_commands_of_an_operator(cluster: Any, told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from hub.seed import demo_tenant
    from hub.world import opened

    slug = f"op{uuid.uuid4().hex[:10]}"

    async def fill() -> None:
        async with opened(cluster[0], size=2) as world:
            tenant = await demo_tenant(world, slug, "Hospital de Teste")
            await busy_tenant(world, tenant)
            await misread(world, tenant, 5)
            await look.judge(world, tenant)

    asyncio.run(fill())
    code, out = told("alarms", "list", "--tenant", slug, "--json")
    rules = {json.loads(line)["rule"] for line in out.splitlines()}
    assert code == 1 and {"outbound.dead", "lane.paused"} <= rules
    assert told("alarms", "acknowledge", "outbound.dead", "--place", "payer/exemplo", "--tenant", slug)[0] == 0
    assert told("alarms", "limit", "outbound.dead", "--tenant", slug, "--off")[0] == 0
    assert told("alarms", "limit", "outbound.dead", "--tenant", slug)[0] == 2
    code, out = told("alarms", "limits", "--tenant", slug)
    assert code == 0 and re.search(r"outbound.dead +≥ warning -, critical -", out)
    monkeypatch.setenv("CHAVE", "segredo")
    words = ("alarms", "tell", "noc", "--url", "https://noc.example/x", "--key-env", "CHAVE", "--tenant", slug)
    assert told(*words)[0] == 0 and "noc.example" in told("alarms", "receivers", "--tenant", slug)[1]
    assert told("alarms", "untell", "noc", "--tenant", slug)[0] == 0
    code, out = told("lane", "list", "--tenant", slug, "--kind", "outbound", "--json")
    assert json.loads(out.splitlines()[0])["paused"] is True
    assert told("lane", "resume", "--tenant", slug, "--name", "exemplo")[0] == 0
    assert told("lane", "list", "--tenant", slug, "--troubled", "--kind", "outbound")[0] == 1
    assert told("lane", "pause", "--tenant", slug, "--name", "exemplo", "--reason", "manutenção")[1].startswith(
        "pause: 1"
    )
    assert (
        told("lane", "pause", "--tenant", slug)[0] == 2
        and told("lane", "pause", "--tenant", slug, "--name", "x")[0] == 1
    )
    code, out = told("messages", "causes", "--tenant", slug, "--json")
    assert {json.loads(line)["code"]: json.loads(line)["count"] for line in out.splitlines()}[
        "charset.undecodable"
    ] == 5
    which = ("--status", "ERROR", "--code", "charset", "--channel", "his-mllp", "--since", "1h", "--tenant", slug)
    assert "5: 5 would pass" in told("replay", *which, "--dry-run", "--quiet")[1]
    assert told("replay", *which, "--limit", "2")[1].startswith("2 queued") and told("replay", *which)[1].startswith(
        "3 queued"
    )
    assert "charset" not in told("messages", "causes", "--tenant", slug)[1]
    assert told("replay", "--status", "DEAD", "--partner", "ninguem", "--tenant", slug)[0] == 1
    bundle = tmp_path / "support.zip"
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "worker-1.log").write_text("2026-11-26 20:34:49,123 INFO x 52998224725\n")
    assert told("support", str(bundle))[0] == 0 and bundle.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(bundle) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist()).decode()
        assert {"about.json", "database.json", f"tenants/{slug}.json", "logs/worker-1.log"} <= set(archive.namelist())
    assert not [canary for canary in (*CANARIES, "ponte_app:") if canary in content]
    assert told("support", str(bundle))[0] == 4, "never over another"
