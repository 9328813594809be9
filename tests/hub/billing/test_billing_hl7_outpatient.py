"""Journeys of outpatients by HL7 v2 alone: an examination, a consultation and a day of chemotherapy become their guides."""

from __future__ import annotations

import json
from typing import Any

from billing_day import IPE, partner_row, register
from billing_stay import built
from hl7_feed import feed, msh

from hub.world import Tenant, World

PID = "PID|1||77^^^HOSP^MR||Inventada^Rosa||19800229|F"
CARD = f"IN1|1|P1^Plano|{IPE}^^^ANS|Ipê||||||||20200101|20301231" + "|" * 23 + "00123456789012345"
DOCTOR, REQUESTER = "123456^Brito^Lucas^^^^225125^^CRM-SP", "225103^Paz^Rita^^^^CRM-SP 998877^^CBO"
WHO = {"conselhoProfissional": "06", "UF": "35"}


def told(kind: str, at: str, visit: str, *more: str) -> str:
    pv1 = f"PV1|1|{visit}|AMB||||{DOCTOR}|{REQUESTER}|||||||||||V77^^^HOSP" + "|" * 25 + "20261118080000"
    return "\r".join([msh(kind, at), f"EVN|{kind[4:7]}|{at}", PID, pv1, *more]) + "\r"


def ft1(n: int, code: str, table: str, total: str, order: str = "") -> str:
    item = f"{code}^Item^{table}|||1|{total}|||||||||{DOCTOR}|{REQUESTER}||{order}"
    return f"FT1|{n}|J{n}||20261118140000|20261118140000|CG|{item}"


async def guide(world: World, tenant: Tenant, *messages: str) -> tuple[str, dict[str, Any], list[str]]:
    """The one guide the messages make: its kind, its tree, and the codes of what it lacks."""
    await register(world, tenant, [partner_row(IPE)])
    answers = await feed(world, tenant, *messages)
    assert {one["status"] for one in answers} == {"TRANSFORMED"}, answers
    (found,) = await built(world, tenant)
    lacks = found["problems"]
    lacks = json.loads(lacks) if isinstance(lacks, str) else lacks
    return found["kind"], json.loads(found["tree"]), [one["code"] for one in lacks]


async def test_an_examination_names_who_asked_for_it(world: World, tenant: Tenant) -> None:
    order = [msh("ORM^O01", "20261118081000"), PID, f"PV1|1|AMBULATORIO|AMB||||{DOCTOR}||||||||||||V77^^^HOSP"]
    order += [f"ORC|NW|P1||||||||||{REQUESTER}", "OBR|1|P1||40304361^HEMOGRAMA^TUSS|||||||||||SANGUE"]
    kind, tree, lacks = await guide(
        world, tenant,
        told("ADT^A04", "20261118080000", "AMBULATORIO", CARD), "\r".join(order) + "\r",
        told("DFT^P03", "20261118150000", "AMBULATORIO", ft1(1, "40304361", "TUSS", "25.40", "P1"), CARD),
    )  # fmt: skip
    assert (kind, lacks) == ("sp-sadt", [])
    assert tree["dadosSolicitante"]["profissionalSolicitante"] == {
        **WHO, "CBOS": "225103", "nomeProfissional": "Rita Paz", "numeroConselhoProfissional": "998877",
    }  # fmt: skip
    assert tree["dadosAtendimento"]["tipoAtendimento"] == "23"
    assert tree["valorTotal"]["valorTotalGeral"] == "25.40"


async def test_a_consultation_is_a_guide_of_its_own(world: World, tenant: Tenant) -> None:
    kind, tree, lacks = await guide(
        world, tenant,
        told("ADT^A04", "20261118080000", "AMBULATORIO", CARD),
        told("DFT^P03", "20261118150000", "AMBULATORIO", ft1(1, "10101012", "TUSS", "120.00"), CARD),
    )  # fmt: skip
    assert (kind, lacks) == ("consulta", [])
    assert tree["profissionalExecutante"] == {
        **WHO, "CBOS": "225125", "nomeProfissional": "Lucas Brito", "numeroConselhoProfissional": "123456",
    }  # fmt: skip
    assert tree["dadosAtendimento"]["procedimento"]["valorProcedimento"] == "120.00"


async def test_a_day_of_chemotherapy_with_a_drug_that_the_table_lacks(world: World, tenant: Tenant) -> None:
    charges = [ft1(1, "20104294", "TUSS", "300.00"), ft1(2, "60000775", "TUSS18", "80.00")]
    kind, tree, lacks = await guide(
        world, tenant,
        told("ADT^A04", "20261118080000", "DAY CLINIC", CARD, "DG1|1||C50.9^Neoplasia maligna da mama^CID10|||F"),
        told("DFT^P03", "20261118150000", "DAY CLINIC", *charges, ft1(3, "90270831", "TUSS20", "1500.00"), CARD),
    )  # fmt: skip
    assert (kind, lacks) == ("sp-sadt", ["table.code"])
    assert tree["dadosAtendimento"]["tipoAtendimento"] == "08"
    assert tree["valorTotal"] == {
        "valorDiarias": "80.00", "valorMedicamentos": "1500.00",
        "valorProcedimentos": "300.00", "valorTotalGeral": "1880.00",
    }  # fmt: skip
