"""Transactions as a care record exporter sends them: one patient's whole history, entries linked by `urn:uuid:`.

Everybody is invented. Organisations and professionals are the same few in all Bundles, created only once
(`ifNoneExist`); everything else is new.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from bench.fhir_data import observation, patient

_SYSTEM = "urn:ponte:bench:"
Body = dict[str, Any]


def bundle(number: int, size: int) -> bytes:
    """The transaction of patient `number` with `size` entries."""
    names = [f"urn:uuid:{uuid.UUID(int=number * 100_000 + n + 1)}" for n in range(size)]
    who, where, professional = names[0], names[1], names[2]
    entries = [
        _entry(who, {**patient(number), "identifier": [{"system": f"{_SYSTEM}mr", "value": f"{number}"}]}),
        _entry(where, _shared("Organization", number % 5, name="Hospital"), once=True),
        _entry(professional, _shared("Practitioner", number % 50, name=[{"family": "Lima"}]), once=True),
    ]
    visit = who
    for n in range(3, size):
        body = _clinical(n, who, professional, visit)
        if body["resourceType"] == "Encounter":
            visit, body["serviceProvider"] = names[n], {"reference": where}
        entries.append(_entry(names[n], body))
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()


def _entry(name: str, body: Body, *, once: bool = False) -> Body:
    kind = body["resourceType"]
    request = {"method": "POST", "url": kind}
    if once:
        found = body["identifier"][0]
        request["ifNoneExist"] = f"identifier={found['system']}|{found['value']}"
    return {"fullUrl": name, "resource": body, "request": request}


def _shared(kind: str, number: int, **rest: Any) -> Body:
    return {"resourceType": kind, "identifier": [{"system": f"{_SYSTEM}{kind}", "value": str(number)}], **rest}


def _clinical(n: int, who: str, professional: str, visit: str) -> Body:
    """Entry `n`: a visit every tenth, with what was found and done in it."""
    subject = {"subject": {"reference": who}}
    day = f"20{10 + n % 15}-{1 + n % 12:02d}-{1 + n % 28:02d}"
    code = {
        "coding": [{"system": "http://snomed.info/sct", "code": str(100_000 + n), "display": "Achado"}],
        "text": "Achado",
    }
    inside = {"encounter": {"reference": visit}} if visit != who else {}
    if n % 10 == 3:
        act = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
        period = {"start": f"{day}T08:00:00-03:00", "end": f"{day}T09:00:00-03:00"}
        found = {"individual": {"reference": professional}}
        return {
            "resourceType": "Encounter",
            "status": "finished",
            "class": act,
            "period": period,
            "participant": [found],
            **subject,
        }
    if n % 10 == 4:
        return {"resourceType": "Condition", "code": code, "onsetDateTime": day, **subject, **inside}
    if n % 10 == 5:
        return {
            "resourceType": "Procedure",
            "status": "completed",
            "code": code,
            "performedDateTime": day,
            **subject,
            **inside,
        }
    if n % 10 == 6:
        kind = {"status": "active", "intent": "order", "medicationCodeableConcept": code, "authoredOn": day}
        return {
            "resourceType": "MedicationRequest",
            **kind,
            "requester": {"reference": professional},
            **subject,
            **inside,
        }
    return {**observation(n, 1), **subject, **inside}
