"""Orders, results, charges and appointments on a real database: matching, correction, order of events."""

from __future__ import annotations

import base64

import pytest
from hl7_feed import adt, feed, msh, oru, records, versions

from hub.world import Tenant, World

T = "202611221000{:02d}"


def orm(control: str, placer: str, at: str, *, filler: str = "", status: str = "", code: str = "GLI") -> str:
    return (
        f"{msh('ORM^O01', at)}\rPID|1||A^^^HOSP^MR||Souza^Ana\rORC|{control}|{placer}|{filler}||{status}||||{at}|||9876^Lima^Rui^^^^^^CRM^^^^^^^^^^^^^SP\r"
        f"OBR|1|{placer}|{filler}|{code}^Exame^L|||||||||||9876^Lima^Rui\r"
    )


def dft(number: str, at: str, kind: str = "CG", *, price: str = "61.50", quantity: str = "2") -> str:
    return (
        f"{msh('DFT^P03', at)}\rEVN|P03|{at}\rPID|1||A^^^HOSP^MR||Souza^Ana\rPV1|1|O|||||||||||||||||V1^^^HOSP\r"
        f"FT1|1|{number}||20261122|20261122|{kind}|10101012^Consulta^TUSS|||{quantity}|{price}|||||||||1234^Lima^Rui^^^^225125^^CRM-SP\r"
    )


async def test_correction_stays_when_an_old_final_comes_late(world: World, tenant: Tenant) -> None:
    await feed(
        world,
        tenant,
        oru("A", "1", "P", "85", T.format(1)),
        oru("A", "1", "C", "95", T.format(5)),
        oru("A", "1", "F", "90", T.format(3)),
    )
    (observation,), (report,) = (
        await records(world, tenant, "Observation"),
        await records(world, tenant, "DiagnosticReport"),
    )
    assert (observation["status"], observation["valueQuantity"]["value"]) == ("corrected", 95)
    told = await versions(world, tenant, "Observation")
    assert report["status"] == "corrected"
    assert [v["status"] for v in told] == ["preliminary", "corrected", "final", "corrected"]
    assert told[2]["valueQuantity"]["value"] == 90 and told[2]["meta"]["tag"][0]["code"] == "late"
    assert [v["meta"]["versionId"] for v in told] == ["1", "2", "3", "4"]
    await feed(world, tenant, oru("A", "1", "F", "90", T.format(3)))
    assert len(await versions(world, tenant, "Observation")) == 4, "the same late result is told once"


async def test_a_final_result_sent_again_with_another_value_is_amended(world: World, tenant: Tenant) -> None:
    values = ("90", "90", "91", "91")
    await feed(world, tenant, *(oru("A", "1", "F", value, T.format(n)) for n, value in enumerate(values, start=1)))
    statuses = [v["status"] for v in await versions(world, tenant, "Observation")]
    assert statuses[0] == "final" and statuses[-1] == "amended" and "final" not in statuses[2:]


async def test_a_final_report_follows_its_changed_results(world: World, tenant: Tenant) -> None:
    """OBR-25 is `F` throughout: R4 calls the report amended, or corrected where OBX-11 says so."""
    again = {"A": ("F", "91"), "B": ("C", "91"), "C": ("F", "90")}
    for patient, (status, value) in again.items():
        first, late = (
            oru(patient, patient, "F", "90", T.format(1)),
            oru(patient, patient, status, value, T.format(2), report="F"),
        )
        await feed(world, tenant, first, late, late.replace("|T", "|U", 1))
    reports = {r["identifier"][0]["value"]: r["status"] for r in await records(world, tenant, "DiagnosticReport")}
    found = {number.lstrip("PF"): status for number, status in reports.items()}
    assert found == {"A": "amended", "B": "corrected", "C": "final"}


async def test_same_time_never_goes_backward(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, oru("A", "1", "F", "90", T.format(1)), oru("A", "1", "P", "80", T.format(1)))
    (observation,) = await records(world, tenant, "Observation")
    assert (observation["status"], observation["valueQuantity"]["value"]) == ("final", 90)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_newer_preliminary_takes_no_final_away(world: World, tenant: Tenant, order: tuple[int, int]) -> None:
    """Tables 0085 and 0123: a final result can only be changed with a corrected one."""
    steps = [oru("A", "1", "F", "90", T.format(1)), oru("A", "1", "P", "80", T.format(3))]
    *_, last = await feed(world, tenant, *(steps[n] for n in order))
    assert last["problems"] == ["semantic.preliminary-after-final"], "once for the report and its results"
    (observation,) = await records(world, tenant, "Observation")
    (report,) = await records(world, tenant, "DiagnosticReport")
    assert (observation["status"], observation["valueQuantity"]["value"], report["status"]) == ("final", 90, "final")
    said = [v["valueQuantity"]["value"] for v in await versions(world, tenant, "Observation")]
    assert 80 in said and said[-1] == 90, "both are in the history"
    await feed(world, tenant, oru("A", "1", "C", "95", T.format(5)))
    assert (await records(world, tenant, "Observation"))[0]["status"] == "corrected"


async def test_a_later_collection_or_a_further_test_opens_a_final_report_again(world: World, tenant: Tenant) -> None:
    first = oru("A", "1", "F", "90", T.format(1))
    further = first.rstrip("\r").replace("|||F\rOBX", "|||A\rOBX") + "\rOBX|2|NM|718-7^Hb^LN||7|g/dL|||||P\r"
    others = {
        "partial": further.replace("|T", "|U").replace(T.format(1), T.format(4)),
        "preliminary": oru("A", "1", "P", "80", T.format(6)).replace("20261122090000", "20261122094000"),
    }
    await feed(world, tenant, first)
    for status, message in others.items():
        (told,) = await feed(world, tenant, message)
        assert told["problems"] == ["semantic.result-open-again"]
        assert (await records(world, tenant, "DiagnosticReport"))[0]["status"] == status


async def test_decimals_survive(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, oru("A", "1", "F", "90.50", T.format(1)))
    async with world.transaction(tenant) as tx:
        body = await tx.value("SELECT body FROM resource WHERE tenant_id = $1 AND type = 'Observation'")
    assert '"value":90.50' in body


async def test_reports_that_share_an_accession_stay_apart(world: World, tenant: Tenant) -> None:
    head = f"{msh('ORU^R01', T.format(1))}\rPID|1||A^^^HOSP^MR||Souza^Ana\r"
    two = (
        head
        + "OBR|1||F1|HEM^Hemograma^L\rOBX|1|NM|HB^Hb^L||13.1|g/dL|||||F\rOBR|2||F1|GLI^Glicose^L\rOBX|1|NM|GLI^Glicose^L||90|mg/dL|||||F\r"
    )
    await feed(world, tenant, two)
    later = f"{msh('ORU^R01', T.format(2))}\rPID|1||A^^^HOSP^MR||Souza^Ana\rOBR|1||F1|GLI^Glicose^L\rOBX|1|NM|GLI^Glicose^L||91|mg/dL|||||C\r"
    await feed(world, tenant, later)
    assert sorted(r["code"]["coding"][0]["code"] for r in await records(world, tenant, "DiagnosticReport")) == [
        "GLI",
        "HEM",
    ]
    assert sorted(o["valueQuantity"]["value"] for o in await records(world, tenant, "Observation")) == [13.1, 91]


async def test_order_is_found_by_placer_or_filler_and_follows_its_control_codes(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, orm("NW", "P1", T.format(1)))
    (order,) = await records(world, tenant, "ServiceRequest")
    assert (order["status"], order["authoredOn"][:19]) == ("active", "2026-11-22T10:00:01")
    assert order["requester"]["identifier"]["system"].endswith("/crm-sp")
    await feed(world, tenant, orm("NA", "P1", T.format(2), filler="F1"), orm("CA", "", T.format(3), filler="F1"))
    (order,) = await records(world, tenant, "ServiceRequest")
    assert order["status"] == "active" and {i["value"] for i in order["identifier"]} == {"P1", "F1"}, "CA only asks"
    await feed(world, tenant, orm("CR", "", T.format(4), filler="F1"))
    (order,) = await records(world, tenant, "ServiceRequest")
    assert order["status"] == "revoked"
    await feed(world, tenant, orm("SC", "P1", T.format(5), status="CM"))
    assert (await records(world, tenant, "ServiceRequest"))[0]["status"] == "completed", "ORC-5 wins"


async def test_result_meets_its_order(world: World, tenant: Tenant) -> None:
    await feed(
        world,
        tenant,
        orm("NW", "P1", T.format(1)),
        oru("A", "1", "F", "90", T.format(2)).replace("|P1|F1|", "|P1^|F1|"),
    )
    orders = await records(world, tenant, "ServiceRequest")
    (report,) = await records(world, tenant, "DiagnosticReport")
    assert len(orders) == 1 and orders[0]["status"] == "completed"
    assert report["basedOn"] == [{"reference": f"ServiceRequest/{orders[0]['id']}"}]


async def test_charge_once_whatever_is_resent_and_taken_back_by_its_credit(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, adt("A04", "A", "V1", T.format(1)), dft("T1", T.format(2)), dft("T1", T.format(3)))
    (charge,) = await records(world, tenant, "ChargeItem")
    assert charge["status"] == "billable" and charge["priceOverride"] == {"value": 61.5, "currency": "BRL"}
    assert charge["code"]["coding"][0] == {
        "code": "10101012",
        "display": "Consulta",
        "system": "https://fhir.ans.gov.br/CodeSystem/tuss-22",
    }
    assert charge["performer"][0]["function"]["coding"][0]["code"] == "225125"
    async with world.transaction(tenant) as tx:
        row = await tx.row("SELECT tiss_table, code, total_cents, unit_cents, status FROM charge WHERE tenant_id = $1")
    assert row is not None and tuple(row) == ("22", "10101012", 6150, 3075, "billable")
    await feed(world, tenant, dft("T1", T.format(4), "CD"))
    (charge,) = await records(world, tenant, "ChargeItem")
    assert charge["status"] == "not-billable" and charge["priceOverride"]["value"] == 61.5
    (unmatched,) = await feed(world, tenant, dft("T9", T.format(5), "CD"))
    assert "semantic.credit-unmatched" in unmatched["problems"]


async def test_payment_is_no_charge(world: World, tenant: Tenant) -> None:
    (outcome,) = await feed(world, tenant, dft("T2", T.format(1), "PY"))
    assert "semantic.not-a-record" in outcome["problems"] and outcome["segments"]["ignored"] == 1
    assert await records(world, tenant, "ChargeItem") == []


async def test_appointment_by_either_number(world: World, tenant: Tenant) -> None:
    base = "SCH|{p}|{f}|||||||30|MIN|^^^20261123090000|||||||||||||||\rPID|1||A^^^HOSP^MR||Souza^Ana\rRGS|1\rAIP|1||55^Lima^Rui^^^^^^CRM-SP\r"
    await feed(world, tenant, f"{msh('SIU^S12', T.format(1))}\r" + base.format(p="AP1", f="AF1"))
    (outcome,) = await feed(world, tenant, f"{msh('SIU^S15', T.format(2))}\r" + base.format(p="", f="AF1"))
    (appointment,) = await records(world, tenant, "Appointment")
    assert outcome["segments"]["ignored"] == 1
    assert appointment["status"] == "cancelled" and appointment["minutesDuration"] == 30
    assert appointment["start"] == "2026-11-23T09:00:00-03:00" and appointment["end"] == "2026-11-23T09:30:00-03:00"


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0)])
async def test_a_changed_appointment_keeps_its_status(world: World, tenant: Tenant, order: tuple[int, ...]) -> None:
    """S14 changes an appointment; that it was cancelled (S15), or that nobody came, it does not take back."""
    sch = "SCH|A9|B9|||||CONS^Consulta^L|ROT|30|min|^^30^20261201090000"
    steps = [
        f"{msh(f'SIU^{event}', T.format(at))}\r{sch}\rPID|1||A^^^HOSP^MR||Souza^Ana\rRGS|1\rAIS|1||CONS^Consulta^L\r"
        for event, at in (("S12", 1), ("S15", 3), ("S14", 5))
    ]
    await feed(world, tenant, *(steps[n] for n in order))
    assert [one["status"] for one in await records(world, tenant, "Appointment")] == ["cancelled"]


async def test_pdf_becomes_a_document_of_its_report(world: World, tenant: Tenant) -> None:
    data = base64.b64encode(b"%PDF-1.4 laudo").decode()
    message = f"{msh('ORU^R01', T.format(1))}\rPID|1||A^^^HOSP^MR||Souza^Ana\rOBR|1||F1|RX^Raio X^L\rOBX|1|ED|LAUDO^Laudo^L||LIS^application^pdf^Base64^{data}||||||F\r"
    await feed(world, tenant, message)
    (document,), (report,) = (
        await records(world, tenant, "DocumentReference"),
        await records(world, tenant, "DiagnosticReport"),
    )
    assert document["content"][0]["attachment"]["contentType"] == "application/pdf"
    assert document["content"][0]["attachment"]["data"] == data
    assert document["context"]["related"] == [{"reference": f"DiagnosticReport/{report['id']}"}]


async def test_laboratory_sends_a_bare_number_back(world: World, tenant: Tenant) -> None:
    order = orm("NW", "P1", T.format(1)).replace("|P1|", "|P1^HSR|")
    bare = (
        oru("A", "1", "F", "90", T.format(2))
        .replace("LIS|HOSP", "LIS|LAB")
        .replace("GLI^Glicose^L|||", "GLI^Exame^L|||")
    )
    await feed(world, tenant, order, bare)
    assert len(await records(world, tenant, "ServiceRequest")) == 1


async def test_same_number_of_another_patient_is_another_order(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, oru("A", "1", "F", "90", T.format(1)), oru("B", "1", "F", "91", T.format(2)))
    for kind in ("ServiceRequest", "DiagnosticReport", "Observation"):
        assert len({r["subject"]["reference"] for r in await records(world, tenant, kind)}) == 2, kind


async def test_credit_with_its_own_number_takes_back_one_like_charge(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, dft("T1", T.format(1)), dft("T2", T.format(2)), dft("T3", T.format(3), price="10.00"))
    (credit,) = await feed(world, tenant, dft("C1", T.format(4), "CD"))
    (again,) = await feed(world, tenant, dft("C1", T.format(5), "CD"))
    assert credit["problems"] == again["problems"] == []
    charges = await records(world, tenant, "ChargeItem")
    assert sorted(c["status"] for c in charges) == ["billable", "billable", "not-billable"]
    taken = next(c for c in charges if c["status"] == "not-billable")
    assert {i["value"] for i in taken["identifier"]} >= {"C1"} and taken["priceOverride"]["value"] == 61.5


async def test_a_charge_without_a_code_stops_its_message(world: World, tenant: Tenant) -> None:
    lost = dft("T1", T.format(1)) + "FT1|2|T2||20261122||CG||||1|10.00\r"
    (outcome,) = await feed(world, tenant, lost)
    assert outcome["status"] == "ERROR" and await records(world, tenant, "ChargeItem") == [], "a lost charge is money"
