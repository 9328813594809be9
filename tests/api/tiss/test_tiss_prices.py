"""Price lists over HTTP: imported whole or not at all, read page by page, each tenant its own."""

from __future__ import annotations

from billing_day import IPE, partner_row, register

from hub.world import Tenant, World
from tests.api.tiss.test_tiss_routes import calling

BASE = f"/api/v1/tiss/prices/{IPE}"
LIST = "tabela;código;valor;desde\n22;40304361;12,70;01/11/2026\n22;40304370;9,90;01/11/2026\n22;40301630;5,00;2026-01-01\n"


async def test_a_list_is_taken_and_read(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await register(world, other_tenant, [partner_row(IPE)])
    async with calling(world, tenant) as client:
        taken = await client.post(BASE, params={"list": "nov"}, content=LIST.encode("latin-1"))
        assert (taken.status_code, taken.json()) == (201, {"list": "nov", "prices": 3})
        first = (await client.get(BASE, params={"limit": 2})).json()
        rest = (await client.get(BASE, params={"limit": 2, "after": first["next"]})).json()
        codes = [row["item_code"] for row in first["items"] + rest["items"]]
        assert codes == ["40301630", "40304361", "40304370"] and rest["next"] is None
        (one,) = (await client.get(BASE, params={"code": "4030163", "on": "2026-05-01"})).json()["items"]
        assert (one["unit_cents"], one["price_list"], one["valid_until"]) == (500, "nov", None)
    async with calling(world, other_tenant) as client:
        assert (await client.get(BASE)).json()["items"] == []


async def test_a_wrong_list_changes_nothing_and_says_where(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    async with calling(world, tenant) as client:
        answer = await client.post(BASE, content=(LIST + "22;1;um real;\n").encode())
        assert answer.status_code == 422 and "linha 5" in answer.text and "valor" in answer.text
        assert (await client.get(BASE)).json()["items"] == []
        assert (await client.post("/api/v1/tiss/prices/000001", content=LIST.encode())).status_code == 404
        assert (await client.post(BASE, params={"table": "x"}, content=b"")).status_code in (400, 422)
        assert (await client.post(BASE, content=b"")).status_code in (400, 422)
        assert (await client.get(BASE, params={"code": "1\x00"})).status_code == 422
    async with calling(world, tenant, "tiss/read") as reader:
        refused = await reader.post(BASE, content=LIST.encode())
        assert refused.status_code == 403 and "falta o escopo tiss/write" in refused.json()["title"]
        assert (await reader.get(BASE)).status_code == 200
