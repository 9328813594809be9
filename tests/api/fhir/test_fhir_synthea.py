"""Synthea's transaction bundles: hospitals and practitioners first, then a patient whose entries refer to them by query."""

from __future__ import annotations

import json

import httpx
import pytest
from shared_files import samples

pytestmark = pytest.mark.slow


async def test_a_synthetic_life(fhir: httpx.AsyncClient) -> None:
    folder = samples("fhir")
    order = [
        *sorted(folder.glob("hospital*.json")),
        *sorted(folder.glob("practitioner*.json")),
        *sorted(folder.glob("[A-Z]*.json")),
    ]
    made: dict[str, int] = {}
    for path in order:
        headers = {"content-type": "application/fhir+json"}
        answer = await fhir.post("/fhir", content=path.read_bytes(), headers=headers)
        assert answer.status_code == 200, (path.name, answer.text[:2000])
        sent = json.loads(path.read_bytes())
        assert len(answer.json()["entry"]) == len(sent["entry"])
        for entry in sent["entry"]:
            made[entry["resource"]["resourceType"]] = made.get(entry["resource"]["resourceType"], 0) + 1
    for kind, count in made.items():
        assert (await fhir.get(f"/fhir/{kind}?_summary=count")).json()["total"] == count, kind
    patient = (await fhir.get("/fhir/Patient?_count=1")).json()["entry"][0]["resource"]["id"]
    inside = (await fhir.get(f"/fhir/Patient/{patient}/Observation?_summary=count")).json()["total"]
    assert inside == made["Observation"]
    for url in (
        f"Observation?patient={patient}&category=vital-signs&_sort=-date", f"Procedure?patient={patient}&_include=Procedure:encounter",
        f"Encounter?subject=Patient/{patient}&_revinclude=Observation:encounter&_count=2", "Patient?_has:Encounter:patient:status=finished",
        f"Claim?patient={patient}", f"Patient/{patient}/*?_count=10",
    ):  # fmt: skip
        answer = await fhir.get(f"/fhir/{url}")
        assert answer.status_code == 200 and answer.json().get("entry"), url
