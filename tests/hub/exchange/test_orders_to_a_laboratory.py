"""What a laboratory is told of an order, mapped from the records: read again, it says what the hospital wrote."""

from __future__ import annotations

from typing import Any

import pytest
from channel_feed import partner, put, queued, send

from api.hl7_reading import read_file
from hl7 import er7
from hl7.grammar import conform
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.world import Tenant, World

WHO = "123456^Lima^Ana^Maria^^Dra.^^^CRM-SP^L^^^CRM"
IN1 = [
    "1",
    "OURO^Plano Ouro",
    "326305",
    "Exemplo Saúde",
    *[""] * 7,
    "20260101",
    "20991231",
    *[""] * 22,
    "00012345678901234",
]
SEGMENTS = [
    "MSH|^~\\&|HIS|HOSP|PONTE|PONTE|20261127120000-0300||OML^O21^OML_O21|{control}|P|2.5.1||||||UNICODE UTF-8",
    "PID|1||4711^^^HOSP^MR~52998224725^^^CPF^TAX||Conceição^Maria^^^^^L~Silva^Mário^^^^^D|Conceição^Ana|19800102|F|||"
    "Rua das Flores, 10^Ap 3^São Paulo^SP^01310100^BRA^H^Centro^3550308||^PRN^PH^^55^11^999998888",
    f"PV1|1|I|UTI^203^A^HOSP||||{WHO}" + "|" * 12 + "V900^^^HOSP^VN",
    "IN1|" + "|".join(IN1),
    f"ORC|NW|{{number}}^HIS||REQ77^HIS|||||20261127115500-0300|||{WHO}|||||||||HOSPITAL DEMO^^^^^CNES^^^^2077485",
    "TQ1|1||||||20261127130000-0300||S",
    f"OBR|1|{{number}}^HIS||40304361^Hemograma completo^TUSS|||20261127130000-0300||||||Anemia|||{WHO}",
    "NTE|1||Usa anticoagulante",
    "DG1|1||D50.9^Anemia ferropriva^I10|||W",
    "OBX|1|NM|29463-7^Peso^LN||71.5|kg^^UCUM|||||F",
    "OBX|2|SN|8302-2^Altura^LN||>^150|cm^^UCUM|||||F",
    "OBX|3|CE|63931-6^Jejum^LN||Y^Sim^HL70136||||||F",
    "OBX|4|TS|8665-2^DUM^LN||20261101||||||F",
    "OBX|5|ST|X1^Medicação^L||varfarina||||||F",
    "OBX|6|SN|X2^Título^L||^1^:^128||||||F",
    "SPM|1|AM1^LAB||BLD^Sangue^HL70487|||||||||||||20261127130000-0300|20261127133000-0300",
]
LAB: dict[str, Any] = {
    "plan": "out/order",
    "orders": {"message": "OML^O21^OML_O21", "application": "LAB", "facility": "APOIO"},
}


def order(number: str = "ORD1", control: str = "C1") -> str:
    return "".join(f"{segment}\r" for segment in SEGMENTS).format(number=number, control=control)


async def told(world: World, tenant: Tenant, **orders: Any) -> bytes:
    """The order as it goes to the laboratory."""
    await partner(world, tenant, "apoio", 1, kind="lab", **{**LAB, "orders": LAB["orders"] | orders})
    await send(world, tenant, await put(world, tenant, 'name = "x"\ndoor = "mllp"\n'), order())
    (row,) = await queued(world, tenant)
    return bytes(row["content"])


def read(raw: bytes) -> er7.Message:
    found = er7.read(raw)
    assert isinstance(found, er7.Message) and not found.problems
    return found


def meaning(raw: bytes) -> dict[str, list[dict[str, Any]]]:
    """What a hub at the other end makes of it, but for its own ids."""
    (document,) = read_file("order.hl7", [raw], to="fhir", zone="America/Sao_Paulo")
    kept: dict[str, list[dict[str, Any]]] = {}
    for entry in document["bundle"]["entry"]:
        record = {key: value for key, value in entry["resource"].items() if "reference" not in str(value)}
        kept.setdefault(record["resourceType"], []).append({key: record[key] for key in record if key != "id"})
    return kept


async def test_the_laboratory_reads_what_the_hospital_wrote(world: World, tenant: Tenant) -> None:
    before, after = meaning(order().encode()), meaning(await told(world, tenant, insurance=True))
    assert after["Observation"] == before["Observation"] and len(after["Observation"]) == 6
    assert after["Patient"][0]["name"] == before["Patient"][0]["name"], "the social name too, and which is which"
    for name in ("address", "telecom", "birthDate", "gender"):
        assert after["Patient"][0][name] == before["Patient"][0][name]
    assert after["Condition"][0]["code"] == before["Condition"][0]["code"]
    assert after["Practitioner"][0] == before["Practitioner"][0], "who orders, with all of the name"
    for name in ("type", "collection", "receivedTime", "identifier"):
        assert after["Specimen"][0][name] == before["Specimen"][0][name]
    for name in ("code", "priority", "authoredOn", "occurrenceDateTime", "requisition", "identifier"):
        assert after["ServiceRequest"][0][name] == before["ServiceRequest"][0][name]
    for name in ("class", "period", "subscriberId"):
        assert after["Coverage"][0][name] == before["Coverage"][0][name]
    assert after["Organization"] == before["Organization"], "the operadora by its registro ANS"
    assert {note["text"] for note in after["ServiceRequest"][0]["note"]} == {"Usa anticoagulante\nAnemia"}


async def test_it_is_a_message_of_its_version(world: World, tenant: Tenant) -> None:
    message = read(await told(world, tenant, insurance=True))
    assert not [problem for problem in conform(message) if problem.blocks]
    assert [segment.name for segment in message.segments] == [
        *("MSH", "PID", "PV1", "IN1", "ORC", "TQ1", "OBR", "DG1"),
        *["OBX"] * 6,
        "SPM",
    ]
    assert [message.text("MSH", n) for n in (3, 4, 5, 6)] == ["PONTE", tenant.slug.upper(), "LAB", "APOIO"]
    assert message.text("PID", 3, 4) == "HOSP" and message.text("SPM", 4, 3) == "HL70487"
    assert [message.text("PV1", 3, n) for n in (1, 2, 3, 4, 9)] == ["UTI", "203", "A", "HOSP", ""]
    assert message.text("PV1", 7) == "123456" and message.text("ORC", 21, 10) == "2077485"
    assert len(message.first("OBR").repetitions(13)) == 1, "OBR-13 does not repeat"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "speaks"), [("ORM^O01^ORM_O01", "hl7 2.5.1"), ("ORM^O01", "hl7 2.3"), ("OML^O21", "hl7 2.4")]
)
async def test_older_messages_have_no_segments_that_came_later(
    world: World, tenant: Tenant, kind: str, speaks: str
) -> None:
    await partner(world, tenant, "old", 1, kind="lab", **{**LAB, "speaks": speaks, "orders": {"message": kind}})
    await send(world, tenant, await put(world, tenant, 'name = "x"\ndoor = "mllp"\n'), order())
    (row,) = await queued(world, tenant)
    found = read(row["content"])
    assert not {"TQ1", "SPM"} & {segment.name for segment in found.segments}
    assert found.text("OBR", 27, 6) == "S", "the priority is told all the same"


async def test_an_order_has_its_type_whatever_the_document_leaves_out(world: World, tenant: Tenant) -> None:
    """`orders.message` may be missing: no message goes out with an empty MSH-9."""
    read = er7.read(await told(world, tenant, message=""))
    assert isinstance(read, er7.Message) and read.header.raw_field(9) == "OML^O21^OML_O21"
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT type FROM message WHERE tenant_id = $1 AND direction = 'out'") == "OML^O21"


async def test_the_sender_is_as_the_laboratory_knows_it(world: World, tenant: Tenant) -> None:
    message = read(await told(world, tenant, sending_application="HIS", sending_facility="77001"))
    assert [message.text("MSH", n) for n in (3, 4)] == ["HIS", "77001"]


async def test_the_membership_goes_to_whom_it_concerns_only(world: World, tenant: Tenant) -> None:
    raw = await told(world, tenant)
    assert read(raw).first("IN1") is None and b"00012345678901234" not in raw


@pytest.mark.parametrize(
    ("written", "cards"), [("2026-11", 1), ("2026-11-27T10:00:00-03:00", 1), ("2025-11-27", 0), (None, 1)]
)
async def test_the_membership_is_that_of_the_day_of_the_order(
    world: World, tenant: Tenant, written: str | None, cards: int
) -> None:
    await partner(world, tenant, "apoio", 1, kind="lab", **{**LAB, "orders": LAB["orders"] | {"insurance": True}})
    subject = {"reference": "Patient/p"}
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:x", "value": "7"}],
        "name": [{"family": "Lima"}],
    }
    coverage = {
        **{"resourceType": "Coverage", "status": "active", "beneficiary": subject, "subscriberId": "0001"},
        **{"payor": [{"display": "Ipê"}], "period": {"start": "2026-01-01"}},
    }
    asked: dict[str, Any] = {
        **{"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": subject},
        **{"identifier": [{"system": "urn:y", "value": "9"}], "code": {"text": "Exame"}},
        **({"authoredOn": written} if written else {}),
        "supportingInfo": [{"reference": "Observation/empty"}],
    }
    empty = {
        **{"resourceType": "Observation", "status": "final", "code": {"text": "X"}, "subject": subject},
        "valueCodeableConcept": {"extension": [{"url": "urn:z", "valueString": "z"}]},
    }
    bodies = {"Patient/p": patient, "Coverage/c": coverage, "Observation/empty": empty, "ServiceRequest/s": asked}
    async with world.transaction(tenant) as tx:
        writes = [Write(type=key.split("/")[0], id=key.split("/")[1], body=body) for key, body in bodies.items()]
        await save(tx, writes, Origin(actor="fhir", now=world.now(), zone=tenant.zone))
    (row,) = await queued(world, tenant)
    message = read(row["content"])
    assert len(list(message.named("IN1"))) == cards and not list(message.named("OBX"))


async def test_what_is_restricted_or_wrong_is_not_told(world: World, tenant: Tenant) -> None:
    await partner(world, tenant, "apoio", 1, kind="lab", **LAB)
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:x", "value": "7"}],
        "name": [{"family": "Lima"}],
    }
    label = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
    subject = {"subject": {"reference": "Patient/p"}}

    def said(name: str, **more: Any) -> Write:
        code = {"coding": [{"system": "http://loinc.org", "code": name}]}
        value = {} if "component" in more else {"valueString": name}
        body = {"resourceType": "Observation", "status": "final", "code": code, **value, **subject, **more}
        return Write(type="Observation", id=name, body=body)

    asked = {
        **{"resourceType": "ServiceRequest", "status": "active", "intent": "order", **subject},
        "identifier": [{"system": "urn:y", "value": "9"}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "supportingInfo": [{"reference": f"Observation/{name}"} for name in ("open", "secret", "wrong", "picture")],
    }
    measured = [
        {"code": {"text": name}, "valueQuantity": {"value": value, "unit": "mmHg"}}
        for name, value in (("PAS", 120), ("PAD", 80))
    ]
    async with world.transaction(tenant) as tx:
        writes = [Write(type="Patient", id="p", body=patient), said("open"), said("secret", meta=label)]
        writes.append(said("picture", component=measured))
        writes += [said("wrong", status="entered-in-error"), Write(type="ServiceRequest", id="s", body=asked)]
        await save(tx, writes, Origin(actor="fhir", now=world.now(), zone=tenant.zone))
    (row,) = await queued(world, tenant)
    lines = list(read(row["content"]).named("OBX"))
    assert [(one.text(1), one.text(2), one.text(3, 2), one.text(5)) for one in lines[1:]] == [
        ("2", "NM", "PAS", "120"),
        ("3", "NM", "PAD", "80"),
    ]
    assert b"|open|" in row["content"] and b"secret" not in row["content"] and b"wrong" not in row["content"]


async def test_what_is_ordered_for_a_place_is_nobody_s(world: World, tenant: Tenant) -> None:
    """A place has a number, which must not stand where a patient's does."""
    await partner(world, tenant, "apoio", 1, kind="lab", **LAB)
    place = {"resourceType": "Location", "identifier": [{"system": "urn:x", "value": "UTI-7"}], "name": "UTI"}
    asked = {
        **{"resourceType": "ServiceRequest", "status": "active", "intent": "order"},
        **{"identifier": [{"system": "urn:y", "value": "9"}], "code": {"text": "Swab"}},
        "subject": {"reference": "Location/l"},
    }
    async with world.transaction(tenant) as tx:
        writes = [Write(type="Location", id="l", body=place), Write(type="ServiceRequest", id="s", body=asked)]
        await save(tx, writes, Origin(actor="fhir", now=world.now(), zone=tenant.zone))
    assert not [row for row in await queued(world, tenant) if row["status"] == "QUEUED"]
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT content FROM message WHERE tenant_id = $1 AND direction = 'out'")
    assert all(b"UTI-7" not in (row["content"] or b"") for row in rows)


async def test_a_house_that_orders_is_the_place_and_no_person(world: World, tenant: Tenant) -> None:
    await partner(world, tenant, "apoio", 1, kind="lab", **LAB)
    number = [{"system": "https://saude.gov.br/fhir/sid/cnes", "value": "2077485"}]
    house = {"resourceType": "Organization", "identifier": number, "name": "Clínica Ipê"}
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:x", "value": "7"}],
        "name": [{"family": "Lima"}],
    }
    asked = {
        **{"resourceType": "ServiceRequest", "status": "active", "intent": "order"},
        **{"identifier": [{"system": "urn:y", "value": "9"}], "code": {"text": "Exame"}},
        "subject": {"reference": "Patient/p"},
        "requester": {"reference": "Organization/o", "display": "Clínica Ipê", "identifier": number[0]},
    }
    bodies = {"Organization/o": house, "Patient/p": patient, "ServiceRequest/s": asked}
    async with world.transaction(tenant) as tx:
        writes = [Write(type=key.split("/")[0], id=key.split("/")[1], body=body) for key, body in bodies.items()]
        await save(tx, writes, Origin(actor="fhir", now=world.now(), zone=tenant.zone))
    (row,) = await queued(world, tenant)
    message = read(row["content"])
    assert (message.text("ORC", 12), message.text("ORC", 21), message.text("ORC", 21, 10)) == (
        "",
        "Clínica Ipê",
        "2077485",
    )


def requisition(control: str, *orders: tuple[str, str, str], group: str = "REQ77^HIS", code: str = "NW") -> str:
    """One message with orders (number, code, what is stated with it) of a requisition."""
    lines = [*SEGMENTS[:4]]
    for number, exam, weight in orders:
        lines += [f"ORC|{code}|{number}^HIS||{group}|||||20261127115500-0300|||{WHO}"]
        lines += [f"OBR|1|{number}^HIS||{exam}^Exame^TUSS", f"OBX|1|NM|29463-7^Peso^LN||{weight}|kg^^UCUM|||||F"]
    return "".join(f"{line}\r" for line in lines).replace("{control}", control)


async def test_the_orders_of_a_requisition_go_in_one_message(world: World, tenant: Tenant) -> None:
    orders = {**LAB["orders"], "together": True, "insurance": True}
    await partner(world, tenant, "apoio", 1, kind="lab", **{**LAB, "orders": orders})
    door = await put(world, tenant, 'name = "x"\ndoor = "mllp"\n')
    three = (("ORD1", "40304361", "71"), ("ORD2", "40301630", "72"), ("ORD3", "40302040", "73"))
    await send(world, tenant, door, requisition("C1", *three))
    await send(world, tenant, door, requisition("C2", ("ORD4", "40301150", "74"), group="REQ78^HIS"))
    first, second = await queued(world, tenant)
    message = read(first["content"])
    assert not [problem for problem in conform(message) if problem.blocks]
    assert [segment.name for segment in message.segments] == [
        *("MSH", "PID", "PV1", "IN1"), *("ORC", "OBR", "OBX") * 3
    ]  # fmt: skip
    assert [(obr.text(1), obr.text(2), obr.text(4)) for obr in message.named("OBR")] == [
        (str(n), number, exam) for n, (number, exam, _) in enumerate(three, start=1)
    ]
    assert [obx.text(5) for obx in message.named("OBX")] == ["71", "72", "73"], "each with its own"
    assert b"ORD4" in second["content"] and b"ORD4" not in first["content"], "another requisition"


async def test_each_of_them_is_told_once_and_may_be_cancelled_alone(world: World, tenant: Tenant) -> None:
    await partner(world, tenant, "apoio", 1, kind="lab", **{**LAB, "orders": LAB["orders"] | {"together": True}})
    door = await put(world, tenant, 'name = "x"\ndoor = "mllp"\n')
    three = (("ORD1", "40304361", "71"), ("ORD2", "40301630", "72"), ("ORD3", "40302040", "73"))
    await send(world, tenant, door, requisition("C1", *three), requisition("C2", *three))
    await send(world, tenant, door, requisition("C3", three[2], code="CA"), requisition("C4", *three, code="CA"))
    found = [(one["operation"], read(one["content"])) for one in await queued(world, tenant)]
    assert [(kind, [orc.text(2) for orc in message.named("ORC")]) for kind, message in found] == [
        ("lab-order", ["ORD1", "ORD2", "ORD3"]),
        ("lab-order-cancel", ["ORD3"]),
        ("lab-order-cancel", ["ORD1", "ORD2"]),
    ]


async def test_one_that_is_incomplete_does_not_keep_the_others(world: World, tenant: Tenant) -> None:
    await partner(world, tenant, "apoio", 1, kind="lab", **{**LAB, "orders": LAB["orders"] | {"together": True}})
    await put(world, tenant, 'name = "x"\ndoor = "mllp"\n')
    number = {"system": "urn:ponte:x:PLAC", "value": "ORD1"}
    shared: dict[str, Any] = {
        "resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": {"reference": "Patient/p"},
        "requisition": {"value": "REQ1"},
    }  # fmt: skip
    patient = {"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:ponte:x:MR", "value": "1"}]}
    bodies = [
        {**shared, "id": "a", "identifier": [number], "code": {"text": "Hemograma"}},
        {**shared, "id": "b", "identifier": [{**number, "value": "ORD2"}]},
        {**shared, "id": "c", "code": {"text": "Glicose"}},
    ]
    async with world.transaction(tenant) as tx:
        writes = [Write(type="Patient", id="p", body=patient)]
        writes += [Write(type="ServiceRequest", id=body["id"], body=body) for body in bodies]
        await save(tx, writes, Origin(actor="test", now=world.now(), zone=tenant.zone))
    assert [(one["status"], one["subject"]) for one in await queued(world, tenant)] == [
        ("QUEUED", "ServiceRequest/a"), ("ERROR", "ServiceRequest/b"), ("ERROR", "ServiceRequest/c"),
    ]  # fmt: skip
