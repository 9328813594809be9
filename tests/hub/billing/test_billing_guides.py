"""Charges become guides: the right kind, exact cents, the payer's own keys; incomplete ones wait with a reason."""

from __future__ import annotations

import json

import pytest
from billing_day import (
    CNPJ,
    CONSULTATION,
    DIPYRONE,
    EXAM,
    GLUCOSE,
    IPE,
    JACARANDA,
    Visit,
    happen,
    many,
    partner_row,
    register,
    rows,
)

from hub.billing.guide import guides
from hub.world import Tenant, World

GUIDES = "SELECT * FROM guide WHERE tenant_id = $1 ORDER BY length(number), number"


@pytest.mark.parametrize("code", [IPE, JACARANDA])
async def test_a_visit_becomes_a_consultation_and_an_exam_guide(world: World, tenant: Tenant, code: str) -> None:
    await register(world, tenant, [partner_row(code)])
    await happen(world, tenant, [Visit(payer=code, charges=(CONSULTATION, EXAM, DIPYRONE))])
    built = await guides.build_guides(world, tenant)
    found = await rows(world, tenant, GUIDES)
    assert [json.loads(g["problems"]) for g in found if g["status"] != "pronta"] == []
    assert (built.ready, built.pending) == (2, 0)
    by_kind = {g["kind"]: g for g in found}
    assert by_kind["consulta"]["total_cents"] == 18000
    assert by_kind["sp-sadt"]["total_cents"] == 2540 + 450
    tree = json.loads(by_kind["sp-sadt"]["tree"])
    assert tree["valorTotal"] == {
        "valorMedicamentos": "4.50",
        "valorProcedimentos": "25.40",
        "valorTotalGeral": "29.90",
    }
    key = {"codigoPrestadorNaOperadora": "HOSP0001"} if code == IPE else {"cnpjContratado": CNPJ}
    assert tree["dadosExecutante"]["contratadoExecutante"] == key
    assert tree["outrasDespesas"]["despesa"][0]["codigoDespesa"] == "02"
    assert tree["procedimentosExecutados"]["procedimentoExecutado"][0]["valorUnitario"] == "12.70"
    items = await rows(world, tenant, "SELECT * FROM guide_item WHERE tenant_id = $1 AND guide_id = $2 ORDER BY sequence",
                       by_kind["sp-sadt"]["id"])  # fmt: skip
    assert [(i["sequence"], i["section"], i["total_cents"]) for i in items] == [
        (1, "procedimentos", 2540),
        (2, "outrasDespesas", 450),
    ]
    assert not await rows(world, tenant, "SELECT id FROM charge WHERE tenant_id = $1 AND guide_id IS NULL")
    assert (await guides.build_guides(world, tenant)) == guides.Built()


async def test_an_emergency_consultation_goes_into_the_sp_sadt_guide(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, [Visit(payer=IPE, kind="EMER", charges=(("22", "10101039", "1", "95.00"), GLUCOSE))])
    await guides.build_guides(world, tenant)
    (guide,) = await rows(world, tenant, GUIDES)
    tree = json.loads(guide["tree"])
    assert guide["status"] == "pronta", guide["problems"]
    assert (
        tree["dadosAtendimento"]["regimeAtendimento"] == "04" and tree["dadosSolicitacao"]["caraterAtendimento"] == "2"
    )


@pytest.mark.parametrize(
    ("visit", "code"),
    [
        (Visit(payer=IPE, charges=(EXAM,), member=""), "guide.missing"),
        (Visit(payer=IPE, charges=(EXAM,), doctor=False), "guide.missing"),
        (Visit(payer=IPE, charges=(("22", "40304361", "3", "10.00"),)), "guide.unit-price"),
        (Visit(payer=IPE, charges=(("22", "40304361", "1", "0"),)), "guide.amount"),
        (Visit(payer=IPE, charges=(("22", "40304361", "20261123090000", "10.00"),)), "guide.amount"),
        (Visit(payer=IPE, charges=(("22", "40304361", "0.5", "10.00"),)), "guide.number"),
        (Visit(payer=IPE, charges=(EXAM,), valid_until="2021-01-01"), "guide.coverage-period"),
        (Visit(payer=IPE, charges=(EXAM,), kind="ZZZ"), "guide.code"),
    ],
)
async def test_an_incomplete_guide_waits_with_its_reason(world: World, tenant: Tenant, visit: Visit, code: str) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, [visit])
    built = await guides.build_guides(world, tenant)
    assert (built.ready, built.pending) == (0, 1)
    (guide,) = await rows(world, tenant, GUIDES)
    problems = json.loads(guide["problems"])
    assert code in {p["code"] for p in problems}, problems
    assert all(p["text"] and p["remedy"] for p in problems)


async def test_a_repaired_guide_keeps_its_number(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,), member="")])
    await guides.build_guides(world, tenant)
    (before,) = await rows(world, tenant, GUIDES)
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE coverage SET member_number = '998877' WHERE tenant_id = $1")
    assert (await guides.build_guides(world, tenant)).ready == 1
    (after,) = await rows(world, tenant, GUIDES)
    assert (after["number"], after["status"], after["version"]) == (before["number"], "pronta", 2)


async def test_numbers_are_never_shared(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE), partner_row(JACARANDA)])
    visits = many(Visit(payer=IPE, charges=(EXAM,)), 30) + many(Visit(payer=JACARANDA, charges=(GLUCOSE,)), 5)
    await happen(world, tenant, visits)
    assert (await guides.build_guides(world, tenant)).ready == 35
    found = await rows(world, tenant, GUIDES)
    assert len({(g["payer_id"], g["number"]) for g in found}) == 35
    assert await rows(world, other_tenant, GUIDES) == []


async def test_a_payer_of_the_old_version_gets_the_names_it_asks_for(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE, speaks="tiss 3.05.00"), partner_row(JACARANDA)])
    await happen(world, tenant, [Visit(payer=code, charges=(CONSULTATION, EXAM)) for code in (IPE, JACARANDA)])
    await guides.build_guides(world, tenant)
    async with world.transaction(tenant) as tx:
        made = await tx.rows(
            "SELECT kind, tiss_version, tree FROM guide WHERE tenant_id = $1 ORDER BY kind, tiss_version"
        )
    told = {(row["kind"], row["tiss_version"]): json.loads(row["tree"]) for row in made}
    old, new = told["consulta", "3.05.00"], told["consulta", "4.03.00"]
    assert old["dadosBeneficiario"]["nomeBeneficiario"] == "Joana Inventada"
    assert old["contratadoExecutante"]["nomeContratado"] == "Hospital de Teste"
    assert "regimeAtendimento" not in old["dadosAtendimento"] and new["dadosAtendimento"]["regimeAtendimento"]
    assert "nomeBeneficiario" not in new["dadosBeneficiario"]
    exam = told["sp-sadt", "3.05.00"]
    assert exam["dadosSolicitante"]["contratadoSolicitante"]["nomeContratado"] == "Hospital de Teste"
