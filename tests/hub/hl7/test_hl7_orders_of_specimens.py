"""Orders to an analyser (OML^O33, IHE LAB-28): for a tube without a patient, for a control, and what is answered."""

from __future__ import annotations

from hl7_feed import feed, msh, records

from hl7 import er7
from hl7.er7 import Message
from hl7.grammar import structure_name
from hub.exchange.answer import order_answers
from hub.world import Tenant, World

PID = "PID|1||A^^^HOSP^MR||Souza^Ana"
TUBE, CONTROL = "SPM|1|T77||SER^Soro^HL70487|||||||P", "SPM|2|QC1||QC^Controle^L|||||||Q"


def ordered(*lines: str, kind: str = "OML^O33", at: int = 1) -> str:
    return "\r".join([msh(kind, f"202611231000{at:02d}", sender="MW|LAB"), *lines]) + "\r"


def work(number: str, code: str) -> str:
    return f"ORC|NW|{number}\rOBR|1|{number}||{code}^Exame^L"


async def test_an_order_for_a_tube_is_kept_and_its_patient_told_later(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, ordered("PID|||||^^^^^^U", TUBE, work("W1", "GLI"), CONTROL, work("W2", "GLI")))
    first, second = sorted(
        await records(world, tenant, "ServiceRequest"), key=lambda one: str(one["identifier"][0]["value"])
    )
    assert [one["subject"]["extension"][0]["valueCode"] for one in (first, second)] == ["unknown", "not-applicable"]
    tubes = {one["id"]: one["identifier"][0]["value"] for one in await records(world, tenant, "Specimen")}
    assert [tubes[one["specimen"][0]["reference"].partition("/")[2]] for one in (first, second)] == ["T77", "QC1"]
    assert not await records(world, tenant, "Patient")
    await feed(world, tenant, ordered(PID, TUBE, work("W1", "GLI"), at=2))
    patient = (await records(world, tenant, "Patient"))[0]["id"]
    again = {one["identifier"][0]["value"]: one["subject"] for one in await records(world, tenant, "ServiceRequest")}
    assert len(again) == 2 and again["W1"]["reference"] == f"Patient/{patient}"


async def test_an_order_without_tube_number_or_patient_is_refused(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, ordered("SPM|1|||SER^Soro^HL70487", work("W1", "GLI")))
    assert not await records(world, tenant, "ServiceRequest")


async def said(world: World, tenant: Tenant, text: str) -> tuple[str, list[str]]:
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    async with world.transaction(tenant) as tx:
        return await order_answers.answer(tx, message)


async def test_the_answer_names_each_tube_above_its_orders(world: World, tenant: Tenant) -> None:
    lines = (TUBE, "SAC|||T77", work("W1", "GLI"), work("W2", "URE"), CONTROL, work("W3", "GLI"))
    assert (await said(world, tenant, ordered(*lines)))[1][2].startswith("ORC|UA|W1")  # not kept yet
    await feed(world, tenant, ordered(*lines))
    kind, found = await said(world, tenant, ordered(*lines))
    assert kind == "ORL^O34^ORL_O42"
    assert [line[:6] for line in found] == [
        "SPM|1|", "SAC|||", "ORC|OK", "OBR|1|", "ORC|OK", "OBR|1|", "SPM|2|", "ORC|OK", "OBR|1|",
    ]  # fmt: skip
    kind, found = await said(world, tenant, ordered(PID, *lines))
    assert (kind, found[:2]) == ("ORL^O34^ORL_O34", [PID, TUBE])
    kind, found = await said(world, tenant, ordered(PID, work("W1", "GLI"), TUBE, kind="OML^O21"))
    assert (kind, [line[:3] for line in found]) == ("ORL^O22^ORL_O22", ["PID", "ORC", "OBR"])
    named = er7.read(ordered(*found[1:]).replace("OML^O33", "ORL^O34^ORL_O42").replace("|2.5.1", "|2.8.2").encode())
    assert isinstance(named, Message) and structure_name(named) == "ORL_O42"
