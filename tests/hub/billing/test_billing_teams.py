"""Who took part in an act, and how it was done: equipe, grau, via and técnica on the guides of a stay; honorários."""

from __future__ import annotations

import json
from typing import Any

import pytest
from billing_day import DAY, DIPYRONE, EXAM, IPE, JACARANDA, Visit, happen, partner_row, register, rows
from billing_stay import authorise, built, change, discharge, doctor, member, modifier, put
from payer_server import payer_server, settle

from canonical.codes import TUSS
from fhir.validation.validator import validate
from hub.billing import jobs
from hub.billing.batch import batches
from hub.billing.writing import stored
from hub.records.write import Write
from hub.world import Tenant, World

SURGERY = ("22", "31005470", "1", "950.00")
DAILY = ("18", "60000775", "2", "800.00")
SURGEON, ASSISTANT = "12345678062", "11144477735"
KEYHOLE = [modifier("61", "1"), modifier("48", "2")]


def codes_of(guide: Any) -> list[str]:
    return sorted(problem["code"] for problem in json.loads(guide["problems"]))


async def operated(world: World, tenant: Tenant, payer: str = IPE, **settings: Any) -> str:
    """A patient was operated on by a surgeon and an assistant, and discharged."""
    await register(world, tenant, [partner_row(payer, **settings)])
    (patient,) = await happen(world, tenant, [Visit(payer=payer, charges=(EXAM, SURGERY, DAILY, DIPYRONE), kind="IMP")])
    surgeon = await doctor(world, tenant, "45678", SURGEON)
    assistant = await doctor(world, tenant, "56789", ASSISTANT, cbo="225125")
    team = [member(assistant, "01"), member(surgeon, "00")]
    await change(world, tenant, patient, SURGERY[1], performer=team, extension=KEYHOLE)
    await authorise(world, tenant, patient, payer)
    await discharge(world, tenant, patient)
    return patient


async def test_a_surgery_names_its_team_route_and_technique(world: World, tenant: Tenant) -> None:
    await operated(world, tenant)
    (guide,) = await built(world, tenant)
    assert (guide["kind"], guide["status"], codes_of(guide)) == ("internacao", "pronta", [])
    items = json.loads(guide["tree"])["procedimentosExecutados"]["procedimentoExecutado"]
    surgery = next(item for item in items if item["procedimento"]["codigoProcedimento"] == SURGERY[1])
    assert (surgery["viaAcesso"], surgery["tecnicaUtilizada"]) == ("1", "2")
    first, second = (row["identificacaoEquipe"] for row in surgery["identEquipe"])
    assert first == {
        "grauPart": "00", "codProfissional": {"cpfContratado": SURGEON}, "nomeProf": "Médico 45678", "conselho": "06",
        "numeroConselhoProfissional": "45678", "UF": "35", "CBOS": "225225",
    }  # fmt: skip
    assert (second["grauPart"], second["CBOS"]) == ("01", "225125")
    async with world.transaction(tenant) as tx:
        (claim,) = (await stored(tx, "Claim", [str(guide["id"])])).values()
    assert validate(claim) == []
    item = next(i for i in claim["item"] if i["productOrService"]["coding"][0]["code"] == SURGERY[1])
    assert item["careTeamSequence"] == [2, 3] and len(claim["careTeam"]) == 2
    assert [one["role"]["coding"][0]["code"] for one in claim["careTeam"]] == ["00", "01"]


async def test_the_team_of_the_procedure_is_the_team_of_its_charge(world: World, tenant: Tenant) -> None:
    patient = await operated(world, tenant)
    (row,) = await rows(world, tenant, "SELECT id FROM encounter WHERE tenant_id = $1")
    await change(world, tenant, patient, SURGERY[1], performer=None, extension=None)
    act = {
        "resourceType": "Procedure", "status": "completed", "subject": {"reference": f"Patient/{patient}"},
        "encounter": {"reference": f"Encounter/{row['id']}"}, "performedDateTime": f"{DAY}T11:00:00-03:00",
        "code": {"coding": [{"system": f"{TUSS}22", "code": SURGERY[1]}]}, "extension": KEYHOLE,
        "performer": [member("crm45678", "00"), {
            "function": {"coding": [{"system": "http://snomed.info/sct", "code": "88189002"}]},
            "actor": {"reference": "Practitioner/crm56789"},
        }],
    }  # fmt: skip
    await put(world, tenant, Write(type="Procedure", id="act", body=act))
    (guide,) = await built(world, tenant)
    assert codes_of(guide) == [], guide["problems"]
    items = json.loads(guide["tree"])["procedimentosExecutados"]["procedimentoExecutado"]
    surgery = next(item for item in items if item["procedimento"]["codigoProcedimento"] == SURGERY[1])
    assert [row["identificacaoEquipe"]["grauPart"] for row in surgery["identEquipe"]] == ["00", "06"]


async def test_a_member_a_guide_cannot_name_is_told(world: World, tenant: Tenant) -> None:
    patient = await operated(world, tenant)
    nameless = await doctor(world, tenant, "777")
    await change(world, tenant, patient, SURGERY[1], performer=[member("crm45678", "00"), member(nameless, "06")])
    (guide,) = await built(world, tenant)
    assert guide["status"] == "pronta" and codes_of(guide) == ["guide.team"]
    assert "CPF ou código na operadora" in guide["problems"] and "grau de participação 06" in guide["problems"]


@pytest.mark.parametrize("payer", [IPE, JACARANDA])
async def test_fees_have_guides_of_their_own(world: World, tenant: Tenant, payer: str) -> None:
    async with payer_server(deny_every=3) as server:
        settings: dict[str, Any] = {"billing": {"fees": "honorarios"}}
        patient = await operated(world, tenant, payer, **settings)
        async with world.transaction(tenant) as tx:
            await tx.run(
                "UPDATE partner SET settings = jsonb_set(settings::jsonb, '{transport,url}', to_jsonb($2::text))::text "
                "WHERE tenant_id = $1", server.url(payer),
            )  # fmt: skip
        assert patient
        found = {guide["kind"]: guide for guide in await built(world, tenant)}
        assert {kind: (g["status"], g["total_cents"]) for kind, g in found.items()} == {
            "internacao": ("pronta", 82990), "honorarios": ("pronta", 95000),
        }, [g["problems"] for g in found.values()]  # fmt: skip
        tree = json.loads(found["honorarios"]["tree"])
        assert tree["guiaSolicInternacao"] == "SOL77" and tree["senha"] == "SENHA123"
        assert tree["dadosContratadoExecutante"]["codigonaOperadora"] == SURGEON
        place = tree["localContratado"]
        assert set(place["codigoContratado"]) == {"cnpjLocalExecutante" if payer == JACARANDA else "codigoNaOperadora"}
        assert place["nomeContratado"] == "Hospital de Teste"
        (item,) = tree["procedimentosRealizados"]["procedimentoRealizado"]
        assert [row["grauParticipacao"] for row in item["profissionais"]] == ["00", "01"]
        assert (tree["valorTotalHonorarios"], item["viaAcesso"], item["tecnicaUtilizada"]) == ("950.00", "1", "2")
        assert ("caraterAtendimento" in tree["dadosInternacao"]) == (payer == JACARANDA)
        async with world.transaction(tenant) as tx:
            (claim,) = (await stored(tx, "Claim", [str(found["honorarios"]["id"])])).values()
        assert validate(claim) == [] and claim["type"]["coding"][0]["code"] == "honorarios"
        assert claim["insurance"][0]["preAuthRef"] == ["SENHA123"]
        closed = await batches.close_batches(world, tenant)
        assert [one.status for one in closed] == ["enviando", "enviando"]
        await settle(world, tenant)
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        book = (await server.received())[payer]
        assert sorted(batch["kind"] for batch in book["batches"]) == ["guiaHonorarios", "guiaResumoInternacao"]
        assert book["billed_cents"] == 82990 + 95000
        lines = await rows(world, tenant, "SELECT * FROM statement_line WHERE tenant_id = $1 AND orphan = ''")
        assert sum(line["billed_cents"] for line in lines) == book["billed_cents"]


async def test_a_guide_for_each_who_is_paid(world: World, tenant: Tenant) -> None:
    """Surgeon and anaesthetist charge the same act; each fee is a guide of its own, and no double charge."""
    patient = await operated(world, tenant, billing={"fees": "honorarios"})
    anaesthetist = await doctor(world, tenant, "88888", "52998224725", code="ANEST9", cbo="225151")
    (row,) = await rows(
        world, tenant, "SELECT r.body, c.encounter_id FROM resource r JOIN charge c ON c.tenant_id = $1 AND c.id = r.id "
        "WHERE r.tenant_id = $1 AND r.type = 'ChargeItem' AND c.code = $2", SURGERY[1],
    )  # fmt: skip
    fee = {**json.loads(row["body"]), "performer": [member(anaesthetist, "06")], "extension": []}
    fee.pop("extension")
    await put(world, tenant, Write(type="ChargeItem", id="fee", body=fee))
    guides = [guide for guide in await built(world, tenant) if guide["kind"] == "honorarios"]
    trees = [json.loads(guide["tree"]) for guide in guides]
    assert sorted(tree["dadosContratadoExecutante"]["codigonaOperadora"] for tree in trees) == [SURGEON, "ANEST9"]
    assert [codes_of(guide) for guide in guides if "ANEST9" in guide["tree"]] == [["table.route", "table.technique"]]
    assert "guide.repeated" not in str([guide["problems"] for guide in guides]) and patient


async def test_a_fee_without_a_professional_waits(world: World, tenant: Tenant) -> None:
    patient = await operated(world, tenant, billing={"fees": "honorarios"})
    nameless = await doctor(world, tenant, "777")
    await change(world, tenant, patient, SURGERY[1], performer=[member(nameless, "00")])
    found = {guide["kind"]: guide for guide in await built(world, tenant)}
    assert found["internacao"]["status"] == "pronta" and found["honorarios"]["status"] == "pendente"
    assert {"guide.team", "guide.no-team"} <= set(codes_of(found["honorarios"]))


async def test_an_organization_the_payer_knows_is_paid_by_itself(world: World, tenant: Tenant) -> None:
    patient = await operated(world, tenant)
    cooperative = {"identifier": {"system": f"urn:ponte:{IPE}:codigo-prestador", "value": "COOP7"}}
    await change(world, tenant, patient, SURGERY[1], performingOrganization=cooperative)
    found = {guide["kind"]: json.loads(guide["tree"]) for guide in await built(world, tenant)}
    assert found["honorarios"]["dadosContratadoExecutante"] == {
        "codigonaOperadora": "COOP7", "cnesContratadoExecutante": "9999999",
    }  # fmt: skip


async def test_exams_name_who_performed_where_the_guide_can(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
    radiologist = await doctor(world, tenant, "321", SURGEON, cbo="225320")
    await change(world, tenant, patient, EXAM[1], performer=[{"actor": {"reference": f"Practitioner/{radiologist}"}}])
    (guide,) = await built(world, tenant)
    (item,) = json.loads(guide["tree"])["procedimentosExecutados"]["procedimentoExecutado"]
    (one,) = item["equipeSadt"]
    assert "grauPart" not in one and one["codProfissional"] == {"cpfContratado": SURGEON} and codes_of(guide) == []
