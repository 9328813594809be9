"""Orders on a real database: requests and confirmations, replacements, parents, the filler's and the hub's answers."""

from __future__ import annotations

import pytest
from hl7_feed import feed, msh, records

from hl7 import er7
from hl7.er7 import Message
from hl7.grammar import conform
from hub.exchange.answer import order_answers
from hub.world import Tenant, World

T = "202611231000{:02d}"
PID = "PID|1||A^^^HOSP^MR||Souza^Ana"


def order(*lines: str, kind: str = "ORM^O01", at: int = 1, patient: str = PID, sender: str = "HIS|HOSP") -> str:
    head = [msh(kind, T.format(at), sender=sender)]
    return "\r".join([*head, *([patient] if patient else []), *lines]) + "\r"


def orc(control: str, placer: str, filler: str = "", *, status: str = "", code: str = "GLI") -> str:
    return f"ORC|{control}|{placer}|{filler}||{status}\rOBR|1|{placer}|{filler}|{code}^Exame^L"


def answer(*lines: str, kind: str = "ORL^O22", at: int = 5) -> str:
    return order("MSA|AA|1", *lines, kind=kind, at=at, patient="", sender="LIS|LAB")


async def statuses(world: World, tenant: Tenant, kind: str = "ServiceRequest") -> dict[str, str]:
    """The status of each order by its first number."""
    return {o["identifier"][0]["value"]: o["status"] for o in await records(world, tenant, kind)}


@pytest.mark.parametrize(
    ("request_code", "confirmation", "refusal", "confirmed"),
    [("CA", "CR", "UC", "revoked"), ("DC", "DR", "UD", "revoked"), ("HD", "HR", "UH", "on-hold")],
)
async def test_a_request_waits_for_its_confirmation(
    world: World, tenant: Tenant, request_code: str, confirmation: str, refusal: str, confirmed: str
) -> None:
    await feed(world, tenant, order(orc("NW", "P1"), orc("NW", "P2")))
    await feed(world, tenant, order(orc(request_code, "P1"), orc(request_code, "P2"), at=2))
    assert await statuses(world, tenant) == {"P1": "active", "P2": "active"}
    await feed(world, tenant, answer(orc(confirmation, "P1^HOSP"), orc(refusal, "P2^HOSP"), at=3))
    assert await statuses(world, tenant) == {"P1": confirmed, "P2": "active"}


async def test_a_release_is_asked_for_and_confirmed(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, order(orc("NW", "P1")), order(orc("OH", "P1"), at=2), order(orc("RL", "P1"), at=3))
    assert await statuses(world, tenant) == {"P1": "on-hold"}, "the release is only asked for"
    await feed(world, tenant, order(orc("OR", "P1"), at=4))
    assert await statuses(world, tenant) == {"P1": "active"}


async def test_what_only_a_known_order_can_suffer_makes_none(world: World, tenant: Tenant) -> None:
    (outcome,) = await feed(world, tenant, order(orc("CA", "P9"), orc("NW", "P1")))
    assert "semantic.unknown-record" in outcome["problems"] and outcome["status"] == "TRANSFORMED"
    assert await statuses(world, tenant) == {"P1": "active"}, "the rest of the message counts"


async def test_late_cancellation_does_not_reopen_a_completed_order(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, order(orc("NW", "P1")), order(orc("SC", "P1", status="CM"), at=2))
    await feed(world, tenant, order(orc("CA", "P1"), at=3), order(orc("XO", "P1"), at=4))
    assert await statuses(world, tenant) == {"P1": "completed"}


@pytest.mark.parametrize("known", [True, False])
async def test_an_order_is_completed_by_its_final_result_whatever_came_first(
    world: World, tenant: Tenant, known: bool
) -> None:
    """OBR-25 `F` states the status of its order, `P` none; a late cancellation behind a change without one counts."""
    obr = "ORC|RE|P{0}|F{0}\rOBR|1|P{0}|F{0}|GLI^Exame^L|||20261122090000|||||||||||||||" + T.format(1) + "|||{1}"
    steps = [order(obr.format(1, status), kind="ORU^R01", at=at) for status, at in (("P", 4), ("F", 3))]
    placed = [order(orc("NW", "P1"))] if known else []
    await feed(world, tenant, *placed, *steps)
    assert await statuses(world, tenant) == {"P1": "completed"}
    await feed(world, tenant, order(orc("NW", "P2")), order(orc("XO", "P2"), at=3), order(orc("OC", "P2"), at=2))
    assert (await statuses(world, tenant))["P2"] == "revoked"


async def test_an_order_that_ended_and_comes_again_is_told(world: World, tenant: Tenant) -> None:
    ended = [order(orc("NW", "P1")), order(orc("SC", "P1", status="CM"), at=2)]
    *_, same, other = await feed(
        world, tenant, *ended, order(orc("NW", "P1"), at=1), order(orc("NW", "P1", code="K"), at=3)
    )
    assert not {"semantic.order-active-again"} & {*same["problems"], *other["problems"]}, "older; another examination"
    (again,) = await feed(world, tenant, order(orc("NW", "P1"), at=4))
    assert again["problems"] == ["semantic.order-active-again"]
    assert [o["status"] for o in await records(world, tenant, "ServiceRequest")] == ["active", "active"]
    *_, behind = await feed(
        world, tenant, order(orc("SC", "P2", status="IP"), at=4), order(orc("SC", "P2", status="CM"), at=3)
    )
    assert behind["problems"] == ["semantic.order-active-again"], "the older word comes behind the newer one"


@pytest.mark.parametrize(("ended", "told"), [("CM", []), ("DC", ["semantic.order-active-again"])])
async def test_a_refill_makes_what_was_dispensed_active(
    world: World, tenant: Tenant, ended: str, told: list[str]
) -> None:
    dose = "RX1\rRXO|DIP^Dipirona^L|500||mg"
    lines = [("NW|" + dose, 1), (f"SC|{dose}".replace("\r", f"|||{ended}\r"), 2), ("AF|" + dose, 3)]
    *_, refilled = await feed(world, tenant, *(order(f"ORC|{line}", kind="OMP^O09", at=at) for line, at in lines))
    assert refilled["problems"] == told
    assert [r["status"] for r in await records(world, tenant, "MedicationRequest")] == ["active"]


async def test_answers_number_and_confirm_without_a_patient(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, order(orc("NW", "P1^HOSP")))
    await feed(world, tenant, answer(orc("NA", "P1^HOSP", "F1^LAB")))
    (placed,) = await records(world, tenant, "ServiceRequest")
    assert {i["value"] for i in placed["identifier"]} == {"P1", "F1"} and placed["status"] == "active"
    await feed(world, tenant, answer("ORC|SC||F1^LAB||CM", at=6))
    assert await statuses(world, tenant) == {"P1": "completed"}, "found by the filler's number alone"
    (unknown,) = await feed(world, tenant, answer(orc("OK", "P7^HOSP", "F7^LAB"), at=7))
    assert "semantic.unknown-record" in unknown["problems"] and len(await records(world, tenant, "ServiceRequest")) == 1


async def test_replacement_links_and_retires_when_it_is_confirmed(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, order(orc("NW", "P1")))
    await feed(world, tenant, order(orc("RP", "P1"), orc("RO", "P2", code="K"), at=2))
    old, new = await records(world, tenant, "ServiceRequest")
    assert (old["status"], new["status"]) == ("active", "active")
    assert new["replaces"][0]["reference"] == f"ServiceRequest/{old['id']}"
    await feed(world, tenant, answer(orc("RQ", "P1^HOSP"), orc("RO", "P2^HOSP", "F2^LAB", code="K")))
    assert await statuses(world, tenant) == {"P1": "revoked", "P2": "active"}


async def test_parent_is_linked_once_it_is_known(world: World, tenant: Tenant) -> None:
    child = "ORC|CH|C1|||||||P1&HOSP\rOBR|1|C1||GLI60^Exame^L".replace("|||||||P1", "||||||P1")
    await feed(world, tenant, order(child))
    (alone,) = await records(world, tenant, "ServiceRequest")
    assert alone["basedOn"] == [
        {"type": "ServiceRequest", "identifier": {"system": "urn:ponte:hosp:plac", "value": "P1"}}
    ]
    await feed(world, tenant, order(orc("PA", "P1^HOSP"), at=2), order(child, at=3))
    linked = next(o for o in await records(world, tenant, "ServiceRequest") if o["identifier"][0]["value"] == "C1")
    assert any("reference" in reference for reference in linked["basedOn"])


async def test_items_of_one_prescription_number_stay_apart(world: World, tenant: Tenant) -> None:
    items = [f"ORC|NW|RX1\rRXO|{code}^{code}^L|1||mg" for code in ("DIP", "TRA")]
    await feed(world, tenant, order(*items, kind="OMP^O09"))
    await feed(
        world,
        tenant,
        order("ORC|OK|RX1|PH1\rRXE||TRA^TRA^L|1||mg", kind="RRE^O12", at=2).replace("ORC", "MSA|AA|1\rORC", 1),
    )
    stored = {r["medicationCodeableConcept"]["text"]: r for r in await records(world, tenant, "MedicationRequest")}
    assert len(stored) == 2 and {i["value"] for i in stored["TRA"]["identifier"]} == {"RX1", "PH1"}
    assert {i["value"] for i in stored["DIP"]["identifier"]} == {"RX1"}


async def test_dispense_and_administration_meet_their_prescription(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, order("ORC|NW|RX1\rRXO|DIP^Dipirona^L|500||mg", kind="OMP^O09"))
    await feed(
        world,
        tenant,
        order("ORC|RE|RX1\rRXD|1|DIP^Dipirona^L|20261123110000|2|CP", kind="RDS^O13", at=2),
        order("ORC|RE|RX1\rRXA|0|1|20261123120000||DIP^Dipirona^L|500|mg", kind="RAS^O17", at=3),
        order("ORC|RE|RX1\rRXA|0|1|20261123120000||DIP^Dipirona^L|500|mg||||||||||||||D", kind="RAS^O17", at=4),
    )
    (prescription,) = await records(world, tenant, "MedicationRequest")
    (dispense,) = await records(world, tenant, "MedicationDispense")
    (given,) = await records(world, tenant, "MedicationAdministration")
    reference = f"MedicationRequest/{prescription['id']}"
    assert dispense["authorizingPrescription"][0]["reference"] == given["request"]["reference"] == reference
    assert (dispense["status"], given["status"]) == ("completed", "entered-in-error"), "RXA-21 D takes it back"


async def test_an_answer_and_a_dose_to_be_given_leave_how_a_medicine_is_taken(world: World, tenant: Tenant) -> None:
    what, route = "DIP^Dipirona^L|500||mg^mg^L", "RXR|PO^Oral^HL70162"
    prescribed = order(f"ORC|NW|RX1\rTQ1|1||Q6H\rRXO|{what}\r{route}", kind="OMP^O09")
    answered = order(f"MSA|AA|1\rORC|OK|RX1|PH1||IP\rRXO|{what}", kind="ORP^O10", at=2)
    due = order(f"ORC|RE|RX1\rRXE||{what}\r{route}\rRXG|1||1^^^20261123120000|{what}\r{route}", kind="RGV^O15", at=3)
    await feed(world, tenant, prescribed, answered, due)
    known = {r["intent"]: r for r in await records(world, tenant, "MedicationRequest")}
    (taken,) = known["original-order"]["dosageInstruction"]
    assert taken["timing"]["repeat"]["period"] == 6 and taken["route"]["coding"][0]["code"] == "PO"
    based = known["instance-order"]["basedOn"][0]["reference"]
    assert based == f"MedicationRequest/{known['original-order']['id']}"


async def test_where_an_order_comes_from_is_one_role_however_often_it_is_said(world: World, tenant: Tenant) -> None:
    asked = "ORC|NW|P{0}||||||||||41^Reis^Nora|||||||||Clinica Sul^^^^^^XX^^^C9\rOBR|1|P{0}||GLI^Exame^L"
    await feed(world, tenant, order(asked.format(1)), order(asked.format(2), at=2))
    (role,) = await records(world, tenant, "PractitionerRole")
    (person,) = await records(world, tenant, "Practitioner")
    assert role["practitioner"]["reference"] == f"Practitioner/{person['id']}"
    assert {o["requester"]["reference"] for o in await records(world, tenant, "ServiceRequest")} == {
        f"Practitioner/{person['id']}"
    }


def read(text: str) -> Message:
    found = er7.read(text.encode())
    assert isinstance(found, Message)
    return found


async def said(world: World, tenant: Tenant, text: str) -> tuple[str, list[str]]:
    async with world.transaction(tenant) as tx:
        return await order_answers.answer(tx, read(text))


ANSWERS = [
    ("NW", "OK"), ("CA", "RR"), ("DC", "RR"), ("HD", "RR"), ("RL", "RR"), ("XO", "XR"), ("RF", "RR"), ("SS", "SR"),
    ("SN", "NA"),
]  # fmt: skip
UNKNOWN = [("CA", "UC"), ("DC", "UD"), ("HD", "UH"), ("RL", "UR"), ("XO", "UX"), ("SS", "DE"), ("SN", "UA")]


async def test_the_hub_answers_orders_with_what_it_knows(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, order(orc("NW", "P1", "F1")))
    for asked, expected in ANSWERS:
        kind, (person, first, second) = await said(world, tenant, order(orc(asked, "P1"), kind="OML^O21^OML_O21"))
        assert (kind, person, first) == ("ORL^O22^ORL_O22", PID, f"ORC|{expected}|P1|F1^HOSP||IP"), asked
        assert second == "OBR|1|P1|F1^HOSP|GLI^Exame^L"
    for asked, expected in UNKNOWN:
        kind, lines = await said(world, tenant, order(orc(asked, "P8")))
        assert (kind, lines[0].rstrip("|")) == ("ORR^O02^ORR_O02", f"ORC|{expected}|P8"), asked


EXAM, MEDICINE, ROUTE = "OBR|1|P1||GLI^Exame^L", "RXO|M1^Dipirona^L|500||mg^mg^L", "RXR|PO^Oral^HL70162"
WAYS = [
    ("ORM^O01", (EXAM,), {}), ("ORM^O01", (MEDICINE, ROUTE), {}), ("ORM^O01", ("ODS|D||D1^Dieta^L",), {}),
    ("ORM^O01", ("ODT|EARLY^Cedo^HL70161",), {}), ("ORM^O01", ("RQD|1|I1^Luva^L||I1^Luva^L|10|cx^cx^L",), {}),
    ("OMG^O19", (EXAM,), {}), ("OML^O21", (EXAM,), {}), ("OML^O39", (EXAM,), {"since": "2.7"}),
    ("OMI^O23", (EXAM, "IPC|A1|RP1|1.2.3|S1"), {}), ("OMD^O03", ("ODS|D||D1^Dieta^L",), {}),
    ("OMS^O05", ("RQD|1|I1^Luva^L||I1^Luva^L|10|cx^cx^L",), {}), ("OMP^O09", (MEDICINE, ROUTE), {}),
    ("OMN^O07", ("RQD|1|I1^Luva^L||I1^Luva^L|10|cx^cx^L", "RQ1|5"), {}),
    ("RDE^O11", ("RXE||M1^Dipirona^L|500||mg^mg^L", ROUTE), {}),
    ("RDE^O25", ("RXE||M1^Dipirona^L|500||mg^mg^L", ROUTE), {}), ("OMB^O27", ("BPO|1|E1^Hemacias^L||2",), {}),
]  # fmt: skip


async def test_the_answers_to_orders_have_their_structure(world: World, tenant: Tenant) -> None:
    for kind, lines, limits in WAYS:
        text = order("ORC|NW|P1^HIS", *lines, kind=kind)
        for version in ("2.5.1", "2.6", "2.8.2"):
            if version < limits.get("since", "") or (kind == "ORM^O01" and version > "2.6"):
                continue
            kind_of_answer, more = await said(world, tenant, text.replace("|2.5.1", f"|{version}"))
            head = msh(kind_of_answer, T.format(9)).replace("|2.5.1", f"|{version}")
            found = conform(read("\r".join((head, "MSA|AA|1", *more, ""))))
            assert more and not [p for p in found if p.code.startswith("structure.")], (kind, version)


@pytest.mark.parametrize("control", ["SC", "OK", "CR", "RE", "NA"])
async def test_news_of_an_order_gets_a_plain_acknowledgement(world: World, tenant: Tenant, control: str) -> None:
    assert await said(world, tenant, order(orc(control, "P1"))) == ("", [])
    assert await said(world, tenant, order("OBR|1|P1||X", kind="ORU^R01")) == ("", [])


def stock(*lines: str, kind: str = "OMS^O05^OMS_O05", at: int = 1, sender: str = "HIS|HOSP") -> str:
    return order(*lines, kind=kind, at=at, patient="", sender=sender)


async def test_material_for_a_store_is_requested_confirmed_and_answered(world: World, tenant: Tenant) -> None:
    item = "RQD|1|||4711^Seringa^HOSP|100|UN\rRQ1|||C-77"
    (outcome,) = await feed(world, tenant, stock("ORC|NW|R1", item, "ORC|NW|R2", item))
    assert outcome["status"] == "TRANSFORMED"
    await feed(world, tenant, stock("MSA|AA|1", "ORC|OC|R1^HOSP|A7", kind="ORS^O06", at=2, sender="ALM|HOSP"))
    assert await statuses(world, tenant, "SupplyRequest") == {"R1": "cancelled", "R2": "active"}
    assert await records(world, tenant, "ServiceRequest") == []
    kind, lines = await said(world, tenant, stock("ORC|CA|R2", item, at=3))
    assert (kind, lines) == ("ORS^O06^ORS_O06", ["ORC|RR|R2|||IP", *item.split("\r")])
    kind, lines = await said(world, tenant, stock("ORC|CA|R9", item, kind="OMN^O07^OMN_O07", at=3))
    assert (kind, lines[0]) == ("ORN^O08^ORN_O08", "ORC|UC|R9")


async def test_an_image_ordered_for_nobody_is_found_by_its_number(world: World, tenant: Tenant) -> None:
    lines = (orc("NW", "P1"), "IPC|A1|RP1|1.2.3")
    (outcome,) = await feed(world, tenant, stock(*lines, kind="OMI^O23"))
    assert "semantic.order-of-nobody" in outcome["problems"] and outcome["status"] == "TRANSFORMED"
    kind, said_back = await said(world, tenant, stock(*lines, kind="OMI^O23"))
    assert kind == "ORI^O24^ORI_O24" and [line[:3] for line in said_back] == ["ORC", "OBR", "IPC"]
    await feed(world, tenant, order(*lines, kind="OMI^O23", at=2))
    (found,) = await records(world, tenant, "ServiceRequest")
    assert found["subject"]["reference"].startswith("Patient/")
