"""Conditional references in a transaction mean what stands there when it has written (R4 §3.1.0.11.2)."""

from __future__ import annotations

from typing import Any

import httpx

Body = dict[str, Any]


def observation(subject: str, **more: Any) -> Body:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": subject},
        **more,
    }


def patient(value: str, **more: Any) -> Body:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:t", "value": value}], **more}


def post(resource: Body, **request: Any) -> Body:
    return {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"], **request}}


async def transact(fhir: httpx.AsyncClient, *entries: Body) -> httpx.Response:
    return await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": list(entries)})


async def stored(fhir: httpx.AsyncClient, answer: httpx.Response, at: int) -> Body:
    location = answer.json()["entry"][at]["response"]["location"]
    found: Body = (await fhir.get("/fhir/" + location.split("/fhir/")[1])).json()
    return found


async def test_what_an_entry_beside_makes(fhir: httpx.AsyncClient) -> None:
    """Also through several steps: a report of an observation of a patient, all new and told by their numbers."""
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "x"},
        "result": [{"reference": "Observation?identifier=urn:t|o1"}],
    }
    seen = observation("Patient?identifier=urn:t|p1", identifier=[{"system": "urn:t", "value": "o1"}])
    answer = await transact(fhir, post(report), post(seen), post(patient("p1")))
    assert answer.status_code == 200, answer.text
    one = await stored(fhir, answer, 2)
    two = await stored(fhir, answer, 1)
    assert two["subject"] == {"reference": f"Patient/{one['id']}"}
    assert (await stored(fhir, answer, 0))["result"] == [{"reference": f"Observation/{two['id']}"}]
    found = await fhir.get("/fhir/DiagnosticReport?result.subject.identifier=urn:t|p1")
    assert len(found.json()["entry"]) == 1


async def test_what_an_entry_beside_changes(fhir: httpx.AsyncClient) -> None:
    """A number that a PUT or a PATCH gives is found, the one it takes away is not."""
    first = (await fhir.post("/fhir/Patient", json=patient("old"))).json()
    put = {
        "resource": patient("new", id=first["id"]),
        "request": {"method": "PUT", "url": f"Patient/{first['id']}"},
    }
    refused = await transact(fhir, post(observation("Patient?identifier=urn:t|old")), put)
    assert refused.status_code == 412
    assert refused.json()["issue"][0]["expression"] == ["Bundle.entry[0].resource"]
    assert (await fhir.get(f"/fhir/Patient/{first['id']}")).json()["meta"]["versionId"] == "1"
    answer = await transact(fhir, post(observation("Patient?identifier=urn:t|new")), put)
    assert (await stored(fhir, answer, 0))["subject"] == {"reference": f"Patient/{first['id']}"}


async def test_what_an_entry_beside_deletes(fhir: httpx.AsyncClient) -> None:
    first = (await fhir.post("/fhir/Patient", json=patient("gone"))).json()
    delete = {"request": {"method": "DELETE", "url": f"Patient/{first['id']}"}}
    refused = await transact(fhir, post(observation("Patient?identifier=urn:t|gone")), delete)
    assert refused.status_code == 412
    anew = await transact(fhir, delete, post(patient("gone"), ifNoneExist="identifier=urn:t|gone"))
    assert [entry["response"]["status"] for entry in anew.json()["entry"]] == ["204 No Content", "201 Created"]
    assert (await fhir.get("/fhir/Patient?identifier=urn:t|gone&_total=accurate")).json()["total"] == 1


async def test_two_that_meet_the_condition(fhir: httpx.AsyncClient) -> None:
    """One there, one made beside it: which of them is meant cannot be told."""
    await fhir.post("/fhir/Patient", json=patient("twin"))
    refused = await transact(fhir, post(observation("Patient?identifier=urn:t|twin")), post(patient("twin")))
    assert refused.status_code == 412
    linked = [{"other": {"reference": "Patient?identifier=urn:t|twin"}, "type": "seealso"}]
    late = await transact(fhir, post(patient("twin", link=linked)))
    assert late.status_code == 412
    circle = [
        post(patient(own, link=[{"other": {"reference": f"Patient?identifier=urn:t|{other}"}, "type": "seealso"}]))
        for own, other in (("a", "b"), ("b", "a"))
    ]
    assert (await transact(fhir, *circle)).status_code == 412
    assert (await fhir.get("/fhir/Patient?identifier=urn:t|a")).json()["total"] == 0


async def test_through_a_chain_a_patch_and_our_own_address(fhir: httpx.AsyncClient) -> None:
    base = str((await fhir.get("/fhir/Patient?_count=1")).json()["link"][0]["url"]).partition("/Patient")[0]
    subject = f"{base}/Patient?identifier=urn:t|chain"
    encounter = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": subject},
    }
    chained = observation("Patient?identifier=urn:t|chain")
    chained["encounter"] = {"reference": "Encounter?patient.identifier=urn:t|chain"}
    answer = await transact(fhir, post(chained), post(encounter), post(patient("chain")))
    assert answer.status_code == 200, answer.text
    met = await stored(fhir, answer, 1)
    assert (await stored(fhir, answer, 0))["encounter"] == {"reference": f"Encounter/{met['id']}"}
    assert met["subject"]["reference"].startswith("Patient/")
    headers = {"content-type": "application/json-patch+json"}
    patch = [{"op": "replace", "path": "/subject/reference", "value": "Patient?identifier=urn:t|chain"}]
    place = f"/fhir/Encounter/{met['id']}"
    patched = await fhir.patch(place, json=patch, headers=headers)
    assert patched.json()["subject"] == met["subject"]
