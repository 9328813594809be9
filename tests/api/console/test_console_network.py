"""The page of RNDS: what waits for a person, with what to do, in both languages; nothing of a person, nothing of others."""

from __future__ import annotations

from pathlib import Path

import httpx
import rnds_records as records
from rnds_server import rnds_server, settle, store

from hub.rnds import rows
from hub.world import Tenant, World
from tests.api.console.test_console_access import browser, enter

__all__ = ["browser"]  # a fixture
PAGE = "/console/network"
REL = tuple({k: v for k, v in body.items() if k != "encounter"} for body in (
    records.PATIENT, records.PRACTITIONER, records.SPECIMEN, *records.RESULTS, records.REPORT,
))  # fmt: skip
OTHER = {k: v for k, v in records.REPORT.items() if k not in ("encounter", "result")} | {"id": "outro"}


async def test_what_waits_stands_there_with_what_to_do(
    world: World, tenant: Tenant, other_tenant: Tenant, browser: httpx.AsyncClient, tmp_path: Path
) -> None:
    assert (await browser.get(PAGE)).status_code == 401
    async with rnds_server(tmp_path) as server:
        await server.join(world, tenant)
        server.network.switch("refuse", times=1, code="ERR895")
        await store(world, tenant, *REL)
        await settle(world, tenant)
        await store(world, tenant, OTHER)
        found = await settle(world, tenant)
    assert {one.status for one in found} == {rows.REFUSED, rows.PENDING}
    await enter(browser, world, tenant)
    page = (await browser.get(f"{PAGE}?lang=pt")).text
    assert "não está no cadastro nacional" in page and "CADSUS" in page and "rnds.repair.ERR895" in page
    assert "DiagnosticReport/outro" in page and "obrigatório" in page and all(str(one.id) in page for one in found)
    assert records.PATIENT_CNS not in page and "Silva" not in page
    assert "national register" in (await browser.get(f"{PAGE}?lang=en")).text
    await browser.post("/console/logout", data={})
    await enter(browser, world, other_tenant)
    assert "Nada espera por uma pessoa" in (await browser.get(f"{PAGE}?lang=pt")).text
