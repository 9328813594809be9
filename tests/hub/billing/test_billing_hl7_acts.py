"""From HL7 v2 to the guides of an inpatient: PR1 with ROL names the team, FT1-26 route, technique and tooth, ACC the accident."""

from __future__ import annotations

import json
from typing import Any

from billing_day import IPE, partner_row, register
from billing_stay import authorise, doctor
from hl7_feed import feed, msh

from hub.billing.guide import guides
from hub.world import Tenant, World

PID = "PID|1||55^^^HOSP^MR||Inventada^Rosa||19800229|F"
DOCTOR = "123456^Médico^José^^^^^^CRM^^^^CRM^^^^^^^^^SP"
VISIT = f"|AMB^1||||{DOCTOR}||||||||||||V55^^^HOSP|||||||||||||||||12||||||||20261120080000"
IN1 = f"IN1|1|P1^Plano|{IPE}^^^ANS|Ipê||||||||20200101|20301231" + "|" * 23 + "00123456789012345"
SURGEON = "45678^Dias^Paulo^^^^225225^^CRM-SP"
ASSISTANT = "56789^Reis^Lia^^^^225225^^CRM-SP"


def message(kind: str, at: str, visit: str, *segments: str) -> str:
    return "\r".join([msh(kind, at), f"EVN|{kind[-3:]}|{at}", PID, f"PV1|1|{visit}", *segments]) + "\r"


def ft1(n: int, code: str, total: str, modifiers: str = "") -> str:
    fields = {1: str(n), 2: f"T{n}", 4: "20261120103000", 6: "CG", 7: f"{code}^Item^TUSS", 10: "1", 11: total}
    fields |= {20: DOCTOR, 26: modifiers}
    return "FT1|" + "|".join(fields.get(i, "") for i in range(1, 27))


async def built(world: World, tenant: Tenant) -> list[Any]:
    await guides.build_guides(world, tenant)
    async with world.transaction(tenant) as tx:
        return await tx.rows("SELECT * FROM guide WHERE tenant_id = $1 ORDER BY kind")


async def patient_of(world: World, tenant: Tenant) -> str:
    async with world.transaction(tenant) as tx:
        return str(await tx.value("SELECT id FROM patient WHERE tenant_id = $1"))


async def test_a_surgery_told_with_its_team(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await doctor(world, tenant, "45678", "12345678062")
    await doctor(world, tenant, "56789", "11144477735")
    act = f"PR1|1||31005470^Colecistectomia^TUSS||20261120103000||80||||{SURGEON}|||||1^Única^TUSS61~2^Vídeo^TUSS48"
    told = await feed(
        world, tenant,
        message("ADT^A01", "20261120080000", "I" + VISIT, IN1),
        message("DFT^P03", "20261120110000", "I" + VISIT, ft1(1, "31005470", "950.00"), act,
                f"ROL|1|AD|01^Primeiro auxiliar^TUSS35|{ASSISTANT}", IN1),
        message("ADT^A03", "20261121120000", "I" + VISIT + "|20261121120000"),
    )  # fmt: skip
    assert [t["status"] for t in told] == ["TRANSFORMED"] * 3, told
    await authorise(world, tenant, await patient_of(world, tenant))
    (guide,) = await built(world, tenant)
    assert guide["kind"] == "internacao"
    (item,) = json.loads(guide["tree"])["procedimentosExecutados"]["procedimentoExecutado"]
    assert (item["viaAcesso"], item["tecnicaUtilizada"]) == ("1", "2")
    team = [row["identificacaoEquipe"] for row in item["identEquipe"]]
    assert [(row["grauPart"], row["numeroConselhoProfissional"]) for row in team] == [("00", "45678"), ("01", "56789")]


async def test_modifiers_of_a_charge_and_an_accident(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await feed(
        world, tenant,
        message("ADT^A04", "20261120080000", "E" + VISIT, "ACC|20261120070000|1", IN1),
        message("DFT^P03", "20261120110000", "E" + VISIT,
                ft1(1, "30101077", "50.00", "1^Única^TUSS61~1^Convencional^TUSS48~X^Outro^L"), IN1),
    )  # fmt: skip
    (guide,) = await built(world, tenant)
    tree = json.loads(guide["tree"])
    assert tree["dadosAtendimento"]["indicacaoAcidente"] == "1"
    (item,) = tree["procedimentosExecutados"]["procedimentoExecutado"]
    assert (item["viaAcesso"], item["tecnicaUtilizada"]) == ("1", "1")
    async with world.transaction(tenant) as tx:
        body = await tx.value("SELECT body FROM resource WHERE tenant_id = $1 AND type = 'ChargeItem'")
    assert [note["text"] for note in json.loads(body)["note"]] == ["Modificador: Outro"]


async def test_a_tooth_and_its_faces(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await feed(
        world, tenant,
        message("ADT^A04", "20261120080000", "O" + VISIT, IN1),
        message("DFT^P03", "20261120110000", "O" + VISIT,
                ft1(1, "85100200", "130.00", "16^^TUSS28~M^^TUSS32~O^^TUSS32"), IN1),
    )  # fmt: skip
    (guide,) = await built(world, tenant)
    (item,) = json.loads(guide["tree"])["procedimentosExecutados"]
    assert (item["denteRegiao"], item["denteFace"]) == ({"codDente": "16"}, "MO")
