"""What comes back, over HTTP: history of denials for one item and for files of any system."""

from __future__ import annotations

import datetime

from billing_day import JACARANDA
from judged_rows import judged
from test_tiss_files import lote
from test_tiss_routes import BASE, calling

from hub.billing import listing
from hub.world import Tenant, World


async def test_history_of_one_item_and_of_a_file(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    raw = await lote(world, tenant, 2)
    async with world.transaction(tenant) as tx:
        payer_id = await listing.payer_id(tx, JACARANDA)
    await judged(world, tenant, payer_id, 15, 6, on=datetime.date(2026, 11, 1))
    query = {"table": "22", "code": "40304361", "professional": "crm-sp 123456"}
    async with calling(world, tenant, "tiss/read") as client:
        told = (await client.get(f"{BASE}/history/{JACARANDA}", params=query)).json()
        (checked,) = (await client.post(f"{BASE}/files", content=raw)).json()["files"]
        assert (await client.get(f"{BASE}/history/000000", params=query)).status_code == 404
        assert (await client.get(f"{BASE}/history/{JACARANDA}")).status_code == 400
    assert (told["cases"], told["denied"], [f["code"] for f in told["findings"]]) == (15, 6, ["history.item"])
    found = [p for p in checked["problems"] if p["code"] == "history.item"]
    assert len(found) == 1 and "procedimento" in found[0]["where"] and checked["ok"]
    async with calling(world, other_tenant, "tiss/read") as client:
        assert (await client.get(f"{BASE}/history/{JACARANDA}", params=query)).status_code == 404
    async with calling(world, tenant, "fhir/read") as client:
        assert (await client.get(f"{BASE}/history/{JACARANDA}", params=query)).status_code == 403
