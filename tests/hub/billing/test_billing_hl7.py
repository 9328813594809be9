"""From HL7 v2 to a guide: ADT with IN1 and DFT with charges come in; a credit takes its charge out again."""

from __future__ import annotations

import json

from billing_day import IPE, partner_row, register, rows
from hl7_feed import feed, msh

from hub.billing.guide import guides
from hub.world import Tenant, World

PID = "PID|1||55^^^HOSP^MR||Inventada^Rosa||19800229|F"
PV1 = "PV1|1|O|AMB^1||||123456^Médico^José^^^^^^CRM^^^^CRM^^^^^^^^^SP||||||||||||V55^^^HOSP|||||||||||||||||||||||||20261120080000"
IN1 = f"IN1|1|P1^Plano|{IPE}^^^ANS|Ipê|||||||| 20200101|20301231".replace(" ", "")
FT1 = "FT1|{n}|T{n}||20261120103000|20261120103000|{kind}|{code}^Item^{table}|||{quantity}|{total}|||||||||123456^Médico^José^^^^^^CRM^^^^CRM^^^^^^^^^SP|654321^Pedinte^Ana^^^^^^CRM^^^^CRM^^^^^^^^^SP"


def ft1(n: int, code: str, quantity: str, total: str, kind: str = "CG", table: str = "TUSS") -> str:
    return FT1.format(n=n, code=code, quantity=quantity, total=total, kind=kind, table=table)


def message(kind: str, at: str, *segments: str) -> str:
    return "\r".join([msh(kind, at), f"EVN|{kind[-3:]}|{at}", PID, PV1, *segments]) + "\r"


async def test_an_admission_and_its_charges_become_guides(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    card = IN1 + "|" * 23 + "00123456789012345"
    told = await feed(
        world, tenant,
        message("ADT^A04", "20261120080000", card),
        message(
            "DFT^P03", "20261120110000",
            ft1(1, "10101012", "1", "180.00"), ft1(2, "40304361", "2", "25.40"), ft1(3, "40302040", "1", "9.99"),
            card,
        ),
    )  # fmt: skip
    assert [t["status"] for t in told] == ["TRANSFORMED", "TRANSFORMED"], told
    built = await guides.build_guides(world, tenant)
    found = await rows(world, tenant, "SELECT * FROM guide WHERE tenant_id = $1 ORDER BY kind")
    assert [(g["kind"], g["status"], g["total_cents"]) for g in found] == [
        ("consulta", "pronta", 18000),
        ("sp-sadt", "pronta", 3539),
    ], [json.loads(g["problems"]) for g in found]
    assert (built.ready, built.pending) == (2, 0)
    tree = json.loads(found[1]["tree"])
    asked = tree["dadosSolicitante"]["profissionalSolicitante"]
    assert (asked["numeroConselhoProfissional"], asked["conselhoProfissional"], asked["UF"]) == ("654321", "06", "35")
    consultation = json.loads(found[0]["tree"])
    assert consultation["profissionalExecutante"]["numeroConselhoProfissional"] == "123456"


async def test_a_credited_charge_is_not_billed(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    card = IN1 + "|" * 23 + "00123456789012345"
    await feed(
        world, tenant,
        message("ADT^A04", "20261120080000", card),
        message("DFT^P03", "20261120110000", ft1(1, "40304361", "2", "25.40"), ft1(2, "40302040", "1", "9.99"), card),
        message("DFT^P03", "20261120120000", ft1(2, "40302040", "1", "9.99", "CD"), card),
    )  # fmt: skip
    await guides.build_guides(world, tenant)
    found = await rows(world, tenant, "SELECT * FROM guide WHERE tenant_id = $1")
    assert [(g["status"], g["total_cents"]) for g in found] == [("pronta", 2540)], [g["problems"] for g in found]


async def test_a_late_credit_changes_a_guide_that_is_not_sent_yet(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    card = IN1 + "|" * 23 + "00123456789012345"
    await feed(
        world, tenant,
        message("ADT^A04", "20261120080000", card),
        message("DFT^P03", "20261120110000", ft1(1, "40304361", "2", "25.40"), ft1(2, "40302040", "1", "9.99"), card),
    )  # fmt: skip
    await guides.build_guides(world, tenant)
    await feed(world, tenant, message("DFT^P03", "20261120120000", ft1(2, "40302040", "1", "9.99", "CD"), card))
    await guides.build_guides(world, tenant)
    (found,) = await rows(world, tenant, "SELECT * FROM guide WHERE tenant_id = $1")
    assert (found["status"], found["total_cents"], found["version"]) == ("pronta", 2540, 2), found["problems"]
    await feed(world, tenant, message("DFT^P03", "20261120130000", ft1(1, "40304361", "2", "25.40", "CD"), card))
    await guides.build_guides(world, tenant)
    (found,) = await rows(world, tenant, "SELECT * FROM guide WHERE tenant_id = $1")
    assert found["status"] == "cancelada"
    assert await rows(world, tenant, "SELECT id FROM charge WHERE tenant_id = $1 AND guide_id IS NOT NULL") == []


async def test_a_charge_inside_an_order_is_billed_once_and_goes_with_it(world: World, tenant: Tenant) -> None:
    """The order says it again under another control id, and is cancelled in the end."""

    def order(at: str, control: str) -> str:
        obr = "OBR|1|PED7^HIS||40304361^Hemograma^TUSS"
        unnumbered = ft1(1, "40304361", "2", "25.40").replace("|T1|", "||")
        return "\r".join([msh("OML^O21", at), PID, PV1, f"ORC|{control}|PED7^HIS", obr, unnumbered]) + "\r"

    await register(world, tenant, [partner_row(IPE)])
    for at, control in (("20261120090000", "NW"), ("20261120091000", "XO")):
        await feed(world, tenant, order(at, control))
    found = await rows(world, tenant, "SELECT status, total_cents FROM charge WHERE tenant_id = $1")
    assert [tuple(row) for row in found] == [("billable", 2540)]
    await feed(world, tenant, order("20261120093000", "OC"))
    found = await rows(world, tenant, "SELECT status FROM charge WHERE tenant_id = $1")
    assert [row["status"] for row in found] == ["not-billable"]


async def test_an_order_called_off_without_its_charge_takes_it_back(world: World, tenant: Tenant) -> None:
    """Unless something was done for it, or a DFT posted the same transaction."""

    def order(at: str, number: int, control: str, *charges: str) -> str:
        obr = f"OBR|1|PED{number}^HIS||40304361^Hemograma^TUSS"
        return "\r".join([msh("OML^O21", at), PID, PV1, f"ORC|{control}|PED{number}^HIS", obr, *charges]) + "\r"

    def result(at: str, number: int) -> str:
        obr = f"OBR|1|PED{number}^HIS|LAB{number}^LIS|40304361^Hemograma^TUSS||||||||||||||||||20261120091000|||F"
        return "\r".join([msh("ORU^R01", at), PID, PV1, obr, "OBX|1|NM|718-7^Hb^LN||13|g/dL|||||F"]) + "\r"

    charged = {number: ft1(number, "40304361", "1", "25.40") for number in (1, 2, 3)}
    await feed(world, tenant, *(order("20261120090000", number, "NW", charged[number]) for number in (1, 2, 3)))
    await feed(world, tenant, result("20261120091500", 2), message("DFT^P03", "20261120092000", charged[3]))
    told = await feed(world, tenant, *(order("20261120093000", number, "OC") for number in (1, 2, 3)))
    assert [t["status"] for t in told] == ["TRANSFORMED"] * 3, told
    found = await rows(world, tenant, "SELECT body FROM resource WHERE tenant_id = $1 AND type = 'ChargeItem'")
    charges = [json.loads(row["body"]) for row in found]
    found = sorted((charge["identifier"][0]["value"], charge["status"]) for charge in charges)
    assert found == [("T1", "not-billable"), ("T2", "billable"), ("T3", "billable")]


async def test_what_was_dispensed_is_charged_though_its_order_is_called_off(world: World, tenant: Tenant) -> None:
    """Also when both are worked together."""

    def order(at: str, number: int, control: str, *charges: str) -> str:
        rxe = "RXE|1^^^20261120090000|1100^Cefazolina^L|1||g^grama^UCUM"
        return "\r".join([msh("RDE^O11", at), PID, PV1, f"ORC|{control}|RX{number}^HIS", rxe, *charges]) + "\r"

    dispense = "RXD|1|1100^Cefazolina^L|20261120091000|1|g^grama^UCUM"
    dispensed = "\r".join([msh("RDS^O13", "20261120091000"), PID, PV1, "ORC|RE|RX2^HIS", dispense]) + "\r"
    charged = {number: ft1(number, "1100", "1", "30.00", table="L") for number in (1, 2)}
    await feed(world, tenant, *(order("20261120090000", number, "NW", charged[number]) for number in (1, 2)))
    called_off = [order("20261120093000", number, "OC") for number in (1, 2)]
    told = await feed(world, tenant, dispensed, *called_off, wave=True)
    assert [t["status"] for t in told] == ["TRANSFORMED"] * 3, told
    found = await rows(world, tenant, "SELECT body FROM resource WHERE tenant_id = $1 AND type = 'ChargeItem'")
    charges = [json.loads(row["body"]) for row in found]
    found = sorted((charge["identifier"][0]["value"], charge["status"]) for charge in charges)
    assert found == [("T1", "not-billable"), ("T2", "billable")]


async def test_what_the_payer_authorised_reaches_the_guide(world: World, tenant: Tenant) -> None:
    """IN3 beside the convênio: the senha and its last day; one that was refused is on no guide."""
    await register(world, tenant, [partner_row(IPE)])
    card = IN1 + "|" * 23 + "00123456789012345"
    refused = "IN3|2|PED1||||20261120090000||||||12^Sem cobertura"
    for at, kind, *segments in (
        ("20261120080000", "ADT^A04", card, "IN3|1|SEN448812||||20261119110000|||20261120|20261130", refused),
        ("20261120110000", "DFT^P03", ft1(1, "40304361", "2", "25.40"), card),
    ):
        (told,) = await feed(world, tenant, message(kind, at, *segments))
        assert told["status"] == "TRANSFORMED", told
    await guides.build_guides(world, tenant)
    (guide,) = await rows(world, tenant, "SELECT tree FROM guide WHERE tenant_id = $1")
    given = json.loads(guide["tree"])["dadosAutorizacao"]
    assert (given["senha"], given["dataValidadeSenha"]) == ("SEN448812", "2026-11-30")
