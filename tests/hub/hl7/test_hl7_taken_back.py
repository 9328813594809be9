"""What is taken back: reports cancelled after their results were told, documents that another one replaced."""

from __future__ import annotations

import base64

import pytest
from hl7_feed import feed, msh, oru, records, versions

from hub.world import Tenant, World

T = "202611221000{:02d}"
PATIENT = "PID|1||A^^^HOSP^MR||Souza^Ana"
FILE = base64.b64encode(b"%PDF-1.4 laudo").decode()


def cancellation(at: str, *lines: str) -> str:
    """The message that cancels the report of `oru("A", "1", ...)`."""
    head = [msh("ORU^R01", at, sender="LIS|HOSP"), PATIENT, "ORC|RE|P1|F1"]
    order = f"OBR|1|P1|F1|GLI^Glicose^L|||20261122090000|||||||||||||||{at}-0300|||X"
    return "\r".join((*head, order, *lines)) + "\r"


async def statuses(world: World, tenant: Tenant, kind: str) -> list[str]:
    return sorted(record["status"] for record in await records(world, tenant, kind))


async def test_a_report_cancelled_after_it_was_final_leaves_no_valid_result(world: World, tenant: Tenant) -> None:
    two = oru("A", "1", "F", "90", T.format(1)) + "OBX|2|NM|718-7^Hb^LN||13.1|g/dL^^UCUM|||||F\r"
    with_file = two + f"OBX|3|ED|LAUDO^Laudo^L||LIS^application^pdf^Base64^{FILE}||||||F\r"
    first, off = await feed(world, tenant, with_file, cancellation(T.format(2)))
    assert "semantic.results-withdrawn" not in first["problems"] and "semantic.results-withdrawn" in off["problems"]
    assert await statuses(world, tenant, "DiagnosticReport") == ["cancelled"]
    assert await statuses(world, tenant, "Observation") == ["cancelled", "cancelled"]
    (document,) = await records(world, tenant, "DocumentReference")
    assert document["status"] == document["docStatus"] == "entered-in-error"
    told = await versions(world, tenant, "Observation")
    assert [one["status"] for one in told].count("final") == 2, "what they said is in their versions"
    (again,) = await feed(world, tenant, cancellation(T.format(3)))
    assert "semantic.results-withdrawn" not in again["problems"]
    late = oru("A", "1", "F", "91", T.format(1))
    await feed(world, tenant, late)
    assert await statuses(world, tenant, "Observation") == ["cancelled", "cancelled"], "an older result is history"
    await feed(world, tenant, oru("A", "1", "F", "90", T.format(5)))
    assert await statuses(world, tenant, "DiagnosticReport") == ["final"]
    assert await statuses(world, tenant, "Observation") == ["cancelled", "final"], "what is told again counts again"


async def test_a_cancelled_report_leaves_what_its_message_names_and_other_reports(world: World, tenant: Tenant) -> None:
    named = "OBX|1|NM|2345-7^Glicose^LN||90|mg/dL^^UCUM|||||F"
    two = oru("A", "1", "F", "90", T.format(1)) + "OBX|2|NM|718-7^Hb^LN||13.1|g/dL^^UCUM|||||F\r"
    await feed(world, tenant, two, oru("A", "2", "F", "88", T.format(1)), cancellation(T.format(2), named))
    assert await statuses(world, tenant, "DiagnosticReport") == ["cancelled", "final"]
    assert await statuses(world, tenant, "Observation") == ["cancelled", "final", "final"]


async def test_a_late_cancellation_takes_back_no_newer_result(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, oru("A", "1", "F", "90", T.format(5)), cancellation(T.format(2)))
    assert await statuses(world, tenant, "DiagnosticReport") == ["final"]
    assert await statuses(world, tenant, "Observation") == ["final"]


def document(event: str, own: str, at: int, *, parent: str = "", available: str = "AV", text: str = "Nota") -> str:
    lines = [
        msh(f"MDM^{event}^MDM_T02", f"202611231000{at:02d}"),
        PATIENT,
        f"TXA|1|CN|TX|20261122||||||||{own}|{parent}||||AU||{available}",
        f"OBX|1|TX|X^Nota^L||{text}||||||F",
    ]
    return "\r".join(lines) + "\r"


async def current(world: World, tenant: Tenant) -> dict[str, str]:
    """The status of each document by its number."""
    found = await records(world, tenant, "DocumentReference")
    return {one["masterIdentifier"]["value"]: one["status"] for one in found}


@pytest.mark.parametrize("event", ["T04", "T08", "T02"])
async def test_a_replaced_document_stays_superseded(world: World, tenant: Tenant, event: str) -> None:
    replacement = document("T10", "D2^HIS", 2, parent="D1^HIS")
    _, _, told = await feed(world, tenant, document("T02", "D1^HIS", 1), replacement, document(event, "D1^HIS", 3))
    assert await current(world, tenant) == {"D1": "superseded", "D2": "current"}
    assert "semantic.document-replaced" in told["problems"]
    await feed(world, tenant, document("T11", "D2^HIS", 4, available="CA"), document(event, "D1^HIS", 5))
    assert await current(world, tenant) == {"D1": "current", "D2": "entered-in-error"}


@pytest.mark.parametrize("wave", [False, True])
async def test_a_document_that_comes_after_its_replacement(world: World, tenant: Tenant, wave: bool) -> None:
    old, new = document("T02", "D1^HIS", 1), document("T10", "D2^HIS", 2, parent="D1^HIS")
    await feed(world, tenant, new, old, document("T06", "D3^HIS", 3, parent="D2^HIS"), wave=wave)
    assert await current(world, tenant) == {"D1": "superseded", "D2": "current", "D3": "current"}
