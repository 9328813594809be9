"""Published RNDS documents as partners send them: accepted, stored as they are, found by identifier and author."""

from __future__ import annotations

import httpx
import pytest
from shared_files import samples

from fhir import jsontext


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


async def test_a_person_called_by_cpf_in_a_document(fhir: httpx.AsyncClient) -> None:
    """BRIndividuo-1.0 holds a CNS or a CPF: a search by either finds what it is, under all its names."""
    person = "http://www.saude.gov.br/fhir/r4/StructureDefinition/BRIndividuo-1.0"
    names = (
        "https://saude.gov.br/fhir/sid/cpf",
        "http://rnds.saude.gov.br/fhir/r4/NamingSystem/cpf",
        "https://saude.gov.br/fhir/sid/cns",
    )
    for number, wanted in (("52998224725", [1, 1]), ("700501971318558", [0, 0, 1])):
        subject = {"identifier": {"system": person, "value": number}}
        body = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": subject}
        assert (await fhir.post("/fhir/Observation", json=body)).status_code == 201
        asked = [
            await fhir.get(f"/fhir/Observation?subject:identifier={name}|{number}") for name in names[: len(wanted)]
        ]
        assert [answer.json()["total"] for answer in asked] == wanted
    patient = {"resourceType": "Patient", "identifier": [{"system": names[1], "value": "52998224725"}]}
    await fhir.post("/fhir/Patient", json=patient)
    assert (await fhir.get(f"/fhir/Patient?identifier={person}|52998224725")).json()["total"] == 1
    again = await fhir.post(
        "/fhir/Patient", json=patient, headers={"if-none-exist": f"identifier={person}|52998224725"}
    )
    assert again.status_code == 200
