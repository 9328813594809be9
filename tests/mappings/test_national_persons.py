"""National documents: doses of campaigns beside the routine, and persons who could not be identified."""

from __future__ import annotations

from typing import Any

import pytest
import rnds_records as records

from canonical.problem import blocking
from mappings.national import document_plans
from mappings.national.document_codes import NATIONAL
from mappings.national.document_values import PROFILE
from tests.mappings.test_national_documents import DAY, made

STRATEGY = f"{PROFILE}BREstrategiaVacinacao-1.0"


def campaign(code: str, **more: Any) -> dict[str, Any]:
    concept = {"coding": [{"system": f"{NATIONAL}/CodeSystem/BREstrategiaVacinacao", "code": code}]}
    said = {"url": STRATEGY, "valueCodeableConcept": concept}
    return {**records.IMMUNIZATION, "protocolApplied": [{"doseNumberPositiveInt": 2, "extension": [said]}], **more}


CLAIMS: dict[str, tuple[dict[str, Any], dict[str, str], bool]] = {
    "its strategy is a campaign": (campaign("5"), {}, True),
    "its strategy is routine, whatever the vaccine": (campaign("1"), {"vaccines": "25"}, False),
    "no strategy, no list": (records.IMMUNIZATION, {}, False),
    "its vaccine is one of the campaign": (records.IMMUNIZATION, {"vaccines": "33, 25"}, True),
    "its vaccine is another": (records.IMMUNIZATION, {"vaccines": "33"}, False),
    "copied from a booklet": (campaign("5", primarySource=False), {}, False),
    "not given": (campaign("5", status="not-done"), {}, False),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_campaign_document_stands_instead_of_the_routine_one(name: str) -> None:
    body, settings, taken = CLAIMS[name]
    plan = document_plans.plan_at("RIAC", DAY)
    assert plan.instead_of == "RIA" and plan.takes(body, settings, records.LISTS) is taken


def test_who_could_not_be_identified_is_told_by_sex_year_and_reason() -> None:
    scope = records.scope("RAC")
    scope |= {"patient": {"id": "x"}, "unidentified": {"gender": "male", "birthYear": "1990-01-01", "reason": "03"}}
    bodies, problems = made("RAC", scope)
    assert not blocking(problems) and {p.code for p in problems} == {"rnds.left-out"}  # what needs a number is left out
    assert [b["resourceType"] for b in bodies] == [
        "Composition",
        "Encounter",
        "Condition",
        "Procedure",
        "Observation",
        "Observation",
    ]
    (said,) = bodies[0]["subject"]["extension"]
    assert all(b["subject"] == bodies[0]["subject"] and "identifier" not in b["subject"] for b in bodies)
    assert {part["url"]: next(v for k, v in part.items() if k != "url") for part in said["extension"]} == {
        "gender": "male",
        "birthYear": "1990",
        "reason": {"coding": [{"system": f"{NATIONAL}/CodeSystem/BRJustificativaIndividuoNaoIdentificado", "code": "03"}]},
    }  # fmt: skip
    numbered = {**scope, "patient": records.PATIENT}
    assert "identifier" in made("RAC", numbered)[0][0]["subject"], "a number is told where there is one"
