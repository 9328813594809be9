"""Inpatients: one resumo de internação after discharge, on the payer's authorisation; newborns on the mother's card."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from billing_day import DAY, DIPYRONE, EXAM, IPE, JACARANDA, Visit, happen, partner_row, register, rows
from billing_stay import authorise, built, discharge, put
from payer_server import payer_server, settle

from canonical.codes import ANS
from fhir import jsontext
from fhir.validation.validator import validate
from hub.billing import jobs
from hub.billing.batch import batches
from hub.billing.returns import reconciliation
from hub.billing.visit import charges
from hub.billing.writing import stored
from hub.records.write import Write
from hub.world import Tenant, World

DAILY = ("18", "60000775", "2", "800.00")
CAESAREAN = ("22", "31309054", "1", "950.00")
VISIT = {"charges": (EXAM, CAESAREAN, DAILY, DIPYRONE), "kind": "IMP"}


@pytest.mark.parametrize("payer", [IPE, JACARANDA])
async def test_a_stay_becomes_one_resumo_that_is_paid(world: World, tenant: Tenant, payer: str) -> None:
    async with payer_server(deny_every=3) as server:
        await register(world, tenant, [partner_row(payer, server.url(payer))])
        (patient,) = await happen(world, tenant, [Visit(payer=payer, **VISIT)])
        await authorise(world, tenant, patient, payer)
        await discharge(world, tenant, patient)
        (guide,) = await built(world, tenant)
        assert (guide["kind"], guide["status"]) == ("internacao", "pronta")
        # the charges tell no team, route or technique of the surgery: said, and not blocking
        assert {problem["code"] for problem in json.loads(guide["problems"])} <= {
            "table.degree",
            "table.route",
            "table.technique",
        }
        tree = json.loads(guide["tree"])
        told = tree["dadosAutorizacao"]
        assert (told["senha"], told["numeroGuiaOperadora"]) == ("SENHA123", "OP900")
        assert told["dataAutorizacao"] == f"{DAY - datetime.timedelta(1)}"
        assert told["dataValidadeSenha"] == f"{DAY + datetime.timedelta(30)}"
        assert tree["numeroGuiaSolicitacaoInternacao"] == "SOL77"
        assert tree["dadosInternacao"] == {
            "caraterAtendimento": "1", "tipoFaturamento": "4", "dataInicioFaturamento": f"{DAY - datetime.timedelta(2)}",
            "horaInicioFaturamento": "08:15:00", "dataFinalFaturamento": f"{DAY}", "horaFinalFaturamento": "16:40:00",
            "tipoInternacao": "3", "regimeInternacao": "1",
        }  # fmt: skip
        assert tree["dadosSaidaInternacao"] == {
            "diagnostico": ["O820"], "indicadorAcidente": "9", "motivoEncerramento": "12",
        }  # fmt: skip
        assert tree["valorTotal"]["valorTotalGeral"] == "1779.90" and tree["valorTotal"]["valorDiarias"] == "800.00"
        async with world.transaction(tenant) as tx:
            claim = (await stored(tx, "Claim", [str(guide["id"])]))[str(guide["id"])]
        assert validate(claim) == [] and claim["insurance"][0]["preAuthRef"] == ["SENHA123"]
        assert claim["diagnosis"][0]["diagnosisCodeableConcept"]["coding"][0]["code"] == "O820"
        assert jsontext.text(claim["total"]) == '{"value":1779.90,"currency":"BRL"}' and len(claim["item"]) == 4
        (closed,) = await batches.close_batches(world, tenant)
        assert closed.status == "enviando"
        await settle(world, tenant)
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        (submission,) = await rows(world, tenant, "SELECT * FROM submission WHERE tenant_id = $1")
        async with world.transaction(tenant) as tx:
            figures = await reconciliation.of_protocol(tx, submission["protocol"], submission["payer_id"])
        book = (await server.received())[payer]
        assert (figures["billed"], figures["paid"], figures["denied"], figures["open"]) == (
            177990, book["paid_cents"], book["denied_cents"], 0,
        )  # fmt: skip


async def test_a_stay_is_billed_after_its_end(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, **VISIT)])
    await authorise(world, tenant, patient)
    await discharge(world, tenant, patient, status="in-progress")
    assert await built(world, tenant) == []
    async with world.transaction(tenant) as tx:
        assert await charges.in_stay(tx) == 4
    await discharge(world, tenant, patient)
    assert [guide["kind"] for guide in await built(world, tenant)] == ["internacao"]
    async with world.transaction(tenant) as tx:
        assert await charges.in_stay(tx) == 0


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"hospitalization": {"dischargeDisposition": {"text": "outro"}}}, "motivo do encerramento"),
        ({"period": {"start": "2026-11-18T08:00:00-03:00"}}, "data da alta"),
    ],
)
async def test_what_a_stay_lacks_is_told(world: World, tenant: Tenant, changed: dict[str, Any], field: str) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, **VISIT)])
    await authorise(world, tenant, patient)
    await discharge(world, tenant, patient, **changed)
    (guide,) = await built(world, tenant)
    assert guide["status"] == "pendente" and any(field in problem["text"] for problem in json.loads(guide["problems"]))


@pytest.mark.parametrize(
    "other",
    [
        {"insurer": {"identifier": {"system": ANS, "value": JACARANDA}}},
        {"preAuthPeriod": {"start": "2026-01-01", "end": "2026-01-31"}},
        {"outcome": "error"},
        {"status": "cancelled"},
        {"use": "claim"},
    ],
    ids=["payer", "period", "refused", "cancelled", "no-authorisation"],
)
async def test_another_authorisation_does_not_count(world: World, tenant: Tenant, other: dict[str, Any]) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, **VISIT)])
    await authorise(world, tenant, patient, **other)
    await discharge(world, tenant, patient)
    (guide,) = await built(world, tenant)
    assert guide["status"] == "pendente" and "senha" in guide["problems"]
    await authorise(world, tenant, patient)
    (again,) = await built(world, tenant)
    assert (again["status"], again["number"]) == ("pronta", guide["number"])


async def test_the_authorisation_of_the_codes_goes_before_another(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,), kind="AMB")])
    item = {"sequence": 1, "productOrService": {"coding": [{"code": EXAM[1]}]}}
    asked = {
        "resourceType": "Claim", "status": "active", "use": "preauthorization", "type": {"text": "SP/SADT"},
        "patient": {"reference": f"Patient/{patient}"}, "created": f"{DAY}", "provider": {"display": "H"},
        "priority": {"text": "normal"}, "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "c"}}],
        "item": [item], "identifier": [{"value": "PEDIDO"}],
    }  # fmt: skip
    await put(world, tenant, Write(type="Claim", id="asked", body=asked))
    await authorise(world, tenant, patient, request={"reference": "Claim/asked"}, preAuthRef="DOS-CODIGOS")
    await authorise(world, tenant, patient, preAuthRef="GERAL")
    (guide,) = await built(world, tenant)
    assert json.loads(guide["tree"])["dadosAutorizacao"]["senha"] == "DOS-CODIGOS"


@pytest.mark.parametrize(("days", "flag"), [(0, "S"), (30, "S"), (31, "N")])
async def test_a_newborn_on_the_mothers_card_is_told(world: World, tenant: Tenant, days: int, flag: str) -> None:
    await register(world, tenant, [partner_row(IPE)])
    mother, child = await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,)) for _ in range(2)])
    born = DAY - datetime.timedelta(days)
    body = {"resourceType": "Patient", "birthDate": born.isoformat(), "name": [{"family": "Inventada"}]}
    await put(world, tenant, Write(type="Patient", id=child, body=body))
    found = {
        guide["patient_id"]: json.loads(guide["tree"])["dadosBeneficiario"] for guide in await built(world, tenant)
    }
    assert found[child]["atendimentoRN"] == flag and found[mother]["atendimentoRN"] == "N"


async def test_a_newborn_with_an_own_card_is_like_anybody(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (child,) = await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,), member="00999999999999999")])
    body = {"resourceType": "Patient", "birthDate": DAY.isoformat(), "name": [{"family": "Inventada"}]}
    await put(world, tenant, Write(type="Patient", id=child, body=body))
    (guide,) = await built(world, tenant)
    assert json.loads(guide["tree"])["dadosBeneficiario"]["atendimentoRN"] == "N"


async def test_an_item_in_two_guides_is_told_and_does_not_block(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
    (first,) = await built(world, tenant)
    assert json.loads(first["problems"]) == []
    await batches.close_batches(world, tenant)
    await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,), patient=patient)])
    await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,), on=DAY + datetime.timedelta(1), patient=patient)])
    _, second, third = await built(world, tenant)
    assert (second["status"], third["status"]) == ("pronta", "pronta")
    (problem,) = json.loads(second["problems"]) or json.loads(third["problems"])
    assert problem["code"] == "guide.repeated" and f"guia {first['number']} (lote 1)" in problem["text"]
    assert json.loads(second["problems"]) == [] or json.loads(third["problems"]) == []


async def test_two_visits_built_together_see_each_other(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
    await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,), patient=patient)])
    found = [json.loads(guide["problems"]) for guide in await built(world, tenant)]
    assert [[problem["code"] for problem in problems] for problems in found] == [["guide.repeated"], ["guide.repeated"]]


async def test_an_authorisation_that_comes_later_is_in_the_guide_that_was_ready(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
    (before,) = await built(world, tenant)
    assert before["status"] == "pronta" and "SENHA123" not in before["tree"]
    await authorise(world, tenant, patient)
    (after,) = await built(world, tenant)
    assert json.loads(after["tree"])["dadosAutorizacao"]["senha"] == "SENHA123"
    assert (after["number"], after["status"]) == (before["number"], "pronta")
    assert (await built(world, tenant))[0]["version"] == after["version"], "nothing changed since"


async def test_a_card_corrected_later_is_in_the_guide_that_was_ready(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
    (before,) = await built(world, tenant)
    assert before["status"] == "pronta"
    async with world.transaction(tenant) as tx:
        card = (await stored(tx, "Coverage", [before["coverage_id"]]))[before["coverage_id"]]
    changed = {**card, "subscriberId": "000111222333444"}
    if "identifier" in card:
        changed["identifier"] = [{**card["identifier"][0], "value": "000111222333444"}]
    await put(world, tenant, Write(type="Coverage", id=card["id"], body=changed))
    (after,) = await built(world, tenant)
    assert json.loads(after["tree"])["dadosBeneficiario"]["numeroCarteira"] == "000111222333444"
    assert (after["number"], after["status"]) == (before["number"], "pronta")
