"""A document without a number of its own names its parent, and is never its own."""

from __future__ import annotations

import pytest
from hl7_feed import feed, msh, records

from hub.world import Tenant, World

PATIENT = "PID|1||A^^^HOSP^MR||Souza^Ana"


def document(event: str, own: str, parent: str, text: str, at: int) -> str:
    lines = [
        msh(f"MDM^{event}^MDM_T02", f"202611231000{at:02d}"),
        PATIENT,
        f"TXA|1|CN|TX|20261122||||||||{own}|{parent}||||AU",
        f"OBX|1|TX|X^Nota^L||{text}||||||F",
    ]
    return "\r".join(lines) + "\r"


@pytest.mark.parametrize(("event", "relation"), [("T06", "appends"), ("T10", "replaces")])
async def test_a_document_without_number_relates_to_its_parent(
    world: World, tenant: Tenant, event: str, relation: str
) -> None:
    await feed(world, tenant, document("T02", "D1^HIS", "", "Nota", 1), document(event, "", "D1^HIS", "Mais", 2))
    first, second = sorted(await records(world, tenant, "DocumentReference"), key=lambda one: "relatesTo" in one)
    (related,) = second["relatesTo"]
    assert related["code"] == relation and related["target"]["reference"] == f"DocumentReference/{first['id']}"
    assert first["id"] != second["id"] and first.get("status") == ("superseded" if event == "T10" else "current")
