"""Sick notes for the national network: which care plans are one, and what of them is told wherever they state it."""

from __future__ import annotations

from typing import Any

import pytest
import rnds_records as records

from hub.rnds.certificates import is_one, with_reasons

RD = "http://www.saude.gov.br/fhir/r4"
PLAN: dict[str, Any] = {"resourceType": "CarePlan", "id": "a", "status": "active"}


def coded(system: str, code: str = "ATM") -> dict[str, Any]:
    return {"category": [{"coding": [{"system": system, "code": code}]}]}


IS_ONE: list[tuple[bool, dict[str, Any]]] = [
    (True, coded(f"{RD}/CodeSystem/BRTipoDocumento")), (True, coded("https://terminologia.saude.gov.br/fhir/CodeSystem/BRTipoDocumento")),
    (True, {"meta": {"profile": [f"{RD}/StructureDefinition/BRAtestado|1.0.0"]}}), (False, coded(f"{RD}/CodeSystem/BRTipoDocumento", "RAC")),
    (False, coded("urn:local")), (False, {}), (False, {"category": [{"text": "ATM"}]}), (False, {"meta": {"profile": [f"{RD}/StructureDefinition/BRPlanoCuidados-1.0"]}}),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "stated"), IS_ONE)
def test_which_plans_are_one(wanted: bool, stated: dict[str, Any]) -> None:
    assert is_one({**PLAN, **stated}) is wanted


def detail(**stated: Any) -> dict[str, Any]:
    return {"activity": [{"detail": {"status": "unknown", **stated}}]}


def timing(**stated: Any) -> dict[str, Any]:
    return detail(scheduledTiming=stated)


DAY = "2026-11-20"
SPANS: list[tuple[Any, Any, dict[str, Any]]] = [
    (DAY, 3, timing(event=[DAY], repeat={"count": 3})),
    (DAY, 5, timing(event=[DAY], repeat={"boundsDuration": {"value": 5, "unit": "dias", "code": "d"}})),
    (DAY, None, timing(event=[DAY], repeat={"boundsDuration": {"value": 5, "code": "h"}})),
    (DAY, 2, timing(repeat={"boundsPeriod": {"start": DAY, "end": "2026-11-21"}})),
    (DAY, 1, detail(scheduledPeriod={"start": DAY, "end": f"{DAY}T23:59:00-03:00"})),
    (DAY, 11, {"period": {"start": DAY, "end": "2026-11-30"}}),
    (DAY, 2, {**detail(), "period": {"start": DAY, "end": "2026-11-21"}}),
    (DAY, None, {"period": {"start": DAY}}), (DAY, None, {"period": {"start": DAY, "end": "2026-11-01"}}),
    ("2026-11-19", 4, {**timing(repeat={"count": 4}), "created": "2026-11-19"}), (None, None, {}), (None, None, {"period": {"start": "", "end": "x"}}),
]  # fmt: skip


@pytest.mark.parametrize(("start", "days", "stated"), SPANS)
def test_begin_and_days(start: Any, days: Any, stated: dict[str, Any]) -> None:
    (found,) = with_reasons([{**PLAN, **stated}], {})["certificates"]
    assert (found.get("start"), found.get("days")) == (start, days)


def test_the_reason_is_the_notes_own() -> None:
    stored = {
        "Condition/gripe": records.CONDITION,
        "Condition/vago": {"resourceType": "Condition", "code": {"text": "dor"}},
    }
    told = with_reasons(
        [{**PLAN, "addresses": [{"reference": "Condition/vago"}, {"reference": "Condition/gripe"}]}], stored
    )
    assert told["certificates"][0]["addresses"] == [{"reference": "Condition/a-1"}]
    assert told["indications"] == [{"resourceType": "Condition", "id": "a-1", "code": records.CONDITION["code"]}]
    for silent in (
        {},
        {"addresses": [{"reference": "Condition/vago"}]},
        {"addresses": [{"reference": "Condition/gone"}]},
    ):
        told = with_reasons([{**PLAN, **silent}], stored)
        assert told["indications"] == [] and "addresses" not in told["certificates"][0]
