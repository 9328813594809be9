"""Price lists of contracts: read as offices write them, in force by day, used where a charge has no price."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from billing_day import DAY, EXAM, IPE, JACARANDA, Visit, happen, partner_row, register, rows
from billing_stay import built, change
from hypothesis import given
from hypothesis import strategies as st

from canonical.codes import TUSS
from hub.billing import listing
from hub.billing.visit import prices
from hub.billing.visit.price_files import Defaults, PriceRow, read
from hub.world import Tenant, World

HEAD = "Tabela;Código;Descrição;Valor;Início de Vigência;Fim de Vigência\n"
DEFAULTS = Defaults(table="", since=DAY)


def one(text: str, defaults: Defaults = DEFAULTS) -> PriceRow:
    found, problems = read(text.encode(), defaults)
    assert problems == [] and len(found) == 1, problems
    return found[0]


@pytest.mark.parametrize(
    ("written", "cents"),
    [("12,70", 1270), ("1.234,56", 123456), ("1234.56", 123456), ("R$ 12", 1200), ("0,005", 1), ("2,3449", 234)],
)
def test_money_as_offices_write_it(written: str, cents: int) -> None:
    assert one(f"{HEAD}22;40304361;Hemograma;{written};01/11/2026;\n").unit_cents == cents


def test_a_row_says_item_days_and_what_the_guide_names() -> None:
    row = one(
        'tabela,codigo,preco,codigo tuss,vigencia inicio,vigencia fim,unidade\n05,00.123,"4,37",90055888,2026-11-01,2026-11-30,AMP\n'
    )
    assert (row.item_table, row.item_code, row.billed_table, row.billed_code) == ("05", "00.123", "20", "90055888")
    assert (row.valid_from, row.valid_until) == (datetime.date(2026, 11, 1), datetime.date(2026, 11, 30))
    own = one("codigo;valor\nX1;10\n", Defaults(table="12", since=DAY))
    assert (own.billed_table, own.billed_code, own.valid_from) == ("00", "X1", DAY)
    assert (
        one("código;valor\n1;10,00\n".encode("latin-1").decode("latin-1"), Defaults(table="22", since=DAY)).item_code
        == "1"
    )


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("2;40304361;x;1,00;;", "tabela"), ("22;4 0;x;1,00;;", "código"), ("22;1;x;um;;", "valor"), ("22;1;x;;;", "valor"),
        ("22;1;x;1,00;31/02/2026;", "início de vigência"), ("22;1;x;1,00;01/11/2026;01/10/2026", "fim de vigência"),
        ("22;1;x;1,00;;amanhã", "fim de vigência"), ("22;1;x;-1,00;;", "valor"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named(line: str, column: str) -> None:
    found, (problem,) = read(f"{HEAD}22;2;y;1,00;;\n{line}\n".encode(), DEFAULTS)
    assert len(found) == 1 and (problem.code, problem.where) == ("price.row", "linha 3")
    assert column in problem.text()


@pytest.mark.parametrize("head", ["", "a;b\n", "tabela;valor\n", "código;tabela\n", "código;valor\n"])
def test_a_file_without_its_columns_is_told(head: str) -> None:
    found, (problem,) = read(f"{head}22;1\n".encode(), DEFAULTS)
    assert found == [] and problem.code == "price.column"


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    read(HEAD.encode() + raw, DEFAULTS)
    read(raw, DEFAULTS)


async def take(world: World, tenant: Tenant, text: str, payer: str = IPE) -> int:
    async with world.transaction(tenant) as tx:
        wanted = prices.Import(payer_id=await listing.payer_id(tx, payer), name="t", defaults=DEFAULTS, actor="test")
        count, problems = await prices.take_in(tx, wanted, text.encode(), world.now())
    assert problems == []
    return count


def codes_of(guide: Any) -> list[str]:
    return sorted(problem["code"] for problem in json.loads(guide["problems"]))


async def unpriced(world: World, tenant: Tenant) -> str:
    await register(world, tenant, [partner_row(IPE), partner_row(JACARANDA)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
    await change(world, tenant, patient, EXAM[1], priceOverride=None, factorOverride=0.5)
    return patient


async def test_a_charge_without_price_takes_that_of_its_day(world: World, tenant: Tenant) -> None:
    await unpriced(world, tenant)
    (guide,) = await built(world, tenant)
    assert guide["status"] == "pendente" and set(codes_of(guide)) == {"guide.missing", "guide.no-price"}
    await take(world, tenant, f"{HEAD}22;{EXAM[1]};x;10,00;01/01/2026;\n22;{EXAM[1]};x;12,70;01/11/2026;\n")
    await take(world, tenant, f"{HEAD}22;{EXAM[1]};x;99,00;01/01/2026;\n", JACARANDA)
    await take(world, tenant, f"{HEAD}22;{EXAM[1]};x;20,00;01/12/2026;\n")
    (guide,) = await built(world, tenant)
    (item,) = json.loads(guide["tree"])["procedimentosExecutados"]["procedimentoExecutado"]
    assert (guide["status"], guide["total_cents"], item["valorUnitario"]) == ("pronta", 1270, "12.70"), guide[
        "problems"
    ]


@pytest.mark.parametrize("until", ["19/11/2026", "20/11/2026"])
async def test_a_price_that_has_ended_is_none(world: World, tenant: Tenant, until: str) -> None:
    await unpriced(world, tenant)
    await take(world, tenant, f"{HEAD}22;{EXAM[1]};x;10,00;01/01/2026;{until}\n")
    (guide,) = await built(world, tenant)
    assert guide["status"] == ("pronta" if until.startswith("20") else "pendente")


async def test_a_price_of_a_charge_is_held_against_the_contract(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
    await take(world, tenant, f"{HEAD}22;{EXAM[1]};x;12,71;01/01/2026;\n")
    (guide,) = await built(world, tenant)
    assert guide["status"] == "pronta" and codes_of(guide) == ["guide.price-differs"]
    assert "12.70" in guide["problems"] and "12.71" in guide["problems"] and guide["total_cents"] == 2540


async def test_a_publishers_code_is_billed_by_its_tiss_code(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM, ("20", "0012345", "2", "1.00")))])
    code = {"coding": [{"system": f"{TUSS}05", "code": "0012345", "display": "Dipirona"}]}
    await change(world, tenant, patient, "0012345", code=code, priceOverride=None)
    (guide,) = await built(world, tenant)
    assert {"guide.no-price", "guide.no-billed-code"} <= set(codes_of(guide))
    await take(
        world, tenant, "tabela;código;valor;código tuss;unidade;desde\n05;0012345;4,37;90055888;AMP;01/01/2026\n"
    )
    (guide,) = await built(world, tenant)
    assert guide["status"] == "pronta", guide["problems"]
    (medicine,) = json.loads(guide["tree"])["outrasDespesas"]["despesa"]
    service = medicine["servicosExecutados"]
    assert (medicine["codigoDespesa"], service["codigoTabela"], service["codigoProcedimento"]) == (
        "02",
        "20",
        "90055888",
    )
    assert (service["valorTotal"], service["unidadeMedida"]) == ("8.74", "001")


async def test_prices_are_listed_by_code_and_day(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    assert (
        await take(world, tenant, f"{HEAD}22;1;a;1,00;01/01/2026;\n22;1;a;2,00;01/02/2026;\n22;12;b;3,00;01/01/2026;\n")
        == 3
    )
    assert await take(world, tenant, f"{HEAD}22;1;a;1,50;01/01/2026;\n") == 1, "the same day again: replaced"
    async with world.transaction(tenant) as tx:
        payer = await listing.payer_id(tx, IPE)
        every = await prices.listed(tx, payer, "", None, "", 10)
        assert [(row["item_code"], row["unit_cents"]) for row in every] == [("12", 300), ("1", 150), ("1", 200)]
        page = await prices.listed(tx, payer, "1", None, prices.place(every[0]), 1)
        assert [(row["item_code"], row["unit_cents"]) for row in page] == [("1", 150)]
        january = await prices.listed(tx, payer, "1", datetime.date(2026, 1, 31), "", 10)
        assert sorted(row["unit_cents"] for row in january) == [150, 300]
    assert await rows(world, other_tenant, "SELECT 1 FROM price WHERE tenant_id = $1") == []
