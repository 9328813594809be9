"""Acts of dentistry become guias de tratamento odontológico: tooth or region, faces, who is responsible."""

from __future__ import annotations

import json
from typing import Any

import pytest
from billing_day import EXAM, IPE, JACARANDA, Visit, happen, partner_row, register, rows
from billing_stay import authorise, built, change, put
from payer_server import payer_server, settle

from canonical.codes import CBO, CPF, SID, TUSS
from fhir.validation.validator import validate
from hub.billing import jobs
from hub.billing.appeal import appeals
from hub.billing.batch import batches
from hub.billing.writing import origin, stored
from hub.records.write import Write
from hub.world import Tenant, World
from tiss.wire import message, soap

FILLING = ("22", "85100200", "1", "130.00")
XRAY = ("22", "81000421", "2", "30.00")
FDI = "http://terminology.hl7.org/CodeSystem"


def site(*codings: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"coding": [{"system": system, "code": code}]} for system, code in codings]


async def treated(world: World, tenant: Tenant, payer: str, url: str = "", *charges: tuple[str, str, str, str]) -> str:
    await register(world, tenant, [partner_row(payer, url)])
    (patient,) = await happen(world, tenant, [Visit(payer=payer, charges=charges or (FILLING, XRAY))])
    dentist = {
        "resourceType": "Practitioner", "name": [{"text": "Dentista Inventada"}],
        "identifier": [{"system": f"{SID}/cro-sp", "value": "4321"}, {"system": CPF, "value": "12345678062"}],
        "qualification": [{"code": {"coding": [{"system": CBO, "code": "223208"}]}}],
    }  # fmt: skip
    await put(world, tenant, Write(type="Practitioner", id="dentist", body=dentist))
    by = [{"actor": {"reference": "Practitioner/dentist"}}]
    await change(
        world, tenant, patient, FILLING[1], performer=by, bodysite=site((f"{TUSS}28", "16"), (f"{TUSS}32", "MO"))
    )
    await change(world, tenant, patient, XRAY[1], performer=by, bodysite=site((f"{TUSS}42", "HASD")))
    for row in await rows(
        world, tenant, "SELECT r.id, r.body FROM resource r WHERE tenant_id = $1 AND type = 'Coverage'"
    ):
        plan = {"type": {"text": "plan"}, "value": "ODONTO", "name": "Plano Sorriso"}
        body = {**json.loads(row["body"]), "class": [plan]}
        await put(world, tenant, Write(type="Coverage", id=row["id"], body=body))
    return patient


@pytest.mark.parametrize("payer", [IPE, JACARANDA])
async def test_a_treatment_becomes_a_dental_guide_that_is_paid(world: World, tenant: Tenant, payer: str) -> None:
    async with payer_server(deny_every=2) as server:
        patient = await treated(world, tenant, payer, server.url(payer))
        await authorise(world, tenant, patient, payer)
        (guide,) = await built(world, tenant)
        assert (guide["kind"], guide["status"], guide["total_cents"]) == ("odonto", "pronta", 16000), guide["problems"]
        tree = json.loads(guide["tree"])
        assert json.loads(guide["problems"]) == []
        assert (tree["planoBeneficiario"], tree["tipoAtendimento"], tree["tipoFaturamento"]) == (
            "Plano Sorriso",
            "1",
            "4",
        )
        people = tree["dadosProfissionaisResponsaveis"]
        assert {name: people[name] for name in ("codigoProfExec", "croExec", "ufExec", "cbosExec2", "cnesExec")} == {
            "codigoProfExec": "12345678062", "croExec": "4321", "ufExec": "35", "cbosExec2": "223208",
            "cnesExec": "9999999",
        }  # fmt: skip
        filling, xray = sorted(tree["procedimentosExecutados"], key=lambda item: -float(item["valorProc"]))
        assert (filling["denteRegiao"], filling["denteFace"]) == ({"codDente": "16"}, "MO")
        assert xray["denteRegiao"] == {"codRegiao": "HASD"} and xray["qtdProc"] == "2"
        assert (filling["autorizado"], tree["senhaAutorizacao"], tree["valorTotalProc"]) == (
            "true",
            "SENHA123",
            "160.00",
        )
        async with world.transaction(tenant) as tx:
            (claim,) = (await stored(tx, "Claim", [str(guide["id"])])).values()
        assert validate(claim) == [] and claim["type"]["coding"][1]["code"] == "oral"
        sites = {(c["bodySite"]["coding"][0]["code"], str(c.get("subSite", ""))[:30] != "") for c in claim["item"]}
        assert sites == {("16", True), ("HASD", False)}
        (closed,) = await batches.close_batches(world, tenant)
        assert closed.status == "enviando"
        await settle(world, tenant)
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        book = (await server.received())[payer]
        assert book["batches"][0]["kind"] == "guiaOdonto" and book["billed_cents"] == 16000
        lines = await rows(world, tenant, "SELECT * FROM statement_line WHERE tenant_id = $1 AND orphan = ''")
        assert sum(line["billed_cents"] for line in lines) == 16000


async def test_fdi_codes_of_tooth_and_surface_are_understood(world: World, tenant: Tenant) -> None:
    patient = await treated(world, tenant, IPE)
    spoken = site((f"{FDI}/ex-tooth", "26"), (f"{FDI}/FDI-surface", "B"), (f"{FDI}/FDI-surface", "O"))
    await change(world, tenant, patient, FILLING[1], bodysite=spoken)
    (guide,) = await built(world, tenant)
    filling = next(i for i in json.loads(guide["tree"])["procedimentosExecutados"] if "denteFace" in i)
    assert (filling["denteRegiao"]["codDente"], filling["denteFace"]) == ("26", "VO")
    assert filling["autorizado"] == "false"


async def test_what_is_no_act_on_teeth_stays_on_the_sp_sadt(world: World, tenant: Tenant) -> None:
    await treated(world, tenant, IPE, "", FILLING, EXAM)
    assert sorted(guide["kind"] for guide in await built(world, tenant)) == ["odonto", "sp-sadt"]


async def test_a_filling_without_its_tooth_is_told(world: World, tenant: Tenant) -> None:
    patient = await treated(world, tenant, IPE)
    await change(world, tenant, patient, FILLING[1], bodysite=None)
    (guide,) = await built(world, tenant)
    found = {problem["code"] for problem in json.loads(guide["problems"])}
    assert guide["status"] == "pendente" and "table.tooth" in found


@pytest.mark.parametrize("payer", [IPE, JACARANDA])
async def test_denied_acts_are_appealed_in_the_dental_body(world: World, tenant: Tenant, payer: str) -> None:
    async with payer_server(deny_every=1) as server:
        await treated(world, tenant, payer, server.url(payer))
        await built(world, tenant)
        await batches.close_batches(world, tenant)
        await settle(world, tenant)
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        denied = await rows(world, tenant, "SELECT * FROM denial WHERE tenant_id = $1 AND status = 'aberta'")
        assert len(denied) == 2
        by = origin(world, tenant, "test")
        async with world.transaction(tenant) as tx:
            (partner,) = await tx.rows("SELECT id FROM partner WHERE tenant_id = $1")
            wish = appeals.Wish(payer_id=partner["id"], protocol=server.book(payer).batches["1"].protocol)
            appeal = await appeals.draft(tx, wish, by)
            assert await appeals.send(world, tenant, tx, appeal, "test") == "enviando"
        await settle(world, tenant)
        (sent,) = await rows(
            world, tenant, "SELECT content FROM message WHERE tenant_id = $1 AND type = 'RECURSO_GLOSA' AND direction = 'out'"
        )  # fmt: skip
        read = message.read(soap_body(sent["content"]))
        assert isinstance(read, message.Tiss)
        (guide,) = read.root.findall("{*}loteRecurso/{*}guiaRecursoGlosaOdonto/{*}opcaoRecurso/{*}recursoGuia")
        assert guide.findtext("{*}codGlosaGuia") and guide.findtext("{*}justificativaGuia")
        acts = guide.findall("{*}recursoProcedimento")
        told = {
            (act.findtext("{*}denteRegiao/*"), act.findtext("{*}denteFace"), act.findtext("{*}quantidade"))
            for act in acts
        }
        assert told == {("16", "MO", "1"), ("HASD", None, "2")}
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        (found,) = await rows(world, tenant, "SELECT * FROM appeal WHERE tenant_id = $1")
        book = (await server.received())[payer]["appeals"][0]
        assert (found["status"], found["granted_cents"]) == ("respondido", book["granted_cents"]) and book["lines"] == 2
        assert json.loads(found["problems"]) == []
        states = await rows(world, tenant, "SELECT status FROM denial WHERE tenant_id = $1 ORDER BY status")
        assert [row["status"] for row in states] == ["mantida", "revertida"]


def soap_body(content: bytes) -> bytes:
    body = soap.read(content)
    assert isinstance(body, soap.Body)
    return body.content
