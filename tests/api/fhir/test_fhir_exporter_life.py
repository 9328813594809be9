"""A life as exporters of whole records send it: the hospital first, then hundreds of entries that name each other by
`urn:uuid` and the hospital's by query. Everybody is invented."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
from jiter import LosslessFloat

from fhir import jsontext

NPI, OURS = "urn:x:register", "urn:x:exporter"
VISITS = 40
Body = dict[str, Any]


def urn(name: str) -> str:
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}"


def hospital() -> Body:
    """Organisations and professionals, each created once however often it is sent."""
    bodies: list[Body] = [
        *({"resourceType": "Organization", "name": f"Clínica {n}", "identifier": [{"system": OURS, "value": f"o{n}"}]} for n in range(3)),
        *({"resourceType": "Practitioner", "name": [{"family": "Prado"}], "identifier": [{"system": NPI, "value": f"p{n}"}]} for n in range(5)),
    ]  # fmt: skip
    entries = []
    for body in bodies:
        found = body["identifier"][0]
        condition = f"identifier={found['system']}|{found['value']}"
        request = {"method": "POST", "url": body["resourceType"], "ifNoneExist": condition}
        entries.append({"fullUrl": urn(condition), "resource": body, "request": request})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def visit(n: int) -> list[tuple[str, Body]]:
    """What one visit leaves: eight records."""
    who, here = {"reference": urn("patient")}, {"reference": urn(f"visit{n}")}
    day = f"20{10 + n % 15}-{1 + n % 12:02d}-{1 + n % 28:02d}"
    period = {"start": f"{day}T08:00:00-03:00", "end": f"{day}T09:30:00-03:00"}
    code = {"coding": [{"system": "http://snomed.info/sct", "code": str(1000 + n % 7)}], "text": "achado"}
    doctor, place = (
        {"reference": f"Practitioner?identifier={NPI}|p{n % 5}"},
        {"reference": f"Organization?identifier={OURS}|o{n % 3}"},
    )
    common: Body = {"subject": who, "encounter": here}
    amount = {"system": "http://unitsofmeasure.org", "code": "kg", "unit": "kg"}
    weight = [{**amount, "value": LosslessFloat(f"{60 + n}.{text}".encode())} for text in ("50", "125", "0")]
    seen = [f"weight{n}-{k}" for k in range(3)]
    item = {
        "sequence": 1,
        "productOrService": code,
        "encounter": [here],
        "net": {"value": LosslessFloat(b"129.10"), "currency": "BRL"},
    }
    claim: Body = {
        "resourceType": "Claim", "status": "active", "use": "claim", "type": {"text": "x"}, "patient": who, "created": f"{day}T10:00:00-03:00",
        "provider": place, "priority": {"text": "normal"}, "item": [item], "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "plano"}}],
    }  # fmt: skip
    return [
        (f"visit{n}", {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, "subject": who, "period": period,
                       "participant": [{"individual": doctor}], "serviceProvider": place}),
        (f"condition{n}", {"resourceType": "Condition", "code": code, "onsetDateTime": period["start"], **common}),
        *((name, {"resourceType": "Observation", "status": "final", "code": code, "effectiveDateTime": period["start"], "valueQuantity": value,
                  "performer": [doctor], **common}) for name, value in zip(seen, weight, strict=True)),
        (f"report{n}", {"resourceType": "DiagnosticReport", "status": "final", "code": code, **common, "result": [{"reference": urn(s)} for s in seen]}),
        (f"procedure{n}", {"resourceType": "Procedure", "status": "completed", "code": code, "performedPeriod": period, **common,
                           "reasonReference": [{"reference": urn(f"condition{n}")}]}),
        (f"claim{n}", claim),
    ]  # fmt: skip


def life() -> list[tuple[str, Body]]:
    """The patient, all visits, and who wrote all that, in an order that names what comes later."""
    inside = [record for n in range(VISITS) for record in visit(n)]
    lineage = {
        "resourceType": "Provenance",
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"reference": f"Practitioner?identifier={NPI}|p0"}}],
        "target": [{"reference": urn(name)} for name in ("patient", *(name for name, _ in inside))],
    }
    patient = {"resourceType": "Patient", "gender": "female", "birthDate": "1970-02-01", "name": [{"family": "Aguiar"}]}
    return [("lineage", lineage), *inside, ("patient", patient)]


def told(node: Any, names: dict[str, str]) -> Any:
    """`node` with what it names by urn or query called as it is stored."""
    if isinstance(node, dict):
        return {key: told(value, names) for key, value in node.items()}
    if isinstance(node, list):
        return [told(value, names) for value in node]
    return names.get(node, node) if isinstance(node, str) else node


async def test_a_whole_life(fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"content-type": "application/fhir+json"}
    first, again = [(await fhir.post("/fhir", json=hospital())).json()["entry"] for _ in range(2)]
    assert {e["response"]["status"] for e in first} == {"201 Created"}
    assert {e["response"]["status"] for e in again} == {"200 OK"}
    names = {}
    for sent, done in zip(hospital()["entry"], first, strict=True):
        found = sent["resource"]["identifier"][0]
        kind, identity = done["response"]["location"].split("/")[-4:-2]
        names[f"{kind}?identifier={found['system']}|{found['value']}"] = f"{kind}/{identity}"
    bodies = life()
    entries = [
        {"fullUrl": urn(name), "resource": body, "request": {"method": "POST", "url": body["resourceType"]}}
        for name, body in bodies
    ]
    whole = jsontext.text({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    answer = await fhir.post("/fhir", content=whole, headers=headers)
    assert answer.status_code == 200 and len(entries) > 300, answer.text[:500]
    for (name, _), done in zip(bodies, answer.json()["entry"], strict=True):
        assert done["response"]["status"] == "201 Created"
        names[urn(name)] = "/".join(done["response"]["location"].split("/")[-4:-2])
    # The lineage names every record of the life, which come by themselves: the hospital alone is to be included.
    monkeypatch.setattr("hub.find.included.include.MOST_INCLUDED", len(hospital()["entry"]) + 1)
    stored: dict[str, Any] = {}
    url: str | None = f"/fhir/{names[urn('patient')]}/$everything?_count=100"
    while url:
        page: Any = jsontext.parse((await fhir.get(url)).content)
        for entry in page["entry"]:
            stored[f"{entry['resource']['resourceType']}/{entry['resource']['id']}"] = entry["resource"]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    assert set(stored) == set(names.values())
    for name, body in bodies:
        found = {key: value for key, value in stored[names[urn(name)]].items() if key not in ("id", "meta")}
        assert jsontext.text(found) == jsontext.text(told(body, names)), name
    for query, total in (
        (f"Observation?patient={names[urn('patient')]}", 3 * VISITS), ("Observation?value-quantity=ge99.125||kg", 2),
        ("Encounter?participant.identifier=p0", VISITS // 5), ("Encounter?service-provider.name=clinica%201", 13),
        ("Procedure?reason-reference:Condition.code=1003&encounter:missing=false", 6), ("Claim?item-udi:missing=true", VISITS),
        ("Patient?_has:DiagnosticReport:patient:result.value-quantity=gt99", 1),
    ):  # fmt: skip
        assert (await fhir.get(f"/fhir/{query}&_summary=count")).json()["total"] == total, query
