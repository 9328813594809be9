"""Published RNDS documents as partners send them: accepted, stored as they are, found by identifier and author."""

from __future__ import annotations

import httpx
import pytest

from fhir import jsontext
from tests.shared_files import samples


@pytest.mark.parametrize("name", ["Example-Bundle-RAC-Completo", "example-bundle-rel-loinc", "example-rira-booked"])
async def test_documents(fhir: httpx.AsyncClient, name: str) -> None:
    raw = (samples("rnds") / f"{name}.json").read_bytes()
    sent = jsontext.parse(raw)
    answer = await fhir.post("/fhir/Bundle", content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 201, answer.text[:500]
    assert isinstance(sent, dict)
    stored = jsontext.parse((await fhir.get(f"/fhir/Bundle/{answer.json()['id']}")).content)
    assert isinstance(stored, dict) and jsontext.text(stored["entry"]) == jsontext.text(sent["entry"])
    identifier = sent["identifier"]
    found = await fhir.get("/fhir/Bundle", params={"identifier": f"{identifier['system']}|{identifier['value']}"})
    assert found.json()["total"] == 1
    assert (await fhir.get("/fhir/Bundle?type=document&_summary=count")).json()["total"] == 1
    xml = await fhir.get(f"/fhir/Bundle/{answer.json()['id']}?_format=xml")
    again = await fhir.post("/fhir/Bundle", content=xml.content, headers={"content-type": "application/fhir+xml"})
    assert again.status_code == 201, again.text[:500]
