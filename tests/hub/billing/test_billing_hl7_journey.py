"""A journey by HL7 v2, emergency to discharge: what each guide says of how the patient came, was operated and left."""

from __future__ import annotations

import json
from typing import Any

import pytest
from billing_day import IPE, partner_row, register, rows
from billing_stay import authorise, built
from hl7_feed import feed, msh

from hub.billing.visit.admission import character
from hub.world import Tenant, World

PID = "PID|1||77^^^HOSP^MR||Inventada^Rosa||19800229|F"
CARD = f"IN1|1|P1^Plano|{IPE}^^^ANS|Ipê||||||||20200101|20301231" + "|" * 23 + "00123456789012345"
DOCTOR, SURGEON = "CRM-SP 123456^Brito^Lucas", "654321^Serra^Ana^^^^^CRM/SP"
LEFT = "|" * 17 + "ALTA MELHORADO"


def told(kind: str, at: str, visit: str, *more: str, kind_of: str = "", left: str = "", end: str = "") -> str:
    place = "PS^1^1" if visit == "E" else "ENF^12^A"
    tail = (left or "|" * 17) + "|" * 8 + "20261118080000|" + end
    pv1 = f"PV1|1|{visit}|{place}|{kind_of}|||{DOCTOR}||||||||||||V77^^^HOSP{tail}"
    return "\r".join([msh(kind, at), f"EVN|{kind[4:7]}|{at}", PID, pv1, *more]) + "\r"


def ft1(n: int, code: str, table: str, total: str, who: str = DOCTOR) -> str:
    return f"FT1|{n}|J{n}||20261118140000|20261120090000|CG|{code}^Item^{table}|||1|{total}|||||||||{who}|{SURGEON}"


async def test_a_stay_that_began_as_an_emergency_is_urgent(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    operation = f"PR1|1||3.10.09.16-6^Apendicectomia^TUSS||20261118140000|CIRURGIA|90||||{SURGEON}"
    answers = await feed(
        world, tenant,
        told("ADT^A04", "20261118080000", "E", CARD, kind_of="URGENCIA"),
        told("ADT^A06", "20261118110000", "I", CARD),
        told("ADT^A08", "20261118160000", "I", operation, "DG1|1|CID|K35,8^Apendicite aguda|||F"),
        told("ADT^A03", "20261120090000", "I", left=LEFT, end="20261120090000"),
        told(
            "DFT^P03", "20261120093000", "I",
            ft1(1, "40304361", "TUSS", "25.40"), ft1(2, "31009166", "TUSS", "950.00", SURGEON),
            ft1(3, "60000775", "TUSS18", "800.00"), CARD,
        ),
    )  # fmt: skip
    assert [one["status"] for one in answers] == ["TRANSFORMED"] * 5, answers
    (person,) = await rows(world, tenant, "SELECT id FROM resource WHERE tenant_id = $1 AND type = 'Patient'")
    await authorise(world, tenant, person["id"], IPE)
    guides = await built(world, tenant)
    found = {guide["kind"]: json.loads(guide["tree"]) for guide in guides}
    assert list(found) == ["internacao"], [(g["kind"], g["problems"]) for g in guides]
    stay = found["internacao"]
    assert stay["dadosInternacao"]["caraterAtendimento"] == "2"
    assert stay["dadosSaidaInternacao"] == {
        "diagnostico": ["K358"], "indicadorAcidente": "9", "motivoEncerramento": "12",
    }  # fmt: skip
    assert stay["valorTotal"]["valorTotalGeral"] == "1775.40"


@pytest.mark.parametrize(
    ("visit", "expected"),
    [
        ({"class": {"code": "IMP"}, "classHistory": [{"class": {"code": "EMER"}}]}, "2"),
        ({"class": {"code": "EMER"}, "type": ["C"]}, "2"),
        ({"class": {"code": "IMP"}, "type": ["U"]}, "2"),
        ({"class": {"code": "IMP"}, "type": ["C"]}, "1"),
        ({"class": {"code": "IMP"}, "type": ["L"]}, ""),
        ({"class": {"code": "IMP"}}, ""),
    ],
)
def test_the_character_of_a_visit(visit: dict[str, Any], expected: str) -> None:
    system = "http://terminology.hl7.org/CodeSystem/v2-0007"
    types = [{"coding": [{"system": system, "code": code}]} for code in visit.get("type", ())]
    assert character({**visit, "type": types}) == expected
