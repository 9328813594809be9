"""The authorisations of the day's stays, as a clerk takes them over from a payer's portal: written at the FHIR door."""

from __future__ import annotations

import datetime
from typing import Any

from api.demo.parts import Visit
from api.demo.reading import search
from api.demo.step import Step
from api.demo.trial import Trial
from canonical import codes
from canonical.errors import Refused
from hub.guard import tokens

SCOPES = ("system/ClaimResponse.write",)


async def authorise(trial: Trial, step: Step) -> None:
    """Every insured stay has a senha before it is billed; without one its guides would wait."""
    token = await tokens.issue(trial.world, trial.tenant, "demo", roles=[], scopes=SCOPES)
    stays = [visit for visit in trial.day.visits if visit.number in trial.day.operated]
    written = 0
    for position, visit in enumerate(stays, start=1):
        (encounter,) = await search(trial, "Encounter", identifier=visit.number)
        answer = await trial.client.post(
            "/fhir/ClaimResponse",
            json=_authorisation(visit, encounter["subject"]["reference"], position),
            headers={"authorization": f"Bearer {token}"},
        )
        if answer.status_code != 201:
            raise Refused(f"the authorisation of a stay was answered with {answer.status_code}")
        written += 1
    step.same("stays authorised", len(stays), written)
    found = await search(trial, "ClaimResponse", use="preauthorization")
    step.same("authorisations read back", len(stays), len(found))


def _authorisation(visit: Visit, patient: str, position: int) -> dict[str, Any]:
    payer = visit.card.payer if visit.card else None
    begin = visit.start.date()
    return {
        "resourceType": "ClaimResponse",
        "status": "active",
        "use": "preauthorization",
        "outcome": "complete",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "institutional"}]},
        "patient": {"reference": patient},
        "created": begin.isoformat(),
        "insurer": {"identifier": {"system": codes.ANS, "value": payer.ans if payer else ""}},
        "identifier": [{"value": f"90{position:04d}"}],
        "request": {"identifier": {"value": f"80{position:04d}"}},
        "preAuthRef": f"SENHA{position:04d}",
        "preAuthPeriod": {"start": begin.isoformat(), "end": (begin + datetime.timedelta(days=30)).isoformat()},
    }
