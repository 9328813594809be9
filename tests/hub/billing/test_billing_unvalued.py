"""Records that partners write may have elements without a value (an extension says why): they hold up nobody's bill."""

from __future__ import annotations

from typing import Any

import pytest
from billing_day import DIPYRONE, EXAM, IPE, Visit, happen, partner_row, register, rows
from billing_stay import authorise, built, discharge, put

from fhir import jsontext
from hub.records.write import Write
from hub.world import Tenant, World

UNKNOWN = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
VISIT: dict[str, Any] = {"charges": (EXAM, DIPYRONE), "kind": "IMP"}


@pytest.mark.parametrize("element", ["outcome", "status", "created", "use"])
async def test_an_authorisation_without_a_value(world: World, tenant: Tenant, element: str) -> None:
    """One such record had stopped the building of every guide of the hospital."""
    await register(world, tenant, [partner_row(IPE)])
    first, second = await happen(world, tenant, [Visit(payer=IPE, **VISIT), Visit(payer=IPE, **VISIT)])
    for patient in (first, second):
        await authorise(world, tenant, patient)
        await discharge(world, tenant, patient)
    found = "SELECT id, body FROM resource WHERE tenant_id = $1 AND type = 'ClaimResponse' ORDER BY rid LIMIT 1"
    (row,) = await rows(world, tenant, found)
    body = {key: value for key, value in jsontext.stored(row["body"]).items() if key not in ("id", element)}
    item = {
        "itemSequence": 1,
        "adjudication": [{"category": {"coding": [{"code": "x"}]}}],
    }
    unvalued = {"_itemSequence": UNKNOWN, "adjudication": item["adjudication"]}
    told = {**body, f"_{element}": UNKNOWN, "item": [item, unvalued]}
    await put(world, tenant, Write(type="ClaimResponse", id=row["id"], body=told))
    assert [guide["kind"] for guide in await built(world, tenant)] == ["internacao"] * 2
