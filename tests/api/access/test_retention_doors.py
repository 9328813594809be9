"""Retention over its doors: a program, the page of the DPO, and the command."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from api.cli.main import main
from hub.exchange import handlers
from hub.exchange.work import jobs
from hub.world import Tenant, World
from tests.api.console.test_console import enter, plain

ROUTE, PAGE = "/api/v1/retention", "/console/retention"
ADT = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122080000||ADT^A01^ADT_A01|ret1|P|2.5||||||UNICODE UTF-8\r"
    "EVN|A01|20261122080000\rPID|1||R700001^^^HOSP^MR||Teste^Ana||19800229|F\rPV1|1|I|||||||||||||||||V1^^^HOSP\r"
)


async def test_a_program_sets_tries_runs_and_holds(
    world: World, tenant: Tenant, other_tenant: Tenant, client_for: Any
) -> None:
    reader, writer = (
        await client_for(tenant, scopes=["retention/read"]),
        await client_for(tenant, scopes=["retention/write"]),
    )
    found = (await reader.get(ROUTE)).json()
    by_name = {rule["rule"]: rule for rule in found["rules"]}
    assert (
        by_name["received"]["days"] is None
        and by_name["audit"]["least"] == 7306
        and "13.787" in by_name["audit"]["law"]
    )
    assert (await reader.put(f"{ROUTE}/rules/received", json={"days": 365})).status_code == 403
    low = await writer.put(f"{ROUTE}/rules/received", json={"days": 10})
    assert low.status_code == 422 and "retention.days" in low.text
    assert (await writer.put(f"{ROUTE}/rules/none", json={"days": 90})).status_code == 404
    assert (await writer.put(f"{ROUTE}/rules/received", json={"days": 365})).json()["days"] == 365
    tried = (await reader.post(f"{ROUTE}/try", json={"days": {"sent": 90}})).json()["rules"]
    assert {line["rule"]: line["days"] for line in tried}["sent"] == 90
    assert (await reader.post(f"{ROUTE}/try", json={"days": {"audit": 1}})).status_code == 422
    assert (await writer.post(f"{ROUTE}/run")).status_code == 202
    handlers.load()
    while await jobs.work(world, tenant):
        pass
    async with world.transaction(tenant) as tx:
        outcome = await tx.value("SELECT outcome FROM job WHERE tenant_id = $1 AND name = 'retention.run'")
    assert json.loads(outcome) == {"more": False}
    held = await writer.post(f"{ROUTE}/holds", json={"reason": "processo 1"})
    assert held.status_code == 201 and (await reader.get(ROUTE)).json()["holds"] == [held.json()]
    stranger = await client_for(other_tenant, scopes=["retention/write"])
    assert (await stranger.delete(f"{ROUTE}/holds/{held.json()['id']}")).status_code == 404
    assert (await stranger.get(ROUTE)).json()["holds"] == []
    assert (await writer.delete(f"{ROUTE}/holds/{held.json()['id']}")).status_code == 204


async def test_the_page_of_the_dpo(browser: httpx.AsyncClient, world: World, tenant: Tenant, client_for: Any) -> None:
    assert (await browser.get(PAGE, headers={"x-forwarded-for": "10.0.0.9"})).status_code == 401
    hl7 = await client_for(tenant, scopes=["hl7/write"])
    await hl7.post("/hl7/his-http", content=ADT, headers={"content-type": "application/hl7-v2"})
    await enter(browser, world, tenant)
    page = plain((await browser.get(f"{PAGE}?lang=pt&try=1")).text)
    assert "Retenção" in page and "Lei 13.787/2018" in page and "para sempre" in page and "A remover" in page
    assert "Lei 13.787/2018 art. 6" in plain((await browser.get(f"{PAGE}?lang=en")).text)
    foreign = await browser.post(
        f"{PAGE}/rules/received", data={"days": "100"}, headers={"origin": "http://evil.example"}
    )
    assert foreign.status_code == 403
    low = await browser.post(f"{PAGE}/rules/received?lang=pt", data={"days": "1"})
    assert low.status_code == 422 and "não permite" in plain(low.text)
    kept = await browser.post(f"{PAGE}/rules/received?lang=pt", data={"days": "100"})
    assert kept.status_code == 200 and "Regra gravada." in plain(kept.text) and "100" in kept.text
    assert (await browser.post(f"{PAGE}/holds", data={"reason": "x"})).status_code == 422
    held = await browser.post(f"{PAGE}/holds?lang=pt", data={"everybody": "1", "reason": "inquérito <7>"})
    assert "inquérito &lt;7&gt;" in held.text and "Todas as pessoas" in plain(held.text)
    place = held.text.split("/console/retention/holds/")[1].split("/lift")[0]
    assert "Nenhuma suspensão" in plain((await browser.post(f"{PAGE}/holds/{place}/lift?lang=pt")).text)


def test_the_command(
    cluster: Any, world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PONTE_DATABASE_URL", cluster[0].database_url)
    monkeypatch.setenv("PONTE_OWNER_DATABASE_URL", cluster[1].owner_url)
    monkeypatch.setenv("PONTE_DATA", str(cluster[0].data))

    def call(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        return main(["retention", *words, "--tenant", tenant.slug]), capsys.readouterr().out

    code, out = call("show")
    assert code == 0 and "para sempre" in out and "13.787" in out
    assert call("set", "received", "3")[0] == 1 and call("set", "received", "soon")[0] == 2
    assert call("set", "received", "120") == (0, "received  120 days\n")
    lines = [json.loads(line) for line in call("try", "--with", "sent=90", "--json")[1].splitlines()]
    assert {line["rule"]: line["days"] for line in lines} | {"received": 120, "sent": 90} == {
        line["rule"]: line["days"] for line in lines
    }
    assert call("run", "--audit") == (0, "audit                  0 removed         0.0 MB\n")
    code, out = call("hold", "--reason", "processo 2", "--json")
    assert code == 0 and json.loads(out)["patient"] == ""
    assert json.loads(out)["id"] in call("holds")[1]
    assert call("lift", json.loads(out)["id"])[0] == 0 and "no hold" in call("holds")[1]
    assert call("set", "received", "usual") == (0, "received  for ever\n")
