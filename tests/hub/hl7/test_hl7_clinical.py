"""Results, documents and vaccines over several messages: joins that stay open, history, documents that follow another."""

from __future__ import annotations

import base64

import pytest
from hl7_feed import feed, msh, oru, records, versions

from hub.world import Tenant, World

T = "202611231000{:02d}"
PID = "PID|1||A^^^HOSP^MR||Souza^Ana"


def message(kind: str, at: int, *lines: str) -> str:
    return "\r".join((msh(kind, T.format(at), sender="LIS|LAB"), PID, *lines)) + "\r"


def culture(at: int = 1, status: str = "F") -> str:
    return message(
        "ORU^R01",
        at,
        f"OBR|1|P1^HOSP|F1^LAB|CULT^Cultura^L|||20261120|||||||||||||||{T.format(at)}|||{status}",
        f"OBX|1|CWE|634-6^Bactéria^LN|1|112283007^E. coli^SCT||||||{status}",
        f"OBX|2|CWE|634-6^Bactéria^LN|2|56415008^K. pneumoniae^SCT||||||{status}",
    )


def susceptibility(isolate: int, at: int, *, placer: str = "P1^HOSP") -> str:
    return message(
        "ORU^R01",
        at,
        f"OBR|1|{placer}|F1{isolate}^LAB|TSA^Antibiograma^L|||20261120||||G|||||||||||{T.format(at)}|||F|"
        f"634-6&Bactéria&LN^{isolate}^isolado {isolate}|||P1&HOSP^F1&LAB",
        f"OBX|1|SN|18906-8^Cipro^LN||<=^{isolate}|ug/mL||S|||F",
    )


ORDERS = [(0, 1, 2), (1, 2, 0), (1, 0, 2), (2, 1, 0)]


@pytest.mark.parametrize("arrival", ORDERS, ids=str)
async def test_susceptibilities_meet_their_organism_in_any_order(
    world: World, tenant: Tenant, arrival: tuple[int, ...]
) -> None:
    told = [culture(1), susceptibility(1, 2), susceptibility(2, 3)]
    await feed(world, tenant, *(told[n] for n in arrival))
    found = {o["id"]: o for o in await records(world, tenant, "Observation")}
    organisms = [o for o in found.values() if o["code"]["coding"][0]["code"] == "634-6"]
    assert len(found) == 4 and len(organisms) == 2
    for organism in organisms:
        (member,) = (reference["reference"].partition("/")[2] for reference in organism["hasMember"])
        isolate = organism["extension"][0]["extension"][0]["valueString"]
        assert organism["status"] == "final" and organism["valueCodeableConcept"]["coding"][0]["system"].endswith("sct")
        assert found[member]["valueQuantity"]["value"] == int(isolate)
        assert found[member]["derivedFrom"] == [{"reference": f"Observation/{organism['id']}"}]
    reports = {r["code"]["coding"][0]["code"]: r["status"] for r in await records(world, tenant, "DiagnosticReport")}
    assert reports == {"CULT": "final", "TSA": "final"} and len(await records(world, tenant, "DiagnosticReport")) == 3


async def test_an_organism_that_is_still_to_come_says_so(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, susceptibility(1, 2))
    organism = next(o for o in await records(world, tenant, "Observation") if "hasMember" in o)
    assert organism["status"] == "registered" and organism["valueString"] == "isolado 1"
    await feed(world, tenant, culture(1, "P"))
    organism = next(o for o in await records(world, tenant, "Observation") if o["id"] == organism["id"])
    assert organism["status"] == "preliminary" and "valueString" not in organism and "hasMember" in organism


async def test_a_late_older_result_tells_who_listens_again(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, oru("A", "1", "C", "95", T.format(5)))
    (before,) = await records(world, tenant, "Observation")
    await feed(world, tenant, oru("A", "1", "F", "90", T.format(3)))
    (after,) = await records(world, tenant, "Observation")
    assert (after["status"], after["valueQuantity"]["value"]) == ("corrected", 95)
    assert int(after["meta"]["versionId"]) == int(before["meta"]["versionId"]) + 2
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT version, method FROM resource_version WHERE tenant_id = $1 AND type = 'Observation'"
        )
    assert sorted(tuple(row) for row in rows) == [(1, "PUT"), (2, "PUT"), (3, "PUT")], "under the id it has"


async def test_preliminary_and_wrong_patient_after_final(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, oru("A", "1", "F", "90", T.format(2)), oru("A", "1", "P", "80", T.format(1)))
    assert [o["status"] for o in await records(world, tenant, "Observation")] == ["final"]
    await feed(world, tenant, oru("A", "1", "W", "90", T.format(4), report="C"), oru("A", "1", "F", "90", T.format(3)))
    (observation,) = await records(world, tenant, "Observation")
    assert observation["status"] == "entered-in-error"
    told = [v["status"] for v in await versions(world, tenant, "Observation")]
    assert told == ["final", "preliminary", "final", "entered-in-error", "final", "entered-in-error"]


async def test_status_change_without_a_value_keeps_it(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, oru("A", "1", "P", "90", T.format(1)), oru("A", "1", "U", "", T.format(2), report="F"))
    (observation,) = await records(world, tenant, "Observation")
    assert (observation["status"], observation["valueQuantity"]["value"]) == ("final", 90)


async def test_the_code_of_an_earlier_status_does_not_stay(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, oru("A", "1", "X", "", T.format(1)))
    (observation,) = await records(world, tenant, "Observation")
    assert observation["status"] == "cancelled" and "_status" in observation
    await feed(world, tenant, oru("A", "1", "F", "90", T.format(2)))
    (observation,) = await records(world, tenant, "Observation")
    assert observation["status"] == "final" and "_status" not in observation


async def test_one_result_without_a_code_does_not_hold_up_the_others(world: World, tenant: Tenant) -> None:
    lines = ("OBR|1||F9", "OBX|1|NM|||1", "OBX|2|NM|HB^Hb^L||13|g/dL|||||F")
    (outcome,) = await feed(world, tenant, message("ORU^R01", 1, *lines))
    assert outcome["status"] == "TRANSFORMED" and outcome["segments"]["unmapped"] == 1
    assert "structure.element" in outcome["problems"] and len(await records(world, tenant, "Observation")) == 1
    (nothing,) = await feed(world, tenant, message("ORU^R01", 2, "OBR|1", "OBX|1|NM|||1"))
    assert nothing["status"] == "ERROR", "a message of which nothing could be kept is an error"


def txa(event: str, at: int, number: str, *more: str, parent: str = "", state: str = "AU|") -> str:
    line = f"TXA|1|DS^Sumário^HL70270|TX|20261123||20261123100000||||||{number}^HOSP|{parent}||||{state}|AV"
    return message(f"MDM^{event}", at, line, *more)


async def test_documents_follow_and_replace_one_another(world: World, tenant: Tenant) -> None:
    text = "OBX|1|TX|T^T^L||corpo||||||F"
    await feed(world, tenant, txa("T02", 1, "D1", text), txa("T06", 2, "D2", text, parent="D1^HOSP"))
    await feed(world, tenant, txa("T10", 3, "D3", text, parent="D1^HOSP"), txa("T03", 4, "D3", state="LA|"))
    documents = {d["masterIdentifier"]["value"]: d for d in await records(world, tenant, "DocumentReference")}
    one = f"DocumentReference/{documents['D1']['id']}"
    assert {n: d["status"] for n, d in documents.items()} == {"D1": "superseded", "D2": "current", "D3": "current"}
    assert [documents[n]["relatesTo"][0]["code"] for n in ("D2", "D3")] == ["appends", "replaces"]
    assert all(documents[n]["relatesTo"][0]["target"]["reference"] == one for n in ("D2", "D3"))
    data = documents["D3"]["content"][0]["attachment"]["data"]
    assert base64.b64decode(data) == b"corpo", "a notice without content does not blank the document"
    await feed(world, tenant, txa("T11", 5, "D3"))
    (unknown,) = await feed(world, tenant, txa("T11", 6, "D9"))
    stored = {d["masterIdentifier"]["value"]: d["status"] for d in await records(world, tenant, "DocumentReference")}
    assert stored["D3"] == "entered-in-error" and "D9" not in stored
    assert "semantic.unknown-record" in unknown["problems"]


async def test_vaccinations_by_number_and_without(world: World, tenant: Tenant) -> None:
    def dose(at: int, number: str, vaccine: str, day: str, action: str = "A") -> str:
        rxa = f"RXA|0|1|{day}||{vaccine}^Vacina^CVX|0.5|mL|||||||||||||CP|{action}"
        return message("VXU^V04", at, f"ORC|RE||{number}", rxa)

    await feed(world, tenant, dose(1, "V1^UBS", "08", "20260101"), dose(2, "V1^UBS", "08", "20260101"))
    assert len(await records(world, tenant, "Immunization")) == 1
    await feed(world, tenant, dose(3, "9999", "03", "20260201"), dose(4, "9999", "20", "20260201"))
    assert len(await records(world, tenant, "Immunization")) == 3, "9999 is no number"
    await feed(world, tenant, dose(5, "V1^UBS", "08", "20260101", "D"))
    stored = await records(world, tenant, "Immunization")
    assert sorted(i["status"] for i in stored) == ["completed", "completed", "entered-in-error"]
